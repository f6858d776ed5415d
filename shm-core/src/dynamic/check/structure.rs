//! Structs: fields that lie within them, do not overlap and are aligned.

use std::collections::HashSet;
use std::hash::Hash;

use super::{CheckedNode, Checker, Place, Result, is_possible};
use crate::dynamic::name::Name;
use crate::layout::fingerprint::{self, fnv};
use crate::layout::schema::{self, FieldNode};

/// The largest alignment of a type: that of a page.
const MAX_ALIGN: u32 = 4096;

impl Checker {
    /// Checks a struct, and returns what is known of each field as well.
    pub(super) fn structure(
        &mut self,
        (name, size, align, version): (&str, u64, u32, u32),
        fields: &[FieldNode],
        place: Place,
    ) -> Result<(CheckedNode, Vec<CheckedNode>)> {
        let (size, align) = self.extent(size, align)?;
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
        let checked = CheckedNode {
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

    /// Checks the size and the alignment that a node gives.
    pub(super) fn extent(&self, size: u64, align: u32) -> Result<(usize, usize)> {
        if !align.is_power_of_two() || align > MAX_ALIGN {
            return self.invalid(format!("has the impossible alignment {align}"));
        }
        match usize::try_from(size) {
            Ok(size) if is_possible(size) => Ok((size, align as usize)),
            _ => self.invalid(format!("has the impossible size {size}")),
        }
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
    fn offset(&self, offset: u64, field: &CheckedNode, align: usize, size: usize) -> Result<usize> {
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
}

/// The first item whose key an item before it has.
pub(super) fn repeated<T, K: Eq + Hash + ?Sized>(
    items: &[T],
    key: impl Fn(&T) -> &K,
) -> Option<&T> {
    let mut seen = HashSet::with_capacity(items.len());
    items.iter().find(|item| !seen.insert(key(item)))
}
