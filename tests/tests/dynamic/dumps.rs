//! Dumps of segments, of this byte order and of the other.

use std::fs;

use shm_core::dynamic::{DynError, DynSchema, DynSegment, DynValue};
use shm_core::sync::{Mutex, SeqLock};
use shm_core::{ShmError, ShmLayout, ShmStr, ShmVec};
use shm_tests::Names;
use shm_tests::hostile::forge_later;

#[derive(Clone, Copy, ShmLayout)]
#[repr(i16)]
enum Mode {
    Off = 0,
    Back = -300,
}

#[derive(ShmLayout)]
#[repr(C)]
#[shm(version = 7, padding)]
struct State {
    wide: u128,
    pose: SeqLock<[f32; 3]>,
    log: ShmVec<i64, 3>,
    name: ShmStr<6>,
    mode: Mode,
    letter: char,
    short: [u16; 2],
    tail: [u64],
}

const VALUE: &str = "{wide: 5, pose: [0.5, 1.5, -2.0], log: [-1, 2], name: \"Ala\", mode: Back, letter: 'ß', \
                     short: [513, 7], tail: [1, 18446744073709551615]}";

/// A dump of a segment.
struct Dump {
    path: std::path::PathBuf,
    bytes: Vec<u8>,
}

impl Dump {
    fn new(names: &Names) -> Self {
        let name = names.name("state");
        let shm = State::create_with_len(&name, 2).unwrap();
        shm.wide.set(5);
        shm.pose.store([9.0; 3]).unwrap();
        shm.pose.store([0.5, 1.5, -2.0]).unwrap();
        shm.log.extend([-1, 2]).unwrap();
        shm.name.set("Ala").unwrap();
        shm.mode.set(Mode::Back);
        shm.letter.set('ß');
        shm.short.write_from(&[513, 7]);
        shm.tail.write_from(&[1, u64::MAX]);
        let bytes = fs::read(Names::path(&name)).unwrap();
        let path = std::env::temp_dir().join(&name[1..]);
        Self { path, bytes }
    }

    fn open(&self) -> Result<DynSegment, ShmError> {
        fs::write(&self.path, &self.bytes).unwrap();
        DynSegment::open(&self.path)
    }
}

impl Drop for Dump {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

#[test]
fn a_dump_is_read_as_the_segment_was() {
    let names = Names::new("dyn-dump");
    let dump = Dump::new(&names);
    let segment = dump.open().unwrap();
    assert!(!segment.is_writable());
    assert_eq!(segment.name(), dump.path.to_str().unwrap());
    for (path, value) in [
        (".", VALUE),
        ("pose[1]", "1.5"),
        ("pose[1..]", "[1.5, -2.0]"),
        ("pose.version", "2"),
        ("log[1]", "2"),
        ("tail[1]", "18446744073709551615"),
        ("tail", "[1, 18446744073709551615]"),
        ("tail[..1]", "[1]"),
        ("short[1]", "7"),
        ("mode", "Back"),
    ] {
        assert_eq!(
            segment.at(path).unwrap().get().unwrap().to_string(),
            value,
            "{path}"
        );
    }
    let error = segment.at("wide").unwrap().set(&1.into()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`wide` cannot be set: a dump cannot be written"
    );
}

#[test]
fn a_damaged_dump_is_named_by_its_path() {
    let names = Names::new("dyn-damaged");
    let mut dump = Dump::new(&names);
    for (at, byte) in [(8, 1), (30, 7)] {
        let right = std::mem::replace(&mut dump.bytes[at], byte);
        let text = dump.open().unwrap_err().to_string();
        let path = dump.path.display();
        assert!(text.starts_with(&format!("file `{path}`")), "{text}");
        assert!(!text.contains("unlink"), "{text}");
        dump.bytes[at] = right;
    }
}

#[test]
fn a_dump_that_is_cut_off_later_is_an_error() {
    let names = Names::new("dyn-cut");
    let dump = Dump::new(&names);
    let segment = dump.open().unwrap();
    let file = fs::File::options().write(true).open(&dump.path).unwrap();
    file.set_len(300).unwrap();
    let error = segment.at(".").unwrap().get().unwrap_err();
    assert!(matches!(error, DynError::Os { .. }), "{error}");
    let error = DynSegment::open(&dump.path).unwrap_err();
    assert!(
        error.to_string().contains("the file has 300 bytes"),
        "{error}"
    );
    let error = DynSegment::open("/nonexistent").unwrap_err();
    assert!(error.to_string().contains("No such file"), "{error}");
    let error = DynSegment::open("/dev").unwrap_err();
    assert!(error.to_string().contains("it is a directory"), "{error}");
}

/// Makes of a segment's file that of a machine with the other byte order, by the specification alone.
mod other_order {
    /// Offset and size of each number in the header.
    const HEADER: [(usize, usize); 20] = [
        (8, 2),
        (10, 2),
        (16, 8),
        (24, 8),
        (32, 8),
        (40, 8),
        (48, 8),
        (56, 4),
        (60, 4),
        (64, 8),
        (72, 8),
        (80, 8),
        (88, 8),
        (96, 8),
        (104, 4),
        (108, 4),
        (192, 4),
        (196, 4),
        (200, 8),
        (208, 4),
    ];

    pub(super) fn swap(bytes: &mut [u8], at: usize, size: usize) {
        bytes[at..at + size].reverse();
    }

    pub(super) fn number(bytes: &[u8], at: usize, size: usize) -> usize {
        let mut all = [0; 8];
        if cfg!(target_endian = "little") {
            all[..size].copy_from_slice(&bytes[at..at + size]);
        } else {
            all[8 - size..].copy_from_slice(&bytes[at..at + size]);
        }
        u64::from_ne_bytes(all) as usize
    }

    pub(super) fn fnv(hash: u64, bytes: &[u8]) -> u64 {
        bytes.iter().fold(hash, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
        })
    }

    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;

    struct Node {
        size: usize,
        fingerprint: u64,
        end: usize,
    }

    /// The hash of a field's name, its offset, and the fingerprint of its type.
    type Field = [u64; 3];

    /// Swaps a node of the schema, and the numbers of the value at `place`, if there is one.
    pub(super) struct Swap<'a> {
        pub(super) schema: &'a mut [u8],
        pub(super) payload: &'a mut [u8],
    }

    impl Swap<'_> {
        fn take(&mut self, at: &mut usize, size: usize) -> usize {
            let value = number(self.schema, *at, size);
            swap(self.schema, *at, size);
            *at += size;
            value
        }

        fn name(&mut self, at: &mut usize) -> Vec<u8> {
            let len = self.take(at, 2);
            *at += len;
            self.schema[*at - len..*at].to_vec()
        }

        fn seed(tag: u8) -> u64 {
            let big = if cfg!(target_endian = "little") {
                256
            } else {
                0
            };
            Self::mix(BASIS, u64::from(tag) + big)
        }

        fn mix(hash: u64, number: u64) -> u64 {
            let hash = (hash ^ number).wrapping_mul(0xff51_afd7_ed55_8ccd);
            hash ^ (hash >> 32)
        }

        /// The size of a node's type, without a change.
        fn size(&self, at: usize) -> usize {
            match self.schema[at] {
                1 => match self.schema[at + 8] {
                    1 | 6 | 13 => 1,
                    2 | 7 => 2,
                    3 | 8 | 11 | 14 => 4,
                    4 | 9 | 12 => 8,
                    _ => 16,
                },
                2 => number(self.schema, at + 8, 8) * self.size(at + 16),
                3 => 0,
                4 => number(self.schema, at + 8, 8),
                5 => self.size_of_code(self.schema[at + 8]),
                7.. => number(self.schema, at + 8, 8),
                _ => {
                    let name = number(self.schema, at + 16, 2);
                    self.size(at + 18 + name)
                }
            }
        }

        fn size_of_code(&self, code: u8) -> usize {
            [0, 1, 2, 4, 8, 16, 1, 2, 4, 8][usize::from(code)]
        }

        /// Swaps the numbers of a value in the payload.
        fn value(&mut self, at: usize, place: usize, tail: usize) {
            match self.schema[at] {
                1 | 5 => {
                    let size = match self.schema[at] {
                        1 => self.size(at),
                        _ => self.size_of_code(self.schema[at + 8]),
                    };
                    swap(self.payload, place, size);
                }
                2 | 3 => {
                    let (len, element) = match self.schema[at] {
                        2 => (number(self.schema, at + 8, 8), at + 16),
                        _ => (tail, at + 8),
                    };
                    let size = self.size(element);
                    for index in 0..len {
                        self.value(element, place + index * size, 0);
                    }
                }
                4 => {
                    let count = number(self.schema, at + 24, 4);
                    let mut at = at + 28;
                    at += 2 + number(self.schema, at, 2);
                    for _ in 0..count {
                        at += 2 + number(self.schema, at, 2);
                        let offset = number(self.schema, at, 8);
                        self.value(at + 8, place + offset, tail);
                        at += 8 + 8 + number(self.schema, at + 12, 4);
                    }
                }
                // Nobody knows what to swap.
                7.. => {}
                _ => {
                    let name = number(self.schema, at + 16, 2);
                    self.value(at + 18 + name, place, tail);
                }
            }
        }

        /// Swaps the fields of a struct.
        fn fields(&mut self, at: &mut usize, count: usize) -> Vec<Field> {
            let mut fields = Vec::new();
            for _ in 0..count {
                let name = self.name(at);
                let offset = self.take(at, 8);
                let field = self.node(*at);
                *at = field.end;
                fields.push([fnv(BASIS, &name), offset as u64, field.fingerprint]);
            }
            fields
        }

        /// Swaps the record of a level without its foot, and the values of its fields. `fields` are those of the level before, and
        /// become those of this one. Returns the level's fingerprint.
        fn record(&mut self, version: u64, fields: &mut Vec<Field>) -> u64 {
            let mut place = 16;
            for _ in 0..number(self.schema, 12, 4) {
                place += 2 + number(self.schema, place, 2);
                let offset = number(self.schema, place, 8);
                self.value(place + 8, offset, 0);
                place += 8 + 8 + number(self.schema, place + 12, 4);
            }
            let mut at = 0;
            let [size, align, count] = [8, 4, 4].map(|size| self.take(&mut at, size));
            fields.extend(self.fields(&mut at, count));
            let numbers = [size as u64, align as u64, version, fields.len() as u64];
            let all = numbers.iter().chain(fields.as_flattened());
            all.copied().fold(Self::seed(4), Self::mix)
        }

        /// Swaps the node, and returns its fingerprint.
        fn node(&mut self, mut at: usize) -> Node {
            let tag = self.schema[at];
            let mut size = self.size(at);
            let mut hash = Self::seed(tag);
            at += 4;
            let len = self.take(&mut at, 4);
            match tag {
                7.. => {
                    let body = at;
                    self.take(&mut at, 8);
                    self.take(&mut at, 4);
                    at = body + len;
                }
                1 => {
                    for byte in &self.schema[at..at + 2] {
                        hash = Self::mix(hash, u64::from(*byte));
                    }
                    at += 4;
                }
                2 => {
                    let len = self.take(&mut at, 8);
                    let element = self.node(at);
                    hash = Self::mix(Self::mix(hash, len as u64), element.fingerprint);
                    at = element.end;
                }
                3 => {
                    let element = self.node(at);
                    hash = Self::mix(hash, element.fingerprint);
                    at = element.end;
                }
                4 => {
                    let of_struct = [8, 4, 4, 4].map(|size| self.take(&mut at, size));
                    size = of_struct[0];
                    for word in of_struct {
                        hash = Self::mix(hash, word as u64);
                    }
                    self.name(&mut at);
                    let fields = self.fields(&mut at, of_struct[3]);
                    hash = fields.as_flattened().iter().copied().fold(hash, Self::mix);
                }
                5 => {
                    hash = Self::mix(hash, u64::from(self.schema[at]));
                    at += 4;
                    let count = self.take(&mut at, 4);
                    hash = Self::mix(hash, count as u64);
                    self.name(&mut at);
                    for _ in 0..count {
                        let name = self.name(&mut at);
                        let bits = self.take(&mut at, 8);
                        hash = Self::mix(hash, fnv(BASIS, &name));
                        hash = Self::mix(hash, bits as u64);
                    }
                }
                _ => {
                    self.take(&mut at, 8);
                    let name = self.name(&mut at);
                    let inner = self.node(at);
                    hash = Self::mix(hash, fnv(BASIS, &name));
                    hash = Self::mix(hash, inner.fingerprint);
                    at = inner.end;
                }
            }
            Node {
                size,
                fingerprint: hash,
                end: at,
            }
        }
    }

    pub(super) fn file(bytes: &mut [u8]) {
        let schema_len = number(bytes, 32, 8);
        let (payload_offset, payload_len) = (number(bytes, 40, 8), number(bytes, 48, 8));
        let (tail, levels) = (number(bytes, 64, 8), number(bytes, 208, 4));
        let mut records = Vec::new();
        let mut end = bytes.len();
        for _ in 0..levels {
            let foot = end - 16;
            let len = number(bytes, foot, 4);
            end = foot - len.next_multiple_of(8);
            records.push((end, len, foot));
        }
        let (before, payload) = bytes.split_at_mut(payload_offset);
        let (payload, of_levels) = payload.split_at_mut(end - payload_offset);
        let mut swap_all = Swap {
            schema: &mut before[256..256 + schema_len],
            payload,
        };
        swap_all.value(0, 0, tail);
        let of_struct = |schema: &[u8]| (number(schema, 20, 4) as u64, number(schema, 24, 4));
        let (version, count) = of_struct(swap_all.schema);
        let mut fields = Vec::new();
        if levels > 0 {
            // Of a copy, as the node is swapped below.
            let mut schema = swap_all.schema.to_vec();
            let mut at = 28;
            let mut copy = Swap {
                schema: &mut schema,
                payload: &mut [],
            };
            copy.name(&mut at);
            fields = copy.fields(&mut at, count);
        }
        let root = swap_all.node(0);
        assert!(root.size <= payload_len);
        for (begin, len, foot) in records {
            let [begin, foot] = [begin, foot].map(|at| at - end);
            let mut record = Swap {
                schema: &mut of_levels[begin..begin + len],
                payload,
            };
            let fingerprint = record.record(version, &mut fields);
            swap(of_levels, foot, 4);
            of_levels[foot + 8..foot + 16].copy_from_slice(&fingerprint.to_ne_bytes());
            swap(of_levels, foot + 8, 8);
        }
        for (at, size) in HEADER {
            swap(bytes, at, size);
        }
        bytes[12] = 3 - bytes[12];
        let put = |bytes: &mut [u8], at: usize, value: u64| {
            bytes[at..at + 8].copy_from_slice(&value.to_ne_bytes());
            swap(bytes, at, 8);
        };
        put(bytes, 80, root.fingerprint);
        let checksum = fnv(BASIS, &bytes[..120]);
        put(bytes, 120, checksum);
    }
}

#[test]
fn a_dump_of_the_other_byte_order_is_read_as_well() {
    let names = Names::new("dyn-order");
    let mut dump = Dump::new(&names);
    other_order::file(&mut dump.bytes);
    let segment = dump.open().unwrap();
    for (path, value) in [
        (".", VALUE),
        ("pose[1]", "1.5"),
        ("pose.version", "2"),
        ("log[1]", "2"),
        ("tail[1]", "18446744073709551615"),
        ("wide", "5"),
    ] {
        assert_eq!(
            segment.at(path).unwrap().get().unwrap().to_string(),
            value,
            "{path}"
        );
    }
    let mut table = segment.layout().to_string();
    let fingerprint = format!("{:016x}", segment.layout().fingerprint());
    let native = format!("{:016x}", State::LAYOUT.fingerprint());
    assert_ne!(fingerprint, native);
    table = table.replace(&fingerprint, &native);
    assert_eq!(table, State::LAYOUT.to_string());
    // A wrong checksum and a wrong fingerprint stay wrong.
    for (at, what) in [
        (120, "the checksum of the header is wrong"),
        (81, "the checksum"),
    ] {
        let mut wrong = Dump {
            path: dump.path.with_extension("wrong"),
            bytes: dump.bytes.clone(),
        };
        wrong.bytes[at] ^= 1;
        let error = wrong.open().unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
    }
}

#[test]
fn levels_of_a_dump_of_the_other_byte_order_are_read_as_well() {
    #[derive(ShmLayout)]
    #[repr(C)]
    #[shm(version = 6)]
    struct Status {
        beat: u64,
        mode: Mode,
        short: [u16; 3],
        #[shm(since = 1)]
        heat: u32,
        #[shm(since = 1)]
        letters: [char; 3],
        #[shm(since = 2)]
        lock: Mutex<i64>,
    }
    let names = Names::new("dyn-order-levels");
    let name = names.name("status");
    let shm = Status::create(&name).unwrap();
    shm.beat.set(1 << 40);
    shm.mode.set(Mode::Back);
    shm.short.write_from(&[1, 2, 3]);
    shm.heat.set(0x1_0203);
    shm.letters[2].set('ß');
    shm.lock.lock().unwrap().set(-7);
    let value = "{beat: 1099511627776, mode: Back, short: [1, 2, 3], heat: 66051, letters: ['\\0', '\\0', 'ß'], lock: -7}";
    let bytes = fs::read(Names::path(&name)).unwrap();
    let path = std::env::temp_dir().join(&name[1..]);
    let mut dump = Dump { path, bytes };
    assert_eq!(
        dump.open()
            .unwrap()
            .at(".")
            .unwrap()
            .get()
            .unwrap()
            .to_string(),
        value
    );
    other_order::file(&mut dump.bytes);
    let segment = dump.open().unwrap();
    assert_eq!(segment.layout().level(), 2);
    assert_eq!(segment.at(".").unwrap().get().unwrap().to_string(), value);
    let schema = DynSchema::of_file(&dump.path).unwrap();
    assert_eq!(schema.level(), 2);
    assert_eq!(
        schema.first_difference(&DynSchema::of_layout(Status::LAYOUT).unwrap()),
        None
    );
    assert_ne!(
        schema.level_fingerprint(2),
        Some(Status::LAYOUT.level_fingerprint(2))
    );
    // Each level is checked: a wrong byte of the last record is found.
    let mut wrong = dump.bytes.len() - 1;
    while dump.bytes[wrong] == 0 {
        wrong -= 1;
    }
    dump.bytes[wrong] ^= 1;
    let error = dump.open().unwrap_err();
    assert!(matches!(error, ShmError::Corrupt { .. }), "{error}");
    // It can be looked at, and not be copied to this machine.
    dump.bytes[wrong] ^= 1;
    let segment = dump.open().unwrap();
    let error = segment.dump(&mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
    let error = DynSegment::options()
        .restore(&names.name("copy"), &segment)
        .unwrap_err();
    assert!(
        matches!(error, ShmError::UnsupportedFormat { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("another byte order"), "{error}");
}

#[test]
fn unknown_bytes_of_the_other_byte_order_stay_as_they_are() {
    #[derive(ShmLayout)]
    #[repr(C)]
    struct Later {
        beat: u32,
        part: u32,
        later: [u64; 2],
    }
    let names = Names::new("dyn-order-later");
    let name = names.name("t");
    let shm = Later::create(&name).unwrap();
    shm.beat.set(0x102);
    shm.later.write_from(&[1, 2]);
    let mut bytes = fs::read(Names::path(&name)).unwrap();
    assert_eq!(forge_later(&mut bytes, 2, 16, 8), 1);
    other_order::file(&mut bytes);
    let path = std::env::temp_dir().join(&name[1..]);
    let dump = Dump { path, bytes };
    let segment = dump.open().unwrap();
    assert_eq!(segment.at("beat").unwrap().get().unwrap(), 0x102.into());
    let later = segment.at("later").unwrap().get().unwrap();
    let words = [1_u64, 2].map(u64::to_ne_bytes).concat();
    assert_eq!(later, DynValue::Bytes(words));
}
