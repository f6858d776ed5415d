//! Constructors of layouts, for constant evaluation: sizes, fingerprints, and properties computed from the parts.

use super::flag::{self, inherited};
use super::{FieldLayout, LayoutKind, OffsetTarget, TypeLayout};
use crate::layout::fingerprint::{self, ByteOrder, mixed};
use crate::layout::meaning;
use crate::layout::scalar::{AccessWidth, Scalar, ScalarKind, Variant};
use crate::layout::schema;

/// A type that is never shared, for a reason that has not been reported.
const NEVER_SHARED: u32 = flag::PADDED | flag::UNREPORTED;

impl TypeLayout {
    pub(crate) const fn scalar(kind: ScalarKind, atomic: bool, align: usize) -> Self {
        let scalar = Scalar::new(kind, atomic);
        Self {
            name: scalar.name(),
            kind: LayoutKind::Scalar(scalar),
            size: kind.size(),
            align,
            fingerprint: fingerprint::scalar(ByteOrder::Native, kind, atomic),
            schema_len: schema::SCALAR_LEN,
            tail_stride: None,
            flags: flag::of_width(kind.access_width())
                | match kind {
                    ScalarKind::Bool => flag::HAS_BOOL,
                    ScalarKind::Char => flag::CHECKED,
                    _ => 0,
                },
            base_align: align,
            room: None,
            recorded: None,
        }
    }

    /// Replaces the name, which is for display only.
    pub(crate) const fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// The layout of a fieldless enum.
    pub(crate) const fn enumeration(
        name: &'static str,
        repr: ScalarKind,
        variants: &'static [Variant],
    ) -> Self {
        let mut hash = fingerprint::enumeration(ByteOrder::Native, repr, variants.len());
        let mut schema_len = schema::enum_len(name);
        let mut zero = flag::ZERO_IS_INVALID;
        let mut i = 0;
        while i < variants.len() {
            hash = hash.text(variants[i].name()).number(variants[i].bits());
            schema_len += schema::variant_len(variants[i].name());
            if variants[i].bits() == 0 {
                zero = 0;
            }
            i += 1;
        }
        Self {
            name,
            kind: LayoutKind::Enum { repr, variants },
            size: repr.size(),
            align: repr.size(),
            fingerprint: hash.finish(),
            schema_len,
            tail_stride: None,
            flags: flag::of_width(repr.access_width()) | flag::CHECKED | zero,
            base_align: repr.size(),
            room: None,
            recorded: None,
        }
    }

    /// The layout of a type of this library. Such types are never moved as a whole, so `inner` may have padding between
    /// its fields, but the types of the fields may have none.
    pub(crate) const fn meaning(
        meaning: &'static str,
        inner: &'static TypeLayout,
        target: Option<fn() -> &'static TypeLayout>,
    ) -> Self {
        let (mut of_fields, mut i) = (0, 0);
        while i < inner.fields().len() {
            of_fields |= inner.fields()[i].layout.flags;
            i += 1;
        }
        let unusable = if meaning::is_unusable(meaning, inner) {
            NEVER_SHARED
        } else {
            inherited(of_fields) & NEVER_SHARED
        };
        let mut flags = (inherited(inner.flags) & !NEVER_SHARED) | unusable;
        match meaning.as_bytes() {
            // Only the elements up to a vector's length need be valid, and the length itself can be invalid.
            b"vec" => flags = (flags & !flag::ZERO_IS_INVALID) | flag::CHECKED,
            // A queue's slot is read only once it holds a message, and each message is checked when it is received.
            b"ring" | b"broadcast" => flags &= !(flag::ZERO_IS_INVALID | flag::CHECKED),
            _ => {}
        }
        if inner.padded() {
            flags |= flag::UNCOVERED;
        }
        Self {
            name: meaning,
            kind: LayoutKind::Meaning {
                meaning,
                inner,
                target: match target {
                    Some(target) => Some(OffsetTarget::Type(target)),
                    None => None,
                },
            },
            size: inner.size,
            align: inner.align,
            fingerprint: fingerprint::meaning(ByteOrder::Native, meaning, inner.fingerprint),
            schema_len: schema::meaning_len(meaning, inner.schema_len),
            tail_stride: inner.tail_stride,
            flags,
            base_align: inner.align,
            room: None,
            recorded: None,
        }
    }

    /// An offset whose target is known by its fingerprint alone.
    pub(crate) const fn with_target_fingerprint(mut self, fingerprint: u64) -> Self {
        if let LayoutKind::Meaning { target, .. } = &mut self.kind {
            *target = Some(OffsetTarget::Fingerprint(fingerprint));
        }
        self
    }

    /// A type of a later format. `size` is a multiple of `align`.
    pub(crate) const fn unknown(tag: u8, size: usize, align: usize, body: &'static [u8]) -> Self {
        let width = match size {
            0 => 0,
            _ => flag::of_width(unknown_width(align)),
        };
        Self {
            name: "unknown",
            kind: LayoutKind::Unknown { tag, body },
            size,
            align,
            fingerprint: 0,
            schema_len: schema::unknown_len(body),
            tail_stride: None,
            flags: flag::HAS_UNKNOWN | width,
            base_align: align,
            room: None,
            recorded: None,
        }
    }

    /// Replaces the fingerprint by the one of a segment, for a schema from a machine of the other byte order, or of types of a
    /// later format.
    pub(crate) const fn with_fingerprint(mut self, fingerprint: u64) -> Self {
        self.fingerprint = fingerprint;
        self
    }

    /// Replaces the fingerprints of all levels in the same way.
    pub(crate) const fn with_level_fingerprints(mut self, recorded: &'static [u64]) -> Self {
        self.recorded = Some(recorded);
        self
    }

    /// Marks the layout as having claims, whose owners may die.
    pub(crate) const fn claiming(mut self) -> Self {
        self.flags |= flag::HAS_CLAIMS;
        self
    }

    /// The layout of a trailing slice. Its size is 0, as its elements are not part of the type's size.
    pub(crate) const fn slice(element: &'static TypeLayout) -> Self {
        Self {
            name: "slice",
            kind: LayoutKind::Slice { element },
            size: 0,
            align: element.align,
            fingerprint: fingerprint::slice(ByteOrder::Native, element.fingerprint),
            schema_len: schema::slice_len(element.schema_len),
            tail_stride: Some(element.size),
            flags: inherited(element.flags) & !flag::WIDTHS,
            base_align: element.align,
            room: None,
            recorded: None,
        }
    }

    #[track_caller]
    pub(crate) const fn array(element: &'static TypeLayout, len: usize) -> Self {
        let Some(size) = element.size.checked_mul(len) else {
            panic!("an array has more bytes than any process can have; write a shorter one");
        };
        Self {
            name: "array",
            kind: LayoutKind::Array { element, len },
            size,
            align: element.align,
            fingerprint: fingerprint::array(ByteOrder::Native, len, element.fingerprint),
            schema_len: schema::array_len(element.schema_len),
            tail_stride: None,
            flags: if len == 0 {
                element.flags & flag::REFUSED
            } else {
                inherited(element.flags)
            },
            base_align: element.align,
            room: None,
            recorded: None,
        }
    }

    /// The layout of a `#[repr(C)]` struct whose fields have [offsets](with_offsets).
    pub(crate) const fn structure(
        name: &'static str,
        version: u32,
        size: usize,
        align: usize,
        fields: &'static [FieldLayout],
    ) -> Self {
        let (mut names_len, mut i) = (0, 0);
        while i < fields.len() {
            names_len += schema::field_len(fields[i].name.len()) - schema::field_len(0);
            i += 1;
        }
        Self::named_structure(name, version, size, align, fields, names_len)
    }

    /// [`structure`](Self::structure) of fields whose names have `names_len` bytes.
    ///
    /// The compiler's interpreter runs the loop for each field of each struct, so its body has no calls and little else.
    pub(crate) const fn named_structure(
        name: &'static str,
        version: u32,
        size: usize,
        align: usize,
        fields: &'static [FieldLayout],
        names_len: usize,
    ) -> Self {
        let hash = fingerprint::structure(ByteOrder::Native, size, align, version, fields.len());
        let mut hash = hash.finish();
        let (mut schema_len, mut bytes, mut of_fields) = (0, 0, 0);
        let (mut i, len) = (0, fields.len());
        while i < len {
            let field = &fields[i];
            let layout = field.layout;
            hash = mixed!(hash, field.name_hash);
            hash = mixed!(hash, field.offset as u64);
            hash = mixed!(hash, layout.fingerprint);
            schema_len += layout.schema_len;
            bytes += layout.size;
            of_fields |= layout.flags;
            i += 1;
        }
        // Only the last field of a struct can be unsized.
        let tail_stride = match fields {
            [.., last] => last.layout.tail_stride,
            [] => None,
        };
        let mut flags = inherited(of_fields);
        // A struct of size 0 is an error, unless it ends in a slice.
        let is_wrong =
            flags & flag::UNREPORTED != 0 || bytes != size || (size == 0 && tail_stride.is_none());
        if is_wrong && flags & flag::REFUSED == 0 {
            flags |= flag::REPORTS_ERROR;
        }
        if bytes != size {
            flags |= flag::PADDED | flag::UNCOVERED;
        }
        Self {
            name,
            kind: LayoutKind::Struct { version, fields },
            size,
            align,
            fingerprint: hash,
            schema_len: schema::struct_len(name)
                + len * schema::field_len(0)
                + names_len
                + schema_len,
            tail_stride,
            flags: flags & !flag::UNREPORTED,
            base_align: align,
            room: None,
            recorded: None,
        }
    }

    /// A struct whose fields are all `pub`.
    pub(crate) const fn with_public_fields(self) -> Self {
        self.with(flag::FIELDS_ARE_PUBLIC, true)
    }

    /// Allows bytes between the fields and after the last that belong to no field: `#[shm(padding)]`.
    pub(crate) const fn with_gaps(self) -> Self {
        let fields = self.fields();
        let (mut of_fields, mut bytes, mut end, mut i) = (0, 0, 0, 0);
        while i < fields.len() {
            let layout = fields[i].layout;
            of_fields |= layout.flags;
            bytes += layout.size;
            end = fields[i].offset + layout.size;
            i += 1;
        }
        let of_fields = inherited(of_fields);
        // A size smaller than that of the fields is no gap.
        let is_cut = end > self.size;
        let is_wrong = of_fields & flag::UNREPORTED != 0
            || is_cut
            || (self.size == 0 && self.tail_stride.is_none());
        let has_gaps = self.has(flag::HAS_GAPS) || bytes != self.size;
        let reports_error = is_wrong && !self.is_refused();
        self.with(flag::PADDED, of_fields & flag::PADDED != 0 || is_cut)
            .with(flag::REPORTS_ERROR, reports_error)
            .with(flag::HAS_GAPS, has_gaps)
            .with(flag::ALLOWS_GAPS, true)
    }

    /// Records whether the type is known not to be `Copy`.
    pub(crate) const fn with_not_copy(self, not_copy: bool) -> Self {
        self.with(flag::NOT_COPY, not_copy)
    }

    /// Records whether the type implements `Drop`.
    pub(crate) const fn with_drop(self, has_drop: bool) -> Self {
        self.with(flag::HAS_DROP, has_drop)
    }

    /// Marks the layout as that of an instance of a generic type. The derive does not see the type arguments, so it has
    /// reported neither padding nor a `Drop`.
    pub(crate) const fn into_instance(mut self) -> Self {
        if self.has_drop() {
            self.flags |= flag::PADDED | flag::REPORTS_ERROR;
        }
        let unreported = self.reports_error() && self.size > 0;
        // Whether it is `Copy` depends on the arguments.
        self.with(flag::UNREPORTED, unreported)
            .with(flag::NOT_COPY, false)
    }

    /// A placeholder for the layout of a type that the derive has refused.
    pub(crate) const fn refused() -> Self {
        Self::structure("refused", 0, 0, 1, &[]).into_refused()
    }

    /// Marks the layout as refused.
    pub(crate) const fn into_refused(self) -> Self {
        self.with(flag::REFUSED, true)
    }

    /// Sets or clears a [flag].
    pub(super) const fn with(mut self, flag: u32, holds: bool) -> Self {
        self.flags = if holds {
            self.flags | flag
        } else {
            self.flags & !flag
        };
        self
    }
}

/// The width in which the bytes of a type of a later format are accessed: the largest one that its alignment allows, so that
/// none of its leaves is read partly old and partly new.
const fn unknown_width(align: usize) -> AccessWidth {
    match align {
        1 => AccessWidth::W1,
        2 => AccessWidth::W2,
        4 => AccessWidth::W4,
        _ => AccessWidth::W8,
    }
}
