//! A pointer as an argument of a generic struct, next to a derived `Copy`.

use shm_core::ShmLayout;

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Slot<T> {
    item: T,
    uses: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
#[repr(C)]
struct Other {
    count: u64,
}

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Table {
    first: Slot<*const u8>,
    other: Other,
}

#[derive(ShmLayout, Clone, Copy)]
#[repr(C)]
struct Tables {
    slots: [Slot<Slot<*mut Other>>; 4],
    table: Table,
}

fn main() {
    let shm = Tables::create("/tables").unwrap();
    shm.table.other.count.set(1);
}
