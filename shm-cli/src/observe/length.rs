//! The length of a file that is read for a while.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::failure::Failure;
use crate::output::escaped;
use crate::sigbus;
use crate::target::Target;

/// The length that a file had at first. A file that is truncated within a page reads as zeros from there on, without a `SIGBUS`.
#[derive(Clone, Debug)]
pub(crate) struct Length {
    target: Target,
    /// Device, inode and length. `None` if there was no such file.
    file: Option<(u64, u64, u64)>,
}

impl Length {
    /// The length before the target is attached.
    pub(crate) fn of(target: &Target) -> Self {
        Self {
            target: target.clone(),
            file: look(target),
        }
    }

    /// Call this after reading, and before what was read is printed: one system call.
    ///
    /// # Errors
    ///
    /// The file was truncated, so what was read may be zeros.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if let Some(lost) = sigbus::take() {
            return Err(lost);
        }
        let (Some((dev, ino, len)), Some(now)) = (self.file, look(&self.target)) else {
            return Ok(());
        };
        match now {
            // The name may lead to another file by now.
            (of_dev, of_ino, shorter) if (of_dev, of_ino) == (dev, ino) && shorter < len => Err(
                sigbus::truncated(escaped(&self.target.to_string()), shorter),
            ),
            _ => Ok(()),
        }
    }
}

fn look(target: &Target) -> Option<(u64, u64, u64)> {
    let found = fs::metadata(target.file()).ok()?;
    Some((found.dev(), found.ino(), found.len()))
}
