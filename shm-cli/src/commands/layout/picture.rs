//! What a picture of a layout shows: spans of bytes, what writes each of them, and the lines that several of them share.

mod shared;
mod spans;

use shm_core::TypeLayout;

use crate::output::{cut, escaped, type_name};

pub(super) use shared::{Note, Parts};
pub(super) use spans::{Kind, Span};

/// What to show.
#[derive(Clone, Copy)]
pub(super) struct Subject {
    pub(super) layout: &'static TypeLayout,
    /// Bytes from the start of the payload.
    pub(super) offset: usize,
    /// The number of values of this layout, one after the other, if the path leads to several elements.
    pub(super) len: Option<usize>,
    /// Elements of the trailing slice.
    pub(super) tail: usize,
}

/// A layout as spans and lines.
pub(super) struct Picture {
    /// The type, with any characters.
    pub(super) type_name: String,
    pub(super) offset: usize,
    pub(super) size: usize,
    pub(super) align: usize,
    /// Bytes of a cache line.
    pub(super) line: usize,
    /// Every byte belongs to exactly one, in the order of their offsets.
    pub(super) spans: Vec<Span>,
    pub(super) notes: Vec<Note>,
}

/// How a row of the picture begins: a line, or several lines that are not drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Row {
    /// The line with this number, counted from the start of the payload.
    Line(usize),
    /// This many lines, from this one on, all inside the span with this number.
    Folded {
        first: usize,
        count: usize,
        span: usize,
    },
}

impl Picture {
    /// `full` shows every element of arrays, as far as there is room.
    pub(super) fn new(subject: Subject, line: usize, full: bool) -> Self {
        let found = spans::spans(&subject, full);
        let name = type_name(subject.layout);
        let notes = shared::notes(&found, line);
        Self {
            type_name: match subject.len {
                Some(len) => format!("[{name}; {len}]"),
                None => name,
            },
            offset: subject.offset,
            size: found.spans.iter().map(|span| span.size).sum(),
            align: subject.layout.align(),
            line,
            spans: found.spans,
            notes,
        }
    }

    /// The number of lines that the bytes touch.
    pub(super) fn lines(&self) -> usize {
        match self.size {
            0 => 0,
            size => (self.offset + size - 1) / self.line - self.offset / self.line + 1,
        }
    }

    /// The spans that have bytes in a line.
    pub(super) fn spans_in(&self, line: usize) -> impl Iterator<Item = &Span> {
        let (start, end) = (line * self.line, (line + 1) * self.line);
        let first = self.spans.partition_point(|span| span.end() <= start);
        let spans = self.spans[first..].iter();
        spans.take_while(move |span| span.offset < end)
    }

    /// The number of the first note about a line, counted from 1.
    pub(super) fn note_of(&self, line: usize) -> Option<usize> {
        let number = self.notes.iter().position(|note| note.is_about(line));
        number.map(|number| number + 1)
    }

    /// What a note says, with escaped names.
    pub(super) fn text_of(&self, note: &Note) -> String {
        let offsets: Vec<String> = note
            .lines
            .iter()
            .map(|line| (line * self.line).to_string())
            .collect();
        match &note.parts {
            Parts::Elements {
                path,
                type_name,
                stride,
            } => format!(
                "neighboring elements of `{}` share a line ({}, every {stride} bytes)",
                match path.as_str() {
                    "" => ".".to_owned(),
                    path => short(path),
                },
                short(type_name),
            ),
            Parts::Different { objects, fields } => {
                let mut parts = Vec::new();
                for (path, type_name) in objects {
                    parts.push(format!("`{}` ({})", short(path), short(type_name)));
                }
                if let Some(fields) = listed(fields) {
                    parts.push(fields);
                }
                let plural = if offsets.len() == 1 {
                    "line at"
                } else {
                    "lines at"
                };
                let mut at = offsets;
                if at.len() > MOST_LISTED {
                    let more = at.len() - MOST_LISTED;
                    at.truncate(MOST_LISTED);
                    at.push(format!("{more} more"));
                }
                let shown: Vec<String> = match parts.len() {
                    0..=MOST_LISTED => parts,
                    len => {
                        parts.truncate(MOST_LISTED);
                        parts.push(format!("{} more", len - MOST_LISTED));
                        parts
                    }
                };
                format!("{plural} {}: {}", joined(&at), joined(&shown))
            }
        }
    }

    /// The rows of the picture. Lines in the middle of a span are folded if there are several.
    pub(super) fn rows(&self) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        // The next line to draw.
        let mut next = self.offset / self.line;
        for (number, span) in self.spans.iter().enumerate() {
            if span.size == 0 {
                continue;
            }
            let (first, last) = (span.offset / self.line, (span.end() - 1) / self.line);
            if first >= next {
                rows.push(Row::Line(first));
                next = first + 1;
            }
            if last <= next {
                continue;
            }
            // The lines from `next` up to the last one are inside the span. The last one may be shared with the next span.
            let count = last - next;
            if count > 1 {
                rows.push(Row::Folded {
                    first: next,
                    count,
                    span: number,
                });
            } else {
                rows.push(Row::Line(next));
            }
            next = last;
        }
        let end = self.offset / self.line + self.lines();
        rows.extend((next..end).map(Row::Line));
        rows
    }
}

/// What to do about lines that several processes write.
pub(super) const ADVICE: &str = "\
A process that writes to a line takes it away from all others that use it. If different processes write these parts, put them at \
least 128 bytes apart: a struct with #[repr(C, align(128))] has its own lines.";

/// The most parts of a list.
const MOST_LISTED: usize = 4;

/// The names of plain fields.
fn listed(fields: &[String]) -> Option<String> {
    let names: Vec<String> = fields
        .iter()
        .map(|path| format!("`{}`", short(path)))
        .collect();
    match names.len() {
        0 => None,
        1 => Some(format!("the plain field {}", names[0])),
        2..=MOST_LISTED => Some(format!("the plain fields {}", joined(&names))),
        len => Some(format!(
            "{len} plain fields from {} to {}",
            names[0],
            names[len - 1]
        )),
    }
}

/// `a, b and c`.
fn joined(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        [all @ .., last] => format!("{} and {last}", all.join(", ")),
    }
}

/// A name from a segment in at most 40 characters, escaped.
pub(super) fn short(name: &str) -> String {
    shortened(name, 40)
}

/// A name from a segment in at most so many columns, escaped.
pub(super) fn shortened(name: &str, columns: usize) -> String {
    // Escaping makes no text shorter.
    let start: String = name.chars().take(columns + 1).collect();
    cut(&escaped(&start).to_string(), columns).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use shm_core::ShmLayout;

    #[test]
    fn long_names_are_cut_and_escaped() {
        assert_eq!(shortened("position", 8), "position");
        assert_eq!(shortened("positions", 8), "positio…");
        assert_eq!(shortened("a\u{1b}b", 40), "a\\u{1b}b");
        assert_eq!(shortened("\u{1b}\u{1b}", 8), "\\u{1b}\\…");
        assert_eq!(shortened("漢漢漢漢", 6), "漢漢…");
        assert_eq!(short(&"x".repeat(70_000)).chars().count(), 40);
    }

    fn rows_of<T: ShmLayout + ?Sized>(tail: usize) -> Vec<Row> {
        let subject = Subject {
            layout: T::LAYOUT,
            offset: 0,
            len: None,
            tail,
        };
        Picture::new(subject, 64, false).rows()
    }

    #[test]
    fn every_line_is_drawn_or_folded_once() {
        #[derive(ShmLayout)]
        #[repr(C)]
        struct Long {
            head: [u64; 3],
            middle: [u64; 100],
            end: [u64; 8],
        }
        for rows in [
            rows_of::<Long>(0),
            rows_of::<[u64; 8]>(0),
            rows_of::<[u64; 9]>(0),
            rows_of::<[u64; 24]>(0),
            rows_of::<[u64; 32]>(0),
            rows_of::<u8>(0),
        ] {
            let mut next = 0;
            for row in &rows {
                let (first, count) = match *row {
                    Row::Line(line) => (line, 1),
                    Row::Folded { first, count, .. } => (first, count),
                };
                assert_eq!(first, next, "{rows:?}");
                next += count;
            }
        }
        assert_eq!(
            rows_of::<Long>(0),
            [
                Row::Line(0),
                Row::Folded {
                    first: 1,
                    count: 11,
                    span: 1
                },
                Row::Line(12),
                Row::Line(13),
            ]
        );
        assert_eq!(rows_of::<[u64; 24]>(0), [0, 1, 2].map(Row::Line));
    }

    #[test]
    fn a_long_array_takes_three_rows() {
        let rows = rows_of::<[u64; 1 << 40]>(0);
        assert_eq!(rows.len(), 3);
        assert_eq!(rows[2], Row::Line((1 << 37) - 1));
    }
}
