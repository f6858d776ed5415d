//! Names of segments, and their contents.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use shm_core::ShmLayout;
use shm_core::sync::SeqLock;

#[derive(Clone, Copy, Debug, ShmLayout)]
#[repr(C)]
pub(crate) struct Sample {
    pub(crate) frame: u64,
    pub(crate) position: [f64; 3],
}

/// The segment of the project's README.
#[derive(ShmLayout)]
#[repr(C)]
pub(crate) struct Telemetry {
    pub(crate) newest: SeqLock<Sample>,
    pub(crate) battery: [f32; 32],
}

/// The bytes of a header at which the format has the time of creation and the checksum of all before it.
const CREATED_AT: usize = 96;
const CHECKSUM: usize = 120;

/// A name that no other test uses, as long as the one that documents have in its place. Dropping it removes the segment.
#[derive(Debug)]
pub(crate) struct Name {
    /// In documents, without the slash.
    shown: &'static str,
    /// In this run.
    real: String,
}

impl Name {
    pub(crate) fn new(shown: &'static str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let width = shown.len() - 2;
        let real = format!("{:0width$}{number:02}", std::process::id());
        assert_eq!(real.len(), shown.len());
        Self { shown, real }
    }

    pub(crate) fn with_slash(&self) -> String {
        format!("/{}", self.real)
    }

    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from("/dev/shm").join(&self.real)
    }

    /// The text with the name that documents have.
    pub(crate) fn shown_in(&self, text: &str) -> String {
        text.replace(&self.real, self.shown)
    }

    /// The text of a document with the name of this run. Followed by `_`, it is a part of the name of a type in C.
    pub(crate) fn real_in(&self, text: &str) -> String {
        let prefix = format!("{}_", self.shown);
        let parts = text.split(&prefix);
        let parts: Vec<_> = parts
            .map(|part| part.replace(self.shown, &self.real))
            .collect();
        parts.join(&prefix)
    }

    /// Makes the segment look as old as this.
    pub(crate) fn backdate(&self, age: Duration) {
        let created_at = SystemTime::now() - age;
        let since_1970 = created_at.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let nanoseconds = u64::try_from(since_1970.as_nanos()).unwrap();
        let file = File::options()
            .read(true)
            .write(true)
            .open(self.path())
            .unwrap();
        let mut header = [0; CHECKSUM];
        file.read_exact_at(&mut header, 0).unwrap();
        header[CREATED_AT..CREATED_AT + 8].copy_from_slice(&nanoseconds.to_ne_bytes());
        file.write_all_at(&header, 0).unwrap();
        file.write_all_at(&fnv(&header).to_ne_bytes(), CHECKSUM as u64)
            .unwrap();
    }
}

/// FNV-1a, the checksum of headers.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}

impl Drop for Name {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.path());
    }
}

/// A persistent segment with fixed values.
pub(crate) fn telemetry(name: &Name) {
    let made = Telemetry::create(&name.with_slash()).unwrap();
    made.persist().unwrap();
    let sample = Sample {
        frame: 24,
        position: [12.0, -0.5, 3.25],
    };
    made.newest.store(sample).unwrap();
    for number in 0..32_u8 {
        made.battery[usize::from(number)].set(3.5 + f32::from(number % 5) / 8.0);
    }
}
