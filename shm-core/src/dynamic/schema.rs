//! [`DynSchema`]: the type of a segment, without attaching to it.

use std::fmt;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use super::check::{self, Checked, Later, Level, Machine};
use super::intern;
use crate::error::{ANONYMOUS, SCHEMA, ShmError, UNNAMED, file_name};
use crate::layout::fingerprint::ByteOrder;
use crate::layout::schema::{Naming, Node, Schema};
use crate::layout::{Row, Table, TypeLayout};
use crate::segment::{self, Described, Expected, SchemaBytes};

/// The type of a segment, as the segment describes it: its schema, with all levels that were announced.
///
/// Getting one attaches to nothing: it takes no lock, maps nothing and reads none of the values, so it costs a few system calls,
/// however large the segment is. The description is checked as [`DynSegment`](super::DynSegment) checks it, and is freed with this
/// value. So this is for tools that look at many segments, or compare them.
///
/// A field may have a type that a later version of this library has added. It is listed with its size and alignment, as `a type of a
/// later format`, and the other fields are listed as always. See [`DynSegment`](super::DynSegment#later-formats) for the values of
/// such a segment.
///
/// ```
/// use shm_core::ShmLayout;
/// use shm_core::dynamic::DynSchema;
///
/// #[derive(ShmLayout)]
/// #[repr(C)]
/// struct Telemetry { frame: u64, position: [f64; 3] }
///
/// # fn main() -> Result<(), shm_core::ShmError> {
/// # let name = format!("/doc-dyn-schema-{}", std::process::id());
/// let shm = Telemetry::create(&name)?;
/// let schema = DynSchema::of_segment(&name)?;
/// assert_eq!((schema.type_name().as_str(), schema.size()), ("Telemetry", 32));
/// assert_eq!(schema.fingerprint(), Telemetry::FINGERPRINT);
/// assert_eq!(schema.to_string(), Telemetry::LAYOUT.to_string()); // a table of the fields
///
/// // It can be kept, and compared with that of another segment.
/// let older = DynSchema::from_bytes(&schema.to_bytes())?;
/// assert_eq!(older.first_difference(&schema), None);
/// # drop(shm);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct DynSchema {
    bytes: SchemaBytes,
    base: Schema,
    levels: Vec<Level>,
    machine: Machine,
    checked: Expected,
    /// The first part of a later format.
    later: Option<Later>,
    /// The newest level: all fields, with the size and alignment of that.
    newest: Node,
    /// The level that has added each field of the newest.
    since: Vec<u32>,
    /// The bytes for later fields that a segment has.
    room: Option<usize>,
}

/// A row in the table of a type's fields, from [`DynSchema::fields`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DynField {
    /// How many rows this one is inside: 0 for a field of the payload.
    pub depth: usize,
    /// The name, as the segment has it; `[0]` for the first element of an array; empty for padding, which belongs to no field.
    pub name: String,
    /// Bytes from the start of the payload.
    pub offset: usize,
    /// Bytes that it takes. Of a trailing slice, those of one element.
    pub size: usize,
    /// The alignment in bytes; 1 for padding.
    pub align: usize,
    /// The type in Rust's syntax; `padding` for padding. It has no control characters, and long ones are shortened.
    pub type_name: String,
    /// Of the first element of an array, the distance to the next in bytes.
    pub stride: Option<usize>,
    /// The level that has added the field.
    pub since: u32,
}

impl DynSchema {
    /// Reads the type of the segment with this name. The segment may be one of any user. Permission to read it suffices.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ShmError::NotFound); [`PermissionDenied`](ShmError::PermissionDenied); [`NotASegment`](ShmError::NotASegment);
    /// [`UnsupportedFormat`](ShmError::UnsupportedFormat); [`Corrupt`](ShmError::Corrupt) if the header or the schema is invalid or
    /// they contradict each other; [`TooLarge`](ShmError::TooLarge) if the schema has more than 1 MiB; [`Os`](ShmError::Os).
    pub fn of_segment(name: &str) -> Result<Self, ShmError> {
        let described = segment::describe_named(name)?;
        Self::of(&described).map_err(|error| error.named(name))
    }

    /// Reads the type of the segment behind a descriptor, whether or not it has a name.
    ///
    /// # Errors
    ///
    /// Those of [`of_segment`](Self::of_segment).
    pub fn of_fd(fd: impl AsFd) -> Result<Self, ShmError> {
        let file = fd.as_fd().try_clone_to_owned();
        let of = |file: File| Self::of(&segment::describe_file(&file)?);
        let os = |source| ShmError::Os {
            name: UNNAMED,
            call: "fcntl(F_DUPFD_CLOEXEC)",
            source,
        };
        let schema = file.map_err(os).and_then(|file| of(file.into()));
        schema.map_err(|error| error.named(ANONYMOUS))
    }

    /// Reads the type of a dump: see [`DynSegment::open`](super::DynSegment::open).
    ///
    /// # Errors
    ///
    /// Those of [`of_segment`](Self::of_segment), with the path as the name.
    pub fn of_file(path: impl AsRef<Path>) -> Result<Self, ShmError> {
        let path = path.as_ref();
        let of = || Self::of(&segment::describe_file(&segment::open_file(path)?)?);
        of().map_err(|error: ShmError| error.named(&file_name(path)))
    }

    /// Returns that of a program's type: `DynSchema::of_layout(Telemetry::LAYOUT)`.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ShmError::Corrupt) for the layout of a type that cannot be shared: one for which
    /// [`is_checked`](TypeLayout::is_checked) is `false`.
    pub fn of_layout(layout: &TypeLayout) -> Result<Self, ShmError> {
        let schema = Self::with_fingerprint_of(layout, layout.room());
        schema.map_err(|error| error.named(SCHEMA))
    }

    /// That of a layout that was checked, with room for later fields.
    pub(super) fn with_room(layout: &TypeLayout, room: usize) -> Result<Self, ShmError> {
        Self::with_fingerprint_of(layout, Some(room))
    }

    fn with_fingerprint_of(layout: &TypeLayout, room: Option<usize>) -> Result<Self, ShmError> {
        Self::checked(SchemaBytes::of(layout), room, |checked| {
            if checked.later.is_some() {
                checked.expected.fingerprint = layout.fingerprint();
            }
            Ok(())
        })
    }

    /// Reads what [`to_bytes`](Self::to_bytes) returns.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ShmError::Corrupt) for other bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ShmError> {
        let schema = match SchemaBytes::split(bytes) {
            Some(bytes) => Self::checked(bytes, None, |_| Ok(())),
            None => Err(corrupt("its length is wrong".to_owned())),
        };
        schema.map_err(|error| error.named(SCHEMA))
    }

    /// Returns the schema as the segment has it, followed by the records of its levels as they are at the end of the segment: see
    /// the description of the format. Numbers are in the byte order of the machine that made the segment.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.bytes.join()
    }

    /// Checks what a segment says about its type.
    pub(super) fn of(described: &Described) -> Result<Self, ShmError> {
        let schema = Self::checked(
            described.schema.clone(),
            None,
            |Checked { expected, later }| {
                if later.is_some() {
                    expected.fingerprint = described.fingerprint();
                }
                let checked = &*expected;
                described.compare(checked).map_err(corrupt)?;
                if checked.size as u64 > described.capacity() {
                    return Err(corrupt(
                        "the records of its levels reach into its fields".to_owned(),
                    ));
                }
                Ok(())
            },
        )?;
        let room = described.capacity() - schema.checked.size as u64;
        Ok(Self {
            room: usize::try_from(room).ok().filter(|_| schema.checked.grows),
            ..schema
        })
    }

    /// Checks a schema, and that it `agrees` with what else is known.
    fn checked(
        bytes: SchemaBytes,
        room: Option<usize>,
        agrees: impl Fn(&mut Checked) -> Result<(), ShmError>,
    ) -> Result<Self, ShmError> {
        let base = Schema::decode_in(&bytes.schema, bytes.order)
            .map_err(|reason| corrupt(format!("its schema cannot be read: {reason}")))?;
        let mut levels = Vec::new();
        for recorded in &bytes.levels {
            let decoded = Schema::decode_level(&recorded.body, bytes.order);
            let decoded = decoded.map_err(|reason| {
                corrupt(format!("the record of a level cannot be read: {reason}"))
            })?;
            levels.push(Level {
                root: decoded.root,
                fingerprint: recorded.fingerprint,
            });
        }
        let machines = match bytes.order {
            ByteOrder::Native => vec![Machine::NATIVE],
            // The header does not say how 128-bit integers are aligned there.
            order => [16, 8]
                .map(|wide_align| Machine { order, wide_align })
                .to_vec(),
        };
        let mut refused = None;
        for machine in machines {
            let checked = check::check(&base, &levels, machine);
            let checked = checked.map_err(|error| corrupt(error.to_string()));
            let checked = checked.and_then(|mut checked| {
                agrees(&mut checked)?;
                Ok(checked)
            });
            match checked {
                Ok(Checked { expected, later }) => {
                    let (newest, since) = newest(&base, &levels);
                    return Ok(Self {
                        bytes,
                        base,
                        levels,
                        machine,
                        checked: expected,
                        later,
                        newest,
                        since,
                        room,
                    });
                }
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        Err(refused.unwrap_or_else(|| corrupt("its schema cannot be read".to_owned())))
    }

    /// The layout, which lives as long as the process.
    pub(super) fn intern(&self) -> Result<&'static TypeLayout, ShmError> {
        self.intern_as(self.machine, None)
    }

    /// The layout of a new segment, with the room for later fields.
    pub(super) fn intern_with_room(&self) -> Result<&'static TypeLayout, ShmError> {
        if self.machine != Machine::NATIVE {
            return Err(ShmError::UnsupportedFormat {
                name: UNNAMED,
                reason: "its schema is that of a machine with another byte order".to_owned(),
            });
        }
        if let Some(later) = &self.later {
            return Err(ShmError::UnsupportedFormat {
                name: UNNAMED,
                reason: shortened(format!(
                    "{later}, so this version cannot create segments of the type"
                )),
            });
        }
        self.intern_as(self.machine, self.room)
    }

    fn intern_as(
        &self,
        machine: Machine,
        room: Option<usize>,
    ) -> Result<&'static TypeLayout, ShmError> {
        let (base, levels) = (&self.base, &self.levels);
        intern::intern(
            base,
            levels,
            &self.bytes.join(),
            machine,
            &self.checked,
            room,
        )
        .map_err(|full| ShmError::too_large(full.to_string()))
    }

    /// Returns the name of the type: that of a struct or enum, `[u64; 4]` for an array, and so on. Names may hold line breaks and
    /// terminal controls.
    #[must_use]
    pub fn type_name(&self) -> String {
        self.newest.rust_name(Naming::Named)
    }

    /// Returns the size in bytes at the newest level, without the elements of a trailing slice.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.checked.size
    }

    /// Returns the alignment in bytes at the newest level.
    #[must_use]
    pub fn align(&self) -> usize {
        self.newest.align(self.machine.wide_align)
    }

    /// Returns the type's own version, `#[shm(version = ..)]`, or 0.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.checked.version
    }

    /// Returns the size in bytes of an element of the slice that the type ends in.
    #[must_use]
    pub const fn slice_stride(&self) -> Option<usize> {
        self.checked.tail_stride
    }

    /// Returns the fingerprint: that of level 0, as in the header. It cannot be computed if a field has a type of a later format:
    /// then this is what the header or the layout says, and 0 for [`from_bytes`](Self::from_bytes).
    #[must_use]
    pub const fn fingerprint(&self) -> u64 {
        self.checked.fingerprint
    }

    /// Returns the newest level that was announced, 0 for most types.
    #[must_use]
    pub const fn level(&self) -> u32 {
        self.checked.level
    }

    /// Returns the fingerprint of a level, or `None` for one that was not announced.
    #[must_use]
    pub fn level_fingerprint(&self, level: u32) -> Option<u64> {
        match level.checked_sub(1) {
            None => Some(self.checked.fingerprint),
            Some(number) => {
                let recorded = self.levels.get(number as usize);
                recorded.map(|level| level.fingerprint)
            }
        }
    }

    /// Returns the rows of the table that [`Display`](fmt::Display) prints: each field, followed by its own fields, or by those of
    /// the first element if it is an array, and then by the padding after it. The parts of this library's types are among them.
    #[must_use]
    pub fn fields(&self) -> Vec<DynField> {
        let field = |row: Row<'_>| DynField {
            depth: row.depth,
            name: row.name.to_owned(),
            // The tree was checked: all of this is smaller than an object can be.
            offset: row.offset as usize,
            size: row.size as usize,
            align: row
                .node
                .map_or(1, |node| node.align(self.machine.wide_align)),
            type_name: row.type_name(),
            stride: row.stride.map(|stride| stride as usize),
            since: row.since,
        };
        self.table().rows().into_iter().map(field).collect()
    }

    /// Describes the first difference from another schema, which the text calls the second. Returns `None` if a program that
    /// has one of the types can use a segment of the other in all its fields: names of types do not count.
    #[must_use]
    pub fn first_difference(&self, other: &Self) -> Option<String> {
        let schema = |schema: &Self| Schema {
            root: schema.newest.clone(),
        };
        let text = Schema::first_difference(&schema(self), &schema(other));
        if let Some(text) = text {
            let text = text.replace(" in the segment", " in the first");
            return Some(text.replace(" in this program", " in the second"));
        }
        let fields = self
            .newest
            .fields()
            .iter()
            .zip(&self.since)
            .zip(&other.since);
        let at_level = fields
            .filter(|((_, first), second)| first != second)
            .map(|((field, first), second)| {
                format!(
                    "field `{}` is there since level {first} in the first and since level {second} in the second",
                    field.name
                )
            });
        at_level.into_iter().next()
    }

    fn table(&self) -> Table<'_> {
        Table {
            root: &self.newest,
            since: &self.since,
            wide_align: self.machine.wide_align,
            payload_offset: self.checked.payload_offset().unwrap_or(usize::MAX),
            fingerprint: self.checked.fingerprint,
        }
    }
}

/// The table of a [`TypeLayout`].
impl fmt::Display for DynSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.table().fmt(f)
    }
}

/// The name of the type, its size and its fingerprint.
impl fmt::Debug for DynSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynSchema")
            .field("type_name", &self.type_name())
            .field("size", &self.size())
            .field("fingerprint", &format_args!("{:016x}", self.fingerprint()))
            .finish_non_exhaustive()
    }
}

/// All fields of a struct with levels, and the level that has added each of them. Any other type is its base.
fn newest(base: &Schema, levels: &[Level]) -> (Node, Vec<u32>) {
    let mut newest = base.root.clone();
    let mut since = vec![0; newest.fields().len()];
    for (number, level) in (1..).zip(levels) {
        if let (
            Node::Struct {
                size,
                align,
                fields,
                ..
            },
            Node::Struct {
                size: grown,
                align: grown_align,
                fields: added,
                ..
            },
        ) = (&mut newest, &level.root)
        {
            (*size, *align) = (*grown, *grown_align);
            fields.extend(added.iter().cloned());
            since.resize(fields.len(), number);
        }
    }
    (newest, since)
}

fn corrupt(reason: String) -> ShmError {
    ShmError::Corrupt {
        name: UNNAMED,
        reason: shortened(reason),
    }
}

/// The beginning of a message, in which names from the segment may be long.
fn shortened(text: String) -> String {
    const LONGEST: usize = 1000;

    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}..", &text[..end]),
        None => text,
    }
}
