//! Sequence locks and broadcasts.

use shm_core::ShmLayout;
use shm_core::sync::{Broadcast, SeqLock};

use super::reader::check_before;
use super::{DOCUMENT, Level, decode_py, open, u16_at, u32_at, u64_at, unique};

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Sample {
    number: u64,
    values: [u16; 4],
}

#[derive(ShmLayout)]
#[repr(C)]
struct OneWriter {
    latest: SeqLock<Sample, 3>,
    levels: Broadcast<Level, 4>,
}

fn sample(number: u16) -> Sample {
    Sample {
        number: number.into(),
        values: [number; 4],
    }
}

#[test]
fn sequence_locks_and_broadcasts_match_the_format() {
    let name = unique("one-writer");
    let shm = OneWriter::create(&name).unwrap();
    for number in 1..6 {
        shm.latest.store(sample(number)).unwrap();
    }
    let mut sender = shm.levels.sender().unwrap();
    for level in [
        Level::High,
        Level::Low,
        Level::None,
        Level::Low,
        Level::High,
    ] {
        sender.send(level).unwrap();
    }
    let guard = shm.latest.write().unwrap();
    let file = open(&name);
    let payload = check_before::<OneWriter>(&file, 2);
    // The claim, no waiters, the version; three slots of 128 bytes.
    assert_eq!((u32_at(&payload, 0), u32_at(&payload, 4)), (1, 0));
    assert_eq!(u64_at(&payload, 128), 5);
    for (slot, version) in [3, 4, 5].into_iter().enumerate() {
        let at = 256 + 128 * slot;
        assert_eq!(
            (u64_at(&payload, at), u16_at(&payload, at + 14)),
            (version, version as u16)
        );
    }
    guard.discard();
    let payload = check_before::<OneWriter>(&file, 2);
    assert_eq!((u32_at(&payload, 0), u64_at(&payload, 128)), (0, 5));
    // The claim, a sender has joined, no waiters; both counters; the fifth message replaces the first.
    let words = [0, 4, 8].map(|at| u32_at(&payload, 640 + at));
    assert_eq!(words, [1, 1, 0]);
    assert_eq!((u64_at(&payload, 768), u64_at(&payload, 776)), (5, 5));
    let high = Level::High as u16;
    assert_eq!(
        (u16_at(&payload, 896), u16_at(&payload, 900)),
        (high, Level::None as u16)
    );
    drop(sender);
    let payload = check_before::<OneWriter>(&file, 2);
    assert_eq!((u32_at(&payload, 640), u32_at(&payload, 644)), (0, 1));
    for meaning in ["seqlock", "slot", "broadcast"] {
        assert!(DOCUMENT.contains(&format!("| `{meaning}` |")), "{meaning}");
    }

    let Some(stdout) = decode_py(&name) else {
        return;
    };
    for line in [
        "0 latest: SeqLock, version 5",
        "512 latest.number: u64 = 5",
        "520 latest.values: [u16; 4] = [5, 5, 5, 5]",
        "640 levels: Broadcast, messages 1 to 4",
        "levels[1]: Level = Low",
        "levels[4]: Level = High",
    ] {
        assert!(stdout.contains(line), "{line:?} is missing in:\n{stdout}");
    }
    assert!(!stdout.contains("levels[0]"), "{stdout}");
}
