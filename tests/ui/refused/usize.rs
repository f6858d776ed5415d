use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Queue {
    capacity: u64,
    len: usize,
}

fn main() {}
