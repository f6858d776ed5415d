//! Behaviour at each lock while another process holds it.

use super::*;
use crate::name::SegmentName;
use crate::segment::lifetime;
use crate::sys::clock::Deadline;
use crate::sys::lock::Bytes;

fn hold(name: &TestName, byte: Bytes, kind: LockKind) -> std::fs::File {
    let file = shm::open(name.as_str(), true).unwrap();
    assert!(lock::try_lock(&file, byte, kind).unwrap());
    file
}

#[track_caller]
fn is_busy<T>(result: Result<T, ShmError>) {
    match error(result) {
        ShmError::Busy { waited, .. } => assert_eq!(waited, Duration::from_millis(5)),
        other => panic!("{other}"),
    }
}

#[test]
fn handles_hold_the_locks_of_the_format() {
    let name = TestName::new("held");
    let owner = options().create(name.as_str()).unwrap();
    let probe = shm::open(name.as_str(), true).unwrap();
    assert_eq!(
        lock::holder(&probe, Bytes::one((1 << 40) - 1)).unwrap(),
        Some(LockKind::Shared)
    );
    assert_eq!(
        lock::holder(&probe, Bytes::one((1 << 40) - 2)).unwrap(),
        Some(LockKind::Shared)
    );
    assert_eq!(
        lock::holder(&probe, Bytes::one((1 << 40) - 3)).unwrap(),
        None
    );
    let peer = options().attach_read_only(name.as_str()).unwrap();
    drop(owner);
    assert_eq!(
        lock::holder(&probe, ATTACH).unwrap(),
        Some(LockKind::Shared)
    );
    assert_eq!(lock::holder(&probe, OWNER).unwrap(), None);
    drop(peer);
    assert_eq!(lock::holder(&probe, ATTACH).unwrap(), None);
}

#[test]
fn no_process_attaches_or_creates_during_a_replacement() {
    let name = TestName::new("replacing");
    orphaned(&name, 1);
    let replacer = hold(&name, ATTACH, LockKind::Exclusive);
    is_busy(impatient().attach(name.as_str()));
    is_busy(impatient().attach_read_only(name.as_str()));
    is_busy(impatient().open_or_create(name.as_str()));
    is_busy(impatient().create(name.as_str()));
    // A replacer that is killed halfway leaves an orphaned segment.
    drop(replacer);
    assert_eq!(get(&options().attach(name.as_str()).unwrap()), 1);
    drop(options().create(name.as_str()).unwrap());
}

#[test]
fn attach_waits_for_a_replacement_and_gets_the_new_segment() {
    let name = TestName::new("waits");
    orphaned(&name, 1);
    let replacer = hold(&name, ATTACH, LockKind::Exclusive);
    let fresh = format!("{}-fresh", name.as_str());
    let new = options().create_with(&fresh, |shm| set(shm, 2)).unwrap();
    std::thread::scope(|scope| {
        let patient = options().timeout(Duration::from_secs(60));
        let name = &name;
        let attacher = scope.spawn(move || patient.attach(name.as_str()).map(|shm| get(&shm)));
        // In one step, so that the name always leads somewhere: first to the locked file, then to the new one.
        std::fs::rename(format!("{}{fresh}", shm::DIRECTORY), name.path()).unwrap();
        drop(replacer);
        assert_eq!(attacher.join().unwrap().unwrap(), 2);
    });
    assert!(!new.is_current());
}

#[test]
fn no_owner_appears_while_the_last_one_removes_the_name() {
    let name = TestName::new("removing");
    orphaned(&name, 1);
    let remover = hold(&name, OWNER, LockKind::Exclusive);
    is_busy(impatient().open_or_create(name.as_str()));
    drop(options().attach(name.as_str()).unwrap());
    drop(remover);
    drop(options().open_or_create(name.as_str()).unwrap());
}

#[test]
fn a_lock_pinned_for_ever_is_an_error_and_not_a_hang() {
    let name = TestName::new("pinned");
    // Read permission suffices for these three locks.
    let pin = |byte| {
        let file = shm::open(name.as_str(), false).unwrap();
        assert!(lock::try_lock(&file, byte, LockKind::Shared).unwrap());
        file
    };
    let owner = impatient().create(name.as_str()).unwrap();
    let pinned = pin(NAME);
    is_busy(owner.unlink());
    is_busy(owner.persist());
    let by_name = lifetime::unlink(name.as_str());
    assert!(matches!(by_name, Err(ShmError::Busy { .. })), "{by_name:?}");
    drop(owner);
    assert!(name.exists());
    // The orphaned segment cannot be replaced while the name is locked, and can afterwards.
    is_busy(impatient().create(name.as_str()));
    drop(pinned);
    drop(impatient().create(name.as_str()).unwrap());
    assert!(!name.exists());

    let owner = impatient().create(name.as_str()).unwrap();
    let pinned = pin(OWNER);
    drop(owner);
    assert!(name.exists());
    drop(pinned);

    let pinned = pin(ATTACH);
    assert_eq!(existing(impatient().create(name.as_str())), Existing::Live);
    drop(pinned);
    drop(impatient().create(name.as_str()).unwrap());
}

#[test]
fn an_owner_that_leaves_its_name_does_not_keep_it_locked() {
    let name = TestName::alone("released");
    let owner = options().create(name.as_str()).unwrap();
    // The duplicate stands for a child of `fork`, which shares the description and its locks.
    let shared = owner.segment().file().try_clone().unwrap();
    options()
        .attach(name.as_str())
        .unwrap()
        .segment()
        .mark_persistent();
    drop(owner);
    assert!(name.exists());
    let again = impatient().open_or_create(name.as_str()).unwrap();
    assert_eq!(lock::holder(again.segment().file(), NAME).unwrap(), None);
    drop(shared);
}

/// The same where the file cannot be opened again, so that the description of the handle is all there is to lock with.
#[test]
fn a_last_owner_without_descriptors_leaves_no_lock() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};

    let name = TestName::alone("released-here");
    let code = in_child(|| {
        let owner = options().create(name.as_str()).unwrap();
        let copy = owner.segment().file().try_clone().unwrap();
        options()
            .attach(name.as_str())
            .unwrap()
            .segment()
            .mark_persistent();
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, 0, hard).unwrap();
        assert!(shm::open(name.as_str(), true).is_err());
        drop(owner);
        setrlimit(Resource::RLIMIT_NOFILE, soft, hard).unwrap();
        assert!(name.exists());
        let probe = shm::open(name.as_str(), true).unwrap();
        assert_eq!(lock::holder(&probe, OWNER).unwrap(), None);
        drop(impatient().open_or_create(name.as_str()).unwrap());
        drop(copy);
        0
    });
    assert_eq!(code, 0);
}

/// A duplicate stands for a child of `fork`, which shares the description.
#[test]
fn a_finished_removal_leaves_no_lock_to_a_fork_child() {
    let name = TestName::new("copied");
    let owner = options().create(name.as_str()).unwrap();
    let probe = shm::open(name.as_str(), true).unwrap();
    let file = shm::open(name.as_str(), true).unwrap();
    let id = file::stat(&file).unwrap();
    let copy = file.try_clone().unwrap();
    let run = lifetime::with_name_locked(&file, Deadline::after(Duration::ZERO), || {
        lock::holder(&probe, NAME)
    });
    assert_eq!(run.unwrap(), Some(Some(LockKind::Exclusive)));
    assert_eq!(lock::holder(&probe, NAME).unwrap(), None);

    // An orphaned segment that became persistent after it was examined.
    owner.persist().unwrap();
    drop(owner);
    let segment_name = SegmentName::new(name.as_str()).unwrap();
    let deadline = Deadline::after(Duration::ZERO);
    assert!(!lifetime::replace(&segment_name, file, &id, deadline).unwrap());
    assert_eq!(lock::holder(&probe, ATTACH).unwrap(), None);
    assert_eq!(lock::holder(&probe, NAME).unwrap(), None);
    drop(options().attach(name.as_str()).unwrap());
    drop(copy);
}

/// A lease needs a file that nobody has open for writing, such as a persistent segment between two runs.
#[test]
fn a_lease_makes_others_wait_for_the_timeout() {
    use std::os::fd::AsRawFd;

    let name = TestName::new("leased");
    let shm = options()
        .create_with(name.as_str(), |shm| set(shm, 3))
        .unwrap();
    shm.persist().unwrap();
    drop(shm);
    let holder = shm::open(name.as_str(), false).unwrap();
    let fcntl = |command, argument: i32| {
        // SAFETY: the descriptor is open, and these commands take a number.
        let result = unsafe { libc::fcntl(holder.as_raw_fd(), command, argument) };
        assert_eq!(result, 0);
    };
    // The kernel asks for the lease with a signal. This one is ignored by default; `SIGIO` would end the process.
    const F_SETSIG: i32 = 10;
    fcntl(F_SETSIG, libc::SIGURG);
    fcntl(libc::F_SETLEASE, libc::F_RDLCK);
    let leased = |error: ShmError| {
        let text = error.to_string();
        assert!(
            text.contains("is busy: another process holds a lease"),
            "{text}"
        );
    };
    // Another open file is no obstacle to a reader.
    assert_eq!(get(&options().attach_read_only(name.as_str()).unwrap()), 3);
    leased(error(impatient().attach(name.as_str())));
    leased(error(impatient().open_or_create(name.as_str())));
    leased(error(impatient().create(name.as_str())));
    leased(error(
        lifetime::unlink(name.as_str()).map(|()| name.as_str()),
    ));
    fcntl(libc::F_SETLEASE, libc::F_UNLCK);
    assert_eq!(get(&options().attach(name.as_str()).unwrap()), 3);
    lifetime::unlink(name.as_str()).unwrap();
}
