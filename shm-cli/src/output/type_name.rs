//! Types, as Rust writes them.

use shm_core::TypeLayout;
use shm_core::dynamic::DynSchema;

/// The name of a type in Rust's syntax: `[f64; 3]`, `SeqLock<Pose, 4>`, `Ring<Job, 64>`. It may have any characters, and any length.
pub(crate) fn type_name(layout: &TypeLayout) -> String {
    let schema = DynSchema::of_layout(layout);
    schema.map_or_else(|_| layout.name().to_owned(), |schema| schema.type_name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use shm_core::sync::{Barrier, Broadcast, Event, Mutex, Ring, SeqLock};
    use shm_core::{ShmLayout, ShmStr, ShmVec};

    #[test]
    fn types_are_written_as_in_rust() {
        for (layout, wanted) in [
            (u64::LAYOUT, "u64"),
            (<[[f32; 2]; 3]>::LAYOUT, "[[f32; 2]; 3]"),
            (ShmStr::<16>::LAYOUT, "ShmStr<16>"),
            (ShmVec::<u32, 8>::LAYOUT, "ShmVec<u32, 8>"),
            (Mutex::<[u16; 4]>::LAYOUT, "Mutex<[u16; 4]>"),
            (SeqLock::<u64>::LAYOUT, "SeqLock<u64, 4>"),
            (SeqLock::<u64, 3>::LAYOUT, "SeqLock<u64, 3>"),
            (Ring::<u32, 64>::LAYOUT, "Ring<u32, 64>"),
            (Broadcast::<u64, 8>::LAYOUT, "Broadcast<u64, 8>"),
            (Event::LAYOUT, "Event"),
            (Barrier::<2>::LAYOUT, "Barrier<2>"),
        ] {
            assert_eq!(type_name(layout), wanted);
        }
    }
}
