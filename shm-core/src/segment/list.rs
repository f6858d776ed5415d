//! Listing segments, and removing orphaned ones.

use std::fmt;
use std::fs::File;
use std::time::Duration;

use super::info::{SegmentInfo, is_shortage};
use super::lifetime::{self, NameState, Users};
use super::unpublished;
use crate::error::ShmError;
use crate::name::{SegmentName, is_hidden};
use crate::sys::clock::Deadline;
use crate::sys::file::FileId;
use crate::sys::shm::{self, DIRECTORY, Entries};
use crate::sys::{Errno, SysError, effective_user};

/// An iterator over the names in `/dev/shm`; see [`list`].
///
/// It ends after an error that is not about a single name.
#[derive(Debug)]
#[must_use = "iterators are lazy: a name is examined when it is reached"]
pub struct Segments {
    entries: Option<Entries>,
    with_participants: bool,
}

/// Lists the names in `/dev/shm`, those of other users included, with the state of each.
///
/// This attaches to nothing, waits for nothing and changes nothing. FIFOs, links and devices are not opened; damaged and
/// foreign files are listed as such. Names that disappear meanwhile are omitted. One name at a time is kept in memory, however
/// many there are. A name that is not UTF-8 cannot be a segment's and is omitted, as are the temporary names of segments that
/// are being created.
///
/// Each state is that of its own moment. It may change right afterwards, for instance when a process attaches to an orphaned
/// segment.
///
/// # Errors
///
/// [`PermissionDenied`](ShmError::PermissionDenied) and [`Os`](ShmError::Os) if `/dev/shm` cannot be read. An item is
/// an error if this process has no descriptor or memory left.
///
/// # Examples
///
/// ```
/// use shm_core::{SegmentState, ShmError, ShmLayout};
///
/// # fn main() -> Result<(), ShmError> {
/// # let name = format!("/doc-list-{}", std::process::id());
/// let _shm = u64::create(&name)?;
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
        with_participants: false,
    })
}

impl Segments {
    /// Looks for the participants of each segment while it is open, so that [`SegmentInfo::participants`] needs no system call. They
    /// are those of the moment when the segment was examined.
    ///
    /// ```
    /// use shm_core::ShmLayout;
    /// use shm_core::sync::Mutex;
    ///
    /// # fn main() -> Result<(), shm_core::ShmError> {
    /// # let name = format!("/doc-with-participants-{}", std::process::id());
    /// let _jobs = Mutex::<u64>::create(&name)?;
    /// for segment in shm_core::list()?.with_participants() {
    ///     let segment = segment?;
    ///     if segment.name == name {
    ///         assert_eq!(segment.participants()?.pids, [std::process::id()]);
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    pub fn with_participants(mut self) -> Self {
        self.with_participants = true;
        self
    }
}

impl Iterator for Segments {
    type Item = Result<SegmentInfo, ShmError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let entry = match self.entries.as_mut()?.next()? {
                Ok(entry) if is_hidden(&entry.name) => continue,
                Ok(entry) => entry,
                Err(error) => {
                    self.entries = None;
                    return Some(Err(about_all(error)));
                }
            };
            match SegmentInfo::look(&entry.name, entry.is_regular, self.with_participants) {
                Ok(Some(info)) => return Some(Ok(info)),
                Ok(None) => {}
                Err(error) => return Some(Err(ShmError::from(error).named(&entry.name))),
            }
        }
    }
}

/// Removes all orphaned segments of this user, and returns their names: those that killed processes have left, to which
/// no process is attached, and which are not persistent.
///
/// This takes the same locks as `create` does to replace an orphaned segment. A process that attaches at the same time either
/// comes first, and the segment stays, or finds no such name. Live, persistent, damaged and foreign segments are never removed,
/// nor are those of other users: root removes these with [`sweep_all_users`]. An orphaned segment stays, for a later sweep, if
/// another process has one of its locks, or if its mode does not permit its user to write.
///
/// On systems where a creator that is killed before its segment is complete leaves a file, that file is removed too. Its name
/// ends in `.shm-new-` and 16 digits.
///
/// [`Sweep`] has options for this.
///
/// # Errors
///
/// [`PermissionDenied`](ShmError::PermissionDenied) and [`Os`](ShmError::Os) if `/dev/shm` cannot be read, or if this
/// process has no descriptor or memory left. Segments removed before the error stay removed.
///
/// # Examples
///
/// ```no_run
/// # fn main() -> Result<(), shm_core::ShmError> {
/// // For instance when a service starts.
/// for name in shm_core::sweep()? {
///     println!("removed {}", name.escape_debug());
/// }
/// # Ok(()) }
/// ```
pub fn sweep() -> Result<Vec<String>, ShmError> {
    Sweep::new().remove()
}

/// [`sweep`] for the orphaned segments of all users, which only root can remove.
///
/// Run by another user, it removes what [`sweep`] does, since the system does not permit more.
///
/// # Errors
///
/// Those of [`sweep`].
pub fn sweep_all_users() -> Result<Vec<String>, ShmError> {
    Sweep::new().all_users().remove()
}

/// A [`sweep`] of some names, or one that only finds what it would remove.
///
/// ```
/// use shm_core::segment::Sweep;
///
/// # fn main() -> Result<(), shm_core::ShmError> {
/// let sweep = Sweep::new().names(|name| name.starts_with("/telemetry-"));
/// for name in sweep.find()? {
///     println!("nobody uses {}", name.escape_debug());
/// }
/// sweep.remove()?;
/// # Ok(()) }
/// ```
#[must_use = "nothing is found or removed before `find` or `remove` is called"]
pub struct Sweep<'a> {
    users: Users,
    wanted: Box<dyn Fn(&str) -> bool + 'a>,
}

impl Default for Sweep<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Sweep<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all_users = self.users == Users::All;
        f.debug_struct("Sweep")
            .field("all_users", &all_users)
            .finish_non_exhaustive()
    }
}

impl<'a> Sweep<'a> {
    /// All names of this user.
    pub fn new() -> Self {
        Self {
            users: Users::This,
            wanted: Box::new(|_| true),
        }
    }

    /// Includes the segments of all users, which only root can remove.
    pub fn all_users(mut self) -> Self {
        self.users = Users::All;
        self
    }

    /// Leaves out the names for which `wanted` returns `false`. It gets them with their slash; that of a segment that was never
    /// completed ends in `.shm-new-` and 16 digits.
    pub fn names(mut self, wanted: impl Fn(&str) -> bool + 'a) -> Self {
        self.wanted = Box::new(wanted);
        self
    }

    /// Returns the names that [`remove`](Self::remove) would remove at this moment, unless another process has one of their locks.
    /// This takes no lock and changes nothing.
    ///
    /// # Errors
    ///
    /// Those of [`sweep`].
    pub fn find(&self) -> Result<Vec<String>, ShmError> {
        self.each(|name| {
            Ok(if is_hidden(name) {
                unpublished::find_orphaned(name)?.is_some()
            } else {
                find_orphaned(self.users, name)?.is_some()
            })
        })
    }

    /// Removes the orphaned segments, and returns their names.
    ///
    /// # Errors
    ///
    /// Those of [`sweep`].
    pub fn remove(&self) -> Result<Vec<String>, ShmError> {
        self.each(|name| {
            if is_hidden(name) {
                return Ok(unpublished::remove_orphaned(name)?);
            }
            match find_orphaned(self.users, name)? {
                // A process that has the lock now is replacing or removing it, or keeps it.
                Some((name, file, id)) => {
                    lifetime::replace(&name, file, &id, Deadline::after(Duration::ZERO))
                }
                None => Ok(false),
            }
        })
    }

    /// The names for which `holds` returns `true`.
    fn each(
        &self,
        holds: impl Fn(&str) -> Result<bool, ShmError>,
    ) -> Result<Vec<String>, ShmError> {
        let mut found = Vec::new();
        for entry in shm::entries().map_err(about_all)? {
            let name = entry.map_err(about_all)?.name;
            if !(self.wanted)(&name) {
                continue;
            }
            let result = holds(&name).or_else(unless_shortage);
            if result.map_err(|error| error.named(&name))? {
                found.push(name);
            }
        }
        Ok(found)
    }
}

/// The orphaned segment that has a name.
fn find_orphaned(
    users: Users,
    name: &str,
) -> Result<Option<(SegmentName, File, FileId)>, ShmError> {
    // Only a regular file is opened, and only of the user in question: opening a FIFO has side effects.
    match shm::stat_name(name) {
        Ok(id) if id.is_regular() && (users == Users::All || id.owner == effective_user()) => {}
        _ => return Ok(None),
    }
    let name = SegmentName::new(name)?;
    Ok(match lifetime::examine_of(users, &name)? {
        NameState::Orphaned(file, id) => Some((name, file, id)),
        NameState::Free
        | NameState::Taken(_)
        | NameState::Ownerless(..)
        | NameState::InTransition(_) => None,
    })
}

/// A name that cannot be removed does not end the sweep. A shortage does, since it would affect all names.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_shortage_ends_a_sweep() {
        let of = |errno| ShmError::from(SysError::new("shm_open", errno));
        for errno in [Errno::EMFILE, Errno::ENFILE, Errno::ENOMEM] {
            assert!(unless_shortage(of(errno)).is_err());
        }
        for errno in [Errno::EACCES, Errno::EIO] {
            assert_eq!(unless_shortage(of(errno)).ok(), Some(false));
        }
    }
}
