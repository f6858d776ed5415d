use shm_core::ShmLayout;

#[allow(non_camel_case_types)]
type u32 = u64;

#[derive(ShmLayout)]
#[repr(C)]
struct Misled {
    a: f32,
    b: u32,
}

fn main() {}
