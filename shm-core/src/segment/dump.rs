//! Dumps: copies of a segment's file, perhaps from a machine of the other byte order.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::header::{self, BYTE_ORDER, Frozen, HEADER_LEN, Header, Mutable};
use super::untyped::{self, Described, Frame};
use crate::error::{ShmError, UNNAMED};
use crate::layout::TypeLayout;
use crate::layout::fingerprint::ByteOrder;
use crate::segment::Expected;
use crate::sys::{SysError, file};

/// A copy of a segment's file. It is read as it is needed, and not mapped: a file that is truncated meanwhile is an error.
#[derive(Debug)]
pub(crate) struct Dump {
    file: File,
    pub(crate) order: ByteOrder,
    payload_offset: u64,
    /// Elements of the trailing slice.
    pub(crate) tail: usize,
}

impl Dump {
    /// Opens a file, and makes a layout of what it says about its type.
    pub(crate) fn open(
        path: &Path,
        layout_of: impl FnOnce(&Described) -> Result<&'static TypeLayout, ShmError>,
    ) -> Result<(Self, &'static TypeLayout), ShmError> {
        let file = open(path)?;
        let described = untyped::describe_file(&file)?;
        let layout = layout_of(&described)?;
        let (geometry, tail) =
            described
                .compare(&Expected::of(layout))
                .map_err(|reason| ShmError::Corrupt {
                    name: UNNAMED,
                    reason,
                })?;
        let dump = Self {
            file,
            order: described.schema.order,
            payload_offset: geometry.payload_offset as u64,
            tail,
        };
        Ok((dump, layout))
    }

    /// What surrounds the payload in the file. The numbers must be in this machine's byte order.
    pub(crate) fn frame(&self, layout: &TypeLayout) -> Result<Frame, ShmError> {
        untyped::frame(&self.file, layout)
    }

    /// How many bytes of the payload from `offset` on are in a hole of the file, and how many that follow are not.
    pub(crate) fn hole_and_data(&self, offset: usize) -> (u64, u64) {
        let at = self.payload_offset.saturating_add(offset as u64);
        // Without an answer, everything is read.
        file::hole_and_data(&self.file, at).unwrap_or((0, u64::MAX))
    }

    /// Reads bytes from `offset` in the payload on. Returns `false` if the file ends before.
    pub(crate) fn read(&self, out: &mut [u8], offset: usize) -> Result<bool, SysError> {
        let at = self.payload_offset.saturating_add(offset as u64);
        Ok(file::read_at(&self.file, out, at)? == out.len())
    }
}

/// Opens a file for reading.
pub(crate) fn open(path: &Path) -> Result<File, ShmError> {
    // A FIFO without a writer must not block.
    let options = File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path);
    options.map_err(|source| ShmError::Os {
        name: UNNAMED,
        call: "open",
        source,
    })
}

/// Reads a header of either byte order, and returns it in that of this machine.
pub(super) fn read_header(file: &File, len: u64) -> Result<(Header, ByteOrder), ShmError> {
    let mut start = [0; HEADER_LEN];
    let count = file::read_at(file, &mut start, 0)?;
    let mut order = ByteOrder::Native;
    if count == HEADER_LEN {
        let header: Header = bytemuck::cast(start);
        let is_swapped = matches!(header.frozen.byte_order, 1 | 2);
        if header.frozen.magic == header::MAGIC
            && is_swapped
            && header.frozen.byte_order != BYTE_ORDER
        {
            order = ByteOrder::Swapped;
            start = bytemuck::cast(swapped(&header));
        }
    }
    Ok((header::parse(&start[..count], len)?, order))
}

/// The header with all numbers in the other byte order. Its checksum is right if it was before.
fn swapped(header: &Header) -> Header {
    let Header {
        frozen,
        reserved,
        mutable,
    } = *header;
    let Frozen {
        magic,
        format_version,
        header_len,
        byte_order: _,
        reserved: frozen_reserved,
        total_len,
        schema_offset,
        schema_len,
        payload_offset,
        payload_len,
        payload_align,
        layout_version,
        tail_len,
        tail_stride,
        fingerprint,
        flags,
        created_at,
        creator_pid,
        creator_uid,
        reserved_end,
        checksum,
    } = frozen;
    let Mutable {
        state,
        reserved: mutable_reserved,
        next_participant,
        levels,
        reserved_end: mutable_reserved_end,
    } = mutable;
    let mut out = Frozen {
        magic,
        format_version: format_version.swap_bytes(),
        header_len: header_len.swap_bytes(),
        byte_order: BYTE_ORDER,
        reserved: frozen_reserved,
        total_len: total_len.swap_bytes(),
        schema_offset: schema_offset.swap_bytes(),
        schema_len: schema_len.swap_bytes(),
        payload_offset: payload_offset.swap_bytes(),
        payload_len: payload_len.swap_bytes(),
        payload_align: payload_align.swap_bytes(),
        layout_version: layout_version.swap_bytes(),
        tail_len: tail_len.swap_bytes(),
        tail_stride: tail_stride.swap_bytes(),
        fingerprint: fingerprint.swap_bytes(),
        flags: flags.swap_bytes(),
        created_at: created_at.swap_bytes(),
        creator_pid: creator_pid.swap_bytes(),
        creator_uid: creator_uid.swap_bytes(),
        reserved_end: reserved_end.swap_bytes(),
        checksum: 0,
    };
    // The checksum is one of bytes, so it is another number now. A wrong one stays wrong.
    let difference = frozen.own_checksum() ^ checksum.swap_bytes();
    out.checksum = out.own_checksum() ^ difference;
    Header {
        frozen: out,
        reserved,
        mutable: Mutable {
            state: state.swap_bytes(),
            reserved: mutable_reserved.swap_bytes(),
            next_participant: next_participant.swap_bytes(),
            levels: levels.swap_bytes(),
            reserved_end: mutable_reserved_end,
        },
    }
}
