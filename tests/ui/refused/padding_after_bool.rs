use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Switch {
    on: bool,
    level: u16,
}

fn main() {}
