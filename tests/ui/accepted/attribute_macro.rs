//! Attribute macros that do not change the struct, above and below the derive, and attributes of other derives.
#![deny(warnings)]

use shm_core::ShmLayout;

#[shm_attributes::harmless]
#[derive(ShmLayout)]
#[shm_attributes::harmless]
#[repr(C)]
struct Counter<T> {
    hits: [T; 2],
}

#[derive(ShmLayout)]
#[shm_attributes::harmless]
#[repr(C)]
struct Image(u64, [Counter<u32>]);

fn main() {
    let shm = Image::create_anonymous_with_len(2).unwrap();
    shm.1[1].hits[0].set(1);
    shm.0.set(2);
}
