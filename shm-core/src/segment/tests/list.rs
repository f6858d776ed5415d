//! Listing names, and sweeping the orphaned segments among them.

use std::os::unix::fs::{MetadataExt, OpenOptionsExt, symlink};
use std::time::SystemTime;

use super::*;
use crate::segment::header::FORMAT_VERSION;
use crate::segment::lifetime::Users;

use crate::segment::{SegmentInfo, SegmentState, list};
use crate::sys::effective_user;

fn look(name: &str) -> Option<SegmentInfo> {
    let mut found = list()
        .unwrap()
        .map(Result::unwrap)
        .filter(|info| info.name == name);
    let first = found.next();
    assert!(found.next().is_none(), "`list` returns a name once");
    first
}

#[track_caller]
fn state(name: &TestName) -> SegmentState {
    look(name.as_str()).unwrap().state
}

fn sweep_this(name: &TestName) -> Vec<String> {
    let sweep = Sweep::new().names(|found| found.contains(name.as_str()));
    let found = sweep.find().unwrap();
    assert_eq!(found, sweep.find().unwrap(), "finding removes nothing");
    let removed = sweep_where(Users::This, |found| found.contains(name.as_str())).unwrap();
    // One that another process has locked stays.
    let stays = sweep.find().unwrap();
    assert_eq!(found.len() - removed.len(), stays.len());
    removed
}

/// Only orphaned segments are removed.
#[track_caller]
fn stays(name: &TestName) {
    assert_eq!(sweep_this(name), Vec::<String>::new());
    assert!(name.exists());
}

#[test]
fn a_segment_goes_through_its_states() {
    let name = TestName::new("states");
    assert!(look(name.as_str()).is_none());
    let owner = options()
        .mode(0o640)
        .create_with(name.as_str(), |_| assert!(look(name.as_str()).is_none()))
        .unwrap();
    assert_eq!(state(&name), SegmentState::Live);
    stays(&name);
    drop(owner);
    assert!(look(name.as_str()).is_none());

    orphaned(&name, 1);
    assert_eq!(state(&name), SegmentState::Orphaned);
    let reader = options().attach_read_only(name.as_str()).unwrap();
    assert_eq!(state(&name), SegmentState::Live);
    stays(&name);
    drop(reader);

    let writer = options().attach(name.as_str()).unwrap();
    writer.persist().unwrap();
    let info = look(name.as_str()).unwrap();
    assert_eq!(info.state, SegmentState::Persistent);
    assert!(info.contents.unwrap().attached);
    stays(&name);
    drop(writer);
    let info = look(name.as_str()).unwrap();
    assert_eq!(info.state, SegmentState::Persistent);
    assert!(!info.contents.unwrap().attached);
    stays(&name);
}

#[test]
fn listed_contents_are_what_the_creator_wrote() {
    let name = TestName::new("listed-contents");
    let _owner = ShmOptions::<[u16; 3000]>::new()
        .mode(0o640)
        .sparse(true)
        .create(name.as_str())
        .unwrap();
    let info = look(name.as_str()).unwrap();
    assert_eq!((info.owner, info.mode), (effective_user(), 0o640));
    assert_eq!(info.file_len, 8192);
    let file = std::fs::metadata(format!("/dev/shm{}", name.as_str())).unwrap();
    assert_eq!(info.inode(), file.ino());
    assert!(info.allocated < 8192 && info.reason.is_none(), "{info:?}");
    let contents = info.contents.unwrap();
    assert_eq!(contents.type_name.as_deref(), Some("[u16; 3000]"));
    assert_eq!(contents.fingerprint, <[u16; 3000]>::FINGERPRINT);
    assert_eq!((contents.payload_len, contents.slice_len), (6000, None));
    assert_eq!(contents.creator_pid, std::process::id());
    assert_eq!(contents.creator_uid, effective_user());
    assert_eq!(contents.version, 0);
    assert!(contents.sparse && contents.attached);
    let reserved = TestName::new("listed-reserved");
    let _other = options().create(reserved.as_str()).unwrap();
    assert!(!look(reserved.as_str()).unwrap().contents.unwrap().sparse);
    let age = SystemTime::now().duration_since(contents.created_at);
    assert!(age.unwrap() < Duration::from_secs(600));
}

#[test]
fn an_orphan_is_swept_unless_one_of_its_locks_is_held() {
    let name = TestName::new("orphan");
    orphaned(&name, 1);
    for byte in [ATTACH, NAME] {
        // Read permission suffices.
        let pin = shm::open(name.as_str(), false).unwrap();
        assert!(lock::try_lock(&pin, byte, LockKind::Shared).unwrap());
        stays(&name);
    }
    let replacer = shm::open(name.as_str(), true).unwrap();
    assert!(lock::try_lock(&replacer, ATTACH, LockKind::Exclusive).unwrap());
    assert_eq!(state(&name), SegmentState::Orphaned);
    stays(&name);
    drop(replacer);
    assert_eq!(sweep_this(&name), [name.as_str()]);
    assert!(!name.exists());
    assert!(sweep_this(&name).is_empty());
}

#[test]
fn attaching_during_a_sweep_succeeds_or_finds_nothing() {
    let name = TestName::new("sweep-race");
    for _ in 0..200 {
        orphaned(&name, 6);
        let (swept, attached) = std::thread::scope(|scope| {
            // What a look finds may change until the next one.
            let sweeper = scope.spawn(|| {
                let sweep = Sweep::new().names(|found| found.contains(name.as_str()));
                sweep.remove().unwrap()
            });
            let attached = options()
                .timeout(Duration::from_secs(60))
                .attach(name.as_str());
            (sweeper.join().unwrap(), attached)
        });
        match attached {
            Ok(shm) => {
                assert_eq!(get(&shm), 6);
                assert!(shm.is_current() && swept.is_empty());
                drop(shm);
                assert_eq!(sweep_this(&name), [name.as_str()]);
            }
            Err(ShmError::NotFound { .. }) => assert_eq!(swept, [name.as_str()]),
            Err(other) => panic!("{other}"),
        }
        assert!(!name.exists());
    }
}

#[track_caller]
fn is_foreign(name: &TestName, why: &str) {
    let info = look(name.as_str()).unwrap();
    assert_eq!(info.state, SegmentState::Foreign, "{info:?}");
    assert!(info.contents.is_none());
    let reason = info.reason.unwrap();
    assert!(reason.contains(why), "{reason}");
    stays(name);
}

#[test]
fn foreign_files_are_listed_without_being_opened() {
    let name = TestName::new("foreign");
    nix::unistd::mkfifo(name.path().as_str(), nix::sys::stat::Mode::S_IRWXU).unwrap();
    is_foreign(&name, "a FIFO");
    let mode = std::fs::symlink_metadata(name.path()).unwrap().mode() & 0o7777;
    assert_eq!(look(name.as_str()).unwrap().mode, mode);
    // If the FIFO had been opened for reading, this would find a reader.
    let writer = std::fs::OpenOptions::new()
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(name.path());
    assert_eq!(writer.unwrap_err().raw_os_error(), Some(libc::ENXIO));
    shm::unlink(name.as_str()).unwrap();

    symlink("/dev/zero", name.path()).unwrap();
    is_foreign(&name, "a symbolic link");
    shm::unlink(name.as_str()).unwrap();
    std::fs::create_dir(name.path()).unwrap();
    is_foreign(&name, "a directory");
    std::fs::remove_dir(name.path()).unwrap();
    for contents in [&b""[..], b"text", &[0; 9000]] {
        std::fs::write(name.path(), contents).unwrap();
        is_foreign(&name, "it ");
        shm::unlink(name.as_str()).unwrap();
    }
}

#[test]
fn damaged_segments_differ_from_other_formats() {
    let name = TestName::new("damage");
    orphaned(&name, 1);
    let file = shm::open(name.as_str(), true).unwrap();
    file::write_at(&file, &9u16.to_ne_bytes(), 8).unwrap();
    is_foreign(&name, "format version 9");
    file::write_at(&file, &FORMAT_VERSION.to_ne_bytes(), 8).unwrap();
    assert_eq!(state(&name), SegmentState::Orphaned);
    // Attaching does not read a damaged schema. Only the type's name is missing from the list.
    file::write_at(&file, &[0xee; 12], HEADER_LEN).unwrap();
    let info = look(name.as_str()).unwrap();
    assert_eq!(info.state, SegmentState::Orphaned);
    assert_eq!(info.contents.unwrap().type_name, None);
    file::set_len(&file, 300).unwrap();
    let info = look(name.as_str()).unwrap();
    assert_eq!(info.state, SegmentState::Damaged);
    assert!(info.reason.unwrap().contains("300 bytes"));
    stays(&name);
}

const HEADER_LEN: u64 = crate::segment::header::HEADER_LEN as u64;

#[test]
fn segments_of_other_users_are_listed_and_never_removed() {
    if effective_user() != 0 {
        // An ordinary user cannot give a file away.
        return;
    }
    let name = TestName::new("others");
    orphaned(&name, 1);
    std::os::unix::fs::chown(name.path(), Some(12345), None).unwrap();
    let info = look(name.as_str()).unwrap();
    assert_eq!((info.state, info.owner), (SegmentState::Orphaned, 12345));
    stays(&name);
}

#[test]
fn files_that_cannot_be_opened_are_listed_as_unreadable() {
    let name = TestName::new("unreadable");
    let _owner = options().mode(0).create(name.as_str()).unwrap();
    let info = look(name.as_str()).unwrap();
    if effective_user() == 0 {
        assert_eq!(info.state, SegmentState::Live);
    } else {
        assert_eq!(info.state, SegmentState::Unreadable);
        assert!(info.contents.is_none() && info.reason.unwrap().contains("Permission denied"));
        stays(&name);
    }
}

#[test]
fn names_that_come_and_go_do_not_disturb() {
    let name = TestName::new("come-and-go");
    let done = std::sync::atomic::AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let creator = scope.spawn(|| {
            for _ in 0..2000 {
                drop(options().create(name.as_str()).unwrap());
            }
            done.store(true, Ordering::Release);
        });
        let mut looks = 0;
        while !done.load(Ordering::Acquire) {
            if let Some(info) = look(name.as_str()) {
                // It still counts as live between the removal of the name and the release of the locks.
                assert!(info.contents.is_some(), "{info:?}");
            }
            looks += 1;
        }
        creator.join().unwrap();
        looks
    });
    assert!(seen > 0);
}

#[test]
fn a_sweep_opens_regular_files_only() {
    use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
    let name = TestName::new("sweep-fifo");
    nix::unistd::mkfifo(name.path().as_str(), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let opened = Inotify::init(InitFlags::IN_NONBLOCK).unwrap();
    opened
        .add_watch(name.path().as_str(), AddWatchFlags::IN_OPEN)
        .unwrap();
    stays(&name);
    assert_eq!(opened.read_events().err(), Some(nix::errno::Errno::EAGAIN));
    drop(
        std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(name.path())
            .unwrap(),
    );
    assert_eq!(opened.read_events().unwrap().len(), 1);
}
