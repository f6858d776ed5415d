//! Segments that have lost their owner but still have readers.

use super::*;
use crate::name::SegmentName;
use crate::segment::lifetime::{self, NameState};
use crate::segment::list;
use crate::sys::clock::Deadline;

fn superseding() -> ShmOptions<u64> {
    options().supersede(true)
}

/// A segment whose owner was killed while this reader was attached.
fn ownerless(name: &TestName, value: u64) -> Shm<u64, ReadOnly> {
    let owner = options()
        .create_with(name.as_str(), |shm| set(shm, value))
        .unwrap();
    let reader = options().attach_read_only(name.as_str()).unwrap();
    owner.disown();
    drop(owner);
    assert!(reader.is_current());
    reader
}

#[test]
fn nothing_is_initialised_under_an_ownerless_segments_name() {
    let name = TestName::new("ownerless-init");
    let reader = ownerless(&name, 1);
    let init = |_: &Shm<u64>| -> () { panic!("the name is taken") };
    assert_eq!(
        existing(options().create_with(name.as_str(), init)),
        Existing::Live
    );
    assert!(reader.is_current());
}

#[track_caller]
fn is_busy<T>(result: Result<T, ShmError>) {
    match error(result) {
        ShmError::Busy { waited, .. } => assert_eq!(waited, Duration::from_millis(5)),
        other => panic!("{other}"),
    }
}

/// What `list` says about the owner.
fn is_told_owned(name: &TestName) -> bool {
    list()
        .unwrap()
        .map(Result::unwrap)
        .find(|info| info.name == name.as_str())
        .is_some_and(|info| info.contents.unwrap().owned)
}

#[test]
fn supersede_takes_the_name_and_readers_keep_the_old_one() {
    let name = TestName::new("ownerless");
    let reader = ownerless(&name, 1);
    let plain = existing(options().create(name.as_str()));
    assert_eq!(plain, Existing::Live);
    let new = superseding()
        .create_with(name.as_str(), |shm| set(shm, 2))
        .unwrap();
    assert!(new.is_current() && !reader.is_current());
    assert_eq!((get(&new), get(&reader)), (2, 1));
    assert_eq!(get(&options().attach(name.as_str()).unwrap()), 2);
    drop(reader);
    assert!(new.is_current());
    drop(new);
    assert!(!name.exists());

    // An orphaned segment is replaced as without the option, and a free name is taken.
    orphaned(&name, 3);
    let new = superseding().create(name.as_str()).unwrap();
    assert_eq!(get(&new), 0);
    drop(new);
    assert!(!name.exists());
    drop(superseding().create(name.as_str()).unwrap());
}

#[test]
fn the_layout_of_what_is_superseded_does_not_matter() {
    let name = TestName::new("ownerless-type");
    let reader = ownerless(&name, 1);
    let wide = || ShmOptions::<[u64; 3]>::new();
    let refused = error(wide().open_or_create(name.as_str()));
    assert!(
        matches!(refused, ShmError::LayoutMismatch { .. }),
        "{refused}"
    );
    let new = wide().supersede(true).create(name.as_str()).unwrap();
    assert!(new.is_current() && !reader.is_current());
    let old = error(options().attach(name.as_str()));
    assert!(matches!(old, ShmError::LayoutMismatch { .. }), "{old}");
}

#[test]
fn owned_persistent_and_foreign_files_are_not_superseded() {
    let name = TestName::new("not-ownerless");
    let owner = options().create(name.as_str()).unwrap();
    let reader = options().attach(name.as_str()).unwrap();
    let refused = || existing(superseding().create(name.as_str()));
    assert_eq!(refused(), Existing::Live);
    let second = options().open_or_create(name.as_str()).unwrap();
    drop(owner);
    assert_eq!(refused(), Existing::Live);
    second.persist().unwrap();
    drop(second);
    assert_eq!(refused(), Existing::Persistent);
    unlink(name.as_str()).unwrap();
    drop(reader);

    // Another handle has attached meanwhile, and is not an owner.
    let reader = ownerless(&name, 1);
    let joined = superseding().open_or_create(name.as_str()).unwrap();
    assert_eq!(get(&joined), 1);
    assert_eq!(refused(), Existing::Live);
    drop(joined);
    assert!(!name.exists());
    drop(reader);

    let reader = ownerless(&name, 1);
    let file = shm::open(name.as_str(), true).unwrap();
    file::write_at(&file, b"x", 0).unwrap();
    assert_eq!(refused(), Existing::NotASegment);
    file::set_len(&file, 200).unwrap();
    file::write_at(&file, &super::super::header::MAGIC, 0).unwrap();
    assert_eq!(refused(), Existing::Unreadable);
    drop(reader);
    unlink(name.as_str()).unwrap();

    if crate::sys::effective_user() == 0 {
        let _reader = ownerless(&name, 1);
        std::os::unix::fs::chown(name.path(), Some(12345), None).unwrap();
        assert_eq!(refused(), Existing::OtherUser(12345));
    }
}

#[test]
fn superseding_excludes_owners_and_a_kill_changes_nothing() {
    let name = TestName::new("superseding");
    let reader = ownerless(&name, 1);
    let superseder = shm::open(name.as_str(), true).unwrap();
    assert!(lock::try_lock(&superseder, OWNER, LockKind::Exclusive).unwrap());
    let hurried = || impatient().supersede(true);
    is_busy(hurried().create(name.as_str()));
    is_busy(hurried().open_or_create(name.as_str()));
    is_busy(impatient().create(name.as_str()));
    assert!(!reader.has_owner() && !is_told_owned(&name));
    // Reading goes on.
    assert_eq!(get(&options().attach(name.as_str()).unwrap()), 1);
    assert!(reader.is_current());
    // A kill at this point leaves the segment to the next process.
    drop(superseder);
    let new = hurried().create(name.as_str()).unwrap();
    assert!(new.is_current() && !reader.is_current());
}

#[test]
fn a_pinned_lock_delays_supersede_until_it_is_released() {
    let name = TestName::new("superseding-pinned");
    let reader = ownerless(&name, 1);
    let pin = |byte| {
        let file = shm::open(name.as_str(), false).unwrap();
        assert!(lock::try_lock(&file, byte, LockKind::Shared).unwrap());
        file
    };
    let create = || impatient().supersede(true).create(name.as_str());
    let pinned = pin(OWNER);
    assert!(reader.has_owner());
    assert_eq!(existing(create()), Existing::Live);
    drop(pinned);
    let pinned = pin(NAME);
    is_busy(create());
    assert_eq!(lock::holder(&pinned, OWNER).unwrap(), None);
    assert!(reader.is_current() && !reader.has_owner());
    drop(pinned);
    drop(create().unwrap());
}

#[test]
fn a_new_owner_or_successor_prevents_superseding() {
    let name = TestName::new("superseding-late");
    let segment_name = SegmentName::new(name.as_str()).unwrap();
    let looked_at = || match lifetime::examine(&segment_name).unwrap() {
        NameState::Ownerless(file, id) => (file, id),
        other => panic!("{other:?}"),
    };
    let supersede = |(file, id)| {
        let deadline = Deadline::after(Duration::ZERO);
        lifetime::supersede(&segment_name, file, &id, deadline).unwrap()
    };
    let reader = ownerless(&name, 1);
    let (one, two, three) = (looked_at(), looked_at(), looked_at());
    let joined = options().open_or_create(name.as_str()).unwrap();
    assert!(!supersede(one));
    assert!(joined.is_current() && joined.has_owner());
    drop(joined);
    assert!(!name.exists());
    assert!(!supersede(two));
    let new = options().create(name.as_str()).unwrap();
    assert!(!supersede(three));
    assert!(new.is_current() && !reader.is_current());
}

/// A duplicate stands for a child of `fork`, which shares the description.
#[test]
fn a_failed_supersede_leaves_no_lock_to_a_fork_child() {
    let name = TestName::new("superseding-copied");
    let owner = options().create(name.as_str()).unwrap();
    let file = shm::open(name.as_str(), true).unwrap();
    let (id, copy) = (file::stat(&file).unwrap(), file.try_clone().unwrap());
    owner.persist().unwrap();
    drop(owner);
    let segment_name = SegmentName::new(name.as_str()).unwrap();
    let deadline = Deadline::after(Duration::ZERO);
    assert!(!lifetime::supersede(&segment_name, file, &id, deadline).unwrap());
    let probe = shm::open(name.as_str(), true).unwrap();
    for byte in [ATTACH, OWNER, NAME] {
        assert_eq!(lock::holder(&probe, byte).unwrap(), None);
    }
    drop(options().open_or_create(name.as_str()).unwrap());
    drop(copy);
}

#[test]
fn one_of_two_superseders_wins_and_the_other_fails() {
    let name = TestName::new("superseders");
    for round in 0..100 {
        let reader = ownerless(&name, round);
        let start = std::sync::Barrier::new(2);
        let made = std::thread::scope(|scope| {
            let threads = [(); 2].map(|()| {
                scope.spawn(|| {
                    start.wait();
                    // The loser waits for the winner, however long that takes.
                    let patient = superseding().timeout(Duration::from_secs(60));
                    patient.create(name.as_str())
                })
            });
            threads.map(|thread| thread.join().unwrap())
        });
        let [one, other] = made;
        let (winner, loser) = if one.is_ok() {
            (one, other)
        } else {
            (other, one)
        };
        assert!(winner.unwrap().is_current());
        assert!(!reader.is_current());
        assert_eq!(existing(loser), Existing::Live);
        assert!(!name.exists());
    }
}

#[test]
fn a_new_owner_keeps_its_name_while_another_supersedes() {
    let name = TestName::new("superseding-joined");
    let (mut revived, mut superseded) = (0, 0);
    for round in 0..2000 {
        let reader = ownerless(&name, 1);
        let start = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            let (name, start) = (&name, &start);
            let joiner = scope.spawn(move || {
                start.wait();
                let shm = options()
                    .open_or_create_with(name.as_str(), |shm| set(shm, 3))
                    .unwrap();
                // A thread that is about to supersede it gets its turn.
                for _ in 0..20 {
                    assert!(shm.is_current() && shm.has_owner());
                    std::thread::yield_now();
                }
                shm
            });
            let superseder = scope.spawn(move || {
                start.wait();
                superseding().create_with(name.as_str(), |shm| set(shm, 2))
            });
            let made = superseder.join().unwrap();
            let joined = joiner.join().unwrap();
            assert!(joined.is_current());
            match made {
                Ok(made) => {
                    superseded += 1;
                    assert!(made.is_current());
                    assert_eq!(get(&joined), 2);
                }
                Err(refused) => {
                    assert_eq!(existing::<()>(Err(refused)), Existing::Live);
                    revived += 1;
                    assert!(matches!(get(&joined), 1 | 3));
                }
            }
        });
        drop(reader);
        assert!(!name.exists());
        if round >= 100 && revived > 0 && superseded > 0 {
            break;
        }
    }
    assert!(revived > 0 && superseded > 0, "{revived} {superseded}");
}

#[test]
fn an_owner_is_seen_by_every_handle_as_long_as_one_lives() {
    let name = TestName::alone("has-owner");
    let owner = options()
        .create_with(name.as_str(), |shm| {
            assert!(shm.has_owner() && !shm.is_current());
        })
        .unwrap();
    let reader = options().attach_read_only(name.as_str()).unwrap();
    let writer = options().attach(name.as_str()).unwrap();
    let all = || (reader.has_owner(), writer.has_owner(), is_told_owned(&name));
    assert!(owner.has_owner());
    assert_eq!(all(), (true, true, true));
    // A copy in a child of `fork` has the same lock, and its end is not the owner's.
    assert_eq!(
        in_child(|| i32::from(!owner.has_owner() || !reader.has_owner())),
        0
    );
    assert_eq!(all(), (true, true, true));
    owner.disown();
    let second = options().open_or_create(name.as_str()).unwrap();
    drop(owner);
    assert!(second.has_owner());
    assert_eq!(all(), (true, true, true));

    // The owner lives, although the name is gone.
    second.unlink().unwrap();
    assert_eq!(all(), (true, true, false));
    assert!(!reader.is_current());
    drop(second);
    assert_eq!(all(), (false, false, false));
    drop((reader, writer));

    let reader = ownerless(&name, 1);
    assert!(!reader.has_owner() && !is_told_owned(&name));
    let third = options().open_or_create(name.as_str()).unwrap();
    assert!(reader.has_owner() && is_told_owned(&name));
    // Now no owner is left to remove it.
    third.persist().unwrap();
    assert!(!reader.has_owner() && !third.has_owner() && !is_told_owned(&name));
    assert!(!options().create_anonymous().unwrap().has_owner());
}

#[test]
fn without_its_descriptor_a_handle_takes_no_owner_for_dead() {
    use std::os::fd::AsRawFd;
    let name = TestName::new("has-owner-lost");
    let reader = ownerless(&name, 1);
    assert!(!reader.has_owner());
    let number = reader.segment().file().as_raw_fd();
    let kept = reader.segment().file().try_clone().unwrap();
    let other = std::fs::File::open("/dev/null").unwrap();
    // SAFETY: both descriptors are open, and the handle works with any file behind its own.
    assert_eq!(unsafe { libc::dup2(other.as_raw_fd(), number) }, number);
    assert!(reader.has_owner());
    // SAFETY: as above; this restores its own file.
    assert_eq!(unsafe { libc::dup2(kept.as_raw_fd(), number) }, number);
    assert!(!reader.has_owner());
}

#[test]
fn waiting_for_a_name_ends_with_it_or_not_found() {
    let name = TestName::new("wait");
    let missing = |wait| error(options().wait(wait).attach(name.as_str()));
    for wait in [Duration::ZERO, Duration::from_millis(3)] {
        let refused = missing(wait);
        assert!(matches!(refused, ShmError::NotFound { .. }), "{refused}");
    }
    let patient = || options().wait(Duration::MAX);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| patient().attach(name.as_str()).map(|shm| get(&shm)));
        let reader = scope.spawn(|| {
            patient()
                .attach_read_only(name.as_str())
                .map(|shm| get(&shm))
        });
        let owner = options()
            .create_with(name.as_str(), |shm| set(shm, 4))
            .unwrap();
        assert_eq!(writer.join().unwrap().unwrap(), 4);
        assert_eq!(reader.join().unwrap().unwrap(), 4);
        drop(owner);
    });
    // All other errors come at once, and a lock that is held too long when the timeout ends.
    orphaned(&name, 1);
    let wide = ShmOptions::<[u64; 3]>::new().wait(Duration::MAX);
    let refused = error(wide.attach(name.as_str()));
    assert!(
        matches!(refused, ShmError::LayoutMismatch { .. }),
        "{refused}"
    );
    let replacer = shm::open(name.as_str(), true).unwrap();
    assert!(lock::try_lock(&replacer, ATTACH, LockKind::Exclusive).unwrap());
    is_busy(impatient().wait(Duration::MAX).attach(name.as_str()));
    let refused = error(patient().attach("no slash"));
    assert!(matches!(refused, ShmError::InvalidName { .. }), "{refused}");
}

#[test]
fn open_or_create_takes_the_name_of_an_ownerless_other_layout() {
    let name = TestName::new("other-layout");
    let other = || ShmOptions::<f64>::new();
    let owner = options()
        .create_with(name.as_str(), |shm| set(shm, 7))
        .unwrap();
    let reader = options().attach_read_only(name.as_str()).unwrap();

    // It is not taken while the owner lives.
    let refused = error(other().supersede(true).open_or_create(name.as_str())).to_string();
    assert!(
        refused.contains("its owner is alive") && !refused.contains("supersede"),
        "{refused}"
    );
    owner.disown();
    drop(owner);

    // Nor without being asked for, but the error names the option.
    for refused in [
        error(other().open_or_create(name.as_str())),
        error(other().attach(name.as_str())),
    ] {
        assert!(
            matches!(refused, ShmError::LayoutMismatch { .. }),
            "{refused}"
        );
        assert!(
            refused.to_string().contains("`supersede(true)`"),
            "{refused}"
        );
    }

    // A segment of the same layout is kept.
    let same = options()
        .supersede(true)
        .open_or_create(name.as_str())
        .unwrap();
    assert_eq!(get(&same), 7);
    same.disown();
    drop(same);

    // An error of the closure removes nothing.
    let failing = |_: &Shm<f64>| -> Result<(), ShmError> { Err(ShmError::not_found()) };
    let failed = other()
        .supersede(true)
        .open_or_create_with(name.as_str(), failing);
    assert!(matches!(error(failed), ShmError::NotFound { .. }));
    assert!(reader.is_current());

    let mut runs = 0;
    let taken = other()
        .supersede(true)
        .open_or_create_with(name.as_str(), |_| runs += 1)
        .unwrap();
    assert!(taken.is_current() && taken.has_owner() && !reader.is_current());
    assert_eq!((runs, get(&reader)), (1, 7));
    drop(taken);
    assert!(!name.exists());
}

#[test]
fn open_never_supersedes_a_segment_of_its_own_layout() {
    let name = TestName::new("superseding-none");
    let mut reader = None;
    // Nothing has the name when the call looks. While it builds its segment, another process creates one, and is killed.
    let shm = superseding()
        .open_or_create_with(name.as_str(), |shm| {
            set(shm, 2);
            reader = Some(ownerless(&name, 1));
        })
        .unwrap();
    assert_eq!(get(&shm), 1);
    assert!(reader.unwrap().is_current());
}

#[test]
fn what_lost_the_name_while_it_was_built_supersedes() {
    let name = TestName::new("superseding-late");
    let mut reader = None;
    let shm = ShmOptions::<f64>::new()
        .supersede(true)
        .open_or_create_with(name.as_str(), |shm| {
            set(shm, 2);
            reader = Some(ownerless(&name, 1));
        })
        .unwrap();
    assert_eq!(get(&shm), 2);
    assert!(shm.is_current() && !reader.unwrap().is_current());
}
