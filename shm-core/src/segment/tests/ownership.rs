//! Status, closing, and handing ownership to a child.

use std::os::fd::{AsFd, AsRawFd};

use super::*;
use crate::name::SegmentName;
use crate::segment::SegmentStatus;
use crate::segment::lifetime::{self, Reopened};
use crate::sys::effective_user;

fn status<A: Access>(shm: &Shm<u64, A>) -> SegmentStatus {
    shm.status()
}

#[test]
fn status_follows_the_name_and_the_owner() {
    let name = TestName::new("status");
    let owner = options()
        .create_with(name.as_str(), |shm| {
            assert_eq!(shm.status(), SegmentStatus::Live);
        })
        .unwrap();
    let reader = options().attach_read_only(name.as_str()).unwrap();
    assert_eq!(status(&owner), SegmentStatus::Live);
    assert_eq!(status(&reader), SegmentStatus::Live);

    // Killed.
    owner.disown();
    drop(owner);
    assert_eq!(status(&reader), SegmentStatus::OwnerGone);
    let again = options().open_or_create(name.as_str()).unwrap();
    assert_eq!(status(&reader), SegmentStatus::Live);

    // Removed from outside, and created anew.
    unlink(name.as_str()).unwrap();
    assert_eq!(status(&again), SegmentStatus::Removed);
    assert_eq!(status(&reader), SegmentStatus::Removed);
    let next = options().create(name.as_str()).unwrap();
    assert_eq!(status(&reader), SegmentStatus::Superseded);
    drop(next);
    assert_eq!(status(&reader), SegmentStatus::Removed);
}

#[test]
fn persistent_and_anonymous_segments_are_live_without_an_owner() {
    let name = TestName::new("status-kept");
    let owner = options().create(name.as_str()).unwrap();
    let reader = options().attach(name.as_str()).unwrap();
    owner.persist().unwrap();
    drop(owner);
    assert_eq!(status(&reader), SegmentStatus::Live);
    reader.unlink().unwrap();
    assert_eq!(status(&reader), SegmentStatus::Removed);
    assert_eq!(
        status(&options().create_anonymous().unwrap()),
        SegmentStatus::Live
    );
}

#[test]
fn a_handed_over_name_remains_until_the_child_drops_it() {
    let name = TestName::alone("hand-over");
    let shm = options().create(name.as_str()).unwrap();
    shm.hand_over();
    let (parent_gone, child_reads) = {
        let (reader, writer) = std::io::pipe().unwrap();
        (writer, reader)
    };
    // SAFETY: the child runs what allocates at most, and leaves through `_exit`.
    match unsafe { nix::unistd::fork() }.unwrap() {
        nix::unistd::ForkResult::Child => {
            drop(parent_gone);
            // Ends when the parent has dropped its handle and its end of the pipe.
            let _ = std::io::Read::read(&mut { child_reads }, &mut [0]);
            let code = match shm.adopt() {
                Ok(()) if shm.has_owner() && shm.is_current() => 0,
                Ok(()) => 1,
                Err(_) => 2,
            };
            drop(shm);
            // SAFETY: ends the process without running anything of the parent's.
            unsafe { libc::_exit(code) }
        }
        nix::unistd::ForkResult::Parent { child } => {
            drop(child_reads);
            let reader = options().attach_read_only(name.as_str()).unwrap();
            drop(shm);
            // The child's copy holds the owner's lock, and the parent removed nothing.
            assert!(name.exists() && reader.has_owner());
            drop(parent_gone);
            let ended = nix::sys::wait::waitpid(child, None).unwrap();
            assert_eq!(ended, nix::sys::wait::WaitStatus::Exited(child, 0));
            assert!(!name.exists());
        }
    }
}

#[test]
fn copies_of_an_adopted_handle_do_not_keep_the_segment_alive() {
    let name = TestName::alone("adopted");
    // A child that is killed after it has adopted.
    let shm = options().create(name.as_str()).unwrap();
    shm.hand_over();
    assert!(shm.has_owner());
    assert_eq!(in_child(|| i32::from(shm.adopt().is_err())), 0);
    assert_eq!(status(&shm), SegmentStatus::OwnerGone);
    // Now this process adopts it, and a child is an owner besides.
    shm.adopt().unwrap();
    assert_eq!(in_child(|| i32::from(shm.adopt().is_err())), 0);
    assert_eq!(status(&shm), SegmentStatus::Live);
    // Now a child is the last owner to drop it.
    shm.hand_over();
    let mut handle = Some(shm);
    let code = in_child(|| {
        let shm = handle.take().unwrap();
        let adopted = shm.adopt().is_ok();
        drop(shm);
        i32::from(!adopted)
    });
    assert_eq!(code, 0);
    let shm = handle.unwrap();
    assert!(!name.exists());
    assert!(matches!(error(shm.adopt()), ShmError::NotFound { .. }));
}

#[test]
fn adopting_keeps_the_number_of_the_descriptor() {
    let name = TestName::alone("adopt-number");
    let shm = options().create(name.as_str()).unwrap();
    let before = shm.as_fd().as_raw_fd();
    shm.hand_over();
    shm.adopt().unwrap();
    assert_eq!(shm.as_fd().as_raw_fd(), before);
    let flags = nix::fcntl::fcntl(&shm, nix::fcntl::FcntlArg::F_GETFD).unwrap();
    assert_eq!(flags, libc::FD_CLOEXEC);
    drop(shm);
    assert!(!name.exists());
}

#[test]
fn a_handle_with_a_replaced_descriptor_cannot_adopt() {
    let name = TestName::alone("adopt-replaced");
    let shm = options().create(name.as_str()).unwrap();
    shm.hand_over();
    let number = shm.as_fd().as_raw_fd();
    let kept = shm.as_fd().try_clone_to_owned().unwrap();
    let elsewhere = std::fs::File::open("/dev/null").unwrap();
    // SAFETY: the number stays the handle's and stays open.
    assert_eq!(unsafe { libc::dup2(elsewhere.as_raw_fd(), number) }, number);
    assert!(matches!(error(shm.adopt()), ShmError::Os { .. }));
    let null = file::stat(&elsewhere).unwrap();
    assert!(file::stat(shm.segment().file()).unwrap().same_file(&null));
    drop(kept);
    drop(shm);
    drop(options().create(name.as_str()).unwrap());
}

#[test]
fn a_segment_that_was_handed_over_to_no_one_is_orphaned() {
    let name = TestName::new("hand-over-lost");
    let shm = options().create(name.as_str()).unwrap();
    shm.hand_over();
    drop(shm);
    assert!(name.exists());
    drop(options().create(name.as_str()).unwrap());
    assert!(!name.exists());
}

#[test]
fn an_attached_handle_can_adopt_a_segment_that_lost_its_owner() {
    let name = TestName::new("adopt");
    let owner = options().create(name.as_str()).unwrap();
    let other = options().attach(name.as_str()).unwrap();
    owner.disown();
    drop(owner);
    assert_eq!(status(&other), SegmentStatus::OwnerGone);
    other.adopt().unwrap();
    other.adopt().unwrap();
    assert_eq!(status(&other), SegmentStatus::Live);
    drop(other);
    assert!(!name.exists());

    let late = options().create(name.as_str()).unwrap();
    let other = options().attach(name.as_str()).unwrap();
    drop(late);
    assert!(matches!(error(other.adopt()), ShmError::NotFound { .. }));
    options().create_anonymous().unwrap().adopt().unwrap();
}

#[test]
fn a_failed_adopt_leaves_the_segment_without_an_owner() {
    let name = TestName::new("adopt-late");
    let owner = options().create(name.as_str()).unwrap();
    let [late, other] = [(); 2].map(|()| options().attach(name.as_str()).unwrap());
    drop(owner);
    assert!(matches!(error(late.adopt()), ShmError::NotFound { .. }));
    assert!(!other.has_owner());
    assert!(!late.has_owner());
}

#[test]
fn adopt_fails_if_only_another_link_leads_to_the_segment() {
    let name = TestName::new("adopt-linked");
    let owner = options().create(name.as_str()).unwrap();
    let _link = Link::to(&name);
    let late = options().attach(name.as_str()).unwrap();
    drop(owner);
    assert!(!name.exists());
    assert!(file::stat(late.segment().file()).unwrap().links > 0);
    assert!(matches!(error(late.adopt()), ShmError::NotFound { .. }));
    // Nor if the name leads to a newer segment, which has to stay when the handle is dropped.
    let newer = options().create(name.as_str()).unwrap();
    assert!(matches!(error(late.adopt()), ShmError::NotFound { .. }));
    drop(late);
    assert!(newer.is_current());
}

#[test]
fn close_reports_a_name_that_cannot_be_removed() {
    let name = TestName::alone("close");
    options().create(name.as_str()).unwrap().close().unwrap();
    assert!(!name.exists());
    options().create_anonymous().unwrap().close().unwrap();
    if effective_user() != 0 {
        eprintln!("skipped: only root can change its user");
        return;
    }
    let text_of = |change: fn()| {
        let (reader, writer) = std::io::pipe().unwrap();
        let code = in_child(|| {
            let shm = options().create(name.as_str()).unwrap();
            change();
            let text = match shm.close() {
                Ok(()) => "closed".to_owned(),
                Err(error) => error.to_string(),
            };
            std::io::Write::write_all(&mut &writer, text.as_bytes()).map_or(1, |()| 0)
        });
        assert_eq!(code, 0);
        drop(writer);
        let text = std::io::read_to_string(reader).unwrap();
        unlink(name.as_str()).unwrap();
        text
    };
    let text = text_of(|| nix::unistd::setuid(nix::unistd::Uid::from_raw(65534)).unwrap());
    assert!(
        text.contains("shm_unlink: ") && text.contains("before `setuid`"),
        "{text}"
    );
    let text = text_of(|| nix::unistd::chroot("/proc").unwrap());
    assert!(
        text.contains("shm_unlink: No such file") && text.contains("before `chroot`"),
        "{text}"
    );
}

#[test]
fn a_file_with_another_name_only_is_out_of_reach() {
    let name = TestName::new("unreachable");
    let checked = SegmentName::new(name.as_str()).unwrap();
    let owner = options().create(name.as_str()).unwrap();
    let is_unreachable = || lifetime::is_unreachable(&checked, owner.segment().file()).unwrap();
    assert!(!is_unreachable());
    let link = Link::to(&name);
    assert!(!is_unreachable());
    shm::unlink(name.as_str()).unwrap();
    assert!(is_unreachable());
    drop(link);
    assert!(!is_unreachable());
}

#[test]
fn a_name_is_opened_again_only_while_it_leads_to_the_segment() {
    let name = TestName::new("reopen");
    let checked = SegmentName::new(name.as_str()).unwrap();
    let owner = options().create(name.as_str()).unwrap();
    let reopen = || owner.segment().reopen(&checked).unwrap();
    assert!(matches!(reopen(), Reopened::Opened(_)));
    if effective_user() != 0 {
        // Root opens it anyway.
        file::set_mode(owner.segment().file(), 0).unwrap();
        assert!(matches!(reopen(), Reopened::Forbidden));
    }
    shm::unlink(name.as_str()).unwrap();
    assert!(matches!(reopen(), Reopened::Elsewhere));
    std::fs::create_dir(name.path()).unwrap();
    assert!(matches!(reopen(), Reopened::Elsewhere));
    std::fs::remove_dir(name.path()).unwrap();
    let other = options().create(name.as_str()).unwrap();
    assert!(matches!(reopen(), Reopened::Elsewhere));
    drop(owner);
    assert!(other.is_current());
}

#[test]
fn closing_leaves_a_name_that_leads_elsewhere() {
    let name = TestName::new("close-elsewhere");
    let first = options().create(name.as_str()).unwrap();
    unlink(name.as_str()).unwrap();
    let second = options().create(name.as_str()).unwrap();
    first.close().unwrap();
    assert!(second.is_current());
}
