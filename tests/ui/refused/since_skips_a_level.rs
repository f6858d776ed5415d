use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Status {
    beat: u64,
    #[shm(since = 1)]
    fan: u64,
    #[shm(since = 5)]
    heat: u64,
    #[shm(since = 6)]
    load: f64,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Late {
    beat: u64,
    #[shm(since = 1000)]
    fan: u64,
}

fn main() {}
