//! A read-only handle cannot change a text or a vector.

use shm_core::{ReadOnly, Shm, ShmLayout, ShmStr, ShmVec};

#[derive(ShmLayout)]
#[repr(C)]
struct Group {
    name: ShmStr<16>,
    ages: ShmVec<u32, 4>,
}

fn change(shm: &Shm<Group, ReadOnly>) {
    let _ = shm.name.set("x");
    let _ = shm.ages.push(3);
}

fn main() {}
