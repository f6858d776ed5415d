//! Signals as something to wait for, instead of something that interrupts.

use std::fs;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::time::TimeSpec;

use super::error::Error;

/// The signals that ask a program to end: SIGINT (Ctrl-C), SIGTERM and SIGHUP.
///
/// They are blocked and arrive on a descriptor, so nothing is cut off half-way: the loop
/// asks for them where it would otherwise sleep, then ends like any other function, with
/// all destructors. No handler runs at odd moments, and none could be forgotten.
pub struct Signals {
    fd: SignalFd,
}

impl Signals {
    /// Blocks the signals. To be called before a thread is started, since each thread has a
    /// mask of its own.
    ///
    /// # Errors
    ///
    /// When the kernel refuses, which takes a process at its limit of descriptors.
    pub fn block() -> Result<Self, Error> {
        let mut set = SigSet::empty();
        set.add(Signal::SIGINT);
        set.add(Signal::SIGTERM);
        // A descriptor would report even an ignored signal, and `nohup` must keep its sense.
        if !is_ignored(Signal::SIGHUP) {
            set.add(Signal::SIGHUP);
        }
        let failed = |errno| Error::io("preparing for signals", errno);
        set.thread_block().map_err(failed)?;
        let fd = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .map_err(failed)?;
        Ok(Self { fd })
    }

    /// Waits until a signal comes or `timeout` has passed. True for a signal, and from then
    /// on: asking again does not block.
    ///
    /// # Errors
    ///
    /// When the kernel refuses to wait.
    pub fn wait(&self, timeout: Duration) -> Result<bool, Error> {
        let mut fds = [PollFd::new(self.fd.as_fd(), PollFlags::POLLIN)];
        match ppoll(&mut fds, Some(TimeSpec::from_duration(timeout)), None) {
            // The signal is left in the descriptor: being asked to end does not wear off.
            Ok(ready) => Ok(ready > 0),
            // An unrelated signal, or a continued stop. The caller's loop looks at its
            // clock anyway.
            Err(Errno::EINTR) => Ok(false),
            Err(errno) => Err(Error::io("waiting", errno)),
        }
    }
}

/// Whether whoever started this program had it ignore `signal`.
fn is_ignored(signal: Signal) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignored_mask(&status) & (1 << (signal as u32 - 1)) != 0
}

fn ignored_mask(status: &str) -> u64 {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_of_ignored_signals() {
        let status = "Name:\tx\nSigBlk:\t0000000000000002\nSigIgn:\t0000000000001001\n";
        assert_eq!(ignored_mask(status), 0x1001);
        assert_eq!(ignored_mask(""), 0);
        assert_eq!(ignored_mask("SigIgn:\tnonsense\n"), 0);
        // As `sigaction` counts: SIGHUP is signal 1, bit 0.
        assert_eq!(Signal::SIGHUP as u32, 1);
    }

    #[test]
    fn a_signal_ends_the_wait_and_stays() {
        let signals = Signals::block().unwrap();
        assert!(!signals.wait(Duration::ZERO).unwrap());
        // To this thread only: the other tests' threads have not blocked it.
        nix::sys::signal::raise(Signal::SIGTERM).unwrap();
        assert!(signals.wait(Duration::from_secs(60)).unwrap());
        assert!(signals.wait(Duration::ZERO).unwrap());
    }
}
