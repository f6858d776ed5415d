use shm_core::ShmLayout;

#[derive(Clone, Copy, ShmLayout)]
#[repr(C, align(256))]
struct Line {
    bytes: [u8; 256],
}

#[derive(ShmLayout)]
#[repr(C)]
struct Status {
    beats: [u64; 32],
    #[shm(since = 1)]
    line: Line,
}

fn main() {}
