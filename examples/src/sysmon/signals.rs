//! Signals that are waited for instead of interrupting the program.

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
/// They are blocked and arrive on a descriptor. A loop checks for them where it would otherwise sleep, and returns, so all
/// destructors run. No signal handler is needed.
pub struct Signals {
    fd: SignalFd,
}

impl Signals {
    /// Blocks the signals. Call it before starting threads, which inherit the mask.
    ///
    /// # Errors
    ///
    /// Returns an error if a system call fails, for instance at the limit of open descriptors.
    pub fn block() -> Result<Self, Error> {
        let mut set = SigSet::empty();
        set.add(Signal::SIGINT);
        set.add(Signal::SIGTERM);
        // A descriptor would report even an ignored signal, so `nohup` would have no effect.
        if !is_ignored(Signal::SIGHUP) {
            set.add(Signal::SIGHUP);
        }
        let failed = |errno| Error::io("preparing for signals", errno);
        set.thread_block().map_err(failed)?;
        let fd = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .map_err(failed)?;
        Ok(Self { fd })
    }

    /// Waits until a signal arrives or `timeout` has passed. Returns `true` if a signal has arrived, and then on every later
    /// call too, without blocking.
    ///
    /// # Errors
    ///
    /// Returns an error if the system call fails.
    pub fn wait(&self, timeout: Duration) -> Result<bool, Error> {
        let mut fds = [PollFd::new(self.fd.as_fd(), PollFlags::POLLIN)];
        match ppoll(&mut fds, Some(TimeSpec::from_duration(timeout)), None) {
            // The signal is not read, so it stays pending for later calls.
            Ok(ready) => Ok(ready > 0),
            // Another signal, or SIGCONT. Callers check the time anyway.
            Err(Errno::EINTR) => Ok(false),
            Err(errno) => Err(Error::io("waiting", errno)),
        }
    }
}

/// Whether the program was started with `signal` ignored.
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
    fn the_mask_of_ignored_signals_is_parsed() {
        let status = "Name:\tx\nSigBlk:\t0000000000000002\nSigIgn:\t0000000000001001\n";
        assert_eq!(ignored_mask(status), 0x1001);
        assert_eq!(ignored_mask(""), 0);
        assert_eq!(ignored_mask("SigIgn:\tnonsense\n"), 0);
        // As `sigaction` counts: SIGHUP is signal 1, bit 0.
        assert_eq!(Signal::SIGHUP as u32, 1);
    }

    #[test]
    fn a_signal_ends_the_wait_and_stays_pending() {
        let signals = Signals::block().unwrap();
        assert!(!signals.wait(Duration::ZERO).unwrap());
        // Only to this thread, because the threads of other tests have not blocked it.
        nix::sys::signal::raise(Signal::SIGTERM).unwrap();
        assert!(signals.wait(Duration::from_secs(60)).unwrap());
        assert!(signals.wait(Duration::ZERO).unwrap());
    }
}
