//! The levels of a struct that has grown, as a segment records them.
//!
//! The schema behind the header is that of level 0. Each further level that a program has announced has a record, from the end
//! of the file downwards: record 1 ends at the end of the file, record 2 where record 1 begins. A record is read from its end:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | size of the struct cut behind this level's fields |
//! | 4 | alignment of that |
//! | 4 | number of fields that this level adds |
//! | .. | these fields, as in a struct's body |
//! | | zero up to a multiple of 8 |
//! | 4 | length of all this but the zeros |
//! | 4 | zero, checked |
//! | 8 | fingerprint of the struct cut behind this level's fields |
//!
//! The header counts complete records. What a record covers never changes again, so it is read without a lock.

mod announce;
mod look;
#[cfg(test)]
mod tests;

use std::fs::File;

use super::header::{Frozen, Header};
use crate::layout::TypeLayout;
use crate::layout::fingerprint::ByteOrder;
use crate::layout::schema::{self, Schema};
use crate::sys::file;
use crate::sys::{SysError, SysResult};

/// The highest level. A segment cannot make a program read more records.
pub(crate) const MAX_LEVEL: u32 = 1000;
/// The length of the records of a segment, together. A segment cannot make a program read more.
const LONGEST_RECORDS: u64 = 16 << 20;
/// Size, alignment and number of fields.
const HEAD: usize = 16;
/// Length and fingerprint.
const FOOT: usize = 16;

/// The length of the records of the levels above `known`.
pub(crate) const fn records_len(layout: &TypeLayout, known: u32) -> usize {
    let (mut len, mut level) = (0, known);
    while level < layout.level() {
        level += 1;
        len += (HEAD + layout.new_fields_len(level)).next_multiple_of(8) + FOOT;
    }
    len
}

/// The records of the levels above `known`, in the order of the file: the newest level comes first.
pub(super) fn encode(layout: &TypeLayout, known: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(records_len(layout, known));
    for level in (known + 1..=layout.level()).rev() {
        let start = out.len();
        body(layout, level, &mut out);
        end_record(
            start,
            layout.level_fingerprint(level),
            ByteOrder::Native,
            &mut out,
        );
    }
    debug_assert_eq!(out.len(), records_len(layout, known));
    out
}

/// Completes the record whose body begins at `start`.
fn end_record(start: usize, fingerprint: u64, order: ByteOrder, out: &mut Vec<u8>) {
    let len = out.len() - start;
    out.resize(start + len.next_multiple_of(8), 0);
    let (len, fingerprint) = in_order(len as u32, fingerprint, order);
    out.extend(len.to_ne_bytes());
    out.extend([0; 4]);
    out.extend(fingerprint.to_ne_bytes());
}

/// The length and the fingerprint of a record, from or into this byte order.
fn in_order(len: u32, fingerprint: u64, order: ByteOrder) -> (u32, u64) {
    match order {
        ByteOrder::Native => (len, fingerprint),
        ByteOrder::Swapped => (len.swap_bytes(), fingerprint.swap_bytes()),
    }
}

fn body(layout: &TypeLayout, level: u32, out: &mut Vec<u8>) {
    out.extend((layout.level_size(level) as u64).to_ne_bytes());
    out.extend((layout.level_align(level) as u32).to_ne_bytes());
    out.extend((layout.new_fields(level).len() as u32).to_ne_bytes());
    schema::encode_new_fields(layout, level, out);
}

/// Why the levels of a segment and those of a program do not go together.
#[derive(Debug)]
pub(super) enum Conflict {
    /// Both have this level, and it differs.
    Level {
        level: u32,
        difference: String,
    },
    /// The segment lacks these bytes for the program's fields and for their records.
    Room {
        lacking: u64,
    },
    Corrupt(String),
    System(SysError),
}

impl From<SysError> for Conflict {
    fn from(error: SysError) -> Self {
        Self::System(error)
    }
}

fn corrupt<T>(reason: &str) -> Result<T, Conflict> {
    Err(Conflict::Corrupt(reason.to_owned()))
}

/// The part of a segment that payload and records share.
#[derive(Clone, Copy, Debug)]
pub(in crate::segment) struct Capacity {
    /// Where the payload begins.
    start: u64,
    /// Where the payload ends at level 0. No record reaches below it.
    base_end: u64,
    /// The end of the file.
    end: u64,
}

impl Capacity {
    pub(super) fn of(frozen: &Frozen) -> Self {
        Self {
            start: frozen.payload_offset,
            base_end: frozen.payload_offset + frozen.payload_len,
            end: frozen.total_len,
        }
    }

    /// Whether the records of so many levels can lie behind the payload.
    pub(super) fn can_hold(&self, levels: u32) -> bool {
        let shortest = u64::from(levels) * (HEAD + FOOT) as u64;
        levels <= MAX_LEVEL && shortest <= self.end - self.base_end
    }
}

/// The place of a record, and its fingerprint.
#[derive(Clone, Copy, Debug)]
struct Record {
    begin: u64,
    len: u32,
    fingerprint: u64,
}

impl Record {
    /// Reads the record that ends at `end`. Whatever the bytes are, it lies between the payload and `end`.
    fn read(file: &File, capacity: Capacity, end: u64) -> Result<Self, Conflict> {
        Self::read_in(file, capacity, end, ByteOrder::Native)
    }

    /// [`read`](Self::read)s a record whose numbers have this byte order.
    fn read_in(
        file: &File,
        capacity: Capacity,
        end: u64,
        order: ByteOrder,
    ) -> Result<Self, Conflict> {
        const REASON: &str = "the record of a level is impossible";
        let Some(foot) = end.checked_sub(FOOT as u64) else {
            return corrupt(REASON);
        };
        let mut bytes = [0; FOOT];
        if file::read_at(file, &mut bytes, foot)? < FOOT {
            return corrupt("the file ends before the record of a level");
        }
        let [len, zero, fingerprint @ ..]: [u32; 4] = bytemuck::cast(bytes);
        let fingerprint: u64 = bytemuck::cast(fingerprint);
        let (len, fingerprint) = in_order(len, fingerprint, order);
        let begin = foot.checked_sub(u64::from(len).next_multiple_of(8));
        match begin {
            Some(begin)
                if zero == 0
                    && len as usize >= HEAD
                    && begin >= capacity.base_end
                    && capacity.end - begin <= LONGEST_RECORDS =>
            {
                Ok(Self {
                    begin,
                    len,
                    fingerprint,
                })
            }
            _ => corrupt(REASON),
        }
    }

    /// What the level consists of.
    fn body(&self, file: &File) -> SysResult<Option<Vec<u8>>> {
        let mut body = vec![0; self.len as usize];
        let count = file::read_at(file, &mut body, self.begin)?;
        Ok((count == body.len()).then_some(body))
    }
}

/// Compares the records of a segment, `count` of them, with the program's own levels. Returns where the last record begins.
///
/// They go together if each level that both have is the same, and if the program's fields fit, with the records of those levels
/// that the segment does not have yet.
pub(super) fn check(
    file: &File,
    capacity: Capacity,
    count: u32,
    layout: &TypeLayout,
) -> Result<u64, Conflict> {
    let mut end = capacity.end;
    for level in 1..=count {
        let record = Record::read(file, capacity, end)?;
        if level <= layout.level() && record.fingerprint != layout.level_fingerprint(level) {
            return Err(Conflict::Level {
                level,
                difference: difference(file, &record, layout, level)?,
            });
        }
        end = record.begin;
    }
    let needed = [layout.size(), records_len(layout, count)]
        .into_iter()
        .fold(capacity.start, |sum, len| sum.saturating_add(len as u64));
    match needed.saturating_sub(end) {
        0 => Ok(end),
        // Whoever announced the program's levels has checked this.
        _ if count >= layout.level() => corrupt("the records of its levels reach into its fields"),
        lacking => Err(Conflict::Room { lacking }),
    }
}

/// The size of the payload at the newest level, as far as the records say so.
pub(super) fn newest_size(file: &File, header: &Header) -> u64 {
    let (capacity, base) = (Capacity::of(&header.frozen), header.frozen.payload_len);
    let mut end = capacity.end;
    for _ in 0..header.mutable.levels {
        match Record::read(file, capacity, end) {
            Ok(record) => end = record.begin,
            Err(_) => return base,
        }
    }
    let mut size = [0; 8];
    match file::read_at(file, &mut size, end) {
        Ok(8) if header.mutable.levels > 0 => {
            u64::from_ne_bytes(size).clamp(base, end - capacity.start)
        }
        _ => base,
    }
}

/// A level that a segment has, as its record describes it. Nothing of it is checked.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    /// The size and alignment of the struct, and the fields that the level adds.
    pub(crate) body: Vec<u8>,
    pub(crate) fingerprint: u64,
}

/// The levels from 1 on as a segment of this layout has them.
pub(super) fn recorded(layout: &TypeLayout) -> Vec<Recorded> {
    let of = |level| {
        let mut out = Vec::new();
        body(layout, level, &mut out);
        Recorded {
            body: out,
            fingerprint: layout.level_fingerprint(level),
        }
    };
    (1..=layout.level()).map(of).collect()
}

/// The records of levels from 1 on, in the order of the file.
pub(super) fn join(levels: &[Recorded], order: ByteOrder) -> Vec<u8> {
    let mut out = Vec::new();
    for level in levels.iter().rev() {
        let start = out.len();
        out.extend(&level.body);
        end_record(start, level.fingerprint, order, &mut out);
    }
    out
}

/// The levels in what [`join`] returns. `None` for other bytes.
pub(super) fn split(mut records: &[u8]) -> Option<Vec<Recorded>> {
    let mut all = Vec::new();
    while !records.is_empty() {
        let (rest, foot) = records.split_last_chunk::<FOOT>()?;
        let [len, zero, fingerprint @ ..]: [u32; 4] = bytemuck::cast(*foot);
        let begin = rest.len().checked_sub((len as usize).next_multiple_of(8))?;
        let body = rest.get(begin..begin + len as usize)?;
        if zero != 0 || body.len() < HEAD || all.len() >= MAX_LEVEL as usize {
            return None;
        }
        all.push(Recorded {
            body: body.to_vec(),
            fingerprint: bytemuck::cast(fingerprint),
        });
        records = &rest[..begin];
    }
    Some(all)
}

/// Reads the records of all levels, whose numbers have this byte order, and returns where the last one begins. `None` if they have
/// more than `most` bytes.
pub(super) fn read_all(
    file: &File,
    header: &Header,
    order: ByteOrder,
    most: u64,
) -> Result<Option<(Vec<Recorded>, u64)>, Conflict> {
    let capacity = Capacity::of(&header.frozen);
    let (mut all, mut end) = (Vec::new(), capacity.end);
    for _ in 0..header.mutable.levels {
        let record = Record::read_in(file, capacity, end, order)?;
        if capacity.end - record.begin > most {
            return Ok(None);
        }
        let Some(body) = record.body(file)? else {
            return corrupt("the file ends inside the record of a level");
        };
        all.push(Recorded {
            body,
            fingerprint: record.fingerprint,
        });
        end = record.begin;
    }
    Ok(Some((all, end)))
}

/// How a level that differs does so.
fn difference(file: &File, record: &Record, layout: &TypeLayout, level: u32) -> SysResult<String> {
    let fingerprints = format!(
        "the fingerprint is {:#018x} in the segment and {:#018x} in this program",
        record.fingerprint,
        layout.level_fingerprint(level)
    );
    let unreadable = |why: &str| format!("{fingerprints}, and its record cannot be read: {why}");
    let Some(segment) = record.body(file)? else {
        return Ok(unreadable("the file ends inside it"));
    };
    let mut program = Vec::new();
    body(layout, level, &mut program);
    let (segment, program) = match (
        Schema::decode_level(&segment, ByteOrder::Native),
        Schema::decode_level(&program, ByteOrder::Native),
    ) {
        (Ok(segment), Ok(program)) => (segment, program),
        (Err(why), _) | (_, Err(why)) => return Ok(unreadable(&why)),
    };
    Ok(Schema::difference_at(level, &segment, &program).unwrap_or(fingerprints))
}
