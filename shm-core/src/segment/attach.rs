//! Finding a segment, checking it, and attaching to it.
//!
//! The header is read once, into private memory, with `pread`: a file that is truncated meanwhile yields fewer bytes
//! and no `SIGBUS`. This copy, checked against the file's length and the program's type, decides what is mapped and where the
//! payload is. Nothing is read from the shared header later, except that a participant takes its id from the counter there,
//! through the mapping.

use std::fs::File;

use super::geometry::{Expected, Geometry, PAGE};
use super::header::{
    self, Difference, FLAG_ANONYMOUS, FLAG_WAKE_READERS, Frozen, Header, Refusal, STATE_PERSISTENT,
};
use super::levels::{self, Capacity};
use super::mapping::Parts;
use super::options::Settings;
use super::refused::Refused;
use super::untyped::{self, LayoutOf};
use super::{Segment, lifetime};
use crate::error::{Mismatch, ShmError, UNNAMED};
use crate::layout::TypeLayout;
use crate::layout::schema::{self, Schema};
use crate::lock_byte::{ATTACH, OWNER};
use crate::name::SegmentName;
use crate::sys::clock::{Backoff, Deadline};
use crate::sys::file::{self, FileId};
use crate::sys::fork::ForkCount;
use crate::sys::lock::{self, LockKind};
use crate::sys::{Errno, SysError, effective_user, memfd, shm};

/// The longest schema that is read to explain a mismatch. A hostile header could demand any amount of memory.
const LONGEST_SCHEMA: u64 = 16 << 20;

/// What kind of handle to make.
#[derive(Clone, Copy)]
pub(super) struct AttachMode {
    pub(super) writable: bool,
    /// Whether the handle becomes an owner: the last one removes the name.
    pub(super) owner: bool,
    /// Elements that the trailing slice must have; 0 for a type without one. `None` accepts any number.
    pub(super) len: Option<usize>,
}

/// The layout that a segment must have.
#[derive(Clone, Copy)]
pub(super) enum Wanted<'a> {
    /// That of the program's type.
    Type(&'static TypeLayout),
    /// That which the function makes of what the segment says about itself.
    Any(LayoutOf<'a>),
}

impl Wanted<'_> {
    fn layout(self, file: &File, id: &FileId) -> Result<&'static TypeLayout, ShmError> {
        match self {
            Self::Type(layout) => Ok(layout),
            Self::Any(layout_of) => layout_of(&untyped::describe(file, id.len)?),
        }
    }
}

/// Attaches to the segment with this name.
pub(super) fn attach(
    settings: &Settings,
    name: &SegmentName,
    layout: Wanted<'_>,
    mode: AttachMode,
    deadline: Deadline,
) -> Result<Segment, ShmError> {
    let mut backoff = Backoff::until(deadline);
    loop {
        let forks = ForkCount::now();
        let mut reason = IN_TRANSITION;
        match find(settings, name, mode.writable)? {
            Err(why) => reason = why,
            Ok((file, id)) => {
                let segment = attach_to(settings, name, layout, mode, (file, id, forks))?;
                if !mode.owner {
                    return Ok(segment);
                }
                if !backoff.has_retried() {
                    // Mapping may have taken longer than the timeout, which is for retries.
                    backoff.restart(settings.deadline());
                }
                // Becoming an owner comes last: a handle that is dropped because something failed must not be an owner's, which
                // removes a name that other processes left or use.
                if segment.become_owner(&mut backoff)? {
                    return Ok(segment);
                }
            }
        }
        // By now the name is usually free or leads to something new, so look again, however short the timeout is. All locks are
        // released before a pause.
        if !backoff.first_retry() && !backoff.pause() {
            return Err(ShmError::busy(reason, settings.timeout));
        }
    }
}

pub(super) const IN_TRANSITION: &str = "another process is replacing or removing it";

/// Opens the file with this name, and locks it against replacement. The inner error is why to try again later.
fn find(
    settings: &Settings,
    name: &SegmentName,
    writable: bool,
) -> Result<Result<(File, FileId), &'static str>, ShmError> {
    let file = match shm::open(name.as_str(), writable) {
        Err(error) if error.errno == Errno::EAGAIN => return Ok(Err(lifetime::LEASED)),
        opened => opened.map_err(|error| refused(name, error))?,
    };
    let id = regular(&file)?;
    if !settings.trusts(id.owner) && !file::is_owned_by_this_user(&file, &id)? {
        return Err(ShmError::WrongOwner {
            name: UNNAMED,
            owner: id.owner,
            user: effective_user(),
        });
    }
    lock_opened(file, name, &id)
}

/// Opens the file with this name for reading.
pub(super) fn open_regular(name: &SegmentName) -> Result<(File, FileId), ShmError> {
    let file = shm::open(name.as_str(), false).map_err(|error| refused(name, error))?;
    let id = regular(&file)?;
    Ok((file, id))
}

/// The status of a file, which must be a regular one.
pub(super) fn regular(file: &File) -> Result<FileId, ShmError> {
    let id = file::stat(file)?;
    if id.is_regular() {
        Ok(id)
    } else {
        Err(ShmError::not_a_segment(format!("it is {}", id.kind())))
    }
}

/// Locks an open file against replacement. The inner error says what to wait for, if the name leads elsewhere by then.
pub(super) fn lock_opened(
    file: File,
    name: &SegmentName,
    id: &FileId,
) -> Result<Result<(File, FileId), &'static str>, ShmError> {
    if !lock::try_lock(&file, ATTACH, LockKind::Shared)? {
        return Ok(Err(IN_TRANSITION));
    }
    // Replacing takes the lock exclusively, so after ours this answer is final, except for the last owner's end, for
    // superseding without an owner, and for an explicit `unlink`. The count of links would not do: a file that lost this name
    // may have another, made with `ln`.
    Ok(match shm::stat_name(name.as_str()) {
        Ok(found) if found.same_file(id) => Ok((file, found)),
        Ok(_) => Err(IN_TRANSITION),
        Err(error) if error.errno == Errno::ENOENT => Err(IN_TRANSITION),
        Err(error) => return Err(error.into()),
    })
}

/// Attaches to the file, which has the name, without becoming an owner.
fn attach_to(
    settings: &Settings,
    name: &SegmentName,
    layout: Wanted<'_>,
    mode: AttachMode,
    (file, id, forks): (File, FileId, ForkCount),
) -> Result<Segment, ShmError> {
    let layout = layout.layout(&file, &id)?;
    let checked = check(&file, &id, layout, mode.len)?;
    let parts = Parts {
        file,
        id,
        forks,
        len: checked.geometry.total_len,
        writable: mode.writable,
        name: Some(name.clone()),
        hidden: None,
        owner: false,
        published: true,
        wakes_readers: checked.frozen.flags & FLAG_WAKE_READERS != 0,
        payload_offset: checked.geometry.payload_offset,
        tail: checked.tail,
        recorded_levels: checked.levels,
    };
    assemble(settings, layout, parts, &checked.frozen)
}

/// Makes the segment of these parts, and announces the program's levels.
fn assemble(
    settings: &Settings,
    layout: &'static TypeLayout,
    parts: Parts,
    frozen: &Frozen,
) -> Result<Segment, ShmError> {
    let mut segment = Segment::assemble(settings, layout, parts)?;
    // After all that can fail, except for becoming an owner: a program that cannot attach must not have announced its levels.
    segment.announce_levels(settings, layout, frozen)?;
    Ok(segment)
}

impl Segment {
    /// Makes this handle an owner, retrying until the time is up. `false` if the name was removed, which is too late for this
    /// segment.
    pub(super) fn become_owner(&self, backoff: &mut Backoff) -> Result<bool, ShmError> {
        let Some(name) = &self.name else {
            return Ok(false);
        };
        let owned = self.lock_as_owner(&self.file, name, backoff)?;
        if owned {
            self.owner.set_this();
        }
        Ok(owned)
    }

    /// Takes an owner's lock through a description of the segment's file. `false` if the name was removed.
    pub(super) fn lock_as_owner(
        &self,
        file: &File,
        name: &SegmentName,
        backoff: &mut Backoff,
    ) -> Result<bool, ShmError> {
        loop {
            let held = lock::try_lock(file, OWNER, LockKind::Shared)?;
            // The last owner, and a process that supersedes an ownerless segment, remove the name under an exclusive lock.
            // After ours this answer is final, except for an explicit `unlink`.
            let links = self.check_descriptor()?.links;
            // It may have other names, made with `ln`.
            if links == 0 || !lifetime::leads_to(name, &self.id)? {
                // A child of `fork` may keep the description longer than this handle lives.
                lock::unlock(file, OWNER)?;
                return Ok(false);
            }
            if held {
                return Ok(true);
            }
            if !backoff.pause() {
                return Err(ShmError::busy(IN_TRANSITION, self.timeout));
            }
        }
    }
}

/// Explains why a name could not be opened.
fn refused(name: &SegmentName, error: SysError) -> ShmError {
    if error.errno == Errno::ENOENT {
        return ShmError::not_found();
    }
    // Links, directories and sockets fail with errors that say less than their kind does.
    match shm::stat_name(name.as_str()) {
        Ok(id) if !id.is_regular() => ShmError::not_a_segment(format!("it is {}", id.kind())),
        _ => ShmError::from(error),
    }
}

/// Attaches to the anonymous segment behind a descriptor.
pub(super) fn from_fd(
    settings: &Settings,
    file: File,
    layout: Wanted<'_>,
    mode: AttachMode,
    deadline: Deadline,
) -> Result<Segment, ShmError> {
    if memfd::has_huge_pages(&file)? {
        return Err(ShmError::not_a_segment(
            "it consists of huge pages (MFD_HUGETLB), which another process can take away",
        ));
    }
    match memfd::size_is_sealed(&file) {
        Ok(true) => {}
        Ok(false) => {
            return Err(ShmError::not_a_segment(
                "its size is not sealed (F_SEAL_SHRINK, F_SEAL_GROW)",
            ));
        }
        Err(error) if error.errno == Errno::EINVAL => {
            return Err(ShmError::not_a_segment("it is not a memfd"));
        }
        Err(error) => return Err(error.into()),
    }
    let file = file::above_stdio(file)?;
    file::close_on_exec(&file)?;
    if !lock::lock_until(&file, ATTACH, LockKind::Shared, deadline)? {
        return Err(ShmError::busy(
            "another process keeps it locked",
            settings.timeout,
        ));
    }
    let id = file::stat(&file)?;
    let layout = layout.layout(&file, &id)?;
    let checked = check(&file, &id, layout, mode.len)?;
    let parts = Parts {
        file,
        id,
        // Whoever passed the descriptor may have it too.
        forks: ForkCount::UNKNOWN,
        len: checked.geometry.total_len,
        writable: mode.writable,
        name: None,
        hidden: None,
        owner: false,
        published: false,
        wakes_readers: checked.frozen.flags & FLAG_WAKE_READERS != 0,
        payload_offset: checked.geometry.payload_offset,
        tail: checked.tail,
        recorded_levels: checked.levels,
    };
    assemble(settings, layout, parts, &checked.frozen)
}

impl From<Refusal> for ShmError {
    fn from(refusal: Refusal) -> Self {
        let name = UNNAMED;
        match refusal {
            Refusal::NotASegment(reason) => Self::not_a_segment(reason),
            Refusal::UnsupportedFormat(reason) => Self::UnsupportedFormat { name, reason },
            Refusal::Corrupt(reason) => Self::Corrupt { name, reason },
        }
    }
}

/// What a checked header says.
pub(super) struct Checked {
    frozen: Frozen,
    geometry: Geometry,
    tail: usize,
    levels: u32,
}

/// Reads the header and compares it with itself, the file, the type and the number of elements required.
pub(super) fn check(
    file: &File,
    id: &FileId,
    layout: &'static TypeLayout,
    wanted: Option<usize>,
) -> Result<Checked, ShmError> {
    let mut start = [0; PAGE];
    let count = file::read_at(file, &mut start, 0)?;
    let header = header::parse(&start[..count], id.len)?;
    let Header {
        frozen, mutable, ..
    } = header;
    let refused = Refused {
        file,
        is_anonymous: frozen.flags & FLAG_ANONYMOUS != 0,
        is_persistent: mutable.state & STATE_PERSISTENT != 0,
    };
    let compared = header::compare(&frozen, &Expected::of(layout)).map_err(|difference| {
        let (found, difference) = match difference {
            Difference::Number(text) => (None, text),
            Difference::Fingerprint => match explain(file, &frozen, layout) {
                Ok(explained) => explained,
                Err(error) => return ShmError::from(error),
            },
        };
        refused.mismatch(layout, found, Mismatch::Type, difference)
    })?;
    let (geometry, tail) = compared;
    if let Some(wanted) = wanted.filter(|wanted| *wanted != tail) {
        let difference = format!(
            "its slice has {tail} elements in the segment, and this program requires {wanted}"
        );
        let same = schema::type_name(layout);
        return Err(refused.mismatch(layout, Some(same), Mismatch::Length, difference));
    }
    if layout.level() > 0 {
        levels::check(file, Capacity::of(&frozen), mutable.levels, layout)
            .map_err(|conflict| refused.conflict(layout, conflict))?;
    }
    Ok(Checked {
        frozen,
        geometry,
        tail,
        levels: mutable.levels,
    })
}

/// Explains how a segment with another fingerprint differs: the name of its type, and the first difference.
fn explain(
    file: &File,
    frozen: &Frozen,
    layout: &'static TypeLayout,
) -> Result<(Option<String>, String), SysError> {
    let fingerprints = format!(
        "the fingerprint is {:#018x} in the segment and {:#018x} in this program",
        frozen.fingerprint,
        layout.fingerprint()
    );
    let unreadable = |why: &str| {
        let text = format!("{fingerprints}, and its schema cannot be read: {why}");
        (None, text)
    };
    let len = match usize::try_from(frozen.schema_len) {
        Ok(len) if frozen.schema_len <= LONGEST_SCHEMA => len,
        _ => return Ok(unreadable("it is too long")),
    };
    let mut bytes = vec![0; len];
    if file::read_at(file, &mut bytes, frozen.schema_offset)? < len {
        return Ok(unreadable("the file ends inside it"));
    }
    let (segment, program) = match (
        Schema::decode(&bytes),
        Schema::decode(&schema::encode(layout)),
    ) {
        (Ok(segment), Ok(program)) => (segment, program),
        (Err(why), _) | (_, Err(why)) => return Ok(unreadable(&why)),
    };
    // Equal schemas with different fingerprints: the header is wrong, or the type's version differs.
    let difference = Schema::difference_at(0, &segment, &program).unwrap_or(fingerprints);
    Ok((Some(segment.type_name()), difference))
}
