use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    id: u64,
    value: std::net::TcpStream,
    end: u64,
}

fn main() {}
