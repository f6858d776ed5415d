//! Futexes: sleeping until another process changes a word in shared memory.

use std::sync::atomic::AtomicU32;
use std::time::Duration;

use super::{Errno, SysError, SysResult};

/// Sleeps while the word is `seen`, for at most `span`. Wake-ups may be spurious.
///
/// The futex is a shared one: the kernel identifies it by file and offset, so it works between processes that have
/// mapped the file at different addresses.
#[doc(alias = "FUTEX_WAIT")]
pub(crate) fn wait(word: &AtomicU32, seen: u32, span: Duration) -> SysResult<()> {
    let timeout = libc::timespec {
        tv_sec: libc::time_t::try_from(span.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_nsec: libc::c_long::from(span.subsec_nanos().cast_signed()),
    };
    // SAFETY: the word and the timeout outlive the call, and the kernel only reads them. The timeout is relative, on
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
        // Woken, changed before the sleep, timed out, or interrupted: the caller reads the word again in any case.
        Ok(_) | Err(Errno::EAGAIN | Errno::ETIMEDOUT | Errno::EINTR) => Ok(()),
        Err(errno) => Err(SysError::new("futex(FUTEX_WAIT)", errno)),
    }
}

/// Wakes one sleeper on the word, in any process. Returns whether there was one.
#[doc(alias = "FUTEX_WAKE")]
pub(crate) fn wake_one(word: &AtomicU32) -> bool {
    wake(word, 1) > 0
}

/// Wakes up to `count` sleepers on the word, in any process. Returns how many were woken.
#[doc(alias = "FUTEX_WAKE")]
pub(crate) fn wake_up_to(word: &AtomicU32, count: u32) -> u32 {
    u32::try_from(wake(word, i32::try_from(count).unwrap_or(i32::MAX))).unwrap_or(0)
}

/// Wakes all sleepers on the word, in any process.
#[doc(alias = "FUTEX_WAKE")]
pub(crate) fn wake_all(word: &AtomicU32) {
    wake(word, i32::MAX);
}

fn wake(word: &AtomicU32, count: i32) -> libc::c_long {
    // SAFETY: the kernel uses the address only to find the mapping, and accesses no memory at it.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), libc::FUTEX_WAKE, count) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;
    use std::time::Instant;

    #[test]
    fn wait_returns_at_once_if_the_word_has_changed() {
        let word = AtomicU32::new(1);
        let start = Instant::now();
        wait(&word, 0, Duration::from_secs(100)).unwrap();
        assert!(start.elapsed() < Duration::from_secs(50));
    }

    #[test]
    fn wait_times_out() {
        let word = AtomicU32::new(0);
        let (start, span) = (Instant::now(), Duration::from_millis(2));
        // A signal may end a sleep early.
        while start.elapsed() < span {
            wait(&word, 0, span).unwrap();
        }
    }

    #[test]
    fn wake_one_wakes_a_sleeper() {
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
