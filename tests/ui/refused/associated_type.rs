use shm_core::ShmLayout;

trait Storage {
    type Handle;
}

struct Local;

impl Storage for Local {
    type Handle = *const u8;
}

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    id: u64,
    value: <Local as Storage>::Handle,
}

fn main() {}
