use shm_core::{Shm, ShmLayout};

fn latest<T: ShmLayout + Copy>(shm: &Shm<T>) -> T {
    shm.load()
}

fn main() {}
