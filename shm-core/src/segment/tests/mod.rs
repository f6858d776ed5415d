//! The protocol between handles, inside one process. Locks belong to open file descriptions, so two handles of one process
//! behave to each other as handles of two processes do.

mod anonymous;
mod foreign;
mod list;
mod locks;
mod ownership;
mod supersede;
mod unpublished;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::lifetime::Users;
use super::{Shm, ShmOptions, Sweep, unlink};
use crate::access::{Access, ReadOnly};
use crate::error::{Existing, ShmError};
use crate::lock_byte::{ATTACH, NAME, OWNER};
use crate::shm_layout::ShmLayout;
use crate::sys::fork::in_child;
use crate::sys::lock::{self, LockKind};
use crate::sys::test_support::{TestName, error};
use crate::sys::{file, shm};

fn options() -> ShmOptions<u64> {
    ShmOptions::new()
}

/// For calls that are expected to time out.
fn impatient() -> ShmOptions<u64> {
    options().timeout(Duration::from_millis(5))
}

fn word<T: ShmLayout, A: Access>(shm: &Shm<T, A>) -> &AtomicU64 {
    // SAFETY: every type here starts with, or is, eight aligned bytes that are only accessed atomically, and the
    // borrow keeps them mapped.
    unsafe { AtomicU64::from_ptr(shm.as_ptr().cast_mut().cast()) }
}

fn get<T: ShmLayout, A: Access>(shm: &Shm<T, A>) -> u64 {
    word(shm).load(Ordering::Relaxed)
}

fn set<T: ShmLayout>(shm: &Shm<T>, value: u64) {
    word(shm).store(value, Ordering::Relaxed);
}

/// Leaves an orphaned segment: no handle exists, and the name was not removed.
fn orphaned(name: &TestName, value: u64) {
    let shm = options()
        .create_with(name.as_str(), |shm| set(shm, value))
        .unwrap();
    shm.disown();
    drop(shm);
    assert!(name.exists());
}

/// Sweeps the names that a test chooses: it must not remove those of other tests. What is removed was found before.
fn sweep_where(users: Users, wanted: impl Fn(&str) -> bool) -> Result<Vec<String>, ShmError> {
    let sweep = Sweep::new().names(wanted);
    let sweep = match users {
        Users::This => sweep,
        Users::All => sweep.all_users(),
    };
    let found = sweep.find()?;
    let removed = sweep.remove()?;
    assert!(
        removed.iter().all(|name| found.contains(name)),
        "{found:?} {removed:?}"
    );
    Ok(removed)
}

/// A second link to the file that has a name, which is removed when dropped.
struct Link(String);

impl Link {
    fn to(name: &TestName) -> Self {
        let link = Self(format!("{}-too", name.path()));
        std::fs::hard_link(name.path(), &link.0).unwrap();
        link
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn existing<T>(result: Result<T, ShmError>) -> Existing {
    match error(result) {
        ShmError::AlreadyExists { existing, .. } => existing,
        other => panic!("{other}"),
    }
}

#[test]
fn handles_read_what_others_write() {
    let name = TestName::new("basic");
    let made = options()
        .create_with(name.as_str(), |shm| set(shm, 5))
        .unwrap();
    let other = options().attach(name.as_str()).unwrap();
    let reader = options().attach_read_only(name.as_str()).unwrap();
    assert_eq!((get(&made), get(&other), get(&reader)), (5, 5, 5));
    set(&other, 6);
    assert_eq!((get(&made), get(&reader)), (6, 6));
    assert_eq!((made.name(), made.mapped_len()), (name.as_str(), 4096));
    assert_eq!(made.as_ptr().cast(), made.payload());
    assert_eq!(made.tail(), 0);
}

#[test]
fn a_large_segment_starts_as_zeros_and_is_reserved() {
    let name = TestName::new("large");
    let shm = ShmOptions::<[u64; 1 << 20]>::new()
        .create(name.as_str())
        .unwrap();
    let stat = file::stat(shm.segment().file()).unwrap();
    assert!(stat.allocated >= 8 << 20, "{stat:?}");
    assert_eq!(stat.len, shm.mapped_len() as u64);
    for index in [0, 1 << 19, (1 << 20) - 1] {
        // SAFETY: `index` is inside the array.
        let place = unsafe { shm.as_ptr().cast::<u64>().add(index) };
        // SAFETY: the place is aligned, mapped and only accessed atomically.
        let word = unsafe { AtomicU64::from_ptr(place.cast_mut()) };
        assert_eq!(word.load(Ordering::Relaxed), 0);
    }
}

#[test]
fn options_reach_the_file_and_the_mapping() {
    let name = TestName::new("options");
    let sparse = ShmOptions::<[u64; 1 << 17]>::new()
        .mode(0o640)
        .sparse(true)
        .create(name.as_str())
        .unwrap();
    let stat = file::stat(sparse.segment().file()).unwrap();
    assert_eq!(stat.mode & 0o7777, 0o640);
    assert!(stat.allocated < 1 << 20);

    let populated = ShmOptions::<[u64; 1 << 17]>::new()
        .populate(true)
        .huge_pages(true)
        .attach(name.as_str())
        .unwrap();
    assert!(file::stat(populated.segment().file()).unwrap().allocated >= 1 << 20);

    drop((sparse, populated));
    let group = nix::unistd::getegid().as_raw();
    let locked = options()
        .group(group)
        .lock_in_memory(true)
        .create(name.as_str())
        .unwrap();
    assert!(locked.is_current());
}

#[test]
fn a_mode_beyond_the_permission_bits_is_an_error() {
    let name = TestName::new("mode");
    for refused in [
        error(options().mode(0o7640).create(name.as_str())),
        error(options().mode(0o1600).open_or_create(name.as_str())),
        error(options().mode(0o10600).create_anonymous()),
    ] {
        assert!(refused.to_string().contains("up to 0o777"), "{refused}");
    }
    assert!(!name.exists());
}

#[test]
fn no_space_says_how_much_is_available() {
    let name = TestName::new("no-space");
    let refused = error(ShmOptions::<[u8; 1 << 60]>::new().create(name.as_str()));
    match &refused {
        ShmError::NoSpace {
            needed, available, ..
        } => {
            assert!(*needed > 1 << 60);
            assert!(*available < 1 << 60);
        }
        other => panic!("{other}"),
    }
    assert!(refused.to_string().contains(name.as_str()));
    assert!(!name.exists());
}

#[test]
fn the_owner_removes_the_name_and_the_bytes_outlive_it() {
    let name = TestName::new("owner");
    let owner = options().create(name.as_str()).unwrap();
    let peer = options().attach(name.as_str()).unwrap();
    assert!(owner.is_current() && peer.is_current());
    drop(owner);
    assert!(!name.exists());
    assert!(!peer.is_current());
    set(&peer, 9);
    assert_eq!(get(&peer), 9);
    assert!(matches!(
        error(options().attach(name.as_str())),
        ShmError::NotFound { .. }
    ));
}

#[test]
fn dropping_an_attached_handle_keeps_the_name() {
    let name = TestName::new("peer");
    let owner = options().create(name.as_str()).unwrap();
    drop(options().attach(name.as_str()).unwrap());
    drop(options().attach_read_only(name.as_str()).unwrap());
    assert!(owner.is_current());
}

#[test]
fn the_name_goes_with_the_last_of_several_owners_in_any_order() {
    for keep in 0..3 {
        let name = TestName::new("co-owner");
        let mut owners = vec![
            options()
                .open_or_create_with(name.as_str(), |shm| set(shm, 1))
                .unwrap(),
            options()
                .open_or_create_with(name.as_str(), |_| panic!("it exists"))
                .unwrap(),
            options().open_or_create(name.as_str()).unwrap(),
        ];
        let last = owners.swap_remove(keep);
        drop(owners);
        assert!(last.is_current());
        assert_eq!(get(&last), 1);
        drop(last);
        assert!(!name.exists());
    }
}

#[test]
fn the_segment_outlives_the_handle_that_created_it() {
    let name = TestName::new("joined");
    let owner = options().create(name.as_str()).unwrap();
    let joined = options().open_or_create(name.as_str()).unwrap();
    drop(owner);
    assert!(joined.is_current());
    drop(joined);
    assert!(!name.exists());
}

#[test]
fn a_live_segment_is_not_replaced() {
    let name = TestName::new("live");
    let owner = options().create(name.as_str()).unwrap();
    assert_eq!(existing(options().create(name.as_str())), Existing::Live);
    assert!(owner.is_current());
    // Nor is one whose owner was killed while a peer lives.
    let peer = options().attach_read_only(name.as_str()).unwrap();
    owner.disown();
    drop(owner);
    assert_eq!(existing(options().create(name.as_str())), Existing::Live);
    drop(peer);
    drop(options().create(name.as_str()).unwrap());
}

#[test]
fn create_replaces_orphans_and_other_calls_attach_to_them() {
    let name = TestName::new("orphan");
    orphaned(&name, 7);
    assert_eq!(get(&options().attach(name.as_str()).unwrap()), 7);
    let joined = options().open_or_create(name.as_str()).unwrap();
    assert_eq!(get(&joined), 7);
    drop(joined);
    assert!(!name.exists());

    orphaned(&name, 7);
    let fresh = options()
        .timeout(Duration::ZERO)
        .create(name.as_str())
        .unwrap();
    assert_eq!(get(&fresh), 0);
    assert!(fresh.is_current());
}

#[test]
fn an_orphan_of_another_type_is_replaced() {
    let name = TestName::new("orphan-type");
    orphaned(&name, 7);
    assert!(matches!(
        error(ShmOptions::<f64>::new().attach(name.as_str())),
        ShmError::LayoutMismatch { .. }
    ));
    assert!(
        ShmOptions::<f64>::new()
            .create(name.as_str())
            .unwrap()
            .is_current()
    );

    // Equal peers, after a crash and an upgrade.
    orphaned(&name, 7);
    let upgraded = ShmOptions::<f64>::new()
        .open_or_create(name.as_str())
        .unwrap();
    assert!(upgraded.is_current());
    assert_eq!(upgraded.get(), 0.0);
    // Peers of another version do not replace a segment in use.
    assert!(matches!(
        error(options().open_or_create(name.as_str())),
        ShmError::LayoutMismatch { .. }
    ));
    assert!(upgraded.is_current());
}

#[test]
fn another_type_is_reported_by_its_first_difference() {
    let name = TestName::new("mismatch");
    let _owner = options().create(name.as_str()).unwrap();
    let refused = error(ShmOptions::<f64>::new().attach(name.as_str()));
    let text = refused.to_string();
    assert!(
        text.starts_with(&format!(
            "segment `{}` holds a `u64`, but this program expects a `f64`: the payload is ",
            name.as_str()
        )),
        "{text}"
    );
    assert!(
        text.contains("in the segment and") && text.contains("in this program"),
        "{text}"
    );
    assert!(matches!(
        error(ShmOptions::<f64>::new().open_or_create(name.as_str())),
        ShmError::LayoutMismatch { .. }
    ));
}

#[test]
fn persistent_segments_stay_until_unlinked() {
    let name = TestName::new("persist");
    let owner = options()
        .create_with(name.as_str(), |shm| set(shm, 3))
        .unwrap();
    let peer = options().open_or_create(name.as_str()).unwrap();
    peer.persist().unwrap();
    drop(peer);
    drop(owner);
    assert!(name.exists());
    assert_eq!(
        existing(options().create(name.as_str())),
        Existing::Persistent
    );
    let again = options().open_or_create(name.as_str()).unwrap();
    assert_eq!(get(&again), 3);
    drop(again);
    assert!(name.exists());
    unlink(name.as_str()).unwrap();
    assert!(!name.exists());
    assert!(matches!(
        error(unlink(name.as_str())),
        ShmError::NotFound { .. }
    ));
}

#[test]
fn persist_works_while_the_segment_has_no_name_yet() {
    let name = TestName::new("persist-early");
    drop(
        options()
            .create_with(name.as_str(), |shm| shm.persist().unwrap())
            .unwrap(),
    );
    assert!(name.exists());
}

#[test]
fn a_handle_never_removes_or_keeps_a_name_that_leads_elsewhere() {
    let name = TestName::new("elsewhere");
    let first = options().create(name.as_str()).unwrap();
    first.unlink().unwrap();
    let second = options().create(name.as_str()).unwrap();
    assert!(!first.is_current());
    assert!(matches!(error(first.unlink()), ShmError::NotFound { .. }));
    assert!(matches!(error(first.persist()), ShmError::NotFound { .. }));
    drop(first);
    assert!(second.is_current());
}

#[test]
fn a_read_only_handle_can_unlink() {
    let name = TestName::new("ro-unlink");
    let _owner = options().create(name.as_str()).unwrap();
    let reader: Shm<u64, ReadOnly> = options().attach_read_only(name.as_str()).unwrap();
    reader.unlink().unwrap();
    assert!(!name.exists());
}

#[test]
fn no_name_exists_during_init_or_after_it_panics() {
    let name = TestName::new("init");
    let outcome = std::panic::catch_unwind(|| {
        options().create_with(name.as_str(), |shm| {
            assert!(!name.exists() && !shm.is_current());
            assert!(matches!(error(shm.unlink()), ShmError::NotFound { .. }));
            std::panic::resume_unwind(Box::new("on purpose"));
        })
    });
    assert_eq!(
        outcome
            .err()
            .and_then(|payload| payload.downcast_ref::<&str>().copied()),
        Some("on purpose")
    );
    assert!(!name.exists());
}

#[test]
fn losing_the_race_for_a_name_changes_nothing() {
    let name = TestName::new("race");
    let mut winner = None;
    let lost = options().create_with(name.as_str(), |_| {
        winner = options().create(name.as_str()).ok()
    });
    assert_eq!(existing(lost), Existing::Live);
    assert!(winner.is_some_and(|shm| shm.is_current()));

    // With open_or_create the loser attaches to the winner's segment.
    let mut winner = None;
    let joined = options()
        .open_or_create_with(name.as_str(), |_| {
            winner = options().create_with(name.as_str(), |shm| set(shm, 8)).ok();
        })
        .unwrap();
    assert_eq!(get(&joined), 8);
    drop(winner);
    assert!(joined.is_current());
}

#[test]
fn creators_of_one_name_never_both_win() {
    let name = TestName::new("creators");
    for _ in 0..50 {
        orphaned(&name, 1);
        let results: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| options().create(name.as_str())))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        let won: Vec<_> = results
            .iter()
            .filter_map(|result| result.as_ref().ok())
            .collect();
        assert_eq!(won.len(), 1);
        assert!(won[0].is_current());
        drop(results);
        assert!(!name.exists());
    }
}

#[test]
fn equal_peers_never_lose_an_owned_name() {
    let name = TestName::new("peers");
    let come_and_go = || {
        for _ in 0..200 {
            let shm = options()
                .timeout(Duration::from_secs(60))
                .open_or_create(name.as_str())
                .unwrap();
            // An owner holds the name, and no thread unlinks it explicitly.
            assert!(shm.is_current());
        }
    };
    std::thread::scope(|scope| {
        let peers: Vec<_> = (0..4).map(|_| scope.spawn(come_and_go)).collect();
        for peer in peers {
            peer.join().unwrap();
        }
    });
    assert!(!name.exists());
}

#[test]
fn a_child_of_fork_leaves_the_name_to_its_parent() {
    let name = TestName::alone("fork");
    let mut owner = Some(options().create(name.as_str()).unwrap());
    let code = in_child(|| {
        drop(owner.take());
        i32::from(!name.exists())
    });
    assert_eq!(code, 0);
    assert!(owner.as_ref().is_some_and(Shm::is_current));
    // The parent still has its locks, although the child closed its copy of the descriptor.
    assert_eq!(existing(options().create(name.as_str())), Existing::Live);
    drop(owner);
    assert!(!name.exists());
}

#[test]
fn an_error_of_init_reaches_the_caller_and_nothing_is_published() {
    let name = TestName::new("init");
    let failing = |_: &Shm<[u64; 2]>| -> Result<(), Box<dyn std::error::Error>> {
        Err("the configuration is missing".into())
    };
    let text = |error: Box<dyn std::error::Error>| error.to_string();

    let refused = text(<[u64; 2]>::create_with(name.as_str(), failing).unwrap_err());
    assert_eq!(refused, "the configuration is missing");
    let refused = text(<[u64; 2]>::open_or_create_with(name.as_str(), failing).unwrap_err());
    assert_eq!(refused, "the configuration is missing");
    let refused = text(
        <[u64; 2]>::options()
            .create_anonymous_with(failing)
            .unwrap_err(),
    );
    assert_eq!(refused, "the configuration is missing");
    assert!(!name.exists());

    // Errors about the segment come through the same type, with its name.
    let held = <[u64; 2]>::create_with(name.as_str(), |_| Ok::<(), ShmError>(())).unwrap();
    let refused = text(<[u64; 2]>::create_with(name.as_str(), failing).unwrap_err());
    assert!(
        refused.contains(&format!("segment `{}`", name.as_str())),
        "{refused}"
    );
    drop(held);
}

#[test]
fn the_closure_of_create_with_may_only_panic() {
    let name = TestName::new("panics");
    let panicked = std::panic::catch_unwind(|| {
        let _ = <[u64; 2]>::create_with(name.as_str(), |_| {
            std::panic::resume_unwind(Box::new("on purpose"))
        });
    });
    assert!(panicked.is_err());
    assert!(!name.exists());
}
