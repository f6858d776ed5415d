//! Waiting for a name to appear.

use std::time::Duration;

use super::options::Settings;
use crate::name::SegmentName;
use crate::sys::clock::Backoff;
use crate::sys::inotify::NewNames;

/// The pauses between looks at a name that does not exist, until `wait` is over.
pub(super) struct Appearance<'a> {
    name: &'a SegmentName,
    watch: Watch,
    /// Where nothing reports new names. Its deadline is the end of `wait`.
    pauses: Backoff,
}

enum Watch {
    NotYet,
    Set(NewNames),
    /// There are too many, or a sandbox forbids it.
    Refused,
}

impl<'a> Appearance<'a> {
    pub(super) fn new(settings: &Settings, name: &'a SegmentName) -> Self {
        Self {
            name,
            watch: Watch::NotYet,
            pauses: settings.pauses(),
        }
    }

    /// Waits until the name may have appeared. Returns `false` if `wait` is over.
    #[must_use]
    pub(super) fn pause(&mut self) -> bool {
        /// If the directory is not the same any more, because another file system was mounted there, nothing is reported.
        const LONGEST: Duration = Duration::from_secs(1);

        let left = self.pauses.deadline().left();
        if left.is_zero() {
            return false;
        }
        let waited = match &self.watch {
            Watch::Set(names) => names.wait_for(self.name.as_str(), left.min(LONGEST)),
            Watch::NotYet => NewNames::watch().map(|names| {
                // The name may have appeared before the watch was set, so look again at once.
                self.watch = Watch::Set(names);
            }),
            Watch::Refused => return self.pauses.pause(),
        };
        waited.is_ok() || {
            self.watch = Watch::Refused;
            self.pauses.pause()
        }
    }
}
