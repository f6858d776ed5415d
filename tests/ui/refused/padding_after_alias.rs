use shm_core::ShmLayout;

type Id = u32;

#[derive(ShmLayout)]
#[repr(C)]
struct Record {
    id: Id,
    time: u64,
}

fn main() {}
