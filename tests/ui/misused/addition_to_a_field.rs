//! `+=` on a field: write `shm.hits.set(shm.hits.get() + 1)`.

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Counter {
    hits: u64,
}

fn main() {
    let shm = Counter::create_anonymous().unwrap();
    shm.hits += 1;
}
