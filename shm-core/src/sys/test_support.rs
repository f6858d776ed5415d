//! Helpers for the unit tests of this crate.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::shm;

/// A fork child inherits every descriptor, and with them the locks. So a test that forks takes this exclusively, and a
/// test with a segment takes it shared.
static SEGMENTS: RwLock<()> = RwLock::new(());

/// Excludes every other test that has a segment.
pub(crate) fn alone() -> RwLockWriteGuard<'static, ()> {
    SEGMENTS.write().unwrap_or_else(PoisonError::into_inner)
}

/// A unique name, which is unlinked when dropped. A test must have at most one.
pub(crate) struct TestName {
    name: String,
    _shared: Option<RwLockReadGuard<'static, ()>>,
    _alone: Option<RwLockWriteGuard<'static, ()>>,
}

impl TestName {
    pub(crate) fn new(tag: &str) -> Self {
        let shared = SEGMENTS.read().unwrap_or_else(PoisonError::into_inner);
        Self {
            name: unique(tag),
            _shared: Some(shared),
            _alone: None,
        }
    }

    /// As [`new`](Self::new), for a test that forks.
    pub(crate) fn alone(tag: &str) -> Self {
        Self {
            name: unique(tag),
            _shared: None,
            _alone: Some(alone()),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.name
    }

    /// The path of the name in the file system.
    pub(crate) fn path(&self) -> String {
        format!("{}{}", shm::DIRECTORY, self.name)
    }

    pub(crate) fn exists(&self) -> bool {
        shm::stat_name(&self.name).is_ok()
    }
}

impl Drop for TestName {
    fn drop(&mut self) {
        let _ = shm::unlink(&self.name);
    }
}

fn unique(tag: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("/shm-core-unit-{}-{number}-{tag}", std::process::id())
}

/// Unwraps the error of a result whose value has no `Debug`.
#[track_caller]
pub(crate) fn error<T, E>(result: Result<T, E>) -> E {
    match result {
        Ok(_) => panic!("this should have been refused"),
        Err(error) => error,
    }
}
