use shm_core::sync::Ring;
use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
#[shm(padding)]
struct Job {
    urgent: bool,
    id: u64,
}

fn main() {
    let _ = Ring::<Job, 4>::create("/jobs");
}
