use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Session {
    id: usize,
    user: String,
    next: *mut Session,
    buffer: Vec<u8>,
    name: &'static str,
}

fn main() {
    let shm = Session::create("/session").unwrap();
    shm.name.len();
}
