//! Locks without contention, and a failed attempt.

use std::hint::black_box;
use std::sync::Mutex as StdMutex;
use std::sync::atomic::{AtomicU32, Ordering};

use shm_core::ShmLayout;
use shm_core::sync::{LockError, Mutex};

use crate::harness::{Bench, Result, Row, calls};
use crate::peers::posix;
use crate::peers::raw::Memory;
use crate::process::{Other, listen, say, unique};

pub(super) const ROW: Row = Row::new(
    "mutex",
    "lock and unlock without contention, beside a bare compare-and-swap and swap",
    uncontended,
);
pub(super) const TRY_LOCK: Row = Row::new(
    "try-lock",
    "`try_lock` while another process lives and has the lock",
    failed,
)
.helper(hold);

fn uncontended(bench: &mut Bench) -> Result<()> {
    let shm = Mutex::<u64>::create_anonymous()?;
    let bare = AtomicU32::new(0);
    let swap = || {
        let free = bare.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed);
        black_box(free.is_ok());
        black_box(&bare).swap(0, Ordering::Release);
    };
    let standard = StdMutex::new(0_u64);
    let plain = posix::Mutex::new(Memory::anonymous()?, false)?;
    let robust = posix::Mutex::new(Memory::anonymous()?, true)?;
    // No guard goes through memory, as in a function that locks, works and unlocks: moving a result of several fields costs more
    // than the fields.
    let case = bench
        .case("lock, unlock")
        .limit("compare-and-swap, swap", calls(swap))
        .ours("Mutex", calls(|| drop(black_box(&shm).lock())))
        .target(1.1)
        .peer("std Mutex", calls(|| drop(black_box(&standard).lock())))
        .peer(
            "pthread mutex, shared",
            calls(|| _ = black_box((plain.lock(), plain.unlock()))),
        )
        .peer(
            "pthread mutex, robust",
            calls(|| _ = black_box((robust.lock(), robust.unlock()))),
        )
        .cannot("iceoryx2, mmap-sync, ipc-channel", "they have no lock");
    #[cfg(feature = "peers")]
    let (parked, raw) = (
        parking_lot::Mutex::new(0_u64),
        crate::peers::raw_sync::Mutex::create(&unique("mutex"))?,
    );
    #[cfg(feature = "peers")]
    let case = case
        .peer(
            "parking_lot Mutex",
            calls(|| drop(black_box(&parked).lock())),
        )
        .peer("raw_sync Mutex", calls(|| _ = black_box(raw.lock())));
    #[cfg(boost)]
    let boost = crate::peers::boost::Mutex::new(Memory::anonymous()?)?;
    #[cfg(boost)]
    let case = case.peer(
        "Boost interprocess_mutex",
        calls(|| _ = black_box((boost.lock(), boost.unlock()))),
    );
    case.run()
}

fn failed(bench: &mut Bench) -> Result<()> {
    let name = unique("try-lock");
    let shm = Mutex::<u64>::create(&name)?;
    let memory = |what: &str| Memory::create(&format!("{name}-{what}"));
    let plain = posix::Mutex::new(memory("plain")?, false)?;
    let robust = posix::Mutex::new(memory("robust")?, true)?;
    #[cfg(boost)]
    let boost = crate::peers::boost::Mutex::new(memory("boost")?)?;
    let mut owner = Other::start(bench.row(), &[&name], None)?;
    owner.expect("held")?;
    if !matches!(shm.try_lock(), Err(LockError::WouldBlock(_))) {
        return Err("`try_lock` did not find a living owner".into());
    }
    let standard = StdMutex::new(());
    let held = standard.lock();
    let case = bench
        .case("a failed attempt")
        .limit(
            "pthread mutex, robust",
            calls(|| _ = black_box(robust.try_lock())),
        )
        .ours(
            "Mutex::try_lock",
            calls(|| _ = black_box(black_box(&shm).try_lock().is_err())),
        )
        .target(12.0)
        .peer(
            "pthread mutex, shared",
            calls(|| _ = black_box(plain.try_lock())),
        )
        .peer(
            "std Mutex, one process",
            calls(|| _ = black_box(standard.try_lock().is_err())),
        )
        .cannot("raw_sync", "its shortest attempt waits for a timeout");
    #[cfg(feature = "peers")]
    let parked = parking_lot::Mutex::new(());
    #[cfg(feature = "peers")]
    let parked_held = parked.lock();
    #[cfg(feature = "peers")]
    let case = case.peer(
        "parking_lot Mutex, one process",
        calls(|| _ = black_box(parked.try_lock().is_none())),
    );
    #[cfg(boost)]
    let case = case.peer(
        "Boost interprocess_mutex",
        calls(|| _ = black_box(boost.try_lock())),
    );
    case.run()?;
    drop(held);
    #[cfg(feature = "peers")]
    drop(parked_held);
    Ok(())
}

/// Locks all of them and keeps them until it is killed.
fn hold(words: &[&str]) -> Result<()> {
    let [name] = words else {
        return Err("wrong arguments".into());
    };
    let shm = Mutex::<u64>::attach(name)?;
    let _guard = shm.lock().map_err(|error| error.to_string())?;
    let memory = |what: &str| Memory::open(&format!("{name}-{what}"));
    for what in ["plain", "robust"] {
        let mutex = posix::Mutex::existing(memory(what)?);
        mutex.lock();
        // Unmapping a locked robust mutex would leave a dangling pointer with the kernel.
        std::mem::forget(mutex);
    }
    #[cfg(boost)]
    let boost = crate::peers::boost::Mutex::existing(memory("boost")?);
    #[cfg(boost)]
    boost.lock();
    say("held")?;
    listen()?;
    Ok(())
}
