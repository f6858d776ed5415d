use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Borrowed<'a> {
    text: &'a str,
}

fn main() {}
