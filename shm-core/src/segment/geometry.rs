//! The offsets of a segment's parts: header, schema, payload.
//!
//! The creator, an attaching process and the constants of a type use the same arithmetic. It is checked, because the number of
//! elements of a slice comes from users, and from headers that may be wrong.

use crate::layout::{TypeLayout, payload_offset, round_up};

/// A file's length is a multiple of this, whatever the machine's page size is, so that all peers agree.
pub(crate) const PAGE: usize = 4096;

/// The numbers of a type's layout, which a program expects in a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) size: usize,
    pub(crate) align: usize,
    pub(crate) tail_stride: Option<usize>,
    pub(crate) schema_len: usize,
    pub(crate) fingerprint: u64,
    pub(crate) version: u32,
}

/// Offsets and lengths of a segment's parts, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) payload_offset: usize,
    pub(crate) payload_len: usize,
    pub(crate) total_len: usize,
}

impl Expected {
    pub(crate) const fn of(layout: &TypeLayout) -> Self {
        Self {
            size: layout.size(),
            align: layout.align(),
            tail_stride: layout.tail_stride(),
            schema_len: layout.schema_len(),
            fingerprint: layout.fingerprint(),
            version: layout.version(),
        }
    }

    /// The start of the payload: after the schema, and aligned for the type.
    pub(crate) const fn payload_offset(&self) -> Option<usize> {
        payload_offset(self.schema_len, self.align)
    }

    /// The geometry with `tail` elements in the trailing slice; `None` if no address space is that large.
    pub(crate) const fn geometry(&self, tail: usize) -> Option<Geometry> {
        let stride = match self.tail_stride {
            Some(stride) => stride,
            None => 0,
        };
        let Some(tail_len) = stride.checked_mul(tail) else {
            return None;
        };
        let Some(used) = self.size.checked_add(tail_len) else {
            return None;
        };
        // A reference to a value with a trailing slice covers its size rounded up to the alignment.
        let Some(payload_len) = round_up(used, self.align) else {
            return None;
        };
        let Some(payload_offset) = self.payload_offset() else {
            return None;
        };
        let Some(end) = payload_offset.checked_add(payload_len) else {
            return None;
        };
        let Some(total_len) = round_up(end, PAGE) else {
            return None;
        };
        // No Rust object may be larger, and no mapping can be.
        if total_len > isize::MAX as usize {
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
