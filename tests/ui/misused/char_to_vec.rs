use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Word {
    letters: [char; 8],
}

fn main() {
    let shm = Word::create_anonymous().unwrap();
    let _ = shm.letters.to_vec();
}
