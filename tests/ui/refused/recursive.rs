use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Node {
    key: u64,
    children: [Node; 2],
}

fn main() {}
