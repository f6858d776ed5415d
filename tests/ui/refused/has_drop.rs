use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Connection {
    id: u64,
}

impl Drop for Connection {
    fn drop(&mut self) {}
}

fn main() {}
