//! The length of a file that is read for a while.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;

use crate::failure::Failure;
use crate::output::escaped;
use crate::sigbus;
use crate::target::Target;

/// The length that a file had at first. A file that is truncated within a page reads as zeros from there on, without a `SIGBUS`.
#[derive(Debug)]
pub(crate) struct Length {
    target: Target,
    /// The file, which may lose its name, and its length. `None` if there was no such file.
    file: Option<(File, u64)>,
}

impl Length {
    /// The length before the target is attached.
    pub(crate) fn of(target: &Target) -> Self {
        Self {
            target: target.clone(),
            file: open(target),
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
        let Some((file, len)) = &self.file else {
            return Ok(());
        };
        match file.metadata() {
            Ok(now) if now.len() < *len => {
                let name = self.target.to_string();
                Err(sigbus::truncated(escaped(&name), now.len()))
            }
            _ => Ok(()),
        }
    }
}

fn open(target: &Target) -> Option<(File, u64)> {
    let path = target.file();
    // Other files are not opened, which may have side effects.
    if !path.metadata().ok()?.is_file() {
        return None;
    }
    let mut options = File::options();
    let file = options.read(true).custom_flags(libc::O_NONBLOCK);
    let file = file.open(path).ok()?;
    let len = file.metadata().ok()?.len();
    Some((file, len))
}
