use shm_core::ShmLayout;

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Counter {
    hits: u64,
    list: [u32; 2],
}

fn main() {
    let shm = Counter::attach_read_only("/counter").unwrap();
    shm.list.write_from(&[1, 2]);
}
