//! `SeqLock` with one thread.

use std::hint::black_box;
use std::sync::RwLock;

use shm_core::ShmLayout;
use shm_core::sync::SeqLock;

use crate::harness::{Bench, Result, Row, calls};
use crate::peers::hand;

pub(super) const ROW: Row = Row::new(
    "seqlock",
    "one thread reads or writes a whole value, beside an inlined copy",
    run,
);

fn run(bench: &mut Bench) -> Result<()> {
    small::<1>(bench)?;
    small::<8>(bench)?;
    small::<16>(bench)?;
    small::<128>(bench)?;
    large::<8192>(bench)
}

/// Values of `N` words, by value.
fn small<const N: usize>(bench: &mut Bench) -> Result<()> {
    let shm = SeqLock::<[u64; N]>::create_anonymous()?;
    let by_hand = hand::SeqLock::<N>::new();
    let value = black_box([7_u64; N]);
    let (source, mut target) = (value, value);
    let mut into = value;
    let lock = RwLock::new(value);
    #[cfg(feature = "peers")]
    let locked = parking_lot::RwLock::new(value);
    #[cfg(feature = "peers")]
    let name = crate::process::unique("seqlock");
    #[cfg(feature = "peers")]
    let board = crate::peers::iceoryx::Blackboard::create(&name, value)?;
    #[cfg(feature = "peers")]
    let mut files = crate::peers::mmap::Value::<N>::create(&name)?;
    #[cfg(feature = "peers")]
    let mut out = value;
    let case = bench
        .case(format!("read, {} bytes", 8 * N))
        .limit("inlined copy", calls(|| target = *black_box(&source)))
        .ours("read", calls(|| _ = black_box(black_box(&shm).read())))
        .target_if((N <= 16).then_some(1.6))
        .ours(
            "read_into",
            calls(|| _ = black_box(shm.read_into(black_box(&mut into)).is_ok())),
        )
        .ours(
            "read_with, one word",
            calls(|| _ = black_box(black_box(&shm).read_with(|view| view[0].get()))),
        )
        .peer(
            "4 slots by hand",
            calls(|| _ = black_box(black_box(&by_hand).read())),
        )
        .peer(
            "std RwLock",
            calls(|| _ = black_box(black_box(&lock).read().map(|value| *value))),
        );
    #[cfg(feature = "peers")]
    let case = case
        .peer(
            "parking_lot RwLock",
            calls(|| _ = black_box(*black_box(&locked).read())),
        )
        .peer(
            "iceoryx2 blackboard",
            calls(|| _ = black_box(*black_box(&board.reader).get())),
        )
        .peer(
            "mmap-sync",
            calls(|| _ = black_box(files.read(&mut out).is_ok())),
        );
    case.run()?;
    black_box(&target);

    let mut source = value;
    let mut copy = || target = *black_box(&source);
    let case = bench
        .case(format!("write, {} bytes", 8 * N))
        .limit("inlined copy", calls(&mut copy))
        .ours(
            "store",
            calls(|| _ = black_box(black_box(&shm).store(value))),
        )
        .target_if((N == 8).then_some(2.5))
        .ours(
            "store_from",
            calls(|| _ = black_box(shm.store_from(black_box(&value)).is_ok())),
        )
        .ours(
            "write_with",
            calls(|| _ = black_box(shm.write_with(|slot| slot.store(value)))),
        )
        .ours(
            "update",
            calls(|| _ = black_box(shm.update(|value| value[0] += 1).is_ok())),
        )
        .peer(
            "4 slots by hand",
            calls(|| black_box(&by_hand).write(&value)),
        )
        .peer(
            "std RwLock",
            calls(|| {
                if let Ok(mut locked) = black_box(&lock).write() {
                    *locked = value;
                }
            }),
        );
    #[cfg(feature = "peers")]
    let case = case
        .peer(
            "parking_lot RwLock",
            calls(|| *black_box(&locked).write() = value),
        )
        .peer(
            "iceoryx2 blackboard",
            calls(|| black_box(&board.writer).update_with_copy(value)),
        )
        .peer(
            "mmap-sync",
            calls(|| _ = black_box(files.write(&value).is_ok())),
        );
    case.run()?;

    source[0] += 1;
    let mut guard = shm.write()?;
    let publish = || {
        guard[0] += 1;
        black_box(guard.publish().is_ok());
    };
    bench
        .case(format!("publish with the role kept, {} bytes", 8 * N))
        .limit("inlined copy", calls(|| target = *black_box(&source)))
        .ours("publish", calls(publish))
        .peer(
            "4 slots by hand",
            calls(|| black_box(&by_hand).write(&value)),
        )
        .run()?;
    black_box(&target);
    Ok(())
}

/// Values of `N` words, boxed.
fn large<const N: usize>(bench: &mut Bench) -> Result<()> {
    let shm = SeqLock::<[u64; N]>::create_anonymous()?;
    let mut value: Box<[u64; N]> = shm.read_boxed()?;
    let (source, mut target) = (value.clone(), value.clone());
    bench
        .case(format!("read, {} bytes", 8 * N))
        .limit(
            "memcpy",
            calls(|| black_box(&mut *target).copy_from_slice(black_box(&source[..]))),
        )
        // Looked at where it is: moving it on is up to the caller.
        .ours("read", calls(|| _ = black_box(&black_box(&shm).read())))
        .target(1.1)
        .ours(
            "read_into",
            calls(|| _ = black_box(shm.read_into(black_box(&mut value)).is_ok())),
        )
        .ours(
            "read_with, one word",
            calls(|| _ = black_box(black_box(&shm).read_with(|view| view[0].get()))),
        )
        .run()?;
    bench
        .case(format!("write, {} bytes", 8 * N))
        .limit(
            "memcpy",
            calls(|| black_box(&mut *target).copy_from_slice(black_box(&source[..]))),
        )
        .ours(
            "store_from",
            calls(|| _ = black_box(shm.store_from(black_box(&value)).is_ok())),
        )
        .ours(
            "update",
            calls(|| _ = black_box(shm.update(|value| value[0] += 1).is_ok())),
        )
        .run()
}
