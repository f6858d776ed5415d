//! Segment names of one test.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{fs, thread};

/// The directory of the names.
pub const SHM_DIRECTORY: &str = "/dev/shm";

/// The names of one test. Dropping this removes every name with its prefix, and fails the test if there was one: its creator
/// should have removed it.
#[derive(Debug)]
pub struct Names {
    prefix: String,
}

impl Names {
    /// A prefix that no other test, process or container uses.
    #[must_use]
    pub fn new(tag: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let random = RandomState::new().hash_one(number) as u32;
        let prefix = format!(
            "shm-tests-{}-{random:08x}-{number}-{tag}",
            std::process::id()
        );
        Self { prefix }
    }

    /// A segment's name, with its slash. Equal for equal `part`s.
    #[must_use]
    pub fn name(&self, part: &str) -> String {
        format!("/{}-{part}", self.prefix)
    }

    /// The file behind a name of a segment.
    #[must_use]
    pub fn path(name: &str) -> PathBuf {
        PathBuf::from(format!("{SHM_DIRECTORY}{name}"))
    }

    /// Whether the name exists.
    #[must_use]
    pub fn exists(name: &str) -> bool {
        fs::symlink_metadata(Self::path(name)).is_ok()
    }

    /// Every file in the directory whose name contains the prefix.
    #[must_use]
    pub fn remaining(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(SHM_DIRECTORY) else {
            return Vec::new();
        };
        entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.to_string_lossy().contains(&self.prefix))
            .collect()
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        let remaining = self.remaining();
        for path in &remaining {
            remove(path);
        }
        // A test that already failed has printed what matters.
        assert!(
            remaining.is_empty() || thread::panicking(),
            "names remain: {remaining:?}"
        );
    }
}

fn remove(path: &Path) {
    if fs::remove_file(path).is_err() {
        let _ = fs::remove_dir(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remaining_name_is_removed_and_fails_the_test() {
        let names = Names::new("guard");
        let name = names.name("left");
        fs::write(Names::path(&name), b"").unwrap();
        assert!(Names::exists(&name));
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(names)));
        let payload = outcome.unwrap_err();
        let text = payload.downcast_ref::<String>().unwrap();
        assert!(text.contains(&name[1..]), "{text}");
        assert!(!Names::exists(&name));
    }

    #[test]
    fn prefixes_differ_and_no_name_remains() {
        let (one, two) = (Names::new("same"), Names::new("same"));
        assert_ne!(one.name("x"), two.name("x"));
        assert!(one.remaining().is_empty());
    }
}
