//! The levels of a struct that has grown: `#[shm(since = ..)]` and `#[shm(room = ..)]`.
//!
//! Level `k` is the struct cut behind the last field with `since <= k`, with the size and alignment that the cut struct has.
//! Everything here is computed from the fields when it is asked for, so that plain structs pay nothing for it.

use super::{FieldLayout, TypeLayout, flag};
use crate::layout::check::{first_gap, first_wrong_field};
use crate::layout::fingerprint::{self, ByteOrder};
use crate::layout::schema;

impl TypeLayout {
    /// Returns the newest level: the highest [`since`](FieldLayout::since) of the fields, or 0.
    ///
    /// A struct grows by fields at its end. Level `k` is the struct cut behind the last field with `since <= k`, as a program
    /// knows it that has been built before the later fields were added. No level is left out, so each from 0 to this one has
    /// fields of its own.
    ///
    /// ```
    /// use shm_core::ShmLayout;
    ///
    /// /// What the first version has.
    /// #[derive(ShmLayout)]
    /// #[repr(C)]
    /// struct First { beat: u64, load: f64 }
    ///
    /// #[derive(ShmLayout)]
    /// #[repr(C)]
    /// struct Status {
    ///     beat: u64,
    ///     load: f64,
    ///     #[shm(since = 1)] temperature: u32,
    ///     #[shm(since = 1)] humidity: u32,
    /// }
    ///
    /// assert_eq!(Status::LAYOUT.level(), 1);
    /// assert_eq!(Status::LAYOUT.fields()[2].since(), 1);
    /// assert_eq!(Status::LAYOUT.level_size(0), First::SIZE);
    /// assert_eq!(Status::FINGERPRINT, First::FINGERPRINT);
    /// ```
    #[must_use]
    pub const fn level(&self) -> u32 {
        match self.fields() {
            [.., last] => last.since,
            [] => 0,
        }
    }

    /// Returns the bytes that `#[shm(room = ..)]` reserves for later fields, or `None` without it.
    #[must_use]
    pub const fn room(&self) -> Option<usize> {
        self.room
    }

    /// Returns the fields that level `level` has: those with `since <= level`.
    #[must_use]
    pub const fn level_fields(&self, level: u32) -> &'static [FieldLayout] {
        let fields = self.fields();
        fields.split_at(Self::len_at(fields, level)).0
    }

    /// The fields that level `level` has added to the one below it.
    pub(crate) const fn new_fields(&self, level: u32) -> &'static [FieldLayout] {
        let fields = self.level_fields(level);
        match level {
            0 => fields,
            _ => fields.split_at(Self::len_at(fields, level - 1)).1,
        }
    }

    /// The number of fields with `since <= level`, which never decreases.
    const fn len_at(fields: &[FieldLayout], level: u32) -> usize {
        let mut len = fields.len();
        while len > 0 && fields[len - 1].since > level {
            len -= 1;
        }
        len
    }

    /// Returns the alignment of level `level` in bytes.
    #[must_use]
    pub const fn level_align(&self, level: u32) -> usize {
        if level >= self.level() {
            return self.align;
        }
        let (fields, mut align) = (self.level_fields(level), self.base_align);
        let mut number = fields.len();
        while number > 0 && fields[number - 1].since > 0 {
            number -= 1;
            if fields[number].layout.align > align {
                align = fields[number].layout.align;
            }
        }
        align
    }

    /// Returns the size of level `level` in bytes, a multiple of its alignment.
    #[must_use]
    pub const fn level_size(&self, level: u32) -> usize {
        if level >= self.level() {
            return self.size;
        }
        self.level_end(level)
            .next_multiple_of(self.level_align(level))
    }

    /// The end of the last field of level `level`.
    pub(crate) const fn level_end(&self, level: u32) -> usize {
        match self.level_fields(level) {
            [.., last] => last.offset + last.layout.size,
            [] => 0,
        }
    }

    /// Returns the fingerprint of level `level`: that of a struct with the fields of this level, and without `since`.
    #[must_use]
    pub const fn level_fingerprint(&self, level: u32) -> u64 {
        match self.recorded {
            _ if level == 0 => self.fingerprint,
            Some(recorded) if (level as usize) < recorded.len() => recorded[level as usize],
            _ => self.fingerprint_at(level),
        }
    }

    const fn fingerprint_at(&self, level: u32) -> u64 {
        let fields = self.level_fields(level);
        let (size, align) = (self.level_size(level), self.level_align(level));
        let mut hash =
            fingerprint::structure(ByteOrder::Native, size, align, self.version(), fields.len());
        let mut number = 0;
        while number < fields.len() {
            let field = &fields[number];
            let (name, offset) = (field.name_hash, field.offset as u64);
            hash = hash.field(name, offset, field.layout.fingerprint);
            number += 1;
        }
        hash.finish()
    }

    /// The size of the encoded schema of level `level`.
    pub(crate) const fn level_schema_len(&self, level: u32) -> usize {
        let (mut len, mut new) = (self.schema_len, 1);
        while new <= level && new <= self.level() {
            len += self.new_fields_len(new);
            new += 1;
        }
        len
    }

    /// The size of the encoded [`new_fields`](Self::new_fields) of level `level`.
    pub(crate) const fn new_fields_len(&self, level: u32) -> usize {
        let (fields, mut len, mut number) = (self.new_fields(level), 0, 0);
        while number < fields.len() {
            let FieldLayout { name, layout, .. } = fields[number];
            len += schema::field_len(name.len()) + layout.schema_len;
            number += 1;
        }
        len
    }

    /// The layout of a struct of which some fields have a `since`. `min_align` is the alignment from `#[repr(align(..))]`, or 1.
    pub(crate) const fn with_levels(mut self, min_align: usize) -> Self {
        let base = self.level_fields(0);
        let (mut align, mut len, mut number) = (min_align, schema::struct_len(self.name), 0);
        while number < base.len() {
            let field = &base[number];
            if field.layout.align > align {
                align = field.layout.align;
            }
            len += schema::field_len(field.name.len()) + field.layout.schema_len;
            number += 1;
        }
        self.base_align = align;
        self.schema_len = len;
        self.fingerprint = self.fingerprint_at(0);
        self.flags |= flag::SEGMENT_ONLY;
        if first_gap(&self).is_some() || first_wrong_field(&self).is_some() {
            let reports_error = !self.is_refused();
            return self
                .with(flag::PADDED, true)
                .with(flag::REPORTS_ERROR, reports_error);
        }
        self
    }

    /// Reserves `room` bytes for later fields.
    pub(crate) const fn with_room(mut self, room: usize) -> Self {
        self.room = Some(room);
        self.with(flag::SEGMENT_ONLY, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::test_layouts::{U8, U32, U64, array};
    use crate::layout::with_offsets;

    const fn field(name: &'static str, layout: &'static TypeLayout, since: u32) -> FieldLayout {
        FieldLayout::new(name, layout).with_since(since)
    }

    const FIELDS: &[FieldLayout] = &with_offsets([
        field("flags", U32, 0),
        field("mode", U32, 0),
        field("beat", U64, 1),
        field("name", array![U8; 5], 2),
        field("_pad", array![U8; 3], 2),
    ]);

    const GROWN: &TypeLayout = &TypeLayout::structure("Grown", 3, 24, 8, FIELDS).with_levels(1);

    /// The struct cut behind `len` fields, without a `since`.
    fn cut(len: usize, size: usize, align: usize) -> TypeLayout {
        let fields: Vec<_> = FIELDS[..len]
            .iter()
            .map(|field| FieldLayout::at(field.name(), field.offset(), field.layout()))
            .collect();
        TypeLayout::structure("Grown", 3, size, align, fields.leak())
    }

    #[test]
    fn each_level_is_the_struct_cut_behind_its_last_field() {
        assert_eq!(GROWN.level(), 2);
        for (level, len, size, align) in [(0, 2, 8, 4), (1, 3, 16, 8), (2, 5, 24, 8), (9, 5, 24, 8)]
        {
            let cut = cut(len, size, align);
            assert_eq!(GROWN.level_fields(level).len(), len, "level {level}");
            assert_eq!(GROWN.level_size(level), size, "level {level}");
            assert_eq!(GROWN.level_align(level), align, "level {level}");
            assert_eq!(
                GROWN.level_fingerprint(level),
                cut.fingerprint(),
                "level {level}"
            );
            assert_eq!(
                GROWN.level_schema_len(level),
                cut.schema_len(),
                "level {level}"
            );
        }
        assert_eq!(GROWN.fingerprint(), GROWN.level_fingerprint(0));
        assert_eq!(GROWN.schema_len(), GROWN.level_schema_len(0));
        assert_eq!(GROWN.size(), 24);
        assert_eq!(GROWN.new_fields(2)[0].name(), "name");
    }

    #[test]
    fn a_plain_type_is_its_own_level_0() {
        for plain in [U64, array![U8; 5], &cut(5, 24, 8)] {
            assert_eq!((plain.level(), plain.room()), (0, None));
            assert_eq!(plain.level_size(0), plain.size());
            assert_eq!(plain.level_align(0), plain.align());
            assert_eq!(plain.level_fingerprint(0), plain.fingerprint());
            assert_eq!(plain.level_schema_len(0), plain.schema_len());
        }
    }

    #[test]
    fn claims_in_a_later_level_are_claims_of_the_type() {
        const LOCK: &TypeLayout = &TypeLayout::meaning(
            "mutex",
            const {
                &TypeLayout::structure(
                    "parts",
                    0,
                    4,
                    4,
                    const { &[FieldLayout::new("claim", U32)] },
                )
            },
            None,
        )
        .claiming();
        let fields = Box::leak(Box::new(with_offsets([
            field("flags", U32, 0),
            field("lock", LOCK, 1),
        ])));
        let layout = TypeLayout::structure("Grown", 0, 8, 4, fields).with_levels(1);
        assert!(layout.has_claims());
    }

    #[test]
    fn a_part_of_another_type_has_neither_levels_nor_room() {
        let room = TypeLayout::structure("Roomy", 0, 24, 8, FIELDS).with_room(8);
        for part in [GROWN, &*Box::leak(Box::new(room))] {
            assert!(part.is_segment_only() && !part.padded() && !part.reports_error());
            for outer in [TypeLayout::array(part, 2), TypeLayout::slice(part)] {
                assert!(outer.padded() && outer.unreported());
            }
            assert!(!TypeLayout::array(part, 0).padded());
            let fields = Box::leak(Box::new([FieldLayout::new("part", part)]));
            let outer = TypeLayout::structure("Outer", 0, 24, 8, fields);
            assert!(outer.padded() && outer.reports_error() && !outer.is_segment_only());
        }
    }

    #[test]
    fn the_alignment_of_the_struct_is_that_of_each_level() {
        let layout = TypeLayout::structure("Grown", 3, 32, 16, FIELDS).with_levels(16);
        assert_eq!((layout.level_align(0), layout.level_size(0)), (16, 16));
        assert_eq!((layout.level_align(1), layout.level_size(1)), (16, 16));
        assert_eq!(layout.level_fingerprint(1), cut(3, 16, 16).fingerprint());
    }
}
