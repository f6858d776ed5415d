//! Prints a layout as a table, as `pahole` does for C structs.

use std::fmt;

use super::{CACHE_LINE, FieldLayout, LayoutKind, TypeLayout, meaning, payload_offset};

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
                (meaning::OFFSET, _, Some(target)) => {
                    write!(f, "ShmOffset<{}>", TypeName(target()))
                }
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
    name: String,
    layout: &'static TypeLayout,
    /// Of the first element of an array, the distance to the next.
    stride: Option<usize>,
}

impl Row {
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
/// it is an array.
fn rows(layout: &TypeLayout, base: usize, depth: usize, into: &mut Vec<Row>) {
    for field in parts(layout) {
        let (offset, name) = (base + field.offset(), FieldLayout::name(field).to_owned());
        into.push(Row {
            depth,
            offset,
            name,
            layout: field.layout(),
            stride: None,
        });
        let (inner, stride) = innermost(field.layout());
        if parts(inner).is_empty() && stride.is_none_or(|stride| stride == inner.size()) {
            continue;
        }
        if stride.is_some() {
            into.push(Row {
                depth: depth + 1,
                offset,
                name: "[0]".to_owned(),
                layout: inner,
                stride,
            });
        }
        rows(
            inner,
            offset,
            depth + 1 + usize::from(stride.is_some()),
            into,
        );
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
/// type. The parts of this library's types are shown too, and the first element of an array.
///
/// ```
/// use shm_core::ShmLayout;
///
/// #[derive(ShmLayout)]
/// #[repr(C)]
/// struct Telemetry { frame: u64, position: [f64; 3], history: [u64; 8] }
///
/// assert_eq!(Telemetry::LAYOUT.to_string(), "\
/// Telemetry: 96 bytes, aligned to 8, at byte 448 of a segment, fingerprint 12458bb702f25333
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
/// ";
/// assert!(table.contains(slots), "{table}");
/// ```
impl fmt::Display for TypeLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}: {} bytes, aligned to {}, at byte {} of a segment, fingerprint {:016x}",
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
            let Row { offset, layout, .. } = row;
            write!(
                f,
                "{offset:>8}  {:>6}  {:>5}  {:width$}  {}",
                layout.size(),
                layout.align(),
                row.label(),
                TypeName(layout)
            )?;
            match row.stride {
                Some(stride) => writeln!(f, ", every {stride} bytes")?,
                None => writeln!(f)?,
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
        // The innermost field that the boundary divides. After the first element of an array, that is the array.
        let cut = |row: &&Row| {
            row.offset < last * CACHE_LINE && last * CACHE_LINE < row.offset + row.layout.size()
        };
        let (place, row) = match rows.iter().rev().find(cut) {
            Some(row) => ("inside", row),
            // The field that reaches furthest. After the first element of an array, that is the array.
            None => {
                let furthest = rows.iter().max_by_key(|row| row.offset + row.layout.size());
                ("in the padding after", furthest.unwrap_or(&rows[0]))
            }
        };
        let name = &row.name;
        write!(f, "     -------------------- {}: ", first * CACHE_LINE)?;
        if first == last {
            writeln!(f, "cache line {first} begins {place} `{name}`")?;
        } else {
            writeln!(f, "cache lines {first} to {last} begin {place} `{name}`")?;
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
                "       8      16      8  inner  Inner",
                "       8       8      8    a    u64",
                "      16       8      8    b    f64",
                "      24      32      8  last   [u64; 4]",
                "     -------------------- 64: cache line 1 begins in the padding after `last`",
            ]
        );
    }

    #[test]
    fn a_leaf_has_no_table() {
        let text = U32.to_string();
        assert!(
            text.starts_with("u32: 4 bytes, aligned to 4, at byte 320 of a segment, fingerprint "),
            "{text}"
        );
        assert_eq!(text.lines().count(), 1);
    }
}
