//! Values that are written as `shm-core/docs/recovery.md` says, so that the next owner can repair what a dead one left.

use std::sync::atomic::Ordering::{Relaxed, Release};
use std::sync::atomic::{AtomicU32, AtomicU64, fence};

use shm_core::sync::Mutex;
use shm_core::{ShmCell, ShmLayout};

/// One value for each idiom.
#[derive(Debug, ShmLayout)]
#[repr(C)]
pub struct Recoverable {
    /// A commit word.
    pub log: Mutex<Log>,
    /// Two copies and a word that names one.
    pub table: Mutex<Table>,
    /// An undo record.
    pub undo: Mutex<Accounts>,
    /// A redo record.
    pub redo: Mutex<Accounts>,
    /// A count that can be computed.
    pub places: Mutex<Places>,
}

/// Entries up to `len` count.
#[derive(Debug, ShmLayout)]
#[repr(C)]
pub struct Log {
    len: AtomicU64,
    entries: [[u64; 2]; 64],
}

impl Log {
    /// Appends an entry that follows from its number; the log starts again when it is full.
    pub fn append(log: &ShmCell<Self>) {
        fence(Release);
        let mut len = log.len.load(Relaxed);
        if len as usize == log.entries.len() {
            log.len.store(0, Release);
            fence(Release);
            len = 0;
        }
        log.entries[len as usize].store([len + 1; 2]);
        log.len.store(len + 1, Release);
    }

    /// Whether all entries that count are whole.
    #[must_use]
    pub fn is_consistent(log: &ShmCell<Self>) -> bool {
        (0..log.len.load(Relaxed)).all(|at| log.entries[at as usize].load() == [at + 1; 2])
    }
}

/// The copy that `current` names counts.
#[derive(Debug, ShmLayout)]
#[repr(C)]
pub struct Table {
    current: AtomicU32,
    _pad: u32,
    copies: [[u64; 8]; 2],
}

impl Table {
    /// Adds one to all values.
    pub fn change(table: &ShmCell<Self>) {
        let old = (table.current.load(Relaxed) & 1) as usize;
        let values = table.copies[old].load().map(|value| value + 1);
        fence(Release);
        table.copies[1 - old].store_from(&values);
        table.current.store(1 - old as u32, Release);
    }

    /// Whether all values are the same.
    #[must_use]
    pub fn is_consistent(table: &ShmCell<Self>) -> bool {
        let current = (table.current.load(Relaxed) & 1) as usize;
        let values = table.copies[current].load();
        values.iter().all(|value| *value == values[0])
    }
}

/// Places in an array, and a value for each.
#[derive(Clone, Copy, Debug, ShmLayout)]
#[repr(C)]
struct Record {
    places: [u32; 2],
    values: [i64; 2],
}

/// Balances whose sum is zero.
#[derive(Debug, ShmLayout)]
#[repr(C)]
pub struct Accounts {
    record: Record,
    record_valid: AtomicU32,
    _pad: u32,
    balances: [i64; 8],
}

impl Accounts {
    const PLACES: [u32; 2] = [1, 6];

    fn record(accounts: &ShmCell<Self>, values: [i64; 2]) {
        fence(Release);
        let places = Self::PLACES;
        accounts.record.store(Record { places, values });
        accounts.record_valid.store(1, Release);
        fence(Release);
    }

    fn values(accounts: &ShmCell<Self>) -> [i64; 2] {
        Self::PLACES.map(|place| accounts.balances[place as usize].get())
    }

    /// Transfers one, with the old values in the record.
    pub fn transfer_with_undo(accounts: &ShmCell<Self>) {
        let [from, to] = Self::values(accounts);
        Self::record(accounts, [from, to]);
        accounts.balances[Self::PLACES[0] as usize].set(from - 1);
        accounts.balances[Self::PLACES[1] as usize].set(to + 1);
        accounts.record_valid.store(0, Release);
    }

    /// Transfers one, with the new values in the record.
    pub fn transfer_with_redo(accounts: &ShmCell<Self>) {
        let [from, to] = Self::values(accounts);
        Self::record(accounts, [from - 1, to + 1]);
        Self::apply_record(accounts);
    }

    /// Rolls an interrupted transfer back, or completes it.
    pub fn apply_record(accounts: &ShmCell<Self>) {
        if accounts.record_valid.load(Relaxed) == 1 {
            let Record { places, values } = accounts.record.load();
            for (place, value) in places.into_iter().zip(values) {
                accounts.balances[place as usize].set(value);
            }
            accounts.record_valid.store(0, Release);
        }
    }

    /// Whether no transfer is half done.
    #[must_use]
    pub fn is_consistent(accounts: &ShmCell<Self>) -> bool {
        accounts.record_valid.load(Relaxed) == 0
            && accounts.balances.load().iter().sum::<i64>() == 0
    }

    /// Whether a transfer was interrupted.
    #[must_use]
    pub fn has_record(accounts: &ShmCell<Self>) -> bool {
        accounts.record_valid.load(Relaxed) == 1
    }
}

/// Places that are taken, and how many they are.
#[derive(Debug, ShmLayout)]
#[repr(C)]
pub struct Places {
    taken: [bool; 8],
    count: u64,
}

impl Places {
    /// Takes a place, or frees all if none is left.
    pub fn take(places: &ShmCell<Self>) {
        if let Some(free) = places.taken.iter().position(|taken| !taken.get()) {
            places.taken[free].set(true);
            places.count.set(places.count.get() + 1);
        } else {
            places.taken.fill(false);
            places.count.set(0);
        }
    }

    fn taken(places: &ShmCell<Self>) -> u64 {
        places.taken.iter().filter(|taken| taken.get()).count() as u64
    }

    /// Computes the count.
    pub fn recount(places: &ShmCell<Self>) {
        places.count.set(Self::taken(places));
    }

    /// Whether the count is right.
    #[must_use]
    pub fn is_consistent(places: &ShmCell<Self>) -> bool {
        places.count.get() == Self::taken(places)
    }
}
