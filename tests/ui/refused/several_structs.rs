use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct First {
    len: usize,
    name: String,
}

#[derive(ShmLayout)]
struct Second {
    next: *const u8,
    value: Option<u8>,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Third {
    first: First,
    second: Second,
}

fn main() {
    let third = Third::create("/third").unwrap();
    let _ = third.first.len;
    third.unlink().unwrap();
}
