//! One operation of each type, for the table in shm-core/docs/choosing.md.

use std::cell::RefCell;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

use shm_core::ShmLayout;
use shm_core::sync::{Barrier, Broadcast, Event, Mutex, Ring, Semaphore, SeqLock};

use crate::harness::{Bench, Result, Row, calls};

pub(super) const ROW: Row = Row::new(
    "types",
    "one operation of each type with a value of 64 bytes, beside an atomic addition; and the sizes of the types",
    run,
);

/// 64 bytes, one cache line.
type Value = [u64; 8];

fn run(bench: &mut Bench) -> Result<()> {
    let value = black_box([7; 8]);
    let cells = Value::create_anonymous()?;
    let atomic = AtomicU64::create_anonymous()?;
    let lock = SeqLock::<Value>::create_anonymous()?;
    let kept = SeqLock::<Value>::create_anonymous()?;
    let mut guard = kept.write()?;
    let mutex = Mutex::<Value>::create_anonymous()?;
    let ring = Ring::<Value, 64>::create_anonymous()?;
    let (tx, rx) = (RefCell::new(ring.sender()?), RefCell::new(ring.receiver()?));
    let (all, mut out) = ([value; 64], [value; 64]);
    let broadcast = Broadcast::<Value, 64>::create_anonymous()?;
    let (sender, receiver) = (
        RefCell::new(broadcast.sender()?),
        RefCell::new(broadcast.receiver()),
    );
    let semaphore = Semaphore::create_anonymous()?;
    let event = Event::create_anonymous()?;
    let barrier = Barrier::<1>::create_anonymous()?;
    let mut seat = barrier.join()?;
    let yardstick = AtomicU64::new(0);
    bench
        .case("operation")
        .rounds(51)
        .limit(
            "an atomic addition",
            calls(|| _ = black_box(&yardstick).fetch_add(1, Ordering::AcqRel)),
        )
        .ours(
            "cell: get",
            calls(|| _ = black_box(black_box(&cells)[3].get())),
        )
        .ours("cell: set", calls(|| black_box(&cells)[3].set(7)))
        .ours(
            "cells: load",
            calls(|| _ = black_box(black_box(&cells).load())),
        )
        .ours("cells: store", calls(|| black_box(&cells).store(value)))
        .ours(
            "AtomicU64: load",
            calls(|| _ = black_box(black_box(&atomic).load(Ordering::Acquire))),
        )
        .ours(
            "AtomicU64: fetch_add",
            calls(|| _ = black_box(&atomic).fetch_add(1, Ordering::AcqRel)),
        )
        .ours(
            "SeqLock: read",
            calls(|| _ = black_box(black_box(&lock).read())),
        )
        .ours(
            "SeqLock: read_with, one field",
            calls(|| _ = black_box(black_box(&lock).read_with(|value| value[3].get()))),
        )
        .ours(
            "SeqLock: store",
            calls(|| _ = black_box(black_box(&lock).store(value))),
        )
        .ours(
            "SeqLock: write_with, all of it",
            calls(|| _ = black_box(black_box(&lock).write_with(|slot| slot.store(value)))),
        )
        .ours(
            "SeqLock: publish, guard kept",
            calls(|| {
                guard[3] += 1;
                _ = black_box(guard.publish());
            }),
        )
        .ours(
            "Mutex: lock, load, unlock",
            calls(|| {
                if let Ok(guard) = black_box(&mutex).lock() {
                    black_box(guard.load());
                }
            }),
        )
        .ours(
            "Ring: send, recv",
            calls(|| {
                _ = black_box(tx.borrow_mut().send(value));
                _ = black_box(rx.borrow_mut().recv());
            }),
        )
        .ours(
            "Ring: 64 sent, 64 received",
            calls(|| {
                _ = black_box(tx.borrow_mut().send_slice(&all));
                _ = black_box(rx.borrow_mut().recv_slice(&mut out));
            }),
        )
        .ours(
            "Broadcast: send, try_recv",
            calls(|| {
                _ = black_box(sender.borrow_mut().send(value));
                _ = black_box(receiver.borrow_mut().try_recv());
            }),
        )
        .ours(
            "Broadcast: send, recv",
            calls(|| {
                _ = black_box(sender.borrow_mut().send(value));
                _ = black_box(receiver.borrow_mut().recv());
            }),
        )
        .ours(
            "Semaphore: post, wait",
            calls(|| {
                _ = black_box(black_box(&semaphore).post());
                semaphore.wait();
            }),
        )
        .ours(
            "Event: generation",
            calls(|| _ = black_box(black_box(&event).generation())),
        )
        .ours(
            "Event: notify_all",
            calls(|| black_box(&event).notify_all()),
        )
        .ours("Barrier<1>: wait", calls(|| _ = black_box(seat.wait())))
        .run()?;

    println!("\n{:<34} {:>12}", "type", "bytes");
    for (what, size) in [
        ("Value", Value::SIZE),
        ("SeqLock<Value>", SeqLock::<Value>::SIZE),
        ("Mutex<Value>", Mutex::<Value>::SIZE),
        ("Ring<Value, 64>", Ring::<Value, 64>::SIZE),
        ("Broadcast<Value, 64>", Broadcast::<Value, 64>::SIZE),
        ("Semaphore", Semaphore::SIZE),
        ("Event", Event::SIZE),
        ("Barrier<4>", Barrier::<4>::SIZE),
    ] {
        println!("{what:<34} {size:>12}");
    }
    Ok(())
}
