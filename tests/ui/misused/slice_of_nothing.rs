use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Endless {
    hits: u64,
    nothing: [[u8; 0]],
}

fn main() {
    let _ = Endless::create_anonymous_with_len(usize::MAX);
}
