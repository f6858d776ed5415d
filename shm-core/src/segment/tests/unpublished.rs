//! Creation on systems without unnamed files.

use super::*;
use crate::name::{SegmentName, is_hidden};
use crate::segment::create;
use crate::segment::lifetime::Users;

use crate::segment::unpublished::{self, Unpublished, remove_orphaned, without_unnamed};
use crate::sys::SysResult;
use crate::sys::clock::Deadline;
use crate::sys::effective_user;

/// The hidden name of a segment that is being created.
fn hidden_name<A: Access>(shm: &Shm<u64, A>) -> String {
    let id = file::stat(shm.segment().file()).unwrap();
    shm::entries()
        .unwrap()
        .map(|entry| entry.unwrap().name)
        .find(|name| shm::stat_name(name).is_ok_and(|found| found.same_file(&id)))
        .unwrap()
}

fn exists(name: &str) -> bool {
    shm::stat_name(name).is_ok()
}

#[test]
fn without_unnamed_files_names_lead_to_complete_segments() {
    let name = TestName::new("fallback");
    without_unnamed::run(|| {
        let mut hidden = String::new();
        let owner = options()
            .mode(0o640)
            .create_with(name.as_str(), |shm| {
                set(shm, 5);
                hidden = hidden_name(shm);
                assert!(!name.exists() && !shm.is_current());
                assert!(
                    hidden.starts_with(name.as_str()) && is_hidden(&hidden),
                    "{hidden}"
                );
                // It is neither listed nor taken for one of a killed creator.
                let mut listed = crate::list().unwrap().map(Result::unwrap);
                assert!(listed.all(|info| info.name != hidden));
                assert!(!remove_orphaned(&hidden).unwrap());
                assert!(
                    sweep_where(Users::This, |name| name == hidden)
                        .unwrap()
                        .is_empty()
                );
            })
            .unwrap();
        assert!(!exists(&hidden));
        let stat = file::stat(owner.segment().file()).unwrap();
        assert_eq!((stat.links, stat.mode & 0o7777), (1, 0o640));
        assert!(owner.is_current());
        assert_eq!(get(&options().attach(name.as_str()).unwrap()), 5);
        assert_eq!(existing(options().create(name.as_str())), Existing::Live);
        drop(owner);
        assert!(!name.exists());
    });
}

/// And its permissions are known, so that they are not set once more.
#[test]
fn the_owner_may_use_a_new_file_whatever_the_umask() {
    let name = TestName::alone("umask");
    let checked = SegmentName::new(name.as_str()).unwrap();
    let is_right = |made: SysResult<Unpublished>| {
        made.is_ok_and(|made| {
            let mode = file::stat(&made.file).map(|found| found.mode);
            mode == Ok(made.id.mode) && mode == Ok(libc::S_IFREG | 0o600)
        })
    };
    for umask in [0o777, 0o477, 0o277, 0] {
        let code = in_child(|| {
            nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(umask));
            let made = [
                unpublished::open(&checked),
                unpublished::open_hidden(&checked),
            ];
            i32::from(!made.into_iter().all(is_right))
        });
        assert_eq!(code, 0, "{umask:o}");
    }
}

/// Strict rules of AppArmor and SELinux.
#[test]
fn forbidden_unnamed_files_are_replaced_by_hidden_names() {
    let name = TestName::new("forbidden");
    for errno in [crate::sys::Errno::EACCES, crate::sys::Errno::EPERM] {
        let owner = without_unnamed::run_with(errno, || options().create(name.as_str())).unwrap();
        assert!(owner.is_current());
        drop(owner);
        assert!(!name.exists());
    }
}

#[test]
fn without_unnamed_files_failures_leave_no_hidden_name() {
    let name = TestName::new("fallback-fails");
    without_unnamed::run(|| {
        let mut hidden = Vec::new();
        // A lost race, a panic, a missing value, and no room.
        let mut winner = None;
        let lost = options().create_with(name.as_str(), |shm| {
            hidden.push(hidden_name(shm));
            winner = options().create(name.as_str()).ok();
        });
        assert_eq!(existing(lost), Existing::Live);
        drop(winner);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            options().create_with(name.as_str(), |shm| {
                hidden.push(hidden_name(shm));
                std::panic::resume_unwind(Box::new("on purpose"))
            })
        }));
        assert!(panicked.is_err());
        assert!(matches!(
            error(ShmOptions::<[u8; 1 << 60]>::new().create(name.as_str())),
            ShmError::NoSpace { .. }
        ));
        assert_eq!(hidden.len(), 2);
        for name in hidden {
            assert!(!exists(&name), "{name}");
        }
        assert!(!name.exists());
    });
}

#[test]
fn without_unnamed_files_orphans_are_replaced() {
    let name = TestName::new("fallback-replace");
    orphaned(&name, 1);
    without_unnamed::run(|| {
        let next = options()
            .create_with(name.as_str(), |shm| shm.persist().unwrap())
            .unwrap();
        assert!(next.is_current());
        assert_eq!(get(&next), 0);
        drop(next);
    });
    assert_eq!(
        existing(options().create(name.as_str())),
        Existing::Persistent
    );
}

#[test]
fn creators_remove_hidden_names_of_killed_creators() {
    let name = TestName::new("abandoned");
    // Each file gets its hidden name last, because any creator on the machine may clean up.
    let hidden = |number: u32, contents: &[u8], hold: bool| {
        let made = TestName::new("to-be-hidden");
        let file = shm::open_new(made.as_str()).unwrap();
        file::write_at(&file, contents, 0).unwrap();
        assert!(!hold || lock::try_lock(&file, ATTACH, LockKind::Shared).unwrap());
        let name = format!("/.shm-new-{:08x}{number:08x}", std::process::id());
        shm::rename_new(made.as_str(), &name).unwrap();
        (name, file)
    };
    let abandoned = |number, contents| hidden(number, contents, false).0;
    let names = [
        abandoned(1, b""),
        abandoned(2, &[0; 4096]),
        abandoned(3, b"\x89SHM\r\n\x1a\n and more"),
    ];
    // Not left by a creator: other contents, another form of name.
    let other = abandoned(4, b"something else");
    let odd = format!("/.shm-new-{}", std::process::id());
    drop(shm::open_new(&odd).unwrap());
    let (held, holder) = hidden(5, b"", true);

    drop(without_unnamed::run(|| options().create(name.as_str())).unwrap());
    assert!(names.iter().all(|name| !exists(name)));
    for name in [&other, &odd, &held] {
        assert!(exists(name), "{name}");
    }
    drop(holder);
    // Another creator may remove it first.
    let swept = sweep_where(Users::This, |name| name == held).unwrap();
    assert!(swept.is_empty() || swept == [held.as_str()]);
    assert!(!exists(&held));
    for name in [other, odd] {
        shm::unlink(&name).unwrap();
    }
}

#[test]
fn a_child_of_fork_leaves_the_hidden_name_to_its_parent() {
    let name = TestName::alone("fallback-fork");
    let segment = SegmentName::new(name.as_str()).unwrap();
    let options = options();
    let deadline = Deadline::after(Duration::from_secs(60));
    let prepare = || create::prepare(&options.settings, &segment, u64::LAYOUT, 0, deadline, true);
    let made = without_unnamed::run(prepare).unwrap();
    let mut shm = Some(Shm::<u64>::new(Box::new(made)));
    let hidden = hidden_name(shm.as_ref().unwrap());
    let code = in_child(|| {
        drop(shm.take());
        i32::from(!exists(&hidden))
    });
    assert_eq!(code, 0);
    let owner = shm.unwrap();
    let published = owner.segment().publish(&options.settings, deadline, false);
    assert!(published.is_ok() && owner.is_current() && !exists(&hidden));
}

#[test]
fn the_hidden_names_of_other_users_stay() {
    if effective_user() != 0 {
        // An ordinary user cannot give a file away.
        return;
    }
    let name = format!("/given-away.shm-new-{:016x}", std::process::id());
    // It gets the hidden name after it has changed hands: until then any process of this user may remove it.
    let before = TestName::new("given-away");
    drop(shm::open_new(before.as_str()).unwrap());
    std::os::unix::fs::chown(before.path(), Some(12345), None).unwrap();
    shm::rename_new(before.as_str(), &name).unwrap();
    assert!(!remove_orphaned(&name).unwrap());
    shm::unlink(&name).unwrap();
    assert!(remove_orphaned(&name).is_err());
}
