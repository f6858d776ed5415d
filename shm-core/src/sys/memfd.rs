//! Anonymous files, and the seals that fix their size.

use std::fs::File;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::MFdFlags;

use super::{Errno, SysResult, file, retry};

/// Creates an anonymous file that is close-on-exec, sealable and never executable. `label` is shown in
/// `/proc/self/maps`.
#[doc(alias = "memfd_create")]
pub(crate) fn create(label: &str) -> SysResult<File> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    // A system can be configured to refuse executable memfds (`vm.memfd_noexec`).
    let never_executed = MFdFlags::from_bits_retain(libc::MFD_NOEXEC_SEAL);
    match create_as(label, flags | never_executed) {
        // Kernels before 6.3 do not support the flag.
        Err(error) if error.errno == Errno::EINVAL => create_as(label, flags),
        other => other,
    }
}

fn create_as(label: &str, flags: MFdFlags) -> SysResult<File> {
    retry("memfd_create", || {
        nix::sys::memfd::memfd_create(label, flags)
    })
    .and_then(|descriptor| file::above_stdio(File::from(descriptor)))
}

/// Whether the file is one of huge pages. Despite its sealed size, an access to a hole that was punched into it can fail: huge
/// pages are reserved when the file is mapped, and the pool may have no other.
#[doc(alias = "fstatfs")]
pub(crate) fn has_huge_pages(file: &File) -> SysResult<bool> {
    let stat = retry("fstatfs", || nix::sys::statfs::fstatfs(file))?;
    Ok(stat.filesystem_type() == nix::sys::statfs::HUGETLBFS_MAGIC)
}

/// Seals the size, and forbids further seals, so that no peer can make the contents read-only for the others.
#[doc(alias = "F_ADD_SEALS")]
pub(crate) fn seal_size(file: &File) -> SysResult<()> {
    let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
    retry("fcntl(F_ADD_SEALS)", || {
        fcntl(file, FcntlArg::F_ADD_SEALS(seals))
    })
    .map(drop)
}

/// Whether the file is sealed against both shrinking and growing.
#[doc(alias = "F_GET_SEALS")]
pub(crate) fn size_is_sealed(file: &File) -> SysResult<bool> {
    let bits = retry("fcntl(F_GET_SEALS)", || fcntl(file, FcntlArg::F_GET_SEALS))?;
    let wanted = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW;
    Ok(SealFlag::from_bits_truncate(bits).contains(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_file_keeps_its_size() {
        let memfd = create("test").unwrap();
        file::set_len(&memfd, 4096).unwrap();
        assert!(!size_is_sealed(&memfd).unwrap());
        seal_size(&memfd).unwrap();
        assert!(size_is_sealed(&memfd).unwrap());
        assert_eq!(file::set_len(&memfd, 0).unwrap_err().errno, Errno::EPERM);
        assert_eq!(file::set_len(&memfd, 8192).unwrap_err().errno, Errno::EPERM);
        assert_eq!(seal_size(&memfd).unwrap_err().errno, Errno::EPERM);
        file::write_at(&memfd, b"still writable", 0).unwrap();
    }

    #[test]
    fn a_file_is_never_executable() {
        let memfd = create("test").unwrap();
        let mode = file::stat(&memfd).unwrap().mode;
        // Kernels before 6.3 set all permission bits and do not have this seal.
        if mode & 0o111 == 0 {
            let refused = file::set_mode(&memfd, 0o700).unwrap_err();
            assert_eq!(refused.errno, Errno::EPERM);
        }
        file::set_mode(&memfd, 0o640).unwrap();
        assert_eq!(file::stat(&memfd).unwrap().mode & 0o777, 0o640);
    }
}
