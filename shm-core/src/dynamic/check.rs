//! Checks a decoded schema, which any process may have written, before anything relies on it.
//!
//! A tree that passes has these properties, on which the accesses of [`DynCell`](super::DynCell) depend:
//!
//! 1. Every part lies within the part around it, at a multiple of its alignment, and no two fields overlap. So no byte belongs to
//!    two leaves, and each leaf is accessed by one width.
//! 2. No size or offset overflows, and the whole is not larger than an object can be.
//! 3. A meaning that this library knows has exactly the parts that its own type has. The fixed parts are compared with those of
//!    the type's layout, and the others follow from the element.
//! 4. Names in a struct or an enum are distinct, and so are discriminants.
//! 5. The fingerprint is computed from the tree, so the header can be compared with it.
//!
//! [`MAX_DEPTH`](crate::layout::schema::MAX_DEPTH) bounds the recursion, and the length of the schema the number of nodes.

use std::collections::HashSet;
use std::fmt::{self, Write};
use std::hash::Hash;
use std::sync::LazyLock;

use super::name::Name;
use crate::layout::fingerprint::{self, ByteOrder, fnv};
use crate::layout::schema::{self, FieldNode, Node, Schema};
use crate::layout::{ScalarKind, TypeLayout, meaning, round_up, sign_extend};
use crate::protocol::padded::Padded;
use crate::segment::Expected;
use crate::shm_layout::ShmLayout;
use crate::sync::{Barrier, Broadcast, Event, Mutex, Ring, Semaphore, SeqLock};

/// The largest alignment of a type: that of a page.
const MAX_ALIGN: u32 = 4096;

/// The largest alignment of a field that a level appends, unless level 0 has a larger one.
const LARGEST_ALIGN_OF_LEVEL: usize = 128;

/// A schema that is no layout.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SchemaError {
    /// The part that is wrong, in the syntax of paths.
    path: String,
    pub(super) kind: SchemaErrorKind,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum SchemaErrorKind {
    /// It contradicts itself or the format.
    Invalid(String),
    /// It has a node of a later version of the format, with this tag.
    Unknown(u8),
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str("its schema is invalid: the payload ")?,
            path => write!(f, "its schema is invalid: `{path}` ")?,
        }
        match &self.kind {
            SchemaErrorKind::Invalid(reason) => f.write_str(reason),
            SchemaErrorKind::Unknown(tag) => {
                write!(f, "is a type of a later format (tag {tag})")
            }
        }
    }
}

/// What is to be known about the machine that wrote a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Machine {
    pub(super) order: ByteOrder,
    /// The alignment of 128-bit integers. That of all other scalars is their size.
    pub(super) wide_align: usize,
}

impl Machine {
    /// This machine.
    pub(super) const NATIVE: Self = Self {
        order: ByteOrder::Native,
        wide_align: align_of::<u128>(),
    };

    pub(super) const fn align(self, kind: ScalarKind) -> usize {
        match kind.size() {
            16 => self.wide_align,
            size => size,
        }
    }
}

/// The fields that a level appends to the struct that is the payload.
#[derive(Clone)]
pub(super) struct Level {
    /// A struct of these fields, with the size and alignment of the whole.
    pub(super) root: Node,
    /// What the record says.
    pub(super) fingerprint: u64,
}

impl Level {
    pub(super) fn fields(&self) -> &[FieldNode] {
        self.root.fields()
    }
}

/// Checks a schema that a machine wrote, and the levels from 1 on. Returns the numbers that the header must agree with.
pub(super) fn check(
    schema: &Schema,
    levels: &[Level],
    machine: Machine,
) -> Result<Expected, SchemaError> {
    let mut checker = Checker {
        machine,
        path: String::new(),
    };
    let root = checker.node(&schema.root, Place::Payload)?;
    let size = match levels {
        [] => root.size,
        _ => checker.levels(&schema.root, &root, levels)?,
    };
    let (version, is_struct) = match &schema.root {
        Node::Struct { version, .. } => (*version, true),
        _ => (0, false),
    };
    Ok(Expected {
        size,
        base_size: root.size,
        base_align: root.align,
        tail_stride: root.tail_stride,
        schema_len: root.schema_len,
        fingerprint: root.fingerprint,
        version,
        level: levels.len() as u32,
        records_len: 0,
        grows: is_struct && root.tail_stride.is_none(),
        room: 0,
    })
}

/// The layout of a type of this library with the smallest parameters, from which the parts of all others follow. `None` for
/// meanings whose parts are checked one by one, and for unknown ones.
pub(super) fn reference(meaning: &str) -> Option<&'static TypeLayout> {
    Some(match meaning {
        meaning::MUTEX => Mutex::<u8>::LAYOUT,
        meaning::SEQLOCK => SeqLock::<u8, 3>::LAYOUT,
        meaning::RING => Ring::<u8, 1>::LAYOUT,
        meaning::BROADCAST => Broadcast::<u8, 1>::LAYOUT,
        meaning::SEMAPHORE => Semaphore::LAYOUT,
        meaning::EVENT => Event::LAYOUT,
        meaning::BARRIER => Barrier::<1>::LAYOUT,
        _ => return None,
    })
}

/// The parts of a [`reference`], decoded.
struct Parts {
    meaning: &'static str,
    fields: Vec<FieldNode>,
    /// The alignment of the struct of them.
    align: usize,
}

fn reference_parts(meaning: &str) -> Option<&'static Parts> {
    static DECODED: LazyLock<Vec<Parts>> = LazyLock::new(|| {
        let all = [
            meaning::MUTEX,
            meaning::SEQLOCK,
            meaning::RING,
            meaning::BROADCAST,
            meaning::SEMAPHORE,
            meaning::EVENT,
            meaning::BARRIER,
        ];
        let decode = |meaning| {
            let layout = reference(meaning)?;
            let Schema { root } = Schema::decode(&schema::encode(layout)).ok()?;
            let Node::Meaning { inner, .. } = root else {
                return None;
            };
            let Node::Struct { fields, .. } = *inner else {
                return None;
            };
            Some(Parts {
                meaning,
                fields,
                align: layout.align(),
            })
        };
        all.into_iter().filter_map(decode).collect()
    });
    DECODED.iter().find(|parts| parts.meaning == meaning)
}

/// Where a node is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The payload itself.
    Payload,
    /// The last field of the payload's struct, which may be a slice.
    LastField,
    /// Directly inside a meaning.
    Parts,
    Inside,
}

/// What is known of a checked node.
#[derive(Clone, Copy)]
struct Checked {
    size: usize,
    align: usize,
    fingerprint: u64,
    schema_len: usize,
    tail_stride: Option<usize>,
    /// Whether values of it can be copied: they have no atomics, no words of sync types, no length of a vector.
    is_copy: bool,
    /// Whether it has bytes that belong to no field, apart from those inside meanings.
    has_gaps: bool,
}

struct Checker {
    machine: Machine,
    /// The path of the node that is checked.
    path: String,
}

type Result<T, E = SchemaError> = std::result::Result<T, E>;

impl Checker {
    fn invalid<T>(&self, reason: impl Into<String>) -> Result<T> {
        Err(SchemaError {
            path: self.path.clone(),
            kind: SchemaErrorKind::Invalid(reason.into()),
        })
    }

    /// Checks with `part` appended to the path. After an error the path stays, as the error is the last thing.
    fn within<T>(
        &mut self,
        part: fmt::Arguments<'_>,
        check: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let len = self.path.len();
        // Writing to a `String` does not fail.
        let _ = self.path.write_fmt(part);
        let result = check(self)?;
        self.path.truncate(len);
        Ok(result)
    }

    fn node(&mut self, node: &Node, place: Place) -> Result<Checked> {
        match node {
            Node::Scalar(scalar) => Ok(Checked {
                size: scalar.kind().size(),
                align: self.machine.align(scalar.kind()),
                fingerprint: fingerprint::scalar(
                    self.machine.order,
                    scalar.kind(),
                    scalar.is_atomic(),
                ),
                schema_len: schema::SCALAR_LEN,
                tail_stride: None,
                is_copy: !scalar.is_atomic(),
                has_gaps: false,
            }),
            Node::Array { len, element } => {
                let element = self.within(format_args!("[0]"), |checker| {
                    checker.node(element, Place::Inside)
                })?;
                let len = usize::try_from(*len);
                let size = len.ok().and_then(|len| element.size.checked_mul(len));
                let (Ok(len), Some(size)) = (len, size.filter(|size| is_possible(*size))) else {
                    return self.invalid("is an array with more bytes than an object can have");
                };
                Ok(Checked {
                    size,
                    fingerprint: fingerprint::array(self.machine.order, len, element.fingerprint),
                    schema_len: schema::array_len(element.schema_len),
                    has_gaps: element.has_gaps && len > 0,
                    ..element
                })
            }
            Node::Slice { element } => {
                if place != Place::LastField {
                    return self.invalid(
                        "is a slice without a length, which only the last field of the payload can be",
                    );
                }
                let element = self.within(format_args!("[0]"), |checker| {
                    checker.node(element, Place::Inside)
                })?;
                Ok(Checked {
                    size: 0,
                    fingerprint: fingerprint::slice(self.machine.order, element.fingerprint),
                    schema_len: schema::slice_len(element.schema_len),
                    tail_stride: Some(element.size),
                    ..element
                })
            }
            Node::Enum {
                name,
                repr,
                variants,
            } => self.enumeration(&name.0, *repr, variants),
            Node::Struct {
                name,
                size,
                align,
                version,
                fields,
            } => {
                let of_struct = (&*name.0, *size, *align, *version);
                let (checked, _) = self.structure(of_struct, fields, place)?;
                Ok(checked)
            }
            Node::Meaning {
                meaning,
                target,
                inner,
                ..
            } => self.meaning(meaning, *target, inner),
            Node::Unknown { tag, .. } => Err(SchemaError {
                path: self.path.clone(),
                kind: SchemaErrorKind::Unknown(*tag),
            }),
        }
    }

    /// Checks the levels of a struct that was checked, and returns the size of the newest.
    fn levels(&mut self, base: &Node, checked: &Checked, levels: &[Level]) -> Result<usize> {
        let Node::Struct {
            name,
            version,
            fields,
            ..
        } = base
        else {
            return self.invalid("has levels, which only a struct has");
        };
        let Some(Node::Struct { size, align, .. }) = levels.last().map(|level| &level.root) else {
            return self.invalid("has a level that is no struct");
        };
        let added = levels.iter().flat_map(Level::fields);
        let all: Vec<FieldNode> = fields.iter().chain(added).cloned().collect();
        let newest = (&*name.0, *size, *align, *version);
        let (whole, of_fields) = self.structure(newest, &all, Place::Payload)?;
        if whole.tail_stride.is_some() {
            return self.invalid("has levels and ends in a slice");
        }
        // No level reaches beyond the newest, so nothing overflows.
        let end_of = |number: usize| {
            usize::try_from(all[number].offset).unwrap_or(usize::MAX) + of_fields[number].size
        };
        let (mut len, mut align) = (fields.len(), checked.align);
        let mut end = (0..len).map(end_of).max().unwrap_or(0);
        if round_up(end, align) != Some(checked.size) {
            return self.invalid("has levels and bytes after its first fields");
        }
        let most_align = align.max(LARGEST_ALIGN_OF_LEVEL);
        for (number, level) in (1..).zip(levels) {
            let wrong = |checker: &Self, what: &str| {
                checker.invalid(format!("has a level {number} that {what}"))
            };
            if level.fields().is_empty() {
                return wrong(self, "adds no field");
            }
            for _ in level.fields() {
                if all[len].offset < end as u64 {
                    return wrong(self, "does not begin behind the one before");
                }
                align = align.max(of_fields[len].align);
                end = end_of(len);
                len += 1;
            }
            let size = round_up(end, align);
            let is_extent = matches!(&level.root, Node::Struct { size: of_record, align: align_of_record, .. }
                if size.is_some_and(|size| size as u64 == *of_record) && *align_of_record as usize == align);
            if !is_extent || align > most_align {
                return wrong(self, "has another size or alignment than its fields give");
            }
            let order = self.machine.order;
            let hash = fingerprint::structure(order, size.unwrap_or(0), align, *version, len);
            let hash = all[..len]
                .iter()
                .zip(&of_fields)
                .fold(hash, |hash, (field, checked)| {
                    hash.field(
                        fnv(field.name.as_bytes()),
                        field.offset,
                        checked.fingerprint,
                    )
                });
            if hash.finish() != level.fingerprint {
                return wrong(self, "has another fingerprint than its fields give");
            }
        }
        Ok(whole.size)
    }

    fn enumeration(
        &self,
        name: &str,
        repr: ScalarKind,
        variants: &[(String, u64)],
    ) -> Result<Checked> {
        let mut hash = fingerprint::enumeration(self.machine.order, repr, variants.len());
        let mut schema_len = schema::enum_len(name);
        for (variant, bits) in variants {
            if sign_extend(repr, *bits) != *bits {
                let (name, repr) = (Name(variant), repr.name());
                return self.invalid(format!(
                    "is an enum whose variant `{name}` does not fit into a {repr}"
                ));
            }
            hash = hash.text(variant).number(*bits);
            schema_len += schema::variant_len(variant);
        }
        if let Some((name, _)) = repeated(variants, |(name, _)| name) {
            return self.invalid(format!("has two variants `{}`", Name(name)));
        }
        if let Some((name, _)) = repeated(variants, |(_, bits)| bits) {
            return self.invalid(format!(
                "has two variants with the number of `{}`",
                Name(name)
            ));
        }
        Ok(Checked {
            size: repr.size(),
            align: repr.size(),
            fingerprint: hash.finish(),
            schema_len,
            tail_stride: None,
            is_copy: true,
            has_gaps: false,
        })
    }

    /// Checks a struct, and returns what is known of each field as well.
    fn structure(
        &mut self,
        (name, size, align, version): (&str, u64, u32, u32),
        fields: &[FieldNode],
        place: Place,
    ) -> Result<(Checked, Vec<Checked>)> {
        if !align.is_power_of_two() || align > MAX_ALIGN {
            return self.invalid(format!("has the impossible alignment {align}"));
        }
        let align = align as usize;
        let Some(size) = usize::try_from(size).ok().filter(|size| is_possible(*size)) else {
            return self.invalid(format!("has the impossible size {size}"));
        };
        if let Some(field) = repeated(fields, |field| &field.name) {
            return self.invalid(format!("has two fields `{}`", Name(&field.name)));
        }
        let mut hash =
            fingerprint::structure(self.machine.order, size, align, version, fields.len());
        let mut schema_len = schema::struct_len(name);
        let (mut used, mut end, mut tail_stride) = (0, 0, None);
        let (mut is_copy, mut has_gaps) = (true, false);
        // The parts of meanings need not be in the order of their offsets.
        let mut extents = Vec::with_capacity(fields.len());
        let mut all = Vec::with_capacity(fields.len());
        for (number, field) in fields.iter().enumerate() {
            let is_last = number + 1 == fields.len();
            let field_place = match place {
                Place::Payload if is_last => Place::LastField,
                _ => Place::Inside,
            };
            let checked = self.field(field, |checker| checker.node(&field.node, field_place))?;
            let offset = self.field(field, |checker| {
                checker.offset(field.offset, &checked, align, size)
            })?;
            hash = hash.field(
                fnv(field.name.as_bytes()),
                field.offset,
                checked.fingerprint,
            );
            schema_len += schema::field_len(field.name.len()) + checked.schema_len;
            // Neither overflows: each field lies within the struct, so there is an overlap if it is more.
            used += checked.size.min(size);
            end = end.max(offset + checked.size);
            tail_stride = checked.tail_stride;
            is_copy &= checked.is_copy;
            has_gaps |= checked.has_gaps;
            extents.push((offset, checked.size, number));
            all.push(checked);
            if used > size {
                return self.invalid("has fields that overlap");
            }
        }
        extents.sort_unstable();
        for pair in extents.windows(2) {
            let [(offset, len, a), (next, _, b)] = *pair else {
                continue;
            };
            if offset + len > next {
                let (a, b) = (Name(&fields[a].name), Name(&fields[b].name));
                return self.invalid(format!("has fields `{a}` and `{b}` that overlap"));
            }
        }
        match tail_stride {
            // The elements begin right where the sized part ends.
            Some(_) if end != size => {
                return self.invalid("ends in a slice that does not begin at its end");
            }
            None if !size.is_multiple_of(align) => {
                return self.invalid(format!(
                    "has {size} bytes, which is no multiple of its alignment"
                ));
            }
            _ => {}
        }
        let is_padded = place != Place::Parts && used != size;
        let checked = Checked {
            size,
            align,
            fingerprint: hash.finish(),
            schema_len,
            tail_stride,
            is_copy,
            has_gaps: has_gaps || is_padded,
        };
        Ok((checked, all))
    }

    fn field<T>(
        &mut self,
        field: &FieldNode,
        check: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let dot = if self.path.is_empty() { "" } else { "." };
        self.within(format_args!("{dot}{}", Name(&field.name)), check)
    }

    /// Checks the offset of a field in a struct of this alignment and size.
    fn offset(&self, offset: u64, field: &Checked, align: usize, size: usize) -> Result<usize> {
        let within = usize::try_from(offset).ok().filter(|offset| {
            offset
                .checked_add(field.size)
                .is_some_and(|end| end <= size)
        });
        let Some(within) = within else {
            return self.invalid(format!("at byte {offset} reaches beyond its struct"));
        };
        if field.align > align {
            return self.invalid("has a larger alignment than its struct");
        }
        if !within.is_multiple_of(field.align) {
            return self.invalid(format!("at byte {offset} is not aligned"));
        }
        Ok(within)
    }

    /// Checks the parts of a type of this library.
    fn meaning(&mut self, meaning: &str, target: u64, inner: &Node) -> Result<Checked> {
        if target != 0 && meaning != meaning::OFFSET {
            return self.invalid("has a target, which only an offset has");
        }
        // What is known of a node is computed once: a second time at each level would be exponential in the depth.
        let (parts, is_right) = match inner {
            Node::Struct {
                name,
                size,
                align,
                version,
                fields,
            } => {
                let of_struct = (&*name.0, *size, *align, *version);
                let (parts, checked) = self.structure(of_struct, fields, Place::Parts)?;
                let is_right =
                    *version == 0 && self.has_parts(meaning, &parts, fields, &checked)?;
                (parts, is_right || is_unknown(meaning))
            }
            _ => {
                let parts = self.node(inner, Place::Parts)?;
                let is_right = match (meaning, inner) {
                    (meaning::STR, Node::Array { len, element }) => {
                        *len > 0 && is_plain(element, ScalarKind::U8)
                    }
                    (meaning::OFFSET, _) => is_plain(inner, ScalarKind::U64),
                    _ => is_unknown(meaning),
                };
                (parts, is_right)
            }
        };
        if !is_right {
            return self.invalid(format!(
                "is called `{}` and has other parts than one",
                Name(meaning)
            ));
        }
        Ok(Checked {
            fingerprint: fingerprint::meaning(self.machine.order, meaning, parts.fingerprint),
            schema_len: schema::meaning_len(meaning, parts.schema_len),
            is_copy: parts.is_copy && meaning != meaning::VEC,
            ..parts
        })
    }

    /// Whether a struct has exactly the parts of a type of this library.
    fn has_parts(
        &self,
        meaning: &str,
        parts: &Checked,
        fields: &[FieldNode],
        checked: &[Checked],
    ) -> Result<bool> {
        let (Some((last, words)), Some(of_last)) = (fields.split_last(), checked.last()) else {
            return Ok(false);
        };
        // The last part begins at the first multiple of its alignment from `from` on, and the whole ends after it. The alignment of
        // an array is that of its elements.
        let is_placed = |from: usize, align: usize| {
            let align = of_last.align.max(align);
            let offset = round_up(from, of_last.align);
            let end = offset.and_then(|offset| offset.checked_add(of_last.size));
            offset.is_some_and(|offset| offset as u64 == last.offset)
                && parts.align == align
                && end.and_then(|end| round_up(end, align)) == Some(parts.size)
        };
        match meaning {
            meaning::VEC => Ok(matches!(words, [len] if len.name == "len"
                    && len.offset == 0
                    && is_plain(&len.node, ScalarKind::U64))
                && last.name == "items"
                && matches!(last.node, Node::Array { .. })
                && is_placed(8, 8)),
            meaning::SLOT => Ok(words.is_empty()
                && last.name == "value"
                && parts.size > 0
                && is_placed(0, align_of::<Padded<u8>>())),
            _ => {
                let Some(wanted) = reference_parts(meaning) else {
                    return Ok(false);
                };
                let Some((wanted_last, wanted_words)) = wanted.fields.split_last() else {
                    return Ok(false);
                };
                let from = usize::try_from(wanted_last.offset).unwrap_or(usize::MAX);
                Ok(words == wanted_words
                    && last.name == wanted_last.name
                    && self.has_values(meaning, &last.node, &wanted_last.node, of_last)?
                    && is_placed(from, wanted.align))
            }
        }
    }

    /// Whether the last part of a type of this library is what it has to be: the value, the slots for values, or words.
    fn has_values(
        &self,
        meaning: &str,
        last: &Node,
        wanted: &Node,
        checked: &Checked,
    ) -> Result<bool> {
        let (element, wanted_element) = match (last, wanted) {
            _ if meaning == meaning::MUTEX => return Ok(true),
            (Node::Array { len, element }, Node::Array { element: least, .. }) => {
                if *len < meaning::least_slots(meaning) as u64 {
                    return Ok(false);
                }
                (&**element, &**least)
            }
            _ => return Ok(last == wanted),
        };
        let is_slot =
            |node: &Node| matches!(node, Node::Meaning { meaning, .. } if meaning == meaning::SLOT);
        match meaning {
            // Its seats consist of words.
            meaning::BARRIER => return Ok(element == wanted_element),
            meaning::SEQLOCK if !is_slot(element) => return Ok(false),
            _ => {}
        }
        let is_copied = matches!(meaning, meaning::SEQLOCK | meaning::BROADCAST);
        if checked.has_gaps || (is_copied && !checked.is_copy) {
            return self.invalid("has values that cannot be copied");
        }
        Ok(true)
    }
}

/// Whether an object can have this size, also with a header and a schema before it.
const fn is_possible(size: usize) -> bool {
    size <= isize::MAX as usize >> 1
}

/// Whether a node is this scalar, not atomic.
fn is_plain(node: &Node, kind: ScalarKind) -> bool {
    matches!(node, Node::Scalar(scalar) if scalar.kind() == kind && !scalar.is_atomic())
}

/// Whether a meaning is none of this library, so that its parts are what it says.
fn is_unknown(meaning: &str) -> bool {
    reference(meaning).is_none()
        && !matches!(
            meaning,
            meaning::STR | meaning::VEC | meaning::OFFSET | meaning::SLOT
        )
}

/// The first item whose key an item before it has.
fn repeated<T, K: Eq + Hash + ?Sized>(items: &[T], key: impl Fn(&T) -> &K) -> Option<&T> {
    let mut seen = HashSet::with_capacity(items.len());
    items.iter().find(|item| !seen.insert(key(item)))
}
