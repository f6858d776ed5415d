use shm_core::ShmLayout;

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Counter {
    hits: [u64; 4],
}

fn main() {
    let shm = Counter::attach_read_only("/counter").unwrap();
    shm.store(Counter { hits: [0; 4] });
    shm.hits.fill(0);
}
