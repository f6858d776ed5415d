//! Operations on open files: contents, size, mode and status.

use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::os::unix::fs::FileExt;

use nix::fcntl::{FallocateFlags, FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::stat::{FileStat, Mode};
use nix::unistd::{Gid, Whence, lseek};

use super::{Errno, SysError, SysResult, effective_user, retry, retry_io};

/// The identity and status of a file, from `stat`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FileId {
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) links: u64,
    pub(crate) owner: u32,
    pub(crate) mode: u32,
    pub(crate) len: u64,
    /// Bytes that the file system has allocated for it.
    pub(crate) allocated: u64,
}

impl FileId {
    // The C types differ between platforms, so some of these casts are no-ops.
    #[allow(clippy::unnecessary_cast)]
    pub(super) fn from_stat(stat: &FileStat) -> Self {
        Self {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            links: stat.st_nlink as u64,
            owner: stat.st_uid,
            mode: stat.st_mode as u32,
            len: u64::try_from(stat.st_size).unwrap_or(0),
            // Always in units of 512 bytes, whatever the block size.
            allocated: u64::try_from(stat.st_blocks)
                .unwrap_or(0)
                .saturating_mul(512),
        }
    }

    pub(crate) fn same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    pub(crate) fn is_regular(&self) -> bool {
        self.mode & libc::S_IFMT == libc::S_IFREG
    }

    /// The type of the file, for error messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self.mode & libc::S_IFMT {
            libc::S_IFREG => "a regular file",
            libc::S_IFDIR => "a directory",
            libc::S_IFLNK => "a symbolic link",
            libc::S_IFIFO => "a FIFO",
            libc::S_IFSOCK => "a socket",
            libc::S_IFBLK | libc::S_IFCHR => "a device",
            _ => "an unknown kind of file",
        }
    }
}

#[doc(alias = "fstat")]
pub(crate) fn stat(file: &File) -> SysResult<FileId> {
    retry("fstat", || nix::sys::stat::fstat(file)).map(|stat| FileId::from_stat(&stat))
}

/// The default of `/proc/sys/kernel/overflowuid`: the id shown for users that are not mapped in this user namespace. It
/// can be an ordinary user's id as well, and the effective id of a process whose own user is not mapped.
const OVERFLOW_UID: u32 = 65534;

/// Whether the effective user of this process owns the file.
#[doc(alias = "O_NOATIME")]
pub(crate) fn is_owned_by_this_user(file: &File, id: &FileId) -> SysResult<bool> {
    let user = effective_user();
    if id.owner != user || user != OVERFLOW_UID {
        return Ok(id.owner == user);
    }
    // Equal ids may be different users here. The kernel can tell: only the file's owner may set this flag, which has no
    // other effect on a file in memory.
    let bits = retry("fcntl(F_GETFL)", || fcntl(file, FcntlArg::F_GETFL))?;
    let flags = OFlag::from_bits_retain(bits) | OFlag::O_NOATIME;
    match retry("fcntl(F_SETFL)", || fcntl(file, FcntlArg::F_SETFL(flags))) {
        Ok(_) => Ok(true),
        Err(error) if error.errno == Errno::EPERM => Ok(false),
        Err(error) => Err(error),
    }
}

/// The path of a descriptor in `/proc/thread-self`. `/proc/self` shows the descriptors of the main thread, and a thread
/// can have a separate table (`unshare(CLONE_FILES)`), in which the same number is another file.
pub(super) fn proc_path(file: &File) -> String {
    format!("/proc/thread-self/fd/{}", file.as_raw_fd())
}

/// Whether this process has a /proc, in which [`reopen`] and linking find the file.
#[doc(alias = "fstatat")]
pub(crate) fn can_reopen(file: &File) -> bool {
    let link = proc_path(file);
    retry("fstatat", || {
        nix::sys::stat::fstatat(
            nix::fcntl::AT_FDCWD,
            link.as_str(),
            nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW,
        )
    })
    .is_ok()
}

/// Moves a descriptor to a number above the standard streams. If the program has closed these, a new descriptor takes
/// their number, and the program's next output would overwrite the start of the file.
///
/// A thread that prints between the call that opened the file and this one still writes to it.
#[doc(alias = "F_DUPFD_CLOEXEC")]
pub(crate) fn above_stdio(file: File) -> SysResult<File> {
    const FIRST: RawFd = libc::STDERR_FILENO + 1;
    if file.as_raw_fd() >= FIRST {
        return Ok(file);
    }
    let number = retry("fcntl(F_DUPFD_CLOEXEC)", || {
        fcntl(&file, FcntlArg::F_DUPFD_CLOEXEC(FIRST))
    })?;
    // SAFETY: the call has just made this descriptor, and nothing else owns it.
    Ok(unsafe { File::from_raw_fd(number) })
}

/// The call of [`reopen`], for errors.
pub(crate) const REOPEN: &str = "open(/proc/thread-self/fd)";

/// Opens the file again for reading and writing, as a new description. The file needs no name.
#[doc(alias = "open")]
pub(crate) fn reopen(file: &File) -> SysResult<File> {
    let path = proc_path(file);
    let flags = OFlag::O_RDWR | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
    retry(REOPEN, || {
        nix::fcntl::open(path.as_str(), flags, Mode::empty())
    })
    .and_then(|descriptor| above_stdio(File::from(descriptor)))
}

/// Makes the number of a descriptor lead to the description of `with`, in this process only. Other processes that have
/// inherited the descriptor keep the old description.
#[doc(alias = "dup3")]
pub(crate) fn replace_description(file: &File, with: &File) -> SysResult<()> {
    retry("dup3", || {
        let (from, number) = (with.as_raw_fd(), file.as_raw_fd());
        // SAFETY: both numbers are open, because their owners are borrowed. The one that is replaced stays open and keeps its
        // owner.
        Errno::result(unsafe { libc::dup3(from, number, libc::O_CLOEXEC) })
    })
    .map(drop)
}

/// Bytes that an unprivileged user can still allocate in the file system of `file`.
///
/// A file system without a limit, such as that of memfds, has the machine's: all memory and swap.
#[doc(alias = "fstatvfs")]
pub(crate) fn available(file: &File) -> SysResult<u64> {
    let stat = retry("fstatvfs", || nix::sys::statvfs::fstatvfs(file))?;
    if stat.blocks() == 0 {
        return memory_and_swap();
    }
    // Both fit in 64 bits on every platform; on some the casts are no-ops.
    #[allow(clippy::unnecessary_cast)]
    let (blocks, size) = (stat.blocks_available() as u64, stat.fragment_size() as u64);
    Ok(blocks.saturating_mul(size))
}

#[doc(alias = "sysinfo")]
fn memory_and_swap() -> SysResult<u64> {
    // SAFETY: `sysinfo` consists of integers, for which zeros are valid.
    let mut info: libc::sysinfo = unsafe { std::mem::zeroed() };
    retry("sysinfo", || {
        // SAFETY: the argument points to a writable value of the right type.
        Errno::result(unsafe { libc::sysinfo(&raw mut info) })
    })?;
    // The C types differ between platforms, so on some these casts are no-ops.
    #[allow(clippy::unnecessary_cast)]
    let (memory, swap) = (info.totalram as u64, info.totalswap as u64);
    Ok(memory
        .saturating_add(swap)
        .saturating_mul(u64::from(info.mem_unit)))
}

/// Reads from `offset` until `buffer` is full or the file ends. Returns the number of bytes read.
#[doc(alias = "pread")]
pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> SysResult<usize> {
    let mut done = 0;
    while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match retry_io("pread", || {
            file.read_at(rest, offset.saturating_add(done as u64))
        })? {
            0 => break,
            count => done += count,
        }
    }
    Ok(done)
}

/// The number of bytes from `offset` on that are in a hole, which reads as zeros, and the number of bytes that follow and are not.
/// A file system that cannot tell has no holes. Moves the position of the open file description, which nothing in this crate uses.
#[doc(alias = "lseek")]
pub(crate) fn hole_and_data(file: &File, offset: u64) -> SysResult<(u64, u64)> {
    let seek = |from: u64, whence| {
        let from = i64::try_from(from).map_err(|_| SysError::new("lseek", Errno::EOVERFLOW))?;
        match retry("lseek", || lseek(file, from, whence)) {
            Ok(found) => Ok(u64::try_from(found).ok()),
            Err(error) if error.errno == Errno::ENXIO => Ok(None),
            Err(error) => Err(error),
        }
    };
    let Some(data) = seek(offset, Whence::SeekData)? else {
        return Ok((stat(file)?.len.saturating_sub(offset), 0));
    };
    let end = seek(data, Whence::SeekHole)?.unwrap_or(data);
    Ok((data.saturating_sub(offset), end.saturating_sub(data)))
}

#[doc(alias = "pwrite")]
pub(crate) fn write_at(file: &File, bytes: &[u8], offset: u64) -> SysResult<()> {
    let mut done = 0;
    while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
        match retry_io("pwrite", || {
            file.write_at(rest, offset.saturating_add(done as u64))
        })? {
            0 => return Err(SysError::new("pwrite", Errno::EIO)),
            count => done += count,
        }
    }
    Ok(())
}

/// [`write_at`], but fails where the limit on the size of files forbids it, for which the kernel kills.
#[doc(alias = "pwrite")]
pub(crate) fn write_within_limit(file: &File, bytes: &[u8], offset: u64) -> SysResult<()> {
    within_size_limit("pwrite", offset.saturating_add(bytes.len() as u64))?;
    write_at(file, bytes, offset)
}

/// Writes all of a new, empty file.
#[doc(alias = "pwrite")]
pub(crate) fn write_whole(file: &File, bytes: &[u8]) -> SysResult<()> {
    write_within_limit(file, bytes, 0)
}

/// Sets the size and allocates every page, so that no later access can fail.
#[doc(alias = "fallocate")]
pub(crate) fn reserve(file: &File, len: u64) -> SysResult<()> {
    /// On many kernels a signal interrupts the call, which then frees what it has allocated so far. The file is
    /// allocated in pieces, which get smaller, so that even a process with a steady stream of signals finishes.
    const LONGEST: u64 = 16 << 20;
    const SHORTEST: u64 = 64 << 10;
    within_size_limit("fallocate", len)?;
    // Without this check, a request that does not fit would first use up all memory of the machine.
    if available(file)? < len {
        return Err(SysError::new("fallocate", Errno::ENOSPC));
    }
    let (mut start, mut longest) = (0, LONGEST);
    while start < len {
        let piece = longest.min(len - start);
        let (offset, count) = (signed("fallocate", start)?, signed("fallocate", piece)?);
        match nix::fcntl::fallocate(file, FallocateFlags::empty(), offset, count) {
            Ok(()) => start += piece,
            Err(Errno::EINTR) => longest = (longest / 2).max(SHORTEST),
            Err(errno) => return Err(SysError::new("fallocate", errno)),
        }
    }
    Ok(())
}

/// Sets the size without allocating pages.
#[doc(alias = "ftruncate")]
pub(crate) fn set_len(file: &File, len: u64) -> SysResult<()> {
    within_size_limit("ftruncate", len)?;
    let len = signed("ftruncate", len)?;
    retry("ftruncate", || nix::unistd::ftruncate(file, len))
}

/// Sets the permission bits exactly: unlike at creation, the umask does not apply.
#[doc(alias = "fchmod")]
pub(crate) fn set_mode(file: &File, mode: u32) -> SysResult<()> {
    let mode = Mode::from_bits_truncate(mode as libc::mode_t & 0o777);
    retry("fchmod", || nix::sys::stat::fchmod(file, mode))
}

#[doc(alias = "fchown")]
pub(crate) fn set_group(file: &File, group: u32) -> SysResult<()> {
    retry("fchown", || {
        nix::unistd::fchown(file, None, Some(Gid::from_raw(group)))
    })
}

/// Keeps programs that this one starts from inheriting the descriptor.
#[doc(alias = "FD_CLOEXEC")]
pub(crate) fn close_on_exec(file: &File) -> SysResult<()> {
    retry("fcntl(F_SETFD)", || {
        fcntl(file, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))
    })
    .map(drop)
}

/// Returns an error if `len` exceeds `RLIMIT_FSIZE`. Growing the file past it would raise `SIGXFSZ`, which by default
/// kills the process.
fn within_size_limit(call: &'static str, len: u64) -> SysResult<()> {
    let (limit, _) = retry("getrlimit", || getrlimit(Resource::RLIMIT_FSIZE))?;
    if len > limit {
        Err(SysError::new(call, Errno::EFBIG))
    } else {
        Ok(())
    }
}

fn signed(call: &'static str, value: u64) -> SysResult<libc::off_t> {
    libc::off_t::try_from(value).map_err(|_| SysError::new(call, Errno::EFBIG))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::shm::open_unnamed;

    #[test]
    fn reads_return_written_bytes_and_stop_at_the_end() {
        let file = open_unnamed().unwrap();
        write_at(&file, b"abcdef", 2).unwrap();
        let mut buffer = [9u8; 8];
        assert_eq!(read_at(&file, &mut buffer, 4).unwrap(), 4);
        assert_eq!(&buffer, b"cdef\x09\x09\x09\x09");
        assert_eq!(read_at(&file, &mut buffer, 100).unwrap(), 0);
    }

    #[test]
    fn reserve_allocates_pages_and_set_len_does_not() {
        let full = open_unnamed().unwrap();
        reserve(&full, 40 << 20).unwrap();
        assert_eq!(stat(&full).unwrap().len, 40 << 20);
        assert!(stat(&full).unwrap().allocated >= 40 << 20);

        let sparse = open_unnamed().unwrap();
        set_len(&sparse, 40 << 20).unwrap();
        assert_eq!(stat(&sparse).unwrap().len, 40 << 20);
        assert_eq!(stat(&sparse).unwrap().allocated, 0);
    }

    #[test]
    fn reserve_allocates_nothing_if_the_size_does_not_fit() {
        for file in [
            open_unnamed().unwrap(),
            crate::sys::memfd::create("too large").unwrap(),
        ] {
            let room = available(&file).unwrap();
            assert!(room > 0);
            let error = reserve(&file, 1 << 60).unwrap_err();
            assert_eq!((error.call, error.errno), ("fallocate", Errno::ENOSPC));
            assert_eq!(stat(&file).unwrap().allocated, 0);
        }
    }

    #[test]
    fn mode_ignores_the_umask_and_all_but_permission_bits() {
        let file = open_unnamed().unwrap();
        set_mode(&file, 0o7666).unwrap();
        let stat = stat(&file).unwrap();
        assert_eq!(stat.mode & 0o7777, 0o666);
        assert!(stat.is_regular());
        assert_eq!(stat.kind(), "a regular file");
    }

    #[test]
    fn a_new_file_is_owned_by_this_user() {
        let file = open_unnamed().unwrap();
        assert!(is_owned_by_this_user(&file, &stat(&file).unwrap()).unwrap());
        let other = File::open("/proc/1/cmdline").unwrap();
        let id = stat(&other).unwrap();
        assert_eq!(
            is_owned_by_this_user(&other, &id).unwrap(),
            id.owner == effective_user()
        );
    }

    #[test]
    fn a_size_beyond_off_t_is_an_error() {
        let file = open_unnamed().unwrap();
        assert_eq!(
            set_len(&file, u64::MAX - 1).unwrap_err().errno,
            Errno::EFBIG
        );
    }
}
