//! The first 256 bytes of a segment, and checking them.
//!
//! The first 128 bytes are written before the segment has a name, and never again. The last 64 may change while it is
//! in use; they are on their own cache line.

use bytemuck::{Pod, Zeroable};

use super::geometry::{Expected, Geometry, PAGE};
use super::levels::Capacity;
use crate::layout::{PAYLOAD_ALIGN, fnv};

pub(crate) use crate::layout::HEADER_LEN;

pub(crate) const MAGIC: [u8; 8] = *b"\x89SHM\r\n\x1a\n";
pub(crate) const FORMAT_VERSION: u16 = 2;

#[cfg(target_endian = "little")]
pub(crate) const BYTE_ORDER: u8 = 1;
#[cfg(target_endian = "big")]
pub(crate) const BYTE_ORDER: u8 = 2;

/// The pages are not reserved: touching one can fail later.
pub(crate) const FLAG_SPARSE: u64 = 1 << 0;
/// The segment has no name.
pub(crate) const FLAG_ANONYMOUS: u64 = 1 << 1;
/// The type ends in a slice, described by `tail_len` and `tail_stride`.
pub(crate) const FLAG_HAS_TAIL: u64 = 1 << 2;
/// Processes wake read-only readers unasked. A program that ignores this only makes them wait longer.
pub(crate) const FLAG_WAKE_READERS: u64 = 1 << 32;
/// A program that does not know a flag of this half must not attach. Flags of the other half may be ignored.
const FLAGS_BINDING: u64 = 0xffff_ffff;
const FLAGS_KNOWN: u64 = FLAG_SPARSE | FLAG_ANONYMOUS | FLAG_HAS_TAIL;

/// In [`Mutable::state`]: the name remains when the last owner ends.
pub(crate) const STATE_PERSISTENT: u32 = 1 << 0;

/// The part that is not written any more once the segment has a name. Numbers are in the machine's byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Frozen {
    pub(crate) magic: [u8; 8],
    pub(crate) format_version: u16,
    pub(crate) header_len: u16,
    pub(crate) byte_order: u8,
    pub(crate) reserved: [u8; 3],
    /// Length of the file.
    pub(crate) total_len: u64,
    pub(crate) schema_offset: u64,
    pub(crate) schema_len: u64,
    pub(crate) payload_offset: u64,
    pub(crate) payload_len: u64,
    pub(crate) payload_align: u32,
    /// 0 if the type has no version.
    pub(crate) layout_version: u32,
    /// Elements of the trailing slice.
    pub(crate) tail_len: u64,
    /// Bytes of one element.
    pub(crate) tail_stride: u64,
    pub(crate) fingerprint: u64,
    pub(crate) flags: u64,
    /// Nanoseconds since 1970.
    pub(crate) created_at: u64,
    /// As the creator saw itself; other pid namespaces may number it differently.
    pub(crate) creator_pid: u32,
    pub(crate) creator_uid: u32,
    pub(crate) reserved_end: u64,
    /// FNV-1a over the 120 bytes before it.
    pub(crate) checksum: u64,
}

/// The part that changes while the segment is in use. In the mapping it is only accessed atomically.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Mutable {
    pub(crate) state: u32,
    pub(crate) reserved: u32,
    /// The id of the next participant. No participant has id 0.
    pub(crate) next_participant: u64,
    /// How many levels have a complete record at the end of the file.
    pub(crate) levels: u32,
    pub(crate) reserved_end: [u32; 11],
}

/// The whole header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Header {
    pub(crate) frozen: Frozen,
    pub(crate) reserved: [u8; 64],
    pub(crate) mutable: Mutable,
}

/// The offset of the state word in the file.
pub(crate) const STATE_OFFSET: usize = 192;

/// The offset of the participant counter in the file.
pub(crate) const NEXT_PARTICIPANT_OFFSET: usize = 200;

/// The offset in the file of the number of levels.
pub(crate) const LEVELS_OFFSET: usize = 208;

// Each of these is part of the format.
const _: () = {
    use core::mem::offset_of;
    assert!(FLAG_SPARSE == 1 && FLAG_ANONYMOUS == 2 && FLAG_HAS_TAIL == 4);
    assert!(FLAG_WAKE_READERS == 0x1_0000_0000 && FLAGS_KNOWN == 7);
    assert!(STATE_PERSISTENT == 1);
    assert!(size_of::<Header>() == HEADER_LEN && align_of::<Header>() == 8);
    assert!(size_of::<Frozen>() == 128);
    assert!(size_of::<Mutable>() == 64);
    assert!(offset_of!(Header, frozen) == 0);
    assert!(offset_of!(Header, reserved) == 128);
    assert!(offset_of!(Header, mutable) == 192);
    assert!(offset_of!(Frozen, magic) == 0);
    assert!(offset_of!(Frozen, format_version) == 8);
    assert!(offset_of!(Frozen, header_len) == 10);
    assert!(offset_of!(Frozen, byte_order) == 12);
    assert!(offset_of!(Frozen, reserved) == 13);
    assert!(offset_of!(Frozen, total_len) == 16);
    assert!(offset_of!(Frozen, schema_offset) == 24);
    assert!(offset_of!(Frozen, schema_len) == 32);
    assert!(offset_of!(Frozen, payload_offset) == 40);
    assert!(offset_of!(Frozen, payload_len) == 48);
    assert!(offset_of!(Frozen, payload_align) == 56);
    assert!(offset_of!(Frozen, layout_version) == 60);
    assert!(offset_of!(Frozen, tail_len) == 64);
    assert!(offset_of!(Frozen, tail_stride) == 72);
    assert!(offset_of!(Frozen, fingerprint) == 80);
    assert!(offset_of!(Frozen, flags) == 88);
    assert!(offset_of!(Frozen, created_at) == 96);
    assert!(offset_of!(Frozen, creator_pid) == 104);
    assert!(offset_of!(Frozen, creator_uid) == 108);
    assert!(offset_of!(Frozen, reserved_end) == 112);
    assert!(offset_of!(Frozen, checksum) == 120);
    assert!(offset_of!(Mutable, state) == 0);
    assert!(offset_of!(Mutable, reserved) == 4);
    assert!(offset_of!(Mutable, next_participant) == 8);
    assert!(offset_of!(Mutable, levels) == 16);
    assert!(offset_of!(Mutable, reserved_end) == 20);
    assert!(offset_of!(Header, mutable) + offset_of!(Mutable, levels) == LEVELS_OFFSET);
    assert!(offset_of!(Header, mutable) + offset_of!(Mutable, state) == STATE_OFFSET);
    assert!(
        offset_of!(Header, mutable) + offset_of!(Mutable, next_participant)
            == NEXT_PARTICIPANT_OFFSET
    );
};

impl Frozen {
    pub(super) fn own_checksum(&self) -> u64 {
        let bytes = bytemuck::bytes_of(self);
        let before = &bytes[..size_of::<Self>() - size_of::<u64>()];
        fnv(before)
    }
}

/// The creator of a segment, and the time of creation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub(crate) created_at: u64,
    pub(crate) pid: u32,
    pub(crate) uid: u32,
}

impl Header {
    /// The header of a new segment.
    pub(crate) fn new(
        expected: &Expected,
        geometry: Geometry,
        tail: usize,
        flags: u64,
        origin: Origin,
    ) -> Self {
        let mut frozen = Frozen {
            magic: MAGIC,
            format_version: FORMAT_VERSION,
            header_len: HEADER_LEN as u16,
            byte_order: BYTE_ORDER,
            reserved: [0; 3],
            total_len: geometry.total_len as u64,
            schema_offset: HEADER_LEN as u64,
            schema_len: expected.schema_len as u64,
            payload_offset: geometry.payload_offset as u64,
            payload_len: geometry.payload_len as u64,
            payload_align: expected.base_align as u32,
            layout_version: expected.version,
            tail_len: if expected.tail_stride.is_some() {
                tail as u64
            } else {
                0
            },
            tail_stride: expected.tail_stride.unwrap_or(0) as u64,
            fingerprint: expected.fingerprint,
            flags: flags
                | if expected.tail_stride.is_some() {
                    FLAG_HAS_TAIL
                } else {
                    0
                },
            created_at: origin.created_at,
            creator_pid: origin.pid,
            creator_uid: origin.uid,
            reserved_end: 0,
            checksum: 0,
        };
        frozen.checksum = frozen.own_checksum();
        let mutable = Mutable {
            state: 0,
            reserved: 0,
            next_participant: 1,
            levels: expected.level,
            reserved_end: [0; 11],
        };
        Self {
            frozen,
            reserved: [0; 64],
            mutable,
        }
    }
}

/// Why a header was rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    NotASegment(&'static str),
    UnsupportedFormat(String),
    Corrupt(String),
}

fn corrupt<T>(reason: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Corrupt(reason.into()))
}

/// Checks the start of a file of `file_len` bytes, read into private memory. The returned header contradicts neither itself
/// nor the file. Its type is not checked.
pub(crate) fn parse(start: &[u8], file_len: u64) -> Result<Header, Refusal> {
    match start.get(..MAGIC.len()) {
        None if start.is_empty() => return Err(Refusal::NotASegment("it is empty")),
        None => return Err(Refusal::NotASegment("it is too short")),
        Some(magic) if magic != MAGIC => {
            return Err(Refusal::NotASegment(
                "it does not start with the magic bytes",
            ));
        }
        Some(_) => {}
    }
    let Some(bytes) = start.get(..HEADER_LEN) else {
        return corrupt("the file ends inside the header");
    };
    let header: Header = bytemuck::pod_read_unaligned(bytes);
    let frozen = &header.frozen;
    // The byte order and the version decide how to read the rest.
    if frozen.byte_order != BYTE_ORDER {
        let what = match frozen.byte_order {
            1 => "it was written on a little-endian machine".to_owned(),
            2 => "it was written on a big-endian machine".to_owned(),
            other => format!("byte order {other} is unknown"),
        };
        return Err(Refusal::UnsupportedFormat(what));
    }
    if frozen.format_version != FORMAT_VERSION {
        let found = frozen.format_version;
        let older = if found < FORMAT_VERSION {
            "; an older release created it"
        } else {
            ""
        };
        return Err(Refusal::UnsupportedFormat(format!(
            "the segment has format version {found}, and this program reads version {FORMAT_VERSION}{older}"
        )));
    }
    if frozen.checksum != frozen.own_checksum() {
        return corrupt("the checksum of the header is wrong");
    }
    let unknown = frozen.flags & FLAGS_BINDING & !FLAGS_KNOWN;
    if unknown != 0 {
        return Err(Refusal::UnsupportedFormat(format!(
            "flags {unknown:#x} are unknown"
        )));
    }
    if usize::from(frozen.header_len) != HEADER_LEN {
        return corrupt(format!(
            "the header says that it has {} bytes instead of {HEADER_LEN}",
            frozen.header_len
        ));
    }
    if frozen.total_len != file_len {
        return corrupt(format!(
            "the file has {file_len} bytes and the header says {}",
            frozen.total_len
        ));
    }
    check_places(frozen)?;
    check_levels(frozen, header.mutable.levels)?;
    Ok(header)
}

/// Checks the number of levels. A type that ends in a slice has none.
fn check_levels(frozen: &Frozen, levels: u32) -> Result<(), Refusal> {
    let has_tail = frozen.flags & FLAG_HAS_TAIL != 0;
    if !Capacity::of(frozen).can_hold(levels) || (levels > 0 && has_tail) {
        return corrupt(format!("it cannot have {levels} levels"));
    }
    Ok(())
}

fn check_places(frozen: &Frozen) -> Result<(), Refusal> {
    if !frozen.total_len.is_multiple_of(PAGE as u64) || usize::try_from(frozen.total_len).is_err() {
        return corrupt(format!(
            "a length of {} bytes is impossible",
            frozen.total_len
        ));
    }
    if frozen.schema_offset != HEADER_LEN as u64 {
        return corrupt(format!(
            "the schema cannot be at byte {}",
            frozen.schema_offset
        ));
    }
    let align = u64::from(frozen.payload_align);
    if !align.is_power_of_two() || align > PAGE as u64 {
        return corrupt(format!("an alignment of {align} is impossible"));
    }
    let schema_end = frozen.schema_offset.checked_add(frozen.schema_len);
    if schema_end.is_none_or(|end| end > frozen.payload_offset) {
        return corrupt("the schema reaches into the payload");
    }
    if !frozen
        .payload_offset
        .is_multiple_of(align.max(PAYLOAD_ALIGN as u64))
    {
        return corrupt(format!(
            "a payload at byte {} is not aligned",
            frozen.payload_offset
        ));
    }
    let payload_end = frozen.payload_offset.checked_add(frozen.payload_len);
    if payload_end.is_none_or(|end| end > frozen.total_len) {
        return corrupt("the payload reaches beyond the file");
    }
    if frozen.flags & FLAG_HAS_TAIL == 0 {
        if frozen.tail_len != 0 || frozen.tail_stride != 0 {
            return corrupt("it has elements of a slice, but no slice");
        }
    } else if frozen
        .tail_len
        .checked_mul(frozen.tail_stride)
        .is_none_or(|len| len > frozen.payload_len)
    {
        return corrupt("the elements of the slice do not fit the payload");
    }
    Ok(())
}

/// How a sound header differs from what the program expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Difference {
    /// The fingerprint differs: the schemas show where.
    Fingerprint,
    /// The fingerprint is equal but another number differs, so the header is wrong.
    Number(String),
}

/// Compares a header that [`parse`] accepted with the type, and returns the geometry and the number of elements of the
/// trailing slice.
pub(crate) fn compare(
    frozen: &Frozen,
    expected: &Expected,
) -> Result<(Geometry, usize), Difference> {
    fn number(what: &str, segment: u64, program: u64) -> Difference {
        Difference::Number(format!(
            "the {what} is {segment} in the segment and {program} in this program"
        ))
    }
    if frozen.fingerprint != expected.fingerprint {
        return Err(Difference::Fingerprint);
    }
    let pairs = [
        (
            "version",
            u64::from(frozen.layout_version),
            u64::from(expected.version),
        ),
        (
            "alignment",
            u64::from(frozen.payload_align),
            expected.base_align as u64,
        ),
        (
            "schema's length",
            frozen.schema_len,
            expected.schema_len as u64,
        ),
        (
            "element size of the slice",
            frozen.tail_stride,
            expected.tail_stride.unwrap_or(0) as u64,
        ),
        (
            "number of slices",
            u64::from(frozen.flags & FLAG_HAS_TAIL != 0),
            u64::from(expected.tail_stride.is_some()),
        ),
    ];
    for (what, segment, program) in pairs {
        if segment != program {
            return Err(number(what, segment, program));
        }
    }
    // The program's own arithmetic decides, and the header must agree with it.
    let computed = usize::try_from(frozen.tail_len)
        .ok()
        .and_then(|tail| Some((expected.geometry(tail)?, tail)));
    let Some((geometry, tail)) = computed else {
        return Err(Difference::Number(format!(
            "a slice of {} elements is impossible",
            frozen.tail_len
        )));
    };
    let pairs = [
        (
            "payload's offset",
            frozen.payload_offset,
            geometry.payload_offset,
        ),
        ("payload's length", frozen.payload_len, geometry.payload_len),
    ];
    for (what, segment, program) in pairs {
        if segment != program as u64 {
            return Err(number(what, segment, program as u64));
        }
    }
    // The creator's version of a struct, and the room that it asked for, decide how long the file is. Other types have no choice.
    let total_len = frozen.total_len as usize;
    if !expected.grows && total_len != geometry.total_len {
        let program = geometry.total_len as u64;
        return Err(number("segment's length", frozen.total_len, program));
    }
    let geometry = Geometry {
        total_len,
        ..geometry
    };
    Ok((geometry, tail))
}

#[cfg(test)]
mod tests;
