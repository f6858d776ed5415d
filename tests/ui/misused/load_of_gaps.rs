//! A struct with gaps is read field by field.

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
#[shm(padding)]
struct Job {
    urgent: bool,
    id: u64,
}

fn main() {
    let shm = <[Job; 2]>::create_anonymous().unwrap();
    let _ = shm[0].load();
    let _ = shm.to_vec();
}
