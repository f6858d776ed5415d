//! A header for C11.

use std::fmt::Write;

use super::copies::{Direction, Places, copy};
use super::descriptor::{self, Names};
use super::model::{Enum, Leaf, Member, Order, Role, Shape, Struct, Tail, Type, Unit, unit};
use super::names::{Scope, comment, root, snake};
use crate::layout::{ScalarKind, TypeLayout, TypeName};

pub(super) fn header(layout: &'static TypeLayout) -> String {
    let unit = unit(layout);
    let root = match unit.types.last() {
        Some(Type::Struct(of)) => root(&of.name),
        _ => "payload".to_owned(),
    };
    let mut scope = Scope::default();
    // The type itself comes first, so that it has its name without a number.
    let root = scope.unique(root);
    for of_root in ["schema", "fingerprints", "find"] {
        scope.reserve(&format!("{root}_{of_root}"));
    }
    for of_root in ["size", "level", "layout_h"] {
        scope.reserve(&format!("{root}_{of_root}").to_uppercase());
    }
    let mut names = Vec::new();
    for (number, of) in unit.types.iter().enumerate() {
        names.push(match of {
            Type::Struct(_) if number + 1 == unit.types.len() => root.clone(),
            Type::Struct(Struct { name, .. }) | Type::Enum(Enum { name, .. }) => {
                scope.unique(format!("{root}_{}", snake(name)))
            }
        });
    }
    let mut of_each = |what: &str| -> Vec<String> {
        let names = names.iter();
        names
            .map(|name| scope.unique(format!("{name}_{what}")))
            .collect()
    };
    let (values, loads, stores) = (of_each("value"), of_each("load"), of_each("store"));
    let mut writer = Writer {
        unit: &unit,
        names,
        values,
        loads,
        stores,
        scope,
        out: String::new(),
    };
    writer.head(layout, &root);
    for (number, of) in unit.types.iter().enumerate() {
        match of {
            Type::Enum(of) => writer.enumeration(number, of),
            Type::Struct(of) => writer.structure(number, of),
        }
    }
    writer.descriptor(layout, &root);
    writer.out
}

struct Writer<'a> {
    unit: &'a Unit,
    /// The names of the types, and of those of their values.
    names: Vec<String>,
    values: Vec<String>,
    /// Those of the functions that copy them.
    loads: Vec<String>,
    stores: Vec<String>,
    scope: Scope,
    out: String,
}

macro_rules! say {
    ($writer:expr, $($text:tt)*) => {{
        // Writing to a `String` does not fail.
        let _ = writeln!($writer.out, $($text)*);
    }};
}

impl Places for Writer<'_> {
    fn load(&self, leaf: Leaf, place: &str) -> String {
        let order = match leaf.order {
            Order::Relaxed => "relaxed",
            Order::Ordered | Order::Word => "acquire",
        };
        let loaded = format!("atomic_load_explicit(&{place}, memory_order_{order})");
        match leaf.kind {
            ScalarKind::Bool => format!("{loaded} != 0"),
            _ => loaded,
        }
    }

    fn store(&self, leaf: Leaf, place: &str, value: &str) -> String {
        let order = match leaf.order {
            Order::Relaxed => "relaxed",
            Order::Ordered | Order::Word => "release",
        };
        let value = match leaf.kind {
            ScalarKind::Bool => format!("(uint8_t)({value} ? 1 : 0)"),
            _ => value.to_owned(),
        };
        format!("atomic_store_explicit(&{place}, {value}, memory_order_{order});")
    }

    fn half(&self, place: &str, half: usize) -> String {
        format!("{place}[{half}]")
    }

    fn byte(&self, place: &str, at: &str) -> String {
        format!("{place}[{at}]")
    }

    fn load_struct(&self, number: usize, place: &str, value: &str) -> String {
        format!("{}(&{place}, &{value});", self.loads[number])
    }

    fn store_struct(&self, number: usize, place: &str, value: &str) -> String {
        format!("{}(&{place}, &{value});", self.stores[number])
    }
}

impl Writer<'_> {
    fn head(&mut self, layout: &TypeLayout, root: &str) {
        let guard = format!("{}_LAYOUT_H", root.to_uppercase());
        let (byte_order, order) = if cfg!(target_endian = "big") {
            ("__ORDER_BIG_ENDIAN__", "big")
        } else {
            ("__ORDER_LITTLE_ENDIAN__", "little")
        };
        say!(
            self,
            "\
/* The layout of `{}`, generated from its schema. C11; do not edit.
 *
 * A program that maps a segment itself opens it with shm_open, reads its first 256 bytes with pread, maps all of it, and calls
 * {root}_find. Creators take a segment for left over that nobody holds a lock on: hold a shared open file description lock on byte
 * 0xffffffffff while you use it. Taking locks, sending and receiving are protocols of the library libtshm, to which {root}_schema
 * and {root}_fingerprints describe the type. They are not in this header.
 *
 * Any process may write any bytes: check an index before you use it.
 */
#ifndef {guard}
#define {guard}

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != {byte_order}
#error \"this layout is that of a {order}-endian machine\"
#endif
_Static_assert(ATOMIC_CHAR_LOCK_FREE == 2 && ATOMIC_SHORT_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2 &&
               ATOMIC_LLONG_LOCK_FREE == 2, \"shared memory needs atomics without locks\");
",
            comment(&TypeName(layout).to_string())
        );
    }

    /// The type of a value outside shared memory.
    fn value_type(&self, leaf: Leaf) -> String {
        match leaf.of_enum {
            Some(number) => self.names[number].clone(),
            None => match leaf.kind {
                ScalarKind::Bool => "bool".to_owned(),
                kind => plain_type(kind).to_owned(),
            },
        }
    }

    fn enumeration(&mut self, number: usize, of: &Enum) {
        let name = self.names[number].clone();
        say!(self, "/* {} */", comment(&of.name));
        say!(self, "typedef {} {name};", plain_type(of.repr));
        let mut known = Vec::new();
        for variant in of.variants {
            let of_variant = format!("{name}_{}", snake(variant.name())).to_uppercase();
            let constant = self.scope.unique(of_variant);
            let bits = descriptor::integer(of.repr, variant.bits());
            say!(self, "#define {constant} (({name}){bits})");
            known.push(format!("value == {constant}"));
        }
        let is_valid = self.scope.unique(format!("{name}_is_valid"));
        let any = match known.is_empty() {
            true => "(void)value, false".to_owned(),
            false => known.join(" || "),
        };
        say!(
            self,
            "/* Whether a value that was read is one of these: another process may have written any. */
static inline bool {is_valid}({name} value)
{{
    return {any};
}}
"
        );
    }

    fn structure(&mut self, number: usize, of: &Struct) {
        let name = self.names[number].clone();
        say!(self, "/* {} */", comment(&of.name));
        if of.members.is_empty() {
            // C has no structs without members.
            say!(self, "typedef struct {name} {name};\n");
        } else {
            say!(self, "typedef struct {name} {{");
            for (place, member) in of.members.iter().enumerate() {
                let align = match place {
                    0 => format!("_Alignas({}) ", of.align),
                    _ => String::new(),
                };
                let declared = self.declared(member);
                let note = self.note(of, member);
                say!(self, "    {align}{declared};{note}");
            }
            say!(self, "}} {name};");
            say!(
                self,
                "_Static_assert(sizeof({name}) == {}u, \"{name} has another size\");",
                of.padded_size()
            );
            say!(
                self,
                "_Static_assert(_Alignof({name}) == {}u, \"{name} has another alignment\");",
                of.align
            );
            for member in &of.members {
                let (ident, offset) = (&member.ident, member.offset);
                say!(
                    self,
                    "_Static_assert(offsetof({name}, {ident}) == {offset}u, \"{name}.{ident} is elsewhere\");"
                );
            }
            self.out.push('\n');
        }
        if let Role::Vec { capacity } = of.role {
            let most = self.scope.unique(format!("{name}_capacity").to_uppercase());
            say!(
                self,
                "/* A length above this is damage. */\n#define {most} {capacity}u\n"
            );
        }
        for member in &of.members {
            self.accessors(&name, member);
        }
        if let Some(tail) = &of.tail {
            self.tail(&name, tail);
        }
        if of.is_value {
            self.copies(number, of);
        }
        match of.role {
            Role::SeqLock { slots } => self.seqlock(&name, of, slots),
            Role::Sync(sync) => {
                say!(
                    self,
                    "/* {name}: the words of a {sync} can be read. Its protocol is not in this header. */\n"
                );
            }
            _ => {}
        }
    }

    /// The name of a field in a comment, where it differs from the identifier, and its level.
    fn note(&self, of: &Struct, member: &Member) -> String {
        let mut notes = Vec::new();
        if member.shape == Shape::Gap {
            return String::new();
        }
        if member.name != member.ident {
            notes.push(format!("`{}`", comment(&member.name)));
        }
        if member.since > 0 {
            notes.push(format!("since level {}", member.since));
        }
        if let Shape::Leaf(Leaf {
            kind: ScalarKind::Char,
            ..
        }) = member.shape
        {
            notes.push("a Unicode scalar value".to_owned());
        }
        if let Shape::Unknown(_) = member.shape {
            notes.push("bytes of a type of a later format".to_owned());
        }
        if matches!(of.role, Role::Sync("Mutex")) && member.name == "value" {
            notes.push("belongs to the holder of the lock".to_owned());
        }
        match notes.is_empty() {
            true => String::new(),
            false => format!(" /* {} */", notes.join(", ")),
        }
    }

    /// The declaration of a member in shared memory.
    fn declared(&self, member: &Member) -> String {
        let dims: String = member.dims.iter().map(|len| format!("[{len}]")).collect();
        let ident = &member.ident;
        match member.shape {
            Shape::Gap => format!("unsigned char {ident}[{}]", member.size),
            Shape::Unknown(len) => format!("unsigned char {ident}{dims}[{len}]"),
            Shape::Text(len) => format!("_Atomic(unsigned char) {ident}{dims}[{len}]"),
            Shape::Struct(number) => format!("{} {ident}{dims}", self.names[number]),
            Shape::Leaf(leaf) => match leaf.kind {
                _ if leaf.kind.size() == 16 => format!("_Atomic(uint64_t) {ident}{dims}[2]"),
                ScalarKind::Bool => format!("_Atomic(uint8_t) {ident}{dims}"),
                kind => format!("_Atomic({}) {ident}{dims}", plain_type(kind)),
            },
        }
    }

    /// Functions that read and write a member.
    fn accessors(&mut self, name: &str, member: &Member) {
        let ident = &member.ident;
        let mut indexes = String::new();
        let mut place = format!("at->{ident}");
        for depth in 0..member.dims.len() {
            let _ = write!(indexes, ", size_t i{depth}");
            let _ = write!(place, "[i{depth}]");
        }
        match member.shape {
            Shape::Gap | Shape::Struct(_) | Shape::Unknown(_) => {}
            Shape::Text(len) => {
                let get = self.scope.unique(format!("{name}_get_{ident}"));
                let set = self.scope.unique(format!("{name}_set_{ident}"));
                say!(
                    self,
                    "\
/* Copies the text, with a NUL at its end, and returns its length. It is UTF-8, unless it was being written or is damaged. */
static inline size_t {get}(const {name} *at{indexes}, char text[{}])
{{
    size_t c = 0;
    for (; c < {len}u; c++) {{
        text[c] = (char)atomic_load_explicit(&{place}[c], memory_order_relaxed);
        if (text[c] == 0) break;
    }}
    text[c] = 0;
    return c;
}}

/* Writes a text. Returns false, and writes nothing, if it is too long or contains a NUL. */
static inline bool {set}({name} *at{indexes}, const char *text, size_t len)
{{
    if (len > {len}u || (len > 0 && memchr(text, 0, len) != NULL)) return false;
    for (size_t c = 0; c < {len}u; c++) {{
        atomic_store_explicit(&{place}[c], (unsigned char)(c < len ? text[c] : 0), memory_order_relaxed);
    }}
    return true;
}}
",
                    len + 1
                );
            }
            Shape::Leaf(leaf) => {
                let get = self.scope.unique(format!("{name}_get_{ident}"));
                let (result, value) = match leaf.kind.size() {
                    16 => ("void".to_owned(), "const uint64_t value[2]".to_owned()),
                    _ => {
                        let of = self.value_type(leaf);
                        (of.clone(), format!("{of} value"))
                    }
                };
                let single = Member {
                    ident: String::new(),
                    name: String::new(),
                    dims: Vec::new(),
                    ..*member
                };
                if leaf.kind.size() == 16 {
                    let copied = copy(self, &single, &place, "value", Direction::Load);
                    say!(
                        self,
                        "/* The halves in the order of their bytes. They may be from two writes. */
static inline void {get}(const {name} *at{indexes}, uint64_t value[2])\n{{\n{copied}}}\n"
                    );
                } else {
                    let loaded = self.load(leaf, &place);
                    say!(
                        self,
                        "static inline {result} {get}(const {name} *at{indexes})\n{{\n    return {loaded};\n}}\n"
                    );
                }
                if leaf.order != Order::Word {
                    let set = self.scope.unique(format!("{name}_set_{ident}"));
                    let stored = copy(self, &single, &place, "value", Direction::Store);
                    say!(
                        self,
                        "static inline void {set}({name} *at{indexes}, {value})\n{{\n{stored}}}\n"
                    );
                }
            }
        }
    }

    fn tail(&mut self, name: &str, tail: &Tail) {
        let of = snake(&tail.name);
        let (elements, len) = (
            self.scope.unique(format!("{name}_{of}")),
            self.scope.unique(format!("{name}_{of}_len")),
        );
        let element = self.names[tail.element].clone();
        let Tail { offset, stride, .. } = tail;
        say!(
            self,
            "\
/* The first of the elements at the end. They are {stride} bytes apart. */
static inline {element} *{elements}(const {name} *at)
{{
    return ({element} *)(void *)((unsigned char *)(uintptr_t)at + {offset}u);
}}

/* The number of elements, from the first 256 bytes of the segment. */
static inline uint64_t {len}(const unsigned char header[256])
{{
    uint64_t elements;
    memcpy(&elements, header + 64, 8);
    return elements;
}}
"
        );
    }

    /// The struct of a value, and copies of it.
    fn copies(&mut self, number: usize, of: &Struct) {
        let (name, value) = (self.names[number].clone(), self.values[number].clone());
        let (load, store) = (self.loads[number].clone(), self.stores[number].clone());
        say!(
            self,
            "/* A value of {name}, outside shared memory. */\ntypedef struct {value} {{"
        );
        for member in &of.members {
            let declared = self.declared_value(member, &member.ident);
            say!(self, "    {declared};");
        }
        say!(self, "}} {value};\n");
        let (mut loads, mut stores) = (String::new(), String::new());
        for member in &of.members {
            let ident = &member.ident;
            let (place, of_value) = (format!("at->{ident}"), format!("value->{ident}"));
            loads += &copy(self, member, &place, &of_value, Direction::Load);
            stores += &copy(self, member, &place, &of_value, Direction::Store);
        }
        say!(
            self,
            "/* Number by number: a value that is written meanwhile may be read partly old and partly new. */
static inline void {load}(const {name} *at, {value} *value)
{{
{loads}}}

static inline void {store}({name} *at, const {value} *value)
{{
{stores}}}
"
        );
    }

    /// The declaration of a member outside shared memory.
    fn declared_value(&self, member: &Member, ident: &str) -> String {
        let dims: String = member.dims.iter().map(|len| format!("[{len}]")).collect();
        match member.shape {
            Shape::Gap => format!("unsigned char {ident}[{}]", member.size),
            Shape::Unknown(len) => format!("unsigned char {ident}{dims}[{len}]"),
            Shape::Text(len) => format!("char {ident}{dims}[{len}]"),
            Shape::Struct(number) => format!("{} {ident}{dims}", self.values[number]),
            Shape::Leaf(leaf) if leaf.kind.size() == 16 => format!("uint64_t {ident}{dims}[2]"),
            Shape::Leaf(leaf) => format!("{} {ident}{dims}", self.value_type(leaf)),
        }
    }

    fn seqlock(&mut self, name: &str, of: &Struct, slots: usize) {
        let read = self.scope.unique(format!("{name}_read"));
        let Some(value) = seqlock_value(self.unit, of) else {
            say!(self, "/* {name}: its value cannot be copied. */\n");
            return;
        };
        let is_single = value.dims.is_empty()
            && !matches!(value.shape, Shape::Text(_))
            && !matches!(value.shape, Shape::Leaf(leaf) if leaf.kind.size() == 16);
        let (parameter, target) = match is_single {
            true => (self.declared_value(value, "*value"), "*value"),
            false => (self.declared_value(value, "value"), "value"),
        };
        let place = format!("at->slots[seen % {slots}u].{}", value.ident);
        let copied = match value.shape {
            // The function takes a pointer.
            Shape::Struct(number) if value.dims.is_empty() => {
                format!("    {}(&{place}, value);\n", self.loads[number])
            }
            _ => copy(self, value, &place, target, Direction::Load),
        };
        let copied = copied.replace('\n', "\n    ").trim_end().to_owned();
        say!(
            self,
            "\
/* Reads the committed value. Returns false, with an unspecified value, if it changed during each of many attempts. Waits for no
 * one and writes nothing to the segment. Writing takes a claim, which is a protocol that is not in this header. */
static inline bool {read}(const {name} *at, {parameter})
{{
    for (int attempt = 0; attempt < 10000; attempt++) {{
        uint64_t seen = atomic_load_explicit(&at->version, memory_order_acquire);
    {copied}
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(&at->version, memory_order_relaxed) - seen < {}u) return true;
    }}
    return false;
}}
",
            slots - 1
        );
    }

    fn descriptor(&mut self, layout: &TypeLayout, root: &str) {
        let upper = root.to_uppercase();
        let schema = descriptor::schema(layout);
        let fingerprints = descriptor::fingerprints(layout);
        let all: Vec<String> = fingerprints
            .iter()
            .map(|fingerprint| format!("UINT64_C(0x{fingerprint:016x})"))
            .collect();
        let null = "NULL";
        let found = descriptor::find(
            layout,
            &Names {
                fingerprints: &format!("{root}_fingerprints"),
                null,
                cast: |ty, of| format!("({ty}){of}"),
            },
        );
        say!(
            self,
            "\
#define {upper}_SIZE {}u
#define {upper}_LEVEL {}u

/* The schema, as segments have it, followed by the records of the levels. */
static const unsigned char {root}_schema[{}] = {{
{}}};

/* The fingerprint of each level. */
static const uint64_t {root}_fingerprints[{}] = {{{}}};

/* Returns the payload of a mapped segment, or NULL if the segment has another type, or is damaged. `header` is the first 256
 * bytes as pread has read them, `map` the whole file, `len` its length. Write only through a mapping that allows it. */
static inline {root} *{root}_find(const unsigned char header[256], void *map, uint64_t len)
{{
{found}    return ({root} *)(void *)((unsigned char *)map + offset);
}}

#endif",
            layout.size(),
            layout.level(),
            schema.len().max(1),
            descriptor::bytes(if schema.is_empty() { &[0] } else { &schema }),
            all.len(),
            all.join(", ")
        );
    }
}

/// The value in the slots of a sequence lock, if it can be copied.
pub(super) fn seqlock_value<'a>(unit: &'a Unit, of: &Struct) -> Option<&'a Member> {
    let slots = of.members.iter().find(|member| member.name == "slots")?;
    let Shape::Struct(slot) = slots.shape else {
        return None;
    };
    let Type::Struct(slot) = &unit.types[slot] else {
        return None;
    };
    let value = slot.members.iter().find(|member| member.name == "value")?;
    let is_value = match value.shape {
        Shape::Gap | Shape::Unknown(_) => false,
        Shape::Leaf(leaf) => leaf.order == Order::Relaxed,
        Shape::Text(_) => true,
        Shape::Struct(number) => matches!(&unit.types[number], Type::Struct(of) if of.is_value),
    };
    is_value.then_some(value)
}

/// The type of a number in C. A `bool` is a byte.
pub(super) const fn plain_type(kind: ScalarKind) -> &'static str {
    match kind {
        ScalarKind::U8 | ScalarKind::Bool => "uint8_t",
        ScalarKind::U16 => "uint16_t",
        ScalarKind::U32 | ScalarKind::Char => "uint32_t",
        ScalarKind::U64 | ScalarKind::U128 | ScalarKind::I128 => "uint64_t",
        ScalarKind::I8 => "int8_t",
        ScalarKind::I16 => "int16_t",
        ScalarKind::I32 => "int32_t",
        ScalarKind::I64 => "int64_t",
        ScalarKind::F32 => "float",
        ScalarKind::F64 => "double",
    }
}
