//! Accesses without the type to forged segments: the schema in the file decides what is read and written.

use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::FileExt;

use shm_core::ShmLayout;
use shm_core::dynamic::{DynCell, DynSchema, DynSegment, DynValue};
use shm_core::sync::{Barrier, Broadcast, Event, Mutex, Ring, Semaphore, SeqLock};

use super::everything::{Color, Part};
use super::{Forgery, Scratch};
use crate::Random;
use crate::names::Names;

/// A value with bytes that are not valid.
#[derive(Clone, Copy, Debug, ShmLayout)]
#[repr(C)]
pub struct Shade {
    /// A float.
    pub depth: f32,
    /// Most bytes are not a variant.
    pub color: Color,
    /// Bools.
    pub flags: [bool; 3],
}

/// Every type with words that others must not write.
#[derive(ShmLayout)]
#[repr(C)]
#[shm(padding)]
pub struct Synced {
    /// A lock within a lock.
    pub mutex: Mutex<Mutex<[Part; 2]>>,
    /// A committed value.
    pub lock: SeqLock<[Shade; 2], 3>,
    /// A queue.
    pub ring: Ring<Part, 3>,
    /// A lossy queue.
    pub broadcast: Broadcast<[u64; 2], 5>,
    /// Seats.
    pub barrier: Barrier<3>,
    /// A count.
    pub event: Event,
    /// A count.
    pub semaphore: Semaphore,
}

/// A byte, and elements without bytes.
#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
pub struct Shell {
    /// A byte that may be invalid.
    pub flag: bool,
    /// As many as a schema says.
    pub none: [[u8; 0]; 1000],
}

/// Arrays of elements without bytes. They can have any length, so what is done for each element is done without end.
#[derive(ShmLayout)]
#[repr(C)]
#[shm(padding)]
pub struct Hollow {
    /// More than any memory has bytes.
    pub endless: [[u32; 0]; 1 << 40],
    /// Lists in lists.
    pub nested: [[[[bool; 0]; 4096]; 4096]; 4096],
    /// Many for each byte.
    pub shells: [Shell; 2000],
    /// A value that is read as a whole.
    pub lock: SeqLock<Shell, 3>,
    /// Messages that are read as a whole.
    pub ring: Ring<Shell, 3>,
}

/// Corrections of one header. Each makes it agree with the schema in one more number.
const CORRECTIONS: usize = 8;
/// The parts of a segment that are looked at.
const PARTS: usize = 40;
/// The largest part that is read as a whole.
const LARGEST: usize = 1 << 10;

impl Scratch {
    /// Puts the forgery under the name, makes its header agree with its schema if that is valid, and looks at it and writes to it
    /// without the type.
    ///
    /// # Panics
    ///
    /// If a part contradicts what the library promises.
    pub fn check_untyped(&mut self, forgery: &mut Forgery, random: &mut Random) {
        if let Some(segment) = self.put_agreeing(forgery) {
            self.use_untyped(&segment, forgery, random);
        }
    }

    /// Puts the forgery under the name, makes its header agree with its schema if that is valid, and attaches to it.
    ///
    /// # Panics
    ///
    /// If the message of an error does not have the name, or could control a terminal.
    pub fn put_agreeing(&mut self, forgery: &mut Forgery) -> Option<DynSegment> {
        for _ in 0..CORRECTIONS {
            self.put(forgery);
            let error = match DynSegment::attach(&self.name) {
                Ok(segment) => {
                    self.count("untyped: attached");
                    return Some(segment);
                }
                Err(error) => error.to_string(),
            };
            assert!(error.contains(&self.name), "{error}");
            assert!(!error.chars().any(char::is_control), "{error:?}");
            if !forgery.agree(&error) {
                self.count(&format!("untyped: {}", kind(&error)));
                return None;
            }
        }
        self.count("untyped: never agrees");
        None
    }

    /// Writes other bytes to the payload of the forgery that has the name.
    ///
    /// # Panics
    ///
    /// If the system refuses.
    pub fn damage_payload(&mut self, forgery: &Forgery, random: &mut Random) {
        let start = forgery.payload_offset();
        for _ in 0..random.below(40) {
            let at = start + (random.word() % (forgery.len - start).max(1));
            let word = random.awkward(3).to_ne_bytes();
            let len = 8.min(forgery.len - at) as usize;
            self.file
                .write_all_at(&word[..len], at)
                .expect("the file can be written");
        }
    }

    fn use_untyped(&mut self, segment: &DynSegment, forgery: &Forgery, random: &mut Random) {
        let table = segment.layout().to_string();
        assert!(table.lines().count() > 0);
        let whole = segment.at(".").expect("the whole payload");
        look(&whole, random, &mut { PARTS });
        check_schema(
            &DynSchema::of_segment(&self.name).expect("it was attached to"),
            &table,
        );
        // The same file as a dump.
        let dump = DynSegment::open(Names::path(&self.name)).expect("it was attached to");
        // Other bytes, also in the records of levels, while it is attached.
        self.damage_payload(forgery, random);
        look(&whole, random, &mut { PARTS });
        assert!(std::ptr::eq(dump.layout(), segment.layout()));
        for source in [segment, &dump] {
            let error = source.dump(Short(SHORT)).err();
            assert!(error.is_none() || forgery.len > 0, "{error:?}");
            let mut to = Measure::default();
            if source.dump_sparse(&mut to).is_ok() {
                assert_eq!(to.end, forgery.len);
            }
        }
        if forgery.len <= SHORT as u64 {
            self.restore(segment, random);
        }
        let dump = dump.at(".").expect("the whole payload");
        look(&dump, random, &mut { PARTS / 4 });
    }
}

impl Scratch {
    /// Makes a segment of what the forgery holds.
    fn restore(&mut self, segment: &DynSegment, random: &mut Random) {
        let name = format!("{}-copy", self.name);
        match DynSegment::options().restore(&name, segment) {
            Ok(copy) => {
                self.count("untyped: restored");
                assert!(std::ptr::eq(copy.layout(), copy.clone().layout()));
                assert_eq!(copy.layout().to_string(), segment.layout().to_string());
                look(&copy.at(".").expect("the whole payload"), random, &mut {
                    PARTS / 4
                });
            }
            Err(error) => {
                let error = error.to_string();
                assert!(!error.chars().any(char::is_control), "{error:?}");
                self.count(&format!("untyped: not restored: {}", kind(&error)));
            }
        }
    }
}

/// How much of a dump is written.
const SHORT: usize = 1 << 20;

/// Takes so many bytes.
struct Short(usize);

impl io::Write for Short {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.0.checked_sub(bytes.len());
        self.0 = left.ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file that keeps no bytes.
#[derive(Default)]
struct Measure {
    at: u64,
    end: u64,
}

impl io::Write for Measure {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.at += bytes.len() as u64;
        self.end = self.end.max(self.at);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Measure {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let SeekFrom::Current(by) = to else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        self.at = self.at.checked_add_signed(by).expect("a place in the file");
        Ok(self.at)
    }
}

fn check_schema(schema: &DynSchema, table: &str) {
    assert_eq!(schema.to_string(), table);
    assert!(!table.chars().any(|char| char.is_control() && char != '\n'));
    for field in schema.fields() {
        assert!(!field.type_name.chars().any(char::is_control));
    }
    let again = DynSchema::from_bytes(&schema.to_bytes()).expect("it was checked");
    assert_eq!(again.first_difference(schema), None);
    // The fingerprint of a type with parts of a later format is in the header only.
    let expected = match again.fingerprint() {
        0 => table.replace(&format!("{:016x}", schema.fingerprint()), &"0".repeat(16)),
        _ => table.to_owned(),
    };
    assert_eq!(again.to_string(), expected);
}

/// The first words of a message that say what is wrong.
fn kind(error: &str) -> String {
    let reason = error.split(": ").nth(1).unwrap_or(error);
    let words = reason.split_whitespace().take(4);
    words
        .filter(|word| !word.contains(|char: char| char.is_ascii_digit()))
        .collect::<Vec<_>>()
        .join(" ")
}

/// Reads a part and its parts, and writes what it has read.
fn look(cell: &DynCell, random: &mut Random, left: &mut usize) {
    if *left == 0 {
        return;
    }
    *left -= 1;
    assert!(!cell.path().chars().any(char::is_control));
    let names = cell.field_names();
    for _ in 0..names.len().min(6) {
        let name = random.pick(&names);
        look(&cell.field(name).expect("the field is there"), random, left);
    }
    let len = cell.len();
    if let Ok(Some(len)) = len {
        assert!(cell.index(len).is_err());
        if len > 0 {
            let index = random.pick(&[0, len - 1, random.clone().below(len)]);
            look(
                &cell.index(index).expect("the element is there"),
                random,
                left,
            );
            let some = cell
                .at(&format!("[{index}..]"))
                .expect("the elements are there");
            assert_eq!(some.len().expect("a list has a length"), Some(len - index));
        }
    }
    // Arrays of elements without bytes can have any length.
    let few = len.map_or(true, |len| len.unwrap_or(1) < 200);
    if cell.layout().size() > LARGEST || !few {
        return;
    }
    let Ok(value) = cell.get() else {
        return;
    };
    let text = value.to_string();
    assert!(!text.chars().any(char::is_control));
    let read: DynValue = text.parse().expect("what is written is read again");
    assert_eq!(read.to_string(), text);
    if cell.set(&read).is_ok() {
        let again = cell.get().expect("what was set is a value");
        assert_eq!(again.to_string(), text);
    }
}
