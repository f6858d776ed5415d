//! Segments: one file each, complete when its name appears, removed when its owners are gone.
//!
//! [`Shm`] is the handle on one, and [`ShmOptions`] creates it or attaches to it. [`list()`] shows what is in `/dev/shm`, and
//! [`sweep()`] removes what killed processes have left.

// All of this is about bytes and names. Only `Shm` and `ShmOptions` are generic, and they are thin, so that a program with
// many types does not compile the rest for each of them.

mod appearance;
mod attach;
mod create;
mod dump;
mod geometry;
mod handle;
mod header;
mod info;
mod levels;
mod lifetime;
mod list;
mod mapping;
mod open;
mod open_or_create;
mod options;
mod ownership;
mod participants;
mod payload;
mod refused;
#[cfg(test)]
mod tests;
mod unpublished;
mod untyped;

use std::fs::File;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::claim::Participant;
use crate::error::ANONYMOUS;
use crate::error::ShmError;
use crate::layout::TypeLayout;
use crate::name::SegmentName;
use crate::sys::SysResult;
use crate::sys::file::{self, FileId};
use crate::sys::fork::{AtomicGeneration, ForkCount};
use crate::sys::map::Mapping;
use unpublished::Hidden;

pub(crate) use geometry::{Expected, segment_len};
pub use handle::Shm;
pub use info::{SegmentContents, SegmentInfo, SegmentState};
pub(crate) use lifetime::unlink;
pub use list::{Segments, Sweep, list, sweep, sweep_all_users};

pub use crate::error::{Existing, Mismatch};
pub(crate) use dump::{Dump, open as open_file};

pub use open::InitResult;
pub(crate) use open::{Failure, uninitialized};
pub use options::ShmOptions;
pub use ownership::SegmentStatus;
pub use participants::Participants;
pub(crate) use untyped::{Described, Frame, SchemaBytes, Untyped, describe_file, describe_named};

/// A mapped segment of any type.
#[derive(Debug)]
pub(crate) struct Segment {
    /// The first field, because it uses the mapping until it is dropped.
    participant: Option<Participant>,
    mapping: Mapping,
    file: Arc<File>,
    id: FileId,
    /// Taken before the file was opened. As long as it is current, no child of `fork` shares the description.
    forks: ForkCount,
    /// Whether the descriptor was handed out, so that any process may share the description.
    lent: AtomicBool,
    name: Option<SegmentName>,
    /// The temporary name, on systems where a file needs one before it is published.
    hidden: Option<Hidden>,
    /// The process in which this handle is an owner, if it is one. Children of `fork` have copies, which must not remove the
    /// name.
    owner: AtomicGeneration,
    /// Whether the segment has its name. Until then there is nothing to remove.
    published: AtomicBool,
    /// Whether `persist` was called on this handle.
    kept: AtomicBool,
    timeout: Duration,
    payload_offset: usize,
    tail: usize,
    /// How many levels the segment had when this handle was made, counting those that it has announced.
    recorded_levels: u32,
}

impl Segment {
    pub(crate) fn name(&self) -> &str {
        self.name.as_ref().map_or(ANONYMOUS, SegmentName::as_str)
    }

    #[cfg(test)]
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// What surrounds the payload in the file.
    pub(crate) fn frame(&self, layout: &TypeLayout) -> Result<Frame, ShmError> {
        untyped::frame(&self.file, layout)
    }

    /// How many bytes of the payload from `offset` on are in a hole of the file, and how many that follow are not. Those in the hole
    /// are zeros; reading them through the mapping would allocate memory for them.
    pub(crate) fn hole_and_data(&self, offset: usize) -> (u64, u64) {
        let at = self.payload_offset.saturating_add(offset) as u64;
        // Without an answer, everything is read.
        file::hole_and_data(&self.file, at).unwrap_or((0, u64::MAX))
    }

    /// Writes to a part of the payload that is zeros, of a segment that has no name yet, so that no other process has it.
    pub(crate) fn fill(&self, bytes: &[u8], offset: usize) -> SysResult<()> {
        // A sparse segment keeps its holes.
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        let at = self.payload_offset.saturating_add(offset) as u64;
        file::write_at(&self.file, bytes, at)
    }

    /// Bytes from the start of the file to the payload.
    #[inline]
    pub(crate) fn payload_offset(&self) -> usize {
        self.payload_offset
    }

    pub(crate) fn mapped_len(&self) -> usize {
        self.mapping.len()
    }

    /// Elements of the trailing slice.
    pub(crate) fn tail(&self) -> usize {
        self.tail
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.mapping.is_writable()
    }

    /// The start of the payload.
    pub(crate) fn payload(&self) -> *const () {
        let start = self.mapping.start().as_ptr();
        // SAFETY: the payload starts inside the mapping: `Expected::geometry` puts its offset and length within the
        // length that was mapped.
        unsafe { start.add(self.payload_offset) }
            .cast_const()
            .cast()
    }

    /// The word of the header that says whether the segment is persistent.
    fn state(&self) -> &AtomicU32 {
        let start = self.mapping.start().as_ptr();
        // SAFETY: the mapping is at least a header long.
        let word = unsafe { start.add(header::STATE_OFFSET) };
        // SAFETY: the word is aligned, lives as long as the mapping, and is only accessed atomically through mappings.
        unsafe { AtomicU32::from_ptr(word.cast()) }
    }

    /// The word of the header from which participants take their ids.
    fn next_participant(&self) -> NonNull<AtomicU64> {
        let start = self.mapping.start();
        // SAFETY: the mapping is at least a header long, and the word is aligned in it.
        unsafe { start.add(header::NEXT_PARTICIPANT_OFFSET) }.cast()
    }

    /// Marks the segment as persistent in its header. The mapping must be writable.
    fn mark_persistent(&self) {
        self.state()
            .fetch_or(header::STATE_PERSISTENT, Ordering::AcqRel);
        self.kept.store(true, Ordering::Release);
    }
}
