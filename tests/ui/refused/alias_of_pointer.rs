use shm_core::ShmLayout;

type Handle = *mut u8;

#[derive(ShmLayout)]
#[repr(C)]
struct Device {
    id: u64,
    handle: Handle,
    others: [Handle; 4],
}

fn main() {}
