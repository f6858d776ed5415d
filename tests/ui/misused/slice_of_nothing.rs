use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Endless<T> {
    hits: u64,
    items: [T],
}

fn main() {
    let _ = Endless::<[u8; 0]>::create_anonymous_with_len(usize::MAX);
}
