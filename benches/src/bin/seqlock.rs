//! The cost of `SeqLock` and `Broadcast`: uncontended, and with a writer at full speed, compared with `memcpy` and
//! `std::sync::RwLock`.
//!
//! `cargo run --release -p shm-benches --bin seqlock` prints the tables of shm-core/docs/performance.md.

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use shm_benches::{compare, exit_code, heading, row};
use shm_core::ShmLayout;
use shm_core::sync::{Broadcast, SeqLock};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    exit_code(measure())
}

fn measure() -> Result<()> {
    alone::<8>()?;
    alone::<128>()?;
    alone::<8192>()?;
    println!(
        "\n{:<34} {:>12} {:>12} {:>12} {:>12} {:>14}",
        "with a writer at full speed",
        "read, ns",
        "read_with",
        "a commit",
        "RwLock read",
        "RwLock write"
    );
    contended::<8, 3>()?;
    contended::<8, 4>()?;
    contended::<8, 8>()?;
    contended::<128, 3>()?;
    contended::<128, 4>()?;
    contended::<128, 8>()?;
    contended::<8192, 3>()?;
    contended::<8192, 4>()?;
    contended::<8192, 8>()?;
    broadcast::<8>()?;
    broadcast::<128>()
}

/// A single thread. Values have `N` words of 8 bytes.
fn alone<const N: usize>() -> Result<()> {
    let shm = SeqLock::<[u64; N]>::create_anonymous()?;
    let mut value: Box<[u64; N]> = shm.read_boxed()?;
    let (source, mut target) = (value.clone(), value.clone());
    let mut memcpy = || black_box(&mut *target).copy_from_slice(black_box(&source[..]));
    heading(&format!("{} bytes", 8 * N), "this", "memcpy");
    let read_into = || {
        black_box(shm.read_into(black_box(&mut value)).is_ok());
    };
    row("read_into", &compare(read_into, &mut memcpy));
    let first = || {
        let _ = black_box(shm.read_with(|view| view[0].get()));
    };
    row("read_with, one word", &compare(first, &mut memcpy));
    let store = || {
        black_box(shm.store_from(black_box(&value)).is_ok());
    };
    row("store_from", &compare(store, &mut memcpy));
    let update = || {
        black_box(shm.update(|value| value[0] += 1).is_ok());
    };
    row("update", &compare(update, &mut memcpy));
    {
        let mut guard = shm.write()?;
        let publish = || {
            guard[0] += 1;
            black_box(guard.publish().is_ok());
        };
        row("publish, guard kept", &compare(publish, &mut memcpy));
    }
    let lock = RwLock::new(value.clone());
    heading(&format!("{} bytes", 8 * N), "this", "RwLock");
    let read = || {
        if let Ok(value) = black_box(&lock).read() {
            black_box(&mut *target).copy_from_slice(&value[..]);
        }
    };
    let read_into = || {
        black_box(shm.read_into(black_box(&mut value)).is_ok());
    };
    row("read_into vs. a read lock", &compare(read_into, read));
    let write = || {
        if let Ok(mut value) = black_box(&lock).write() {
            value.copy_from_slice(black_box(&source[..]));
        }
    };
    let store = || {
        black_box(shm.store_from(black_box(&value)).is_ok());
    };
    row("store_from vs. a write lock", &compare(store, write));
    Ok(())
}

/// The average times of `call` and, meanwhile in another thread, of `other`, in nanoseconds. Runs for a third of a second.
fn run_both(mut call: impl FnMut(), mut other: impl FnMut() + Send) -> (f64, f64) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let (start, mut calls) = (Instant::now(), 0_u64);
            while !done.load(Ordering::Relaxed) {
                other();
                calls += 1;
            }
            start.elapsed().as_nanos() as f64 / calls as f64
        });
        let (start, mut calls) = (Instant::now(), 0_u64);
        while start.elapsed() < Duration::from_millis(300) {
            for _ in 0..10 {
                call();
            }
            calls += 10;
        }
        let each = start.elapsed().as_nanos() as f64 / calls as f64;
        done.store(true, Ordering::Relaxed);
        (each, thread.join().unwrap_or(f64::NAN))
    })
}

fn median(mut measure: impl FnMut() -> (f64, f64)) -> (f64, f64) {
    let (mut first, mut second): (Vec<f64>, Vec<f64>) = (0..7).map(|_| measure()).unzip();
    first.sort_by(f64::total_cmp);
    second.sort_by(f64::total_cmp);
    (first[3], second[3])
}

/// A reader, while a writer commits without a pause.
fn contended<const N: usize, const SLOTS: usize>() -> Result<()> {
    let shm = SeqLock::<[u64; N], SLOTS>::create_anonymous()?;
    let mut value: Box<[u64; N]> = shm.read_boxed()?;
    let mut guard_value = value.clone();
    let (read, commit) = median(|| {
        run_both(
            || {
                black_box(shm.read_into(black_box(&mut value)).is_ok());
            },
            || {
                guard_value[0] += 1;
                black_box(shm.store_from(&guard_value).is_ok());
            },
        )
    });
    let (read_with, _) = median(|| {
        run_both(
            || {
                let _ = black_box(shm.read_with(|view| view[0].get()));
            },
            || {
                guard_value[0] += 1;
                black_box(shm.store_from(&guard_value).is_ok());
            },
        )
    });
    let lock = RwLock::new(value.clone());
    let (locked_read, locked_write) = median(|| {
        run_both(
            || {
                if let Ok(locked) = lock.read() {
                    black_box(&mut value).copy_from_slice(&locked[..]);
                }
            },
            || {
                if let Ok(mut locked) = lock.write() {
                    locked.copy_from_slice(black_box(&guard_value[..]));
                }
            },
        )
    });
    println!(
        "{:<34} {read:>12.1} {read_with:>12.1} {commit:>12.1} {locked_read:>12.1} {locked_write:>14.1}",
        format!("{} bytes, {SLOTS} slots", 8 * N)
    );
    Ok(())
}

/// A single thread that sends, and one that sends and receives.
fn broadcast<const N: usize>() -> Result<()> {
    let shm = Broadcast::<[u64; N], 64>::create_anonymous()?;
    let (mut sender, mut receiver) = (shm.sender()?, shm.receiver());
    let source = vec![1_u64; N];
    let mut target = vec![0_u64; N];
    let mut memcpy = || black_box(&mut target).copy_from_slice(black_box(&source));
    let message = [1_u64; N];
    heading(&format!("broadcast of {} bytes", 8 * N), "this", "memcpy");
    let send = || {
        black_box(sender.send_from(black_box(&message)).is_ok());
    };
    row("send", &compare(send, &mut memcpy));
    let _ = receiver.try_recv();
    let both = || {
        black_box(sender.send_from(black_box(&message)).is_ok());
        black_box(receiver.try_recv().is_ok());
    };
    row("send and try_recv", &compare(both, &mut memcpy));
    Ok(())
}
