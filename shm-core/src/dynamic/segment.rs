//! [`DynSegment`]: a segment without its Rust type.

use std::fmt;
use std::io::{self, Seek, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use super::cell::DynCell;
use super::error::DynError;
use super::schema::DynSchema;
use super::sink::{Sink, Sparse, Stream};
use crate::cell;
use crate::error::{InvalidValue, ShmError, UNNAMED, file_name};
use crate::layout::TypeLayout;
use crate::layout::fingerprint::ByteOrder;
use crate::segment::{Described, Dump, Frame, Segment, ShmOptions};
use crate::sys::{Errno, SysError};

/// A segment that a program reads and writes without its Rust type.
///
/// Every segment contains its layout. [`at`](Self::at) finds a part of it by a path, as a [`DynCell`], which reads and writes
/// [`DynValue`](super::DynValue)s. This is for tools that show any segment, and for other languages. A program that has the type
/// attaches with the type, which is faster and checked by the compiler.
///
/// ```
/// use shm_core::ShmLayout;
/// use shm_core::dynamic::DynSegment;
///
/// #[derive(Clone, Copy, ShmLayout)]
/// #[repr(C)]
/// struct Telemetry { frame: u64, position: [f64; 3] }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = format!("/doc-dyn-segment-{}", std::process::id());
/// let shm = Telemetry::create(&name)?;
/// shm.frame.set(7);
///
/// // In a program that has never heard of `Telemetry`:
/// let segment = DynSegment::attach(&name)?;
/// let position = segment.at("position[2]")?;
/// position.set(&"2.5".parse()?)?;
/// assert_eq!(segment.at(".")?.get()?.to_string(), "{frame: 7, position: [0.0, 0.0, 2.5]}");
/// assert_eq!(shm.position[2].get(), 2.5);
/// # Ok(()) }
/// ```
///
/// Accesses are the same as those of typed views: one atomic access per leaf, of the leaf's size.
///
/// # Trust
///
/// The layout in the segment may be forged. It is checked before anything is accessed: every part lies within the payload, and
/// no two overlap. A segment whose schema does not pass, or contradicts its header, is [`Corrupt`](ShmError::Corrupt).
///
/// # Levels
///
/// Of a struct that has grown (`#[shm(since = ..)]`), a handle has the fields of all levels that were announced when it attached.
/// It announces none itself. To find fields that a newer program has announced since, attach again.
///
/// # Later formats
///
/// A part may have a type that a later version of this library has added. This version knows its place, so
/// [`get`](DynCell::get) reads its bytes, and [`dump`](Self::dump) copies them as they are, with whatever claims are in them.
/// [`set`](DynCell::set) refuses it. So it does for any part of the value of a [`SeqLock`](crate::sync::SeqLock) that contains such
/// a part, since a commit writes all of the value. The other parts are read and set as always.
///
/// # Memory
///
/// The layout of a schema is allocated once in a process, however many segments have the schema, and never freed. A schema, with
/// the records of its levels, may have at most 1 MiB, and all layouts of a process together 64 MiB: beyond that, attaching fails with
/// [`TooLarge`](ShmError::TooLarge).
///
/// # Lifetime
///
/// A clone is the same handle. Cells keep the segment mapped, so it is unmapped when the last clone and the last cell
/// are dropped. Then the name is removed, if this handle [created](Self::create) the segment and nobody has called
/// [`persist`](Self::persist). Handles from `attach` never remove a name.
#[derive(Clone)]
pub struct DynSegment {
    handle: Arc<Handle>,
}

/// What the clones of a segment and its cells share.
pub(super) struct Handle {
    pub(super) layout: &'static TypeLayout,
    pub(super) memory: Memory,
    name: String,
}

/// Where the bytes are.
pub(super) enum Memory {
    Mapped(Segment),
    File(Dump),
}

impl Handle {
    /// The mapped segment; `None` for a dump.
    pub(super) fn segment(&self) -> Option<&Segment> {
        match &self.memory {
            Memory::Mapped(segment) => Some(segment),
            Memory::File(_) => None,
        }
    }

    /// Checks every enum and `char` of a mapped segment.
    pub(super) fn validate(&self) -> Result<(), InvalidValue> {
        match self.segment() {
            // SAFETY: the payload of a live mapping, with as many elements in its slice; only accessed atomically.
            Some(segment) => unsafe {
                cell::validate(segment.payload().cast(), self.layout, segment.tail())
            },
            None => Ok(()),
        }
    }

    /// Elements of the trailing slice.
    pub(super) fn tail(&self) -> usize {
        match &self.memory {
            Memory::Mapped(segment) => segment.tail(),
            Memory::File(dump) => dump.tail,
        }
    }
}

impl DynSegment {
    /// Attaches to the segment with this name for reading and writing.
    ///
    /// If its type has locks or ends of queues, this process becomes a participant, as with a typed
    /// [`attach`](crate::ShmLayout::attach).
    ///
    /// # Errors
    ///
    /// Those of a typed [`attach`](crate::ShmOptions::attach), except `LayoutMismatch`; [`Corrupt`](ShmError::Corrupt) if the
    /// schema is invalid or contradicts the header; [`TooLarge`](ShmError::TooLarge).
    pub fn attach(name: &str) -> Result<Self, ShmError> {
        Self::options().attach(name)
    }

    /// Attaches for reading only. Read permission suffices.
    ///
    /// # Errors
    ///
    /// As [`attach`](Self::attach).
    pub fn attach_read_only(name: &str) -> Result<Self, ShmError> {
        Self::options().attach_read_only(name)
    }

    /// Attaches to the anonymous segment behind a descriptor, for reading and writing. See
    /// [`ShmOptions::from_fd`](crate::ShmOptions::from_fd).
    ///
    /// # Errors
    ///
    /// [`NotASegment`](ShmError::NotASegment) if the size is not sealed; [`PermissionDenied`](ShmError::PermissionDenied) if the
    /// descriptor does not allow writing; and those of [`attach`](Self::attach).
    pub fn from_fd(fd: impl Into<OwnedFd>) -> Result<Self, ShmError> {
        Self::options().from_fd(fd)
    }

    /// [`from_fd`](Self::from_fd) for reading only.
    ///
    /// # Errors
    ///
    /// As [`from_fd`](Self::from_fd).
    pub fn from_fd_read_only(fd: impl Into<OwnedFd>) -> Result<Self, ShmError> {
        Self::options().from_fd_read_only(fd)
    }

    /// Opens a dump: a file with the bytes of a segment, such as a copy of the file in `/dev/shm`, for reading only. The machine
    /// that made the segment may have another byte order.
    ///
    /// The file is read where a cell is read, not mapped. If it changes meanwhile, cells return what is there by then.
    ///
    /// # Errors
    ///
    /// Those of [`attach`](Self::attach), with the path as the name.
    ///
    /// # Examples
    ///
    /// ```
    /// use shm_core::ShmLayout;
    /// use shm_core::dynamic::DynSegment;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = format!("/doc-dump-{}", std::process::id());
    /// # let file = std::env::temp_dir().join(&name[1..]);
    /// let shm = u64::create(&name)?;
    /// shm.set(5);
    /// std::fs::copy(format!("/dev/shm{name}"), &file)?;
    /// shm.set(6);
    /// assert_eq!(DynSegment::open(&file)?.at(".")?.get()?.as_int(), Some(5));
    /// # std::fs::remove_file(file)?;
    /// # Ok(()) }
    /// ```
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ShmError> {
        let path = path.as_ref();
        let dump = Dump::open(path, layout_of);
        let (dump, layout) = dump.map_err(|error| error.named(&file_name(path)))?;
        let name = path.to_string_lossy().into_owned();
        Ok(Self::new(layout, Memory::File(dump), name))
    }

    /// Returns the options for creating segments by a schema and for attaching to segments of any type: the mode, the group,
    /// waiting, whose segments are trusted, and so on. They are those of typed segments.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use shm_core::ShmLayout;
    /// use shm_core::dynamic::DynSegment;
    ///
    /// # fn main() -> Result<(), shm_core::ShmError> {
    /// # let name = format!("/doc-dyn-options-{}", std::process::id());
    /// let _shm = u64::create(&name)?;
    /// let options = DynSegment::options().wait(Duration::from_secs(5)).any_owner();
    /// let segment = options.attach_read_only(&name)?;
    /// # assert!(!segment.is_writable());
    /// # Ok(()) }
    /// ```
    pub fn options() -> ShmOptions<Self> {
        ShmOptions::defaults()
    }

    /// Creates a segment of this type, all of whose bytes are zero, and owns its name. With [`options`](Self::options), it can have
    /// other first contents, the elements of a slice, and so on.
    ///
    /// # Errors
    ///
    /// Those of `create` with [`options`](Self::options).
    pub fn create(name: &str, schema: &DynSchema) -> Result<Self, ShmError> {
        Self::options().create(name, schema)
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    pub(super) fn new(layout: &'static TypeLayout, memory: Memory, name: String) -> Self {
        let handle = Handle {
            layout,
            memory,
            name,
        };
        Self {
            handle: Arc::new(handle),
        }
    }

    /// Finds a part of the segment.
    ///
    /// | path | part |
    /// |---|---|
    /// | `.` | the whole payload |
    /// | `position` | a field |
    /// | `position[2]`, `nodes[3].next` | an element, and a field of it |
    /// | `a[2..5]`, `a[2..]`, `a[..5]` | some elements, as a list |
    /// | `pair.0` | a field of a tuple struct |
    /// | `jobs[#17]`, `jobs[#17].price` | message number 17 of a [`Ring`](crate::sync::Ring) or [`Broadcast`](crate::sync::Broadcast), while it is there |
    /// | `` `odd name`.x `` | a field whose name has other characters than letters, digits and `_`; `` \` `` and `\\` stand for themselves |
    ///
    /// A [`Mutex`](crate::sync::Mutex), a [`SeqLock`](crate::sync::SeqLock) and a [`ShmVec`](crate::ShmVec) are what they hold:
    /// `pose.xyz[1]` where `pose` is a `SeqLock<Pose>`, and `log[1]` where `log` is a vector. The words of a type of
    /// [`sync`](crate::sync) are its fields: `jobs.tail`. Where a value has a field of the same name, the path leads to that.
    ///
    /// # Errors
    ///
    /// [`InvalidPath`](DynError::InvalidPath) if the text is not a path; [`NoSuchPart`](DynError::NoSuchPart), with the fields that
    /// there are, or the number of elements. The number of elements of a vector is its length at this moment.
    pub fn at(&self, path: &str) -> Result<DynCell, DynError> {
        DynCell::whole(Arc::clone(&self.handle)).at(path)
    }

    /// Writes a dump: a file that [`open`](Self::open) reads and that
    /// [`restore`](crate::ShmOptions::restore) makes a segment of. It has the length of the segment.
    ///
    /// It is the segment as if all processes had left it at this moment: ends are free and nobody waits. A
    /// [`SeqLock`](crate::sync::SeqLock) has its committed value, and a queue the messages that are there. What a
    /// [`Mutex`](crate::sync::Mutex) holds is read without the lock; if it is locked, the owner in the dump has died, so that the next
    /// one gets [`OwnerDied`](crate::sync::LockError::OwnerDied). Other values may be partly old and partly new, as with
    /// [`get`](DynCell::get). The segment itself is not changed, and read permission suffices.
    ///
    /// ```
    /// use shm_core::ShmLayout;
    /// use shm_core::dynamic::DynSegment;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = format!("/doc-dump-to-{}", std::process::id());
    /// # let path = std::env::temp_dir().join(&name[1..]);
    /// let shm = u64::create(&name)?;
    /// shm.set(5);
    /// DynSegment::attach_read_only(&name)?.dump(std::fs::File::create(&path)?)?;
    /// drop(shm);
    ///
    /// let dump = DynSegment::open(&path)?;
    /// let _restored = DynSegment::options().restore(&name, &dump)?;
    /// assert_eq!(u64::attach(&name)?.get(), 5);
    /// # std::fs::remove_file(path)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of `to`; [`Contended`](DynError::Contended) and [`TooLarge`](DynError::TooLarge), as the inner error, if a
    /// sequence lock or a queue could not be read whole; one of the kind [`Unsupported`](io::ErrorKind::Unsupported) for a dump of the
    /// other byte order.
    pub fn dump(&self, to: impl Write) -> io::Result<()> {
        let mut to = Stream(io::BufWriter::new(to));
        self.dump_to(&mut to)?;
        to.0.flush()
    }

    /// Writes a dump to a file that is empty, as [`dump`](Self::dump) does, and leaves out the holes of the segment: it seeks over zeros
    /// where there are 4,096 of them or more. So it takes as long as what was written to the segment, however large that is.
    ///
    /// ```
    /// use std::fs::File;
    ///
    /// use shm_core::ShmLayout;
    /// use shm_core::dynamic::DynSegment;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = format!("/doc-dump-sparse-{}", std::process::id());
    /// # let path = std::env::temp_dir().join(&name[1..]);
    /// let shm = <[u64; 1 << 30]>::options().sparse(true).create(&name)?;
    /// shm[5].set(7);
    /// DynSegment::attach_read_only(&name)?.dump_sparse(File::create(&path)?)?;
    /// assert!(std::fs::metadata(&path)?.len() > 8 << 30);
    ///
    /// let dump = DynSegment::open(&path)?;
    /// assert_eq!(dump.at("[5]")?.get()?.as_int(), Some(7));
    /// # std::fs::remove_file(path)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`dump`](Self::dump), and those of seeking in `to`.
    pub fn dump_sparse(&self, to: impl Write + Seek) -> io::Result<()> {
        let mut to = Sparse::new(io::BufWriter::new(to));
        self.dump_to(&mut to)?;
        to.finish()
    }

    fn dump_to(&self, to: &mut dyn Sink) -> io::Result<()> {
        let frame = self.frame().map_err(|error| match error {
            ShmError::UnsupportedFormat { .. } => other_order(),
            error => io::Error::other(error.named(&self.error_name())),
        })?;
        to.bytes(&frame.start)?;
        to.zeros(frame.payload_offset - frame.start.len())?;
        self.write_image(to)?;
        let written = frame.payload_offset + self.image_len();
        to.zeros((frame.total_len - frame.records.len()).saturating_sub(written))?;
        to.bytes(&frame.records)
    }

    /// What surrounds the payload in the file.
    fn frame(&self) -> Result<Frame, ShmError> {
        match &self.handle.memory {
            Memory::Mapped(segment) => segment.frame(self.layout()),
            Memory::File(dump) if dump.order == ByteOrder::Native => dump.frame(self.layout()),
            Memory::File(_) => Err(ShmError::UnsupportedFormat {
                name: UNNAMED,
                reason: OTHER_ORDER.to_owned(),
            }),
        }
    }

    /// The layout of a new segment with the same room for later fields.
    pub(super) fn layout_with_room(&self) -> Result<&'static TypeLayout, ShmError> {
        let frame = self.frame()?;
        let end = frame.total_len - frame.records.len();
        let room = end.saturating_sub(frame.payload_offset + self.image_len());
        DynSchema::with_room(self.layout(), room)?.intern_with_room()
    }

    /// Writes the payload as [`dump`](Self::dump) does.
    pub(super) fn write_image(&self, to: &mut dyn Sink) -> io::Result<()> {
        match &self.handle.memory {
            Memory::File(dump) if dump.order != ByteOrder::Native => Err(other_order()),
            _ => DynCell::whole(Arc::clone(&self.handle)).write_image(to),
        }
    }

    /// The length of what [`write_image`](Self::write_image) writes.
    fn image_len(&self) -> usize {
        let layout = self.layout();
        layout.size() + layout.tail_stride().unwrap_or(0) * self.handle.tail()
    }

    /// Returns the layout of the payload. Formatted with `{}`, it is a table of the fields.
    #[must_use]
    pub fn layout(&self) -> &'static TypeLayout {
        self.handle.layout
    }

    /// Returns the name, with its slash; `(anonymous)` for a segment without a name; the path of a dump.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.handle.name
    }

    /// The name in errors.
    fn error_name(&self) -> String {
        match &self.handle.memory {
            Memory::Mapped(_) => self.name().to_owned(),
            Memory::File(_) => file_name(Path::new(self.name())),
        }
    }

    /// Returns `true` if the name leads to this segment; `false` for a dump: see [`Shm::is_current`](crate::Shm::is_current).
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.handle.segment().is_some_and(Segment::is_current)
    }

    /// Gives up ownership, for all owners, so that the name remains when they end: see [`Shm::persist`](crate::Shm::persist).
    ///
    /// # Errors
    ///
    /// [`PermissionDenied`](ShmError::PermissionDenied) if the segment is attached read-only, or is a dump; and those of
    /// [`Shm::persist`](crate::Shm::persist).
    pub fn persist(&self) -> Result<(), ShmError> {
        let persisted = match self.handle.segment() {
            Some(segment) if segment.is_writable() => segment.persist(),
            _ => Err(ShmError::from(SysError::new("persist", Errno::EACCES))),
        };
        persisted.map_err(|error| error.named(&self.error_name()))
    }

    /// Returns `true` if cells can be set: after [`attach`](Self::attach) and [`from_fd`](Self::from_fd).
    #[must_use]
    pub fn is_writable(&self) -> bool {
        match &self.handle.memory {
            Memory::Mapped(segment) => segment.is_writable(),
            Memory::File(_) => false,
        }
    }
}

/// The name and the layout's type.
impl fmt::Debug for DynSegment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynSegment")
            .field("name", &self.name())
            .field("type_name", &self.layout().name())
            .finish_non_exhaustive()
    }
}

const OTHER_ORDER: &str = "a machine with another byte order made it";

fn other_order() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, OTHER_ORDER)
}

/// Attaches by `attach`, which gets the function that makes the layout.
pub(super) fn attached(
    attach: impl FnOnce(
        &dyn Fn(&Described) -> Result<&'static TypeLayout, ShmError>,
    ) -> Result<Segment, ShmError>,
) -> Result<DynSegment, ShmError> {
    let found = std::cell::Cell::new(None);
    let segment = attach(&|described| {
        let layout = layout_of(described)?;
        found.set(Some(layout));
        Ok(layout)
    })?;
    let Some(layout) = found.get() else {
        // Cannot happen: no segment is attached to before its layout was made.
        return Err(ShmError::not_a_segment("it has no layout"));
    };
    let name = segment.name().to_owned();
    Ok(DynSegment::new(layout, Memory::Mapped(segment), name))
}

/// Checks what a segment says about its type, and makes a layout of it: the fields of its schema, and those of its levels.
fn layout_of(described: &Described) -> Result<&'static TypeLayout, ShmError> {
    DynSchema::of(described)?.intern()
}
