//! The offsets of a segment's parts: header, schema, payload.
//!
//! The creator, an attaching process and the constants of a type use the same arithmetic. It is checked, because the number of
//! elements of a slice comes from users, and from headers that may be wrong.

use super::levels::{MAX_LEVEL, records_len};
use crate::layout::{LayoutKind, TypeLayout, payload_offset, round_up};

/// A file's length is a multiple of this, whatever the machine's page size is, so that all peers agree.
pub(crate) const PAGE: usize = 4096;

/// The room for later fields of a struct that does not ask for any.
const DEFAULT_ROOM: usize = 1024;

/// The numbers of a type's layout, which a program expects in a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    /// The size of this program's own version of the type.
    pub(crate) size: usize,
    /// The size of level 0.
    pub(crate) base_size: usize,
    /// The alignment of level 0.
    pub(crate) base_align: usize,
    pub(crate) tail_stride: Option<usize>,
    pub(crate) schema_len: usize,
    pub(crate) fingerprint: u64,
    pub(crate) version: u32,
    pub(crate) level: u32,
    /// The length of the records of all levels.
    pub(crate) records_len: usize,
    /// Whether fields can be appended to it: it is a struct without a slice.
    pub(crate) grows: bool,
    /// The room for them.
    pub(crate) room: usize,
}

/// Offsets and lengths of a segment's parts, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) payload_offset: usize,
    /// The payload at level 0, as in the header.
    pub(crate) payload_len: usize,
    pub(crate) total_len: usize,
}

impl Expected {
    pub(crate) const fn of(layout: &TypeLayout) -> Self {
        let tail_stride = layout.tail_stride();
        let grows = tail_stride.is_none() && matches!(layout.kind(), LayoutKind::Struct { .. });
        Self {
            size: layout.size(),
            base_size: layout.level_size(0),
            base_align: layout.level_align(0),
            tail_stride,
            schema_len: layout.schema_len(),
            fingerprint: layout.fingerprint(),
            version: layout.version(),
            level: layout.level(),
            records_len: records_len(layout, 0),
            grows,
            room: match layout.room() {
                _ if !grows => 0,
                Some(room) => room,
                None => DEFAULT_ROOM,
            },
        }
    }

    /// The start of the payload: after the schema, and aligned for the type.
    pub(crate) const fn payload_offset(&self) -> Option<usize> {
        payload_offset(self.schema_len, self.base_align)
    }

    /// The geometry of a new segment with `tail` elements in the trailing slice; `None` if no address space is that large.
    pub(crate) const fn geometry(&self, tail: usize) -> Option<Geometry> {
        let stride = match self.tail_stride {
            Some(stride) => stride,
            None => 0,
        };
        let Some(tail_len) = stride.checked_mul(tail) else {
            return None;
        };
        let Some(base) = self.base_size.checked_add(tail_len) else {
            return None;
        };
        // A reference to a value with a trailing slice covers its size rounded up to the alignment.
        let Some(payload_len) = round_up(base, self.base_align) else {
            return None;
        };
        let Some(payload_offset) = self.payload_offset() else {
            return None;
        };
        let longest = if self.size > payload_len {
            self.size
        } else {
            payload_len
        };
        let mut total_len = Some(payload_offset);
        let (parts, mut i) = ([longest, self.room, self.records_len], 0);
        while i < parts.len() {
            total_len = match total_len {
                Some(len) => len.checked_add(parts[i]),
                None => None,
            };
            i += 1;
        }
        let Some(total_len) = total_len else {
            return None;
        };
        let Some(total_len) = round_up(total_len, PAGE) else {
            return None;
        };
        // No Rust object may be larger, and no mapping can be.
        if total_len > isize::MAX as usize || self.level > MAX_LEVEL {
            return None;
        }
        Some(Geometry {
            payload_offset,
            payload_len,
            total_len,
        })
    }
}

/// The length in bytes of a segment of this layout, with header and schema; `usize::MAX` if none can be that large.
pub(crate) const fn segment_len(layout: &TypeLayout, tail: usize) -> usize {
    match Expected::of(layout).geometry(tail) {
        Some(geometry) => geometry.total_len,
        None => usize::MAX,
    }
}
