//! A header for C++17.

use std::fmt::Write;

use super::c::{plain_type, seqlock_value};
use super::copies::{Direction, Places, copy};
use super::descriptor::{self, Names};
use super::model::{Enum, Leaf, Member, Order, Role, Shape, Struct, Tail, Type, Unit, unit};
use super::names::{self, Scope, camel, comment, member};
use crate::layout::{ScalarKind, TypeLayout, TypeName};

/// Places in shared memory. All generated headers have this part in common.
const SUPPORT: &str = "\
#ifndef TSHM_LAYOUT_CELLS_1
#define TSHM_LAYOUT_CELLS_1
namespace tshm_layout {

/* What a number is stored as: a bool is a byte, which is true if it is not 0. */
template <class T> struct stored { using type = T; static T from(T raw) { return raw; } static T to(T value) { return value; } };
template <> struct stored<bool> {
    using type = std::uint8_t;
    static bool from(type raw) { return raw != 0; }
    static type to(bool value) { return value ? 1 : 0; }
};

/* A number in shared memory. Each access is a single one. */
template <class T> class cell {
    using raw = typename stored<T>::type;
    alignas(sizeof(raw)) raw raw_;
public:
    cell(const cell &) = delete;
    cell &operator=(const cell &) = delete;
    T get() const noexcept { raw value; __atomic_load(&raw_, &value, __ATOMIC_RELAXED); return stored<T>::from(value); }
    void set(T value) noexcept { raw of = stored<T>::to(value); __atomic_store(&raw_, &of, __ATOMIC_RELAXED); }
};

/* A word of a lock or a queue, which its protocol writes. */
template <class T> class word {
    alignas(sizeof(T)) T raw_;
public:
    word(const word &) = delete;
    word &operator=(const word &) = delete;
    T get(int order = __ATOMIC_ACQUIRE) const noexcept { return __atomic_load_n(&raw_, order); }
};

/* An atomic in shared memory. */
template <class T> class atomic {
    using raw = typename stored<T>::type;
    alignas(sizeof(raw)) raw raw_;
public:
    atomic(const atomic &) = delete;
    atomic &operator=(const atomic &) = delete;
    T load() const noexcept { raw value; __atomic_load(&raw_, &value, __ATOMIC_ACQUIRE); return stored<T>::from(value); }
    void store(T value) noexcept { raw of = stored<T>::to(value); __atomic_store(&raw_, &of, __ATOMIC_RELEASE); }
    T exchange(T value) noexcept
    {
        raw of = stored<T>::to(value), before;
        __atomic_exchange(&raw_, &of, &before, __ATOMIC_ACQ_REL);
        return stored<T>::from(before);
    }
    T fetch_add(T by) noexcept { return __atomic_fetch_add(&raw_, by, __ATOMIC_ACQ_REL); }
    bool compare_exchange(T &expected, T value) noexcept
    {
        raw seen = stored<T>::to(expected), of = stored<T>::to(value);
        bool done = __atomic_compare_exchange(&raw_, &seen, &of, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
        expected = stored<T>::from(seen);
        return done;
    }
};

/* A text of at most N bytes, in UTF-8. */
template <std::size_t N> class text {
    unsigned char raw_[N];
public:
    text(const text &) = delete;
    text &operator=(const text &) = delete;
    char byte(std::size_t at) const noexcept { return static_cast<char>(__atomic_load_n(&raw_[at], __ATOMIC_RELAXED)); }
    void set_byte(std::size_t at, char value) noexcept
    {
        __atomic_store_n(&raw_[at], static_cast<unsigned char>(value), __ATOMIC_RELAXED);
    }
    std::string get() const
    {
        std::string out;
        for (std::size_t at = 0; at < N; at++) {
            char found = byte(at);
            if (found == 0) break;
            out.push_back(found);
        }
        return out;
    }
    /* Returns false, and writes nothing, if the text is too long or contains a NUL. */
    bool set(std::string_view value) noexcept
    {
        if (value.size() > N || value.find('\\0') != value.npos) return false;
        for (std::size_t at = 0; at < N; at++) set_byte(at, at < value.size() ? value[at] : '\\0');
        return true;
    }
};

} // namespace tshm_layout
#endif
";

pub(super) fn header(layout: &'static TypeLayout) -> String {
    let unit = unit(layout);
    let root = match unit.types.last() {
        Some(Type::Struct(of)) => of.name.as_str(),
        _ => "Payload",
    };
    let space = names::root(root);
    let mut scope = Scope::default();
    for name in [
        "load",
        "store",
        "read",
        "find",
        "is_valid",
        "schema",
        "fingerprints",
        "size",
        "level",
        "at",
        "size_t",
    ] {
        scope.reserve(name);
    }
    // The namespace is no type, and a type of its name would hide it.
    scope.reserve(&space);
    let root = scope.unique(camel(root));
    let mut names = Vec::new();
    for (number, of) in unit.types.iter().enumerate() {
        names.push(match of {
            Type::Struct(_) if number + 1 == unit.types.len() => root.clone(),
            Type::Struct(Struct { name, .. }) | Type::Enum(Enum { name, .. }) => {
                scope.unique(camel(name))
            }
        });
    }
    let values: Vec<String> = names
        .iter()
        .map(|name| scope.unique(format!("{name}Value")))
        .collect();
    let mut writer = Writer {
        unit: &unit,
        names,
        values,
        scope,
        out: String::new(),
    };
    writer.head(layout, &space);
    for (number, of) in unit.types.iter().enumerate() {
        match of {
            Type::Enum(of) => writer.enumeration(number, of),
            Type::Struct(of) => writer.structure(number, of),
        }
    }
    writer.descriptor(layout, &space, &root);
    writer.out
}

struct Writer<'a> {
    unit: &'a Unit,
    /// The names of the types, and of those of their values.
    names: Vec<String>,
    values: Vec<String>,
    /// The names in the namespace.
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
        // The bytes of a text have their own function.
        match place.ends_with(')') {
            true => place.to_owned(),
            false => match leaf.order {
                Order::Ordered => format!("{place}.load()"),
                Order::Relaxed | Order::Word => format!("{place}.get()"),
            },
        }
    }

    fn store(&self, leaf: Leaf, place: &str, value: &str) -> String {
        match place.strip_suffix("byte(c)") {
            Some(text) => {
                let value = value.trim_start_matches("(unsigned char)");
                format!("{text}set_byte(c, {value});")
            }
            None => match leaf.order {
                Order::Ordered => format!("{place}.store({value});"),
                Order::Relaxed | Order::Word => format!("{place}.set({value});"),
            },
        }
    }

    fn half(&self, place: &str, half: usize) -> String {
        format!("{place}[{half}]")
    }

    fn byte(&self, place: &str, at: &str) -> String {
        format!("{place}.byte({at})")
    }

    fn load_struct(&self, _: usize, place: &str, value: &str) -> String {
        format!("load({place}, {value});")
    }

    fn store_struct(&self, _: usize, place: &str, value: &str) -> String {
        format!("store({place}, {value});")
    }
}

impl Writer<'_> {
    fn head(&mut self, layout: &TypeLayout, space: &str) {
        let guard = format!("{}_LAYOUT_HPP", space.to_uppercase());
        let (byte_order, order) = if cfg!(target_endian = "big") {
            ("__ORDER_BIG_ENDIAN__", "big")
        } else {
            ("__ORDER_LITTLE_ENDIAN__", "little")
        };
        say!(
            self,
            "\
/* The layout of `{}`, generated from its schema. C++17; do not edit.
 *
 * A program that maps a segment itself opens it with shm_open, reads its first 256 bytes with pread, maps all of it, and calls
 * {space}::find. Creators take a segment for left over that nobody holds a lock on: hold a shared open file description lock on
 * byte 0xffffffffff while you use it. Taking locks, sending and receiving are protocols of the library libtshm, to which
 * {space}::schema and {space}::fingerprints describe the type. They are not in this header.
 *
 * Any process may write any bytes: check an index before you use it.
 */
#ifndef {guard}
#define {guard}

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != {byte_order}
#error \"this layout is that of a {order}-endian machine\"
#endif

{SUPPORT}
namespace {space} {{

using std::size_t;
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
                ScalarKind::Char => "char32_t".to_owned(),
                ScalarKind::F32 | ScalarKind::F64 => plain_type(leaf.kind).to_owned(),
                kind => format!("std::{}", plain_type(kind)),
            },
        }
    }

    fn enumeration(&mut self, number: usize, of: &Enum) {
        let name = self.names[number].clone();
        say!(self, "/* {} */", comment(&of.name));
        say!(self, "enum class {name} : std::{} {{", plain_type(of.repr));
        let mut scope = Scope::default();
        let mut known = Vec::new();
        for variant in of.variants {
            let constant = scope.unique(member(variant.name()));
            let bits = descriptor::integer(of.repr, variant.bits());
            say!(self, "    {constant} = {bits},");
            known.push(format!("value == {name}::{constant}"));
        }
        let any = match known.is_empty() {
            true => "(void)value, false".to_owned(),
            false => known.join(" || "),
        };
        say!(
            self,
            "}};

/* Whether a value that was read is one of these: another process may have written any. */
inline bool is_valid({name} value) noexcept
{{
    return {any};
}}
"
        );
    }

    /// Names of members that are not those of types, which would change what those mean.
    fn idents(&self, of: &Struct) -> Vec<String> {
        let mut scope = Scope::default();
        for name in self.names.iter().chain(&self.values) {
            scope.reserve(name);
        }
        scope.reserve("CAPACITY");
        let members = of.members.iter();
        members
            .map(|member| scope.unique(member.ident.clone()))
            .collect()
    }

    fn structure(&mut self, number: usize, of: &Struct) {
        let name = self.names[number].clone();
        say!(self, "/* {} */", comment(&of.name));
        let idents = self.idents(of);
        if of.members.is_empty() {
            say!(self, "struct {name};\n");
        } else {
            say!(self, "struct {name} {{");
            if let Role::Vec { capacity } = of.role {
                say!(
                    self,
                    "    /* A length above this is damage. */\n    static constexpr size_t CAPACITY = {capacity}u;"
                );
            }
            for (place, (member, ident)) in of.members.iter().zip(&idents).enumerate() {
                let align = match place {
                    0 => format!("alignas({}) ", of.align),
                    _ => String::new(),
                };
                let declared = self.declared(member, ident);
                let mut notes = Vec::new();
                if member.shape != Shape::Gap && member.name != *ident {
                    notes.push(format!("`{}`", comment(&member.name)));
                }
                if member.since > 0 {
                    notes.push(format!("since level {}", member.since));
                }
                if let Shape::Unknown(_) = member.shape {
                    notes.push("bytes of a type of a later format".to_owned());
                }
                if of.role == Role::Sync("Mutex") && member.name == "value" {
                    notes.push("belongs to the holder of the lock".to_owned());
                }
                let note = match notes.is_empty() {
                    true => String::new(),
                    false => format!(" /* {} */", notes.join(", ")),
                };
                say!(self, "    {align}{declared};{note}");
            }
            say!(self, "}};");
            say!(
                self,
                "static_assert(sizeof({name}) == {}u, \"{name} has another size\");",
                of.padded_size()
            );
            say!(
                self,
                "static_assert(alignof({name}) == {}u, \"{name} has another alignment\");",
                of.align
            );
            for (member, ident) in of.members.iter().zip(&idents) {
                let offset = member.offset;
                say!(
                    self,
                    "static_assert(offsetof({name}, {ident}) == {offset}u, \"{name}::{ident} is elsewhere\");"
                );
            }
            self.out.push('\n');
        }
        if let Some(tail) = &of.tail {
            self.tail(&name, tail);
        }
        if of.is_value {
            self.copies(number, of, &idents);
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

    /// The declaration of a member in shared memory.
    fn declared(&self, member: &Member, ident: &str) -> String {
        let dims: String = member.dims.iter().map(|len| format!("[{len}]")).collect();
        match member.shape {
            Shape::Gap => format!("unsigned char {ident}[{}]", member.size),
            Shape::Unknown(len) => format!("unsigned char {ident}{dims}[{len}]"),
            Shape::Text(len) => format!("tshm_layout::text<{len}> {ident}{dims}"),
            Shape::Struct(number) => format!("{} {ident}{dims}", self.names[number]),
            Shape::Leaf(leaf) => {
                let of = self.value_type(leaf);
                let cell = match leaf.order {
                    Order::Relaxed => "cell",
                    Order::Ordered => "atomic",
                    Order::Word => "word",
                };
                // In the order of their bytes; they may be from two writes.
                let halves = if leaf.kind.size() == 16 { "[2]" } else { "" };
                format!("tshm_layout::{cell}<{of}> {ident}{dims}{halves}")
            }
        }
    }

    /// The declaration of a member outside shared memory.
    fn declared_value(&self, member: &Member, ident: &str) -> String {
        let dims: String = member.dims.iter().map(|len| format!("[{len}]")).collect();
        match member.shape {
            Shape::Gap => format!("unsigned char {ident}[{}]", member.size),
            Shape::Unknown(len) => format!("unsigned char {ident}{dims}[{len}]"),
            Shape::Text(len) => format!("char {ident}{dims}[{len}]"),
            Shape::Struct(number) => format!("{} {ident}{dims}", self.values[number]),
            Shape::Leaf(leaf) => {
                let halves = if leaf.kind.size() == 16 { "[2]" } else { "" };
                format!("{} {ident}{dims}{halves}", self.value_type(leaf))
            }
        }
    }

    fn tail(&mut self, name: &str, tail: &Tail) {
        let elements = self.scope.unique(member(&tail.name));
        let len = self.scope.unique(format!("{elements}_len"));
        let element = self.names[tail.element].clone();
        let Tail { offset, stride, .. } = tail;
        say!(
            self,
            "\
/* The first of the elements at the end. They are {stride} bytes apart. */
inline {element} *{elements}({name} *at) noexcept
{{
    return reinterpret_cast<{element} *>(reinterpret_cast<unsigned char *>(at) + {offset}u);
}}

inline const {element} *{elements}(const {name} *at) noexcept
{{
    return reinterpret_cast<const {element} *>(reinterpret_cast<const unsigned char *>(at) + {offset}u);
}}

/* The number of elements, from the first 256 bytes of the segment. */
inline std::uint64_t {len}(const unsigned char (&header)[256]) noexcept
{{
    std::uint64_t elements;
    std::memcpy(&elements, header + 64, 8);
    return elements;
}}
"
        );
    }

    /// The struct of a value, and copies of it.
    fn copies(&mut self, number: usize, of: &Struct, idents: &[String]) {
        let (name, value) = (self.names[number].clone(), self.values[number].clone());
        say!(
            self,
            "/* A value of {name}, outside shared memory. */\nstruct {value} {{"
        );
        for (member, ident) in of.members.iter().zip(idents) {
            let declared = self.declared_value(member, ident);
            say!(self, "    {declared};");
        }
        say!(self, "}};\n");
        let (mut loads, mut stores) = (String::new(), String::new());
        for (member, ident) in of.members.iter().zip(idents) {
            let (place, of_value) = (format!("at.{ident}"), format!("value.{ident}"));
            loads += &copy(self, member, &place, &of_value, Direction::Load);
            stores += &copy(self, member, &place, &of_value, Direction::Store);
        }
        say!(
            self,
            "/* Number by number: a value that is written meanwhile may be read partly old and partly new. */
inline void load(const {name} &at, {value} &value) noexcept
{{
{loads}}}

inline void store({name} &at, const {value} &value) noexcept
{{
{stores}}}
"
        );
    }

    fn seqlock(&mut self, name: &str, of: &Struct, slots: usize) {
        let Some(value) = seqlock_value(self.unit, of) else {
            say!(self, "/* {name}: its value cannot be copied. */\n");
            return;
        };
        let parameter = self.declared_value(value, "(&value)");
        let copied = copy(
            self,
            value,
            &format!("at.slots[seen % {slots}u].{}", value.ident),
            "value",
            Direction::Load,
        );
        let copied = copied.replace('\n', "\n    ").trim_end().to_owned();
        say!(
            self,
            "\
/* Reads the committed value. Returns false, with an unspecified value, if it changed during each of many attempts. Waits for no
 * one and writes nothing to the segment. Writing takes a claim, which is a protocol that is not in this header. */
inline bool read(const {name} &at, {parameter}) noexcept
{{
    for (int attempt = 0; attempt < 10000; attempt++) {{
        std::uint64_t seen = at.version.get();
    {copied}
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (at.version.get(__ATOMIC_RELAXED) - seen < {}u) return true;
    }}
    return false;
}}
",
            slots - 1
        );
    }

    fn descriptor(&mut self, layout: &TypeLayout, space: &str, root: &str) {
        let schema = descriptor::schema(layout);
        let fingerprints = descriptor::fingerprints(layout);
        let all: Vec<String> = fingerprints
            .iter()
            .map(|fingerprint| format!("UINT64_C(0x{fingerprint:016x})"))
            .collect();
        let found = descriptor::find(
            layout,
            &Names {
                fingerprints: "fingerprints",
                null: "nullptr",
                cast: |ty, of| format!("static_cast<{ty}>({of})"),
            },
        );
        say!(
            self,
            "\
constexpr std::uint64_t size = {}u;
constexpr std::uint32_t level = {}u;

/* The schema, as segments have it, followed by the records of the levels. */
inline constexpr unsigned char schema[{}] = {{
{}}};

/* The fingerprint of each level. */
inline constexpr std::uint64_t fingerprints[{}] = {{{}}};

/* Returns the payload of a mapped segment, or nullptr if the segment has another type, or is damaged. `header` is the first 256
 * bytes as pread has read them, `map` the whole file, `len` its length. Write only through a mapping that allows it. */
inline {root} *find(const unsigned char (&header)[256], void *map, std::uint64_t len) noexcept
{{
    using std::memcmp;
    using std::memcpy;
{found}    return reinterpret_cast<{root} *>(static_cast<unsigned char *>(map) + offset);
}}

}} // namespace {space}

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
