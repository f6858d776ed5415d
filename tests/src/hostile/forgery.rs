//! Segment files forged to harm their readers.

use crate::Random;

/// Offset and length of each field of the header.
const FIELDS: [(usize, usize); 21] = [
    (0, 8),
    (8, 2),
    (10, 2),
    (12, 1),
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
    (200, 8),
    (208, 4),
];
const HEADER_LEN: usize = 256;
const TOTAL_LEN: usize = 16;
const SCHEMA_LEN: usize = 32;
const PAYLOAD_OFFSET: usize = 40;
const TAIL_LEN: usize = 64;
const FINGERPRINT: usize = 80;
const CHECKSUM: usize = 120;

/// A file to put under a segment's name.
#[derive(Clone, Debug, PartialEq)]
pub struct Forgery {
    /// The first bytes of the file.
    pub bytes: Vec<u8>,
    /// The file's length; bytes after `bytes` are zero.
    pub len: u64,
}

impl Forgery {
    /// The file with these bytes.
    #[must_use]
    pub fn of(bytes: Vec<u8>) -> Self {
        let len = bytes.len() as u64;
        Self { bytes, len }
    }

    /// Writes a number of `size` bytes.
    fn put(&mut self, at: usize, size: usize, value: u64) {
        let bytes = value.to_ne_bytes();
        let bytes = if cfg!(target_endian = "little") {
            &bytes[..size]
        } else {
            &bytes[8 - size..]
        };
        if let Some(place) = self.bytes.get_mut(at..at + size) {
            place.copy_from_slice(bytes);
        }
    }

    fn number(&self, at: usize) -> u64 {
        let mut bytes = [0; 8];
        if let Some(place) = self.bytes.get(at..at + 8) {
            bytes.copy_from_slice(place);
        }
        u64::from_ne_bytes(bytes)
    }

    /// Corrects the header's checksum, so that readers get past it.
    pub fn fix_checksum(&mut self) {
        if let Some(before) = self.bytes.get(..CHECKSUM) {
            let mut hash = 0xcbf2_9ce4_8422_2325_u64;
            for byte in before {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
            }
            self.put(CHECKSUM, 8, hash);
        }
    }

    /// Replaces the schema and moves everything after it, so that the header is consistent.
    pub fn replace_schema(&mut self, schema: &[u8]) {
        let payload = (HEADER_LEN + schema.len()).next_multiple_of(128);
        self.bytes.resize(HEADER_LEN.max(self.bytes.len()), 0);
        self.bytes.truncate(HEADER_LEN);
        self.bytes.extend(schema);
        let payload_len = self.number(48).min(1 << 20) as usize;
        self.len = (payload + payload_len).next_multiple_of(4096) as u64;
        self.put(SCHEMA_LEN, 8, schema.len() as u64);
        self.put(PAYLOAD_OFFSET, 8, payload as u64);
        self.put(TOTAL_LEN, 8, self.len);
        // Readers decode the schema only if the fingerprint differs.
        self.put(FINGERPRINT, 8, 1);
    }

    /// Where the payload begins, if the header says something possible.
    pub(super) fn payload_offset(&self) -> u64 {
        self.number(PAYLOAD_OFFSET).min(self.len)
    }

    /// Makes the header agree with the schema in the number that a message of the library names. Returns `false` if the message
    /// is about something else.
    pub(super) fn agree(&mut self, message: &str) -> bool {
        let Some((header, schema)) = message.split_once(" by its header and ") else {
            return false;
        };
        let number = schema.split(' ').next().unwrap_or_default();
        let value = match number.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => number.parse(),
        };
        let Ok(value) = value else {
            return false;
        };
        let names = [
            ("fingerprint", FINGERPRINT, 8),
            ("version", 60, 4),
            ("alignment", 56, 4),
            ("schema's length", SCHEMA_LEN, 8),
            ("element size of the slice", 72, 8),
            ("payload's offset", PAYLOAD_OFFSET, 8),
            ("payload's length", 48, 8),
        ];
        let is_about = |what: &str| header.contains(&format!("the {what} is "));
        if is_about("segment's length") {
            // Larger ones only take time.
            if value > 1 << 24 {
                return false;
            }
            self.len = value;
            self.put(TOTAL_LEN, 8, value);
            self.bytes.truncate(value as usize);
        } else if is_about("number of slices") {
            let flags = self.number(88);
            self.put(88, 8, if value == 1 { flags | 4 } else { flags & !4 });
            self.put(TAIL_LEN, 8, value);
        } else if let Some((_, at, size)) = names.iter().find(|(what, ..)| is_about(what)) {
            self.put(*at, *size, value);
            // The file may have to be longer for the next correction to be possible.
            let end = self.number(PAYLOAD_OFFSET).saturating_add(self.number(48));
            if end <= 1 << 24 {
                self.len = end.next_multiple_of(4096);
                self.put(TOTAL_LEN, 8, self.len);
                self.bytes.truncate(self.len as usize);
            }
        } else {
            return false;
        }
        self.fix_checksum();
        true
    }

    /// Replaces the schema by one that is changed in some places.
    pub fn mutate_schema(&mut self, random: &mut Random) {
        let mut schema = self.schema();
        for _ in 0..=random.below(3) {
            match random.below(9) {
                0..3 => damage(&mut schema, random),
                3 => make_later(&mut schema, random),
                _ => tweak(&mut schema, random),
            }
        }
        self.replace_schema(&schema);
        self.fix_checksum();
    }

    fn schema(&self) -> Vec<u8> {
        let len = self.number(SCHEMA_LEN).min(1 << 20) as usize;
        let end = (HEADER_LEN + len).min(self.bytes.len());
        self.bytes.get(HEADER_LEN..end).unwrap_or(&[]).to_vec()
    }

    /// Changes the file in one of the ways that have harmed other readers.
    pub fn mutate(&mut self, random: &mut Random) {
        match random.below(9) {
            0 => {
                for _ in 0..=random.below(8) {
                    let at = random.below(self.bytes.len().clamp(1, 1024));
                    self.put(at, 1, random.word());
                }
            }
            1 | 2 => {
                for _ in 0..=random.below(3) {
                    let (at, size) = random.pick(&FIELDS);
                    let value = self.interesting(random, at);
                    self.put(at, size, value);
                }
            }
            3 => {
                // The file and the header agree on a length that contradicts the rest.
                self.len = match random.below(4) {
                    0 => random.word() % 20_000,
                    1 => 0x1000 * (random.word() % 64),
                    2 => 1 << (12 + random.word() % 30),
                    _ => self.len + 4096,
                };
                self.bytes.truncate(self.len as usize);
                if random.one_in(2) {
                    self.put(TOTAL_LEN, 8, self.len);
                }
            }
            4 => {
                let mut schema = self.schema();
                for _ in 0..=random.below(4) {
                    damage(&mut schema, random);
                }
                self.replace_schema(&schema);
            }
            5 => {
                let schema = nested(random);
                self.replace_schema(&schema);
            }
            6 => {
                // A slice of another length, with a matching payload and file.
                let elements = random.pick(&[0, 1, 2, 100, 1000, 1 << 16]);
                self.put(TAIL_LEN, 8, elements);
                let stride = self.number(72).min(1 << 20);
                let align = self.number(56) & 0xffff_ffff;
                let start = self.number(PAYLOAD_OFFSET).min(1 << 20);
                let before = random.pick(&[0, 8, 320, 384]);
                let payload = (before + stride * elements).next_multiple_of(align.clamp(1, 4096));
                self.put(48, 8, payload);
                self.len = (start + payload).next_multiple_of(4096);
                self.put(TOTAL_LEN, 8, self.len);
                self.bytes.truncate(self.len as usize);
            }
            7 => {
                // The number of levels, and words of their records.
                if random.one_in(2) {
                    let levels = random.pick(&[0, 1, 2, 3, 5, 100, 1000, 1001, u64::MAX]);
                    self.put(208, 4, levels);
                }
                for _ in 0..random.below(4) {
                    let at = self.bytes.len().saturating_sub(4 + random.below(200));
                    let value = self.interesting(random, at);
                    self.put(at, 4, value);
                }
            }
            _ => {
                // Bytes that change in use, so the checksum does not cover them.
                let at = 128 + random.below(128);
                self.put(at, 1, random.word());
            }
        }
        if !random.one_in(16) {
            self.fix_checksum();
        }
    }

    /// A value at which a check of this field might fail.
    fn interesting(&self, random: &mut Random, at: usize) -> u64 {
        match random.below(8) {
            0 => 0,
            1 => u64::MAX,
            2 => u64::MAX - random.word() % 8192,
            3 => 1 << (random.word() % 64),
            4 => (1 << (random.word() % 64)) - 1,
            5 => self.len.wrapping_add(random.word() % 17).wrapping_sub(8),
            6 => self
                .number(at)
                .wrapping_add(random.word() % 17)
                .wrapping_sub(8),
            _ => random.word(),
        }
    }
}

/// The sizes of scalars, by their codes.
const SCALARS: [u64; 15] = [0, 1, 2, 4, 8, 16, 1, 2, 4, 8, 16, 4, 8, 1, 4];

/// The node of an array of scalars: its tag and the length of its body.
fn array_start() -> [u8; 8] {
    let mut start = [2, 0, 0, 0, 0, 0, 0, 0];
    start[4..].copy_from_slice(&20_u32.to_ne_bytes());
    start
}

/// Replaces the node of an array of scalars, which begins the bytes, by one of the same length with a tag of a later format.
fn put_later(node: &mut [u8], tag: u8, size: u64, align: u32) {
    node[0] = tag;
    node[8..16].copy_from_slice(&size.to_ne_bytes());
    node[16..20].copy_from_slice(&align.to_ne_bytes());
}

/// Makes each `[u64; len]` in the bytes of a schema a type of a later format with the tag 200, this size and this alignment. The
/// lengths of all nodes stay the same. Returns how many there were.
pub fn forge_later(schema: &mut [u8], len: u64, size: u64, align: u32) -> usize {
    let element = [[1, 0, 0, 0], 4_u32.to_ne_bytes(), [4, 0, 0, 0]].concat();
    let array = [&array_start()[..], &len.to_ne_bytes(), &element].concat();
    let mut count = 0;
    for at in 0..schema.len() {
        if schema[at..].starts_with(&array) {
            put_later(&mut schema[at..], 200, size, align);
            count += 1;
        }
    }
    count
}

/// Makes an array of scalars a type of a later format, which is as large and aligned as before, or nearly so.
fn make_later(schema: &mut [u8], random: &mut Random) {
    let start = array_start();
    let arrays: Vec<usize> = (0..schema.len().saturating_sub(27))
        .filter(|at| schema[*at..].starts_with(&start))
        .collect();
    if arrays.is_empty() {
        return;
    }
    let node = &mut schema[random.pick(&arrays)..];
    let mut len = [0; 8];
    len.copy_from_slice(&node[8..16]);
    let scalar = SCALARS.get(usize::from(node[24])).copied().unwrap_or(8);
    let mut size = u64::from_ne_bytes(len).wrapping_mul(scalar);
    let mut align = scalar as u32;
    if random.one_in(4) {
        size = random.awkward(size);
    }
    if random.one_in(4) {
        align = random.pick(&[0, 1, 2, 3, 4, 16, 64, 4096, 8192]);
    }
    put_later(node, random.pick(&[7, 8, 100, 200, 255]), size, align);
}

/// Changes a byte that is probably no length: many schemas stay valid.
fn tweak(schema: &mut [u8], random: &mut Random) {
    if schema.is_empty() {
        return;
    }
    let at = random.below(schema.len());
    match schema[at] {
        // A letter of a name.
        b'a'..=b'z' => schema[at] = b'a' + random.below(26) as u8,
        // A code, an offset, a size or a length.
        1..=20 => schema[at] = random.pick(&[1, 2, 3, 4, 5, 8, 11, 12, 13, 14, 16, 24, 32]),
        0 if random.one_in(2) => schema[at] = random.pick(&[1, 2, 16, 0x10, 0x80]),
        other => schema[at] = other.wrapping_add(random.pick(&[1, 4, 8, 252])),
    }
}

fn damage(schema: &mut Vec<u8>, random: &mut Random) {
    if schema.is_empty() {
        return;
    }
    let at = random.below(schema.len());
    match random.below(6) {
        // Half of all bytes of a schema are lengths, counts and tags.
        0 => schema[at] = random.pick(&[0, 1, 2, 3, 4, 5, 6, 7, 0x7f, 0x80, 0xff]),
        1 => schema[at] = schema[at].wrapping_add(random.pick(&[1, 2, 8, 255])),
        2 => schema[at] ^= 1 << random.below(8),
        3 => schema.truncate(at),
        4 => {
            let piece = schema[at..].to_vec();
            schema.extend(piece);
        }
        _ => {
            let end = (at + 4).min(schema.len());
            schema[at..end].fill(0xff);
        }
    }
}

/// A valid schema nested deeper than any real one, around the limit of this library and far beyond it.
fn nested(random: &mut Random) -> Vec<u8> {
    let depth = if random.one_in(100) {
        20_000
    } else {
        random.pick(&[1, 5, 127, 128, 129, 300])
    };
    let mut schema = Vec::new();
    for level in 0..depth {
        let body = 16 * (depth - level - 1) + 8 + 12;
        schema.extend([2, 0, 0, 0]);
        schema.extend((body as u32).to_ne_bytes());
        schema.extend(random.word().to_ne_bytes());
    }
    schema.extend([1, 0, 0, 0, 4, 0, 0, 0, 3, 0, 0, 0]);
    schema
}
