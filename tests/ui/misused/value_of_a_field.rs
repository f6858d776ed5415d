//! A field as its value: read it with `get`.

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Counter {
    hits: u64,
}

fn main() {
    let shm = Counter::create_anonymous().unwrap();
    let hits: u64 = shm.hits;
    let more = shm.hits + 1;
    let many = shm.hits > 100;
    println!("{}", shm.hits);
}
