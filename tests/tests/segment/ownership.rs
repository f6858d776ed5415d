//! When a process becomes an owner: last of all, so that a refused call has changed nothing.

use std::fs;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::Barrier;
use std::thread;

use shm_core::ShmLayout;
use shm_tests::lock_bytes::{is_locked_exclusively, participant};
use shm_tests::{Guarded, Names, Peer, Samples, Telemetry, peer};

/// A user that owns nothing.
const STRANGER: u32 = 54321;

#[test]
fn an_orphaned_segment_of_another_length_is_replaced() {
    let names = Names::new("length-orphaned");
    let name = names.name("t");
    let (mut owner, mut next) = (peer!(), peer!());
    owner.ok(&format!("open s create {name} samples=8"));
    owner.ok("store s 9");
    owner.kill();
    next.ok(&format!("open s join {name} samples=16"));
    assert_eq!(next.ok("load s"), "16 0");
    next.ok("drop s");
    assert!(!Names::exists(&name));

    // One of the same length is opened.
    let mut owner = peer!();
    owner.ok(&format!("open s create {name} samples=8"));
    owner.ok("store s 9");
    owner.kill();
    next.ok(&format!("open s join {name} samples=8"));
    assert_eq!(next.ok("load s"), "8 72");
}

#[test]
fn a_refused_length_keeps_the_orphaned_segment() {
    let names = Names::new("length-impossible");
    let name = names.name("t");
    let (mut owner, mut other) = (peer!(), peer!());
    owner.ok(&format!("open s create {name} samples=8"));
    owner.ok("store s 9");
    owner.kill();
    for (samples, refusal) in [(1 << 40, "NoSpace"), (usize::MAX, "Os")] {
        other.refused(&format!("open s join {name} samples={samples}"), refusal);
        assert!(Names::exists(&name), "{refusal}");
    }
    other.ok(&format!("open s join {name} samples=8"));
    assert_eq!(other.ok("load s"), "8 72");
}

#[test]
fn another_length_never_replaces_a_live_segment() {
    let names = Names::new("length-live");
    let name = names.name("t");
    let (mut owner, mut attached, mut other) = (peer!(), peer!(), peer!());
    owner.ok(&format!("open s create {name} samples=8"));
    owner.ok("store s 9");
    attached.ok(&format!("open s attach {name} samples=8"));
    for _ in 0..2 {
        let text = other.refused(&format!("open s join {name} samples=16"), "LayoutMismatch");
        assert!(
            text.contains("8 elements in the segment, and this program requires 16"),
            "{text}"
        );
        assert_eq!(attached.ok("current s"), "true");
        // The second time without an owner.
        if owner.ask("load s") == "ok 8 72" {
            owner.kill();
            owner = peer!();
        }
    }
    other.ok(&format!("open s attach {name} samples=8"));
    assert_eq!(other.ok("load s"), "8 72");

    // A persistent segment is not orphaned.
    attached.ok("persist s");
    attached.end();
    other.ok("drop s");
    other.refused(&format!("open s join {name} samples=16"), "LayoutMismatch");
    other.ok(&format!("open s join {name} samples=8"));
    assert_eq!(other.ok("load s"), "8 72");
    other.ok("unlink s");
}

#[test]
fn open_without_free_descriptors_keeps_the_name() {
    let names = Names::new("shortage");
    let name = names.name("t");
    let mut owner = peer!();
    owner.ok(&format!("claims create {name}"));
    owner.kill();
    for files in 3..=5 {
        let mut poor = peer!();
        poor.ok(&format!("limit files {files}"));
        let text = match files {
            // Enough for the segment and for the participant's file.
            5 => {
                poor.ok(&format!("claims join {name}"));
                break;
            }
            _ => poor.refused(&format!("claims join {name}"), "Os"),
        };
        assert!(text.contains("ulimit -n"), "{text}");
        assert!(Names::exists(&name), "with {files} descriptors");
    }
    // The process that could open it was its last owner.
    assert!(!Names::exists(&name));
}

#[test]
fn unlink_without_free_descriptors_keeps_the_name() {
    let names = Names::new("unlink-shortage");
    let name = names.name("t");
    let mut poor = peer!("open s create {name}");
    poor.ok("limit files 3");
    for call in [
        "unlink s".to_owned(),
        "persist s".to_owned(),
        format!("remove {name}"),
    ] {
        let text = poor.refused(&call, "Os");
        assert!(text.contains("ulimit -n"), "{call}: {text}");
        assert!(Names::exists(&name), "{call}");
    }
}

#[test]
fn a_read_only_peer_never_causes_the_names_removal() {
    let names = Names::new("reader");
    let name = names.name("t");
    let (mut owner, mut pinning) = (peer!(), peer!());
    owner.ok(&format!("claims create {name}"));
    let reader = Guarded::attach_read_only(&name).unwrap();
    owner.kill();
    pinning.ok(&format!("claims pin-ids {name} 1 1000000"));
    let text = peer!().refused(&format!("claims join {name} 20"), "Busy");
    assert!(text.contains("new participants"), "{text}");
    assert!(reader.is_current());
    drop(pinning);
    peer!().ok(&format!("claims join {name}"));
    assert!(!reader.is_current());
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[test]
fn a_refused_open_never_holds_the_owner_lock() {
    use shm_tests::lock_bytes::{OWNER, is_locked};

    let names = Names::new("refused");
    let name = names.name("t");
    let mut owner = peer!();
    owner.ok(&format!("open s create {name} samples=8"));
    let attached = Samples::attach(&name).unwrap();
    owner.kill();
    let (mut refused, mut held) = (peer!(), 0);
    // After its answer, it has finished starting.
    refused.ok("pid");
    let held_now = || u32::from(is_locked(&name, OWNER).unwrap());
    for (how, what) in [
        (format!("open s join {name} samples=9"), "another length"),
        (format!("open s join {name}"), "another type"),
    ] {
        let command = format!("between {how}");
        let calls = shm_tests::step::at_each_call(&mut refused, &command, || held += held_now());
        let answer = refused.hear();
        assert!(answer.starts_with("err LayoutMismatch"), "{answer}");
        assert!(calls > 10, "{calls}");
        assert_eq!(held, 0, "{what}");
    }
    // A call that succeeds does hold the lock.
    let command = format!("between open s join {name} samples=8");
    shm_tests::step::at_each_call(&mut refused, &command, || held += held_now());
    assert_eq!(refused.hear(), "ok ");
    assert!(held > 0);
    assert!(attached.is_current());
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[test]
fn open_creates_anew_if_the_last_owner_leaves_meanwhile() {
    let names = Names::new("gone");
    let name = names.name("t");
    let mut opener = peer!();
    opener.ok("pid");
    for stop in 1.. {
        let mut owner = Some(Telemetry::create(&name).unwrap());
        let mut stops = 0;
        let command = format!("between open s join {name} frame=3 timeout=0");
        let calls = shm_tests::step::at_each_call(&mut opener, &command, || {
            stops += 1;
            if stops == stop {
                owner = None;
            }
        });
        assert_eq!(opener.hear(), "ok ", "{stop}");
        assert_eq!(opener.ok("current s"), "true", "{stop}");
        opener.ok("drop s");
        assert_eq!(Names::exists(&name), owner.is_some());
        if stop > calls {
            assert!(calls > 10, "{calls}");
            break;
        }
    }
}

/// Kills an owner at each system call of its drop, after `share` has given its locks to another process. What `share` returns
/// keeps them.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn kill_in_drop<R>(tag: &str, mut share: impl FnMut(&mut Peer) -> R) {
    let names = Names::new(tag);
    let mut other = peer!();
    for stop in 1.. {
        let name = names.name(&format!("t{stop}"));
        let mut owner = peer!();
        owner.ok(&format!("open s create {name} frame=3"));
        let shared = share(&mut owner);
        let killed = shm_tests::step::kill_at_call(owner, "between drop s", stop);
        let answer = other.ask(&format!("open s join {name} frame=4 timeout=100"));
        drop(shared);
        assert_eq!(answer, "ok ", "{stop}");
        assert_eq!(other.ok("current s"), "true", "{stop}");
        other.ok("unlink s");
        other.ok("drop s");
        if !killed {
            assert!(stop > 10, "{stop}");
            break;
        }
    }
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[test]
fn a_last_owner_killed_in_drop_leaves_no_lock() {
    kill_in_drop("going-alone", |_| ());
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[test]
fn a_last_owner_killed_in_drop_leaves_no_lock_to_children() {
    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    struct Child(Pid);
    impl Drop for Child {
        fn drop(&mut self) {
            kill(self.0, Signal::SIGKILL).unwrap();
        }
    }
    kill_in_drop("going", |owner| {
        Child(Pid::from_raw(owner.ok("fork-idle").parse().unwrap()))
    });
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[test]
fn a_last_owner_killed_in_drop_leaves_no_lock_to_descriptors() {
    use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

    kill_in_drop("going-lent", |owner| {
        let number = owner.ok("fd s").parse().unwrap();
        let pid = Pid::from_raw(owner.pid().cast_signed()).unwrap();
        let process = pidfd_open(pid, PidfdFlags::empty()).unwrap();
        pidfd_getfd(process, number, PidfdGetfdFlags::empty()).unwrap()
    });
}

#[test]
fn concurrent_opens_after_an_upgrade_get_one_segment() {
    const PEERS: usize = 3;
    let names = Names::new("upgrade");
    let name = names.name("t");
    for _ in 0..40 {
        // Of another type, as an older program left it.
        let mut older = peer!();
        older.ok(&format!("open s create {name}"));
        older.kill();
        let (start, end) = (Barrier::new(PEERS), Barrier::new(PEERS));
        let opened: Vec<_> = thread::scope(|scope| {
            let open = || {
                start.wait();
                let opened = Samples::open_or_create_with_len(&name, 8);
                // All are there before the first handle is dropped.
                end.wait();
                opened.map(|shm| shm.is_current())
            };
            let threads: Vec<_> = (0..PEERS).map(|_| scope.spawn(open)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        for current in opened {
            assert!(current.unwrap());
        }
        assert!(!Names::exists(&name));
    }
}

/// At each system call of the creator, another process begins to attach, and holds the lock until the creator sleeps.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[test]
fn refused_attaches_never_block_a_creator() {
    use shm_tests::lock_bytes::{ATTACH, is_locked};
    use shm_tests::step::Stepper;

    let names = Names::new("transient");
    let name = names.name("t");
    let (mut creator, mut refused) = (peer!(), peer!());
    // After its answer, a peer has finished starting.
    for peer in [&mut creator, &mut refused] {
        peer.ok("pid");
    }
    let mut met = 0;
    for stop in 0.. {
        let mut older = peer!();
        older.ok(&format!("open s create {name}"));
        older.kill();
        let command = format!("between open s create {name} frame=3 timeout=100000");
        let mut creating = Stepper::begin(&mut creator, &command);
        let reached = (0..stop).all(|_| creating.step());
        // Of another type, so it only holds the lock for a moment.
        let command = format!("between open s attach {name} samples=8");
        let mut attaching = Stepper::begin(&mut refused, &command);
        while attaching.step() && !is_locked(&name, ATTACH).unwrap_or(false) {}
        while creating.step() && !creating.is_at_sleep() {}
        met += u32::from(creating.is_at_sleep());
        let answer = attaching.finish();
        assert!(answer.starts_with("err "), "{stop}: {answer}");
        assert_eq!(creating.finish(), "ok ", "{stop}");
        creator.ok("drop s");
        if !reached {
            assert!(stop > 20, "{stop}");
            break;
        }
    }
    // Before the creator's first look, and before its look at what has the name after all.
    assert!(met >= 2, "{met}");
}

#[test]
fn an_owner_with_a_replaced_descriptor_removes_no_name() {
    let names = Names::new("replaced");
    let (name, elsewhere) = (names.name("t"), names.name("elsewhere"));
    let path = Names::path(&elsewhere);
    let replace = format!("replace-descriptor s {}", path.display());
    let (mut one, mut two) = (peer!(), peer!());
    // An unrelated file that nobody locks.
    fs::write(&path, b"contents").unwrap();

    // Another owner lives.
    one.ok(&format!("open s join {name} frame=3"));
    two.ok(&format!("open s join {name}"));
    one.ok(&replace);
    one.ok("drop s");
    assert_eq!(two.ok("current s"), "true");
    two.ok("drop s");
    assert!(!Names::exists(&name));

    // The segment was made persistent.
    one.ok(&format!("open s join {name} frame=3"));
    two.ok(&format!("open s attach {name}"));
    two.ok("persist s");
    one.ok(&replace);
    one.ok("drop s");
    assert_eq!(two.ok("current s"), "true");
    two.ok("unlink s");
    two.ok("drop s");

    // The owner cannot remove the name, so the segment is orphaned.
    one.ok(&format!("open s join {name} frame=3"));
    one.ok(&replace);
    one.ok("drop s");
    assert!(Names::exists(&name));
    two.ok(&format!("open s create {name} frame=4"));
    assert_eq!(fs::read(&path).unwrap(), b"contents");
    fs::remove_file(&path).unwrap();
}

#[test]
fn a_creator_with_a_replaced_descriptor_publishes_nothing() {
    let names = Names::new("replaced-early");
    let (name, elsewhere) = (names.name("t"), names.name("elsewhere"));
    let other = Telemetry::create(&elsewhere).unwrap();
    let error = Telemetry::options()
        .mode(0o644)
        .create_with(&name, |shm| {
            let number = shm.as_fd().as_raw_fd();
            let other = other.as_fd().as_raw_fd();
            // SAFETY: the number stays the handle's and stays open. What it leads to is what the test is about.
            let replaced = unsafe { libc::dup2(other, number) };
            assert_eq!(replaced, number);
        })
        .unwrap_err();
    assert!(error.to_string().contains("Bad file descriptor"), "{error}");
    assert!(!Names::exists(&name));
    let metadata = fs::metadata(Names::path(&elsewhere)).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    assert_eq!(metadata.nlink(), 1);
}

#[test]
fn segments_never_use_descriptors_0_to_2() {
    let names = Names::new("standard");
    let name = names.name("t");
    peer!().ok(&format!("fork-closed-stdio {name}"));
    assert!(!Names::exists(&name));
}

/// As an ordinary user, who needs the permissions of the file's mode.
fn ordinary() -> Peer {
    let mut peer = peer!();
    if nix::unistd::geteuid().is_root() {
        peer.ok(&format!("setuid {STRANGER}"));
    }
    peer
}

#[test]
fn a_umask_without_owner_permissions_is_harmless() {
    let names = Names::new("umask-claims");
    let name = names.name("t");
    for umask in ["000", "022", "200", "400", "600", "777"] {
        let mut peer = ordinary();
        peer.ok(&format!("umask {umask}"));
        peer.ok(&format!("claims create {name}"));
        let mode = fs::metadata(Names::path(&name)).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600, "{umask}");
        assert!(is_locked_exclusively(&name, participant(1)).unwrap());
        peer.kill();
        let mut peer = ordinary();
        peer.ok(&format!("umask {umask}"));
        peer.ok(&format!("claims join {name}"));
        assert!(!Names::exists(&name), "{umask}");
        peer.end();
    }
}
