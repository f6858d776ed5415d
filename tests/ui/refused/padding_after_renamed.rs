//! A name in the layout that begins with a digit makes no tuple struct.

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Registers {
    #[shm(rename = "0x10")]
    control: u32,
    #[shm(rename = "0x14")]
    data: u64,
}

fn main() {}
