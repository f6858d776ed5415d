//! Peers that write anything into the words of a sequence lock.

use std::sync::atomic::Ordering::{Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};
use std::time::Duration;

use shm_core::layout::LayoutKind;
use shm_core::sync::{ReadError, SeqLock, WriteError};
use shm_core::{ShmCell, ShmLayout, TypeLayout};
use shm_tests::{RandomDelays, next_to};

use super::Lock;

/// The offsets of the words before the slots.
fn words(layout: &TypeLayout) -> Vec<(usize, usize)> {
    let LayoutKind::Meaning { inner, .. } = layout.kind() else {
        panic!("{layout}");
    };
    let fields = inner.fields().iter();
    fields
        .filter(|field| field.name() != "slots")
        .map(|field| (field.offset(), field.layout().size()))
        .collect()
}

#[test]
fn reads_end_while_a_peer_changes_the_version_forever() {
    let shm = SeqLock::<[u64; 1 << 15], 3>::create_anonymous().unwrap();
    let (at, _) = words(SeqLock::<[u64; 1 << 15], 3>::LAYOUT)[2];
    let place = shm.as_ptr().cast::<u8>().cast_mut().wrapping_add(at);
    // SAFETY: the version of a live, writable mapping, aligned, and only accessed atomically.
    let version = unsafe { AtomicU64::from_ptr(place.cast()) };
    let done = AtomicBool::new(false);
    shm_tests::scope(|scope| {
        scope.start(|| {
            while !done.load(Relaxed) {
                version.fetch_add(1000, Relaxed);
            }
        });
        // A copy is whole if the peer happens to pause for as long as it takes.
        let read = shm.read_boxed();
        let mut out = Box::new([1; 1 << 15]);
        let read_into = shm.read_into(&mut out);
        let looked = shm.read_with(|value| value[5].get());
        done.store(true, Release);
        assert!(
            matches!(read, Ok(_) | Err(ReadError::Contended)),
            "{read:?}"
        );
        assert!(
            matches!(read_into, Ok(()) | Err(ReadError::Contended)),
            "{read_into:?}"
        );
        assert!(
            matches!(looked, Ok(0) | Err(ReadError::Contended)),
            "{looked:?}"
        );
    });
}

/// In all ways that have no timeout.
fn write_patiently(shm: &Lock, number: u64) {
    let change = |value: &mut [u64; 8]| std::mem::replace(&mut value[0], number);
    let (_, last) = shm.update(change).unwrap();
    let write = |slot: &ShmCell<[u64; 8]>| {
        slot.fill(last);
        slot[7].get()
    };
    assert_eq!(shm.write_with(write).unwrap().1, last);
    shm.store_from(&[number; 8]).unwrap();
}

#[test]
fn random_words_in_a_sequence_lock_are_harmless() {
    let shm = Lock::create_anonymous().unwrap();
    let reader = shm.read_only();
    let words = words(Lock::LAYOUT);
    assert_eq!(words.len(), 3);
    let base = shm.as_ptr().addr();
    let overwrite = |random: &mut RandomDelays| {
        for (offset, size) in &words {
            let at = std::ptr::with_exposed_provenance_mut::<u8>(base + offset);
            // Small numbers too, such as the ids of living processes.
            let value = random.next_number() >> (random.next_number() % 64);
            if *size == 4 {
                // SAFETY: a word of a live, writable mapping, aligned, and only accessed atomically.
                unsafe { AtomicU32::from_ptr(at.cast()) }.store(value as u32, Relaxed);
            } else {
                // SAFETY: as above.
                unsafe { AtomicU64::from_ptr(at.cast()) }.store(value, Relaxed);
            }
        }
        std::hint::spin_loop();
    };
    let _ = shm.as_ptr().expose_provenance();
    next_to(overwrite, || {
        let (mut had, mut refused, mut round) = (0, 0, 0_u32);
        while had < 500 || refused < 500 {
            let _ = (shm.version(), reader.read(), reader.read_boxed());
            let _ = reader.read_with(|value| value[7].get());
            let _ = shm.wait_newer(shm.version(), Duration::from_micros(100));
            let _ = reader.wait_newer(shm.version(), Duration::from_micros(100));
            // These calls wait while a claim seems to be that of a living process: not forever, as it changes, but for a
            // slice or two.
            if round % 128 == 0 {
                write_patiently(&shm, had);
            }
            round += 1;
            for guard in [
                shm.try_write(),
                shm.write_timeout(Duration::from_micros(200)),
            ] {
                match guard {
                    Ok(mut guard) => {
                        guard.fill(had);
                        guard.commit().unwrap();
                        had += 1;
                    }
                    // The first guard is still there when the second call waits.
                    Err(
                        WriteError::WouldBlock(_)
                        | WriteError::TimedOut(_)
                        | WriteError::WouldDeadlock,
                    ) => refused += 1,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    });
    // The claim is that of a participant that never existed, or free, so it can be acquired.
    let claim = std::ptr::with_exposed_provenance_mut::<u32>(base + words[0].0);
    // SAFETY: as above.
    unsafe { AtomicU32::from_ptr(claim) }.store(0, Relaxed);
    shm.store([1; 8]).unwrap();
    assert_eq!(shm.read().unwrap(), [1; 8]);
}
