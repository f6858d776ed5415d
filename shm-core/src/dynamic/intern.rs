//! Checked schemas as layouts that live as long as the process.
//!
//! The [`TypeLayout`] of a type is a constant, and so `'static`. A layout that comes from a schema is allocated once and
//! never freed, so that everything that works with layouts works with it. Equal schemas share one layout. A process can read
//! schemas of at most [`MOST_BYTES`] in this way, however many segments it looks at.

use std::collections::HashMap;
use std::fmt;
use std::iter;
use std::sync::{LazyLock, Mutex, PoisonError};

use super::check::{Level, Machine, reference};
use crate::layout::schema::{FieldNode, Node, Schema};
use crate::layout::{FieldLayout, Scalar, ScalarKind, TypeLayout, Variant, meaning};
use crate::segment::Expected;

/// The memory that layouts from schemas may take, in bytes.
const MOST_BYTES: usize = 64 << 20;

/// All layouts that this process has read.
static INTERNED: LazyLock<Mutex<Interner>> =
    LazyLock::new(|| Mutex::new(Interner::new(MOST_BYTES)));

/// The layouts that this process has read take too much memory already.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = MOST_BYTES >> 20;
        write!(
            f,
            "the layouts of all segments that this process has read would take more than {most} MiB"
        )
    }
}

/// Returns the layout of a schema that was checked, with the numbers that the check returned. `bytes` is what the schema was
/// decoded from, and `room` what a new segment keeps for later fields.
pub(super) fn intern(
    schema: &Schema,
    levels: &[Level],
    bytes: &[u8],
    machine: Machine,
    checked: &Expected,
    room: Option<usize>,
) -> Result<&'static TypeLayout, Full> {
    let mut interner = INTERNED.lock().unwrap_or_else(PoisonError::into_inner);
    interner.intern(schema, levels, bytes, machine, checked, room)
}

/// What a layout depends on. The room for later fields matters to new segments only. The fingerprint follows from the bytes, but
/// for types of a later format.
type Key = (Machine, Option<usize>, u64, Box<[u8]>);

struct Interner {
    layouts: HashMap<Key, &'static TypeLayout>,
    /// Bytes that may still be allocated.
    left: usize,
}

impl Interner {
    fn new(left: usize) -> Self {
        Self {
            layouts: HashMap::new(),
            left,
        }
    }

    fn intern(
        &mut self,
        schema: &Schema,
        levels: &[Level],
        bytes: &[u8],
        machine: Machine,
        checked: &Expected,
        room: Option<usize>,
    ) -> Result<&'static TypeLayout, Full> {
        let key = (machine, room, checked.fingerprint, Box::from(bytes));
        if let Some(layout) = self.layouts.get(&key) {
            return Ok(layout);
        }
        let entry = size_of::<(Key, &TypeLayout)>();
        let of_level = |level: &Level| cost(&level.root) + 2 * size_of::<u64>();
        let of_levels: usize = levels.iter().map(of_level).sum();
        let cost = 2 * entry + bytes.len() + cost(&schema.root) + of_levels;
        self.left = self.left.checked_sub(cost).ok_or(Full)?;
        let layout = match levels {
            [] => build(&schema.root, machine, false),
            _ => {
                let of_levels = levels.iter().map(|level| level.fingerprint);
                let recorded = iter::once(checked.fingerprint).chain(of_levels);
                with_levels(&schema.root, levels, machine)
                    .with_level_fingerprints(leak_all(recorded))
            }
        };
        let layout = match room {
            Some(room) => layout.with_room(room),
            None => layout,
        };
        let layout = leak(layout.with_fingerprint(checked.fingerprint));
        self.layouts.insert(key, layout);
        Ok(layout)
    }
}

/// The bytes that [`build`] allocates for a node.
fn cost(node: &Node) -> usize {
    let inside = match node {
        Node::Scalar(_) => return 0,
        Node::Unknown { body, .. } => body.len(),
        Node::Array { element, .. } | Node::Slice { element } => cost(element),
        Node::Meaning { meaning, inner, .. } => meaning.len() + cost(inner),
        Node::Enum { name, variants, .. } => {
            let names: usize = variants.iter().map(|(name, _)| name.len()).sum();
            name.0.len() + names + variants.len() * size_of::<Variant>()
        }
        Node::Struct { name, fields, .. } => {
            let parts = fields
                .iter()
                .map(|field| field.name.len() + cost(&field.node));
            name.0.len() + parts.sum::<usize>() + fields.len() * size_of::<FieldLayout>()
        }
    };
    inside + size_of::<TypeLayout>()
}

fn leak<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

fn leak_all<T>(values: impl Iterator<Item = T>) -> &'static [T] {
    Box::leak(values.collect::<Box<[T]>>())
}

fn leak_text(text: &str) -> &'static str {
    Box::leak(Box::from(text))
}

/// The layouts of all scalars, which all schemas share.
fn scalar(scalar: Scalar, machine: Machine) -> &'static TypeLayout {
    type Key = (ScalarKind, bool, usize);
    static ALL: LazyLock<Vec<(Key, TypeLayout)>> = LazyLock::new(|| {
        let mut all = Vec::new();
        for kind in ScalarKind::ALL {
            for atomic in [false, true] {
                for align in [kind.size(), 8] {
                    let layout = TypeLayout::scalar(kind, atomic, align);
                    all.push(((kind, atomic, align), layout));
                }
            }
        }
        all
    });
    let key = (
        scalar.kind(),
        scalar.is_atomic(),
        machine.align(scalar.kind()),
    );
    // The list has every key: 128-bit integers are aligned to 8 or 16 bytes.
    let found = ALL.iter().position(|(of, _)| *of == key).unwrap_or(0);
    &ALL[found].1
}

/// The layout of a node that was checked, as a part of another one.
fn part(node: &Node, machine: Machine, is_inner: bool) -> &'static TypeLayout {
    match node {
        Node::Scalar(of) => scalar(*of, machine),
        _ => match build(node, machine, is_inner) {
            // It would depend on what is unknown.
            layout if layout.has_unknown() => leak(layout.with_fingerprint(0)),
            layout => leak(layout),
        },
    }
}

/// The fields of a struct that was checked.
fn all_fields(
    fields: &[FieldNode],
    since: u32,
    machine: Machine,
) -> impl Iterator<Item = FieldLayout> {
    fields.iter().map(move |field| {
        // The field lies within its struct, whose size was checked.
        let offset = usize::try_from(field.offset).unwrap_or(0);
        let layout = part(&field.node, machine, false);
        FieldLayout::at(leak_text(&field.name), offset, layout).with_since(since)
    })
}

/// Builds the layout of a struct with levels that was checked.
fn with_levels(base: &Node, levels: &[Level], machine: Machine) -> TypeLayout {
    let (
        Node::Struct {
            name,
            align: base_align,
            version,
            fields,
            ..
        },
        Some(Node::Struct { size, align, .. }),
    ) = (base, levels.last().map(|level| &level.root))
    else {
        // The check accepts no other node with levels.
        return TypeLayout::refused();
    };
    let added = (1..).zip(levels);
    let added = added.flat_map(|(number, level)| all_fields(level.fields(), number, machine));
    let fields = leak_all(all_fields(fields, 0, machine).chain(added));
    let size = usize::try_from(*size).unwrap_or(0);
    let name = leak_text(&name.0);
    let layout = TypeLayout::structure(name, *version, size, *align as usize, fields);
    let layout = if layout.padded() {
        layout.with_gaps()
    } else {
        layout
    };
    layout.with_levels(*base_align as usize)
}

/// Builds the layout of a node that was checked. `is_inner` says whether it is directly inside a meaning.
fn build(node: &Node, machine: Machine, is_inner: bool) -> TypeLayout {
    match node {
        Node::Scalar(of) => TypeLayout::scalar(of.kind(), of.is_atomic(), machine.align(of.kind())),
        Node::Array { len, element } => {
            // The check has multiplied them.
            let len = usize::try_from(*len).unwrap_or(0);
            TypeLayout::array(part(element, machine, false), len)
        }
        Node::Slice { element } => TypeLayout::slice(part(element, machine, false)),
        Node::Enum {
            name,
            repr,
            variants,
        } => {
            let variants = leak_all(
                variants
                    .iter()
                    .map(|(name, bits)| Variant::new(leak_text(name), *bits)),
            );
            TypeLayout::enumeration(leak_text(&name.0), *repr, variants)
        }
        Node::Struct {
            name,
            size,
            align,
            version,
            fields,
        } => {
            let fields = leak_all(all_fields(fields, 0, machine));
            let size = usize::try_from(*size).unwrap_or(0);
            let name = leak_text(&name.0);
            let layout = TypeLayout::structure(name, *version, size, *align as usize, fields);
            // The schema does not say whether a struct may have gaps, and need not: they follow from the offsets.
            if layout.padded() && !is_inner {
                layout.with_gaps()
            } else {
                layout
            }
        }
        Node::Meaning {
            meaning,
            target,
            inner,
            ..
        } => {
            let of_type = reference(meaning);
            let inner = part(inner, machine, true);
            let mut layout = TypeLayout::meaning(leak_text(meaning), inner, None);
            if meaning == meaning::OFFSET {
                layout = layout.with_target_fingerprint(*target);
            }
            if of_type.is_some_and(TypeLayout::has_claims) {
                layout.claiming()
            } else {
                layout
            }
        }
        Node::Unknown {
            tag,
            size,
            align,
            body,
        } => {
            // The check has compared them.
            let size = usize::try_from(*size).unwrap_or(0);
            let body = leak_all(body.iter().copied());
            TypeLayout::unknown(*tag, size, *align as usize, body)
        }
    }
}
