use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
#[shm(pin = "29966bb6395b1f48")]
struct Unpinned {
    beat: u64,
    #[shm(since = 1)]
    load: f64,
}

#[derive(ShmLayout)]
#[repr(C)]
#[shm(pin = ["b5e9a06638a37a3e", "0123456789abcdef"])]
struct Changed {
    hits: u64,
    #[shm(since = 1)]
    load: f64,
}

#[derive(ShmLayout)]
#[repr(C)]
#[shm(pin = ["b5e9a06638a37a3e", "0123456789abcdef"])]
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
#[shm(pin = ["b5e9a06638a37a3e", 5])]
struct Number {
    hits: u64,
}

fn main() {}
