//! Information about a segment, without attaching to it and without its type.

use std::fs::File;
use std::time::{Duration, SystemTime};

use super::geometry::PAGE;
use super::header::{self, FLAG_HAS_TAIL, FLAG_SPARSE, Frozen, Refusal};
use super::header::{Header, STATE_PERSISTENT};
use super::levels;
use super::participants::Participants;
use crate::error::ShmError;
use crate::layout::schema;
use crate::lock_byte::{ATTACH, OWNER};
use crate::name::SegmentName;
use crate::sys::file::{self, FileId};
use crate::sys::{Errno, SysResult, lock, shm};

/// How often to retry with a name that leads to another file by the time it was examined.
const LOOKS: u32 = 3;

/// The state of a name in `/dev/shm`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SegmentState {
    /// At least one process is attached. If all of them end without removing the name, the segment is orphaned.
    Live,
    /// No process is attached, and the segment is not persistent: its last process was killed. The next `create` of the name
    /// replaces it, and [`sweep`](crate::sweep()) removes it.
    Orphaned,
    /// [`persist`](crate::Shm::persist) was called, whether or not a process is attached.
    Persistent,
    /// Not a segment that this program can read: another program's file, or a segment of another version of the format or
    /// of a machine with another byte order.
    Foreign,
    /// A file that this process cannot open or read, usually because its mode does not permit it. It may be a segment.
    Unreadable,
    /// A segment whose header contradicts itself or the file. No process can attach to it.
    Damaged,
}

/// What [`list`](crate::list()) returns for one name, as of the moment when it was examined.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SegmentInfo {
    /// The name, with its slash. Names may hold line breaks and terminal controls.
    pub name: String,
    /// The state of the name.
    pub state: SegmentState,
    /// The user id that owns the file.
    pub owner: u32,
    /// The permission bits of the file.
    pub mode: u32,
    /// Length of the file in bytes.
    pub file_len: u64,
    /// Bytes of memory that the file has reserved.
    pub allocated: u64,
    /// What the header says; `None` for `Foreign`, `Unreadable` and `Damaged`.
    pub contents: Option<SegmentContents>,
    /// Why it is `Foreign`, `Unreadable` or `Damaged`, in words.
    pub reason: Option<String>,
    /// The file, by which it is found again.
    pub(super) file: FileId,
    /// The participants, if they were looked for as well.
    pub(super) participants: Option<Participants>,
}

/// What a segment's header says. It is consistent, and as true as its creator was.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SegmentContents {
    /// Whether a process is attached.
    pub attached: bool,
    /// Whether an owner is alive, which removes the name when it ends; see [`Shm::has_owner`](crate::Shm::has_owner). `false`
    /// for a persistent segment. An attached segment without an owner has lost it: `create` takes its name over if
    /// [`supersede`](crate::ShmOptions::supersede) is set.
    pub owned: bool,
    /// Bytes of the payload, at the newest level.
    pub payload_len: u64,
    /// The newest level of the struct that a program has announced; see [`Shm::level`](crate::Shm::level). 0 for other types.
    pub level: u32,
    /// Elements of the trailing slice, if the type ends in one.
    pub slice_len: Option<u64>,
    /// The fingerprint of the type's layout; of a struct to which fields were appended, that of level 0.
    pub fingerprint: u64,
    /// The type's own version (`#[shm(version = ..)]`), 0 without one.
    pub version: u32,
    /// The creator's name for the type: that of a struct or enum, `[u64; 4]` for an array, and so on. `None` if the schema
    /// has no name or is damaged.
    pub type_name: Option<String>,
    /// The time of creation, by the creator's clock.
    pub created_at: SystemTime,
    /// The creator's process id, as it saw itself; pid namespaces may number it differently.
    pub creator_pid: u32,
    /// The creator's effective user id.
    pub creator_uid: u32,
    /// Whether it was created with [`sparse`](crate::ShmOptions::sparse).
    pub sparse: bool,
}

impl SegmentInfo {
    /// Examines one name, as [`list`](crate::list()) examines all of them.
    ///
    /// # Errors
    ///
    /// [`InvalidName`](ShmError::InvalidName); [`NotFound`](ShmError::NotFound); [`Os`](ShmError::Os) if this process has no
    /// descriptor or memory left. What is wrong with the file is part of the returned value.
    ///
    /// ```
    /// use shm_core::{SegmentInfo, SegmentState, ShmLayout};
    ///
    /// # fn main() -> Result<(), shm_core::ShmError> {
    /// # let name = format!("/doc-segment-info-{}", std::process::id());
    /// let _shm = u64::create(&name)?;
    /// assert_eq!(SegmentInfo::of(&name)?.state, SegmentState::Live);
    /// # Ok(()) }
    /// ```
    pub fn of(name: &str) -> Result<Self, ShmError> {
        let checked = SegmentName::new(name)?;
        let look = Self::look(checked.as_str(), false, false).map_err(ShmError::from);
        look.and_then(|found| found.ok_or_else(ShmError::not_found))
            .map_err(|error| error.named(name))
    }

    /// The number of the file in `/dev/shm`, as `ls -i` and `/proc/PID/maps` show it.
    pub fn inode(&self) -> u64 {
        self.file.inode
    }

    /// Examines a name, of which the directory may say that it `is_regular`. `None` if it is gone. Errors are shortages of this
    /// process; what is wrong with the file is part of the returned value.
    pub(super) fn look(
        name: &str,
        mut is_regular: bool,
        with_participants: bool,
    ) -> SysResult<Option<Self>> {
        let status = || match shm::stat_name(name) {
            Err(error) if error.errno == Errno::ENOENT => Ok(None),
            found => found.map(Some),
        };
        for _ in 0..LOOKS {
            // FIFOs and devices are not opened, which would have side effects.
            if !std::mem::take(&mut is_regular) {
                match status()? {
                    None => return Ok(None),
                    Some(id) if !id.is_regular() => {
                        let reason = format!("it is {}", id.kind());
                        return Ok(Some(Self::unopened(
                            name,
                            &id,
                            SegmentState::Foreign,
                            reason,
                        )));
                    }
                    Some(_) => {}
                }
            }
            match shm::open(name, false) {
                Ok(file) => {
                    let id = file::stat(&file)?;
                    let mut info = Self::of_file(name, &file, &id)?;
                    if with_participants {
                        info.participants = info.participants_in(&file);
                    }
                    if file::stat(&file)?.links > 0 {
                        return Ok(Some(info));
                    }
                }
                Err(error) if error.errno == Errno::ENOENT => return Ok(None),
                Err(error) if is_shortage(error.errno) => return Err(error),
                Err(error) => {
                    let reason = format!("it cannot be opened: {}", error.io());
                    return Ok(status()?
                        .map(|id| Self::unopened(name, &id, SegmentState::Unreadable, reason)));
                }
            }
        }
        // Other processes replace it faster than it can be examined.
        Ok(None)
    }

    fn of_file(name: &str, file: &File, id: &FileId) -> SysResult<Self> {
        let info = |state, contents, reason| Self {
            name: name.to_owned(),
            state,
            owner: id.owner,
            mode: id.mode & 0o7777,
            file_len: id.len,
            allocated: id.allocated,
            contents,
            reason,
            file: *id,
            participants: None,
        };
        if !id.is_regular() {
            let reason = format!("it is {}", id.kind());
            return Ok(info(SegmentState::Foreign, None, Some(reason)));
        }
        // The schema follows the header, and is rarely longer than that.
        let mut start = [0; PAGE];
        let count = match file::read_at(file, &mut start, 0) {
            Err(error) if !is_shortage(error.errno) => {
                let reason = format!("it cannot be read: {}", error.io());
                return Ok(info(SegmentState::Unreadable, None, Some(reason)));
            }
            other => other?,
        };
        let header = match header::parse(&start[..count], id.len) {
            Ok(header) => header,
            Err(Refusal::NotASegment(reason)) => {
                return Ok(info(SegmentState::Foreign, None, Some(reason.to_owned())));
            }
            Err(Refusal::UnsupportedFormat(reason)) => {
                return Ok(info(SegmentState::Foreign, None, Some(reason)));
            }
            Err(Refusal::Corrupt(reason)) => {
                return Ok(info(SegmentState::Damaged, None, Some(reason)));
            }
        };
        // A segment that is being replaced is locked exclusively, which also means that no process is attached.
        let attached = lock::holder(file, ATTACH)? == Some(lock::LockKind::Shared);
        let state = if header.mutable.state & STATE_PERSISTENT != 0 {
            SegmentState::Persistent
        } else if attached {
            SegmentState::Live
        } else {
            SegmentState::Orphaned
        };
        let owned = state == SegmentState::Live
            && lock::holder(file, OWNER)? == Some(lock::LockKind::Shared);
        let contents = SegmentContents {
            attached,
            owned,
            payload_len: levels::newest_size(file, &header),
            ..SegmentContents::of(&header, type_name(file, &header.frozen, &start[..count]))
        };
        Ok(info(state, Some(contents), None))
    }

    /// The participants of this segment's `file`. `None` if the system refuses to show them.
    fn participants_in(&self, file: &File) -> Option<Participants> {
        match &self.contents {
            // Each would be attached.
            Some(contents) if contents.attached => Participants::of_file(file).ok(),
            _ => Some(Participants::none()),
        }
    }

    fn unopened(name: &str, id: &FileId, state: SegmentState, reason: String) -> Self {
        Self {
            name: name.to_owned(),
            state,
            owner: id.owner,
            mode: id.mode & 0o7777,
            file_len: id.len,
            allocated: id.allocated,
            contents: None,
            reason: Some(reason),
            file: *id,
            participants: None,
        }
    }
}

impl SegmentContents {
    /// What the header says.
    fn of(header: &Header, type_name: Option<String>) -> Self {
        let frozen = &header.frozen;
        let since = Duration::from_nanos(frozen.created_at);
        Self {
            attached: false,
            owned: false,
            payload_len: frozen.payload_len,
            level: header.mutable.levels,
            slice_len: (frozen.flags & FLAG_HAS_TAIL != 0).then_some(frozen.tail_len),
            fingerprint: frozen.fingerprint,
            version: frozen.layout_version,
            type_name,
            created_at: SystemTime::UNIX_EPOCH
                .checked_add(since)
                .unwrap_or(SystemTime::UNIX_EPOCH),
            creator_pid: frozen.creator_pid,
            creator_uid: frozen.creator_uid,
            sparse: frozen.flags & FLAG_SPARSE != 0,
        }
    }
}

/// The name of the type in the schema. Only the beginning is read, unless `start` of the file contains it: a schema can be long,
/// and its length can be wrong.
fn type_name(file: &File, frozen: &Frozen, start: &[u8]) -> Option<String> {
    let len = frozen.schema_len.min(schema::TYPE_NAME_PREFIX as u64) as usize;
    let offset = usize::try_from(frozen.schema_offset).ok()?;
    if let Some(schema) = start.get(offset..offset.checked_add(len)?) {
        return schema::peek_type_name(schema);
    }
    let mut bytes = vec![0; len];
    let count = file::read_at(file, &mut bytes, frozen.schema_offset).ok()?;
    schema::peek_type_name(bytes.get(..count)?)
}

/// Errors that are about this process and not about the file.
pub(super) fn is_shortage(errno: Errno) -> bool {
    matches!(errno, Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM)
}
