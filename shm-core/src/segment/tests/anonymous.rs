//! Segments without a name.

use std::os::fd::AsFd;

use super::*;
use crate::sys::{Errno, memfd};

#[test]
fn an_anonymous_segment_is_shared_through_its_descriptor() {
    let made = options().create_anonymous_with(|shm| set(shm, 11)).unwrap();
    assert_eq!(made.name(), "(anonymous)");
    assert!(!made.is_current());
    let other = options()
        .from_fd(made.as_fd().try_clone_to_owned().unwrap())
        .unwrap();
    let reader = options()
        .from_fd_read_only(made.as_fd().try_clone_to_owned().unwrap())
        .unwrap();
    set(&other, 12);
    assert_eq!((get(&made), get(&reader)), (12, 12));
    drop(made);
    assert_eq!(get(&reader), 12);
    other.persist().unwrap();
    assert!(matches!(error(other.unlink()), ShmError::NotFound { .. }));
}

#[test]
fn the_size_of_an_anonymous_segment_is_sealed() {
    let made = options().create_anonymous().unwrap();
    let file = made.segment().file();
    assert_eq!(file::set_len(file, 0).unwrap_err().errno, Errno::EPERM);
    assert_eq!(
        file::set_len(file, 1 << 20).unwrap_err().errno,
        Errno::EPERM
    );
    assert_eq!(file::stat(file).unwrap().mode & 0o777, 0o600);
}

#[test]
fn from_fd_rejects_huge_page_files() {
    use nix::fcntl::{FcntlArg, SealFlag, fcntl};
    use nix::sys::memfd::{MFdFlags, memfd_create};

    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING | MFdFlags::MFD_HUGETLB;
    let fd = match memfd_create("huge", flags) {
        Ok(fd) => fd,
        Err(error) => {
            eprintln!("skipped: this kernel has no huge pages: {error}");
            return;
        }
    };
    let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW;
    fcntl(&fd, FcntlArg::F_ADD_SEALS(seals)).unwrap();
    let text = error(options().from_fd(fd)).to_string();
    assert!(text.contains("huge pages"), "{text}");
}

#[test]
fn from_fd_rejects_other_types_and_other_files() {
    use nix::fcntl::OFlag;
    use nix::sys::stat::Mode;

    let made = options().create_anonymous().unwrap();
    let fd = || made.as_fd().try_clone_to_owned().unwrap();
    assert!(matches!(
        error(ShmOptions::<f64>::new().from_fd(fd())),
        ShmError::LayoutMismatch { .. }
    ));

    let reason = |fd: std::fs::File| match error(options().from_fd(fd)) {
        ShmError::NotASegment { name, reason } => {
            assert_eq!(name, "(anonymous)");
            reason
        }
        other => panic!("{other}"),
    };
    assert!(reason(std::fs::File::open("/proc/self/exe").unwrap()).contains("not a memfd"));
    let only_path = nix::fcntl::open("/proc/self/exe", OFlag::O_PATH, Mode::empty()).unwrap();
    assert!(matches!(
        error(options().from_fd(only_path)),
        ShmError::Os { .. }
    ));
    let unsealed = memfd::create("unsealed").unwrap();
    assert!(reason(unsealed).contains("not sealed"));
    let empty = memfd::create("empty").unwrap();
    memfd::seal_size(&empty).unwrap();
    assert!(reason(empty).contains("empty"));
    let zeros = memfd::create("zeros").unwrap();
    file::set_len(&zeros, 4096).unwrap();
    memfd::seal_size(&zeros).unwrap();
    assert!(reason(zeros).contains("magic"));
}

#[test]
fn from_fd_rejects_named_segments() {
    let name = TestName::new("named-fd");
    let named = options().create(name.as_str()).unwrap();
    let fd = named.as_fd().try_clone_to_owned().unwrap();
    assert!(matches!(
        error(options().from_fd(fd)),
        ShmError::NotASegment { .. }
    ));
}

#[test]
fn a_read_only_descriptor_maps_read_only() {
    let made = options().create_anonymous_with(|shm| set(shm, 5)).unwrap();
    let path = format!(
        "/proc/self/fd/{}",
        std::os::fd::AsRawFd::as_raw_fd(&made.as_fd())
    );
    let read_only = || std::fs::File::open(&path).unwrap();
    assert_eq!(get(&options().from_fd_read_only(read_only()).unwrap()), 5);
    let refused = error(options().from_fd(read_only()));
    assert!(
        matches!(refused, ShmError::PermissionDenied { call: "mmap", .. }),
        "{refused}"
    );
    assert!(
        refused.to_string().contains("from_fd_read_only"),
        "{refused}"
    );

    let write_only = std::fs::File::options().write(true).open(&path).unwrap();
    let refused = error(options().from_fd(write_only));
    assert!(
        refused.to_string().contains("does not allow reading"),
        "{refused}"
    );
}
