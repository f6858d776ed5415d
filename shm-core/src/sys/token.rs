//! Keeps an open file description, and its locks, alive exactly as long as this process.
//!
//! A descriptor would be inherited by fork children, and `closefrom` or `dup2` could close or replace it. A mapping
//! keeps the description open too, is unaffected by these calls, and can be hidden from children.

use std::fs::File;
use std::num::NonZeroUsize;
use std::ptr::NonNull;

use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags};

use super::{SysResult, retry};

/// An inaccessible mapping of one page that keeps a description open. Dropping it releases the description.
#[derive(Debug)]
pub(crate) struct Token {
    start: NonNull<libc::c_void>,
}

impl Token {
    const LEN: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

    /// Keeps the description of `file` open; `file` itself may be closed afterwards. The caller must prevent forks until
    /// this returns, as a child would inherit the mapping.
    #[doc(alias = "MADV_DONTFORK")]
    pub(crate) fn new(file: &File) -> SysResult<Self> {
        let (protection, flags) = (ProtFlags::PROT_NONE, MapFlags::MAP_PRIVATE);
        let start = retry("mmap", || {
            // SAFETY: the kernel chooses a free range, so no memory in use is replaced.
            unsafe { nix::sys::mman::mmap(None, Self::LEN, protection, flags, file, 0) }
        })?;
        let token = Self { start };
        retry("madvise(MADV_DONTFORK)", || {
            let (start, len) = (token.start, Self::LEN.get());
            // SAFETY: the range is the token's mapping, and nothing ever accesses it.
            unsafe { nix::sys::mman::madvise(start, len, MmapAdvise::MADV_DONTFORK) }
        })?;
        Ok(token)
    }

    /// Converts the token to a number, for [`from_address`](Self::from_address).
    pub(crate) fn into_address(self) -> usize {
        std::mem::ManuallyDrop::new(self).start.addr().get()
    }

    /// Converts a number back to the token. Returns `None` for 0.
    ///
    /// # Safety
    ///
    /// The address must come from `into_address` in this process, not in one that it was forked from: the child does not
    /// have the mapping, and another one may have taken its range. Each address may be converted back once.
    pub(crate) unsafe fn from_address(address: usize) -> Option<Self> {
        let start = NonNull::new(std::ptr::without_provenance_mut(address))?;
        Some(Self { start })
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        // SAFETY: the range came from `mmap` in this process, and nothing accesses it.
        let _ = unsafe { nix::sys::mman::munmap(self.start, Self::LEN.get()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::fork::in_child;
    use crate::sys::lock::{self, Bytes, LockKind};
    use crate::sys::test_support;
    use crate::sys::{file, memfd};

    const BYTE: Bytes = Bytes::one((1 << 40) + 7);

    /// A file, and a token whose description has locked the byte.
    fn locked() -> (File, Token) {
        let file = memfd::create("token").unwrap();
        file::set_len(&file, 4096).unwrap();
        memfd::seal_size(&file).unwrap();
        let again = file::reopen(&file).unwrap();
        let token = Token::new(&again).unwrap();
        assert!(lock::try_lock(&again, BYTE, LockKind::Exclusive).unwrap());
        (file, token)
    }

    #[test]
    fn a_lock_is_held_as_long_as_its_token_exists() {
        let _alone = test_support::alone();
        let (file, token) = locked();
        assert!(lock::is_held_exclusively(&file, BYTE).unwrap());
        let address = token.into_address();
        assert!(lock::is_held_exclusively(&file, BYTE).unwrap());
        // SAFETY: made in this process, and converted once.
        drop(unsafe { Token::from_address(address) });
        assert!(!lock::is_held_exclusively(&file, BYTE).unwrap());
    }

    #[test]
    fn a_fork_child_does_not_inherit_the_token() {
        let _alone = test_support::alone();
        let (file, token) = locked();
        let (to_child, from_parent) = std::io::pipe().unwrap();
        // SAFETY: the child at most allocates, and ends with `_exit`.
        match unsafe { nix::unistd::fork() }.unwrap() {
            nix::unistd::ForkResult::Child => {
                drop(from_parent);
                let mut reader = to_child;
                // Returns when the parent has closed its end.
                let _ = std::io::Read::read(&mut reader, &mut [0]);
                // SAFETY: `_exit` ends the process without running any of the parent's exit handlers or destructors.
                unsafe { libc::_exit(0) }
            }
            nix::unistd::ForkResult::Parent { child } => {
                drop(token);
                // The child is alive, and does not keep the lock.
                let held = lock::is_held_exclusively(&file, BYTE).unwrap();
                drop(from_parent);
                nix::sys::wait::waitpid(child, None).unwrap();
                assert!(!held);
            }
        }
        let (file, token) = locked();
        assert_eq!(
            in_child(|| i32::from(!lock::is_held_exclusively(&file, BYTE).unwrap())),
            0
        );
        drop(token);
    }
}
