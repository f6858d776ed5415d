//! pthread mutexes, semaphores and barriers in shared memory.

use std::ffi::CStr;
use std::mem::MaybeUninit;

use nix::libc;

use super::raw::Memory;
use crate::harness::Result;

pub(crate) fn libc_version() -> String {
    // SAFETY: takes nothing and returns a string constant.
    let text = unsafe { libc::gnu_get_libc_version() };
    // SAFETY: a string constant ends with a NUL and lives for ever.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_string_lossy().into_owned()
}

/// Turns the error number that a call returns into a `Result`.
fn check(code: i32) -> Result<()> {
    match code {
        0 => Ok(()),
        code => Err(std::io::Error::from_raw_os_error(code).into()),
    }
}

fn check_errno(code: i32) -> Result<()> {
    match code {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error().into()),
    }
}

/// A `pthread_mutex_t` that processes share.
pub(crate) struct Mutex(Memory);

impl Mutex {
    pub(crate) fn new(memory: Memory, robust: bool) -> Result<Self> {
        let mut attributes = MaybeUninit::<libc::pthread_mutexattr_t>::uninit();
        // SAFETY: there is room for attributes.
        check(unsafe { libc::pthread_mutexattr_init(attributes.as_mut_ptr()) })?;
        let shared = libc::PTHREAD_PROCESS_SHARED;
        // SAFETY: the attributes are initialised.
        check(unsafe { libc::pthread_mutexattr_setpshared(attributes.as_mut_ptr(), shared) })?;
        if robust {
            let robust = libc::PTHREAD_MUTEX_ROBUST;
            // SAFETY: as above.
            check(unsafe { libc::pthread_mutexattr_setrobust(attributes.as_mut_ptr(), robust) })?;
        }
        // SAFETY: the memory has room for a mutex, and the attributes are initialised.
        check(unsafe { libc::pthread_mutex_init(memory.at(0).cast(), attributes.as_ptr()) })?;
        Ok(Self(memory))
    }

    /// A mutex that another process has initialised.
    pub(crate) fn existing(memory: Memory) -> Self {
        Self(memory)
    }

    pub(crate) fn lock(&self) -> i32 {
        // SAFETY: a mutex was initialised there and is never destroyed.
        unsafe { libc::pthread_mutex_lock(self.0.at(0).cast()) }
    }

    pub(crate) fn try_lock(&self) -> i32 {
        // SAFETY: as above.
        unsafe { libc::pthread_mutex_trylock(self.0.at(0).cast()) }
    }

    /// Call it only while this thread has the lock.
    pub(crate) fn unlock(&self) -> i32 {
        // SAFETY: as above.
        unsafe { libc::pthread_mutex_unlock(self.0.at(0).cast()) }
    }
}

impl Mutex {
    /// After a lock that found its owner dead, in the same thread: marks the mutex usable and unlocks it.
    pub(crate) fn make_consistent(&self) {
        // SAFETY: as above.
        unsafe { libc::pthread_mutex_consistent(self.0.at(0).cast()) };
        self.unlock();
    }
}

/// Two `sem_t`.
pub(crate) struct Semaphores(Memory);

impl Semaphores {
    pub(crate) fn new(memory: Memory) -> Result<Self> {
        for index in 0..2 {
            // SAFETY: the memory has room for semaphores at each 128 bytes.
            check_errno(unsafe { libc::sem_init(memory.at(index).cast(), 1, 0) })?;
        }
        Ok(Self(memory))
    }

    /// Semaphores that another process has initialised.
    pub(crate) fn existing(memory: Memory) -> Self {
        Self(memory)
    }

    pub(crate) fn post(&self, index: usize) -> i32 {
        // SAFETY: a semaphore was initialised there and is never destroyed.
        unsafe { libc::sem_post(self.0.at(index).cast()) }
    }

    pub(crate) fn wait(&self, index: usize) -> i32 {
        // SAFETY: as above.
        unsafe { libc::sem_wait(self.0.at(index).cast()) }
    }
}

/// A `pthread_barrier_t`.
pub(crate) struct Barrier(Memory);

impl Barrier {
    pub(crate) fn new(memory: Memory, count: u32) -> Result<Self> {
        let mut attributes = MaybeUninit::<libc::pthread_barrierattr_t>::uninit();
        // SAFETY: there is room for attributes.
        check(unsafe { libc::pthread_barrierattr_init(attributes.as_mut_ptr()) })?;
        let shared = libc::PTHREAD_PROCESS_SHARED;
        // SAFETY: the attributes are initialised.
        check(unsafe { libc::pthread_barrierattr_setpshared(attributes.as_mut_ptr(), shared) })?;
        // SAFETY: the memory has room for a barrier, and the attributes are initialised.
        check(unsafe {
            libc::pthread_barrier_init(memory.at(0).cast(), attributes.as_ptr(), count)
        })?;
        Ok(Self(memory))
    }

    /// A barrier that another process has initialised.
    pub(crate) fn existing(memory: Memory) -> Self {
        Self(memory)
    }

    pub(crate) fn wait(&self) -> i32 {
        // SAFETY: a barrier was initialised there and is never destroyed.
        unsafe { libc::pthread_barrier_wait(self.0.at(0).cast()) }
    }
}
