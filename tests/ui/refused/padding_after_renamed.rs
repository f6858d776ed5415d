//! A struct is not a tuple struct because a name in its layout begins with a digit.

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
