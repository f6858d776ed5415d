//! A segment that is watched for longer than its processes may live.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

#[cfg(feature = "watch")]
use shm_core::SegmentInfo;
use shm_core::dynamic::DynSegment;

use super::Length;
use crate::failure::Failure;
use crate::target::Target;

/// How often to attach again if the name leads to another file by the time it was attached to.
const LOOKS: u32 = 8;

/// Where the name leads, compared with the segment that is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// To the segment; or it has no name to begin with, as a dump or an anonymous segment.
    Current,
    /// Nowhere.
    Removed,
    /// To another segment.
    Superseded,
}

/// A read-only attachment, which notices when its name leads elsewhere.
pub(crate) struct Attachment {
    target: Target,
    segment: DynSegment,
    /// Whether the file is read without a lock on it.
    #[cfg(feature = "watch")]
    is_released: bool,
    length: Length,
    /// Device and inode. It is not used again while the segment is attached.
    file: Option<(u64, u64)>,
}

impl Attachment {
    pub(crate) fn new(target: &Target) -> Result<Self, Failure> {
        let mut looks = 0;
        loop {
            let before = file_of(target);
            let length = Length::of(target);
            let segment = target.read_only()?;
            looks += 1;
            if before == file_of(target) || looks == LOOKS {
                return Ok(Self {
                    target: target.clone(),
                    segment,
                    #[cfg(feature = "watch")]
                    is_released: false,
                    length,
                    file: before,
                });
            }
        }
    }

    pub(crate) const fn segment(&self) -> &DynSegment {
        &self.segment
    }

    /// Looks where the name leads: one system call.
    pub(crate) fn standing(&self) -> Standing {
        if self.file.is_none() {
            return Standing::Current;
        }
        match file_of(&self.target) {
            None => Standing::Removed,
            found if found == self.file => Standing::Current,
            Some(_) => Standing::Superseded,
        }
    }

    /// Returns an error if what was read may be the zeros behind the end of a truncated file: one system call.
    pub(crate) fn check_length(&self) -> Result<(), Failure> {
        self.length.check()
    }

    /// Attaches to the segment to which the name leads by now.
    pub(crate) fn again(&self) -> Result<Self, Failure> {
        Self::new(&self.target)
    }
}

/// What only the live view needs.
#[cfg(feature = "watch")]
impl Attachment {
    pub(crate) const fn target(&self) -> &Target {
        &self.target
    }

    /// Looks at what the header and the locks say. `None` for a segment without a name.
    pub(crate) fn info(&self) -> Option<Result<SegmentInfo, Failure>> {
        match &self.target {
            Target::Name(name) => Some(SegmentInfo::of(name).map_err(Failure::from)),
            Target::Dump(_) | Target::Descriptor(_) => None,
        }
    }

    /// Whether this is no attachment any more: see [`release`](Self::release).
    pub(crate) const fn is_released(&self) -> bool {
        self.is_released
    }

    /// Detaches, and opens the file instead, so that processes which create or sweep see that no process is attached. Drop all
    /// cells too. Call [`again`](Self::again) if it turns out that another process is attached.
    pub(crate) fn release(&mut self) -> Result<(), Failure> {
        let Some(path) = path_of(&self.target) else {
            return Ok(());
        };
        self.segment = DynSegment::open(path)?;
        self.is_released = true;
        Ok(())
    }
}

/// The file of a name; `None` if there is none, and for other targets.
fn file_of(target: &Target) -> Option<(u64, u64)> {
    let found = fs::metadata(path_of(target)?).ok()?;
    Some((found.dev(), found.ino()))
}

fn path_of(target: &Target) -> Option<PathBuf> {
    match target {
        Target::Name(_) => Some(target.file()),
        Target::Dump(_) | Target::Descriptor(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shm_core::ShmLayout;

    #[test]
    fn a_name_that_leads_elsewhere_is_noticed() {
        let name = format!("/cli-attachment-{}", std::process::id());
        let shm = u64::create(&name).unwrap();
        let target = Target::Name(name.clone());
        let attachment = Attachment::new(&target).unwrap();
        assert_eq!(attachment.standing(), Standing::Current);
        drop(shm);
        assert_eq!(attachment.standing(), Standing::Removed);
        let shm = u64::create(&name).unwrap();
        shm.set(7);
        assert_eq!(attachment.standing(), Standing::Superseded);
        let attachment = attachment.again().unwrap();
        assert_eq!(attachment.standing(), Standing::Current);
        let value = attachment.segment().at(".").unwrap().get().unwrap();
        assert_eq!(value.as_int(), Some(7));
    }
}
