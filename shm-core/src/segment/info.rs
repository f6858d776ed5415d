//! What can be told of a segment without attaching to it and without knowing its type.

use std::fs::File;
use std::time::{Duration, SystemTime};

use super::header::{self, FLAG_HAS_TAIL, FLAG_SPARSE, Frozen, HEADER_LEN, Refusal};
use super::header::{Header, STATE_PERSISTENT};
use super::lock_byte::{ATTACH, OWNER};
use crate::layout::schema;
use crate::sys::file::{self, FileId};
use crate::sys::{Errno, SysError, SysResult, lock, shm};

/// How often to look again at a name that leads to another file by the time it was looked at.
const LOOKS: u32 = 3;

/// What a name in /dev/shm is to this library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SegmentState {
    /// At least one process is attached. When all of them are gone without removing it, it is an orphan.
    Live,
    /// A leftover: nobody is attached, nobody told it to stay. The next `create` of the name replaces it, and
    /// [`sweep`](crate::sweep()) removes it.
    Orphaned,
    /// Told to stay by [`persist`](crate::Shm::persist), whether or not anybody is attached.
    Persistent,
    /// Not a segment that this program can read: another program's file, a segment of another version of the format or
    /// of a machine with another byte order, or a file that this user may not read.
    Foreign,
    /// A segment whose header contradicts itself or the file. Nobody can attach to it.
    Damaged,
}

/// What [`list`](crate::list()) tells of one name: how it was at the moment it was looked at.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SegmentInfo {
    /// The name, with its slash. Names may hold line breaks and terminal controls.
    pub name: String,
    /// What it is.
    pub state: SegmentState,
    /// The user id that owns the file.
    pub owner: u32,
    /// The permission bits of the file.
    pub mode: u32,
    /// Length of the file in bytes.
    pub file_len: u64,
    /// Bytes of memory that the file has reserved.
    pub allocated: u64,
    /// What the header says, which the creator wrote; `None` for `Foreign` and `Damaged`.
    pub contents: Option<SegmentContents>,
    /// Why it is `Foreign` or `Damaged`, in words.
    pub reason: Option<String>,
}

/// What a segment's header says of it. It is sound, and as true as its creator.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SegmentContents {
    /// Whether anybody is attached.
    pub attached: bool,
    /// Whether an owner is alive, who removes the name at its end; see [`Shm::has_owner`](crate::Shm::has_owner). One that is
    /// attached to and not owned has lost its owner: `create` takes its name if told to
    /// [`supersede`](crate::ShmOptions::supersede). Never so of a persistent one.
    pub owned: bool,
    /// Bytes of the payload.
    pub payload_len: u64,
    /// Elements of the trailing slice, if the type ends in one.
    pub slice_len: Option<u64>,
    /// The fingerprint of the type's layout.
    pub fingerprint: u64,
    /// The type's own version (`#[shm(version = ..)]`), 0 without one.
    pub version: u32,
    /// The type, as its creator calls it: the name of a struct or enum, `[u64; 4]` for an array and so on. `None` when
    /// the schema does not say, or is damaged.
    pub type_name: Option<String>,
    /// When it was created, by the creator's clock.
    pub created_at: SystemTime,
    /// The creator's process id, as it saw itself; pid namespaces may number it differently.
    pub creator_pid: u32,
    /// The creator's effective user id.
    pub creator_uid: u32,
    /// Whether its pages were left unreserved.
    pub sparse: bool,
}

impl SegmentInfo {
    /// Looks at a name. `None` when it is gone. Errors are shortages of this process; whatever is wrong with the file
    /// is told in what comes back.
    pub(super) fn look(name: String) -> SysResult<Option<Self>> {
        for _ in 0..LOOKS {
            match shm::stat_name(&name) {
                // Neither a FIFO nor a device is opened, which for both has effects.
                Ok(id) if !id.is_regular() => {
                    let reason = format!("it is {}", id.kind());
                    return Ok(Some(Self::foreign(name, &id, reason)));
                }
                Ok(id) => match shm::open(&name, false) {
                    Ok(file) => {
                        let id = file::stat(&file)?;
                        let info = Self::of_file(&name, &file, &id)?;
                        if file::stat(&file)?.links > 0 {
                            return Ok(Some(info));
                        }
                    }
                    Err(error) if error.errno == Errno::ENOENT => return Ok(None),
                    Err(error) if is_shortage(error.errno) => return Err(error),
                    Err(error) => {
                        let reason = format!("it cannot be opened: {}", error.io());
                        return Ok(Some(Self::foreign(name, &id, reason)));
                    }
                },
                Err(error) if error.errno == Errno::ENOENT => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        // Others replace it faster than it can be looked at.
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
        };
        if !id.is_regular() {
            let reason = format!("it is {}", id.kind());
            return Ok(info(SegmentState::Foreign, None, Some(reason)));
        }
        let mut start = [0; HEADER_LEN];
        let count = match file::read_at(file, &mut start, 0) {
            Err(error) if !is_shortage(error.errno) => {
                return Ok(info(SegmentState::Foreign, None, Some(unreadable(error))));
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
        // One that is being replaced is locked exclusively, which also says that nobody is attached.
        let attached = lock::holder(file, ATTACH)? == Some(lock::Kind::Shared);
        let state = if header.mutable.state & STATE_PERSISTENT != 0 {
            SegmentState::Persistent
        } else if attached {
            SegmentState::Live
        } else {
            SegmentState::Orphaned
        };
        let owned =
            state == SegmentState::Live && lock::holder(file, OWNER)? == Some(lock::Kind::Shared);
        let contents = SegmentContents {
            attached,
            owned,
            ..SegmentContents::of(&header, type_name(file, &header.frozen))
        };
        Ok(info(state, Some(contents), None))
    }

    fn foreign(name: String, id: &FileId, reason: String) -> Self {
        Self {
            name,
            state: SegmentState::Foreign,
            owner: id.owner,
            mode: id.mode & 0o7777,
            file_len: id.len,
            allocated: id.allocated,
            contents: None,
            reason: Some(reason),
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

/// What the schema calls the type. Only its beginning is read, for the schema can be long and its length a lie.
fn type_name(file: &File, frozen: &Frozen) -> Option<String> {
    let len = frozen.schema_len.min(schema::TYPE_NAME_PREFIX as u64) as usize;
    let mut bytes = vec![0; len];
    let count = file::read_at(file, &mut bytes, frozen.schema_offset).ok()?;
    schema::peek_type_name(bytes.get(..count)?)
}

fn unreadable(error: SysError) -> String {
    format!("it cannot be read: {}", error.io())
}

/// Refusals that say something about this process and nothing about the file.
pub(super) fn is_shortage(errno: Errno) -> bool {
    matches!(errno, Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM)
}
