//! Makes cases of recipes, and changes what Rust itself would not allow.

use proptest::sample::Index;

use super::case::{
    Case, Def, Enum, EnumRepr, FORBIDDEN, Field, Len, Repr, SCALARS, Scalar, Struct, StructFault,
    Ty,
};
use super::model::{self, Arguments};
use super::recipe::{
    DefRecipe, FaultRecipe, FieldRecipe, FillingRecipe, LenRecipe, Recipe, ReprRecipe, TypeRecipe,
    Wrap,
};

const INTS: [(&str, u64); 8] = [
    ("u8", 1),
    ("i8", 1),
    ("u16", 2),
    ("i16", 2),
    ("u32", 4),
    ("i32", 4),
    ("u64", 8),
    ("i64", 8),
];
const VISIBILITIES: [&str; 3] = ["", "pub ", "pub(crate) "];
const RAW_NAMES: [&str; 6] = ["r#type", "r#fn", "r#match", "tail", "payload", "view"];

/// The case of a recipe.
pub(crate) fn resolve(recipe: &Recipe) -> Case {
    let mut case = Case { defs: Vec::new() };
    let count = recipe.defs.len();
    for (number, def) in recipe.defs.iter().enumerate() {
        let is_last = number + 1 == count;
        let faults: Vec<_> = recipe
            .faults
            .iter()
            .filter(|(which, _)| which.index(count) == number)
            .map(|(_, fault)| fault)
            .collect();
        let def = match def {
            DefRecipe::Struct { .. } => Def::Struct(structure(&case, def, &faults, is_last)),
            DefRecipe::Enum { int, first, steps } => {
                Def::Enum(enumeration(int, *first, steps, &faults))
            }
        };
        case.defs.push(def);
    }
    case
}

fn enumeration(int: &Index, first: i8, steps: &[(u8, bool)], faults: &[&FaultRecipe]) -> Enum {
    let (int, size) = *int.get(&INTS);
    let first = if int.starts_with('i') {
        i64::from(first)
    } else {
        i64::from(first.unsigned_abs())
    };
    let mut variants = vec![(first, true)];
    for (step, written) in steps {
        let last = variants[variants.len() - 1].0;
        // A variant without a number is one more than the variant before.
        let step = if *written { i64::from(*step) } else { 1 };
        variants.push((last + step, *written));
    }
    let mut def = Enum {
        repr: EnumRepr::Int(int, size),
        variants,
        data: None,
    };
    for fault in faults {
        let which = match fault {
            FaultRecipe::Enum(which) | FaultRecipe::Repr(which) => which,
            FaultRecipe::Field(which, _, _) => which,
            _ => continue,
        };
        match which.index(4) {
            0 => def.repr = EnumRepr::Missing,
            1 => def.repr = EnumRepr::C,
            2 if first >= 0 => def.repr = EnumRepr::Usize,
            2 => def.repr = EnumRepr::Missing,
            _ => def.data = Some(which.index(def.variants.len())),
        }
    }
    // Only an enum with an integer as its `repr` may have data and numbers.
    if !matches!(def.repr, EnumRepr::Int(..) | EnumRepr::Usize) {
        def.data = None;
    }
    def
}

/// The definitions that a type can name.
struct Scope<'a> {
    case: &'a Case,
    has_type: bool,
    has_const: bool,
}

fn structure(case: &Case, recipe: &DefRecipe, faults: &[&FaultRecipe], is_last: bool) -> Struct {
    let DefRecipe::Struct {
        repr,
        tuple,
        params,
        fields,
        has_tail,
        version,
        by_macro,
        filling,
        levels,
    } = recipe
    else {
        unreachable!("the caller has looked");
    };
    // Levels have no padding.
    let filling = match filling {
        FillingRecipe::Nothing if is_last && !levels.is_empty() => &FillingRecipe::Exact,
        filling => filling,
    };
    // The last one stands for the type of a segment, so it is concrete.
    let (has_type, has_const) = if is_last { (false, false) } else { *params };
    let scope = Scope {
        case,
        has_type,
        has_const,
    };
    let mut def = Struct {
        repr: match repr {
            ReprRecipe::C => Repr::C,
            ReprRecipe::CAlign(n) => Repr::CAlign(1 << n),
            ReprRecipe::AlignC(n) => Repr::AlignC(1 << n),
            ReprRecipe::TwoAttributes(n) => Repr::TwoAttributes(1 << n),
            ReprRecipe::Transparent => Repr::Transparent,
        },
        tuple: *tuple,
        has_type_param: has_type,
        has_const_param: has_const,
        fields: fields
            .iter()
            .enumerate()
            .map(|(number, field)| scope.field(number, field, *tuple))
            .collect(),
        fault: None,
        version: version.map_or(0, u32::from),
        by_macro: *by_macro,
        allows_gaps: matches!(filling, FillingRecipe::Allowed),
        room: 0,
    };
    for fault in faults {
        hold_forbidden(&mut def, fault);
    }
    if *has_tail && is_last && def.repr != Repr::Transparent {
        let last = def.fields.len() - 1;
        let ty = std::mem::replace(&mut def.fields[last].ty, Ty::Param);
        def.fields[last].ty = Ty::Slice(Box::new(ty));
    }
    if def.repr == Repr::Transparent {
        one_field_with_bytes(&scope, &mut def);
    }
    for fault in faults {
        break_whole(&mut def, fault);
    }
    if has_type && !def.fields.iter().any(|field| uses_param(&field.ty)) {
        let number = def.fields.len();
        def.fields.push(Field {
            name: name(number, def.tuple),
            rename: None,
            visibility: "",
            ty: Ty::Phantom(Box::new(Ty::Param)),
            since: 0,
        });
    }
    let is_exact = matches!(filling, FillingRecipe::Exact);
    if is_last && is_exact && faults.is_empty() && def.repr != Repr::Transparent {
        append(case, &mut def, levels);
    }
    let is_filled = matches!(filling, FillingRecipe::Exact | FillingRecipe::Wrong(..));
    if is_filled && !def.is_generic() && def.fault.is_none() && def.repr != Repr::Transparent {
        fill(case, &mut def, *filling);
    }
    def
}

fn name(number: usize, tuple: bool) -> String {
    if tuple {
        number.to_string()
    } else {
        format!("f{number}")
    }
}

impl Scope<'_> {
    fn field(&self, number: usize, recipe: &FieldRecipe, tuple: bool) -> Field {
        let raw = RAW_NAMES.get(number).filter(|_| recipe.raw && !tuple);
        Field {
            name: raw.map_or_else(|| name(number, tuple), |raw| (*raw).to_owned()),
            rename: recipe.renamed.then(|| format!("renamed {number}")),
            visibility: VISIBILITIES[recipe.visibility.index(VISIBILITIES.len())],
            ty: self.ty(&recipe.ty),
            since: 0,
        }
    }

    fn len(&self, number: u8, len: LenRecipe) -> Len {
        let number = u64::from(number);
        match len {
            LenRecipe::Param if self.has_const => Len::Param,
            LenRecipe::Sum => Len::Sum(number / 2, number - number / 2),
            _ => Len::Literal(number),
        }
    }

    fn ty(&self, recipe: &TypeRecipe) -> Ty {
        let inner = |recipe: &TypeRecipe| Box::new(self.ty(recipe));
        match recipe {
            TypeRecipe::Scalar(which) => Ty::Scalar(which.get(SCALARS)),
            TypeRecipe::Param if self.has_type => Ty::Param,
            TypeRecipe::Param => Ty::Scalar(&SCALARS[6]),
            TypeRecipe::Array(ty, number, len) => Ty::Array(inner(ty), self.len(*number, *len)),
            TypeRecipe::Wrapping(ty) => Ty::Wrapping(inner(ty)),
            TypeRecipe::Phantom(ty) => Ty::Phantom(inner(ty)),
            TypeRecipe::Paren(ty) => Ty::Paren(inner(ty)),
            TypeRecipe::Alias(ty) => hidden(inner(ty), Ty::Alias),
            TypeRecipe::Associated(ty) => hidden(inner(ty), Ty::Associated),
            TypeRecipe::Holder(ty) => Ty::Holder(inner(ty)),
            TypeRecipe::Def(which, ty, number, len) => {
                let usable: Vec<usize> = (0..self.case.defs.len())
                    .filter(|number| is_usable(&self.case.defs[*number]))
                    .collect();
                if usable.is_empty() {
                    return self.ty(ty);
                }
                let def = *which.get(&usable);
                match &self.case.defs[def] {
                    Def::Struct(generic) => Ty::Def(
                        def,
                        generic.has_type_param.then(|| inner(ty)),
                        generic.has_const_param.then(|| self.len(*number, *len)),
                    ),
                    Def::Enum(_) => Ty::Def(def, None, None),
                }
            }
        }
    }
}

/// Whether it can be the type of any field, not only of the last.
fn is_usable(def: &Def) -> bool {
    match def {
        Def::Struct(def) => def.tail().is_none() && def.fault != Some(StructFault::Lifetime),
        Def::Enum(_) => true,
    }
}

/// An alias of the type, unless it depends on a parameter: the alias is outside the definition.
fn hidden(ty: Box<Ty>, how: fn(Box<Ty>) -> Ty) -> Ty {
    if depends_on_params(&ty) { *ty } else { how(ty) }
}

fn inner(ty: &Ty) -> Option<&Ty> {
    match ty {
        Ty::Scalar(_) | Ty::Param | Ty::Forbidden(_) => None,
        Ty::Array(ty, _)
        | Ty::Slice(ty)
        | Ty::Wrapping(ty)
        | Ty::Phantom(ty)
        | Ty::Paren(ty)
        | Ty::Alias(ty)
        | Ty::Associated(ty)
        | Ty::Holder(ty) => Some(ty),
        Ty::Def(_, ty, _) => ty.as_deref(),
    }
}

fn uses_param(ty: &Ty) -> bool {
    matches!(ty, Ty::Param) || inner(ty).is_some_and(uses_param)
}

fn depends_on_params(ty: &Ty) -> bool {
    matches!(
        ty,
        Ty::Param | Ty::Array(_, Len::Param) | Ty::Def(_, _, Some(Len::Param))
    ) || inner(ty).is_some_and(depends_on_params)
}

/// `repr(transparent)` allows one field that has bytes; the others become `PhantomData`.
fn one_field_with_bytes(scope: &Scope<'_>, def: &mut Struct) {
    let has_bytes = |ty: &Ty| {
        let arguments = Arguments::default();
        match ty {
            Ty::Param | Ty::Forbidden(_) => true,
            _ if depends_on_params(ty) => false,
            _ => model::layout(scope.case, ty, &arguments).is_some_and(|layout| layout.size() > 0),
        }
    };
    let chosen = def
        .fields
        .iter()
        .position(|field| mentions_forbidden(&field.ty))
        .or_else(|| def.fields.iter().position(|field| has_bytes(&field.ty)));
    if chosen.is_none() {
        def.fields[0].ty = Ty::Scalar(&SCALARS[4]);
    }
    for (number, field) in def.fields.iter_mut().enumerate() {
        if number != chosen.unwrap_or(0) {
            let ty = std::mem::replace(&mut field.ty, Ty::Param);
            field.ty = Ty::Phantom(Box::new(ty));
        }
    }
}

fn mentions_forbidden(ty: &Ty) -> bool {
    matches!(ty, Ty::Forbidden(_)) || inner(ty).is_some_and(mentions_forbidden)
}

/// Puts a forbidden type into a field.
fn hold_forbidden(def: &mut Struct, fault: &FaultRecipe) {
    let FaultRecipe::Field(field, ty, wraps) = fault else {
        return;
    };
    let mut ty = Ty::Forbidden(FORBIDDEN[ty.index(FORBIDDEN.len())]);
    for wrap in wraps {
        let inner = Box::new(ty);
        ty = match wrap {
            Wrap::Array(len) => Ty::Array(inner, Len::Literal(u64::from(*len))),
            Wrap::Wrapping => Ty::Wrapping(inner),
            Wrap::Phantom => Ty::Phantom(inner),
            Wrap::Alias => Ty::Alias(inner),
            Wrap::Associated => Ty::Associated(inner),
            Wrap::Holder => Ty::Holder(inner),
            Wrap::Paren => Ty::Paren(inner),
        };
    }
    let number = field.index(def.fields.len());
    def.fields[number].ty = ty;
}

/// Adds an error to the definition as a whole.
fn break_whole(def: &mut Struct, fault: &FaultRecipe) {
    // One such error is enough; some exclude each other.
    if def.repr.is_fault() || def.fault.is_some() || def.fields.is_empty() {
        return;
    }
    match fault {
        FaultRecipe::Field(..) => {}
        FaultRecipe::Repr(which) => {
            const WRONG: [Repr; 5] = [
                Repr::Missing,
                Repr::Rust,
                Repr::AlignOnly(16),
                Repr::Packed,
                Repr::PackedTo(2),
            ];
            def.repr = *which.get(&WRONG);
            if def.repr.is_packed() {
                // Rust allows no aligned types in it, such as atomics.
                for field in &mut def.fields {
                    field.ty = Ty::Scalar(&SCALARS[4]);
                }
            }
        }
        FaultRecipe::Lifetime if !def.is_generic() && def.repr != Repr::Transparent => {
            def.fault = Some(StructFault::Lifetime);
        }
        FaultRecipe::SameName if def.fields.len() > 1 => {
            def.fields[0].rename = Some("same".to_owned());
            def.fields[1].rename = Some("same".to_owned());
            def.fault = Some(StructFault::SameName);
        }
        FaultRecipe::Empty if !def.has_type_param && def.repr != Repr::Transparent => {
            def.fields.clear();
        }
        FaultRecipe::Union | FaultRecipe::Enum(_) if !def.tuple && !def.is_generic() => {
            for field in &mut def.fields {
                field.ty = Ty::Scalar(&SCALARS[4]);
            }
            def.repr = Repr::C;
            def.by_macro = false;
            def.fault = Some(StructFault::Union);
        }
        _ => def.repr = Repr::Missing,
    }
}

/// Makes some fields begin a level, as far as the rules allow it.
fn append(case: &Case, def: &mut Struct, begins: &[bool]) {
    let layouts: Option<Vec<_>> = def
        .fields
        .iter()
        .map(|field| model::layout(case, &field.ty, &Arguments::default()))
        .collect();
    // Contains something that is refused.
    let Some(layouts) = layouts.filter(|_| def.tail().is_none()) else {
        return;
    };
    let (mut level, mut bytes) = (0, 0);
    for ((field, layout), begins) in def.fields.iter_mut().zip(layouts).zip(begins) {
        // Each level has bytes.
        if *begins && bytes > 0 && layout.size() > 0 {
            level += 1;
        }
        bytes += layout.size();
        field.since = level;
        // New fields are zero until a program that knows them writes them.
        if level > 0 && !layout.zero_is_valid() {
            field.ty = Ty::Scalar(&SCALARS[4]);
        }
    }
    let last = def.fields.len().min(begins.len());
    for field in &mut def.fields[last..] {
        field.since = level;
    }
}

/// Puts a field of bytes wherever the reference finds padding.
fn fill(case: &Case, def: &mut Struct, filling: FillingRecipe) {
    static BYTE: &Scalar = &SCALARS[0];
    let has_tail = def.tail().is_some();
    let old = std::mem::take(&mut def.fields);
    let (mut end, mut align, mut pads) = (0_u64, def.repr.min_align(), 0);
    let mut new: Vec<Field> = Vec::new();
    let mut pad = |into: &mut Vec<Field>, bytes: u64, since: u32| {
        if bytes > 0 {
            into.push(Field {
                name: format!("_pad{pads}"),
                rename: None,
                visibility: "",
                ty: Ty::Array(Box::new(Ty::Scalar(BYTE)), Len::Literal(bytes)),
                since,
            });
            pads += 1;
        }
    };
    for field in old {
        // Contains something that is refused, so its extent does not matter.
        if let Some(layout) = model::layout(case, &field.ty, &Arguments::default()) {
            // Each level is a struct without padding.
            let before = new.last().map_or(0, |field| field.since);
            if field.since > before {
                pad(&mut new, end.next_multiple_of(align) - end, before);
                end = end.next_multiple_of(align);
            }
            let offset = end.next_multiple_of(layout.align());
            pad(&mut new, offset - end, field.since);
            end = offset + layout.size();
            align = align.max(layout.align());
        }
        new.push(field);
    }
    if !has_tail {
        let newest = new.last().map_or(0, |field| field.since);
        pad(&mut new, end.next_multiple_of(align) - end, newest);
    }
    if let (FillingRecipe::Wrong(which, len), 1..) = (filling, pads) {
        let name = format!("_pad{}", which.index(pads));
        let pad = new.iter_mut().find(|field| field.name == name);
        let pad = pad.expect("they are numbered from 0");
        pad.ty = Ty::Array(Box::new(Ty::Scalar(BYTE)), Len::Literal(u64::from(len)));
    }
    if def.tuple {
        for (number, field) in new.iter_mut().enumerate() {
            field.name = number.to_string();
        }
    }
    def.fields = new;
}
