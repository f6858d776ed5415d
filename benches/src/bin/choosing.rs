//! One operation of each type, for the table in shm-core/docs/choosing.md.
//!
//! `cargo run --release -p shm-benches --bin choosing` prints the table. Values have 64 bytes, and no other process takes part;
//! the effect of contention is in shm-core/docs/performance.md. The second column is an atomic addition, run alternately with
//! the operation: on a shared machine, the ratio says more than the nanoseconds.

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use shm_benches::{compare, exit_code, heading, row};
use shm_core::ShmLayout;
use shm_core::sync::{Barrier, Broadcast, Event, Mutex, Ring, Semaphore, SeqLock};

/// 64 bytes, one cache line.
type Value = [u64; 8];

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    exit_code(measure())
}

/// Prints the times of `ours` and of an atomic addition.
fn line(what: &str, ours: impl FnMut()) {
    let yardstick = AtomicU64::new(0);
    let addition = || {
        black_box(&yardstick).fetch_add(1, Ordering::AcqRel);
    };
    row(what, &compare(ours, addition));
}

fn measure() -> Result<()> {
    let value = black_box([7; 8]);
    heading("operation", "this", "addition");

    let cells = Value::create_anonymous()?;
    line("cell: get", || _ = black_box(black_box(&cells)[3].get()));
    line("cell: set", || black_box(&cells)[3].set(7));
    line("cells: load", || _ = black_box(black_box(&cells).load()));
    line("cells: store", || black_box(&cells).store(value));

    let atomic = AtomicU64::create_anonymous()?;
    line("AtomicU64: load", || {
        black_box(black_box(&atomic).load(Ordering::Acquire));
    });
    line("AtomicU64: fetch_add", || {
        black_box(&atomic).fetch_add(1, Ordering::AcqRel);
    });

    let lock = SeqLock::<Value>::create_anonymous()?;
    line("SeqLock: read", || _ = black_box(black_box(&lock).read()));
    line("SeqLock: read_with, one field", || {
        let _ = black_box(black_box(&lock).read_with(|value| value[3].get()));
    });
    line("SeqLock: store", || {
        let _ = black_box(black_box(&lock).store(value));
    });
    line("SeqLock: write_with, all of it", || {
        let _ = black_box(black_box(&lock).write_with(|slot| slot.store(value)));
    });
    let mut guard = lock.write()?;
    line("SeqLock: publish, guard kept", || {
        guard[3] += 1;
        let _ = black_box(guard.publish());
    });
    drop(guard);

    let mutex = Mutex::<Value>::create_anonymous()?;
    line("Mutex: lock, load, unlock", || {
        if let Ok(guard) = black_box(&mutex).lock() {
            black_box(guard.load());
        }
    });

    let ring = Ring::<Value, 64>::create_anonymous()?;
    let (mut sender, mut receiver) = (ring.sender()?, ring.receiver()?);
    line("Ring: send, recv", || {
        let _ = black_box(sender.send(value));
        let _ = black_box(receiver.recv());
    });
    let (all, mut out) = ([value; 64], [value; 64]);
    line("Ring: 64 sent, 64 received", || {
        let _ = black_box(sender.send_slice(&all));
        let _ = black_box(receiver.recv_slice(&mut out));
    });

    let broadcast = Broadcast::<Value, 64>::create_anonymous()?;
    let (mut sender, mut receiver) = (broadcast.sender()?, broadcast.receiver());
    line("Broadcast: send, try_recv", || {
        let _ = black_box(sender.send(value));
        let _ = black_box(receiver.try_recv());
    });
    line("Broadcast: send, recv", || {
        let _ = black_box(sender.send(value));
        let _ = black_box(receiver.recv());
    });

    let semaphore = Semaphore::create_anonymous()?;
    line("Semaphore: post, wait", || {
        let _ = black_box(black_box(&semaphore).post());
        semaphore.wait();
    });

    let event = Event::create_anonymous()?;
    line("Event: generation", || {
        black_box(black_box(&event).generation());
    });
    line("Event: notify_all", || black_box(&event).notify_all());

    let barrier = Barrier::<1>::create_anonymous()?;
    let mut seat = barrier.join()?;
    line("Barrier<1>: wait", || {
        let _ = black_box(seat.wait());
    });

    println!("\n{:<34} {:>12}", "type", "bytes");
    let sizes = [
        ("Value", Value::SIZE),
        ("SeqLock<Value>", SeqLock::<Value>::SIZE),
        ("Mutex<Value>", Mutex::<Value>::SIZE),
        ("Ring<Value, 64>", Ring::<Value, 64>::SIZE),
        ("Broadcast<Value, 64>", Broadcast::<Value, 64>::SIZE),
        ("Semaphore", Semaphore::SIZE),
        ("Event", Event::SIZE),
        ("Barrier<4>", Barrier::<4>::SIZE),
    ];
    for (what, size) in sizes {
        println!("{what:<34} {size:>12}");
    }
    Ok(())
}
