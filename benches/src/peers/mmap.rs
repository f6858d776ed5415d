//! mmap-sync: a value in two files, of which readers map the current one.

use std::ffi::OsString;
use std::time::Duration;

use mmap_sync::synchronizer::Synchronizer;

use crate::harness::Result;

/// How long a writer waits for readers of the old value.
const GRACE: Duration = Duration::from_secs(1);

/// A value of `N` words. Dropping the one that created it removes the files.
pub(crate) struct Value<const N: usize> {
    synchronizer: Synchronizer,
    prefix: String,
    created: bool,
}

impl<const N: usize> Value<N> {
    /// Writes the first value.
    pub(crate) fn create(name: &str) -> Result<Self> {
        let mut value = Self::open(name);
        value.created = true;
        value.write(&[0; N])?;
        Ok(value)
    }

    pub(crate) fn open(name: &str) -> Self {
        let prefix = format!("/dev/shm{name}");
        Self {
            synchronizer: Synchronizer::new(&OsString::from(&prefix)),
            prefix,
            created: false,
        }
    }

    pub(crate) fn write(&mut self, value: &[u64; N]) -> Result<()> {
        let written = self.synchronizer.write(value, GRACE);
        written.map_err(|error| error.to_string())?;
        Ok(())
    }

    /// Copies the value.
    pub(crate) fn read(&mut self, into: &mut [u64; N]) -> Result<()> {
        // SAFETY: the files hold an array of `N` words, as written by `write`, and the value is copied at once.
        let value = unsafe { self.synchronizer.read::<[u64; N]>(false) };
        into.copy_from_slice(&*value.map_err(|error| error.to_string())?);
        Ok(())
    }
}

impl<const N: usize> Drop for Value<N> {
    fn drop(&mut self) {
        if self.created {
            for end in ["data_0", "data_1", "state"] {
                let _ = std::fs::remove_file(format!("{}_{end}", self.prefix));
            }
        }
    }
}
