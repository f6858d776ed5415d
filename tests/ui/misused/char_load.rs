use shm_core::ShmLayout;

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Key {
    letter: char,
    code: u32,
}

fn main() {
    let shm = Key::create_anonymous().unwrap();
    let _ = shm.load();
}
