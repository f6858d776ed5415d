use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct User {
    id: u64,
    name: String,
}

fn main() {}
