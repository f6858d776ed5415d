//! Types, as Rust writes them.

use shm_core::TypeLayout;
use shm_core::layout::LayoutKind;

/// The name of a type in Rust's syntax: `[f64; 3]`, `SeqLock<Pose>`, `Ring<Job, 64>`. It may have any characters, and any length.
pub(crate) fn type_name(layout: &TypeLayout) -> String {
    match layout.kind() {
        LayoutKind::Array { element, len, .. } => format!("[{}; {len}]", type_name(element)),
        LayoutKind::Slice { element, .. } => format!("[{}]", type_name(element)),
        LayoutKind::Meaning { meaning, inner, .. } => of_library(meaning, inner),
        _ => layout.name().to_owned(),
    }
}

/// A type of `shm_core`, by its meaning and the layout of its parts.
fn of_library(meaning: &str, inner: &TypeLayout) -> String {
    let last = inner.fields().last().map(|field| field.layout());
    let value = || last.map_or_else(String::new, type_name);
    let (element, len) = match last.map(TypeLayout::kind) {
        Some(LayoutKind::Array { element, len, .. }) => (type_name(element), len),
        _ => (String::new(), 0),
    };
    match meaning {
        "str" => format!("ShmStr<{}>", inner.size()),
        "offset" => "ShmOffset".to_owned(),
        "vec" => format!("ShmVec<{element}, {len}>"),
        "mutex" => format!("Mutex<{}>", value()),
        "slot" => value(),
        // The number that `SeqLock<T>` has by itself.
        "seqlock" if len == 4 => format!("SeqLock<{element}>"),
        "seqlock" => format!("SeqLock<{element}, {len}>"),
        "ring" => format!("Ring<{element}, {len}>"),
        "broadcast" => format!("Broadcast<{element}, {len}>"),
        "semaphore" => "Semaphore".to_owned(),
        "event" => "Event".to_owned(),
        "barrier" => format!("Barrier<{len}>"),
        other => other.to_owned(),
    }
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
            (SeqLock::<u64>::LAYOUT, "SeqLock<u64>"),
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
