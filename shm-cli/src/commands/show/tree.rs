//! What there is to show of a part. Only what is shown is read, however large the segment is.

use std::fmt;

use shm_core::dynamic::{DynCell, DynError, DynValue, SyncState};
use shm_core::layout::{FieldLayout, LayoutKind};
use shm_core::{ShmLayout, TypeLayout};

use crate::observe::places;

/// How much to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    /// All elements, and not only the first of each list.
    pub(crate) full: bool,
    /// Levels below the part; those that are deeper are left out.
    pub(crate) depth: usize,
}

/// Elements that are read of a longer list: of numbers and other single values, of bytes, and of values that have parts.
const FEW_LEAVES: usize = 16;
const FEW_BYTES: usize = 64;
const FEW_PARTS: usize = 4;
/// The same for values that have structs in them, and for messages.
const FEW_NESTED: usize = 2;
const FEW_MESSAGES: u64 = 2;
/// The same for the part that the path leads to.
const MORE_LEAVES: usize = 256;
const MORE_BYTES: usize = 256;
const MORE_PARTS: usize = 32;
/// At most so many elements are read at once.
const CHUNK: usize = 1 << 16;
/// Larger values of a `SeqLock` are read part by part.
const LARGE: usize = 1 << 16;

/// A part, and what was read of it.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) label: Label,
    pub(crate) layout: &'static TypeLayout,
    /// The number of elements, if it is some elements of a list, which `layout` is one of.
    pub(crate) list: Option<usize>,
    pub(crate) state: Option<SyncState>,
    pub(crate) body: Body,
}

/// The last step of a part's path.
#[derive(Clone, Debug)]
pub(crate) enum Label {
    /// The part that the command is about, with its whole path.
    Path(String),
    /// The name of a field, as it is.
    Field(String),
    Element(usize),
    Message(u64),
}

/// As paths have it: a name with odd characters is in backquotes.
impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => f.write_str(path),
            // Paths take such a name, of a tuple's field, without backquotes.
            Self::Field(name)
                if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()) =>
            {
                f.write_str(name)
            }
            Self::Field(name) => write!(f, "{}", DynValue::Name(name.clone().into())),
            Self::Element(number) => write!(f, "[{number}]"),
            Self::Message(number) => write!(f, "[#{number}]"),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// A single value.
    Value(DynValue),
    /// The bytes of a type of a later format.
    Bytes(Elements<u8>),
    /// Single values in a row.
    Values(Elements<DynValue>),
    /// Elements that have parts.
    Parts(Elements<Node>),
    Fields(Vec<Node>),
    /// Messages of a queue: the oldest of a `Ring`, and the newest of a `Broadcast`.
    Messages(Vec<Node>),
    /// The state is all there is to show.
    Nothing,
    /// Parts that are too deep.
    Deep,
    /// Why it could not be read.
    Error(String),
}

/// The first elements of a list.
#[derive(Clone, Debug)]
pub(crate) struct Elements<T> {
    /// The number of the first one.
    pub(crate) from: usize,
    pub(crate) read: Vec<T>,
    /// How many the list has.
    pub(crate) len: usize,
}

impl<T> Elements<T> {
    /// How many elements were not read.
    pub(crate) const fn folded(&self) -> usize {
        self.len - self.read.len()
    }
}

/// Reads a part.
pub(crate) fn read(cell: &DynCell, extent: Extent) -> Node {
    let reader = Reader { extent };
    let label = Label::Path(cell.path().to_owned());
    let mut node = reader.cell(label, cell, 0);
    if first_of(cell).is_some() {
        node.list = cell.len().ok().flatten();
    }
    node
}

/// The number of the first element of `a[2..5]`, if the part is such elements.
fn first_of(cell: &DynCell) -> Option<usize> {
    let inside = cell.path().strip_suffix(']')?;
    let (start, _) = inside.rsplit_once('[')?.1.split_once("..")?;
    match start {
        "" => Some(0),
        digits => digits.parse().ok(),
    }
}

struct Reader {
    extent: Extent,
}

impl Reader {
    fn cell(&self, label: Label, cell: &DynCell, depth: usize) -> Node {
        let layout = cell.layout();
        let (state, body) = match cell.sync_state() {
            Ok(state) => {
                let body = self.body(cell, state.as_ref(), depth);
                (state, body.unwrap_or_else(failed))
            }
            Err(error) => (None, failed(error)),
        };
        Node {
            label,
            layout,
            list: None,
            state,
            body,
        }
    }

    fn body(
        &self,
        cell: &DynCell,
        state: Option<&SyncState>,
        depth: usize,
    ) -> Result<Body, DynError> {
        match state {
            Some(SyncState::SeqLockState { .. }) => {
                let value = held(cell.layout());
                if let Some(value) = value.filter(|value| value.size() <= LARGE) {
                    // One commit, and not a part of each.
                    return Ok(self.value(value, cell.get()?, depth));
                }
            }
            Some(SyncState::MutexState { .. }) | None => {}
            Some(SyncState::RingState { .. } | SyncState::BroadcastState { .. }) => {
                return self.messages(cell, state, depth);
            }
            // Their words say no more than the state.
            Some(_) => return Ok(Body::Nothing),
        }
        if let Some(len) = cell.len()? {
            return self.elements(cell, len, depth);
        }
        let names = cell.field_names();
        if names.is_empty() {
            let layout = cell.layout();
            return Ok(self.single(held(layout).unwrap_or(layout), cell.get()?, depth));
        }
        if depth >= self.extent.depth {
            return Ok(Body::Deep);
        }
        let fields = names.iter().map(|name| {
            let field = cell.field(name)?;
            Ok(self.cell(Label::Field((*name).to_owned()), &field, depth + 1))
        });
        fields.collect::<Result<_, _>>().map(Body::Fields)
    }

    fn elements(&self, cell: &DynCell, len: usize, depth: usize) -> Result<Body, DynError> {
        let from = first_of(cell).unwrap_or(0);
        if len == 0 {
            return Ok(Body::Values(Elements {
                from,
                read: Vec::new(),
                len,
            }));
        }
        let first = cell.index(0)?;
        let count = self.count(first.layout(), len, depth);
        if is_leaf(first.layout()) {
            let mut read = Vec::new();
            while read.len() < count {
                let start = read.len();
                let end = count.min(start + CHUNK);
                let chunk = cell.at(&format!("[{start}..{end}]"))?.get()?;
                let DynValue::List(values) = chunk else { break };
                read.extend(values);
            }
            return Ok(Body::Values(Elements { from, read, len }));
        }
        if depth >= self.extent.depth {
            return Ok(Body::Deep);
        }
        let elements = (0..count).map(|number| {
            let element = cell.index(number)?;
            Ok(self.cell(Label::Element(from + number), &element, depth + 1))
        });
        let read = elements.collect::<Result<_, DynError>>()?;
        Ok(Body::Parts(Elements { from, read, len }))
    }

    /// How many elements of a list to read.
    fn count(&self, element: &TypeLayout, len: usize, depth: usize) -> usize {
        let most = match (depth, is_leaf(element), is_byte(element)) {
            _ if self.extent.full => places(element, len),
            (0, _, true) => MORE_BYTES,
            (0, true, _) => MORE_LEAVES,
            (0, false, _) => MORE_PARTS,
            (_, _, true) => FEW_BYTES,
            (_, true, _) => FEW_LEAVES,
            (_, false, _) if has_structs(element) => FEW_NESTED,
            (_, false, _) => FEW_PARTS,
        };
        let most = most.min(places(element, len));
        // Instead of one more there would be a line that says so.
        if len == most + 1 { len } else { len.min(most) }
    }

    /// What was read as a whole.
    fn value(&self, layout: &'static TypeLayout, value: DynValue, depth: usize) -> Body {
        let node = |label, layout, value| Node {
            label,
            layout,
            list: None,
            state: None,
            body: self.value(layout, value, depth + 1),
        };
        match (value, layout.kind()) {
            (DynValue::Struct(fields), _) if depth < self.extent.depth => {
                let nodes =
                    fields
                        .into_iter()
                        .zip(fields_of(layout))
                        .map(|((name, value), field)| {
                            node(Label::Field(name.into_owned()), field.layout(), value)
                        });
                Body::Fields(nodes.collect())
            }
            (DynValue::List(mut values), _) => {
                let len = values.len();
                let element = element_of(layout).unwrap_or(layout);
                values.truncate(self.count(element, len, depth));
                if is_leaf(element) || values.is_empty() {
                    return Body::Values(Elements {
                        from: 0,
                        read: values,
                        len,
                    });
                }
                if depth >= self.extent.depth {
                    return Body::Deep;
                }
                let nodes = values.into_iter().enumerate();
                let nodes =
                    nodes.map(|(number, value)| node(Label::Element(number), element, value));
                Body::Parts(Elements {
                    from: 0,
                    read: nodes.collect(),
                    len,
                })
            }
            (DynValue::Struct(_), _) => Body::Deep,
            (value, _) => self.single(layout, value, depth),
        }
    }

    /// A value without parts.
    fn single(&self, layout: &TypeLayout, value: DynValue, depth: usize) -> Body {
        match (value, layout.kind()) {
            (DynValue::Bytes(mut read), LayoutKind::Unknown { .. }) => {
                let len = read.len();
                read.truncate(self.count(u8::LAYOUT, len, depth));
                Body::Bytes(Elements { from: 0, read, len })
            }
            (value, _) => Body::Value(value),
        }
    }

    /// Messages of a queue. Those that go meanwhile are left out.
    fn messages(
        &self,
        cell: &DynCell,
        state: Option<&SyncState>,
        depth: usize,
    ) -> Result<Body, DynError> {
        let Some(present) = cell.messages()?.filter(|present| !present.is_empty()) else {
            return Ok(Body::Nothing);
        };
        if depth >= self.extent.depth {
            return Ok(Body::Deep);
        }
        let most = match depth {
            _ if self.extent.full => u64::MAX,
            0 => MORE_PARTS as u64,
            _ => FEW_MESSAGES,
        };
        let count = most.min(present.end - present.start);
        let numbers = match state {
            // Those that are received next.
            Some(SyncState::RingState { .. }) => present.start..present.start + count,
            _ => present.end - count..present.end,
        };
        let mut nodes = Vec::new();
        for number in numbers {
            let message = cell.at(&format!("[#{number}]"))?;
            let layout = message.layout();
            let body = match message.get() {
                Ok(value) => self.value(layout, value, depth + 1),
                Err(DynError::NoSuchPart { .. }) => continue,
                Err(error) => failed(error),
            };
            nodes.push(Node {
                label: Label::Message(number),
                layout,
                list: None,
                state: None,
                body,
            });
        }
        Ok(Body::Messages(nodes))
    }
}

fn failed(error: DynError) -> Body {
    Body::Error(error.to_string())
}

/// What a `Mutex` or a `SeqLock` holds.
pub(crate) fn held(layout: &TypeLayout) -> Option<&'static TypeLayout> {
    let LayoutKind::Meaning { meaning, inner, .. } = layout.kind() else {
        return None;
    };
    let last = inner.fields().last()?.layout();
    match (meaning, last.kind()) {
        ("mutex", _) => Some(last),
        ("seqlock", LayoutKind::Array { element, .. }) => match element.kind() {
            LayoutKind::Meaning { inner, .. } => Some(inner.fields().first()?.layout()),
            _ => None,
        },
        _ => None,
    }
}

/// The fields of a struct, or the parts of a type that this command does not know.
fn fields_of(layout: &TypeLayout) -> &'static [FieldLayout] {
    match layout.kind() {
        LayoutKind::Struct { fields, .. } => fields,
        LayoutKind::Meaning { inner, .. } => fields_of(inner),
        _ => &[],
    }
}

/// The element of a list.
pub(crate) fn element_of(layout: &TypeLayout) -> Option<&'static TypeLayout> {
    match layout.kind() {
        LayoutKind::Array { element, .. } | LayoutKind::Slice { element, .. } => Some(element),
        LayoutKind::Meaning {
            meaning: "vec",
            inner,
            ..
        } => element_of(inner.fields().last()?.layout()),
        LayoutKind::Meaning { .. } => element_of(held(layout)?),
        _ => None,
    }
}

/// Whether values of this type have no parts.
pub(crate) fn is_leaf(layout: &TypeLayout) -> bool {
    match layout.kind() {
        LayoutKind::Scalar(_) | LayoutKind::Enum { .. } => true,
        LayoutKind::Meaning { meaning, .. } => matches!(meaning, "str" | "offset"),
        _ => false,
    }
}

/// Whether it is a struct with a struct as a field.
fn has_structs(layout: &TypeLayout) -> bool {
    let is_struct =
        |field: &FieldLayout| matches!(field.layout().kind(), LayoutKind::Struct { .. });
    fields_of(layout).iter().any(is_struct)
}

/// Whether it is a plain byte.
pub(crate) fn is_byte(layout: &TypeLayout) -> bool {
    match layout.kind() {
        LayoutKind::Scalar(scalar) => scalar.name() == "u8",
        _ => false,
    }
}
