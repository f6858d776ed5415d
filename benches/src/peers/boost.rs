//! Boost.Interprocess, through the shim in `boost.cpp`.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::NonNull;

use super::raw::Memory;
use crate::harness::Result;

// SAFETY: the declarations agree with boost.cpp.
unsafe extern "C" {
    fn shm_boost_version() -> *const c_char;
    fn shm_boost_mutex_new(at: *mut c_void) -> c_int;
    fn shm_boost_mutex_lock(at: *mut c_void) -> c_int;
    fn shm_boost_mutex_try_lock(at: *mut c_void) -> c_int;
    fn shm_boost_mutex_unlock(at: *mut c_void) -> c_int;
    fn shm_boost_semaphore_new(at: *mut c_void) -> c_int;
    fn shm_boost_semaphore_post(at: *mut c_void) -> c_int;
    fn shm_boost_semaphore_wait(at: *mut c_void) -> c_int;
    fn shm_boost_queue_create(name: *const c_char, count: usize, size: usize) -> *mut c_void;
    fn shm_boost_queue_open(name: *const c_char) -> *mut c_void;
    fn shm_boost_queue_send(queue: *mut c_void, message: *const c_void, size: usize) -> c_int;
    fn shm_boost_queue_receive(queue: *mut c_void, message: *mut c_void, size: usize) -> c_int;
    fn shm_boost_queue_close(queue: *mut c_void);
    fn shm_boost_queue_remove(name: *const c_char);
    fn shm_boost_create(name: *const c_char, size: usize) -> c_int;
    fn shm_boost_attach(name: *const c_char) -> c_int;
    fn shm_boost_offset_set(at: *mut c_void, to: *mut u64);
    fn shm_boost_offset_get(at: *const c_void) -> u64;
}

pub(crate) fn version() -> String {
    // SAFETY: takes nothing and returns a string constant.
    let text = unsafe { shm_boost_version() };
    // SAFETY: a string constant ends with a NUL and lives for ever.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_string_lossy().replace('_', ".")
}

fn check(code: c_int, what: &str) -> Result<()> {
    match code {
        0 => Ok(()),
        _ => Err(format!("Boost: {what} failed").into()),
    }
}

/// `interprocess_mutex`.
pub(crate) struct Mutex(Memory);

impl Mutex {
    pub(crate) fn new(memory: Memory) -> Result<Self> {
        // SAFETY: the memory has room for a mutex; the shim asserts its size.
        check(unsafe { shm_boost_mutex_new(memory.at(0)) }, "mutex")?;
        Ok(Self(memory))
    }

    /// A mutex that another process has constructed.
    pub(crate) fn existing(memory: Memory) -> Self {
        Self(memory)
    }

    pub(crate) fn lock(&self) -> bool {
        // SAFETY: a mutex was constructed there.
        unsafe { shm_boost_mutex_lock(self.0.at(0)) == 0 }
    }

    pub(crate) fn try_lock(&self) -> bool {
        // SAFETY: as above.
        unsafe { shm_boost_mutex_try_lock(self.0.at(0)) == 1 }
    }

    /// Call it only while this process has the lock.
    pub(crate) fn unlock(&self) -> bool {
        // SAFETY: as above.
        unsafe { shm_boost_mutex_unlock(self.0.at(0)) == 0 }
    }
}

/// Two `interprocess_semaphore`s.
pub(crate) struct Semaphores(Memory);

impl Semaphores {
    pub(crate) fn new(memory: Memory) -> Result<Self> {
        for index in 0..2 {
            // SAFETY: the memory has room for semaphores at each 128 bytes; the shim asserts their size.
            let code = unsafe { shm_boost_semaphore_new(memory.at(index)) };
            check(code, "semaphore")?;
        }
        Ok(Self(memory))
    }

    /// Semaphores that another process has constructed.
    pub(crate) fn existing(memory: Memory) -> Self {
        Self(memory)
    }

    pub(crate) fn post(&self, index: usize) -> bool {
        // SAFETY: a semaphore was constructed there.
        unsafe { shm_boost_semaphore_post(self.0.at(index)) == 0 }
    }

    pub(crate) fn wait(&self, index: usize) -> bool {
        // SAFETY: as above.
        unsafe { shm_boost_semaphore_wait(self.0.at(index)) == 0 }
    }
}

/// A `message_queue`. The process that created it removes its name.
pub(crate) struct Queue {
    queue: NonNull<c_void>,
    created: Option<CString>,
}

impl Queue {
    pub(crate) fn create(name: &str, count: usize, size: usize) -> Result<Self> {
        let name = CString::new(name.trim_start_matches('/'))?;
        // SAFETY: the name is a C string.
        let queue = unsafe { shm_boost_queue_create(name.as_ptr(), count, size) };
        Ok(Self {
            queue: NonNull::new(queue).ok_or("Boost: no message queue")?,
            created: Some(name),
        })
    }

    pub(crate) fn open(name: &str) -> Result<Self> {
        let name = CString::new(name.trim_start_matches('/'))?;
        // SAFETY: the name is a C string.
        let queue = unsafe { shm_boost_queue_open(name.as_ptr()) };
        Ok(Self {
            queue: NonNull::new(queue).ok_or("Boost: no message queue")?,
            created: None,
        })
    }

    pub(crate) fn send<const N: usize>(&self, message: &[u64; N]) -> Result<()> {
        // SAFETY: the queue is open, and the message has that many bytes.
        let code = unsafe {
            shm_boost_queue_send(
                self.queue.as_ptr(),
                message.as_ptr().cast(),
                size_of::<[u64; N]>(),
            )
        };
        check(code, "send")
    }

    pub(crate) fn receive<const N: usize>(&self, message: &mut [u64; N]) -> Result<()> {
        // SAFETY: the queue is open, and the message has room for that many bytes, which all are a number.
        let code = unsafe {
            shm_boost_queue_receive(
                self.queue.as_ptr(),
                message.as_mut_ptr().cast(),
                size_of::<[u64; N]>(),
            )
        };
        check(code, "receive")
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: the queue is open, and nothing uses it afterwards.
        unsafe { shm_boost_queue_close(self.queue.as_ptr()) };
        if let Some(name) = &self.created {
            // SAFETY: the name is a C string.
            unsafe { shm_boost_queue_remove(name.as_ptr()) };
        }
    }
}

/// Creates, maps, writes to, unmaps and removes a `shared_memory_object`.
pub(crate) fn create(name: &CStr, size: usize) -> bool {
    // SAFETY: the name is a C string.
    unsafe { shm_boost_create(name.as_ptr(), size) == 0 }
}

/// Opens, maps, reads and unmaps a `shared_memory_object`.
pub(crate) fn attach(name: &CStr) -> bool {
    // SAFETY: the name is a C string.
    unsafe { shm_boost_attach(name.as_ptr()) == 0 }
}

/// An `offset_ptr` to the number in the second place of its memory.
pub(crate) struct Offset(Memory);

impl Offset {
    pub(crate) fn new(memory: Memory) -> Self {
        // SAFETY: the memory has room for a pointer, and the second place for a number.
        unsafe { shm_boost_offset_set(memory.at(0), memory.at(1).cast()) };
        Self(memory)
    }

    pub(crate) fn get(&self) -> u64 {
        // SAFETY: an `offset_ptr` to a number was constructed there.
        unsafe { shm_boost_offset_get(self.0.at(0)) }
    }
}
