//! Segments in a process with closed standard descriptors, as in some daemons.

use std::fs::{read_dir, read_link};
use std::io::Write;
use std::os::fd::{FromRawFd, OwnedFd};

use shm_core::{ShmError, ShmLayout};

use super::process::in_child;
use super::{Answer, Words};
use crate::segments::{Guarded, Telemetry};

/// `fork-closed-stdio NAME`: a fork child closes its standard descriptors, uses segments of this name, and prints. Its exit
/// code is the number of the step that failed.
pub(super) fn in_child_without(words: &mut Words<'_>) -> Answer {
    let name = words.next()?;
    in_child(|| {
        for number in 0..3 {
            // SAFETY: nothing else runs in this process, and the standard library accepts closed standard streams.
            unsafe { libc::close(number) };
        }
        match use_segments(name) {
            Ok(()) => 0,
            Err(wrong) => wrong,
        }
    })
}

fn use_segments(name: &str) -> Result<(), i32> {
    let number = |number| move |_: ShmError| number;
    {
        let made = Telemetry::create(name).map_err(number(1))?;
        made.store(Telemetry::numbered(7));
        let joined = Telemetry::open_or_create(name).map_err(number(2))?;
        let reader = Telemetry::attach_read_only(name).map_err(number(3))?;
        print(4)?;
        let again = Telemetry::attach(name).map_err(number(5))?;
        if [made.load(), joined.load(), reader.load(), again.load()] != [Telemetry::numbered(7); 4]
        {
            return Err(6);
        }
    }
    {
        let anonymous = Telemetry::create_anonymous().map_err(number(7))?;
        anonymous.store(Telemetry::numbered(8));
        print(8)?;
        // As if inherited in place of a standard descriptor.
        let fd = std::os::fd::AsFd::as_fd(&anonymous);
        // SAFETY: the number is free.
        if unsafe { libc::dup2(std::os::fd::AsRawFd::as_raw_fd(&fd), 1) } != 1 {
            return Err(9);
        }
        // SAFETY: just opened, and owned by nobody else.
        let passed = unsafe { OwnedFd::from_raw_fd(1) };
        let passed = Telemetry::from_fd(passed).map_err(number(10))?;
        print(11)?;
        if passed.load() != Telemetry::numbered(8) {
            return Err(12);
        }
    }
    // Participants keep another open file description.
    let _made = Guarded::create(name).map_err(number(13))?;
    print(14)?;
    let _attached = Guarded::attach(name).map_err(number(15))?;
    print(16)
}

/// Prints, and checks that no standard descriptor leads to shared memory.
fn print(wrong: i32) -> Result<(), i32> {
    println!("{}", "a line of a log ".repeat(40));
    eprintln!("{}", "a line of a log ".repeat(40));
    let _ = std::io::stdout().flush();
    let shared = |number: i32| {
        read_link(format!("/proc/self/fd/{number}")).is_ok_and(|target| {
            let target = target.to_string_lossy().into_owned();
            target.starts_with("/dev/shm/") || target.contains("memfd:")
        })
    };
    let readable = read_dir("/proc/self/fd").is_ok();
    if readable && !(0..3).any(shared) {
        Ok(())
    } else {
        Err(wrong)
    }
}
