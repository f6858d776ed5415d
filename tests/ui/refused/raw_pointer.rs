use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Node {
    value: u64,
    next: *const Node,
}

fn main() {}
