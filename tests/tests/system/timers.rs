//! Waits under a timer that interrupts every sleep: each call ends when its timeout has passed, neither before nor never.

use shm_core::ShmLayout;
use shm_tests::{BlockedSegment, Names, peer};

#[test]
fn every_timeout_is_kept_under_constant_signals() {
    let names = Names::new("timers");
    let name = names.name("t");
    let shm = BlockedSegment::create(&name).unwrap();
    let _ends = (
        shm.full.receiver().unwrap(),
        shm.empty.sender().unwrap(),
        shm.taken.sender().unwrap(),
        shm.taken.receiver().unwrap(),
        shm.cast.sender().unwrap(),
    );
    let _writer = shm.value.write().unwrap();
    let _lock = shm.lock.lock().unwrap();
    let _seats = (shm.meet[1].join().unwrap(), shm.meet[1].join().unwrap());
    for micros in [100, 1000] {
        let mut waiting = peer!();
        waiting.tell(&format!("timeouts {name} {micros}"));
        // One line per call, each within the deadline for any answer.
        let mut calls = 0;
        loop {
            let line = waiting.hear();
            if line == "ok all" {
                break;
            }
            assert!(line.ends_with("µs"), "{line}");
            println!("a signal every {micros} µs, {line}");
            calls += 1;
        }
        assert!(calls > 38, "{calls}");
        // It has left the ends that the next peer claims.
        waiting.end();
    }
}
