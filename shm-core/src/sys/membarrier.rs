//! Memory barriers that one process imposes on others.
//!
//! A process that has registered can be interrupted by any other: the kernel makes all of its threads that run at that moment
//! pass a full fence. Those that do not run pass one before they go on.

use super::{Errno, SysError, SysResult};

/// Registers this process, until it runs another program. Fork children have to register by themselves. In a process with
/// several threads it takes milliseconds.
#[doc(alias = "MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED")]
pub(crate) fn register() -> SysResult<()> {
    membarrier(libc::MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED)
}

/// Makes every thread of all registered processes pass a full fence before it returns. The caller need not be registered.
#[doc(alias = "MEMBARRIER_CMD_GLOBAL_EXPEDITED")]
pub(crate) fn interrupt() -> SysResult<()> {
    membarrier(libc::MEMBARRIER_CMD_GLOBAL_EXPEDITED)
}

fn membarrier(command: libc::c_int) -> SysResult<()> {
    // SAFETY: the call takes no pointers. The other arguments, which these commands ignore, are 0 as they demand.
    let result = unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) };
    match Errno::result(result) {
        Ok(_) => Ok(()),
        Err(errno) => Err(SysError::new("membarrier", errno)),
    }
}

#[cfg(all(test, not(any(miri, shm_portable_copy))))]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering, compiler_fence, fence};
    use std::time::{Duration, Instant};

    use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};
    use nix::sys::wait::{WaitStatus, waitpid};
    use nix::unistd::{ForkResult, Pid, fork, getpid, getppid};

    use super::*;
    use crate::sys::test_support;

    const ROUNDS: u64 = 20_000;
    /// A busy machine takes milliseconds for a round, and other tests wait for this one: it does fewer rounds there.
    const LONGEST: Duration = Duration::from_secs(2);
    /// In place of a round: none follows.
    const END: u64 = u64::MAX;

    /// What the two processes share.
    #[repr(C, align(128))]
    struct Line(AtomicU64);

    #[repr(C)]
    struct Shared {
        begun: Line,
        done: Line,
        change: Line,
        waiters: Line,
        /// What the committer has loaded from `waiters`.
        seen: Line,
    }

    /// Waits until a word is `round`, or until the parent, if any is watched, is gone. `false` if the word says that no round
    /// follows.
    fn wait_for(word: &Line, round: u64, parent: Option<Pid>) -> bool {
        let mut looks = 0_u32;
        loop {
            match word.0.load(Ordering::Acquire) {
                END => return false,
                now if now == round => return true,
                _ => {}
            }
            looks += 1;
            if !looks.is_multiple_of(256) {
                // So that both begin at the same time, if each has a processor.
                std::hint::spin_loop();
                continue;
            }
            std::thread::yield_now();
            if parent.is_some_and(|parent| getppid() != parent) {
                std::process::abort();
            }
        }
    }

    fn pause(looks: u64) {
        (0..looks).for_each(|_| std::hint::spin_loop());
    }

    fn commit(shared: &Shared, parent: Pid) {
        register().unwrap();
        for round in 1.. {
            if !wait_for(&shared.begun, round, Some(parent)) {
                return;
            }
            pause(round / 64 % 64);
            shared.change.0.store(round, Ordering::Release);
            compiler_fence(Ordering::SeqCst);
            let seen = shared.waiters.0.load(Ordering::Relaxed);
            shared.seen.0.store(seen, Ordering::Relaxed);
            shared.done.0.store(round, Ordering::Release);
        }
    }

    /// The sleeper's side. Returns in how many rounds neither saw the other.
    fn interrupt_and_look(shared: &Shared, child: Pid) -> u64 {
        let mut missed = 0;
        let end = Instant::now() + LONGEST;
        for round in (1..=ROUNDS).take_while(|_| Instant::now() < end) {
            shared.begun.0.store(round, Ordering::Release);
            pause(round % 64);
            shared.waiters.0.store(round, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            interrupt().unwrap();
            let change = shared.change.0.load(Ordering::Acquire);
            wait_for(&shared.done, round, None);
            if change != round && shared.seen.0.load(Ordering::Relaxed) != round {
                missed += 1;
            }
        }
        shared.begun.0.store(END, Ordering::Release);
        assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0)));
        missed
    }

    /// A process commits without a fence, another one announces itself and interrupts: one of the two sees the other. Without
    /// the interrupt, some tens of rounds miss if each has a processor.
    #[test]
    fn a_commit_without_a_fence_or_its_sleeper_sees_the_other() {
        // The child is refused if this process is.
        if interrupt().and(register()).is_err() {
            eprintln!("skipped: this system refuses membarrier");
            return;
        }
        let _alone = test_support::alone();
        let len = std::num::NonZeroUsize::new(4096).unwrap();
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: the kernel chooses a free range, so no memory in use is replaced.
        let page = unsafe { mmap_anonymous(None, len, protection, MapFlags::MAP_SHARED) }.unwrap();
        // SAFETY: zeros are valid, the page is larger and more aligned, and it is only accessed atomically until it is unmapped.
        let shared = unsafe { page.cast::<Shared>().as_ref() };
        let parent = getpid();
        // SAFETY: the child uses atomics and system calls only, and ends with `_exit`.
        match unsafe { fork() }.unwrap() {
            ForkResult::Child => {
                commit(shared, parent);
                // SAFETY: ends the process without running any of the parent's exit handlers.
                unsafe { libc::_exit(0) }
            }
            ForkResult::Parent { child } => {
                assert_eq!(interrupt_and_look(shared, child), 0);
            }
        }
        // SAFETY: nothing uses the page any more.
        unsafe { munmap(page, len.get()) }.unwrap();
    }
}
