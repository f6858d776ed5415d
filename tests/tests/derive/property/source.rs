//! Cases as Rust source.

use std::fmt::Write;
use std::ops::Range;

use super::case::{Case, Def, Enum, EnumRepr, Len, Repr, Struct, StructFault, Ty};
use super::model::{self, Arguments, Layout, StructLayout};

/// The code that all generated crates have in common.
const PRELUDE: &str = "\
// Generated. Every module is one case.
#![allow(warnings)]

pub mod other {
    pub type U8 = u64;
    pub type U64 = u8;
    pub type AtomicU16 = ::core::primitive::u32;
    pub type u32 = u16;

    pub struct Foreign { pub a: ::core::primitive::u32 }
    #[derive(Clone, Copy)]
    pub union ForeignUnion { pub a: ::core::primitive::u32 }
    #[derive(Clone, Copy)]
    pub enum ForeignEnum { A, B }
    pub struct ForeignPair<T> { pub a: T, pub b: T }

    pub trait Has { type Out; }
";

const HOLDER: &str = "\
    #[derive(Clone, Copy)]
    #[repr(C)]
    pub struct Holder<T> { pub value: T }
}
";

/// A crate's source, and the lines of each definition.
#[derive(Debug, Default)]
pub(crate) struct Source {
    pub text: String,
    /// Case, definition, lines from 1.
    pub places: Vec<(usize, usize, Range<usize>)>,
    derives: bool,
}

impl Source {
    /// `derives`: whether the definitions have the derive, or are plain Rust.
    pub(crate) fn new(derives: bool) -> Self {
        let derive = if derives {
            "    #[derive(shm_core::ShmLayout)]\n"
        } else {
            ""
        };
        Self {
            text: format!("{PRELUDE}{derive}{HOLDER}"),
            places: Vec::new(),
            derives,
        }
    }

    fn line(&self) -> usize {
        self.text.matches('\n').count() + 1
    }

    /// Adds a case as a module; with `checks`, which only accepted ones can have, also a function that compares it with
    /// the reference.
    pub(crate) fn add(&mut self, number: usize, case: &Case, checks: bool) {
        let start = self.line();
        let (text, places) = module(number, case, self.derives, checks);
        self.text.push_str(&text);
        self.places.extend(
            places
                .into_iter()
                .map(|(def, lines)| (number, def, start + lines.start..start + lines.end)),
        );
    }
}

/// The source of one case alone, for messages.
pub(crate) fn alone(number: usize, case: &Case) -> String {
    module(number, case, true, false).0
}

fn module(
    number: usize,
    case: &Case,
    derives: bool,
    checks: bool,
) -> (String, Vec<(usize, Range<usize>)>) {
    let mut text = format!(
        "\npub mod c{number} {{\n    use std::marker::PhantomData;\n    use std::num::*;\n    use std::sync::atomic::*;\n"
    );
    if derives {
        text.push_str("    use shm_core::ShmLayout;\n");
    }
    let mut places = Vec::new();
    let mut writer = Writer {
        case,
        derives,
        copies: checks,
        helpers: String::new(),
        instances: Vec::new(),
        count: 0,
    };
    for (number, def) in case.defs.iter().enumerate() {
        let written = match def {
            Def::Struct(def) => writer.structure(number, def),
            Def::Enum(def) => writer.enumeration(number, def),
        };
        let start = text.matches('\n').count();
        text.push_str(&std::mem::take(&mut writer.helpers));
        text.push_str(&written);
        places.push((number, start..text.matches('\n').count()));
    }
    if checks {
        text.push_str(&writer.checks(number));
    }
    text.push_str("}\n");
    (text, places)
}

struct Writer<'a> {
    case: &'a Case,
    derives: bool,
    /// Whether types that can be `Copy` are.
    copies: bool,
    /// Items that a definition needs next to it.
    helpers: String,
    /// Concrete uses of generic definitions: the spelling, and the definition with its arguments.
    instances: Vec<(String, usize, Arguments)>,
    count: usize,
}

impl Writer<'_> {
    fn ty(&mut self, ty: &Ty, in_generic: bool) -> String {
        match ty {
            Ty::Scalar(scalar) => scalar.written.to_owned(),
            Ty::Array(element, len) => {
                format!("[{}; {}]", self.ty(element, in_generic), length(len, false))
            }
            Ty::Slice(element) => format!("[{}]", self.ty(element, in_generic)),
            Ty::Wrapping(ty) => format!("Wrapping<{}>", self.ty(ty, in_generic)),
            Ty::Phantom(ty) => format!("PhantomData<{}>", self.ty(ty, in_generic)),
            Ty::Paren(ty) => format!("({})", self.ty(ty, in_generic)),
            Ty::Holder(ty) => format!("crate::other::Holder<{}>", self.ty(ty, in_generic)),
            Ty::Alias(ty) => {
                let ty = self.ty(ty, in_generic);
                self.count += 1;
                let name = format!("Alias{}", self.count);
                writeln!(self.helpers, "    pub type {name} = {ty};").expect("a String");
                name
            }
            Ty::Associated(ty) => {
                let ty = self.ty(ty, in_generic);
                self.count += 1;
                let name = format!("Key{}", self.count);
                writeln!(
                    self.helpers,
                    "    pub struct {name};\n    impl crate::other::Has for {name} {{ type Out = {ty}; }}"
                )
                .expect("a String");
                format!("<{name} as crate::other::Has>::Out")
            }
            Ty::Def(def, ty, len) => {
                let mut arguments: Vec<String> = Vec::new();
                arguments.extend(ty.as_ref().map(|ty| self.ty(ty, in_generic)));
                arguments.extend(len.as_ref().map(|len| length(len, true)));
                if arguments.is_empty() {
                    return format!("S{def}");
                }
                let name = format!("S{def}<{}>", arguments.join(", "));
                if !in_generic {
                    let none = Arguments::default();
                    let ty = ty.as_ref().map(|ty| model::layout(self.case, ty, &none));
                    let len = len.as_ref().map(|len| model::length(len, None));
                    let ty = ty.flatten();
                    self.instances
                        .push((name.clone(), *def, Arguments { ty, len }));
                }
                name
            }
            Ty::Param => "T".to_owned(),
            Ty::Forbidden(written) => (*written).to_owned(),
        }
    }

    fn derive(&self) -> &'static str {
        if self.derives {
            "#[derive(ShmLayout)] "
        } else {
            ""
        }
    }

    /// The derive of `Copy`, for a definition whose values can be moved.
    fn copy(&self, number: usize) -> &'static str {
        if self.copies && model::is_value(self.case, number) {
            "#[derive(Clone, Copy)] "
        } else {
            ""
        }
    }

    fn structure(&mut self, number: usize, def: &Struct) -> String {
        let mut types: Vec<String> = def
            .fields
            .iter()
            .map(|field| self.ty(&field.ty, def.is_generic()))
            .collect();
        let attributes = self.attributes(def);
        let by_macro = def.by_macro && !types.is_empty();
        let mut head = String::new();
        let mut foot = String::new();
        if by_macro {
            let matcher: Vec<String> = (0..types.len())
                .map(|number| format!("$t{number}:ty"))
                .collect();
            head = format!(
                "    macro_rules! make_s{number} {{ ({}) => {{\n",
                matcher.join(", ")
            );
            foot = format!(
                "    }} }}\n    make_s{number}!(\n        {}\n    );\n",
                types.join(",\n        ")
            );
            types = (0..types.len())
                .map(|number| format!("$t{number}"))
                .collect();
        }
        let mut fields = Vec::new();
        if def.fault == Some(StructFault::Lifetime) {
            fields.push(if def.tuple {
                "&'a u8".to_owned()
            } else {
                "borrowed: &'a u8".to_owned()
            });
        }
        for (field, ty) in def.fields.iter().zip(types) {
            let mut shm = match &field.rename {
                Some(name) if self.derives => format!("#[shm(rename = \"{name}\")] "),
                _ => String::new(),
            };
            if self.derives && field.since > 0 {
                shm += &format!("#[shm(since = {})] ", field.since);
            }
            let name = if def.tuple {
                String::new()
            } else {
                format!("{}: ", field.name)
            };
            fields.push(format!("{shm}{}{name}{ty}", field.visibility));
        }
        let params = match (def.has_type_param, def.has_const_param) {
            _ if def.fault == Some(StructFault::Lifetime) => "<'a>",
            (true, true) => "<T, const N: usize>",
            (true, false) => "<T>",
            (false, true) => "<const N: usize>",
            (false, false) => "",
        };
        let keyword = if def.fault == Some(StructFault::Union) {
            "union"
        } else {
            "struct"
        };
        let fields = fields.join(",\n        ");
        let body = match (def.tuple, fields.is_empty()) {
            (true, true) => ";".to_owned(),
            (true, false) => format!("(\n        {fields}\n    );"),
            (false, _) => format!(" {{\n        {fields}\n    }}"),
        };
        let copy = self.copy(number);
        format!("{head}    {copy}{attributes}pub {keyword} S{number}{params}{body}\n{foot}")
    }

    fn attributes(&self, def: &Struct) -> String {
        let repr = match def.repr {
            Repr::C => "#[repr(C)] ".to_owned(),
            Repr::CAlign(align) => format!("#[repr(C, align({align}))] "),
            Repr::AlignC(align) => format!("#[repr(align({align}), C)] "),
            Repr::TwoAttributes(align) => format!("#[repr(align({align}))] #[repr(C)] "),
            Repr::Transparent => "#[repr(transparent)] ".to_owned(),
            Repr::Missing => String::new(),
            Repr::Rust => "#[repr(Rust)] ".to_owned(),
            Repr::AlignOnly(align) => format!("#[repr(align({align}))] "),
            Repr::Packed => "#[repr(C, packed)] ".to_owned(),
            Repr::PackedTo(align) => format!("#[repr(packed({align}), C)] "),
        };
        let version = if self.derives && def.version > 0 {
            format!("#[shm(version = {})] ", def.version)
        } else {
            String::new()
        };
        let padding = if self.derives && def.allows_gaps {
            "#[shm(padding)] "
        } else {
            ""
        };
        let room = if self.derives && def.room > 0 {
            format!("#[shm(room = {})] ", def.room)
        } else {
            String::new()
        };
        format!("{}{repr}{version}{padding}{room}", self.derive())
    }

    fn enumeration(&self, number: usize, def: &Enum) -> String {
        let repr = match def.repr {
            EnumRepr::Int(int, _) => format!("#[repr({int})] "),
            EnumRepr::Missing => String::new(),
            EnumRepr::C => "#[repr(C)] ".to_owned(),
            EnumRepr::Usize => "#[repr(usize)] ".to_owned(),
        };
        let copy = self.copy(number);
        let mut text = format!("    {copy}{}{repr}pub enum S{number} {{\n", self.derive());
        for (number, (value, written)) in def.variants.iter().enumerate() {
            let data = if def.data == Some(number) {
                "(u32)"
            } else {
                ""
            };
            let value = if *written {
                format!(" = {}", negative(def, *value))
            } else {
                String::new()
            };
            writeln!(text, "        V{number}{data}{value},").expect("a String");
        }
        text.push_str("    }\n");
        text
    }

    /// The function that compares the layouts of the derive, the compiler and the reference.
    fn checks(&self, number: usize) -> String {
        let mut text = String::from("    pub fn check(report: &mut crate::Report) {\n");
        let none = Arguments::default();
        let concrete = self
            .case
            .defs
            .iter()
            .enumerate()
            .filter(|(_, def)| !matches!(def, Def::Struct(def) if def.is_generic()))
            .map(|(def, _)| (format!("S{def}"), def, &none));
        let instances = self
            .instances
            .iter()
            .map(|(name, def, arguments)| (name.clone(), *def, arguments));
        // The last type that is no instance contains the most others.
        let last = concrete.clone().next_back().map(|(name, ..)| name);
        for (name, def, arguments) in concrete.chain(instances) {
            let layout = model::definition(self.case, def, arguments)
                .expect("only accepted cases are checked");
            text.push_str(&check(number, &name, &self.case.defs[def], &layout));
            if last.as_ref() == Some(&name) {
                let is_value = model::is_value(self.case, def);
                text.push_str(&dynamic(
                    number,
                    &name,
                    &self.case.defs[def],
                    &layout,
                    is_value,
                ));
            }
        }
        text.push_str("    }\n");
        if let Some(Def::Struct(last)) = self.case.defs.last()
            && last.tail().is_some()
        {
            text.push_str(&self.twin(last));
        }
        if let Some(Def::Struct(last)) = self.case.defs.last()
            && last.level() > 0
        {
            text.push_str(&self.first_level(last));
        }
        text
    }

    /// The struct as it was at level 0, with room for the fields of the others.
    fn first_level(&self, def: &Struct) -> String {
        let mut writer = Writer {
            case: self.case,
            derives: true,
            copies: false,
            helpers: String::new(),
            instances: Vec::new(),
            // A name that is not taken.
            count: self.count,
        };
        let mut first = def.clone();
        first.by_macro = false;
        first.room = 1 << 16;
        first.fields.retain(|field| field.since == 0);
        let written = writer.structure(self.case.defs.len(), &first);
        writer.helpers + &written
    }

    /// A sized twin of an unsized struct, with two elements at its end: the compiler gives no layout of unsized
    /// types.
    fn twin(&self, def: &Struct) -> String {
        let mut plain = Writer {
            case: self.case,
            derives: false,
            copies: false,
            helpers: String::new(),
            instances: Vec::new(),
            // A name that is not taken.
            count: self.count,
        };
        let mut twin = def.clone();
        twin.by_macro = false;
        let last = twin.fields.len() - 1;
        if let Ty::Slice(element) = twin.fields[last].ty.clone() {
            twin.fields[last].ty = Ty::Array(element, Len::Literal(2));
        }
        let number = self.case.defs.len();
        let written = plain.structure(number, &twin);
        plain.helpers + &written
    }
}

fn negative(def: &Enum, value: i64) -> String {
    // Every other one as an expression, which the derive cannot evaluate.
    if def.variants.len().is_multiple_of(2) {
        format!("{} - 1", value + 1)
    } else {
        value.to_string()
    }
}

fn length(len: &Len, as_argument: bool) -> String {
    match len {
        Len::Literal(len) => len.to_string(),
        Len::Sum(a, b) if as_argument => format!("{{ {a} + {b} }}"),
        Len::Sum(a, b) => format!("{a} + {b}"),
        Len::Param => "N".to_owned(),
    }
}

/// The comparison of accesses with and without the type, in a segment of the type.
fn dynamic(number: usize, name: &str, def: &Def, layout: &Layout, is_value: bool) -> String {
    let (options, tail, level) = match def {
        Def::Struct(def) if def.tail().is_some() => ("options().len(2)", 2, 0),
        Def::Struct(def) => ("options()", 0, def.level()),
        Def::Enum(_) => ("options()", 0, 0),
    };
    let label = format!("c{number}::{name}");
    // No segment has elements without bytes: of a generic struct, that is an error where the segment is made.
    if let Layout::Struct(StructLayout { fields, .. }) = layout
        && let Some((_, _, Layout::Slice(element))) = fields.last()
        && element.size() == 0
    {
        return String::new();
    }
    let mut text = format!(
        "        report.dynamic(\"{label}\", \
         <{name} as ShmLayout>::{options}.create_anonymous_with(|shm| crate::fill(shm.as_ptr(), \
         <{name} as ShmLayout>::LAYOUT, {tail}, &mut {number})).unwrap(), {tail});\n"
    );
    let is_part = tail == 0 && level == 0 && layout.size() > 0;
    if is_part {
        text += &format!("        report.locked::<{name}>(\"{label} in a mutex\");\n");
    }
    if is_part && is_value {
        text += &format!("        report.held::<{name}>(\"{label} in a\");\n");
    }
    if let (Layout::Struct(StructLayout { levels, .. }), 1..) = (layout, level) {
        let first = name[1..].parse::<usize>().expect("it is concrete") + 1;
        text +=
            &format!("        report.grown::<S{first}, {name}>(\"{label} grown\", &{levels:?});\n");
    }
    text
}

/// One comparison.
fn check(number: usize, name: &str, def: &Def, layout: &Layout) -> String {
    let mut text = String::new();
    layout.render(&mut text);
    let (size, align) = (layout.size(), layout.align());
    let (fields, offsets): (Vec<&str>, Vec<String>) = match (def, layout) {
        (Def::Struct(def), Layout::Struct(StructLayout { fields, .. })) => (
            def.fields.iter().map(|field| field.name.as_str()).collect(),
            fields
                .iter()
                .map(|(_, offset, _)| offset.to_string())
                .collect(),
        ),
        _ => (Vec::new(), Vec::new()),
    };
    let (reference, label) = (offsets.join(", "), format!("c{number}::{name}"));
    let offset_of = |of: &str, fields: &[&str]| {
        let all: Vec<String> = fields
            .iter()
            .map(|field| format!("std::mem::offset_of!({of}, {field})"))
            .collect();
        all.join(", ")
    };
    // Rust may place zero-sized fields anywhere in a transparent struct; there is nothing to compare.
    let compiled = match (def, layout) {
        (Def::Struct(def), Layout::Struct(layout)) if def.repr == Repr::Transparent => {
            let offset = |(field, (_, offset, layout)): (&&str, &(String, u64, Layout))| {
                if layout.size() == 0 {
                    offset.to_string()
                } else {
                    offset_of(name, &[field])
                }
            };
            let all: Vec<String> = fields.iter().zip(&layout.fields).map(offset).collect();
            all.join(", ")
        }
        _ => offset_of(name, &fields),
    };
    let view = format!("<{name} as ShmLayout>::View<shm_core::ReadWrite>");
    // The view of an enum is a zero-sized marker.
    let view_extent = match def {
        Def::Struct(_) => format!("[size_of::<{view}>(), align_of::<{view}>()]"),
        Def::Enum(_) => format!("[size_of::<{name}>(), align_of::<{name}>()]"),
    };
    if let (Def::Struct(def), Some((last, sized))) = (def, fields.split_last())
        && def.tail().is_some()
    {
        // The twin has the number after the last one.
        let twin = format!(
            "S{}",
            name[1..].parse::<usize>().expect("it is concrete") + 1
        );
        return format!(
            "        report.tail(\"{label}\", <{name} as ShmLayout>::LAYOUT, \
             <{name} as ShmLayout>::view_at::<shm_core::ReadWrite>, |view| (&raw const view.{last}).addr(), \
             [size_of::<{twin}>(), align_of::<{twin}>()], &[{}], &[{}], \
             [{size}, {align}], &[{reference}], \"{text}\");\n",
            offset_of(&twin, &fields),
            offset_of(&view, sized),
        );
    }
    format!(
        "        report.sized(\"{label}\", <{name} as ShmLayout>::LAYOUT, \
         [size_of::<{name}>(), align_of::<{name}>()], {view_extent}, \
         &[{}], &[{}], [{size}, {align}], &[{reference}], \"{text}\");\n",
        compiled,
        offset_of(&view, &fields),
    )
}
