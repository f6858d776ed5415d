//! Which segments there are, and removing those that nobody uses any more.

use super::info::{SegmentInfo, is_shortage};
use super::lifetime::{self, NameState};
use super::unpublished;
use crate::error::ShmError;
use crate::name::{HIDDEN_PREFIX, SegmentName};
use crate::sys::clock::Deadline;
use crate::sys::shm::{self, DIRECTORY, Entries};
use crate::sys::{Errno, SysError, effective_user};

use std::time::Duration;

/// The names in /dev/shm, one by one; see [`list`].
///
/// After an error that is not about a single name there are no more.
#[derive(Debug)]
#[must_use = "names are looked at one by one as this is iterated over"]
pub struct Segments {
    entries: Option<Entries>,
}

/// Goes through the names in /dev/shm, those of other users too, and tells what each one is.
///
/// It attaches to nothing, waits for nothing and changes nothing: FIFOs, links and devices are not opened, damaged and
/// foreign files are told as such. Names that go meanwhile are left out. However many there are, and whatever they hold,
/// one is kept in memory at a time. A name that is not UTF-8 cannot be a segment's and is left out; so are the hidden
/// names of segments whose creator is still at work.
///
/// A state may change right after it was looked at, in particular when a process attaches to an orphan. Each is true
/// for its own moment, also when processes are killed meanwhile.
///
/// # Errors
///
/// [`PermissionDenied`](ShmError::PermissionDenied) and [`Os`](ShmError::Os) when /dev/shm cannot be read. An item is
/// an error when this process has no descriptor or memory left to look with.
///
/// # Examples
///
/// ```
/// use shm_core::{SegmentState, ShmError, ShmLayout};
///
/// # fn main() -> Result<(), ShmError> {
/// # let name = format!("/doc-list-{}", std::process::id());
/// let shm = u64::create(&name)?;
/// for segment in shm_core::list()? {
///     let segment = segment?;
///     if segment.name == name {
///         assert_eq!(segment.state, SegmentState::Live);
///     }
/// }
/// # Ok(()) }
/// ```
pub fn list() -> Result<Segments, ShmError> {
    let entries = shm::entries().map_err(about_all)?;
    Ok(Segments {
        entries: Some(entries),
    })
}

impl Iterator for Segments {
    type Item = Result<SegmentInfo, ShmError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let name = match self.entries.as_mut()?.next()? {
                Ok(name) if name.starts_with(HIDDEN_PREFIX) => continue,
                Ok(name) => name,
                Err(error) => {
                    self.entries = None;
                    return Some(Err(about_all(error)));
                }
            };
            match SegmentInfo::look(name.clone()) {
                Ok(Some(info)) => return Some(Ok(info)),
                Ok(None) => {}
                Err(error) => return Some(Err(ShmError::from(error).named(&name))),
            }
        }
    }
}

/// Removes every orphan of this user: segments that nobody is attached to and nobody told to stay, left by processes
/// that were killed. Returns their names.
///
/// It takes the same locks as the replacement of a leftover by `create`, so a process that attaches at the same time
/// either comes first, and the segment stays, or finds no such name. Never removed are segments that are live,
/// persistent, damaged or foreign, and those of other users, even by root. An orphan stays, for a later sweep, when
/// another process has one of its locks or when its mode does not let its owner write it.
///
/// What creators have left that were killed before their segment was complete, on systems where that leaves anything, is
/// removed too; those names begin with `/.shm-new-`.
///
/// # Errors
///
/// [`PermissionDenied`](ShmError::PermissionDenied) and [`Os`](ShmError::Os) when /dev/shm cannot be read, or when this
/// process has no descriptor or memory left. What was removed before stays removed.
///
/// # Examples
///
/// ```no_run
/// # fn main() -> Result<(), shm_core::ShmError> {
/// // At the start of a service, say.
/// for name in shm_core::sweep()? {
///     println!("removed {}", name.escape_debug());
/// }
/// # Ok(()) }
/// ```
pub fn sweep() -> Result<Vec<String>, ShmError> {
    sweep_those(|_| true)
}

/// Tests must not remove what other tests want to find.
pub(super) fn sweep_those(wanted: impl Fn(&str) -> bool) -> Result<Vec<String>, ShmError> {
    let mut removed = Vec::new();
    for entry in shm::entries().map_err(about_all)? {
        let name = entry.map_err(about_all)?;
        if !wanted(&name) {
            continue;
        }
        let gone = if name.starts_with(HIDDEN_PREFIX) {
            unpublished::remove_abandoned(&name).map_err(ShmError::from)
        } else {
            remove_orphan(&name)
        };
        let gone = gone
            .or_else(unless_shortage)
            .map_err(|error| error.named(&name))?;
        if gone {
            removed.push(name);
        }
    }
    Ok(removed)
}

fn remove_orphan(name: &str) -> Result<bool, ShmError> {
    // What is no regular file of this user is not even opened, for opening a FIFO has effects.
    match shm::stat_name(name) {
        Ok(id) if id.is_regular() && id.owner == effective_user() => {}
        _ => return Ok(false),
    }
    let name = SegmentName::new(name)?;
    match lifetime::examine(&name)? {
        // Whoever has the lock now is replacing or removing it, or wants it to stay.
        NameState::Orphaned(file, id) => {
            lifetime::replace(&name, file, &id, Deadline::after(Duration::ZERO))
        }
        NameState::Free
        | NameState::Taken(_)
        | NameState::Abandoned(..)
        | NameState::InTransition => Ok(false),
    }
}

/// One name that cannot be removed is no reason to leave the others; a shortage would meet them all.
fn unless_shortage(error: ShmError) -> Result<bool, ShmError> {
    match &error {
        ShmError::Os { source, .. }
            if source
                .raw_os_error()
                .is_some_and(|number| is_shortage(Errno::from_raw(number))) =>
        {
            Err(error)
        }
        _ => Ok(false),
    }
}

fn about_all(error: SysError) -> ShmError {
    ShmError::from(error).named(DIRECTORY)
}
