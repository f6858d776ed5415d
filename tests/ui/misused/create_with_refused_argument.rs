//! Segments of generic types of the library, with an argument that cannot be shared.

use shm_core::sync::{Mutex, Ring};
use shm_core::{ShmLayout, ShmVec};

struct Not {
    value: u64,
}

fn main() {
    let ring = Ring::<Box<u8>, 2>::create_anonymous();
    let text = Mutex::<String>::attach("/text");
    let list = ShmVec::<ShmVec<Box<u8>, 4>, 4>::open_or_create("/list");
    let array = <[Box<u8>; 3]>::create("/array");
    let not = Ring::<Not, 2>::create_anonymous();
}
