//! Wrappers for every system call that the crate makes, one call each.
//!
//! Nothing here knows what a segment is. Interrupted calls are retried, so no caller sees `EINTR`. An error carries the
//! name of the call, because the system's text alone ("Permission denied") does not say what was denied.

pub(crate) mod cgroup;
pub(crate) mod clock;
pub(crate) mod file;
pub(crate) mod fork;
pub(crate) mod futex;
pub(crate) mod inotify;
pub(crate) mod lock;
pub(crate) mod map;
pub(crate) mod membarrier;
pub(crate) mod memfd;
pub(crate) mod private_memory;
pub(crate) mod shm;
pub(crate) mod smaps;
pub(crate) mod stopped;
#[cfg(test)]
pub(crate) mod test_support;
pub(crate) mod token;

pub(crate) use nix::errno::Errno;

/// A system call that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SysError {
    pub(crate) call: &'static str,
    pub(crate) errno: Errno,
}

impl SysError {
    pub(crate) fn new(call: &'static str, errno: Errno) -> Self {
        Self { call, errno }
    }

    /// Converts to the standard library's error, for `source()`.
    pub(crate) fn io(self) -> std::io::Error {
        std::io::Error::from_raw_os_error(self.errno as i32)
    }
}

pub(crate) type SysResult<T> = Result<T, SysError>;

/// Repeats a call while signals interrupt it, and adds its name to the error.
fn retry<T>(call: &'static str, mut attempt: impl FnMut() -> nix::Result<T>) -> SysResult<T> {
    loop {
        match attempt() {
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(SysError::new(call, errno)),
            Ok(value) => return Ok(value),
        }
    }
}

/// [`retry`] for a function of the standard library, which has its own error type.
fn retry_io<T>(
    call: &'static str,
    mut attempt: impl FnMut() -> std::io::Result<T>,
) -> SysResult<T> {
    retry(call, || {
        attempt().map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))
    })
}

/// The user id that the kernel checks this process's file accesses against.
#[doc(alias = "geteuid")]
pub(crate) fn effective_user() -> u32 {
    nix::unistd::geteuid().as_raw()
}

/// The id of the calling thread. Never 0.
#[doc(alias = "gettid")]
pub(crate) fn thread() -> u32 {
    nix::unistd::gettid().as_raw().unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interrupted_calls_are_retried() {
        let mut left = 3;
        let result = retry("test", || {
            if left == 0 {
                return Ok(7);
            }
            left -= 1;
            Err(Errno::EINTR)
        });
        assert_eq!(result, Ok(7));
        assert_eq!(left, 0);
    }

    #[test]
    fn errors_name_the_call() {
        let result: SysResult<()> = retry("linkat", || Err(Errno::EXDEV));
        let error = result.unwrap_err();
        assert_eq!((error.call, error.errno), ("linkat", Errno::EXDEV));
        assert_eq!(error.io().raw_os_error(), Some(Errno::EXDEV as i32));
    }
}
