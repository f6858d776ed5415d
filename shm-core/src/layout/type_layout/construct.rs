//! Constructors of layouts, for constant evaluation: sizes, fingerprints, and properties computed from the parts.

use super::{FieldLayout, LayoutKind, TypeLayout, tag};
use crate::layout::fingerprint::Fnv;
use crate::layout::meaning;
use crate::layout::scalar::{AccessWidth, Scalar, ScalarKind, Variant};
use crate::layout::schema;

/// Starts a fingerprint with the kind and the machine's byte order.
const fn seed(tag: u8) -> Fnv {
    Fnv::new().byte(tag).byte(cfg!(target_endian = "big") as u8)
}

/// Starts the fingerprint of a struct.
pub(super) const fn struct_seed(size: usize, align: usize, version: u32, fields: usize) -> Fnv {
    seed(tag::STRUCT)
        .word(size as u64)
        .word(align as u64)
        .word(version as u64)
        .word(fields as u64)
}

impl TypeLayout {
    pub(crate) const fn scalar(kind: ScalarKind, atomic: bool, align: usize) -> Self {
        let scalar = Scalar::new(kind, atomic);
        Self {
            name: scalar.name(),
            kind: LayoutKind::Scalar(scalar),
            size: kind.size(),
            align,
            fingerprint: seed(tag::SCALAR)
                .byte(kind as u8)
                .byte(atomic as u8)
                .finish(),
            schema_len: schema::SCALAR_LEN,
            uniform_width: Some(kind.access_width()),
            has_bool: matches!(kind, ScalarKind::Bool),
            padded: false,
            allows_gaps: false,
            fields_are_public: false,
            has_gaps: false,
            not_copy: false,
            unreported: false,
            reports_error: false,
            checked: matches!(kind, ScalarKind::Char),
            zero_valid: true,
            tail_stride: None,
            refused: false,
            has_drop: false,
            has_claims: false,
            base_align: align,
            room: None,
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
        let mut hash = seed(tag::ENUM).byte(repr as u8).word(variants.len() as u64);
        let mut schema_len = schema::enum_len(name);
        let mut zero_valid = false;
        let mut i = 0;
        while i < variants.len() {
            hash = hash.text(variants[i].name()).word(variants[i].bits());
            schema_len += schema::variant_len(&variants[i]);
            zero_valid |= variants[i].bits() == 0;
            i += 1;
        }
        Self {
            name,
            kind: LayoutKind::Enum { repr, variants },
            size: repr.size(),
            align: repr.size(),
            fingerprint: hash.finish(),
            schema_len,
            uniform_width: Some(repr.access_width()),
            has_bool: false,
            padded: false,
            allows_gaps: false,
            fields_are_public: false,
            has_gaps: false,
            not_copy: false,
            unreported: false,
            reports_error: false,
            checked: true,
            zero_valid,
            tail_stride: None,
            refused: false,
            has_drop: false,
            has_claims: false,
            base_align: repr.size(),
            room: None,
        }
    }

    /// The layout of a type of this library. Such types are never moved as a whole, so `inner` may have padding between
    /// its fields, but the types of the fields may have none.
    pub(crate) const fn meaning(
        meaning: &'static str,
        inner: &'static TypeLayout,
        target: Option<fn() -> &'static TypeLayout>,
    ) -> Self {
        let unusable = meaning::is_unusable(meaning, inner);
        let (mut padded, mut unreported, mut i) = (unusable, unusable, 0);
        while i < inner.fields().len() {
            padded |= inner.fields()[i].layout.padded;
            unreported |= inner.fields()[i].layout.unreported;
            i += 1;
        }
        // Only the elements up to a vector's length need be valid, and the length itself can be invalid.
        let is_vec = matches!(meaning.as_bytes(), b"vec");
        // A queue's slot is read only once it holds a message, and each message is checked when it is received.
        let is_queue = matches!(meaning.as_bytes(), b"ring" | b"broadcast");
        Self {
            name: meaning,
            kind: LayoutKind::Meaning {
                meaning,
                inner,
                target,
            },
            // Without the target: a type may contain an offset to itself, so its fingerprint would depend on itself.
            fingerprint: seed(tag::MEANING)
                .text(meaning)
                .word(inner.fingerprint)
                .finish(),
            schema_len: schema::meaning_len(meaning, inner.schema_len),
            padded,
            checked: (inner.checked && !is_queue) || is_vec,
            zero_valid: inner.zero_valid || is_vec || is_queue,
            unreported,
            uniform_width: if inner.padded {
                None
            } else {
                inner.uniform_width
            },
            ..inner.copied()
        }
    }

    /// Marks the layout as having claims, whose owners may die.
    pub(crate) const fn claiming(mut self) -> Self {
        self.has_claims = true;
        self
    }

    const fn copied(&self) -> Self {
        Self {
            name: self.name,
            kind: self.kind,
            size: self.size,
            align: self.align,
            fingerprint: self.fingerprint,
            schema_len: self.schema_len,
            uniform_width: self.uniform_width,
            has_bool: self.has_bool,
            padded: self.padded,
            allows_gaps: false,
            fields_are_public: false,
            has_gaps: self.has_gaps,
            not_copy: false,
            unreported: self.unreported,
            reports_error: false,
            checked: self.checked,
            zero_valid: self.zero_valid,
            tail_stride: self.tail_stride,
            refused: self.refused,
            has_drop: false,
            has_claims: self.has_claims,
            base_align: self.base_align,
            room: None,
        }
    }

    /// The layout of a trailing slice. Its size is 0, as its elements are not part of the type's size.
    pub(crate) const fn slice(element: &'static TypeLayout) -> Self {
        Self {
            name: "slice",
            kind: LayoutKind::Slice { element },
            size: 0,
            align: element.align,
            fingerprint: seed(tag::SLICE).word(element.fingerprint).finish(),
            schema_len: schema::slice_len(element.schema_len),
            uniform_width: None,
            has_bool: element.has_bool,
            padded: element.padded,
            allows_gaps: false,
            fields_are_public: false,
            has_gaps: element.has_gaps,
            not_copy: false,
            unreported: element.unreported,
            reports_error: false,
            checked: element.checked,
            zero_valid: element.zero_valid,
            tail_stride: Some(element.size),
            refused: element.refused,
            has_drop: false,
            has_claims: element.has_claims,
            base_align: element.align,
            room: None,
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
            fingerprint: seed(tag::ARRAY)
                .word(len as u64)
                .word(element.fingerprint)
                .finish(),
            schema_len: schema::array_len(element.schema_len),
            uniform_width: element.uniform_width,
            has_bool: element.has_bool && len > 0,
            padded: element.padded && len > 0,
            allows_gaps: false,
            fields_are_public: false,
            has_gaps: element.has_gaps && len > 0,
            not_copy: false,
            unreported: element.unreported && len > 0,
            reports_error: false,
            checked: element.checked && len > 0,
            zero_valid: element.zero_valid || len == 0,
            tail_stride: None,
            refused: element.refused,
            has_drop: false,
            has_claims: element.has_claims && len > 0,
            base_align: element.align,
            room: None,
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
        let mut hash = struct_seed(size, align, version, fields.len());
        let mut schema_len = schema::struct_len(name);
        let mut bytes = 0;
        let mut has_bool = false;
        let (mut padded, mut unreported) = (false, false);
        let (mut checked, mut zero_valid, mut tail_stride) = (false, true, None);
        let (mut refused, mut has_claims, mut has_gaps) = (false, false, false);
        let mut uniform_width: Option<AccessWidth> = None;
        let mut mixed = false;
        let (mut i, len) = (0, fields.len());
        while i < len {
            let field = &fields[i];
            let (layout, name) = (field.layout, field.name.as_bytes());
            hash = hash.field(name, field.offset as u64, layout.fingerprint);
            schema_len += schema::field_len(name.len()) + layout.schema_len;
            bytes += layout.size;
            has_bool |= layout.has_bool;
            padded |= layout.padded;
            has_gaps |= layout.has_gaps;
            unreported |= layout.unreported;
            checked |= layout.checked;
            zero_valid &= layout.zero_valid;
            // Only the last field of a struct can be unsized.
            tail_stride = layout.tail_stride;
            refused |= layout.refused;
            has_claims |= layout.has_claims;
            if layout.size > 0 {
                match (uniform_width, layout.uniform_width) {
                    (None, step) if step.is_some() => uniform_width = step,
                    (Some(a), Some(b)) if a as u8 == b as u8 => {}
                    _ => mixed = true,
                }
            }
            i += 1;
        }
        Self {
            name,
            kind: LayoutKind::Struct { version, fields },
            size,
            align,
            fingerprint: hash.finish(),
            schema_len,
            uniform_width: if mixed || bytes != size {
                None
            } else {
                uniform_width
            },
            has_bool,
            padded: padded || bytes != size,
            allows_gaps: false,
            fields_are_public: false,
            has_gaps,
            not_copy: false,
            unreported: false,
            // A struct of size 0 is an error, unless it ends in a slice.
            reports_error: !refused
                && (unreported || bytes != size || (size == 0 && tail_stride.is_none())),
            checked,
            zero_valid,
            tail_stride,
            refused,
            has_drop: false,
            has_claims,
            base_align: align,
            room: None,
        }
    }

    /// A struct whose fields are all `pub`.
    pub(crate) const fn with_public_fields(mut self) -> Self {
        self.fields_are_public = true;
        self
    }

    /// Allows bytes between the fields and after the last that belong to no field: `#[shm(padding)]`.
    pub(crate) const fn with_gaps(mut self) -> Self {
        let fields = self.fields();
        let (mut padded, mut unreported, mut bytes, mut end, mut i) = (false, false, 0, 0, 0);
        while i < fields.len() {
            let layout = fields[i].layout;
            padded |= layout.padded;
            unreported |= layout.unreported;
            bytes += layout.size;
            end = fields[i].offset + layout.size;
            i += 1;
        }
        // A size smaller than that of the fields is no gap.
        let is_cut = end > self.size;
        self.padded = padded || is_cut;
        self.reports_error = !self.refused
            && (unreported || is_cut || (self.size == 0 && self.tail_stride.is_none()));
        self.allows_gaps = true;
        self.has_gaps |= bytes != self.size;
        self
    }

    /// Records whether the type is known not to be `Copy`.
    pub(crate) const fn with_not_copy(mut self, not_copy: bool) -> Self {
        self.not_copy = not_copy;
        self
    }

    /// Records whether the type implements `Drop`.
    pub(crate) const fn with_drop(mut self, has_drop: bool) -> Self {
        self.has_drop = has_drop;
        self
    }

    /// Marks the layout as that of an instance of a generic type. The derive does not see the type arguments, so it has
    /// reported neither padding nor a `Drop`.
    pub(crate) const fn into_instance(mut self) -> Self {
        self.padded |= self.has_drop;
        self.reports_error |= self.has_drop;
        self.unreported = self.reports_error && self.size > 0;
        // Whether it is `Copy` depends on the arguments.
        self.not_copy = false;
        self
    }

    /// A placeholder for the layout of a type that the derive has refused.
    pub(crate) const fn refused() -> Self {
        Self::structure("refused", 0, 0, 1, &[]).into_refused()
    }

    /// Marks the layout as refused.
    pub(crate) const fn into_refused(mut self) -> Self {
        self.refused = true;
        self
    }
}
