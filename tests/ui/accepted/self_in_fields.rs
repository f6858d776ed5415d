//! `Self` in the type of a field is the struct, also in its view.

use shm_core::{ReadWrite, ShmCell, ShmLayout, ShmOffset};

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Node {
    value: u64,
    next: ShmOffset<Self>,
}

trait Stored {
    type As: ShmLayout;
}

#[derive(ShmLayout)]
#[repr(C)]
struct Projected {
    value: <Self as Stored>::As,
    bytes: [u8; Self::LEN],
}

impl Projected {
    const LEN: usize = 8;
}

impl Stored for Projected {
    type As = u64;
}

#[derive(ShmLayout)]
#[repr(C)]
struct Generic<T: ShmLayout>
where
    Self: Send,
{
    value: T,
    next: ShmOffset<Self>,
}

fn cells(
    node: &<Node as ShmLayout>::View<ReadWrite>,
    projected: &<Projected as ShmLayout>::View<ReadWrite>,
    generic: &<Generic<u64> as ShmLayout>::View<ReadWrite>,
) {
    let next: &ShmCell<ShmOffset<Node>> = &node.next;
    let _: ShmOffset<Node> = next.get();
    let _: u64 = projected.value.get();
    let _: u8 = projected.bytes[7].get();
    let _: ShmOffset<Generic<u64>> = generic.next.get();
}

fn main() {
    let _ = cells;
    assert_eq!(Projected::SIZE, 16);
}
