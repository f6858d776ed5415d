//! Waiting for a name to appear.

use std::ffi::CString;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use shm_core::ShmLayout;

use crate::harness::{Bench, Result, Row, Sample, Target, measured};
use crate::peers::raw;
use crate::process::{Usage, unique};

pub(super) const ROW: Row = Row::new(
    "wait-attach",
    "`attach` with `wait`: from the appearance of the name until it is attached, beside a bare inotify",
    run,
);

/// Waits in a thread while this one creates the segment after `delay`. Returns the time from then on, and the processor
/// time of the waiting thread for each second that it waited.
fn appear(
    name: &str,
    delay: Duration,
    wait: impl FnOnce() -> Result<(), String> + Send,
) -> Result<Sample> {
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let before = Usage::thread().map_err(|error| error.to_string())?;
            let start = Instant::now();
            wait()?;
            let (now, used) = (
                Instant::now(),
                Usage::thread().map_err(|error| error.to_string())?,
            );
            let idle = used.since(before).processor.as_secs_f64() / (now - start).as_secs_f64();
            Ok::<_, String>((now, idle))
        });
        thread::sleep(delay);
        let created = u64::create(name)?;
        let start = Instant::now();
        let (found, busy) = waiter.join().map_err(|_| "the waiter panicked")??;
        drop(created);
        let time = found.saturating_duration_since(start).as_secs_f64() * 1e9;
        Ok(Sample {
            values: vec![time, busy * 1e6],
            singles: vec![time],
        })
    })
}

/// Waits for an event until the name is there.
fn inotify(name: &str) -> Result<()> {
    let inotify = Inotify::init(InitFlags::empty())?;
    inotify.add_watch(
        "/dev/shm",
        AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO,
    )?;
    let name = CString::new(name)?;
    while raw::open(&name).is_err() {
        inotify.read_events()?;
    }
    Ok(())
}

fn run(bench: &mut Bench) -> Result<()> {
    let settings = bench.settings;
    let delay = |round: u64| {
        let spread = settings.count(50_000, 2_000);
        Duration::from_micros(settings.count(20_000, 500) + round * 7_919 % spread)
    };
    let (mut round, mut other_round) = (0, 0);
    let ours = measured(|_| {
        round += 1;
        let name = unique("wait");
        let options = u64::options().wait(Duration::from_secs(60));
        appear(&name, delay(round), || {
            options
                .attach(&name)
                .map(drop)
                .map_err(|error| error.to_string())
        })
    });
    let limit = measured(|_| {
        other_round += 1;
        let name = unique("wait-raw");
        appear(&name, delay(other_round), || {
            inotify(&name).map_err(|error| error.to_string())
        })
    });
    bench
        .case("from appearance to attached")
        .metrics(&[
            ("time", "ns"),
            ("processor time of a second of waiting", "µs"),
        ])
        .rounds(61)
        .limit("inotify and open", limit)
        .ours("attach with wait", ours)
        .target(5.0)
        .target_of(1, Target::Times(5.0))
        .cannot(
            "shared_memory, iceoryx2, mmap-sync, Boost",
            "they do not wait for a name",
        )
        .run()
}
