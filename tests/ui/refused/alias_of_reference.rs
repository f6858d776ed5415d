//! A reference behind a name: only the compiler sees it.

use shm_core::ShmLayout;

type Title = &'static str;
type Peer<'a> = &'a mut u64;

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    id: u64,
    title: Title,
    others: [Title; 4],
    peer: Peer<'static>,
}

fn main() {}
