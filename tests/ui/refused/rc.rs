use std::rc::Rc;

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    id: u64,
    value: Rc<u64>,
}

fn main() {}
