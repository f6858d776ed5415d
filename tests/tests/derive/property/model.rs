//! The reference: the layout of a definition, and whether it must be accepted. It is written from the rules alone: it
//! shares no code with the derive, and asks the compiler only for the alignment of `u128`.

use std::fmt::Write;

use super::case::{Case, Def, EnumRepr, Len, Struct, Ty};

/// A layout of the reference.
#[derive(Clone, Debug)]
pub(crate) enum Layout {
    Scalar(&'static str, u64),
    Array(Box<Layout>, u64),
    Slice(Box<Layout>),
    Enum {
        int: &'static str,
        size: u64,
        variants: Vec<i64>,
    },
    Struct(StructLayout),
}

#[derive(Clone, Debug)]
pub(crate) struct StructLayout {
    pub size: u64,
    pub align: u64,
    pub version: u32,
    /// Name, offset, layout.
    pub fields: Vec<(String, u64, Layout)>,
    /// The first level that has each field.
    pub since: Vec<u32>,
    /// Size and alignment of each level.
    pub levels: Vec<[u64; 2]>,
    /// Padding that is not allowed: the number of the field before it, and its bytes.
    pub gaps: Vec<(usize, u64)>,
    pub has_tail: bool,
    /// Whether it has padding that no error has reported yet, as in a generic struct.
    pub unreported: bool,
}

/// The expected outcome of a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Accepted,
    /// Refused because of its contents or its declaration.
    Refused,
    /// Refused because of padding. The error must contain these texts.
    Padded(Vec<String>),
}

impl Layout {
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Scalar(_, size) | Self::Enum { size, .. } => *size,
            Self::Array(element, len) => element.size() * len,
            Self::Slice(_) => 0,
            Self::Struct(layout) => layout.size,
        }
    }

    pub(crate) fn align(&self) -> u64 {
        match self {
            // The only leaf whose alignment differs between 64-bit processors.
            Self::Scalar(_, 16) => align_of::<u128>() as u64,
            Self::Scalar(_, size) | Self::Enum { size, .. } => *size,
            Self::Array(element, _) | Self::Slice(element) => element.align(),
            Self::Struct(layout) => layout.align,
        }
    }

    /// Whether all zeros are a value of it.
    pub(crate) fn zero_is_valid(&self) -> bool {
        match self {
            Self::Scalar(..) => true,
            Self::Enum { variants, .. } => variants.contains(&0),
            Self::Array(element, len) => *len == 0 || element.zero_is_valid(),
            Self::Slice(element) => element.zero_is_valid(),
            Self::Struct(layout) => layout.fields.iter().all(|(_, _, of)| of.zero_is_valid()),
        }
    }

    fn unreported(&self) -> bool {
        match self {
            Self::Scalar(..) | Self::Enum { .. } => false,
            Self::Array(element, len) => *len > 0 && element.unreported(),
            Self::Slice(element) => element.unreported(),
            Self::Struct(layout) => layout.unreported,
        }
    }

    /// The whole layout as text, to be compared with that of `TypeLayout`.
    pub(crate) fn render(&self, into: &mut String) {
        let written = match self {
            Self::Scalar(name, _) => write!(into, "{name}"),
            Self::Array(element, len) => {
                into.push('[');
                element.render(into);
                write!(into, ";{len}]")
            }
            Self::Slice(element) => {
                into.push('[');
                element.render(into);
                write!(into, "]")
            }
            Self::Enum { int, variants, .. } => {
                into.push_str(int);
                for (number, value) in variants.iter().enumerate() {
                    write!(into, "|V{number}={}", *value as u64).expect("a String takes anything");
                }
                Ok(())
            }
            Self::Struct(layout) => {
                let StructLayout {
                    size,
                    align,
                    version,
                    ..
                } = layout;
                write!(into, "{{{size}/{align}/v{version}").expect("a String takes anything");
                for ((name, offset, of), since) in layout.fields.iter().zip(&layout.since) {
                    write!(into, ",{name}@{offset}^{since}:").expect("a String takes anything");
                    of.render(into);
                }
                write!(into, "}}")
            }
        };
        written.expect("a String takes anything");
    }
}

/// The arguments of a generic definition.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arguments {
    pub ty: Option<Layout>,
    pub len: Option<u64>,
}

/// The length, if the const parameter has this value.
pub(crate) fn length(len: &Len, param: Option<u64>) -> u64 {
    match len {
        Len::Literal(len) => *len,
        Len::Sum(a, b) => a + b,
        Len::Param => param.expect("only generic definitions use it"),
    }
}

/// The layout of a type; `None` if it contains something that cannot be shared.
pub(crate) fn layout(case: &Case, ty: &Ty, arguments: &Arguments) -> Option<Layout> {
    let inside = |ty: &Ty| layout(case, ty, arguments);
    Some(match ty {
        Ty::Scalar(scalar) => Layout::Scalar(scalar.name, scalar.size),
        Ty::Array(element, len) => {
            Layout::Array(Box::new(inside(element)?), length(len, arguments.len))
        }
        Ty::Slice(element) => Layout::Slice(Box::new(inside(element)?)),
        Ty::Wrapping(ty) | Ty::Paren(ty) | Ty::Alias(ty) | Ty::Associated(ty) => inside(ty)?,
        // Stores nothing, so the layout of its argument does not matter.
        Ty::Phantom(_) => Layout::Struct(StructLayout {
            size: 0,
            align: 1,
            version: 0,
            since: Vec::new(),
            levels: vec![[0, 1]],
            fields: Vec::new(),
            gaps: Vec::new(),
            has_tail: false,
            unreported: false,
        }),
        Ty::Holder(ty) => {
            let inner = inside(ty)?;
            Layout::Struct(StructLayout {
                size: inner.size(),
                align: inner.align(),
                version: 0,
                gaps: Vec::new(),
                has_tail: false,
                unreported: inner.unreported(),
                since: vec![0],
                levels: vec![[inner.size(), inner.align()]],
                fields: vec![("value".to_owned(), 0, inner)],
            })
        }
        Ty::Def(number, ty, len) => {
            let ty = match ty {
                Some(ty) => Some(inside(ty)?),
                None => None,
            };
            let len = len.as_ref().map(|len| length(len, arguments.len));
            return definition(case, *number, &Arguments { ty, len });
        }
        Ty::Param => return arguments.ty.clone(),
        Ty::Forbidden(_) => return None,
    })
}

/// Whether values of a definition can be moved as a whole: it has no atomics and no gaps.
pub(crate) fn is_value(case: &Case, number: usize) -> bool {
    match &case.defs[number] {
        Def::Struct(def) => {
            !def.allows_gaps
                && def
                    .fields
                    .iter()
                    .all(|field| is_value_type(case, &field.ty))
        }
        Def::Enum(_) => true,
    }
}

fn is_value_type(case: &Case, ty: &Ty) -> bool {
    match ty {
        Ty::Scalar(scalar) => !scalar.name.starts_with("Atomic"),
        Ty::Param => true,
        Ty::Slice(_) | Ty::Forbidden(_) => false,
        Ty::Array(ty, _)
        | Ty::Wrapping(ty)
        | Ty::Phantom(ty)
        | Ty::Paren(ty)
        | Ty::Alias(ty)
        | Ty::Associated(ty)
        | Ty::Holder(ty) => is_value_type(case, ty),
        Ty::Def(def, ty, _) => {
            is_value(case, *def) && ty.as_ref().is_none_or(|ty| is_value_type(case, ty))
        }
    }
}

/// The layout of a definition with these arguments; `None` if it cannot be shared.
pub(crate) fn definition(case: &Case, number: usize, arguments: &Arguments) -> Option<Layout> {
    match &case.defs[number] {
        Def::Struct(def) => structure(case, def, arguments).map(Layout::Struct),
        Def::Enum(def) => match def.repr {
            EnumRepr::Int(int, size) if def.data.is_none() => Some(Layout::Enum {
                int,
                size,
                variants: def.variants.iter().map(|(value, _)| *value).collect(),
            }),
            _ => None,
        },
    }
}

fn structure(case: &Case, def: &Struct, arguments: &Arguments) -> Option<StructLayout> {
    if def.repr.is_fault() || def.fault.is_some() || def.fields.is_empty() {
        return None;
    }
    let (mut end, mut align) = (0_u64, def.repr.min_align());
    let (mut fields, mut gaps): (Vec<(String, u64, Layout)>, _) = (Vec::new(), Vec::new());
    let mut unreported = false;
    let mut levels = Vec::new();
    for (number, field) in def.fields.iter().enumerate() {
        let layout = layout(case, &field.ty, arguments)?;
        // The level before ends where its last field does.
        if field.since as usize > levels.len() {
            levels.push([end.next_multiple_of(align), align]);
        }
        let offset = end.next_multiple_of(layout.align());
        // There is no gap before the first field, which is at 0.
        if offset > end {
            gaps.push((number - 1, offset - end));
        }
        end = offset + layout.size();
        align = align.max(layout.align());
        unreported |= layout.unreported();
        fields.push((field.layout_name().to_owned(), offset, layout));
    }
    let has_tail = def.tail().is_some();
    let size = if has_tail {
        end
    } else {
        end.next_multiple_of(align)
    };
    if size > end {
        gaps.push((def.fields.len() - 1, size - end));
    }
    if def.allows_gaps {
        gaps.clear();
    }
    levels.push([size, align]);
    Some(StructLayout {
        since: def.fields.iter().map(|field| field.since).collect(),
        levels,
        size,
        align,
        version: def.version,
        fields,
        unreported: def.is_generic() && (unreported || !gaps.is_empty()),
        gaps,
        has_tail,
    })
}

/// Whether the definition itself names something that cannot be shared. Errors of earlier definitions are reported
/// there.
fn is_refused(def: &Def) -> bool {
    match def {
        Def::Struct(def) => {
            def.repr.is_fault()
                || def.fault.is_some()
                || def.fields.is_empty()
                || def.fields.iter().any(|field| names_forbidden(&field.ty))
        }
        Def::Enum(def) => !matches!(def.repr, EnumRepr::Int(..)) || def.data.is_some(),
    }
}

fn names_forbidden(ty: &Ty) -> bool {
    match ty {
        Ty::Forbidden(_) => true,
        // Stores nothing of its argument.
        Ty::Scalar(_) | Ty::Param | Ty::Phantom(_) => false,
        Ty::Array(ty, _)
        | Ty::Slice(ty)
        | Ty::Wrapping(ty)
        | Ty::Paren(ty)
        | Ty::Alias(ty)
        | Ty::Associated(ty)
        | Ty::Holder(ty) => names_forbidden(ty),
        Ty::Def(_, ty, _) => ty.as_ref().is_some_and(|ty| names_forbidden(ty)),
    }
}

/// The expected outcome of each definition of a case.
pub(crate) fn verdicts(case: &Case) -> Vec<Verdict> {
    (0..case.defs.len())
        .map(|number| verdict(case, number))
        .collect()
}

/// The remedy for a gap after a field that is there to fill it but has the wrong length: the first length that leaves
/// no gap, of all lengths.
fn remedy(layout: &StructLayout, min_align: u64, number: usize) -> String {
    let name = &layout.fields[number].0;
    if !name.starts_with("_pad") {
        return String::new();
    }
    let others: Vec<(usize, u64)> = layout
        .gaps
        .iter()
        .copied()
        .filter(|(of, _)| *of != number)
        .collect();
    let len = (0..)
        .find(|len| gaps_with(layout, min_align, number, *len) == others)
        .expect("filling the gap is right");
    match len {
        0 => format!(", remove `{name}`"),
        _ => format!(", write `{name}: [u8; {len}]`"),
    }
}

/// The gaps that remain if this field has another size.
fn gaps_with(
    layout: &StructLayout,
    min_align: u64,
    changed: usize,
    size: u64,
) -> Vec<(usize, u64)> {
    let (mut end, mut align, mut gaps) = (0_u64, min_align, Vec::new());
    for (number, (_, _, field)) in layout.fields.iter().enumerate() {
        let offset = end.next_multiple_of(field.align());
        if offset > end {
            gaps.push((number - 1, offset - end));
        }
        let size = if number == changed {
            size
        } else {
            field.size()
        };
        end = offset + size;
        align = align.max(field.align());
    }
    let last = layout.fields.len() - 1;
    if !layout.has_tail && !end.is_multiple_of(align) {
        gaps.push((last, end.next_multiple_of(align) - end));
    }
    gaps
}

fn verdict(case: &Case, number: usize) -> Verdict {
    if is_refused(&case.defs[number]) {
        return Verdict::Refused;
    }
    let Def::Struct(def) = &case.defs[number] else {
        return Verdict::Accepted;
    };
    // The padding of a generic struct is checked where it is used.
    if def.is_generic() {
        return Verdict::Accepted;
    }
    // Contains a refused definition, which has the error.
    let Some(layout) = structure(case, def, &Arguments::default()) else {
        return Verdict::Accepted;
    };
    let mut texts: Vec<String> = layout
        .gaps
        .iter()
        .map(|(number, bytes)| {
            let plural = if *bytes == 1 { "" } else { "s" };
            let remedy = remedy(&layout, def.repr.min_align(), *number);
            format!(
                "{bytes} byte{plural} after `{}`{remedy}",
                layout.fields[*number].0
            )
        })
        .collect();
    if !texts.is_empty() {
        // Other padding is reported once these gaps are filled.
    } else if layout.size == 0 && !layout.has_tail {
        texts.push("is zero-sized".to_owned());
    } else if layout.fields.iter().any(|(_, _, field)| field.unreported()) {
        texts.push("has padding".to_owned());
    }
    if let Some((_, _, Layout::Slice(element))) = layout.fields.last()
        && element.size() == 0
        && !is_of_struct(element)
    {
        texts.push("the elements of the slice are zero-sized".to_owned());
    }
    if texts.is_empty() {
        Verdict::Accepted
    } else {
        Verdict::Padded(texts)
    }
}

/// Whether it consists of structs with fields: a zero-sized one is reported where it is defined or used.
fn is_of_struct(layout: &Layout) -> bool {
    match layout {
        Layout::Array(element, len) => *len > 0 && is_of_struct(element),
        Layout::Struct(layout) => !layout.fields.is_empty(),
        Layout::Scalar(..) | Layout::Enum { .. } | Layout::Slice(_) => false,
    }
}
