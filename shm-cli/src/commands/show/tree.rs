//! What there is to show of a part. Only what is shown is read, however large the segment is.

use std::cell::Cell;
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

/// What a tree may cost, and a full one: a schema of some bytes can make any number of parts of each byte of a segment, and give
/// each of them the same long name. A value costs its name and [`VALUE`], and a part its path and [`PART`].
const MOST: usize = 1 << 22;
const MOST_FULL: usize = 1 << 25;
const VALUE: usize = 2;
const PART: usize = 16;

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
    /// Parts that are too deep, or that there are too many of.
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
    let most = if extent.full { MOST_FULL } else { MOST };
    let reader = Reader {
        extent,
        left: Cell::new(most),
    };
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
    /// What the rest of the tree may cost.
    left: Cell<usize>,
}

impl Reader {
    fn spend(&self, cost: usize) {
        self.left.set(self.left.get().saturating_sub(cost));
    }

    fn is_over(&self) -> bool {
        self.left.get() == 0
    }

    fn cell(&self, label: Label, cell: &DynCell, depth: usize) -> Node {
        let layout = cell.layout();
        if self.is_over() {
            return Node {
                label,
                layout,
                list: None,
                state: None,
                body: Body::Deep,
            };
        }
        self.spend(PART + cell.path().len());
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
                    match cell.get() {
                        Err(DynError::TooLarge { .. }) => {}
                        whole => return Ok(self.value(value, whole?, depth)),
                    }
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
            while read.len() < count && !self.is_over() {
                let start = read.len();
                let end = count.min(start + CHUNK);
                let chunk = cell.at(&format!("[{start}..{end}]"))?.get()?;
                let DynValue::List(values) = chunk else { break };
                self.spend(values.iter().map(cost).sum());
                read.extend(values);
            }
            return Ok(Body::Values(Elements { from, read, len }));
        }
        if depth >= self.extent.depth {
            return Ok(Body::Deep);
        }
        let numbers = (0..count).take_while(|_| !self.is_over());
        let elements = numbers.map(|number| {
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
        self.spend(cost(&value));
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
        for number in numbers.take_while(|_| !self.is_over()) {
            let message = cell.at(&format!("[#{number}]"))?;
            let layout = message.layout();
            self.spend(PART + message.path().len());
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

/// What a value costs, without those in it.
fn cost(value: &DynValue) -> usize {
    match value {
        DynValue::Name(name) => VALUE + name.len(),
        DynValue::Struct(fields) => fields
            .iter()
            .map(|(name, _)| PART + name.len())
            .sum::<usize>(),
        _ => VALUE,
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

#[cfg(test)]
mod tests {
    use super::*;
    use shm_core::ShmLayout;
    use shm_core::dynamic::DynSegment;
    use shm_core::sync::SeqLock;

    /// What a full tree of a segment shows that may cost so much.
    fn shown<T: ShmLayout>(tag: &str, left: usize) -> Body {
        let name = format!("/cli-tree-{tag}-{}", std::process::id());
        let _shm = T::create(&name).unwrap();
        let segment = DynSegment::attach_read_only(&name).unwrap();
        let extent = Extent {
            full: true,
            depth: usize::MAX,
        };
        let reader = Reader {
            extent,
            left: Cell::new(left),
        };
        let label = Label::Path(".".to_owned());
        reader.cell(label, &segment.at(".").unwrap(), 0).body
    }

    #[test]
    fn a_full_tree_has_a_limit() {
        #[derive(Clone, Copy, ShmLayout)]
        #[repr(C)]
        struct Small {
            number: u8,
        }
        let Body::Parts(all) = shown::<[Small; 1000]>("few", MOST_FULL) else {
            panic!("no elements");
        };
        assert_eq!((all.read.len(), all.folded()), (1000, 0));
        let Body::Parts(some) = shown::<[Small; 1000]>("limit", 10_000) else {
            panic!("no elements");
        };
        assert!((100..400).contains(&some.read.len()), "{some:?}");
        assert_eq!(some.folded() + some.read.len(), 1000);
        // A long name costs as much as it takes.
        #[derive(Clone, Copy, ShmLayout)]
        #[repr(C)]
        struct Long {
            a_name_that_takes_far_more_room_than_the_byte_that_it_is_the_name_of_does_in_the_segment_or_in_a_schema:
                u8,
        }
        let Body::Parts(fewer) = shown::<[Long; 1000]>("long", 10_000) else {
            panic!("no elements");
        };
        assert!(2 * fewer.read.len() < some.read.len(), "{fewer:?}");
    }

    #[test]
    fn single_values_have_a_limit_too() {
        let Body::Values(some) = shown::<[u16; 200_000]>("leaves", 1000) else {
            panic!("no elements");
        };
        assert_eq!(some.read.len(), CHUNK);
        assert_eq!(some.folded(), 200_000 - CHUNK);
    }

    #[test]
    fn a_lock_with_too_many_values_shows_its_parts() {
        #[derive(Clone, Copy, ShmLayout)]
        #[repr(C)]
        struct Hollow {
            number: u8,
            none: [[u8; 0]; 100_000],
        }
        let Body::Fields(fields) = shown::<SeqLock<Hollow>>("lock", MOST_FULL) else {
            panic!("no fields");
        };
        let [number, none] = &fields[..] else {
            panic!("{fields:?}");
        };
        assert!(matches!(&number.body, Body::Value(value) if value.as_int() == Some(0)));
        // One stands for all.
        let Body::Parts(none) = &none.body else {
            panic!("{none:?}");
        };
        assert_eq!((none.read.len(), none.len), (1, 100_000));
    }
}
