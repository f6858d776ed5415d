//! Events, semaphores and barriers.

use std::time::Duration;

use shm_core::sync::{Barrier, Event, Semaphore};
use shm_core::{ShmError, ShmLayout};

use super::{DOCUMENT, check_before, decode_py, open, u32_at, unique};

#[derive(ShmLayout)]
#[repr(C)]
struct Signals {
    changed: Event,
    free: Semaphore,
    meet: Barrier<2>,
    _pad: u32,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Others {
    changed: Event,
    free: Semaphore,
    meet: Barrier<3>,
    _pad: u32,
}

#[test]
fn events_semaphores_and_barriers_match_the_format() {
    let name = unique("signals");
    let shm = Signals::create(&name).unwrap();
    let file = open(&name);
    // Sleepers set bit 0, which is cleared when nobody sleeps. The permits of a semaphore begin at bit 2.
    assert!(shm.changed.wait_timeout(0, Duration::ZERO).is_err());
    assert!(shm.free.wait_timeout(Duration::ZERO).is_err());
    let payload = check_before::<Signals>(&file, 2);
    assert_eq!([0, 4, 8].map(|at| u32_at(&payload, at)), [1, 0, 1]);
    for _ in 0..3 {
        shm.changed.notify_one();
    }
    shm.free.post_many(5).unwrap();
    let payload = check_before::<Signals>(&file, 2);
    assert_eq!(
        [0, 4, 8].map(|at| u32_at(&payload, at)),
        [3 << 1, 0, 5 << 2]
    );

    // The round, the word on which a process waits for a seat, then the claim and the arrival of each seat. This process is
    // participant 1.
    let (mut one, mut two) = (shm.meet.join().unwrap(), shm.meet.join().unwrap());
    assert!(two.wait_timeout(Duration::ZERO).is_err());
    let words = |payload: &[u8]| -> Vec<u32> { (3..9).map(|n| u32_at(payload, 4 * n)).collect() };
    assert_eq!(
        words(&check_before::<Signals>(&file, 2)),
        [1, 0, 1, 0, 1, 1]
    );
    one.wait().unwrap();
    assert_eq!(
        words(&check_before::<Signals>(&file, 2)),
        [1 << 1, 0, 1, 1, 1, 1]
    );
    drop(one);
    two.wait().unwrap();
    assert!(two.wait_timeout(Duration::ZERO).is_err());
    assert_eq!(
        words(&check_before::<Signals>(&file, 2)),
        [1 << 1 | 1, 0, 0, 1, 1, 2]
    );

    for meaning in ["event", "semaphore", "barrier"] {
        assert!(DOCUMENT.contains(&format!("| `{meaning}` |")), "{meaning}");
    }
    let table = Signals::LAYOUT.to_string();
    for text in ["Event", "Semaphore", "Barrier<2>"] {
        assert!(table.contains(text), "{table}");
    }
    match Others::attach(&name) {
        Err(error @ ShmError::LayoutMismatch { .. }) => {
            let text = error.to_string();
            assert!(
                text.contains("`meet.seats`") && text.contains("; 2]") && text.contains("; 3]"),
                "{text}"
            );
        }
        other => panic!("{other:?}"),
    }
    if let Some(text) = decode_py(&name) {
        let values = ["changed: Event, generation 3", "free: Semaphore, value 5"];
        for field in values.into_iter().chain(["round", "arrived"]) {
            assert!(text.contains(field), "{text}");
        }
    }
}
