//! The guide's table has these errors of borrowing. The others are in `cells_as_values.rs`.

use shm_core::{Shm, ShmLayout};

#[derive(ShmLayout)]
#[repr(C)]
struct Data {
    x: u64,
}

fn moved(shm: &Shm<Data>) {
    let _n = shm.x;
}

fn borrowed(shm: Shm<Data>) {
    let _n = &mut shm.x;
}

fn captured(shm: Shm<Data>) {
    std::thread::spawn(|| shm.x.set(1));
}

fn main() {}
