//! Commands that open segments as versions of one struct.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::sync::atomic::Ordering::Acquire;

use shm_core::ShmLayout;

use super::loops::until;
use super::{Answer, Failure, Program, Words, other};
use crate::segments::Gate;
use crate::segments::versions::{How, Place, Version, open_version};

pub(super) type Handles = HashMap<String, Box<dyn Version>>;

fn how(word: &str) -> Result<How, Failure> {
    Ok(match word {
        "create" => How::Create,
        "persist" => How::Persist,
        "join" => How::Join,
        "attach" => How::Attach,
        "read" => How::Read,
        how => return Err(other(format!("there is no call `{how}`"))),
    })
}

/// `VERSION HOW NAME [supersede]`, where a name without a slash at its beginning is that of a descriptor: `fd:PATH`.
fn open(words: &mut Words<'_>) -> Result<Box<dyn Version>, Failure> {
    let (version, how, name) = (words.next()?, how(words.next()?)?, words.next()?);
    let place = match name.strip_prefix("fd:") {
        None => Place::Name(name),
        Some(path) => {
            let writes = how != How::Read;
            let file = File::options().read(true).write(writes).open(path);
            Place::Descriptor(file.map_err(other)?.into())
        }
    };
    let supersede = words.next().is_ok_and(|word| word == "supersede");
    Ok(open_version(version, how, place, supersede)?)
}

/// 64 KiB of room, behind the first page.
#[derive(ShmLayout)]
#[repr(C)]
#[shm(room = 65536)]
struct Roomy {
    a: u64,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Grown {
    a: u64,
    #[shm(since = 1)]
    b: u64,
}

/// Announces a level in a sparse segment while /dev/shm is full, and returns the error.
fn announce_in_full(name: &str) -> Answer {
    let old = Roomy::options().sparse(true).create(name)?;
    let mut full = Vec::new();
    while let Ok(page) = u64::create(&format!("/{}", full.len())) {
        full.push(page);
    }
    let refused = Grown::attach(name).map(drop);
    let level = old.level()?;
    drop(full);
    let later = Grown::attach(name)?.level()?;
    refused?;
    Ok(format!("nothing was refused: level {level}, then {later}"))
}

impl Program {
    /// `version open SLOT VERSION HOW NAME`, `version get SLOT FIELD`, and so on.
    pub(super) fn obey_version(&mut self, words: &mut Words<'_>) -> Answer {
        let command = words.next()?;
        match command {
            // Dropped again, by a program that exits at once.
            "try" => return Ok(open(words)?.level()?.to_string()),
            "full" => return announce_in_full(words.next()?),
            "race" => {
                let gate = Gate::attach_read_only(words.next()?)?;
                let round: u64 = words.number()?;
                println!("ready");
                until(|| gate.open.load(Acquire) >= round)?;
                self.versions.insert("s".to_owned(), open(words)?);
                return Ok(String::new());
            }
            _ => {}
        }
        let slot = words.next()?;
        if command == "open" {
            let handle = open(words)?;
            let path = format!(
                "/proc/{}/fd/{}",
                std::process::id(),
                handle.descriptor().as_raw_fd()
            );
            self.versions.insert(slot.to_owned(), handle);
            return Ok(path);
        }
        if command == "drop" {
            self.versions.remove(slot);
            return Ok(String::new());
        }
        let handle = self
            .versions
            .get(slot)
            .ok_or_else(|| other(format!("nothing is in `{slot}`")))?;
        match command {
            "get" => match handle.get(words.next()?) {
                Some(value) => Ok(value.to_string()),
                None => Ok("none".to_owned()),
            },
            "set" => Ok(handle.set(words.next()?, words.number()?).to_string()),
            "level" => Ok(handle.level()?.to_string()),
            "status" => Ok(format!("{:?}", handle.status())),
            unknown => Err(other(format!("there is no command `version {unknown}`"))),
        }
    }
}
