//! Prints a layout as a table, as `pahole` does for C structs.

use std::fmt;

use super::{
    CACHE_LINE, FieldLayout, LayoutKind, OffsetTarget, TypeLayout, meaning, payload_offset,
};

/// Displays a type in Rust's syntax.
pub(crate) struct TypeName<'a>(pub(crate) &'a TypeLayout);

impl fmt::Display for TypeName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.kind() {
            LayoutKind::Array { element, len } => write!(f, "[{}; {len}]", TypeName(element)),
            LayoutKind::Slice { element } => write!(f, "[{}]", TypeName(element)),
            LayoutKind::Enum { repr, .. } => write!(f, "{} ({})", self.0.name(), repr.name()),
            LayoutKind::Meaning {
                meaning,
                inner,
                target,
            } => match (meaning, self.0.as_vec(), target) {
                (meaning::STR, _, _) => write!(f, "ShmStr<{}>", inner.size()),
                (_, Some(vec), _) => {
                    write!(f, "ShmVec<{}, {}>", TypeName(vec.element), vec.capacity)
                }
                (meaning::OFFSET, _, Some(OffsetTarget::Type(target))) => {
                    write!(f, "ShmOffset<{}>", TypeName(target()))
                }
                (meaning::OFFSET, _, _) => f.write_str("ShmOffset"),
                (meaning::MUTEX, _, _) => match inner.fields() {
                    [_, value] => write!(f, "Mutex<{}>", TypeName(value.layout())),
                    _ => f.write_str(meaning),
                },
                (meaning::EVENT, _, _) => f.write_str("Event"),
                (meaning::SEMAPHORE, _, _) => f.write_str("Semaphore"),
                (meaning::BARRIER, _, _) => match inner.fields() {
                    [.., seats] => match seats.layout().kind() {
                        LayoutKind::Array { len, .. } => write!(f, "Barrier<{len}>"),
                        _ => f.write_str(meaning),
                    },
                    _ => f.write_str(meaning),
                },
                // A slot's padding is not shown.
                (meaning::SLOT, _, _) => match inner.fields() {
                    [value] => TypeName(value.layout()).fmt(f),
                    _ => f.write_str(meaning),
                },
                _ => match (meaning::slotted_type_name(meaning), inner.fields().last()) {
                    (Some(name), Some(slots)) => match slots.layout().kind() {
                        LayoutKind::Array { element, len } => {
                            write!(f, "{name}<{}, {len}>", TypeName(element))
                        }
                        _ => f.write_str(name),
                    },
                    _ => f.write_str(meaning),
                },
            },
            _ => f.write_str(self.0.name()),
        }
    }
}

/// One line of the table.
struct Row {
    depth: usize,
    offset: usize,
    /// Of a trailing slice, the size of an element.
    size: usize,
    name: String,
    /// `None` for padding: bytes that belong to no field.
    layout: Option<&'static TypeLayout>,
    /// Of the first element of an array, the distance to the next.
    stride: Option<usize>,
    /// The level that has added the field.
    since: u32,
}

impl Row {
    fn new(depth: usize, offset: usize, name: &str, layout: &'static TypeLayout) -> Self {
        let size = match layout.kind() {
            LayoutKind::Slice { element } => element.size(),
            _ => layout.size(),
        };
        Self {
            depth,
            offset,
            size,
            name: name.to_owned(),
            layout: Some(layout),
            stride: None,
            since: 0,
        }
    }

    /// Padding from `offset` to `end`.
    fn padding(depth: usize, offset: usize, end: usize) -> Self {
        Self {
            depth,
            offset,
            size: end - offset,
            name: String::new(),
            layout: None,
            stride: None,
            since: 0,
        }
    }

    /// The name, indented by its depth.
    fn label(&self) -> String {
        format!("{:width$}{}", "", self.name, width = 2 * self.depth)
    }
}

/// The fields of a struct, or the parts of a type of this library. None if it has only one, as an event does.
fn parts(layout: &TypeLayout) -> &'static [FieldLayout] {
    match layout.kind() {
        LayoutKind::Meaning { inner, .. } if inner.fields().len() > 1 => inner.fields(),
        _ => layout.fields(),
    }
}

/// Appends the parts of `layout`, which is at offset `base`, each followed by its own parts, or by those of the first element if
/// it is an array, and then by the padding after it.
fn rows(layout: &TypeLayout, base: usize, depth: usize, into: &mut Vec<Row>) {
    let fields = parts(layout);
    let mut end = 0;
    for (number, field) in fields.iter().enumerate() {
        let offset = base + field.offset();
        into.push(Row {
            since: field.since(),
            ..Row::new(depth, offset, field.name(), field.layout())
        });
        rows_inside(field.layout(), offset, depth, into);
        end = end.max(field.offset() + field.layout().size());
        let next = fields[number + 1..].iter().map(FieldLayout::offset).min();
        let next = match next {
            Some(next) => next,
            // Elements begin right there.
            None if field.layout().tail_stride().is_some() => end,
            None => layout.size(),
        };
        if next > end {
            into.push(Row::padding(depth, base + end, base + next));
        }
    }
}

/// Appends what is in a field of this layout, whose row has `depth`.
fn rows_inside(layout: &'static TypeLayout, offset: usize, depth: usize, into: &mut Vec<Row>) {
    let (inner, stride) = innermost(layout);
    let Some(stride) = stride else {
        return rows(inner, offset, depth + 1, into);
    };
    if parts(inner).is_empty() && stride == inner.size() {
        return;
    }
    let first = Row::new(depth + 1, offset, "[0]", inner);
    into.push(Row {
        stride: Some(stride),
        ..first
    });
    rows(inner, offset, depth + 2, into);
    if stride > inner.size() {
        into.push(Row::padding(
            depth + 1,
            offset + inner.size(),
            offset + stride,
        ));
    }
}

/// The innermost element type of nested arrays and slices, and the distance between two elements if there was any. That is more
/// than the size of an element in a slot with padding.
fn innermost(layout: &'static TypeLayout) -> (&'static TypeLayout, Option<usize>) {
    match layout.kind() {
        LayoutKind::Array { element, .. } | LayoutKind::Slice { element } => {
            let (inner, stride) = innermost(element);
            (inner, stride.or(Some(element.size())))
        }
        LayoutKind::Meaning {
            meaning: meaning::SLOT,
            inner,
            ..
        } => match inner.fields() {
            [value] => (value.layout(), None),
            _ => (layout, None),
        },
        _ => (layout, None),
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
        let level = match self.level() {
            0 => String::new(),
            level => format!(" at level {level}"),
        };
        writeln!(
            f,
            "{}: {} bytes{level}, aligned to {}, at byte {} of a segment, fingerprint {:016x}",
            TypeName(self),
            self.size(),
            self.align(),
            payload_offset(self.schema_len(), self.align()).unwrap_or(usize::MAX),
            self.fingerprint()
        )?;
        let mut all = Vec::new();
        rows(self, 0, 0, &mut all);
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
            let label = row.label();
            match row.layout {
                Some(layout) => {
                    let (align, name) = (layout.align(), TypeName(layout));
                    write!(f, "{align:>5}  {label:width$}  {name}")?;
                }
                None => write!(f, "{:5}  {label:width$}  padding", "")?,
            }
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
            write_boundaries(f, &all[..=number], self.size(), next, &mut line)?;
        }
        Ok(())
    }
}

/// Marks the cache lines that begin after the start of the last of `rows`, up to the start of the following row `next`, or
/// up to the end of the type, `size`, if there is none.
fn write_boundaries(
    f: &mut fmt::Formatter<'_>,
    rows: &[Row],
    size: usize,
    next: Option<&Row>,
    line: &mut usize,
) -> fmt::Result {
    let end = next.map_or(size, |next| next.offset);
    let (first, next_line) = (*line, end.div_ceil(CACHE_LINE));
    if first < next_line {
        let last = next_line - 1;
        *line = next_line;
        // The innermost row that the boundary divides. After the first element of an array, that is the array.
        let cut = |row: &&Row| {
            row.offset < last * CACHE_LINE && last * CACHE_LINE < row.offset + row.size
        };
        let place = match rows.iter().rev().find(cut) {
            Some(row) if row.layout.is_some() => format!("inside `{}`", row.name),
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
