//! The processes that have an id in a segment, by the locks on its file.

use std::fs::File;
use std::time::Duration;

use super::info::SegmentInfo;
use crate::error::ShmError;
use crate::lock_byte::{self, PARTICIPANTS};
use crate::sys::clock::Deadline;
use crate::sys::lock::{self, Bytes};
use crate::sys::{Errno, SysResult, file, shm};

/// The most locks to look at.
const MOST: usize = 1 << 14;
/// How long to look: each look takes the kernel longer, the more locks there are.
const LONGEST: Duration = Duration::from_secs(1);

/// The processes that are attached to a segment and can hold locks in it, from [`SegmentInfo::participants`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Participants {
    /// Their process ids, in the order of their ids in the segment, which usually is that in which they attached. A process with
    /// several handles is there several times.
    pub pids: Vec<u32>,
    /// Whether these are all. `false` if there were more than 16,384, or looking took longer than a second.
    pub complete: bool,
}

impl SegmentInfo {
    /// The processes that are attached for writing, if the segment's type has a lock, a ring or another type of
    /// [`sync`](crate::sync) that must notice their deaths. Those of other types, and read-only handles, have no id and leave no pid.
    ///
    /// The pids come from locks that the kernel keeps as long as the processes live. Reading them takes nothing but the permission to
    /// open the segment for reading, and no `/proc`: one system call for each process, or two. They may be outdated by the time the
    /// caller uses them. [`Segments::with_participants`](crate::segment::Segments::with_participants) finds them while it lists the
    /// segments, which is faster than opening each once more.
    ///
    /// Each pid is as the process sees itself. In another pid namespace it has another one, and another process may have this one. A
    /// peer that may write to the segment can add processes that do not exist. So this is for people.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ShmError::NotFound) if the name is gone, or leads to another segment by now;
    /// [`PermissionDenied`](ShmError::PermissionDenied) and [`Os`](ShmError::Os) if the system refuses a call.
    ///
    /// # Examples
    ///
    /// ```
    /// use shm_core::ShmLayout;
    /// use shm_core::sync::Mutex;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = format!("/doc-participants-{}", std::process::id());
    /// let _jobs = Mutex::<u64>::create(&name)?;
    /// for segment in shm_core::list()? {
    ///     let segment = segment?;
    ///     if segment.name == name {
    ///         assert_eq!(segment.participants()?.pids, [std::process::id()]);
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    pub fn participants(&self) -> Result<Participants, ShmError> {
        self.find_participants()
            .map_err(|error| error.named(&self.name))
    }

    fn find_participants(&self) -> Result<Participants, ShmError> {
        if let Some(found) = &self.participants {
            return Ok(found.clone());
        }
        if self.contents.is_none() {
            // Not a segment, so no lock on it is a participant's.
            return Ok(Participants::none());
        }
        let file = match shm::open(&self.name, false) {
            Err(error) if error.errno == Errno::ENOENT => return Err(ShmError::not_found()),
            opened => opened?,
        };
        if !file::stat(&file)?.same_file(&self.file) {
            return Err(ShmError::not_found());
        }
        Ok(Participants::of_file(&file)?)
    }
}

impl Participants {
    pub(super) const fn none() -> Self {
        Self {
            pids: Vec::new(),
            complete: true,
        }
    }

    /// Those of an open segment.
    pub(super) fn of_file(file: &File) -> SysResult<Self> {
        let deadline = Deadline::after(LONGEST);
        let is_late = || deadline.left().is_zero();
        participants(|bytes| lock::exclusive(file, bytes), is_late)
    }
}

/// The participants whose locks `find` returns: any lock on one of the bytes that it is called with.
///
/// A lock splits the bytes in which it was found. Of each part that is left, those count that begin with a participant's first
/// byte: between two participants with consecutive ids there is nothing to look for.
fn participants(
    mut find: impl FnMut(Bytes) -> SysResult<Option<Bytes>>,
    mut is_late: impl FnMut() -> bool,
) -> SysResult<Participants> {
    let mut found = Vec::new();
    let mut locks = 0;
    let mut parts = vec![PARTICIPANTS];
    while let Some(part) = parts.pop_if(|_| locks < MOST && !is_late()) {
        let Some(lock) = find(part)? else { continue };
        locks += 1;
        found.extend(lock_byte::participant_of(lock));
        // The left part is looked at first, so `parts` stays short.
        let rest = [
            (lock.last() + 1, part.last()),
            (part.start(), part.last().min(lock.start() - 1)),
        ];
        for (first, last) in rest {
            if first > last {
                continue;
            }
            let first = lock_byte::next_participant(first.max(part.start()));
            if first <= last {
                parts.push(Bytes::new(first, last - first + 1));
            }
        }
    }
    found.sort_unstable();
    Ok(Participants {
        pids: found.into_iter().map(|(_, pid)| pid).collect(),
        complete: parts.is_empty(),
    })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::lock_byte::{GREATEST_ID, participant, participant_with_pid};
    use crate::sys::lock::LockKind;
    use crate::sys::test_support::TestName;

    /// What the locks in a new file show, and how many looks that took.
    fn shown(locks: impl IntoIterator<Item = Bytes>) -> (Participants, usize) {
        let name = TestName::new("participants");
        let file = shm::open_unnamed().unwrap();
        shm::link(&file, name.as_str()).unwrap();
        for lock in locks {
            assert!(lock::try_lock(&file, lock, LockKind::Exclusive).unwrap());
        }
        let reader = shm::open(name.as_str(), false).unwrap();
        looks(&reader)
    }

    fn looks(file: &File) -> (Participants, usize) {
        let mut looks = 0;
        let find = |bytes| {
            looks += 1;
            lock::exclusive(file, bytes)
        };
        let found = participants(find, || false).unwrap();
        (found, looks)
    }

    fn all(pids: impl IntoIterator<Item = u32>) -> Participants {
        Participants {
            pids: pids.into_iter().collect(),
            complete: true,
        }
    }

    #[test]
    fn thousands_take_one_look_each() {
        let locks = (1..=3000).map(|id| participant_with_pid(id, 10_000 + id));
        let (found, looks) = shown(locks);
        assert_eq!(found, all(10_001..=13_000));
        // And one look behind the last.
        assert_eq!(looks, 3001);
    }

    #[test]
    fn ids_with_gaps_are_found_up_to_the_greatest() {
        let ids = [GREATEST_ID, 7, 1, 1 << 20, 9];
        let locks = ids.map(|id| participant_with_pid(id, id.min(4_000_000)));
        let (found, looks) = shown(locks);
        assert_eq!(found, all([1, 7, 9, 1 << 20, 4_000_000]));
        assert!(looks <= 2 * ids.len() + 1, "{looks}");
    }

    #[test]
    fn locks_that_no_participant_takes_are_ignored() {
        let start = |id| participant(id).start();
        let odd = [
            // Without a pid, or too long.
            Bytes::new(start(2), 1),
            Bytes::new(start(4), start(6) - start(4)),
            // Not at a first byte.
            Bytes::new(start(8) + 5, 100),
            // Out of range.
            Bytes::new(start(0), 100),
            Bytes::new(start(GREATEST_ID + 1), 0),
            Bytes::one(3),
        ];
        let real = [3, 7, 8 + 1].map(|id| participant_with_pid(id, id));
        let (found, _) = shown(odd.into_iter().chain(real));
        assert_eq!(found, all([3, 7, 9]));
        // One lock on everything.
        assert_eq!(shown([Bytes::new(0, 0)]), (all([]), 1));
    }

    #[test]
    fn looking_ends_whatever_a_peer_has_locked() {
        // As the kernel returns the locks of participants without end.
        let mut id = 0;
        let find = |_| {
            id += 1;
            Ok(Some(participant_with_pid(id, 1)))
        };
        let found = participants(find, || false).unwrap();
        assert_eq!((found.pids.len(), found.complete), (MOST, false));
        assert_eq!(id as usize, MOST);
        // A kernel that returns any lock, and a clock.
        for lock in [Bytes::one(5), participant_with_pid(5, 5), PARTICIPANTS] {
            let mut looks = 0;
            let find = |_| {
                looks += 1;
                Ok(Some(lock))
            };
            let found = participants(find, || false).unwrap();
            assert!(looks <= MOST);
            assert_eq!(found.complete, looks < MOST);
        }
        let mut looks = 0;
        let find = |_| Ok(Some(participant_with_pid(5, 5)));
        let is_late = || {
            looks += 1;
            looks > 1
        };
        let found = participants(find, is_late).unwrap();
        assert_eq!((found.pids, found.complete), (vec![5], false));
        let refused = participants(
            |_| Err(crate::sys::SysError::new("fcntl", Errno::ENOLCK)),
            || false,
        );
        assert_eq!(refused.unwrap_err().errno, Errno::ENOLCK);
    }
}
