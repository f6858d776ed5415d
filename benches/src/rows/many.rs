//! Thousands of handles in one process.

use std::ffi::CString;
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::sys::mman::{shm_open, shm_unlink};
use nix::sys::stat::Mode;
use nix::unistd::ftruncate;
use shm_core::ShmLayout;
use shm_core::sync::Mutex;

use crate::harness::{Bench, Result, Row, measured};
use crate::peers::raw;
use crate::process::{Other, allow_many_files, say, unique};

pub(super) const ROW: Row = Row::new(
    "many",
    "thousands of handles of one segment in one process, and 200 threads that open or create it at once, beside the system calls alone",
    run,
)
.helper(helper);

const PAGE: NonZero<usize> = NonZero::new(4096).unwrap();

#[derive(ShmLayout)]
#[repr(C)]
struct Locked {
    value: u64,
    lock: Mutex<u64>,
}

fn run(bench: &mut Bench) -> Result<()> {
    handles(bench)?;
    at_once(bench)
}

fn handles(bench: &mut Bench) -> Result<()> {
    let row = bench.row();
    let (plain_name, locked_name) = (unique("many"), unique("many-locked"));
    let _plain = u64::create(&plain_name)?;
    let _locked = Locked::create(&locked_name)?;
    let count = bench.settings.count(5_000, 50).to_string();
    // The helper prints the time of all attaches and ends; the rest of its time is the end of the process.
    let turn = |how: &'static str, name: &str| {
        let (name, count) = (name.to_owned(), count.clone());
        measured(move |_| {
            let mut other = Other::start(row, &[how, &name, &count], None)?;
            let attached: f64 = other.line()?.parse()?;
            let start = Instant::now();
            other.wait()?;
            Ok([attached, start.elapsed().as_secs_f64() * 1e9])
        })
    };
    bench
        .case(format!("{count} handles"))
        .metrics(&[("attach one", "ns"), ("the end of the process", "ns")])
        .rounds(3)
        .limit("open, fstat, mmap", turn("raw", &plain_name))
        .ours("attach", turn("plain", &plain_name))
        .ours("attach with a Mutex", turn("locked", &locked_name))
        .run()
}

fn helper(words: &[&str]) -> Result<()> {
    let [how, name, count] = words else {
        return Err("wrong arguments".into());
    };
    allow_many_files()?;
    let count: usize = count.parse()?;
    let start = Instant::now();
    match *how {
        "raw" => {
            let c_name = CString::new(*name)?;
            let all: Vec<OwnedFd> = (0..count)
                .map(|_| {
                    let file = raw::open(&c_name)?;
                    raw::map(&file, PAGE)?;
                    Ok(file)
                })
                .collect::<Result<_>>()?;
            end(start, count, all)
        }
        "plain" => {
            let all = (0..count)
                .map(|_| u64::attach(name))
                .collect::<std::result::Result<Vec<_>, _>>()?;
            end(start, count, all)
        }
        "locked" => {
            let all = (0..count)
                .map(|_| Locked::attach(name))
                .collect::<std::result::Result<Vec<_>, _>>()?;
            end(start, count, all)
        }
        _ => Err("wrong arguments".into()),
    }
}

/// Reports, and ends the process with everything open.
fn end<T>(start: Instant, count: usize, all: Vec<T>) -> Result<()> {
    let time = start.elapsed().as_secs_f64() * 1e9 / count as f64;
    std::mem::forget(all);
    say(&time.to_string())
}

/// The time from a common start until all threads are done, in nanoseconds.
fn together(threads: usize, work: impl Fn() -> Result<(), String> + Sync) -> Result<f64> {
    let barrier = Barrier::new(threads + 1);
    thread::scope(|scope| {
        let all: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    work()
                })
            })
            .collect();
        barrier.wait();
        let start = Instant::now();
        for thread in all {
            thread.join().map_err(|_| "a thread panicked")??;
        }
        Ok(start.elapsed().as_secs_f64() * 1e9)
    })
}

fn at_once(bench: &mut Bench) -> Result<()> {
    let threads = bench.settings.count(200, 8);
    // Long enough for 200 to go one after the other on a loaded machine.
    let patience = Duration::from_secs(30);
    let ours = measured(move |_| {
        let name = unique("at-once");
        let options = Locked::options().timeout(patience);
        together(threads, || {
            let shm = options
                .open_or_create(&name)
                .map_err(|error| error.to_string())?;
            shm.value.set(1);
            Ok(())
        })
    });
    let plain = measured(move |_| {
        let name = unique("at-once-plain");
        let options = u64::options().timeout(patience);
        together(threads, || {
            let shm = options
                .open_or_create(&name)
                .map_err(|error| error.to_string())?;
            shm.set(1);
            Ok(())
        })
    });
    let raw = measured(move |_| {
        let name = CString::new(unique("at-once-raw"))?;
        let open = || -> Result<()> {
            let flags = OFlag::O_RDWR | OFlag::O_CREAT;
            let file = shm_open(name.as_c_str(), flags, Mode::S_IRUSR | Mode::S_IWUSR)?;
            ftruncate(&file, 4096)?;
            raw::map(&file, PAGE)?;
            Ok(())
        };
        let time = together(threads, || open().map_err(|error| error.to_string()));
        shm_unlink(name.as_c_str())?;
        time
    });
    bench
        .case(format!("{threads} threads open or create at once"))
        .rounds(11)
        .limit("shm_open, ftruncate, mmap", raw)
        .ours("open_or_create", plain)
        .ours("open_or_create with a Mutex", ours)
        .run()
}
