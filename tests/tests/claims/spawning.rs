//! A process that is killed while a program that it starts by `posix_spawn` hangs before `exec`. The child shares its memory, so
//! the process counts as alive until the program runs or the child ends.

use std::fs::{File, remove_file};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};
use shm_core::segment::Existing;
use shm_core::sync::{Broadcast, ClaimError, LockError};
use shm_core::{ShmError, ShmLayout};
use shm_tests::lock_bytes::lock;
use shm_tests::{DEADLINE, Guarded, Names, SmallValue, Telemetry, peer};

type Queue = Broadcast<SmallValue, 5>;

/// A FIFO. Dropping it lets the process go on that hangs in opening it.
struct Fifo(PathBuf);

impl Fifo {
    fn new(names: &Names) -> Self {
        // Not in the folder for temporary files, whose path may have spaces, where a command to a peer has words.
        let path = Names::path(&names.name("fifo"));
        mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR).unwrap();
        Self(path)
    }

    /// Lets the reader go on, if there is one.
    fn open(&self) {
        let mut options = File::options();
        let _ = options
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(&self.0);
    }
}

impl Drop for Fifo {
    fn drop(&mut self) {
        self.open();
        let _ = remove_file(&self.0);
    }
}

/// What a process holds stays held while its child hangs, and becomes free by `release`, which gets the child's id.
fn hangs(tag: &str, release: impl FnOnce(&Fifo, Pid)) {
    let names = Names::new(tag);
    let [name, late, own] = ["t", "late", "own"].map(|part| names.name(part));
    let (shm, queue) = (
        Guarded::create(&name).unwrap(),
        Queue::create(&late).unwrap(),
    );
    let fifo = Fifo::new(&names);
    let mut owner = peer!("claims attach {name}");
    assert_eq!(lock(&mut owner, "forever"), "held");
    let child = owner.ok(&format!("spawn-hanging {}", fifo.0.display()));
    // What it takes part in and creates after its child was made is no exception.
    owner.ok(&format!("broadcast attach {late}"));
    owner.ok("broadcast sender");
    owner.ok(&format!("open s create {own}"));
    owner.kill();

    let monitor = Queue::attach_read_only(&late).unwrap();
    let orphan = Telemetry::attach_read_only(&own).unwrap();
    let patient = Duration::from_millis(60);
    for _ in 0..2 {
        assert!(matches!(shm.lock.try_lock(), Err(LockError::WouldBlock(_))));
        let locked = shm.lock.lock_timeout(patient);
        assert!(matches!(locked, Err(LockError::TimedOut(_))));
        let claimed = queue.sender_timeout(patient);
        assert!(matches!(claimed, Err(ClaimError::Taken(_))));
        assert!(monitor.sender_owner().is_some_and(|owner| owner.is_alive()));
        assert!(orphan.has_owner());
    }
    drop(orphan);
    let created = Telemetry::create(&own).map(drop);
    let existing = match created {
        Err(ShmError::AlreadyExists { existing, .. }) => Some(existing),
        _ => None,
    };
    assert_eq!(existing, Some(Existing::Live));

    release(&fifo, Pid::from_raw(child.parse().unwrap()));
    let locked = shm.lock.lock_timeout(DEADLINE);
    assert!(matches!(locked, Err(LockError::OwnerDied(_))));
    assert!(queue.sender_timeout(DEADLINE).is_ok());
    let start = Instant::now();
    while let Err(error) = Telemetry::create(&own) {
        assert!(start.elapsed() < DEADLINE, "{error}");
        std::thread::yield_now();
    }
}

#[test]
fn a_child_that_hangs_before_exec_keeps_its_parents_claims() {
    hangs("spawn-exec", |fifo, _| fifo.open());
}

#[test]
fn killing_a_child_that_hangs_before_exec_frees_the_claims() {
    hangs("spawn-kill", |_, child| {
        kill(child, Signal::SIGKILL).unwrap()
    });
}
