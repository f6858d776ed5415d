use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Pair<A, B> {
    first: A,
    second: B,
}

fn main() {
    let _ = Pair::<u8, u32>::create("/pair");
}
