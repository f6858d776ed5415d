//! Attaching to a segment of any type: its header and its schema say what it holds.

#[cfg(test)]
mod tests;

use std::fs::File;
use std::os::fd::OwnedFd;

use super::Segment;
use super::appearance::Appearance;
use super::attach::{self, AttachMode, Wanted};
use super::dump;
use super::geometry::{Expected, Geometry};
use super::header::{self, Difference, HEADER_LEN, Header};
use super::levels::{self, Conflict, Recorded};
use super::open::{Creation, Failure};
use super::options::Settings;
use crate::error::{ANONYMOUS, ShmError, UNNAMED};
use crate::layout::fingerprint::ByteOrder;
use crate::layout::{TypeLayout, schema};
use crate::name::SegmentName;
use crate::sys::file;

/// The longest schema that is read without the type. A hostile header could demand any amount of memory.
const LONGEST_SCHEMA: u64 = 1 << 20;

/// A type as a segment describes it. Nothing of it is checked.
#[derive(Clone, Debug)]
pub(crate) struct SchemaBytes {
    pub(crate) schema: Vec<u8>,
    /// The levels that were announced, from 1 on.
    pub(crate) levels: Vec<Recorded>,
    /// The order of the bytes of the numbers, also in the payload.
    pub(crate) order: ByteOrder,
}

impl SchemaBytes {
    /// Those that a segment of this layout has.
    pub(crate) fn of(layout: &TypeLayout) -> Self {
        let schema = schema::encode(layout);
        Self {
            schema,
            levels: levels::recorded(layout),
            order: ByteOrder::Native,
        }
    }

    /// The schema, and the records of the levels in the order of the file.
    pub(crate) fn join(&self) -> Vec<u8> {
        let mut bytes = self.schema.clone();
        bytes.extend(levels::join(&self.levels, self.order));
        bytes
    }

    /// What [`join`](Self::join) has joined, on a machine of this byte order. `None` for bytes that it does not return.
    pub(crate) fn split(bytes: &[u8]) -> Option<Self> {
        if bytes.len() as u64 > LONGEST_SCHEMA {
            return None;
        }
        let (schema, records) = bytes.split_at_checked(schema::first_node_len(bytes)?)?;
        Some(Self {
            schema: schema.to_vec(),
            levels: levels::split(records)?,
            order: ByteOrder::Native,
        })
    }
}

/// What a segment says about its type. The header agrees with itself and with the file; nothing else is checked.
#[derive(Debug)]
pub(crate) struct Described {
    pub(super) header: Header,
    pub(crate) schema: SchemaBytes,
    /// The end of the bytes for fields.
    fields_end: u64,
}

/// Makes a layout of what a segment says about its type.
pub(super) type LayoutOf<'a> = &'a dyn Fn(&Described) -> Result<&'static TypeLayout, ShmError>;

/// Reads the header and the schema of a file of `len` bytes.
pub(super) fn describe(file: &File, len: u64) -> Result<Described, ShmError> {
    let mut start = [0; HEADER_LEN];
    let count = file::read_at(file, &mut start, 0)?;
    let header = header::parse(&start[..count], len)?;
    with_schema(file, header, ByteOrder::Native)
}

/// Reads the header and the schema of the segment with this name, of any user. This locks nothing.
pub(crate) fn describe_named(name: &str) -> Result<Described, ShmError> {
    let describe = || {
        let (file, id) = attach::open_regular(&SegmentName::new(name)?)?;
        describe(&file, id.len)
    };
    describe().map_err(|error: ShmError| error.named(name))
}

/// What surrounds the payload in a segment's file.
pub(crate) struct Frame {
    /// What comes before it: header and schema.
    pub(crate) start: Vec<u8>,
    /// The offset of the payload.
    pub(crate) payload_offset: usize,
    /// The records of the levels, at the end of the file.
    pub(crate) records: Vec<u8>,
    /// The length of the file.
    pub(crate) total_len: usize,
}

/// What surrounds the payload of a file whose layout is `layout`, which a handle has compared it with, with the levels of that.
pub(crate) fn frame(file: &File, layout: &TypeLayout) -> Result<Frame, ShmError> {
    let mut start = [0; HEADER_LEN];
    let count = file::read_at(file, &mut start, 0)?;
    let mut header = header::parse(&start[..count], file::stat(file)?.len)?;
    header.mutable.levels = layout.level();
    let mut start = bytemuck::bytes_of(&header).to_vec();
    schema::encode_into(layout, &mut start);
    // The header agrees with the file, whose length is that of an object.
    Ok(Frame {
        start,
        payload_offset: header.frozen.payload_offset as usize,
        records: levels::encode(layout, 0),
        total_len: header.frozen.total_len as usize,
    })
}

/// Reads the header and the schema of a file, of either byte order.
pub(crate) fn describe_file(file: &File) -> Result<Described, ShmError> {
    let id = attach::regular(file)?;
    let (header, order) = dump::read_header(file, id.len)?;
    with_schema(file, header, order)
}

/// Reads the schema of a file with this header.
fn with_schema(file: &File, header: Header, order: ByteOrder) -> Result<Described, ShmError> {
    let frozen = &header.frozen;
    if frozen.schema_len > LONGEST_SCHEMA {
        let len = frozen.schema_len;
        return Err(ShmError::too_large(format!(
            "its schema has {len} bytes, of which at most {LONGEST_SCHEMA} are read"
        )));
    }
    let mut schema = vec![0; frozen.schema_len as usize];
    if file::read_at(file, &mut schema, frozen.schema_offset)? < schema.len() {
        return Err(ShmError::Corrupt {
            name: UNNAMED,
            reason: "the file ends inside its schema".to_owned(),
        });
    }
    let most = LONGEST_SCHEMA - frozen.schema_len;
    let records = levels::read_all(file, &header, order, most);
    let Some((levels, fields_end)) = records.map_err(unreadable)? else {
        return Err(ShmError::too_large(format!(
            "its schema and the records of its levels have more than the {LONGEST_SCHEMA} bytes that are read"
        )));
    };
    Ok(Described {
        header,
        schema: SchemaBytes {
            schema,
            levels,
            order,
        },
        fields_end,
    })
}

/// The error for records that cannot be read.
fn unreadable(conflict: Conflict) -> ShmError {
    let reason = match conflict {
        Conflict::System(error) => return ShmError::from(error),
        Conflict::Corrupt(reason) => reason,
        // These come from comparisons with a type.
        Conflict::Level { .. } | Conflict::Room { .. } => "its levels contradict it".to_owned(),
    };
    ShmError::Corrupt {
        name: UNNAMED,
        reason,
    }
}

impl Described {
    /// The bytes for fields, from the start of the payload to the records.
    pub(crate) fn capacity(&self) -> u64 {
        self.fields_end - self.header.frozen.payload_offset
    }

    /// The fingerprint by the header.
    pub(crate) const fn fingerprint(&self) -> u64 {
        self.header.frozen.fingerprint
    }

    /// Compares the header with the numbers of the schema. The error describes the first difference.
    pub(crate) fn compare(&self, expected: &Expected) -> Result<(Geometry, usize), String> {
        let frozen = &self.header.frozen;
        header::compare(frozen, expected).map_err(|difference| match difference {
            Difference::Fingerprint => format!(
                "the fingerprint is {:#018x} by its header and {:#018x} by its schema",
                frozen.fingerprint, expected.fingerprint
            ),
            Difference::Number(text) => text
                .replace(" in the segment", " by its header")
                .replace(" in this program", " by its schema"),
        })
    }
}

/// How to create or attach to a segment whose type is a value.
#[derive(Clone, Debug)]
pub(crate) struct Untyped {
    pub(super) settings: Settings,
    /// Elements of the trailing slice, if the program says how many.
    pub(crate) len: Option<usize>,
}

impl Untyped {
    /// Attaches to the segment with this name, with the layout that `layout_of` makes.
    pub(crate) fn attach(
        &self,
        name: &str,
        writable: bool,
        layout_of: LayoutOf<'_>,
    ) -> Result<Segment, ShmError> {
        let checked = SegmentName::new(name)?;
        let settings = &self.settings;
        let (mode, layout) = (self.mode(writable), Wanted::Any(layout_of));
        let mut appearance = Appearance::new(settings, &checked);
        loop {
            match attach::attach(settings, &checked, layout, mode, settings.deadline()) {
                Err(ShmError::NotFound { .. }) if appearance.pause() => {}
                result => return result.map_err(|error| error.named(name)),
            }
        }
    }

    /// Attaches to the anonymous segment behind a descriptor.
    pub(crate) fn attach_fd(
        &self,
        fd: OwnedFd,
        writable: bool,
        layout_of: LayoutOf<'_>,
    ) -> Result<Segment, ShmError> {
        let (settings, file) = (&self.settings, File::from(fd));
        let (mode, layout) = (self.mode(writable), Wanted::Any(layout_of));
        attach::from_fd(settings, file, layout, mode, settings.deadline())
            .map_err(|error| error.named(ANONYMOUS))
    }

    /// Creates a segment of this layout. `init` writes its first contents and returns what has the segment, which `segment`
    /// finds in there.
    pub(crate) fn create<S, E: From<ShmError>>(
        &self,
        name: &str,
        layout: &'static TypeLayout,
        init: impl FnOnce(Segment) -> Result<S, Failure<E>>,
        segment: impl FnOnce(&S) -> Option<&Segment>,
    ) -> Result<S, E> {
        let create = || {
            let len = self.len.unwrap_or(0);
            let mut creation = Creation::new(&self.settings, name, layout, len, true)?;
            let made = init(*creation.segment()?)?;
            if let Some(segment) = segment(&made) {
                creation.publish(segment)?;
            }
            Ok(made)
        };
        create().map_err(|failure: Failure<E>| failure.named(name))
    }

    fn mode(&self, writable: bool) -> AttachMode {
        AttachMode {
            writable,
            owner: false,
            len: self.len,
        }
    }
}
