//! A slice at the end after fields whose sizes the tokens do not tell, and one from a macro.
use shm_core::ShmLayout;

const COUNT: usize = 4;

#[derive(ShmLayout)]
#[repr(C)]
struct Head {
    id: u64,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Log {
    head: Head,
    marks: [u32; COUNT],
    entries: [Head],
}

macro_rules! table {
    ($name:ident, $row:ty) => {
        #[derive(ShmLayout)]
        #[repr(C)]
        struct $name {
            count: u64,
            rows: $row,
        }
    };
}

table!(Words, [u64]);

fn main() {
    let shm = Log::create_anonymous_with_len(3).unwrap();
    assert_eq!(shm.entries.len(), 3);
    shm.entries[2].id.set(7);
    let shm = Words::create_anonymous_with_len(2).unwrap();
    assert_eq!(shm.rows[1].get(), 0);
}
