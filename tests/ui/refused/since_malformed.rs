use shm_core::ShmLayout;

const LEVEL: u32 = 1;

#[derive(ShmLayout)]
#[repr(C)]
struct Status {
    beat: u64,
    #[shm(since = 0)]
    a: u64,
    #[shm(since = -1)]
    b: u64,
    #[shm(since = 1001)]
    c: u64,
    #[shm(since = LEVEL)]
    d: u64,
    #[shm(since = "1")]
    e: u64,
    #[shm(since)]
    f: u64,
    #[shm(since = 1, since = 2)]
    g: u64,
}

fn main() {}
