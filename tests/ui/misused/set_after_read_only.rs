use shm_core::ShmLayout;

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Counter {
    hits: u64,
    list: [u32; 2],
}

fn main() {
    let shm = Counter::create_anonymous().unwrap();
    shm.read_only().hits.set(1);
}
