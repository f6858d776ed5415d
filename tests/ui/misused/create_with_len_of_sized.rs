use shm_core::ShmLayout;

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Counter {
    hits: u64,
    list: [u32; 2],
}

fn main() {
    let _ = Counter::create_with_len("/counter", 4);
}
