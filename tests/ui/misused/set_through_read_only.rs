use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Counter {
    hits: u64,
}

fn main() {
    let shm = Counter::attach_read_only("/counter").unwrap();
    shm.hits.set(1);
}
