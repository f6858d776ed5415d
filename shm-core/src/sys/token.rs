//! What keeps an open file description, and with it its locks, alive exactly as long as this process.
//!
//! A descriptor would be inherited by fork children, and could be closed or replaced by `closefrom` and `dup2`. A mapping
//! is out of their reach and can be kept from children.

use std::fs::File;
use std::num::NonZeroUsize;
use std::ptr::NonNull;

use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags};

use super::{SysResult, retry};

/// One page of address space that cannot be accessed. Dropping it gives the description up.
#[derive(Debug)]
pub(crate) struct Token {
    start: NonNull<libc::c_void>,
}

impl Token {
    const LEN: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

    /// Keeps the description of `file`, which may be closed afterwards. Until this returns a fork copies it: the caller
    /// holds off every fork.
    #[doc(alias = "MADV_DONTFORK")]
    pub(crate) fn new(file: &File) -> SysResult<Self> {
        let (protection, flags) = (ProtFlags::PROT_NONE, MapFlags::MAP_PRIVATE);
        let start = retry("mmap", || {
            // SAFETY: the kernel chooses a free address, so no memory that is in use changes.
            unsafe { nix::sys::mman::mmap(None, Self::LEN, protection, flags, file, 0) }
        })?;
        let token = Self { start };
        retry("madvise(MADV_DONTFORK)", || {
            let (start, len) = (token.start, Self::LEN.get());
            // SAFETY: the range is the token's own, and nothing ever accesses it.
            unsafe { nix::sys::mman::madvise(start, len, MmapAdvise::MADV_DONTFORK) }
        })?;
        Ok(token)
    }

    /// The token as a number, for [`from_address`](Self::from_address).
    pub(crate) fn into_address(self) -> usize {
        std::mem::ManuallyDrop::new(self).start.addr().get()
    }

    /// The token again.
    ///
    /// # Safety
    ///
    /// The address came from `into_address` in this very process, not in one that it was forked from, where the token is
    /// absent and something else may be in its place. Each is taken back once.
    pub(crate) unsafe fn from_address(address: usize) -> Option<Self> {
        let address = NonZeroUsize::new(address)?;
        Some(Self {
            start: NonNull::without_provenance(address),
        })
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
    use crate::sys::lock::{self, Kind};
    use crate::sys::test_support;
    use crate::sys::{file, memfd};

    const BYTE: i64 = (1 << 40) + 7;

    /// A file, and a token that holds the byte.
    fn locked() -> (File, Token) {
        let file = memfd::create("token").unwrap();
        file::set_len(&file, 4096).unwrap();
        memfd::seal_size(&file).unwrap();
        let again = file::reopen(&file).unwrap();
        let token = Token::new(&again).unwrap();
        assert!(lock::try_lock(&again, BYTE, Kind::Exclusive).unwrap());
        (file, token)
    }

    #[test]
    fn a_lock_lives_as_long_as_its_token() {
        let _alone = test_support::alone();
        let (file, token) = locked();
        assert!(lock::is_held_alone(&file, BYTE).unwrap());
        let address = token.into_address();
        assert!(lock::is_held_alone(&file, BYTE).unwrap());
        // SAFETY: of this process, and once.
        drop(unsafe { Token::from_address(address) });
        assert!(!lock::is_held_alone(&file, BYTE).unwrap());
    }

    #[test]
    fn a_fork_child_does_not_have_it() {
        let _alone = test_support::alone();
        let (file, token) = locked();
        let (to_child, from_parent) = std::io::pipe().unwrap();
        // SAFETY: the child runs what allocates at most, and leaves through `_exit`.
        match unsafe { nix::unistd::fork() }.unwrap() {
            nix::unistd::ForkResult::Child => {
                drop(from_parent);
                let mut reader = to_child;
                // Ends when the parent has closed its end.
                let _ = std::io::Read::read(&mut reader, &mut [0]);
                // SAFETY: ends the process without running anything of the parent's.
                unsafe { libc::_exit(0) }
            }
            nix::unistd::ForkResult::Parent { child } => {
                drop(token);
                // The child lives, and keeps nothing.
                let held = lock::is_held_alone(&file, BYTE).unwrap();
                drop(from_parent);
                nix::sys::wait::waitpid(child, None).unwrap();
                assert!(!held);
            }
        }
        let (file, token) = locked();
        assert_eq!(
            in_child(|| i32::from(!lock::is_held_alone(&file, BYTE).unwrap())),
            0
        );
        drop(token);
    }
}
