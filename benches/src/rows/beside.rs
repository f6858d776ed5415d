//! Readers and senders next to a busy other end.

use std::hint::black_box;
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use shm_core::ShmLayout;
use shm_core::sync::{Broadcast, SeqLock};

use crate::harness::{Bench, Measure, Result, Row, Settings, Target, measured};
use crate::peers::hand;
use crate::process::{Pinned, two_processors};

pub(super) const SEQLOCK: Row = Row::new(
    "seqlock-contended",
    "a reader next to a writer at full speed, in two threads on a processor each, beside four slots by hand",
    seqlock,
);
pub(super) const BROADCAST: Row = Row::new(
    "broadcast-contended",
    "a sender next to a receiver at full speed, in two threads on a processor each, beside a broadcast by hand",
    broadcast,
);

/// Rounds of the turns below, which take some milliseconds.
const ROUNDS: usize = 21;

/// Runs `first` here and `second` in another thread, each on a processor of its own, for some milliseconds. Returns the time
/// of a call of each.
fn both(
    settings: &Settings,
    mut first: impl FnMut(),
    mut second: impl FnMut() + Send,
) -> Result<[f64; 2]> {
    let time = settings.count(Duration::from_millis(15), Duration::from_millis(1));
    let [own, other] = two_processors()?;
    let (ready, done) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let _pinned = Pinned::to(other).map_err(|error| error.to_string())?;
            second();
            ready.store(true, Ordering::Release);
            let (start, mut calls) = (Instant::now(), 0_u64);
            while calls == 0 || !done.load(Ordering::Relaxed) {
                for _ in 0..10 {
                    second();
                }
                calls += 10;
            }
            Ok::<f64, String>(start.elapsed().as_secs_f64() * 1e9 / calls as f64)
        });
        let _pinned = Pinned::to(own)?;
        while !ready.load(Ordering::Acquire) && !thread.is_finished() {
            thread::yield_now();
        }
        let (start, mut calls) = (Instant::now(), 0_u64);
        while start.elapsed() < time {
            for _ in 0..10 {
                first();
            }
            calls += 10;
        }
        let each = start.elapsed().as_secs_f64() * 1e9 / calls as f64;
        done.store(true, Ordering::Relaxed);
        let other = thread.join().map_err(|_| "the other thread panicked")??;
        Ok([each, other])
    })
}

/// A turn of [`both`].
fn turns<'c>(mut first: impl FnMut() + 'c, mut second: impl FnMut() + Send + 'c) -> Measure<'c> {
    measured(move |settings| both(settings, &mut first, &mut second))
}

fn seqlock(bench: &mut Bench) -> Result<()> {
    size::<8>(bench, Some(1.5))?;
    size::<128>(bench, None)?;
    size::<8192>(bench, None)
}

fn size<const N: usize>(bench: &mut Bench, target: Option<f64>) -> Result<()> {
    let three = SeqLock::<[u64; N], 3>::create_anonymous()?;
    let four = SeqLock::<[u64; N], 4>::create_anonymous()?;
    let eight = SeqLock::<[u64; N], 8>::create_anonymous()?;
    let value: Box<[u64; N]> = four.read_boxed()?;
    macro_rules! ours {
        ($shm:ident) => {{
            let (shm, mut into, from) = (&$shm, value.clone(), value.clone());
            turns(
                move || _ = black_box(shm.read_into(black_box(&mut into)).is_ok()),
                move || _ = black_box(shm.store_from(black_box(&from)).is_ok()),
            )
        }};
    }
    let case = bench
        .case(format!("{} bytes", 8 * N))
        .metrics(&[("a read", "ns"), ("a write", "ns")])
        .rounds(ROUNDS);
    let by_hand = (N <= 128).then(hand::SeqLock::<N>::new);
    let case = match &by_hand {
        None => case,
        Some(by_hand) => {
            let from = value.clone();
            case.limit(
                "4 slots by hand",
                turns(
                    || _ = black_box(by_hand.read()),
                    move || by_hand.write(black_box(&from)),
                ),
            )
        }
    };
    let case = case.ours("SeqLock", ours!(four)).target_if(target);
    let case = match target {
        Some(times) => case.target_of(1, Target::Times(times)),
        None => case,
    };
    let (in_place, from) = (&four, value.clone());
    let case = case
        .ours(
            "SeqLock, read_with of one word",
            turns(
                move || _ = black_box(in_place.read_with(|view| view[0].get())),
                move || _ = black_box(in_place.store_from(black_box(&from)).is_ok()),
            ),
        )
        .ours("SeqLock with 3 slots", ours!(three))
        .ours("SeqLock with 8 slots", ours!(eight));
    let lock = RwLock::new(value.clone());
    let (mut into, from) = (value.clone(), value.clone());
    let case = case.peer(
        "std RwLock",
        turns(
            || {
                if let Ok(value) = lock.read() {
                    into.copy_from_slice(black_box(&value[..]));
                }
            },
            || {
                if let Ok(mut value) = lock.write() {
                    value.copy_from_slice(black_box(&from[..]));
                }
            },
        ),
    );
    #[cfg(feature = "peers")]
    let locked = parking_lot::RwLock::new(value.clone());
    #[cfg(feature = "peers")]
    let (mut parked_into, parked_from) = (value.clone(), value.clone());
    #[cfg(feature = "peers")]
    let name = crate::process::unique("contended");
    #[cfg(feature = "peers")]
    let mut written = crate::peers::mmap::Value::<N>::create(&name)?;
    #[cfg(feature = "peers")]
    let mut read = crate::peers::mmap::Value::<N>::open(&name);
    #[cfg(feature = "peers")]
    let (mut files_into, files_from) = (value.clone(), value.clone());
    #[cfg(feature = "peers")]
    let case = case
        .peer(
            "parking_lot RwLock",
            turns(
                || parked_into.copy_from_slice(black_box(&locked.read()[..])),
                || locked.write().copy_from_slice(black_box(&parked_from[..])),
            ),
        )
        .peer(
            "mmap-sync",
            turns(
                move || _ = black_box(read.read(&mut files_into).is_ok()),
                move || _ = black_box(written.write(&files_from).is_ok()),
            ),
        );
    #[cfg(feature = "peers")]
    let board = (N <= 128)
        .then(|| crate::peers::iceoryx::Blackboard::create(&name, *value))
        .transpose()?;
    #[cfg(feature = "peers")]
    let case = match &board {
        None => case,
        Some(board) => {
            let (writer, reader, from) = (&board.writer, &board.reader, value.clone());
            case.peer(
                "iceoryx2 blackboard",
                turns(
                    move || _ = black_box(*black_box(reader).get()),
                    move || black_box(writer).update_with_copy(*from),
                ),
            )
        }
    };
    case.run()
}

fn broadcast(bench: &mut Bench) -> Result<()> {
    broadcast_of::<1>(bench, None)?;
    broadcast_of::<8>(bench, Some(1.2))
}

fn broadcast_of<const N: usize>(bench: &mut Bench, target: Option<f64>) -> Result<()> {
    const SLOTS: usize = 64;
    let shm = Broadcast::<[u64; N], SLOTS>::create_anonymous()?;
    let (mut sender, mut receiver) = (shm.sender()?, shm.receiver());
    let by_hand = hand::Broadcast::<N, SLOTS>::new();
    let message = [1_u64; N];
    let mut next = 1;
    let receive_by_hand = || {
        if black_box(by_hand.receive(next)).is_some() {
            next += 1;
        } else if by_hand.sent() >= next {
            // Overtaken.
            next = by_hand.sent();
        }
    };
    bench
        .case(format!("{} bytes", 8 * N))
        .metrics(&[("a send", "ns"), ("an attempt to receive", "ns")])
        .rounds(ROUNDS)
        .limit(
            "by hand",
            turns(|| by_hand.send(black_box(&message)), receive_by_hand),
        )
        .ours(
            "Broadcast",
            turns(
                // As little as the limit stores besides: no flag of a `RefCell`, and no result.
                || assert!(sender.send_from(black_box(&message)).is_ok()),
                move || _ = black_box(receiver.try_recv().is_ok()),
            ),
        )
        .target_if(target)
        .run()
}
