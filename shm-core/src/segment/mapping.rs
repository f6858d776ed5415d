//! Mapping a segment's file, and assembling the handle.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::Segment;
use super::options::Settings;
use super::unpublished::Hidden;
use crate::claim::{self, AddressWindows, Participant, RegisterArgs};
use crate::error::{ShmError, UNNAMED};
use crate::layout::TypeLayout;
use crate::name::SegmentName;
use crate::sys::clock::Deadline;
use crate::sys::file::{self, FileId};
use crate::sys::fork::{AtomicGeneration, ForkCount};
use crate::sys::map::Mapping;
use crate::sys::{Errno, SysError};

/// What a handle consists of, apart from its mapping.
pub(super) struct Parts {
    pub(super) file: File,
    pub(super) id: FileId,
    /// Taken before the file was opened.
    pub(super) forks: ForkCount,
    /// The whole segment, in bytes.
    pub(super) len: usize,
    pub(super) writable: bool,
    pub(super) name: Option<SegmentName>,
    pub(super) hidden: Option<Hidden>,
    pub(super) owner: bool,
    pub(super) published: bool,
    /// Whether writers wake read-only readers unasked.
    pub(super) wakes_readers: bool,
    pub(super) payload_offset: usize,
    pub(super) tail: usize,
    /// How many levels the segment has.
    pub(super) recorded_levels: u32,
}

impl Segment {
    /// Maps the file as the options ask, and takes part in the segment if the type has claims.
    pub(super) fn assemble(
        settings: &Settings,
        layout: &TypeLayout,
        parts: Parts,
    ) -> Result<Self, ShmError> {
        let (mapping, windows) = map(settings, &parts, layout)?;
        let mut segment = Self {
            participant: None,
            mapping,
            file: Arc::new(parts.file),
            id: parts.id,
            forks: parts.forks,
            lent: AtomicBool::new(false),
            name: parts.name,
            hidden: parts.hidden,
            owner: if parts.owner {
                AtomicGeneration::this()
            } else {
                AtomicGeneration::none()
            },
            published: AtomicBool::new(parts.published),
            kept: AtomicBool::new(false),
            timeout: settings.timeout,
            payload_offset: parts.payload_offset,
            tail: parts.tail,
            recorded_levels: parts.recorded_levels,
        };
        segment.register(windows, layout.has_claims())?;
        Ok(segment)
    }

    /// Registers this handle in its windows, if it has any. If the type has claims, a writable handle becomes a participant, and a
    /// read-only one can probe others. Later it might no longer be possible: after `setuid` or `chroot`, or without a free descriptor.
    fn register(
        &mut self,
        windows: Option<AddressWindows>,
        has_claims: bool,
    ) -> Result<(), ShmError> {
        let Some(windows) = windows else {
            return Ok(());
        };
        let with = RegisterArgs {
            file: &self.file,
            id: self.id,
            names: [
                self.hidden.as_ref().map(|hidden| hidden.name.as_str()),
                self.name.as_ref().map(SegmentName::as_str),
            ],
            is_named: *self.published.get_mut() || self.hidden.is_some(),
            shown: self.name(),
            counter: (has_claims && self.mapping.is_writable()).then(|| self.next_participant()),
            deadline: Deadline::after(self.timeout),
        };
        // SAFETY: the windows are those of this mapping, in which the counter is; the participant is dropped before the
        // mapping, being the field before it.
        self.participant = Some(unsafe { Participant::register(windows, &with) }?);
        Ok(())
    }

    /// See `Shm::take_part`.
    pub(super) fn take_part(&self) -> Result<(), ShmError> {
        match &self.participant {
            Some(participant) => participant.rejoin(Deadline::after(self.timeout)),
            None => Ok(()),
        }
    }
}

/// Maps the file as the options ask, and where the type needs it to be.
fn map(
    settings: &Settings,
    parts: &Parts,
    layout: &TypeLayout,
) -> Result<(Mapping, Option<AddressWindows>), ShmError> {
    let (file, len, writable) = (&parts.file, parts.len, parts.writable);
    let wakes_readers = parts.wakes_readers && writable;
    let (mapping, windows) = if layout.has_claims() || wakes_readers {
        claim::map(file, len, writable).map(|(mapping, mut windows)| {
            if wakes_readers {
                windows.wake_readers(&mapping);
            }
            (mapping, Some(windows))
        })
    } else {
        Mapping::new(file, len, writable).map(|mapping| (mapping, None))
    }?;
    // The advice comes first: it decides which pages the other two make.
    if settings.huge_pages {
        mapping.advise_huge_pages();
    }
    if settings.populate {
        mapping.populate().map_err(|error| match error.errno {
            // The file system has no room for a page of a sparse segment.
            Errno::EFAULT => {
                out_of_space(file, len as u64, SysError::new(error.call, Errno::ENOSPC))
            }
            _ => error.into(),
        })?;
    }
    if settings.lock_in_memory {
        mapping
            .lock_in_memory()
            .map_err(|error| match error.errno {
                // `PermissionDenied` would suggest a matter of the segment's mode.
                Errno::EPERM => ShmError::Os {
                    name: UNNAMED,
                    call: error.call,
                    source: error.io(),
                },
                _ => error.into(),
            })?;
    }
    Ok((mapping, windows))
}

pub(super) fn out_of_space(file: &File, needed: u64, error: SysError) -> ShmError {
    if error.errno != Errno::ENOSPC {
        return ShmError::from(error);
    }
    // What this segment already holds counts as available to it.
    let held = file::stat(file).map_or(0, |id| id.allocated);
    let free = file::available(file).unwrap_or(0);
    ShmError::NoSpace {
        name: UNNAMED,
        needed,
        available: free.saturating_add(held),
        memory_limit: None,
    }
}
