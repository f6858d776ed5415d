use shm_core::ShmLayout;

trait Shape {}

type AnyShape = dyn Shape;

#[derive(ShmLayout)]
#[repr(C)]
struct Drawing {
    id: u64,
    shape: AnyShape,
}

fn main() {}
