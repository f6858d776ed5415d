//! What lies in the segments of the tests.

mod blocked;
mod ring;
mod waiting;

use std::sync::atomic::{AtomicU32, AtomicU64};

use shm_core::ShmLayout;
use shm_core::sync::Mutex;

pub use blocked::BlockedSegment;
pub use ring::{Message, RingSegment};
pub use waiting::WaitSegment;

/// A value whose fields all follow from one number, so that half a value shows.
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

/// [`Telemetry`] as another version of a program has it.
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

/// Lets many processes begin at the same moment.
#[derive(Debug, ShmLayout)]
#[repr(C)]
pub struct Gate {
    /// The number of the last round that was opened.
    pub open: AtomicU64,
}

/// What looping processes have seen. It survives those that are killed.
#[derive(Debug, ShmLayout)]
#[repr(C)]
pub struct Stats {
    /// Segments made.
    pub created: AtomicU64,
    /// Segments attached to that held a whole value.
    pub attached: AtomicU64,
    /// Refusals that are in order: the name is taken, or free.
    pub refused: AtomicU64,
    /// Times that a name led elsewhere although its owner lived and nobody unlinked it.
    pub lost: AtomicU64,
    /// Values that were not whole.
    pub torn: AtomicU64,
    /// Orphans removed.
    pub swept: AtomicU64,
    /// Errors that should not be.
    pub failed: AtomicU64,
    /// Tells the loops to end.
    pub stop: AtomicU32,
    /// Nothing.
    pub _pad: u32,
}

/// What processes that share four names have done and are about to do, so that a name that was taken from somebody can be
/// told from one that was removed on demand. It survives those that are killed.
#[derive(Debug, ShmLayout)]
#[repr(C)]
pub struct Ledger {
    /// How often somebody began to unlink each name.
    pub unlinks: [AtomicU64; 4],
    /// How often an owner of each name began to leave, which removes the name if it is the last.
    pub leaves: [AtomicU64; 4],
    /// What each process is about: 0 for nothing, 1 to 4 for unlinking that name, 5 to 8 for leaving it.
    pub doing: [AtomicU64; 8],
    /// Rounds that each process, and those that took its place, came to the end of.
    pub rounds: [AtomicU64; 8],
    /// Segments joined or made by `open_or_create`.
    pub joined: AtomicU64,
    /// Names unlinked.
    pub unlinked: AtomicU64,
    /// Segments made where an orphan had been seen.
    pub replaced: AtomicU64,
    /// Owners whose name nobody removed on demand, and which had it all the time.
    pub owned: AtomicU64,
    /// The same of those that were attached only, of which no owner left either.
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

/// As many samples as its creator wants.
#[derive(ShmLayout)]
#[repr(C)]
pub struct Samples {
    /// How many are in use.
    pub count: u64,
    /// All of them.
    pub values: [u32],
}

/// What a lock protects: the two numbers are equal while nobody has it.
#[derive(Debug, ShmLayout)]
#[repr(C)]
pub struct Pair {
    /// A number of the owner's own choice; 0 without one.
    pub holder: u64,
    /// Raised first.
    pub count: u64,
    /// Raised second.
    pub twin: u64,
}

/// A lock, and what processes that took it in turns have seen.
#[derive(Debug, ShmLayout)]
#[repr(C)]
pub struct Guarded {
    /// The lock.
    pub lock: Mutex<Pair>,
    /// Rounds that went well.
    pub rounds: AtomicU64,
    /// Owners that were found dead.
    pub died: AtomicU64,
    /// Times that there were two owners.
    pub doubles: AtomicU64,
    /// Times that half a change was seen without a warning.
    pub torn: AtomicU64,
    /// Errors that should not be.
    pub failed: AtomicU64,
    /// Tells the loops to end.
    pub stop: AtomicU32,
    /// Nothing.
    pub _pad: u32,
}

/// 4 KiB that all follow from one number, so that half a value shows. Zeroes are the value of 0.
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
