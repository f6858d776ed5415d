//! Announcing: a program records levels that it knows and the segment does not have yet.
//!
//! # Synchronization
//!
//! Announcers exclude each other by the lock LEVELS. Nothing goes through the mapping. Records are written before their number,
//! so a process that is killed leaves complete records only, and perhaps bytes before them that no program takes for a record.
//! The next announcer clears these as far as they lie in its new fields, before it records them. No process that can write these
//! fields is attached by then, since it would have announced them.

use std::fs::File;
use std::sync::atomic::{Ordering, fence};

use super::{Capacity, Conflict, check, corrupt, encode};
use crate::error::ShmError;
use crate::layout::TypeLayout;
use crate::lock_byte::LEVELS;
use crate::segment::Segment;
use crate::segment::header::{self, Frozen, HEADER_LEN, Header, LEVELS_OFFSET};
use crate::segment::mapping::out_of_space;
use crate::segment::options::Settings;
use crate::segment::refused::Refused;
use crate::sys::clock::Deadline;
use crate::sys::file;
use crate::sys::lock::{self, LockKind};

impl Segment {
    /// Announces the levels that this program knows and the segment does not have yet.
    pub(in crate::segment) fn announce_levels(
        &mut self,
        settings: &Settings,
        layout: &'static TypeLayout,
        frozen: &Frozen,
    ) -> Result<(), ShmError> {
        if self.recorded_levels >= layout.level() || !self.mapping.is_writable() {
            return Ok(());
        }
        // The sender of a descriptor shares its description, whose locks would not keep the two apart.
        let own = match self.name {
            Some(_) => None,
            None => Some(file::reopen(&self.file)?),
        };
        let file = own.as_ref().unwrap_or(&self.file);
        match announce(file, frozen, layout, settings.deadline()) {
            Ok(true) => {
                self.recorded_levels = layout.level();
                Ok(())
            }
            Ok(false) => Err(ShmError::busy(
                "another process keeps its levels locked",
                settings.timeout,
            )),
            Err(Conflict::System(error)) => {
                Err(out_of_space(file, self.mapped_len() as u64, error))
            }
            Err(conflict) => Err(Refused::by(self).conflict(layout, conflict)),
        }
    }
}

/// Records the levels of `layout`, through a description that no other process locks through. `false` if another process kept the
/// lock until the deadline.
pub(super) fn announce(
    file: &File,
    frozen: &Frozen,
    layout: &TypeLayout,
    deadline: Deadline,
) -> Result<bool, Conflict> {
    if !lock::lock_until(file, LEVELS, LockKind::Exclusive, deadline)? {
        return Ok(false);
    }
    let announced = announce_locked(file, frozen, layout);
    // Closing does not release it if a child of `fork` has the description too.
    lock::unlock(file, LEVELS)?;
    announced.map(|()| true)
}

fn announce_locked(file: &File, frozen: &Frozen, layout: &TypeLayout) -> Result<(), Conflict> {
    let capacity = Capacity::of(frozen);
    let known = read_header(file, frozen)?.mutable.levels;
    // Another process may have announced the same, or something else, since this one looked.
    let end = check(file, capacity, known, layout)?;
    if known >= layout.level() {
        return Ok(());
    }
    let fields = |len: usize| capacity.start + len as u64;
    clear(file, fields(layout.level_end(known)), fields(layout.size()))?;
    let records = encode(layout, known);
    file::write_within_limit(file, &records, end - records.len() as u64)?;
    // A process that sees the number sees the records.
    fence(Ordering::SeqCst);
    let count = layout.level().to_ne_bytes();
    file::write_within_limit(file, &count, LEVELS_OFFSET as u64)?;
    // Writing to a file that was cut has made it longer again. If its header was cut too, this is an error. If not, the file has
    // its length, and zeros where it was cut.
    read_header(file, frozen).map(drop)
}

/// Reads the header again, and fails if it is not the one that was checked.
fn read_header(file: &File, frozen: &Frozen) -> Result<Header, Conflict> {
    let mut start = [0; HEADER_LEN];
    let count = file::read_at(file, &mut start, 0)?;
    match header::parse(&start[..count], file::stat(file)?.len) {
        Ok(header) if header.frozen == *frozen => Ok(header),
        _ => corrupt("another process has cut or overwritten the file"),
    }
}

/// Makes these bytes zero. Pages of a sparse file that were never written stay so.
fn clear(file: &File, mut from: u64, to: u64) -> Result<(), Conflict> {
    const ZEROS: [u8; 4096] = [0; 4096];
    let mut bytes = ZEROS;
    while from < to {
        let len = ZEROS.len().min((to - from) as usize);
        let (bytes, zeros) = (&mut bytes[..len], &ZEROS[..len]);
        if file::read_at(file, bytes, from)? < len {
            return corrupt("another process has cut the file");
        }
        if bytes != zeros {
            file::write_within_limit(file, zeros, from)?;
        }
        from += len as u64;
    }
    Ok(())
}
