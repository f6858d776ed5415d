use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
union Value {
    int: u64,
    float: f64,
}

fn main() {}
