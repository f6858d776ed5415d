//! Types of the tests' segments.

mod blocked;
mod recoverable;
mod ring;
pub mod versions;
mod waiting;

use std::sync::atomic::{AtomicU32, AtomicU64};

use shm_core::ShmLayout;
use shm_core::sync::Mutex;

pub use blocked::BlockedSegment;
pub use recoverable::{Accounts, Log, Places, Recoverable, Table};
pub use ring::{Message, RingSegment};
pub use waiting::{WaitSegment, is_owed};

/// A value whose fields all follow from one number, so that a torn value is detected.
#[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
#[repr(C)]
pub struct Telemetry {
    /// The number.
    pub frame: u64,
    /// Three numbers that differ.
    pub position: [f64; 3],
    /// Another one.
    pub speed: f64,
    /// At byte 40, as a `f32`.
    pub temperature: f32,
    /// Its lower half, inverted.
    pub flags: u32,
}

impl Telemetry {
    /// The value that follows from `frame`, which is exact as a `f32`.
    #[must_use]
    pub fn numbered(frame: u16) -> Self {
        let base = f64::from(frame);
        Self {
            frame: u64::from(frame),
            position: [base + 0.25, base + 0.5, base + 0.75],
            speed: -base,
            temperature: f32::from(frame),
            flags: !u32::from(frame),
        }
    }

    /// Whether all fields follow from the same number, which a value of zeros does not.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        u16::try_from(self.frame).is_ok_and(|frame| *self == Self::numbered(frame))
    }
}

/// [`Telemetry`] in another version of a program.
#[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
#[repr(C)]
pub struct TelemetryWide {
    /// As before.
    pub frame: u64,
    /// As before.
    pub position: [f64; 3],
    /// As before.
    pub speed: f64,
    /// At byte 40 too, but as a `f64`.
    pub temperature: f64,
    /// Behind it.
    pub flags: u64,
}

/// Lets many processes start at the same moment.
#[derive(Debug, ShmLayout)]
#[repr(C)]
pub struct Gate {
    /// The number of the last round that was opened.
    pub open: AtomicU64,
}

/// What looping processes saw. Outlives those that are killed.
#[derive(Debug, ShmLayout)]
#[repr(C)]
pub struct Stats {
    /// Segments made.
    pub created: AtomicU64,
    /// Attaches that found a whole value.
    pub attached: AtomicU64,
    /// Expected refusals: the name is taken, or free.
    pub refused: AtomicU64,
    /// Times that a name led elsewhere although its owner lived and nobody unlinked it.
    pub lost: AtomicU64,
    /// Values that were not whole.
    pub torn: AtomicU64,
    /// Orphaned segments removed.
    pub swept: AtomicU64,
    /// Unexpected errors.
    pub failed: AtomicU64,
    /// Tells the loops to end.
    pub stop: AtomicU32,
    /// Padding.
    pub _pad: u32,
}

/// What processes that share four names have done and intend to do, so that a name taken from a process can be distinguished
/// from one that was removed on demand. Outlives those that are killed.
#[derive(Debug, ShmLayout)]
#[repr(C)]
pub struct Ledger {
    /// How often a process began to unlink each name.
    pub unlinks: [AtomicU64; 4],
    /// How often an owner of each name began to leave, which removes the name if it is the last.
    pub leaves: [AtomicU64; 4],
    /// What each process intends: 0 nothing, 1 to 4 to unlink that name, 5 to 8 to leave it.
    pub doing: [AtomicU64; 8],
    /// Rounds that each process and its replacements completed.
    pub rounds: [AtomicU64; 8],
    /// Segments opened or created by `open_or_create`.
    pub joined: AtomicU64,
    /// Names unlinked.
    pub unlinked: AtomicU64,
    /// Segments created where an orphaned one had been seen.
    pub replaced: AtomicU64,
    /// Owners whose name nobody removed on demand, and which kept it throughout.
    pub owned: AtomicU64,
    /// The same for processes that were only attached, while no owner left either.
    pub kept: AtomicU64,
}

/// 1 GiB.
#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
pub struct Huge {
    /// All of it.
    pub words: [u64; 1 << 27],
}

/// 64 MiB, many times the stack of any thread.
#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
pub struct Large {
    /// All of it.
    pub words: [u64; 1 << 23],
}

/// As many samples as its creator asked for.
#[derive(ShmLayout)]
#[repr(C)]
pub struct Samples {
    /// How many are in use.
    pub count: u64,
    /// All of them.
    pub values: [u32],
}

/// A locked value: the two numbers are equal while it is unlocked.
#[derive(Debug, ShmLayout)]
#[repr(C)]
pub struct Pair {
    /// A number that the owner chooses; 0 without an owner.
    pub holder: u64,
    /// Incremented first.
    pub count: u64,
    /// Incremented second.
    pub twin: u64,
}

/// A lock, and what processes that held it in turn saw.
#[derive(Debug, ShmLayout)]
#[repr(C)]
pub struct Guarded {
    /// The lock.
    pub lock: Mutex<Pair>,
    /// Completed rounds.
    pub rounds: AtomicU64,
    /// Dead owners that were reported.
    pub died: AtomicU64,
    /// Times that there were two owners.
    pub doubles: AtomicU64,
    /// Times that half a change was seen without a report.
    pub torn: AtomicU64,
    /// Unexpected errors.
    pub failed: AtomicU64,
    /// Tells the loops to end.
    pub stop: AtomicU32,
    /// Padding.
    pub _pad: u32,
}

/// 4 KiB that all follow from one number, so that a torn value is detected. Zeroes are the value of 0.
#[derive(Clone, Copy, Debug, ShmLayout)]
#[repr(C)]
pub struct Block {
    /// The number.
    pub number: u64,
    /// Its multiples.
    pub words: [u64; 511],
}

impl Block {
    /// The value that follows from `number`.
    #[must_use]
    pub fn numbered(number: u64) -> Self {
        let mut words = [0; 511];
        for (word, factor) in words.iter_mut().zip(1_u64..) {
            *word = number.wrapping_mul(factor);
        }
        Self { number, words }
    }

    /// Whether all of it follows from the same number.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.words
            .iter()
            .zip(1_u64..)
            .all(|(word, factor)| *word == self.number.wrapping_mul(factor))
    }

    /// Whether all of it follows from `number`.
    #[must_use]
    pub fn is_numbered(&self, number: u64) -> bool {
        self.number == number && self.is_whole()
    }
}

/// A small value: eight times the same number.
pub type SmallValue = [u64; 8];
