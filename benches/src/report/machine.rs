//! What the figures come from: processor, kernel, compiler, and versions of the contenders.

use std::fmt::Write as _;
use std::fs::read_to_string;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::thread;
use std::time::Instant;

use nix::sys::utsname::uname;

use crate::harness::Result;
use crate::peers;
use crate::process::{Pinned, processors, two_processors};

/// The workspace's lock file names the version of every contender.
const LOCK: &str = include_str!("../../../Cargo.lock");

/// The version of a package in the lock file.
fn version(package: &str) -> Option<&'static str> {
    let (_, rest) = LOCK.split_once(&format!("name = \"{package}\"\nversion = \""))?;
    rest.split('"').next()
}

fn processor() -> String {
    let info = read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = info.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let name = field("model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    match (field("cpu family"), field("model\t")) {
        (Some(family), Some(model)) => format!("{name} (family {family}, model {model})"),
        _ => name,
    }
}

/// The time in nanoseconds that a cache line takes from one processor to another and back: some 30 between two threads of one
/// core, and 100 or more between two cores. Under a hypervisor it may change from one minute to the next.
fn line_there_and_back() -> Result<f64> {
    const EACH: u64 = 20_000;

    let [own, other] = two_processors()?;
    if own == other {
        return Err("only one processor".into());
    }
    let line = AtomicU64::new(0);
    let wait_for = |value| {
        while line.load(Acquire) != value {
            std::hint::spin_loop();
        }
    };
    thread::scope(|scope| {
        let echo = scope.spawn(|| {
            let pinned = Pinned::to(other).map_err(|error| error.to_string());
            for number in 0..EACH {
                wait_for(2 * number + 1);
                line.store(2 * number + 2, Release);
            }
            pinned.map(drop)
        });
        let pinned = Pinned::to(own);
        let mut start = Instant::now();
        for number in 0..EACH {
            if number == EACH / 2 {
                start = Instant::now();
            }
            line.store(2 * number + 1, Release);
            wait_for(2 * number + 2);
        }
        let time = start.elapsed().as_secs_f64() * 1e9 / (EACH - EACH / 2) as f64;
        echo.join().map_err(|_| "the other thread panicked")??;
        pinned?;
        Ok(time)
    })
}

/// One line for each fact.
fn facts() -> Vec<String> {
    let count = processors().map_or(0, |all| all.len());
    let mut facts = vec![format!("{count} processors: {}", processor())];
    if let Ok(system) = uname() {
        let text = |part: &std::ffi::OsStr| part.to_string_lossy().into_owned();
        facts.push(format!(
            "{} {}, {}",
            text(system.sysname()),
            text(system.release()),
            text(system.version())
        ));
    }
    let load = read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<&str> = load.split(' ').take(3).collect();
    facts.push(format!("load at the start: {}", load.join(" ")));
    if let Ok(time) = line_there_and_back() {
        facts.push(format!(
            "a cache line from one processor to the other and back: {time:.0} ns"
        ));
    }
    facts.push(env!("SHM_RUSTC").to_owned());
    let mut versions = vec![format!("shm-core {}", env!("CARGO_PKG_VERSION"))];
    for package in peers::packages() {
        versions.push(format!("{package} {}", version(package).unwrap_or("?")));
    }
    versions.push(format!("glibc {}", peers::posix::libc_version()));
    versions.extend(peers::boost_version());
    facts.push(versions.join(", "));
    facts.extend(peers::left_out());
    facts
}

pub(crate) fn show() {
    for fact in facts() {
        println!("{fact}");
    }
}

pub(crate) fn markdown() -> String {
    let mut text = String::from("\n");
    for fact in facts() {
        let _ = writeln!(text, "- {fact}");
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::version;
    use crate::peers;

    #[test]
    fn the_lock_file_has_every_contender() {
        for package in peers::packages() {
            assert!(version(package).is_some(), "{package}");
        }
    }
}
