//! Types of this library: the parts that each of them has.

use std::sync::LazyLock;

use super::{CheckedNode, Checker, Place, Result};
use crate::dynamic::name::Name;
use crate::layout::schema::{self, FieldNode, Node, Schema};
use crate::layout::{ScalarKind, TypeLayout, fingerprint, meaning, round_up};
use crate::protocol::padded::Padded;
use crate::shm_layout::ShmLayout;
use crate::sync::{Barrier, Broadcast, Event, Mutex, Ring, Semaphore, SeqLock};

/// The layout of a type of this library with the smallest parameters, from which the parts of all others follow. `None` for
/// meanings whose parts are checked one by one, and for unknown ones.
pub(in crate::dynamic) fn reference(meaning: &str) -> Option<&'static TypeLayout> {
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

impl Checker {
    /// Checks the parts of a type of this library.
    pub(super) fn meaning(
        &mut self,
        meaning: &str,
        target: u64,
        inner: &Node,
    ) -> Result<CheckedNode> {
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
        Ok(CheckedNode {
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
        parts: &CheckedNode,
        fields: &[FieldNode],
        checked: &[CheckedNode],
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
        checked: &CheckedNode,
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
