use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
#[shm(pin = "6d77cb8d342791dc")]
struct Unpinned {
    beat: u64,
    #[shm(since = 1)]
    load: f64,
}

#[derive(ShmLayout)]
#[repr(C)]
#[shm(pin = ["3c1a9b3abbac95c1", "0123456789abcdef"])]
struct Changed {
    hits: u64,
    #[shm(since = 1)]
    load: f64,
}

#[derive(ShmLayout)]
#[repr(C)]
#[shm(pin = ["3c1a9b3abbac95c1", "0123456789abcdef"])]
struct Long {
    hits: u64,
}

#[derive(ShmLayout)]
#[repr(C)]
#[shm(pin = [])]
struct Empty {
    hits: u64,
}

#[derive(ShmLayout)]
#[repr(C)]
#[shm(pin = ["3c1a9b3abbac95c1", 5])]
struct Number {
    hits: u64,
}

fn main() {}
