//! Notification of new names.

use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::time::TimeSpec;

use super::clock::Deadline;
use super::shm::DIRECTORY;
use super::{Errno, SysError, SysResult, retry};

/// A queue of the names that appear in the shared-memory namespace.
#[derive(Debug)]
pub(crate) struct NewNames(Inotify);

impl NewNames {
    /// Names that appear from now on are in the queue.
    ///
    /// A user can have 128 queues, unless the system sets another limit.
    #[doc(alias = "inotify_add_watch")]
    pub(crate) fn watch() -> SysResult<Self> {
        let queue = retry("inotify_init1", || {
            Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)
        })?;
        // `linkat` creates a name, and renaming moves to one.
        let events = AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO;
        retry("inotify_add_watch", || queue.add_watch(DIRECTORY, events))?;
        Ok(Self(queue))
    }

    /// Sleeps until this name appears, at most for `longest`. It may also return early.
    #[doc(alias = "ppoll")]
    pub(crate) fn wait_for(&self, name: &str, longest: Duration) -> SysResult<()> {
        let entry = OsStr::new(name.trim_start_matches('/'));
        let end = Deadline::after(longest);
        loop {
            let left = end.left();
            if left.is_zero() {
                return Ok(());
            }
            let mut polled = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
            match ppoll(&mut polled, Some(TimeSpec::from_duration(left)), None) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                // The time left is counted anew.
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(SysError::new("ppoll", errno)),
            }
            let events = match retry("read", || self.0.read_events()) {
                Err(error) if error.errno == Errno::EAGAIN => continue,
                events => events?,
            };
            // An event without a name says that some were lost, or that the directory is gone.
            let told = |found: &Option<std::ffi::OsString>| {
                found.as_deref().is_none_or(|found| found == entry)
            };
            if events.iter().any(|event| told(&event.name)) {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::shm;
    use crate::sys::test_support::TestName;
    use std::time::Instant;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_linked_and_a_renamed_file_end_the_wait() {
        let name = TestName::new("appears");
        let other = format!("{}-other", name.as_str());
        let start = Instant::now();
        let queue = NewNames::watch().unwrap();
        shm::link(&shm::open_unnamed().unwrap(), name.as_str()).unwrap();
        queue.wait_for(name.as_str(), LONG).unwrap();
        shm::rename_new(name.as_str(), &other).unwrap();
        queue.wait_for(&other, LONG).unwrap();
        shm::unlink(&other).unwrap();
        assert!(start.elapsed() < LONG);
    }

    #[test]
    fn other_names_do_not_end_the_wait() {
        let name = TestName::new("appears-not");
        let short = Duration::from_millis(2);
        let queue = NewNames::watch().unwrap();
        shm::link(&shm::open_unnamed().unwrap(), name.as_str()).unwrap();
        let start = Instant::now();
        queue
            .wait_for(&format!("{}-other", name.as_str()), short)
            .unwrap();
        assert!(start.elapsed() >= short);
    }
}
