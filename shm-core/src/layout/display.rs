//! Prints a layout as a table, as `pahole` does for C structs.

use std::fmt;

use super::schema::{FieldNode, Naming, Node};
use super::{FieldLayout, TypeLayout, meaning, payload_offset};

/// Displays a type in Rust's syntax.
pub(crate) struct TypeName<'a>(pub(crate) &'a TypeLayout);

impl fmt::Display for TypeName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Node::for_name(self.0).rust_name(Naming::WithIntegers))
    }
}

/// The longest name of a field or a type that is printed, in characters. Names from a segment may be long.
const LONGEST_NAME: usize = 200;

/// A name for a terminal: without control characters, and not too long.
pub(crate) fn printable(name: &str) -> String {
    let (mut out, mut len) = (String::new(), 0);
    for char in name.chars() {
        if len >= LONGEST_NAME {
            out.push_str("..");
            break;
        }
        // `escape_debug` would also escape these, which do nothing to a terminal.
        match char {
            '\'' | '"' | '\\' => {
                out.push(char);
                len += 1;
            }
            _ => {
                let escaped = char.escape_debug();
                len += escaped.len();
                out.extend(escaped);
            }
        }
    }
    out
}

/// One line of the table.
pub(crate) struct Row<'a> {
    pub(crate) depth: usize,
    pub(crate) offset: u64,
    /// Of a trailing slice, the size of an element.
    pub(crate) size: u64,
    pub(crate) name: &'a str,
    /// `None` for padding: bytes that belong to no field.
    pub(crate) node: Option<&'a Node>,
    /// Of the first element of an array, the distance to the next.
    pub(crate) stride: Option<u64>,
    /// The level that has added the field.
    pub(crate) since: u32,
}

impl<'a> Row<'a> {
    fn new(depth: usize, offset: u64, name: &'a str, node: &'a Node) -> Self {
        let size = match node {
            Node::Slice { element } => element.size(),
            _ => node.size(),
        };
        Self {
            depth,
            offset,
            size,
            name,
            node: Some(node),
            stride: None,
            since: 0,
        }
    }

    /// Padding from `offset` to `end`.
    fn padding(depth: usize, offset: u64, end: u64) -> Self {
        Self {
            depth,
            offset,
            size: end - offset,
            name: "",
            node: None,
            stride: None,
            since: 0,
        }
    }

    /// The name, indented by its depth.
    fn label(&self) -> String {
        let name = printable(self.name);
        format!("{:width$}{name}", "", width = 2 * self.depth)
    }

    pub(crate) fn type_name(&self) -> String {
        match self.node {
            Some(node) => printable(&node.rust_name(Naming::WithIntegers)),
            None => "padding".to_owned(),
        }
    }
}

/// The fields of a struct, or the parts of a type of this library. None if it has only one, as an event does.
fn parts(node: &Node) -> &[FieldNode] {
    match node {
        Node::Meaning { inner, .. } if inner.fields().len() > 1 => inner.fields(),
        _ => node.fields(),
    }
}

/// The innermost element type of nested arrays and slices, and the distance between two elements if there was any. That is more
/// than the size of an element in a slot with padding.
fn innermost(node: &Node) -> (&Node, Option<u64>) {
    match node {
        Node::Array { element, .. } | Node::Slice { element } => {
            let (inner, stride) = innermost(element);
            (inner, stride.or(Some(element.size())))
        }
        Node::Meaning { meaning, inner, .. } if meaning == meaning::SLOT => match inner.fields() {
            [value] => (&value.node, None),
            _ => (node, None),
        },
        _ => (node, None),
    }
}

/// A type whose fields, and those inside them, are the rows of a table. It must have been checked.
pub(crate) struct Table<'a> {
    pub(crate) root: &'a Node,
    /// The level that has added each field of the root.
    pub(crate) since: &'a [u32],
    /// The alignment of 128-bit integers.
    pub(crate) wide_align: usize,
    pub(crate) payload_offset: usize,
    /// That of level 0.
    pub(crate) fingerprint: u64,
}

impl<'a> Table<'a> {
    /// All rows: each part, followed by its own parts, or by those of the first element if it is an array, and then by the padding
    /// after it.
    pub(crate) fn rows(&self) -> Vec<Row<'a>> {
        let mut all = Vec::new();
        self.rows_of(self.root, 0, 0, &mut all);
        all
    }

    /// Appends the parts of a node that is at offset `base`.
    fn rows_of(&self, node: &'a Node, base: u64, depth: usize, into: &mut Vec<Row<'a>>) {
        let fields = parts(node);
        // The parts of a type of this library need not be in the order of their offsets.
        let mut starts: Vec<u64> = fields.iter().map(|field| field.offset).collect();
        for number in (1..starts.len()).rev() {
            starts[number - 1] = starts[number - 1].min(starts[number]);
        }
        let mut end = 0;
        for (number, field) in fields.iter().enumerate() {
            let offset = base + field.offset;
            let since = match depth {
                0 => self.since.get(number).copied(),
                _ => None,
            };
            into.push(Row {
                since: since.unwrap_or(0),
                ..Row::new(depth, offset, &field.name, &field.node)
            });
            self.rows_inside(&field.node, offset, depth, into);
            end = end.max(field.offset + field.node.size());
            let next = match starts.get(number + 1) {
                Some(next) => *next,
                // Elements begin right there.
                None if field.node.has_tail() => end,
                None => node.size(),
            };
            if next > end {
                into.push(Row::padding(depth, base + end, base + next));
            }
        }
    }

    /// Appends what is in a field of this type, whose row has `depth`.
    fn rows_inside(&self, node: &'a Node, offset: u64, depth: usize, into: &mut Vec<Row<'a>>) {
        let (inner, stride) = innermost(node);
        let Some(stride) = stride else {
            return self.rows_of(inner, offset, depth + 1, into);
        };
        let size = inner.size();
        if parts(inner).is_empty() && stride == size {
            return;
        }
        let first = Row::new(depth + 1, offset, "[0]", inner);
        into.push(Row {
            stride: Some(stride),
            ..first
        });
        self.rows_of(inner, offset, depth + 2, into);
        if stride > size {
            into.push(Row::padding(depth + 1, offset + size, offset + stride));
        }
    }
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.since.last() {
            None | Some(0) => String::new(),
            Some(level) => format!(" at level {level}"),
        };
        let size = self.root.size();
        writeln!(
            f,
            "{}: {size} bytes{level}, aligned to {}, at byte {} of a segment, fingerprint {:016x}",
            printable(&self.root.rust_name(Naming::WithIntegers)),
            self.root.align(self.wide_align),
            self.payload_offset,
            self.fingerprint
        )?;
        let all = self.rows();
        if all.is_empty() {
            return Ok(());
        }
        let width = all.iter().map(|row| row.label().chars().count()).max();
        let width = width.unwrap_or(0).max("field".len());
        writeln!(f, "  offset    size  align  {:width$}  type", "field")?;
        let mut line = 1;
        for (number, row) in all.iter().enumerate() {
            let Row { offset, size, .. } = row;
            write!(f, "{offset:>8}  {size:>6}  ")?;
            match row.node {
                Some(node) => write!(f, "{:>5}", node.align(self.wide_align))?,
                None => write!(f, "{:5}", "")?,
            }
            write!(f, "  {:width$}  {}", row.label(), row.type_name())?;
            match (row.stride, row.since) {
                (Some(stride), _) => writeln!(f, ", every {stride} bytes")?,
                (None, 0) => writeln!(f)?,
                (None, since) => writeln!(f, ", since {since}")?,
            }
            // The rows of its own fields mark the boundaries inside this one.
            let next = all.get(number + 1);
            if next.is_some_and(|next| next.depth > row.depth) {
                continue;
            }
            write_boundaries(f, &all[..=number], self.root.size(), next, &mut line)?;
        }
        Ok(())
    }
}

/// Prints a table of the fields (offset, size and alignment in bytes, name, and type), with a mark at each boundary
/// between cache lines. Offsets count from the start of the payload; the first line says where that is in a segment of this
/// type. Bytes that belong to no field have a row of the type `padding`. The size of a trailing slice is that of one element. The
/// parts of this library's types are shown too, and the first element of an array. A field that a later level has added says
/// since which; the fingerprint is that of level 0.
///
/// ```
/// use shm_core::ShmLayout;
///
/// #[derive(ShmLayout)]
/// #[repr(C)]
/// struct Telemetry { frame: u64, position: [f64; 3], history: [u64; 8] }
///
/// assert_eq!(Telemetry::LAYOUT.to_string(), "\
/// Telemetry: 96 bytes, aligned to 8, at byte 512 of a segment, fingerprint 7bbc5f68db5cfb7d
///   offset    size  align  field     type
///        0       8      8  frame     u64
///        8      24      8  position  [f64; 3]
///       32      64      8  history   [u64; 8]
///      -------------------- 64: cache line 1 begins inside `history`
/// ");
/// ```
///
/// The slots of a [`SeqLock`](crate::sync::SeqLock) are further apart than they are large:
///
/// ```
/// use shm_core::ShmLayout;
/// use shm_core::sync::SeqLock;
///
/// #[derive(Clone, Copy, ShmLayout)]
/// #[repr(C)]
/// struct Limits { rate: u64, burst: u64 }
///
/// let table = SeqLock::<Limits, 3>::LAYOUT.to_string();
/// let slots = "
///      256     384    128  slots      [Limits; 3]
///      256      16      8    [0]      Limits, every 128 bytes
///      256       8      8      rate   u64
///      264       8      8      burst  u64
///      272     112                    padding
/// ";
/// assert!(table.contains(slots), "{table}");
/// ```
impl fmt::Display for TypeLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since: Vec<u32> = self.fields().iter().map(FieldLayout::since).collect();
        let table = Table {
            root: &Node::of(self),
            since: &since,
            wide_align: align_of::<u128>(),
            payload_offset: payload_offset(self.schema_len(), self.align()).unwrap_or(usize::MAX),
            fingerprint: self.fingerprint(),
        };
        table.fmt(f)
    }
}

/// Marks the cache lines that begin after the start of the last of `rows`, up to the start of the following row `next`, or
/// up to the end of the type, `size`, if there is none.
fn write_boundaries(
    f: &mut fmt::Formatter<'_>,
    rows: &[Row<'_>],
    size: u64,
    next: Option<&Row<'_>>,
    line: &mut u64,
) -> fmt::Result {
    const CACHE_LINE: u64 = super::CACHE_LINE as u64;

    let end = next.map_or(size, |next| next.offset);
    let (first, next_line) = (*line, end.div_ceil(CACHE_LINE));
    if first < next_line {
        let last = next_line - 1;
        *line = next_line;
        // The innermost row that the boundary divides. After the first element of an array, that is the array.
        let cut = |row: &&Row<'_>| {
            row.offset < last * CACHE_LINE && last * CACHE_LINE < row.offset + row.size
        };
        let place = match rows.iter().rev().find(cut) {
            Some(row) if row.node.is_some() => format!("inside `{}`", printable(row.name)),
            _ => "in padding".to_owned(),
        };
        write!(f, "     -------------------- {}: ", first * CACHE_LINE)?;
        if first == last {
            writeln!(f, "cache line {first} begins {place}")?;
        } else {
            writeln!(f, "cache lines {first} to {last} begin {place}")?;
        }
    }
    // A cache line that begins exactly with the next row. After the last row there is none to mark.
    if next.is_some() && end.is_multiple_of(CACHE_LINE) && *line == end / CACHE_LINE {
        *line += 1;
        writeln!(
            f,
            "     -------------------- {end}: cache line {}",
            end / CACHE_LINE
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::test_layouts::{F64, U8, U32, U64, array};
    use crate::layout::with_offsets;

    const INNER: &TypeLayout = &TypeLayout::structure(
        "Inner",
        0,
        16,
        8,
        const { &with_offsets([FieldLayout::new("a", U64), FieldLayout::new("b", F64)]) },
    );
    const OUTER: &TypeLayout = &TypeLayout::structure(
        "Outer",
        0,
        88,
        8,
        const {
            &with_offsets([
                FieldLayout::new("head", array![U32; 12]),
                FieldLayout::new("one", INNER),
                FieldLayout::new("tail", array![array![U8; 4]; 6]),
            ])
        },
    );

    #[test]
    fn nested_fields_are_indented_and_lines_are_marked() {
        let text = OUTER.to_string();
        let lines: Vec<_> = text.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "  offset    size  align  field  type",
                "       0      48      4  head   [u32; 12]",
                "      48      16      8  one    Inner",
                "      48       8      8    a    u64",
                "      56       8      8    b    f64",
                "     -------------------- 64: cache line 1",
                "      64      24      1  tail   [[u8; 4]; 6]",
            ]
        );
    }

    #[test]
    fn arrays_of_structs_show_the_first_element() {
        let array = TypeLayout::array(INNER, 9);
        let fields = Box::leak(Box::new(with_offsets([FieldLayout::new(
            "many",
            Box::leak(Box::new(array)),
        )])));
        let text = TypeLayout::structure("Many", 0, 144, 8, fields).to_string();
        let lines: Vec<_> = text.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "  offset    size  align  field  type",
                "       0     144      8  many   [Inner; 9]",
                "       0      16      8    [0]  Inner, every 16 bytes",
                "       0       8      8      a  u64",
                "       8       8      8      b  f64",
                "     -------------------- 64: cache lines 1 to 2 begin inside `many`",
            ]
        );
    }

    #[test]
    fn cache_lines_are_marked_at_fields_but_not_at_the_end() {
        let fields = Box::leak(Box::new(with_offsets([
            FieldLayout::new("long", array![U64; 24]),
            FieldLayout::new("next", array![U64; 8]),
        ])));
        let text = TypeLayout::structure("Aligned", 0, 256, 8, fields).to_string();
        let lines: Vec<_> = text.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "  offset    size  align  field  type",
                "       0     192      8  long   [u64; 24]",
                "     -------------------- 64: cache lines 1 to 2 begin inside `long`",
                "     -------------------- 192: cache line 3",
                "     192      64      8  next   [u64; 8]",
            ]
        );
    }

    #[test]
    fn a_line_that_begins_in_padding_is_not_inside_a_field() {
        let fields = Box::leak(Box::new(with_offsets([
            FieldLayout::new("flag", U8),
            FieldLayout::new("inner", INNER),
            FieldLayout::new("last", array![U64; 4]),
        ])));
        let text = TypeLayout::structure("Gaps", 0, 128, 128, fields)
            .with_gaps()
            .to_string();
        let lines: Vec<_> = text.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "  offset    size  align  field  type",
                "       0       1      1  flag   u8",
                "       1       7                padding",
                "       8      16      8  inner  Inner",
                "       8       8      8    a    u64",
                "      16       8      8    b    f64",
                "      24      32      8  last   [u64; 4]",
                "      56      72                padding",
                "     -------------------- 64: cache line 1 begins in padding",
            ]
        );
    }

    #[test]
    fn bytes_of_no_field_are_padding_and_pad_fields_are_not() {
        const ENTRY: &TypeLayout = &TypeLayout::structure(
            "Entry",
            0,
            8,
            4,
            const { &with_offsets([FieldLayout::new("id", U32), FieldLayout::new("kind", U8)]) },
        )
        .with_gaps();
        let fields = Box::leak(Box::new(with_offsets([
            FieldLayout::new("flag", U8),
            FieldLayout::new("_pad", array![U8; 3]),
            FieldLayout::new("entries", array![ENTRY; 2]),
            FieldLayout::new("list", const { &TypeLayout::slice(U64) }),
        ])));
        let text = TypeLayout::structure("Table", 0, 24, 8, fields)
            .with_gaps()
            .to_string();
        let lines: Vec<_> = text.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "  offset    size  align  field     type",
                "       0       1      1  flag      u8",
                "       1       3      1  _pad      [u8; 3]",
                "       4      16      4  entries   [Entry; 2]",
                "       4       8      4    [0]     Entry, every 8 bytes",
                "       4       4      4      id    u32",
                "       8       1      1      kind  u8",
                "       9       3                   padding",
                "      20       4                   padding",
                "      24       8      8  list      [u64]",
            ]
        );
    }

    #[test]
    fn fields_of_later_levels_say_since_when_they_are_there() {
        let fields = Box::leak(Box::new(with_offsets([
            FieldLayout::new("beat", U64),
            FieldLayout::new("points", array![INNER; 2]).with_since(1),
            FieldLayout::new("last", U64).with_since(2),
        ])));
        let layout = TypeLayout::structure("Status", 0, 48, 8, fields).with_levels(1);
        let text = layout.to_string();
        let lines: Vec<_> = text.lines().collect();
        assert!(
            lines[0].starts_with("Status: 48 bytes at level 2, aligned to 8, at byte "),
            "{}",
            lines[0]
        );
        assert!(lines[0].ends_with(&format!("{:016x}", layout.level_fingerprint(0))));
        assert_eq!(
            lines[1..],
            [
                "  offset    size  align  field   type",
                "       0       8      8  beat    u64",
                "       8      32      8  points  [Inner; 2], since 1",
                "       8      16      8    [0]   Inner, every 16 bytes",
                "       8       8      8      a   u64",
                "      16       8      8      b   f64",
                "      40       8      8  last    u64, since 2",
            ]
        );
    }

    #[test]
    fn a_leaf_has_no_table() {
        let text = U32.to_string();
        assert!(
            text.starts_with("u32: 4 bytes, aligned to 4, at byte 384 of a segment, fingerprint "),
            "{text}"
        );
        assert_eq!(text.lines().count(), 1);
    }
}
