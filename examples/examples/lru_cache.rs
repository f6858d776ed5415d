//! Keeps a linked list in a segment, as a least-recently-used cache, with offsets instead of pointers.
//!
//! ```text
//! cargo run --example lru_cache
//! ```
//!
//! This process fills the cache and uses some entries again. Then it starts a reader, which maps the segment at another
//! address and follows the same links:
//!
//! ```text
//! writer 4711: put 6 cities into a cache of 4, and used Warszawa and Łódź again
//! writer 4711: /shm-lru-cache-4711 is mapped at 0x7f0c5b6f1280
//! reader 4712: /shm-lru-cache-4711 is mapped at 0x7f55d1f3a280
//! reader 4712: the cache has, most recently used first:
//!   1. Gdańsk = 486022
//!   2. Poznań = 546859
//! ```
//!
//! The writer does not change the cache while the reader runs. If several processes use a cache at once, put it into a
//! `Mutex` and follow its offsets with `resolve_in`.

use std::error::Error;
use std::io::{self, Write};
use std::process::{Command, ExitCode, id};

use shm_core::{Access, Shm, ShmCell, ShmLayout, ShmOffset, ShmStr, ShmVec};

const CAPACITY: usize = 4;

#[derive(Clone, Copy, Debug, ShmLayout)]
#[repr(C)]
struct Entry {
    key: ShmStr<24>,
    value: u64,
    newer: ShmOffset<Entry>,
    older: ShmOffset<Entry>,
}

/// A new cache is all zeros: no entries, and null at both ends of the list.
#[derive(Debug, ShmLayout)]
#[repr(C)]
struct Cache {
    newest: ShmOffset<Entry>,
    oldest: ShmOffset<Entry>,
    entries: ShmVec<Entry, CAPACITY>,
}

type Result<T> = std::result::Result<T, Box<dyn Error>>;

pub(crate) fn main() -> ExitCode {
    let mut args = std::env::args().skip_while(|arg| arg != READER).skip(1);
    let outcome = match (args.next(), args.next()) {
        (Some(name), Some(address)) => reader(&name, &address),
        _ => writer(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The internal argument that makes a process the reader.
const READER: &str = "--reader";

fn writer() -> Result<()> {
    let name = format!("/shm-lru-cache-{}", id());
    let shm = Cache::create(&name)?;
    let cities = [
        ("Warszawa", 1_860_281),
        ("Kraków", 803_282),
        ("Wrocław", 672_929),
        ("Łódź", 670_642),
    ];
    for (key, value) in cities {
        put(&shm, key, value)?;
    }
    // Used again, so the next two insertions evict the other two.
    get(&shm, "Warszawa")?;
    get(&shm, "Łódź")?;
    put(&shm, "Poznań", 546_859)?;
    put(&shm, "Gdańsk", 486_022)?;

    let (me, address) = (id(), shm.as_ptr().addr());
    let mut out = io::stdout();
    writeln!(
        out,
        "writer {me}: put 6 cities into a cache of {CAPACITY}, and used Warszawa and Łódź again"
    )?;
    writeln!(out, "writer {me}: {name} is mapped at {address:#x}")?;
    let status = Command::new(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .args([READER, &name, &address.to_string()])
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("the reader ended with {status}").into())
    }
}

fn reader(name: &str, address: &str) -> Result<()> {
    let mut shm = Cache::attach_read_only(name)?;
    // Without address randomisation both processes get the same address, so map the segment twice.
    let mut first = None;
    if shm.as_ptr().addr().to_string() == address {
        first = Some(shm);
        shm = Cache::attach_read_only(name)?;
    }
    let mut out = io::stdout();
    writeln!(
        out,
        "reader {}: {name} is mapped at {:#x}",
        id(),
        shm.as_ptr().addr()
    )?;
    drop(first);
    writeln!(
        out,
        "reader {}: the cache has, most recently used first:",
        id()
    )?;
    for (number, entry) in by_use(&shm)?.into_iter().enumerate() {
        writeln!(
            out,
            "  {}. {} = {}",
            number + 1,
            entry.key.get()?,
            entry.value.get()
        )?;
    }
    Ok(())
}

/// Returns the entries, most recently used first.
fn by_use<A: Access>(shm: &Shm<Cache, A>) -> Result<Vec<&ShmCell<Entry, A>>> {
    let mut entries = Vec::new();
    let mut next = shm.newest.get();
    while !next.is_null() {
        // Another process could have linked them to a cycle.
        if entries.len() == CAPACITY {
            return Err("the list is longer than the cache".into());
        }
        let entry = shm.resolve(next)?;
        entries.push(entry);
        next = entry.older.get();
    }
    Ok(entries)
}

/// Returns the value of a key and moves its entry to the front.
fn get(shm: &Shm<Cache>, key: &str) -> Result<Option<u64>> {
    let Some(entry) = find(shm, key)? else {
        return Ok(None);
    };
    unlink(shm, entry)?;
    link_as_newest(shm, entry)?;
    Ok(Some(entry.value.get()))
}

/// Inserts a key or changes its value. A full cache evicts the least recently used entry.
fn put(shm: &Shm<Cache>, key: &str, value: u64) -> Result<()> {
    let new = Entry {
        key: ShmStr::new(key)?,
        value,
        newer: ShmOffset::NULL,
        older: ShmOffset::NULL,
    };
    let entry = if let Some(entry) = find(shm, key)? {
        unlink(shm, entry)?;
        entry
    } else if shm.entries.push(new).is_ok() {
        let last = shm.entries.iter().last();
        last.ok_or("another process has emptied the cache")?
    } else {
        let oldest = shm.resolve(shm.oldest.get())?;
        unlink(shm, oldest)?;
        oldest
    };
    entry.store(new);
    link_as_newest(shm, entry)
}

fn find<'a>(shm: &'a Shm<Cache>, key: &str) -> Result<Option<&'a ShmCell<Entry>>> {
    let found = |entry: &&ShmCell<Entry>| entry.key == key;
    Ok(by_use(shm)?.into_iter().find(found))
}

/// Removes an entry from the list.
fn unlink(shm: &Shm<Cache>, entry: &ShmCell<Entry>) -> Result<()> {
    let (newer, older) = (entry.newer.get(), entry.older.get());
    if newer.is_null() {
        shm.newest.set(older);
    } else {
        shm.resolve(newer)?.older.set(older);
    }
    if older.is_null() {
        shm.oldest.set(newer);
    } else {
        shm.resolve(older)?.newer.set(newer);
    }
    Ok(())
}

/// Inserts an entry that is in no list at the front.
fn link_as_newest(shm: &Shm<Cache>, entry: &ShmCell<Entry>) -> Result<()> {
    let (this, second) = (shm.offset_of(entry), shm.newest.get());
    entry.newer.set(ShmOffset::NULL);
    entry.older.set(second);
    if second.is_null() {
        shm.oldest.set(this);
    } else {
        shm.resolve(second)?.newer.set(this);
    }
    shm.newest.set(this);
    Ok(())
}
