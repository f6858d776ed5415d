//! Making a segment: an unnamed file is completed first, and only then gets its name.
//!
//! Killed anywhere before `linkat`, the creator leaves nothing, for an unnamed file goes with its last descriptor.
//! What happens on systems without unnamed files is the business of [`unpublished`].

use std::fs::File;
use std::sync::atomic::Ordering;

use super::Segment;
use super::geometry::{Expected, Geometry};
use super::header::{FLAG_ANONYMOUS, FLAG_SPARSE, HEADER_LEN, Header, Origin};
use super::lifetime::{self, NameState};
use super::lock_byte::ATTACH;
use super::mapping::{Parts, out_of_space};
use super::options::Settings;
use super::unpublished::{self, Hidden, Unpublished};
use crate::error::{Existing, ShmError};
use crate::layout::{TypeLayout, schema};
use crate::name::SegmentName;
use crate::sys::clock::{Backoff, Deadline, wall_clock_ns};
use crate::sys::lock::{self, Kind};
use crate::sys::{Errno, SysError, effective_user, file, memfd, shm};

/// Builds a segment that has no name yet; [`Segment::publish`] gives it one.
pub(super) fn prepare(
    settings: &Settings,
    name: &SegmentName,
    layout: &'static TypeLayout,
    tail: usize,
    deadline: Deadline,
) -> Result<Segment, ShmError> {
    // Only `linkat` decides whether the name is free. This look saves reserving memory that is of no use.
    let found = look(settings, name, deadline)?;
    match found {
        NameState::Taken(existing) => return Err(ShmError::exists(existing)),
        NameState::Abandoned(..) if !settings.supersede => {
            return Err(ShmError::exists(Existing::Live));
        }
        _ => {}
    }
    match (build(settings, name, layout, tail), found) {
        // The leftover itself may be what fills the file system, and it would be replaced anyway. Where even its room would
        // not do, it stays: who fails takes nothing away.
        (
            Err(ShmError::NoSpace {
                needed, available, ..
            }),
            NameState::Orphaned(file, id),
        ) if available.saturating_add(id.allocated) >= needed => {
            lifetime::replace(name, file, &id, deadline)?;
            build(settings, name, layout, tail)
        }
        (built, _) => built,
    }
}

/// Looks at what has the name. Who supersedes need not wait until it is clear whether it is abandoned or a leftover.
fn look(
    settings: &Settings,
    name: &SegmentName,
    deadline: Deadline,
) -> Result<NameState, ShmError> {
    if settings.supersede {
        lifetime::examine(name)
    } else {
        lifetime::examine_settled(name, deadline)
    }
}

fn build(
    settings: &Settings,
    name: &SegmentName,
    layout: &'static TypeLayout,
    tail: usize,
) -> Result<Segment, ShmError> {
    let Unpublished { file, hidden } = unpublished::open(layout.has_claims())?;
    let geometry = fill(settings, &file, layout, tail, 0)?;
    finish(
        settings,
        file,
        layout,
        geometry,
        tail,
        Some((name.clone(), hidden)),
    )
}

/// Builds a segment that never has a name.
pub(super) fn anonymous(
    settings: &Settings,
    layout: &'static TypeLayout,
    tail: usize,
) -> Result<Segment, ShmError> {
    let file = memfd::create("shm-core")?;
    if !lock::try_lock(&file, ATTACH, Kind::Shared)? {
        return Err(ShmError::from(SysError::new(
            "fcntl(F_OFD_SETLK)",
            Errno::EAGAIN,
        )));
    }
    let geometry = fill(settings, &file, layout, tail, FLAG_ANONYMOUS)?;
    memfd::seal_size(&file)?;
    let segment = finish(settings, file, layout, geometry, tail, None)?;
    // A memfd starts with permissions for everybody, which count for who opens it again through /proc. Those to execute
    // it are sealed away.
    file::set_mode(&segment.file, settings.mode & 0o666)?;
    Ok(segment)
}

/// Gives the file its length, its pages, header and schema.
fn fill(
    settings: &Settings,
    file: &File,
    layout: &TypeLayout,
    tail: usize,
    flags: u64,
) -> Result<Geometry, ShmError> {
    let expected = Expected::of(layout);
    let Some(geometry) = expected.geometry(tail) else {
        return Err(ShmError::from(SysError::new("fallocate", Errno::EFBIG)));
    };
    let len = geometry.total_len as u64;
    let sized = if settings.sparse {
        file::set_len(file, len)
    } else {
        file::reserve(file, len)
    };
    sized.map_err(|error| out_of_space(file, len, error))?;

    let flags = flags | if settings.sparse { FLAG_SPARSE } else { 0 };
    let origin = Origin {
        created_at: wall_clock_ns(),
        pid: std::process::id(),
        uid: effective_user(),
    };
    let header = Header::new(&expected, geometry, tail, flags, origin);
    let schema = schema::encode(layout);
    debug_assert_eq!(schema.len(), expected.schema_len);
    let write = |bytes: &[u8], at: usize| {
        file::write_at(file, bytes, at as u64).map_err(|error| out_of_space(file, len, error))
    };
    write(bytemuck::bytes_of(&header), 0)?;
    write(&schema, HEADER_LEN)?;
    Ok(geometry)
}

fn finish(
    settings: &Settings,
    file: File,
    layout: &TypeLayout,
    geometry: Geometry,
    tail: usize,
    names: Option<(SegmentName, Option<Hidden>)>,
) -> Result<Segment, ShmError> {
    let (name, hidden) = names.unzip();
    // While the file is still closed to others: the group must not get in before the mode is decided.
    if let Some(group) = settings.group {
        file::set_group(&file, group)?;
    }
    let id = file::stat(&file)?;
    let parts = Parts {
        file,
        id,
        len: geometry.total_len,
        writable: true,
        owner: name.is_some(),
        name,
        hidden: hidden.flatten(),
        published: false,
        payload_offset: geometry.payload_offset,
        tail,
    };
    // It takes part while only the creator can open the file, whatever its mode will be, and before the first contents are
    // written: they may need a lock.
    Segment::assemble(settings, layout, parts)
}

impl Segment {
    /// Gives a complete segment its name, replacing a leftover, or an abandoned one if asked to. Fails with `AlreadyExists` without changing anything,
    /// so that it can be called again.
    pub(super) fn publish(&self, settings: &Settings, deadline: Deadline) -> Result<(), ShmError> {
        let Some(name) = &self.name else {
            return Ok(());
        };
        let busy = || ShmError::busy("other processes keep replacing it", settings.timeout);
        // The closure that writes the first contents may have done anything, and another file must not get the name.
        self.check_descriptor()?;
        file::set_mode(&self.file, settings.mode)?;
        let mut backoff = Backoff::until(deadline);
        let mut first = true;
        loop {
            let named = match &self.hidden {
                None => shm::link(&self.file, name.as_str()),
                Some(hidden) => hidden.rename(name),
            };
            match named {
                Ok(()) => {
                    self.published.store(true, Ordering::Release);
                    return Ok(());
                }
                Err(error) if error.errno != Errno::EEXIST => return Err(error.into()),
                // The leftover is removed, and the name given, by two calls, so a second try is always due.
                Err(_) if !first && deadline.left().is_zero() => return Err(busy()),
                Err(_) => first = false,
            }
            let again_at_once = match look(settings, name, deadline)? {
                NameState::Taken(existing) => return Err(ShmError::exists(existing)),
                NameState::Free => true,
                NameState::Orphaned(file, id) => lifetime::replace(name, file, &id, deadline)?,
                NameState::Abandoned(file, id) if settings.supersede => {
                    lifetime::supersede(name, file, &id, deadline)?
                }
                NameState::Abandoned(..) => {
                    return Err(ShmError::exists(Existing::Live));
                }
                NameState::InTransition => false,
            };
            if !again_at_once && !backoff.pause() {
                return Err(busy());
            }
        }
    }
}
