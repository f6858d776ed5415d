use shm_core::sync::Mutex;
use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Node {
    key: u64,
    children: Mutex<[Self; 4]>,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Tree {
    size: u64,
    root: Mutex<[Node; 2]>,
}

fn main() {
}
