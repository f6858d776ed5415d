//! Levels: fields that were appended to a struct.

use super::{CheckedNode, Checker, Level, Place, Result};
use crate::layout::fingerprint::{self, fnv};
use crate::layout::round_up;
use crate::layout::schema::{FieldNode, Node};

/// The largest alignment of a field that a level appends, unless level 0 has a larger one.
const LARGEST_ALIGN_OF_LEVEL: usize = 128;

impl Checker {
    /// Checks the levels of a struct that was checked, and returns the size of the newest.
    pub(super) fn levels(
        &mut self,
        base: &Node,
        checked: &CheckedNode,
        levels: &[Level],
    ) -> Result<usize> {
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
            if self.later.is_none() && hash.finish() != level.fingerprint {
                return wrong(self, "has another fingerprint than its fields give");
            }
        }
        Ok(whole.size)
    }
}
