//! An offset resolves only to its own type.

use shm_core::{Shm, ShmCell, ShmError, ShmLayout, ShmOffset};

#[derive(ShmLayout)]
#[repr(C)]
struct Ages {
    oldest: ShmOffset<u32>,
    all: [u32; 4],
}

fn oldest(shm: &Shm<Ages>) -> Result<&ShmCell<f32>, ShmError> {
    shm.resolve(shm.oldest.get())
}

fn main() {}
