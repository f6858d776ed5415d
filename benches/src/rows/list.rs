//! Looking through thousands of segments.

use std::fs::{File, read_dir};
use std::hint::black_box;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::time::Instant;

use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getgid, getuid};
use shm_core::ShmLayout;
use shm_core::segment::{list, sweep};

use crate::harness::{Bench, Result, Row, measured};
use crate::process::{Other, listen, say};

pub(super) const ROW: Row = Row::new(
    "list",
    "`list` and `sweep` of 10,000 segments, beside the bare calls",
    run,
)
.helper(helper);

fn run(bench: &mut Bench) -> Result<()> {
    let count = bench.settings.count(10_000, 50);
    // In a namespace of its own, so that it sweeps nothing of others.
    let mut other = Other::start(bench.row(), &[&count.to_string()], None)?;
    match other.line()?.as_str() {
        "ready" => {}
        refused => return bench.skip(refused),
    }
    let other = std::cell::RefCell::new(other);
    let ask = |what: &'static str| {
        let other = &other;
        measured(move |_| other.borrow_mut().ask(what))
    };
    bench
        .case(format!("{count} segments"))
        .rounds(15)
        .limit(
            "readdir; open, fstat, pread, F_OFD_GETLK, close each",
            ask("bare"),
        )
        .ours("list", ask("list"))
        .target(1.3)
        .ours("sweep", ask("sweep"))
        .target(1.3)
        .run()
}

/// Mounts an empty /dev/shm that only this process sees.
fn isolate() -> Result<()> {
    let (user, group) = (getuid(), getgid());
    if user.is_root() {
        unshare(CloneFlags::CLONE_NEWNS)?;
    } else {
        unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)?;
        std::fs::write("/proc/self/setgroups", "deny")?;
        std::fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
        std::fs::write("/proc/self/gid_map", format!("{group} {group} 1"))?;
    }
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    mount(
        Some("tmpfs"),
        "/dev/shm",
        Some("tmpfs"),
        MsFlags::empty(),
        none,
    )?;
    Ok(())
}

fn helper(words: &[&str]) -> Result<()> {
    let [count] = words else {
        return Err("wrong arguments".into());
    };
    let count: usize = count.parse()?;
    if let Err(error) = isolate() {
        return say(&format!("no mount namespace: {error}"));
    }
    for number in 0..count {
        u64::create(&format!("/bench-list-{number}"))?.persist()?;
    }
    say("ready")?;
    loop {
        let line = listen()?;
        let start = Instant::now();
        let found = match line.as_str() {
            "bare" => bare()?,
            "list" => list()?.filter(|info| info.is_ok()).count(),
            "sweep" => count + black_box(sweep()?).len(),
            _ => return Ok(()),
        };
        let time = start.elapsed().as_secs_f64() * 1e9;
        match found == count {
            true => say(&time.to_string())?,
            false => say(&format!("found {found} of {count} segments"))?,
        }
    }
}

/// Looks at each file as `list` has to.
fn bare() -> Result<usize> {
    let mut found = 0;
    for entry in read_dir("/dev/shm")? {
        let file = File::options().read(true).open(entry?.path())?;
        let mut header = [0; 512];
        let metadata = file.metadata()?;
        black_box((metadata.len(), metadata.uid()));
        file.read_at(&mut header, 0)?;
        // SAFETY: all zeros are a valid `flock`.
        let mut lock: libc::flock = unsafe { std::mem::zeroed() };
        lock.l_type = libc::F_WRLCK as libc::c_short;
        lock.l_len = 1;
        // SAFETY: the descriptor is open, and the kernel writes a `flock`.
        if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_OFD_GETLK, &mut lock) } != 0 {
            return Err(std::io::Error::last_os_error().into());
        }
        black_box((header, lock.l_type));
        found += 1;
    }
    Ok(found)
}
