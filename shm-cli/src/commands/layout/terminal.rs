//! Draws a layout on a terminal.

use std::io::{self, Write};

use anstyle::{Ansi256Color, Style as Paint};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::Title;
use super::picture::{ADVICE, Kind, Picture, Row, Span, short, shortened};
use crate::output::{Align, Table, escaped, style};

/// Bytes of a row.
const ROW: usize = 64;
/// The longest name in the table of fields.
const MOST_COLUMNS: usize = 200;
/// The most rows of the table of fields.
const MOST_FIELDS: usize = 100;

/// Signs, and how many of them a byte takes.
pub(super) struct Style {
    /// Columns of the terminal.
    width: Option<usize>,
    signs: Signs,
    /// A byte has twice as many if the terminal is wide enough.
    doubled: bool,
}

struct Signs {
    begin: char,
    end: char,
    inside: char,
    padding: char,
    /// The end of a name that was cut.
    cut: char,
    folded: &'static str,
    shared: &'static str,
    /// The marks at the first and the last row of a line of several rows.
    line: [char; 2],
}

const UNICODE: Signs = Signs {
    begin: '├',
    end: '┤',
    inside: '─',
    padding: '·',
    cut: '…',
    folded: "⋮",
    shared: "◆",
    line: ['╭', '╰'],
};

/// Where colors show the spans.
const COLORED: Signs = Signs {
    begin: ' ',
    end: ' ',
    inside: ' ',
    ..UNICODE
};

const ASCII: Signs = Signs {
    begin: '[',
    end: ']',
    inside: '-',
    padding: '.',
    cut: '.',
    folded: ":",
    shared: "!",
    line: [',', '`'],
};

impl Style {
    /// `width` is that of the terminal. Without color, signs show where spans begin and end.
    pub(super) fn of(width: Option<usize>, unicode: bool, color: bool) -> Self {
        Self {
            width,
            signs: match (unicode, color) {
                (true, true) => COLORED,
                (true, false) => UNICODE,
                (false, _) => ASCII,
            },
            doubled: width.is_some_and(|width| width >= 2 * ROW + 18),
        }
    }
}

/// The keys of the spans in the picture and the table.
fn key(number: usize) -> char {
    const KEYS: &[u8; 52] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    char::from(KEYS[number % KEYS.len()])
}

/// The color of a span.
fn paint(span: &Span) -> Paint {
    // Light colors of the 256, each in two shades: those of the SVG.
    const COLORS: [[u8; 2]; 6] = [
        [117, 153],
        [114, 157],
        [183, 189],
        [216, 223],
        [211, 218],
        [80, 159],
    ];

    match span.kind {
        Kind::Padding | Kind::Reserved => style::DIM,
        // Neighbors of one group differ in their shades.
        Kind::Value => {
            let shade = COLORS[span.group % COLORS.len()][span.number % 2];
            Ansi256Color(16).on(Ansi256Color(shade))
        }
    }
}

pub(super) fn draw(
    picture: &Picture,
    title: &Title,
    style: &Style,
    out: &mut dyn Write,
) -> io::Result<()> {
    head(picture, title, out)?;
    if picture.spans.is_empty() {
        return writeln!(out, "It has no bytes.");
    }
    writeln!(out)?;
    rows(picture, style, out)?;
    writeln!(out)?;
    fields(picture, style, out)?;
    notes(picture, style, out)
}

fn head(picture: &Picture, title: &Title, out: &mut dyn Write) -> io::Result<()> {
    let (name, bold, dim) = (style::NAME, style::HEAD, style::DIM);
    write!(out, "{name}{}{name:#} ", escaped(&title.name))?;
    if title.path != "." {
        write!(out, "{name}{}{name:#} ", short(&title.path))?;
    }
    let lines = picture.lines();
    let plural = if lines == 1 { "" } else { "s" };
    let bytes = if picture.size == 1 { "" } else { "s" };
    writeln!(out, "{bold}{}{bold:#}", short(&picture.type_name))?;
    write!(
        out,
        "{dim}{} byte{bytes} in {lines} line{plural} of {}, aligned to {}",
        picture.size, picture.line, picture.align
    )?;
    if title.level > 0 {
        write!(out, ", at level {}", title.level)?;
    }
    writeln!(out, ", fingerprint {:016x}{dim:#}", title.fingerprint)
}

/// A row of signs, each with its color.
struct Cells(Vec<(char, Paint)>);

impl Cells {
    fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut rest = &self.0[..];
        while let Some((_, paint)) = rest.first() {
            let same = rest.iter().take_while(|(_, of)| of == paint).count();
            let text: String = rest[..same].iter().map(|(sign, _)| sign).collect();
            write!(out, "{paint}{text}{paint:#}")?;
            rest = &rest[same..];
        }
        Ok(())
    }
}

fn rows(picture: &Picture, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let per_row = picture.line.min(ROW);
    let mut scale = ROW / per_row;
    if style.doubled {
        scale *= 2;
    }
    let last = picture.offset + picture.size;
    let width = last.to_string().len().max(6);
    // A ruler of the offsets in a row.
    let dim = style::DIM;
    let mut ruler = String::new();
    for at in (0..per_row).step_by(8) {
        let text = at.to_string();
        ruler += &format!("{text:<0$}", 8.min(per_row) * scale);
    }
    writeln!(
        out,
        "{dim}{:width$}   {}{dim:#}",
        "offset",
        ruler.trim_end()
    )?;
    let rows_of_line = picture.line.div_ceil(ROW);
    for row in picture.rows() {
        match row {
            Row::Line(line) => {
                for part in 0..rows_of_line {
                    let start = line * picture.line + part * ROW;
                    let bracket = match (rows_of_line, part) {
                        (1, _) => ' ',
                        (_, 0) => style.signs.line[0],
                        _ => style.signs.line[1],
                    };
                    write!(out, "{dim}{start:>width$} {bracket}{dim:#} ")?;
                    cells(picture, start, per_row, scale, style).write(out)?;
                    if let (Some(note), 0) = (picture.note_of(line), part) {
                        let warn = style::WARN;
                        write!(out, " {warn}{}{note}{warn:#}", style.signs.shared)?;
                    }
                    writeln!(out)?;
                }
            }
            Row::Folded { first, count, span } => {
                let name = &picture.spans[span].path;
                let what = match name.as_str() {
                    "" => "padding".to_owned(),
                    name => format!("`{}`", short(name)),
                };
                let mark = match picture.note_of(first) {
                    Some(note) => format!(" {}{note}", style.signs.shared),
                    None => String::new(),
                };
                let (sign, warn) = (style.signs.folded, style::WARN);
                writeln!(
                    out,
                    "{dim}{sign:>width$}   {count} more lines of {what}{dim:#}{warn}{mark}{warn:#}"
                )?;
            }
        }
    }
    Ok(())
}

/// The signs of the bytes from `start` on.
fn cells(picture: &Picture, start: usize, bytes: usize, scale: usize, style: &Style) -> Cells {
    let mut cells = Cells(vec![(' ', Paint::new()); bytes * scale]);
    for span in picture.spans_in(start / picture.line) {
        let (from, to) = (span.offset.max(start), span.end().min(start + bytes));
        if from >= to {
            continue;
        }
        let width = (to - from) * scale;
        let text = span_text(span, (from, to), width, &style.signs);
        let paint = paint(span);
        let at = (from - start) * scale;
        for (cell, sign) in cells.0[at..at + width].iter_mut().zip(text) {
            *cell = (sign, paint);
        }
    }
    // The second cell of a wide character is the character's.
    cells.0.retain(|(sign, _)| *sign != '\0');
    cells
}

/// What is written into the bytes `from..to` of a span: as many signs as there are columns. A wide character is followed by a NUL.
fn span_text(span: &Span, (from, to): (usize, usize), width: usize, signs: &Signs) -> Vec<char> {
    if span.kind == Kind::Padding {
        return vec![signs.padding; width];
    }
    let mut text = vec![signs.inside; width];
    let (begins, ends) = (from == span.offset, to == span.end());
    if begins && width > 2 {
        text[0] = signs.begin;
    }
    if ends && width > 1 {
        text[width - 1] = signs.end;
    }
    // Between the marks at both ends.
    let room = width.saturating_sub(2);
    let path = shortened(&span.path, room);
    let label = match room {
        _ if width <= 2 => String::new(),
        _ if !span.path.is_empty() && !path.ends_with('…') => path,
        4.. => shortened(&span.label, room),
        _ => {
            let label = shortened(&span.label, room);
            if label.ends_with('…') {
                String::new()
            } else {
                label
            }
        }
    };
    if label.is_empty() {
        text[usize::from(width > 2 && begins)] = key(span.number);
    } else if begins || to - from > 8 {
        let mut at = 1;
        for char in label.chars() {
            // A character without a width would move all that follow.
            let columns = char.width().unwrap_or(0);
            if columns > 0 && at + columns <= width {
                text[at] = match char {
                    '…' => signs.cut,
                    char => char,
                };
                text[at + 1..at + columns].fill('\0');
                at += columns;
            }
        }
    }
    text
}

/// The table of fields.
fn fields(picture: &Picture, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(vec![
        ("", Align::Left),
        ("offset", Align::Right),
        ("size", Align::Right),
        ("field", Align::Left),
        ("written by", Align::Left),
        ("type", Align::Left),
    ]);
    let spans = picture.spans.iter();
    let spans: Vec<_> = spans.filter(|span| span.kind != Kind::Padding).collect();
    if let Some(width) = style.width {
        table.fit(width, vec![(5, 16), (3, 16), (5, 6), (4, 6)]);
    }
    for span in spans.iter().take(MOST_FIELDS) {
        let since = match span.since {
            0 => String::new(),
            since => format!(", since {since}"),
        };
        let name_paint = match span.kind {
            Kind::Value => style::NAME,
            _ => style::DIM,
        };
        table.row([
            (format!(" {} ", key(span.number)), paint(span)),
            (span.offset.to_string(), Paint::new()),
            (span.size.to_string(), Paint::new()),
            (
                match span.path.as_str() {
                    "" => ".".to_owned(),
                    path => shortened(path, MOST_COLUMNS),
                },
                name_paint,
            ),
            (span.role.to_owned(), style::DIM),
            (
                shortened(&span.type_name, MOST_COLUMNS) + &since,
                style::TYPE,
            ),
        ]);
    }
    table.write(out)?;
    let dim = style::DIM;
    if spans.len() > MOST_FIELDS {
        let more = spans.len() - MOST_FIELDS;
        writeln!(
            out,
            "{dim}{more} more; give a path to look at a part, or --json for all{dim:#}"
        )?;
    }
    let padding = picture
        .spans
        .iter()
        .filter(|span| span.kind == Kind::Padding);
    let padding: usize = padding.map(|span| span.size).sum();
    if padding > 0 {
        let sign = style.signs.padding;
        writeln!(out, "{dim} {sign}  {padding} bytes of padding{dim:#}")?;
    }
    Ok(())
}

fn notes(picture: &Picture, style: &Style, out: &mut dyn Write) -> io::Result<()> {
    let (good, warn) = (style::GOOD, style::WARN);
    writeln!(out)?;
    if picture.notes.is_empty() {
        let line = picture.line;
        return writeln!(
            out,
            "{good}No line of {line} bytes has parts that different processes write, as far as the types tell.{good:#}"
        );
    }
    let width = style.width.unwrap_or(80).max(40);
    for (number, note) in (1..).zip(&picture.notes) {
        let mark = format!("{}{number}", style.signs.shared);
        let indent = mark.width() + 1;
        let text = picture.text_of(note);
        for (line, text) in wrapped(&text, width - indent).iter().enumerate() {
            match line {
                0 => writeln!(out, "{warn}{mark}{warn:#} {text}")?,
                _ => writeln!(out, "{:indent$}{text}", "")?,
            }
        }
    }
    let dim = style::DIM;
    for text in wrapped(ADVICE, width) {
        writeln!(out, "{dim}{text}{dim:#}")?;
    }
    Ok(())
}

/// The words of a text in lines of at most so many columns, unless a word is longer.
pub(super) fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::picture::Subject;
    use super::*;
    use shm_core::layout::LayoutKind;
    use shm_core::sync::{Mutex, Ring, SeqLock};
    use shm_core::{ShmLayout, TypeLayout};

    #[derive(ShmLayout)]
    #[repr(C)]
    #[shm(padding)]
    struct Plant {
        temperature_of_the_reactor_in_kelvin_at_the_upper_end: f32,
        größe: [u8; 4],
        漢字: [u8; 12],
        lock: Mutex<[u64; 3]>,
        limits: SeqLock<[f64; 4]>,
        jobs: Ring<[[u8; 16]; 4], 64>,
    }

    fn drawn(layout: &'static TypeLayout, line: usize, style: &Style) -> String {
        let subject = Subject {
            layout,
            offset: 0,
            len: None,
            tail: 0,
        };
        let picture = Picture::new(subject, line, true);
        let title = Title {
            name: "/plant".to_owned(),
            path: ".".to_owned(),
            level: 0,
            fingerprint: 0,
        };
        let mut out = Vec::new();
        draw(&picture, &title, style, &mut out).unwrap();
        let plain = anstream::adapter::strip_bytes(&out).into_vec();
        String::from_utf8(plain).unwrap()
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for width in [80, 100, 146, 200] {
            for line in [16, 32, 64, 128] {
                let text = drawn(Plant::LAYOUT, line, &Style::of(Some(width), true, false));
                for line in text.lines() {
                    assert!(line.width() <= width, "{width}: {line}");
                }
            }
        }
    }

    #[test]
    fn every_byte_has_its_columns() {
        for (width, columns) in [(80, 64), (146, 128)] {
            let text = drawn(Plant::LAYOUT, 64, &Style::of(Some(width), true, false));
            let rows = text.lines().skip(4).take_while(|line| !line.is_empty());
            for row in rows.filter(|row| !row.contains("more lines")) {
                let cells = row.get(9..).unwrap().split(" ◆").next().unwrap();
                assert_eq!(cells.width(), columns, "{row}");
            }
        }
    }

    #[test]
    fn wide_names_keep_their_place() {
        let text = drawn(Plant::LAYOUT, 64, &Style::of(Some(80), true, false));
        let row = text.lines().nth(4).unwrap();
        assert!(row.starts_with("     0   ├a─┤├b─┤├漢字──────┤"), "{row}");
        let LayoutKind::Struct { fields, .. } = Plant::LAYOUT.kind() else {
            panic!("not a struct");
        };
        assert_eq!(fields[2].offset(), 8);
    }
}
