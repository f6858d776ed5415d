//! Finds lines in which parts meet that different processes write.

use std::collections::{BTreeMap, BTreeSet};

use super::spans::{Found, Writer};

/// Parts that meet in lines.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Note {
    /// The numbers of the lines, counted from the start of the payload. Of elements, the first line and the last.
    pub(in super::super) lines: Vec<usize>,
    pub(in super::super) parts: Parts,
}

impl Note {
    /// Whether the parts meet in this line.
    pub(in super::super) fn is_about(&self, line: usize) -> bool {
        match (&self.parts, &self.lines[..]) {
            (Parts::Elements { .. }, [first, .., last]) => (*first..=*last).contains(&line),
            _ => self.lines.contains(&line),
        }
    }
}

/// What meets.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum Parts {
    /// Objects, by path and type, and plain fields, by path.
    Different {
        objects: Vec<(String, String)>,
        fields: Vec<String>,
    },
    /// Neighboring elements of an array of objects.
    Elements {
        path: String,
        type_name: String,
        stride: usize,
    },
}

pub(super) fn notes(found: &Found, line: usize) -> Vec<Note> {
    let mut notes = Vec::new();
    // Arrays whose elements meet, which is said once.
    let mut meeting = BTreeSet::new();
    for (number, array) in found.arrays.iter().enumerate() {
        let apart = array.stride.is_multiple_of(line) && array.offset.is_multiple_of(line);
        if array.len > 1 && !apart && array.stride > 0 {
            meeting.insert(number);
            let first = array.offset / line;
            let last = (array.offset + array.len * array.stride - 1) / line;
            notes.push(Note {
                lines: vec![first, last],
                parts: Parts::Elements {
                    path: array.path.clone(),
                    type_name: array.type_name.clone(),
                    stride: array.stride,
                },
            });
            if let Some(note) = notes.last_mut() {
                note.lines.dedup();
            }
        }
    }
    // Only the first and the last line of a span can have others.
    let mut lines: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (number, span) in found.spans.iter().enumerate() {
        if span.writer != Writer::Nobody {
            let (first, last) = (span.offset / line, (span.end() - 1) / line);
            lines.entry(first).or_default().push(number);
            if last != first {
                lines.entry(last).or_default().push(number);
            }
        }
    }
    for (number, spans) in lines {
        let mut writers = BTreeSet::new();
        let mut objects = Vec::new();
        let mut fields = Vec::new();
        for span in spans.iter().map(|span| &found.spans[*span]) {
            match span.writer {
                Writer::Object(object) => {
                    let of = &found.objects[object];
                    let array = of.array.filter(|array| meeting.contains(array));
                    let key = match array {
                        Some(array) => (1, array),
                        None => (2, object),
                    };
                    if writers.insert(key) {
                        objects.push(match array {
                            Some(array) => {
                                let array = &found.arrays[array];
                                (array.path.clone(), format!("several {}", array.type_name))
                            }
                            None => (of.path.clone(), of.type_name.clone()),
                        });
                    }
                }
                Writer::Plain => {
                    writers.insert((0, 0));
                    fields.push(span.path.clone());
                }
                Writer::Nobody => {}
            }
        }
        if writers.len() < 2 {
            continue;
        }
        let parts = Parts::Different { objects, fields };
        match notes.iter_mut().find(|note| note.parts == parts) {
            Some(note) => note.lines.push(number),
            None => notes.push(Note {
                lines: vec![number],
                parts,
            }),
        }
    }
    notes.sort_by_key(|note| note.lines[0]);
    notes
}

#[cfg(test)]
mod tests {
    use super::super::{Picture, Subject};
    use super::*;
    use shm_core::ShmLayout;
    use shm_core::sync::{Mutex, Ring, Semaphore, SeqLock};
    use std::sync::atomic::AtomicU64;

    fn notes_of<T: ShmLayout>(line: usize) -> Vec<Note> {
        let subject = Subject {
            layout: T::LAYOUT,
            offset: 0,
            len: None,
            tail: 0,
        };
        Picture::new(subject, line, false).notes
    }

    fn different(lines: &[usize], objects: &[(&str, &str)], fields: &[&str]) -> Note {
        Note {
            lines: lines.to_vec(),
            parts: Parts::Different {
                objects: objects
                    .iter()
                    .map(|(path, of)| ((*path).to_owned(), (*of).to_owned()))
                    .collect(),
                fields: fields.iter().map(|path| (*path).to_owned()).collect(),
            },
        }
    }

    #[test]
    fn plain_fields_and_types_of_the_library_alone_share_nothing() {
        #[derive(ShmLayout)]
        #[repr(C)]
        struct Plain {
            a: u64,
            b: [f32; 40],
        }
        assert_eq!(notes_of::<Plain>(64), []);
        assert_eq!(notes_of::<Mutex<[u64; 20]>>(64), []);
        for line in [64, 128] {
            assert_eq!(notes_of::<Ring<u64, 5>>(line), []);
            assert_eq!(notes_of::<SeqLock<[u64; 3]>>(line), []);
        }
    }

    #[test]
    fn objects_in_one_line_are_named() {
        #[derive(ShmLayout)]
        #[repr(C)]
        #[shm(padding)]
        struct Shared {
            head: AtomicU64,
            tail: AtomicU64,
            count: u64,
            _pad: [u64; 5],
            lock: Mutex<u64>,
            permits: Semaphore,
        }
        assert_eq!(
            notes_of::<Shared>(64),
            [
                different(
                    &[0],
                    &[("head", "AtomicU64"), ("tail", "AtomicU64")],
                    &["count"]
                ),
                different(
                    &[1],
                    &[("lock", "Mutex<u64>"), ("permits", "Semaphore")],
                    &[]
                ),
            ]
        );
        assert_eq!(notes_of::<Shared>(128)[0].lines, [0]);
        // The padding between `count` and `lock` belongs to nobody.
        assert_eq!(notes_of::<Shared>(128).len(), 1);
    }

    #[test]
    fn the_elements_of_an_array_of_objects_meet() {
        let note = |lines: &[usize], stride| Note {
            lines: lines.to_vec(),
            parts: Parts::Elements {
                path: String::new(),
                type_name: "AtomicU64".to_owned(),
                stride,
            },
        };
        assert_eq!(notes_of::<[AtomicU64; 20]>(64), [note(&[0, 2], 8)]);
        assert_eq!(notes_of::<[AtomicU64; 8]>(64), [note(&[0], 8)]);
        assert_eq!(notes_of::<[AtomicU64; 1]>(64), []);
        assert_eq!(notes_of::<[SeqLock<u64>; 8]>(64), []);

        #[derive(ShmLayout)]
        #[repr(C)]
        struct Worker {
            done: AtomicU64,
            failed: AtomicU64,
            _pad: [u64; 4],
        }
        let found = notes_of::<[Worker; 9]>(64);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(matches!(
            &found[0].parts,
            Parts::Elements { stride: 48, .. }
        ));
    }
}
