//! Semaphores, events and barriers while no process has to wait.

use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Barrier as StdBarrier, Condvar, Mutex as StdMutex};

use nix::sys::eventfd::{EfdFlags, EventFd};
use shm_core::ShmLayout;
use shm_core::sync::{Barrier, Event, Semaphore};

use crate::harness::{Bench, Result, Row, calls};
use crate::peers::posix;
use crate::peers::raw::Memory;

pub(super) const ROW: Row = Row::new(
    "uncontended",
    "`Semaphore`, `Event` and `Barrier` while no process has to wait",
    run,
);

fn run(bench: &mut Bench) -> Result<()> {
    semaphore(bench)?;
    event(bench)?;
    barrier(bench)
}

fn semaphore(bench: &mut Bench) -> Result<()> {
    let shm = Semaphore::create_anonymous()?;
    let posix = posix::Semaphores::new(Memory::anonymous()?)?;
    let (count, more) = (StdMutex::new(0_u32), Condvar::new());
    let condvar = || {
        if let Ok(mut count) = count.lock() {
            *count += 1;
        }
        more.notify_one();
        if let Ok(count) = count.lock()
            && let Ok(mut count) = more.wait_while(count, |count| *count == 0)
        {
            *count -= 1;
        }
    };
    let ours = || {
        black_box(shm.post().is_ok());
        shm.wait();
    };
    let case = bench
        .case("Semaphore: post, wait")
        .limit(
            "sem_t",
            calls(|| _ = black_box((posix.post(0), posix.wait(0)))),
        )
        .ours("Semaphore", calls(ours))
        .peer("std Mutex and Condvar", calls(condvar));
    #[cfg(boost)]
    let boost = crate::peers::boost::Semaphores::new(Memory::anonymous()?)?;
    #[cfg(boost)]
    let case = case.peer(
        "Boost interprocess_semaphore",
        calls(|| _ = black_box((boost.post(0), boost.wait(0)))),
    );
    case.run()
}

fn event(bench: &mut Bench) -> Result<()> {
    let shm = Event::create_anonymous()?;
    let counter = AtomicU32::new(0);
    let more = Condvar::new();
    let fd = EventFd::from_value_and_flags(0, EfdFlags::EFD_NONBLOCK)?;
    let add = || {
        black_box(counter.fetch_add(1, Ordering::Release));
    };
    let case = bench
        .case("Event: notify, no waiter")
        .limit("an atomic addition", calls(add))
        .ours("notify_all", calls(|| black_box(&shm).notify_all()))
        .ours("notify_one", calls(|| black_box(&shm).notify_one()))
        .peer("Condvar::notify_all", calls(|| more.notify_all()))
        .peer(
            "a write to an eventfd",
            calls(|| _ = black_box(fd.write(1).is_ok())),
        );
    #[cfg(feature = "peers")]
    let name = crate::process::unique("event");
    #[cfg(feature = "peers")]
    let (raw, service) = (
        crate::peers::raw_sync::Events::create(&name)?,
        crate::peers::iceoryx::Events::open(&name)?,
    );
    #[cfg(feature = "peers")]
    let notifier = service.notifier()?;
    #[cfg(feature = "peers")]
    let case = case
        .peer("raw_sync Event", calls(|| _ = black_box(raw.set(0))))
        .peer(
            "iceoryx2 event",
            calls(|| _ = black_box(notifier.notify().is_ok())),
        );
    case.run()
}

fn barrier(bench: &mut Bench) -> Result<()> {
    let shm = Barrier::<1>::create_anonymous()?;
    let mut seat = shm.join()?;
    let posix = posix::Barrier::new(Memory::anonymous()?, 1)?;
    let standard = StdBarrier::new(1);
    bench
        .case("Barrier of one: a round")
        .limit("pthread_barrier_t", calls(|| _ = black_box(posix.wait())))
        .ours("Barrier<1>", calls(|| _ = black_box(seat.wait().is_ok())))
        .peer("std Barrier", calls(|| _ = black_box(standard.wait())))
        .cannot(
            "Boost.Interprocess, iceoryx2, raw_sync",
            "they have no barrier",
        )
        .run()
}
