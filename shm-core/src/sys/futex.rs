//! Sleeping until another process changes a word in shared memory.

use std::sync::atomic::AtomicU32;
use std::time::Duration;

use super::{Errno, SysError, SysResult};

/// Sleeps while the word is `seen`, for at most `span`. It may return earlier for no reason.
///
/// The futex is a shared one: the kernel knows it by the file and the place in it, so processes meet on it that have
/// mapped the file at different addresses.
#[doc(alias = "FUTEX_WAIT")]
pub(crate) fn wait(word: &AtomicU32, seen: u32, span: Duration) -> SysResult<()> {
    let timeout = libc::timespec {
        tv_sec: libc::time_t::try_from(span.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::from(span.subsec_nanos().cast_signed()),
    };
    // SAFETY: the word and the time are live for the call; the kernel only reads them. The span counts on
    // CLOCK_MONOTONIC.
    let result = unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT,
            seen,
            &raw const timeout,
        )
    };
    match Errno::result(result) {
        // A wake-up, a change before the sleep, the end of the span, a signal: the caller looks again in any case.
        Ok(_) | Err(Errno::EAGAIN | Errno::ETIMEDOUT | Errno::EINTR) => Ok(()),
        Err(errno) => Err(SysError::new("futex(FUTEX_WAIT)", errno)),
    }
}

/// Wakes one of those who sleep on the word, in any process. Says whether there was one.
#[doc(alias = "FUTEX_WAKE")]
pub(crate) fn wake_one(word: &AtomicU32) -> bool {
    wake(word, 1) > 0
}

/// Wakes up to so many of those who sleep on the word, in any process, and says how many there were.
#[doc(alias = "FUTEX_WAKE")]
pub(crate) fn wake_up_to(word: &AtomicU32, count: u32) -> u32 {
    u32::try_from(wake(word, i32::try_from(count).unwrap_or(i32::MAX))).unwrap_or(0)
}

/// Wakes all who sleep on the word, in any process.
#[doc(alias = "FUTEX_WAKE")]
pub(crate) fn wake_all(word: &AtomicU32) {
    wake(word, i32::MAX);
}

fn wake(word: &AtomicU32, count: i32) -> libc::c_long {
    // SAFETY: the kernel takes the address as a name and looks nothing up behind it but its mapping.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, count) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;
    use std::time::Instant;

    #[test]
    fn a_word_that_has_changed_is_not_slept_on() {
        let word = AtomicU32::new(1);
        let start = Instant::now();
        wait(&word, 0, Duration::from_secs(100)).unwrap();
        assert!(start.elapsed() < Duration::from_secs(50));
    }

    #[test]
    fn a_sleep_ends_by_itself() {
        let word = AtomicU32::new(0);
        let (start, span) = (Instant::now(), Duration::from_millis(2));
        // A signal may end one early.
        while start.elapsed() < span {
            wait(&word, 0, span).unwrap();
        }
    }

    #[test]
    fn a_sleeper_is_woken() {
        let word = AtomicU32::new(0);
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| {
                while word.load(Ordering::Acquire) == 0 {
                    wait(&word, 0, Duration::from_secs(100)).unwrap();
                }
            });
            word.store(1, Ordering::Release);
            while !sleeper.is_finished() {
                wake_one(&word);
                std::thread::yield_now();
            }
            sleeper.join().unwrap();
        });
    }
}
