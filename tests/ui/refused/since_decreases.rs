use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Status {
    beat: u64,
    #[shm(since = 1)]
    load: f64,
    #[shm(since = 2)]
    fan: u64,
    #[shm(since = 1)]
    heat: u64,
    #[shm(since = 3)]
    cold: u64,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Inserted {
    beat: u64,
    #[shm(since = 1)]
    fan: u64,
    heat: u64,
    #[shm(since = 2)]
    load: f64,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Tuple(u64, #[shm(since = 1)] u64, u64);

fn main() {}
