//! The names of types, as `ls` shows them.

use std::collections::HashMap;

use shm_core::SegmentInfo;
use shm_core::dynamic::DynSchema;

/// The names of types.
#[derive(Default)]
pub(super) struct TypeNames {
    /// Those that were read from a segment, by what its header says of the type.
    read: HashMap<(u64, String), String>,
}

impl TypeNames {
    /// The name of a segment's type; empty if it is not known.
    pub(super) fn of(&mut self, info: &SegmentInfo) -> String {
        let Some(contents) = &info.contents else {
            return String::new();
        };
        let name = contents.type_name.as_deref().unwrap_or("");
        let mut words = name.split(|character: char| !character.is_alphanumeric());
        if !words.any(|word| MEANINGS.contains(&word)) {
            return name.to_owned();
        }
        let known = self.read.entry((contents.fingerprint, name.to_owned()));
        let read = known.or_insert_with(|| match DynSchema::of_segment(&info.name) {
            Ok(schema) => schema.type_name(),
            Err(_) => name.to_owned(),
        });
        read.clone()
    }
}

/// Types of the library, of which a header does not say what they hold.
const MEANINGS: [&str; 10] = [
    "mutex",
    "seqlock",
    "ring",
    "broadcast",
    "semaphore",
    "event",
    "barrier",
    "str",
    "vec",
    "offset",
];
