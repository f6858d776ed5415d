//! Waking one of many.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex as StdMutex};
use std::thread;
use std::time::{Duration, Instant};

use shm_core::ShmLayout;
use shm_core::sync::{Event, Semaphore};

use crate::harness::{Bench, Measure, Result, Row, Target, measured};
use crate::peers::posix;
use crate::peers::raw::Memory;
use crate::process::Usage;

pub(super) const ROW: Row = Row::new(
    "notify-one",
    "one wake-up while 50 threads wait, beside `sem_t`",
    run,
);

/// Runs the waiters, calls `wake` many times, and ends them with `wake_all`. Returns how many of them returned for each call,
/// and the processor time of a call with all that it causes.
fn count<'c>(
    wait: impl Fn() + Sync + 'c,
    wake: impl Fn() + 'c,
    wake_all: impl Fn(usize) + 'c,
) -> Measure<'c> {
    measured(move |settings| {
        let (waiters, calls) = settings.count((50_usize, 200), (4, 10));
        let (returned, done) = (AtomicU64::new(0), AtomicBool::new(false));
        thread::scope(|scope| {
            let threads: Vec<_> = (0..waiters)
                .map(|_| {
                    scope.spawn(|| {
                        while !done.load(Ordering::Acquire) {
                            wait();
                            returned.fetch_add(1, Ordering::AcqRel);
                        }
                    })
                })
                .collect();
            // All are asleep after this time, and between two calls.
            thread::sleep(Duration::from_millis(20));
            let (before, first) = (Usage::own()?, returned.load(Ordering::Acquire));
            for _ in 0..calls {
                wake();
                let start = Instant::now();
                while start.elapsed() < Duration::from_micros(500) {
                    thread::sleep(Duration::from_micros(100));
                }
            }
            let used = Usage::own()?.since(before).processor.as_secs_f64() * 1e9;
            let found = returned.load(Ordering::Acquire) - first;
            done.store(true, Ordering::Release);
            while !threads.iter().all(|thread| thread.is_finished()) {
                wake_all(waiters);
                thread::sleep(Duration::from_micros(200));
            }
            Ok([found as f64 / calls as f64, used / calls as f64])
        })
    })
}

fn run(bench: &mut Bench) -> Result<()> {
    let event = Event::create_anonymous()?;
    let semaphore = Semaphore::create_anonymous()?;
    let sem_t = posix::Semaphores::new(Memory::anonymous()?)?;
    let (lock, more) = (StdMutex::new(()), Condvar::new());
    let case = bench
        .case("50 waiters")
        .metrics(&[
            ("returns for a call", "returns"),
            ("processor time of a call", "ns"),
        ])
        .rounds(7)
        .limit(
            "sem_t",
            count(
                || _ = sem_t.wait(0),
                || _ = sem_t.post(0),
                |waiters| (0..waiters).for_each(|_| _ = sem_t.post(0)),
            ),
        )
        .ours(
            "Event::notify_one",
            count(
                || _ = event.wait(event.generation()),
                || event.notify_one(),
                |_| event.notify_all(),
            ),
        )
        .target_of(0, Target::Value(1.05))
        .ours(
            "Semaphore::post",
            count(
                || semaphore.wait(),
                || _ = semaphore.post(),
                |waiters| _ = semaphore.post_many(waiters as u32),
            ),
        )
        .target_of(0, Target::Value(1.05))
        .target_of(1, Target::Times(1.5))
        .peer(
            "std Condvar::notify_one",
            count(
                || {
                    if let Ok(guard) = lock.lock() {
                        drop(more.wait(guard));
                    }
                },
                || more.notify_one(),
                |_| more.notify_all(),
            ),
        )
        .cannot(
            "iceoryx2 event",
            "a listener has a queue of its own: one notifies all, or one that is named",
        );
    #[cfg(boost)]
    let boost = crate::peers::boost::Semaphores::new(Memory::anonymous()?)?;
    #[cfg(boost)]
    let case = case.peer(
        "Boost interprocess_semaphore",
        count(
            || _ = boost.wait(0),
            || _ = boost.post(0),
            |waiters| (0..waiters).for_each(|_| _ = boost.post(0)),
        ),
    );
    case.run()
}
