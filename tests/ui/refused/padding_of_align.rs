use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C, align(64))]
struct Line {
    counter: u64,
}

fn main() {}
