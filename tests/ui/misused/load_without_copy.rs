use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Counter {
    hits: u64,
}

fn main() {
    let shm = Counter::create_anonymous().unwrap();
    let _ = shm.load();
}
