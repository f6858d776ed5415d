//! Divides a layout into spans of bytes.

use std::collections::HashMap;

use shm_core::TypeLayout;
use shm_core::layout::{FieldLayout, LayoutKind};

use super::Subject;
use crate::output::{bare, type_name};

/// The most spans, so that a picture of many elements stays bounded.
const MOST: usize = 2000;
/// Arrays of structs with at most this many elements are shown in full.
const FEW: usize = 4;
/// Unless one of them takes more spans than this.
const MANY: usize = 16;

/// Bytes that belong together.
#[derive(Debug)]
pub(in super::super) struct Span {
    /// Bytes from the start of the payload.
    pub(in super::super) offset: usize,
    pub(in super::super) size: usize,
    /// In the syntax of paths. Empty for bytes of no field.
    pub(in super::super) path: String,
    /// The number among the spans that are not padding.
    pub(in super::super) number: usize,
    /// What to write into the span.
    pub(in super::super) label: String,
    /// The type, with any characters.
    pub(in super::super) type_name: String,
    pub(in super::super) kind: Kind,
    /// The number of the part of the subject that it belongs to, for colors.
    pub(in super::super) group: usize,
    pub(in super::super) writer: Writer,
    /// What writes it, in words. Empty if nothing is known.
    pub(in super::super) role: &'static str,
    /// The level that has added it.
    pub(in super::super) since: u32,
}

/// What a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Kind {
    /// A value, or several equal ones.
    Value,
    /// A field that only fills bytes, by its name.
    Reserved,
    /// Bytes of no field.
    Padding,
}

impl Kind {
    pub(in super::super) const fn name(self) -> &'static str {
        match self {
            Self::Value => "field",
            Self::Reserved => "reserved",
            Self::Padding => "padding",
        }
    }
}

/// Which processes write a span, as far as its type tells: those with the same writer agree among themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Writer {
    Nobody,
    /// Some process, or several: numbers without a protocol.
    Plain,
    /// The users of the object with this number.
    Object(usize),
}

/// An atomic or a type of `shm_core::sync`: something that several processes write.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) path: String,
    pub(super) type_name: String,
    /// The number of the array whose element it is or is in.
    pub(super) array: Option<usize>,
}

/// An array with objects in its elements.
#[derive(Debug)]
pub(super) struct ObjectArray {
    pub(super) path: String,
    pub(super) type_name: String,
    pub(super) offset: usize,
    pub(super) len: usize,
    pub(super) stride: usize,
}

/// All that was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) spans: Vec<Span>,
    pub(super) objects: Vec<Object>,
    pub(super) arrays: Vec<ObjectArray>,
}

/// What is known about a part from the parts around it.
#[derive(Clone, Copy)]
struct Around {
    group: usize,
    writer: Writer,
    role: &'static str,
    since: u32,
    array: Option<usize>,
}

pub(super) fn spans(subject: &Subject, full: bool) -> Found {
    let mut walk = Walk {
        found: Found::default(),
        tail: subject.tail,
        full,
        depth: 0,
    };
    let around = Around {
        group: 0,
        writer: Writer::Plain,
        role: "",
        since: 0,
        array: None,
    };
    let offset = subject.offset;
    match subject.len {
        Some(len) => walk.elements(subject.layout, len, offset, "", around, String::new()),
        None => walk.part(subject.layout, offset, "", ".", around),
    }
    // Zero-sized fields have no place in a picture of bytes.
    walk.found.spans.retain(|span| span.size > 0);
    let spans = walk.found.spans.iter_mut();
    for (number, span) in spans.filter(|span| span.kind != Kind::Padding).enumerate() {
        span.number = number;
    }
    divide_groups(&mut walk.found.spans);
    walk.found
}

/// Gives the fields of a part that has many spans groups of their own, so that the picture of a large struct in a field, or in an
/// array, has more than one color. The words of a type of the library stay together.
fn divide_groups(spans: &mut [Span]) {
    let mut counts: HashMap<usize, usize> = HashMap::new();
    for span in &*spans {
        if span.writer == Writer::Plain {
            *counts.entry(span.group).or_default() += 1;
        }
    }
    let is_large = |group| counts.get(&group).is_some_and(|count| *count > MANY);
    if !spans.iter().any(|span| is_large(span.group)) {
        return;
    }
    let (mut group, mut last) = (0, None);
    for span in spans {
        // Padding is of the part before it.
        if span.path.is_empty() {
            span.group = group;
            continue;
        }
        let mut part = "";
        if is_large(span.group) {
            let end = span.path.match_indices('.').nth(1);
            part = &span.path[..end.map_or(span.path.len(), |(at, _)| at)];
            // The elements of an array stay together.
            if let Some((array, _)) = part.rsplit_once('[').filter(|_| part.ends_with(']')) {
                part = array;
            }
        }
        let key = (span.group, part.to_owned());
        if last.as_ref().is_some_and(|last| *last != key) {
            group += 1;
        }
        span.group = group;
        last = Some(key);
    }
}

struct Walk {
    found: Found,
    tail: usize,
    full: bool,
    /// How many parts are around the current one.
    depth: usize,
}

impl Walk {
    /// Adds the spans of a value. `path` leads to it, and is empty for the subject; `label` is its name.
    fn part(
        &mut self,
        layout: &'static TypeLayout,
        offset: usize,
        path: &str,
        label: &str,
        around: Around,
    ) {
        if self.found.spans.len() >= MOST && self.depth > 0 {
            let around = match contains_object(layout) {
                true => self.object(layout, path, around),
                false => around,
            };
            return self.leaf(layout, offset, path, label, around);
        }
        self.depth += 1;
        match layout.kind() {
            LayoutKind::Struct { fields, .. } => {
                self.fields(fields, layout, offset, path, |_| around)
            }
            LayoutKind::Array { element, len, .. } => {
                self.elements(element, len, offset, path, around, type_name(layout));
            }
            LayoutKind::Slice { element, .. } => {
                let len = self.tail;
                self.elements(element, len, offset, path, around, type_name(layout));
            }
            LayoutKind::Scalar(scalar) if scalar.is_atomic() => {
                let around = self.object(layout, path, around);
                self.leaf(layout, offset, path, label, around);
            }
            LayoutKind::Meaning { meaning, inner, .. } => {
                self.meaning(meaning, inner, layout, offset, (path, label), around);
            }
            _ => self.leaf(layout, offset, path, label, around),
        }
        self.depth -= 1;
    }

    /// Adds a type of the library.
    fn meaning(
        &mut self,
        meaning: &str,
        inner: &'static TypeLayout,
        layout: &'static TypeLayout,
        offset: usize,
        (path, label): (&str, &str),
        around: Around,
    ) {
        match meaning {
            "str" | "offset" => self.leaf(layout, offset, path, label, around),
            "event" | "semaphore" => {
                let around = self.object(layout, path, around);
                self.leaf(layout, offset, path, label, around);
            }
            "mutex" | "ring" | "seqlock" | "broadcast" | "barrier" => {
                let around = self.object(layout, path, around);
                self.fields(inner.fields(), layout, offset, path, |word| Around {
                    role: role(meaning, word),
                    ..around
                });
            }
            _ => self.part(inner, offset, path, label, around),
        }
    }

    /// Adds the fields of a struct, and the padding between them.
    fn fields(
        &mut self,
        fields: &'static [FieldLayout],
        of: &TypeLayout,
        offset: usize,
        path: &str,
        around: impl Fn(&str) -> Around,
    ) {
        let mut sorted: Vec<(usize, &FieldLayout)> = fields.iter().enumerate().collect();
        sorted.sort_by_key(|(_, field)| field.offset());
        let is_top = self.depth == 1;
        let mut end = 0;
        let mut group = around("").group;
        for (number, field) in sorted {
            let name = bare(field.name());
            let mut around = around(field.name());
            if is_top {
                around.group = number;
                around.since = field.since();
            }
            group = around.group;
            self.padding(offset + end, offset + field.offset(), around);
            let path = match path {
                "" => name.clone(),
                path => format!("{path}.{name}"),
            };
            let at = offset + field.offset();
            self.part(field.layout(), at, &path, &name, around);
            let tail = match field.layout().kind() {
                LayoutKind::Slice { element, .. } => self.tail * element.size(),
                _ => 0,
            };
            end = end.max(field.offset() + field.layout().size() + tail);
        }
        let around = Around {
            group,
            ..around("")
        };
        self.padding(offset + end, offset + of.size(), around);
    }

    /// Adds the elements of an array.
    fn elements(
        &mut self,
        element: &'static TypeLayout,
        len: usize,
        offset: usize,
        path: &str,
        around: Around,
        array_name: String,
    ) {
        let size = element.size();
        // They have no place in a picture of bytes, and a schema can give them any number.
        if size == 0 {
            return;
        }
        let has_objects = contains_object(element) && len > 0;
        let mut around = around;
        if has_objects && around.array.is_none() && !matches!(around.writer, Writer::Object(_)) {
            around.array = Some(self.found.arrays.len());
            self.found.arrays.push(ObjectArray {
                path: path.to_owned(),
                type_name: type_name(element),
                offset,
                len,
                stride: size,
            });
        }
        let label = path.rsplit('.').next().unwrap_or(path).to_owned();
        if is_flat(element) {
            let around = match has_objects {
                true => self.object(element, path, around),
                false => around,
            };
            return self.push(Span {
                offset,
                size: size * len,
                path: path.to_owned(),
                label,
                type_name: match array_name.is_empty() {
                    true => format!("[{}; {len}]", type_name(element)),
                    false => array_name,
                },
                ..span(Kind::Value, around)
            });
        }
        let is_slots = matches!(around.writer, Writer::Object(_));
        let shown = match len {
            _ if self.full => len,
            0..=FEW if !is_slots => len,
            _ => 1,
        };
        let before = self.found.spans.len();
        let mut next = 0;
        while next < shown && (next == 0 || self.found.spans.len() < MOST) {
            let path = format!("{path}[{next}]");
            self.part(element, offset + next * size, &path, &path, around);
            next += 1;
            if !self.full && self.found.spans.len() - before > MANY {
                break;
            }
        }
        if next == len {
            return;
        }
        let range = match len - next {
            1 => format!("[{next}]"),
            _ => format!("[{next}..{len}]"),
        };
        let around = match has_objects {
            true => self.object(element, &format!("{path}{range}"), around),
            false => around,
        };
        self.push(Span {
            offset: offset + next * size,
            size: (len - next) * size,
            path: format!("{path}{range}"),
            label: format!("{label}{range}"),
            type_name: match len - next {
                1 => type_name(element),
                _ => format!("{}, every {size} bytes", type_name(element)),
            },
            ..span(Kind::Value, around)
        });
    }

    /// Registers an object, unless it is a part of one.
    fn object(&mut self, layout: &TypeLayout, path: &str, around: Around) -> Around {
        if matches!(around.writer, Writer::Object(_)) {
            return around;
        }
        self.found.objects.push(Object {
            path: match path {
                "" => ".".to_owned(),
                path => path.to_owned(),
            },
            type_name: type_name(layout),
            array: around.array,
        });
        Around {
            writer: Writer::Object(self.found.objects.len() - 1),
            role: "several",
            ..around
        }
    }

    fn leaf(
        &mut self,
        layout: &TypeLayout,
        offset: usize,
        path: &str,
        label: &str,
        around: Around,
    ) {
        self.push(Span {
            offset,
            size: layout.size(),
            path: path.to_owned(),
            label: label.to_owned(),
            type_name: type_name(layout),
            ..span(Kind::Value, around)
        });
    }

    fn padding(&mut self, start: usize, end: usize, around: Around) {
        if end > start {
            self.push(Span {
                offset: start,
                size: end - start,
                ..span(Kind::Padding, around)
            });
        }
    }

    fn push(&mut self, mut span: Span) {
        let name = span.path.rsplit('.').next().unwrap_or_default();
        if span.writer == Writer::Plain
            && (name.starts_with("_pad") || name.starts_with("_reserved"))
        {
            span.kind = Kind::Reserved;
        }
        if span.kind != Kind::Value {
            span.writer = Writer::Nobody;
            span.role = "";
        }
        self.found.spans.push(span);
    }
}

impl Span {
    pub(in super::super) const fn end(&self) -> usize {
        self.offset + self.size
    }
}

/// A span without bytes.
fn span(kind: Kind, around: Around) -> Span {
    Span {
        offset: 0,
        size: 0,
        path: String::new(),
        number: 0,
        label: String::new(),
        type_name: String::new(),
        kind,
        group: around.group,
        writer: around.writer,
        role: around.role,
        since: around.since,
    }
}

/// Whether a value of the type is shown as one span, and so are several of them.
fn is_flat(layout: &TypeLayout) -> bool {
    match layout.kind() {
        LayoutKind::Scalar(_) | LayoutKind::Enum { .. } | LayoutKind::Unknown { .. } => true,
        LayoutKind::Array { element, .. } => is_flat(element),
        LayoutKind::Meaning { meaning, .. } => {
            matches!(meaning, "str" | "offset" | "event" | "semaphore")
        }
        _ => false,
    }
}

/// Whether several processes write a value of the type, by what it is.
fn contains_object(layout: &TypeLayout) -> bool {
    match layout.kind() {
        LayoutKind::Scalar(scalar) => scalar.is_atomic(),
        LayoutKind::Array { element, .. } | LayoutKind::Slice { element, .. } => {
            contains_object(element)
        }
        LayoutKind::Struct { fields, .. } => {
            fields.iter().any(|field| contains_object(field.layout()))
        }
        LayoutKind::Meaning { meaning, inner, .. } => match meaning {
            "str" | "offset" | "vec" => false,
            "mutex" | "ring" | "seqlock" | "broadcast" | "barrier" | "event" | "semaphore" => true,
            _ => contains_object(inner),
        },
        _ => false,
    }
}

/// What writes a word of a type of the library.
fn role(meaning: &str, word: &str) -> &'static str {
    match (meaning, word) {
        ("mutex", "claim") => "holder, waiters",
        ("mutex", _) => "holder",
        ("ring", "sender" | "sender_joined" | "tail" | "slots") => "sender",
        ("ring", "receiver" | "receiver_joined" | "deliveries" | "head") => "receiver",
        ("ring", _) => "both ends",
        ("seqlock", "changed") => "writer, waiters",
        ("seqlock", _) => "writer",
        ("broadcast", "arrived") => "sender, waiters",
        ("broadcast", _) => "sender",
        _ => "several",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shm_core::ShmLayout;
    use shm_core::sync::{Mutex, Ring, SeqLock};
    use std::sync::atomic::AtomicU64;

    #[derive(Clone, Copy, ShmLayout)]
    #[repr(C)]
    struct Pose {
        xyz: [f64; 3],
        quality: u32,
        _pad: u32,
    }

    #[derive(ShmLayout)]
    #[repr(C)]
    #[shm(padding)]
    struct Robot {
        beat: AtomicU64,
        poses: [Pose; 10],
        lock: Mutex<u64>,
        pose: SeqLock<Pose>,
        jobs: Ring<u64, 8>,
    }

    fn found<T: ShmLayout>(full: bool) -> Found {
        let subject = Subject {
            layout: T::LAYOUT,
            offset: 0,
            len: None,
            tail: 0,
        };
        spans(&subject, full)
    }

    #[test]
    fn every_byte_belongs_to_one_span() {
        for full in [false, true] {
            let found = found::<Robot>(full);
            let mut next = 0;
            for span in &found.spans {
                assert_eq!(span.offset, next, "{span:?}");
                next = span.end();
            }
            assert_eq!(next, Robot::SIZE);
        }
    }

    #[test]
    fn long_arrays_of_structs_show_the_first_element() {
        let found = found::<Robot>(false);
        let paths: Vec<_> = found.spans.iter().map(|span| span.path.as_str()).collect();
        assert_eq!(
            paths[..7],
            [
                "beat",
                "poses[0].xyz",
                "poses[0].quality",
                "poses[0]._pad",
                "poses[1..10]",
                "lock.claim",
                ""
            ]
        );
        let of = |path: &str| found.spans.iter().find(|span| span.path == path).unwrap();
        assert_eq!(of("poses[0]._pad").kind, Kind::Reserved);
        assert_eq!(of("poses[1..10]").type_name, "Pose, every 32 bytes");
        assert_eq!(of("jobs.tail").role, "sender");
        assert_eq!(of("jobs.head").role, "receiver");
        assert_eq!(of("jobs.slots").type_name, "[u64; 8]");
        assert_eq!(of("pose.version").role, "writer");
        assert_eq!(of("beat").group, 0);
        assert_eq!(of("jobs.tail").group, 4);
        assert_ne!(of("beat").writer, of("lock.claim").writer);
        assert_eq!(of("lock.value").writer, of("lock.claim").writer);
    }

    #[test]
    fn a_large_struct_has_colors_for_its_fields() {
        #[derive(Clone, Copy, ShmLayout)]
        #[repr(C)]
        struct Large {
            first: [Pose; 4],
            second: [Pose; 4],
        }
        #[derive(ShmLayout)]
        #[repr(C)]
        struct Two {
            count: u64,
            large: [Large; 2],
        }
        let found = found::<Two>(false);
        let group = |path: &str| {
            let span = found.spans.iter().find(|span| span.path == path).unwrap();
            span.group
        };
        assert_eq!(group("count"), 0);
        assert_eq!(group("large[0].first[0].xyz"), 1);
        assert_eq!(group("large[0].first[3].quality"), 1);
        assert_eq!(group("large[0].second[0].xyz"), 2);
        // One span instead of as many again.
        assert_eq!(group("large[1]"), 3);
    }

    #[test]
    fn the_number_of_spans_is_bounded() {
        let found = found::<[[Pose; 300]; 300]>(true);
        assert!(found.spans.len() < 2 * MOST, "{}", found.spans.len());
        assert_eq!(found.spans.last().unwrap().end(), 32 * 300 * 300);
    }
}
