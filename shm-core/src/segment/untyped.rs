//! Attaching to a segment of any type: its header and its schema say what it holds.

use std::fs::File;
use std::os::fd::OwnedFd;

use super::Segment;
use super::appearance::Appearance;
use super::attach::{self, AttachMode, Wanted};
use super::geometry::{Expected, Geometry};
use super::header::{self, Difference, HEADER_LEN, Header};
use super::levels::{self, Conflict, Recorded};
use super::options::Settings;
use crate::error::{ANONYMOUS, ShmError, UNNAMED};
use crate::layout::TypeLayout;
use crate::layout::fingerprint::ByteOrder;
use crate::name::SegmentName;
use crate::sys::file;

/// The longest schema that is read without the type. A hostile header could demand any amount of memory.
const LONGEST_SCHEMA: u64 = 1 << 20;

/// What a segment says about its type. The header agrees with itself and with the file; nothing else is checked.
#[derive(Debug)]
pub(crate) struct Described {
    pub(super) header: Header,
    pub(crate) schema: Vec<u8>,
    /// The levels that were announced, from 1 on.
    pub(crate) levels: Vec<Recorded>,
    /// The end of the bytes for fields.
    fields_end: u64,
    /// The order of the bytes of the numbers in the schema and the payload.
    pub(crate) order: ByteOrder,
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

/// Reads the schema of a file with this header.
pub(super) fn with_schema(
    file: &File,
    header: Header,
    order: ByteOrder,
) -> Result<Described, ShmError> {
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
        schema,
        levels,
        fields_end,
        order,
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
    /// All that the layout depends on.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.schema.clone();
        for level in &self.levels {
            bytes.extend(level.body.len().to_ne_bytes());
            bytes.extend(&level.body);
        }
        bytes
    }

    /// Whether the payload has room for a struct of this size.
    pub(crate) fn can_hold(&self, size: usize) -> bool {
        let room = self.fields_end - self.header.frozen.payload_offset;
        size as u64 <= room
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

/// How to attach to a segment whose type the program does not have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Untyped {
    settings: Settings,
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
        let (mode, layout) = (mode(writable), Wanted::Any(layout_of));
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
        let (mode, layout) = (mode(writable), Wanted::Any(layout_of));
        attach::from_fd(settings, file, layout, mode, settings.deadline())
            .map_err(|error| error.named(ANONYMOUS))
    }
}

fn mode(writable: bool) -> AttachMode {
    AttachMode {
        writable,
        owner: false,
        len: None,
    }
}
