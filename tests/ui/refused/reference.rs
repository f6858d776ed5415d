use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Message {
    id: u64,
    text: &'static str,
}

fn main() {}
