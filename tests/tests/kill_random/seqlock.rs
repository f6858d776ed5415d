//! Readers run next to a writer at full speed, and processes are killed and stopped at random instants.
//!
//! `SHM_SEQ_SECONDS` and `SHM_SYNC_KILLS` set the numbers for a long run.

use std::sync::atomic::Ordering::{Acquire, Release};
use std::time::{Duration, Instant};

use shm_core::sync::{SeqLock, WriteError};
use shm_core::{Shm, ShmLayout};
use shm_tests::{
    Block, DEADLINE, Names, Peer, RandomDelays, Stats, Timings, WaitSegment, count_from_env, peer,
    pid_namespaces,
};

/// A lock, and what its peers counted.
struct Field {
    lock: String,
    stats: String,
    shm: Shm<SeqLock<Block>>,
    counts: Shm<Stats>,
    _names: Names,
}

impl Field {
    fn new(tag: &str) -> Self {
        let names = Names::new(tag);
        let (lock, stats) = (names.name("lock"), names.name("stats"));
        let shm = SeqLock::create(&lock).unwrap();
        let counts = Stats::create(&stats).unwrap();
        Self {
            lock,
            stats,
            shm,
            counts,
            _names: names,
        }
    }

    fn looping(&self, mut peer: Peer, attach: &str, command: &str) -> Peer {
        peer.ok(&format!("seqlock {attach} {}", self.lock));
        peer.tell(&format!("seqlock {command} {}", self.stats));
        assert_eq!(peer.hear(), "looping");
        peer
    }

    fn stop(&self) {
        self.counts.stop.store(1, Release);
    }

    /// Nothing went wrong, and the last value is whole and matches its version.
    fn check(&self) {
        assert_eq!(self.counts.torn.load(Acquire), 0, "{:?}", self.counts);
        assert_eq!(self.counts.failed.load(Acquire), 0, "{:?}", self.counts);
        let (version, block) = self.shm.read_versioned().unwrap();
        assert!(block.is_numbered(version));
    }
}

#[test]
fn readers_see_whole_values_next_to_a_fast_writer() {
    let field = Field::new("seqlock-speed");
    let length = Duration::from_secs(count_from_env("SHM_SEQ_SECONDS", 1));
    let mut writer = field.looping(peer!(), "attach", "loop-write");
    let kinds = [
        "attach",
        "attach-read-only",
        "attach-read-only",
        "attach-read-only",
    ];
    let mut readers = kinds.map(|attach| field.looping(peer!(), attach, "loop-read"));
    let (start, before) = (Instant::now(), field.shm.version());
    // A waiting process also reads, and waits only for a version that exists.
    let mut version = before;
    while start.elapsed() < length {
        version = field.shm.wait_newer(version, DEADLINE).unwrap();
    }
    field.stop();
    assert_eq!(writer.hear(), "ok ");
    let mut total = 0;
    for reader in &mut readers {
        let answer = reader.hear();
        let numbers: Vec<u64> = answer
            .split(' ')
            .filter_map(|word| word.parse().ok())
            .collect();
        println!("{} reads, the longest {} µs", numbers[0], numbers[1]);
        assert!(numbers[0] > 0, "every reader makes progress");
        total += numbers[0];
    }
    field.check();
    let commits = field.shm.version() - before;
    println!(
        "{commits} commits, {total} reads of 4 KiB, {:?}",
        start.elapsed()
    );
}

/// Writers and readers at full speed; one after the other is killed at a random instant, some of them after being stopped.
fn torture(tag: &str, kills: u64, mut start: impl FnMut() -> Peer) {
    let field = Field::new(tag);
    let mut looping = |number: usize| match number {
        0 | 1 => field.looping(start(), "attach", "loop-write"),
        2 => field.looping(start(), "attach", "loop-read"),
        _ => field.looping(start(), "attach-read-only", "loop-read"),
    };
    let mut peers: Vec<Peer> = (0..4).map(&mut looping).collect();
    let mut instants = RandomDelays::new();
    let mut times = Vec::new();
    for number in 0..kills {
        instants.spin();
        // Writers more often.
        let victim = [0, 1, 2, 0, 1, 3][number as usize % 6];
        if number % 5 == 0 {
            // At a random instruction, for as long as many reads take.
            peers[victim].stop();
            for _ in 0..20 {
                let (version, block) = field.shm.read_versioned().unwrap();
                assert!(block.is_numbered(version));
            }
        }
        let killed = Instant::now();
        peers[victim].kill();
        let before = field.shm.version();
        // Whatever the dead process held, the others continue, and so can a new one.
        while field.shm.version() == before {
            assert!(killed.elapsed() < DEADLINE, "{:?}", field.shm);
            std::thread::yield_now();
        }
        times.push(killed.elapsed());
        match field.shm.write_timeout(DEADLINE) {
            Ok(guard) => {
                assert!(guard.is_numbered(field.shm.version()));
                guard.discard();
            }
            Err(WriteError::TimedOut(_)) => panic!("no progress: {:?}", field.shm),
            Err(error) => panic!("{error}"),
        }
        peers[victim] = looping(victim);
    }
    field.stop();
    for peer in &mut peers {
        assert!(peer.hear().starts_with("ok"));
    }
    field.check();
    assert!(field.counts.created.load(Acquire) > 0 && field.counts.attached.load(Acquire) > 0);
    println!(
        "{tag}: {kills} kills, {} reads; from a kill to the next commit: {}",
        field.counts.attached.load(Acquire),
        Timings::new(times)
    );
}

/// Two peers write alternately, slowly enough that the others sleep until there is a newer value; one of these cannot
/// request a wake-up. One after the other is killed at a random instant.
fn torture_of_waiters(tag: &str, kills: u64, mut start: impl FnMut() -> Peer) {
    let names = Names::new(tag);
    let (lock, shared) = (names.name("lock"), names.name("shared"));
    let shm = SeqLock::<Block>::create(&lock).unwrap();
    let seen = WaitSegment::create(&shared).unwrap();
    let mut looping = |number: usize| {
        let mut peer = start();
        let (attach, command) = match number {
            0..2 => ("attach", format!("loop-wait {shared} {number}")),
            2 => ("attach-read-only", format!("loop-wait {shared} {number}")),
            _ => ("attach", format!("loop-pace {shared}")),
        };
        peer.ok(&format!("seqlock {attach} {lock}"));
        peer.tell(&format!("seqlock {command}"));
        assert_eq!(peer.hear(), "looping");
        peer
    };
    let mut peers: Vec<Peer> = (0..5).map(&mut looping).collect();
    let mut instants = RandomDelays::new();
    let mut times = Vec::new();
    for number in 0..kills {
        instants.spin();
        // Waiting peers more often.
        let victim = [0, 1, 2, 0, 3, 1, 2, 4][number as usize % 8];
        let killed = Instant::now();
        peers[victim].kill();
        // All living peers get what is committed after that.
        let version = shm.version();
        for number in (0..3).filter(|number| *number != victim) {
            while seen.pongs[number].load(Acquire) <= version {
                assert!(
                    killed.elapsed() < DEADLINE,
                    "{:?} {:?}",
                    shm.version(),
                    seen.cell()
                );
                std::thread::yield_now();
            }
        }
        times.push(killed.elapsed());
        peers[victim] = looping(victim);
    }
    seen.stop.store(1, Release);
    // For the sleepers.
    shm.update(|block| *block = Block::numbered(block.number + 1))
        .unwrap();
    for peer in &mut peers {
        assert_eq!(peer.hear(), "ok ");
    }
    for wrong in [&seen.wrong, &seen.failed] {
        assert_eq!(wrong.load(Acquire), 0, "{:?}", seen.cell());
    }
    let (version, block) = shm.read_versioned().unwrap();
    assert!(block.is_numbered(version));
    println!(
        "{tag}: {kills} kills, {version} commits; from a kill until all that wait have a newer value: {}",
        Timings::new(times)
    );
}

#[test]
fn kills_of_others_never_strand_waits_for_newer_values() {
    torture_of_waiters(
        "seqlock-waiters",
        count_from_env("SHM_SYNC_KILLS", 60),
        || peer!(),
    );
}

#[test]
fn killed_writers_leave_whole_values_and_a_free_role() {
    torture(
        "seqlock-kills",
        count_from_env("SHM_SYNC_KILLS", 60),
        || peer!(),
    );
}

#[test]
fn kills_across_pid_namespaces_are_handled_alike() {
    let Some(start) = pid_namespaces(env!("CARGO_BIN_EXE_peer")) else {
        return;
    };
    let kills = count_from_env("SHM_SYNC_KILLS", 60) / 3;
    torture("seqlock-ns", kills, &start);
    torture_of_waiters("seqlock-waiters-ns", kills, &start);
}
