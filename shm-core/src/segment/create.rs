//! Creating a segment: an unnamed file is completed first, and then gets its name.
//!
//! A creator that is killed before `linkat` leaves nothing, because an unnamed file goes with its last descriptor.
//! [`unpublished`] covers systems without unnamed files.

use std::fs::File;
use std::sync::atomic::Ordering;

use super::Segment;
use super::geometry::{Expected, Geometry, PAGE};
use super::header::{FLAG_ANONYMOUS, FLAG_SPARSE, FLAG_WAKE_READERS, HEADER_LEN, Header, Origin};
use super::levels;
use super::lifetime::{self, NameState};
use super::mapping::{Parts, out_of_space};
use super::options::Settings;
use super::unpublished::{self, Unpublished};
use crate::error::{Existing, ShmError, UNNAMED};
use crate::layout::{TypeLayout, schema};
use crate::lock_byte::ATTACH;
use crate::name::SegmentName;
use crate::sys::cgroup::{self, Room};
use crate::sys::clock::{Backoff, Deadline, wall_clock_ns};
use crate::sys::fork::{self, ForkCount};
use crate::sys::lock::{self, LockKind};
use crate::sys::{Errno, SysError, effective_user, file, memfd, shm};

/// Builds a segment that has no name yet; [`Segment::publish`] gives it one.
///
/// Only publishing decides whether the name is free. With `look_first` nothing is built, and no closure of the program's needs
/// to run, while the name is taken.
pub(super) fn prepare(
    settings: &Settings,
    name: &SegmentName,
    layout: &'static TypeLayout,
    tail: usize,
    deadline: Deadline,
    look_first: bool,
) -> Result<Segment, ShmError> {
    let free_or_replaceable = || {
        let found = look(settings, name, deadline)?;
        match found {
            NameState::Taken(existing) => Err(ShmError::exists(existing)),
            NameState::Ownerless(..) if !settings.supersede => {
                Err(ShmError::exists(Existing::Live))
            }
            found => Ok(found),
        }
    };
    let mut found = look_first.then(free_or_replaceable).transpose()?;
    let error = match build(settings, name, layout, tail) {
        Err(error @ ShmError::NoSpace { .. }) => error,
        built => return built,
    };
    if found.is_none() {
        found = Some(free_or_replaceable()?);
    }
    match (&error, found) {
        // The orphaned segment may itself be what fills the file system, and it would be replaced anyway. It stays if even its
        // room would not suffice: a call that fails removes nothing.
        (
            ShmError::NoSpace {
                needed, available, ..
            },
            Some(NameState::Orphaned(file, id)),
        ) if available.saturating_add(id.allocated) >= *needed => {
            lifetime::replace(name, file, &id, deadline)?;
            build(settings, name, layout, tail)
        }
        _ => Err(error),
    }
}

/// Whether building a segment costs little, so that it may be done in vain.
pub(super) fn is_cheap(settings: &Settings, layout: &TypeLayout, tail: usize) -> bool {
    const LITTLE: usize = 64 << 10;
    let touches_pages = !settings.sparse || settings.populate || settings.lock_in_memory;
    let len = Expected::of(layout).geometry(tail);
    len.is_some_and(|geometry| !touches_pages || geometry.total_len <= LITTLE)
}

/// Examines what has the name. To supersede a segment it does not matter whether it is ownerless or orphaned.
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

/// Builds a segment without looking at what has the name.
pub(super) fn build(
    settings: &Settings,
    name: &SegmentName,
    layout: &'static TypeLayout,
    tail: usize,
) -> Result<Segment, ShmError> {
    match build_in(unpublished::open(name)?, settings, name, layout, tail) {
        // Participants open the file again. Without /proc they need a name to do so.
        Err(ShmError::Os {
            call: file::REOPEN,
            source,
            ..
        }) if matches!(source.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR)) => build_in(
            unpublished::open_hidden(name)?,
            settings,
            name,
            layout,
            tail,
        ),
        built => built,
    }
}

fn build_in(
    unpublished: Unpublished,
    settings: &Settings,
    name: &SegmentName,
    layout: &'static TypeLayout,
    tail: usize,
) -> Result<Segment, ShmError> {
    let made = (&unpublished.file, unpublished.id.owner);
    let geometry = fill(settings, made, layout, tail, 0)?;
    finish(
        settings,
        unpublished,
        layout,
        geometry,
        tail,
        Some(name.clone()),
    )
}

/// Builds a segment without a name.
pub(super) fn anonymous(
    settings: &Settings,
    layout: &'static TypeLayout,
    tail: usize,
) -> Result<Segment, ShmError> {
    let forks = ForkCount::now();
    let file = memfd::create("shm-core")?;
    if !lock::try_lock(&file, ATTACH, LockKind::Shared)? {
        return Err(ShmError::from(SysError::new(
            "fcntl(F_OFD_SETLK)",
            Errno::EAGAIN,
        )));
    }
    let geometry = fill(
        settings,
        (&file, effective_user()),
        layout,
        tail,
        FLAG_ANONYMOUS,
    )?;
    memfd::seal_size(&file)?;
    let unpublished = Unpublished {
        id: file::stat(&file)?,
        file,
        forks,
        hidden: None,
    };
    let segment = finish(settings, unpublished, layout, geometry, tail, None)?;
    // A memfd starts with all permissions for all users, which apply to opening it again through /proc. The seal against
    // execution excludes the execute bits.
    file::set_mode(&segment.file, settings.mode & 0o666)?;
    Ok(segment)
}

/// Fails if reserving `len` bytes would exceed the memory limit of the control group, for which the kernel kills.
fn check_memory_limit(len: u64, room: impl FnOnce() -> Option<Room>) -> Result<(), ShmError> {
    /// Reading the limits takes several system calls, and a group that cannot spare this much is about to be killed anyway.
    const NEGLIGIBLE: u64 = 1 << 20;

    if len <= NEGLIGIBLE {
        return Ok(());
    }
    match room() {
        Some(room) if room.available < len => Err(ShmError::NoSpace {
            name: UNNAMED,
            needed: len,
            available: room.available,
            memory_limit: Some(room.limit),
        }),
        _ => Ok(()),
    }
}

/// Sets the file's length, reserves its pages, and writes header and schema. `user` is the effective user, which owns a new file.
fn fill(
    settings: &Settings,
    (file, user): (&File, u32),
    layout: &TypeLayout,
    tail: usize,
    flags: u64,
) -> Result<Geometry, ShmError> {
    if settings.mode & !0o777 != 0 {
        return Err(ShmError::from(SysError::new("fchmod", Errno::EINVAL)));
    }
    let expected = Expected::of(layout);
    let Some(geometry) = expected.geometry(tail) else {
        return Err(ShmError::from(SysError::new("fallocate", Errno::EFBIG)));
    };
    let len = geometry.total_len as u64;
    if !settings.sparse {
        check_memory_limit(len, cgroup::room)?;
    }
    let options = [
        (settings.sparse, FLAG_SPARSE),
        (settings.wake_readers, FLAG_WAKE_READERS),
    ];
    let chosen = options.iter().filter(|(chosen, _)| *chosen);
    let flags = chosen.fold(flags, |flags, (_, flag)| flags | flag);
    let origin = Origin {
        created_at: wall_clock_ns(),
        pid: fork::pid(),
        uid: user,
    };
    let header = Header::new(&expected, geometry, tail, flags, origin);
    let mut start = Vec::with_capacity(PAGE.max(HEADER_LEN + expected.schema_len));
    start.extend_from_slice(bytemuck::bytes_of(&header));
    schema::encode_into(layout, &mut start);
    debug_assert_eq!(start.len(), HEADER_LEN + expected.schema_len);
    let records = levels::encode(layout, 0);
    let written = if geometry.total_len == PAGE {
        // The page is allocated in any case.
        start.resize(PAGE - records.len(), 0);
        start.extend_from_slice(&records);
        file::write_whole(file, &start)
    } else {
        let sized = if settings.sparse {
            file::set_len(file, len)
        } else {
            file::reserve(file, len)
        };
        let write = || {
            file::write_at(file, &start, 0)?;
            file::write_at(file, &records, len - records.len() as u64)
        };
        sized.and_then(|()| write())
    };
    written.map_err(|error| out_of_space(file, len, error))?;
    Ok(geometry)
}

fn finish(
    settings: &Settings,
    unpublished: Unpublished,
    layout: &TypeLayout,
    geometry: Geometry,
    tail: usize,
    name: Option<SegmentName>,
) -> Result<Segment, ShmError> {
    let Unpublished {
        file,
        id,
        forks,
        hidden,
    } = unpublished;
    // The group comes while no other user can open the file: it must not get access before the mode is set.
    if let Some(group) = settings.group {
        file::set_group(&file, group)?;
    }
    let parts = Parts {
        file,
        id,
        forks,
        len: geometry.total_len,
        writable: true,
        owner: name.is_some(),
        name,
        hidden,
        published: false,
        wakes_readers: settings.wake_readers,
        payload_offset: geometry.payload_offset,
        tail,
        recorded_levels: layout.level(),
    };
    // It registers while only the creator can open the file, whatever the mode will be, and before the first contents are
    // written, which may need a lock.
    Segment::assemble(settings, layout, parts)
}

impl Segment {
    /// Gives a complete segment its name. An orphaned segment is replaced, and an ownerless one if the options ask for it.
    ///
    /// `AlreadyExists` changes nothing, so this can be called again. `untouched` means that no code of the program's has had
    /// the handle, and time to replace its descriptor.
    pub(super) fn publish(
        &self,
        settings: &Settings,
        deadline: Deadline,
        untouched: bool,
    ) -> Result<(), ShmError> {
        let Some(name) = &self.name else {
            return Ok(());
        };
        let mut reason = "other processes keep replacing it";
        // The closure that wrote the first contents may have replaced the descriptor, and another file must not get the name.
        let id = if untouched {
            self.id
        } else {
            self.check_descriptor()?
        };
        if id.mode & 0o7777 != settings.mode {
            file::set_mode(&self.file, settings.mode)?;
        }
        let mut backoff = Backoff::until(deadline);
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
                // Removing the old name and linking the new one are two calls, so there is always a second try.
                Err(_) if !backoff.first_retry() && deadline.left().is_zero() => {
                    return Err(ShmError::busy(reason, settings.timeout));
                }
                Err(_) => {}
            }
            let again_at_once = match look(settings, name, deadline)? {
                NameState::Taken(existing) => return Err(ShmError::exists(existing)),
                NameState::Free => true,
                NameState::Orphaned(file, id) => lifetime::replace(name, file, &id, deadline)?,
                NameState::Ownerless(file, id) if settings.supersede => {
                    lifetime::supersede(name, file, &id, deadline)?
                }
                NameState::Ownerless(..) => {
                    return Err(ShmError::exists(Existing::Live));
                }
                NameState::InTransition(why) => {
                    reason = why;
                    false
                }
            };
            if !again_at_once && !backoff.pause() {
                return Err(ShmError::busy(reason, settings.timeout));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_may_take_all_the_room_of_a_control_group() {
        const MIB: u64 = 1 << 20;
        let check = |len, available| {
            let limit = 9 * MIB;
            check_memory_limit(len, || Some(Room { available, limit }))
        };
        check(2 * MIB, 2 * MIB).unwrap();
        match check(2 * MIB, 2 * MIB - 1).unwrap_err() {
            ShmError::NoSpace {
                needed,
                available,
                memory_limit,
                ..
            } => {
                let expected = (2 * MIB, 2 * MIB - 1, Some(9 * MIB));
                assert_eq!((needed, available, memory_limit), expected);
            }
            other => panic!("{other}"),
        }
        check_memory_limit(2 * MIB, || None).unwrap();
        // Looking costs more than so little is worth.
        check_memory_limit(MIB, || panic!("the room does not matter")).unwrap();
    }
}
