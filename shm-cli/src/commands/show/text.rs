//! The tree, for a person.

use std::fmt::Write as _;
use std::io::{self, Write};

use shm_core::TypeLayout;
use shm_core::dynamic::DynValue;
use shm_core::layout::LayoutKind;
use unicode_width::UnicodeWidthStr;

use super::state;
use super::tree::{Body, Elements, Node, is_byte, is_leaf};
use crate::output::{cut, escaped, number, style, type_name};

/// Columns for names that are padded to the same width. Longer ones are not.
const WIDEST_LABEL: usize = 24;
/// Columns of a type.
const WIDEST_TYPE: usize = 40;
/// More bytes than these are shown as a dump.
const LONGEST_BYTE_LIST: usize = 8;
const BYTES_OF_LINE: usize = 16;
/// A list is not cut to less.
const FEWEST: usize = 3;

/// How to print.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text {
    pub(crate) width: usize,
    pub(crate) hex: bool,
    /// Nothing is cut to the width.
    pub(crate) full: bool,
}

/// Whether a line says the type: elements of a list all have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Types {
    Shown,
    Known,
}

impl Text {
    /// Prints what is in a node: its fields or its elements, each with its label, or its value.
    pub(crate) fn print(self, node: &Node, out: &mut dyn Write) -> io::Result<()> {
        self.inside(node, 2, out)
    }

    fn inside(self, node: &Node, indent: usize, out: &mut dyn Write) -> io::Result<()> {
        let pad = " ".repeat(indent);
        let (bad, dim) = (style::BAD, style::DIM);
        match &node.body {
            Body::Nothing => Ok(()),
            Body::Deep => writeln!(out, "{pad}{dim}..{dim:#}"),
            Body::Error(error) => writeln!(out, "{pad}{bad}{}{bad:#}", escaped(error)),
            Body::Value(value) => {
                let text = self.value(value, node.layout);
                writeln!(out, "{pad}{}", self.fitting(&text, indent))
            }
            Body::Bytes(bytes) => {
                dump(bytes.from, &bytes.read, indent, out)?;
                self.more(bytes.folded(), indent, out)
            }
            Body::Fields(nodes) => self.lines(nodes, Types::Shown, indent, out),
            Body::Messages(nodes) => self.lines(nodes, Types::Known, indent, out),
            Body::Parts(elements) => {
                self.lines(&elements.read, Types::Known, indent, out)?;
                self.more(elements.folded(), indent, out)
            }
            Body::Values(values) => {
                match values.read.as_slice() {
                    [] => writeln!(out, "{pad}[]")?,
                    [DynValue::Int(_), ..] if is_bytes(node) => {
                        let byte = |value: &DynValue| {
                            let int = value.as_int();
                            int.and_then(|int| u8::try_from(int).ok()).unwrap_or(0)
                        };
                        let bytes: Vec<u8> = values.read.iter().map(byte).collect();
                        dump(values.from, &bytes, indent, out)?;
                    }
                    _ => self.rows(values, element_layout(node), indent, out)?,
                }
                self.more(values.folded(), indent, out)
            }
        }
    }

    fn more(self, folded: usize, indent: usize, out: &mut dyn Write) -> io::Result<()> {
        if folded == 0 {
            return Ok(());
        }
        let (pad, dim) = (" ".repeat(indent), style::DIM);
        let folded = number::grouped(&folded.to_string());
        writeln!(out, "{pad}{dim}.. {folded} more{dim:#}")
    }

    fn lines(
        self,
        nodes: &[Node],
        types: Types,
        indent: usize,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let labels: Vec<String> = nodes
            .iter()
            .map(|node| {
                let label = escaped(&node.label.to_string()).to_string();
                match self.full {
                    true => label,
                    false => cut(&label, self.width / 2).into_owned(),
                }
            })
            .collect();
        let widths = labels.iter().map(|label| label.width());
        let widest = widths.filter(|width| *width <= WIDEST_LABEL).max();
        for (node, label) in nodes.iter().zip(&labels) {
            self.line(node, label, (types, indent, widest.unwrap_or(0)), out)?;
        }
        Ok(())
    }

    fn line(
        self,
        node: &Node,
        label: &str,
        (types, indent, label_width): (Types, usize, usize),
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let (name, dim, bad) = (style::NAME, style::DIM, style::BAD);
        let of_type = style::TYPE;
        let gap = label_width.saturating_sub(label.width());
        write!(out, "{:indent$}{name}{label}{name:#}{:gap$}", "", "")?;
        let before = indent + label.width() + gap;
        let mut after = String::new();
        let mut after_width = 0;
        if types == Types::Shown {
            let type_name = type_and_len(node);
            after_width += 2 + type_name.width();
            let _ = write!(after, "  {of_type}{type_name}{of_type:#}");
        }
        if let Some(state) = &node.state {
            let state = state::describe(state);
            after_width += 2 + state.width();
            let _ = write!(after, "  {}", state::styled(&state));
        }
        let room = self.width.saturating_sub(before + 2 + after_width);
        match &node.body {
            Body::Nothing => writeln!(out, "{after}"),
            Body::Deep => writeln!(out, "  {dim}..{dim:#}{after}"),
            Body::Error(error) => writeln!(out, "  {bad}{}{bad:#}{after}", escaped(error)),
            // It has no lines of its own, so it is shown here whatever its length.
            Body::Value(value) => {
                let text = self.value(value, node.layout);
                let text = match self.full {
                    true => text.into(),
                    false => cut(&text, room.max(16)),
                };
                writeln!(out, "  {text}{after}")
            }
            _ => match self.inline(node, room) {
                Some(text) => writeln!(out, "  {text}{after}"),
                None => {
                    writeln!(out, "{after}")?;
                    self.inside(node, indent + 2, out)
                }
            },
        }
    }

    /// A text, cut to the width unless all is wanted.
    fn fitting(self, text: &str, indent: usize) -> String {
        match self.full {
            true => text.to_owned(),
            false => cut(text, self.width.saturating_sub(indent).max(16)).into_owned(),
        }
    }

    /// All of a node in at most `room` columns, without its label. `None` if it does not fit, or has something to say for which there
    /// are lines of its own.
    fn inline(self, node: &Node, room: usize) -> Option<String> {
        let text = match &node.body {
            Body::Value(value) => self.value(value, node.layout),
            Body::Values(values) => return self.list(values, node, room),
            Body::Parts(elements) if elements.folded() == 0 => {
                let mut text = String::from("[");
                self.join(&mut text, &elements.read, room, |_| String::new())?;
                text + "]"
            }
            Body::Fields(nodes) => {
                let mut text = String::from("{");
                self.join(&mut text, nodes, room, |node| {
                    format!("{}: ", escaped(&node.label.to_string()))
                })?;
                text + "}"
            }
            _ => return None,
        };
        (text.width() <= room).then_some(text)
    }

    fn join(
        self,
        text: &mut String,
        nodes: &[Node],
        room: usize,
        label: impl Fn(&Node) -> String,
    ) -> Option<()> {
        for (number, node) in nodes.iter().enumerate() {
            if node.state.is_some() || text.len() > 4 * room {
                return None;
            }
            let comma = if number > 0 { ", " } else { "" };
            let inner = match &node.body {
                // Not cut within a line.
                Body::Values(values) if values.folded() > 0 => return None,
                _ => self.inline(node, room)?,
            };
            let _ = write!(text, "{comma}{}{inner}", label(node));
        }
        Some(())
    }

    /// A list of single values in a line. A long one is cut.
    fn list(self, values: &Elements<DynValue>, node: &Node, room: usize) -> Option<String> {
        if is_bytes(node) {
            return None;
        }
        // Each takes a column, and the comma and the space before it two more.
        if self.full && values.read.len() > room {
            return None;
        }
        let layout = element_layout(node);
        let texts: Vec<String> = values
            .read
            .iter()
            .map(|value| self.value(value, layout))
            .collect();
        let mut shown = texts.len();
        loop {
            let folded = values.len - shown;
            let more = match folded {
                0 => String::new(),
                _ => format!(", .. {} more", number::grouped(&folded.to_string())),
            };
            let text = format!("[{}{more}]", texts[..shown].join(", "));
            if text.width() <= room {
                return Some(text);
            }
            if self.full || shown <= FEWEST {
                return None;
            }
            shown -= 1;
        }
    }

    /// Single values in rows, each with the number of its first one.
    fn rows(
        self,
        values: &Elements<DynValue>,
        layout: &TypeLayout,
        indent: usize,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let name = style::NAME;
        let texts: Vec<String> = values
            .read
            .iter()
            .map(|value| self.value(value, layout))
            .collect();
        let widest = texts.iter().map(|text| text.width()).max().unwrap_or(0);
        let last = values.from + values.read.len().saturating_sub(1);
        let label_width = format!("[{last}]").len();
        let room = self.width.saturating_sub(indent + label_width);
        // A power of two, so that the numbers are easy to follow.
        let fits = (room / (widest + 2)).max(1);
        let columns = if fits < 4 {
            1
        } else {
            1 << fits.ilog2().min(5)
        };
        let is_left = matches!(
            values.read.first(),
            Some(DynValue::Name(_) | DynValue::Str(_) | DynValue::Bytes(_))
        );
        for (row, texts) in texts.chunks(columns).enumerate() {
            let label = format!("[{}]", values.from + row * columns);
            write!(out, "{:indent$}{name}{label:<label_width$}{name:#}", "")?;
            for (number, text) in texts.iter().enumerate() {
                let gap = " ".repeat(widest - text.width());
                match is_left {
                    // No spaces at the end of a line.
                    true if number + 1 == texts.len() => {
                        write!(out, "  {}", self.fitting(text, indent + label_width + 2))?
                    }
                    true => write!(out, "  {text}{gap}")?,
                    false => write!(out, "  {gap}{text}")?,
                }
            }
            writeln!(out)?;
        }
        Ok(())
    }

    fn value(self, value: &DynValue, layout: &TypeLayout) -> String {
        let is_offset = matches!(
            layout.kind(),
            LayoutKind::Meaning {
                meaning: "offset",
                ..
            }
        );
        let text = match value {
            DynValue::Int(0) if is_offset => "null".to_owned(),
            DynValue::Int(int) if is_offset => format!("@{int:#x}"),
            DynValue::Int(int) if self.hex => hex(*int, layout.size()),
            DynValue::UInt(int) if self.hex => format!("{int:#034x}"),
            DynValue::Int(_) | DynValue::UInt(_) => number::grouped(&value.to_string()),
            // Any integer: it has no variants.
            other => other.to_string(),
        };
        escaped(&text).to_string()
    }
}

/// The bits of an integer of so many bytes.
fn hex(int: i128, size: usize) -> String {
    let bits = 8 * size.clamp(1, 16) as u32;
    let bits = int.cast_unsigned() & (u128::MAX >> (128 - bits));
    format!("{bits:#0width$x}", width = 2 + 2 * size)
}

/// Bytes as `hexdump -C` shows them. Lines that are equal to the one before are a `*`.
fn dump(from: usize, bytes: &[u8], indent: usize, out: &mut dyn Write) -> io::Result<()> {
    let (name, dim) = (style::NAME, style::DIM);
    let end = from + bytes.len();
    let digits = format!("{end:x}").len().max(4);
    let mut before: Option<&[u8]> = None;
    let mut is_repeated = false;
    let count = bytes.len().div_ceil(BYTES_OF_LINE);
    for (row, line) in bytes.chunks(BYTES_OF_LINE).enumerate() {
        // The last line shows where the bytes end.
        if before == Some(line) && row + 1 < count {
            if !std::mem::replace(&mut is_repeated, true) {
                writeln!(out, "{:indent$}{dim}*{dim:#}", "")?;
            }
            continue;
        }
        (before, is_repeated) = (Some(line), false);
        let at = from + row * BYTES_OF_LINE;
        write!(out, "{:indent$}{name}{at:0digits$x}{name:#} ", "")?;
        for column in 0..BYTES_OF_LINE {
            let gap = if column == BYTES_OF_LINE / 2 { " " } else { "" };
            match line.get(column) {
                Some(byte) => write!(out, "{gap} {byte:02x}")?,
                None => write!(out, "{gap}   ")?,
            }
        }
        let text: String = line
            .iter()
            .map(|byte| match byte {
                b' '..=b'~' => char::from(*byte),
                _ => '.',
            })
            .collect();
        writeln!(out, "  {dim}|{dim:#}{text}{dim}|{dim:#}")?;
    }
    Ok(())
}

/// Whether it is shown as a dump of bytes.
fn is_bytes(node: &Node) -> bool {
    match &node.body {
        Body::Values(values) => values.len > LONGEST_BYTE_LIST && is_byte(element_layout(node)),
        _ => false,
    }
}

/// The type of the elements of a list, or of a lock that holds one.
fn element_layout(node: &Node) -> &TypeLayout {
    if node.list.is_some() || is_leaf(node.layout) {
        return node.layout;
    }
    super::tree::element_of(node.layout).unwrap_or(node.layout)
}

/// The type of a part, shortened.
pub(crate) fn type_of(node: &Node) -> String {
    let name = type_name(node.layout);
    let name = match (node.list, node.layout.kind()) {
        (Some(len), _) => format!("[{name}; {len}]"),
        (None, LayoutKind::Slice { element, .. }) => format!("[{}]", type_name(element)),
        (None, _) => name,
    };
    cut(&escaped(&name).to_string(), WIDEST_TYPE).into_owned()
}

/// The type of a part, and the number of elements if the type does not say it.
pub(crate) fn type_and_len(node: &Node) -> String {
    let name = type_of(node);
    let len = match &node.body {
        Body::Values(values) => values.len,
        Body::Parts(parts) => parts.len,
        _ => return name,
    };
    match (node.list, node.layout.kind()) {
        (None, LayoutKind::Slice { .. }) => format!("{name}, {}", number::elements(len)),
        _ => name,
    }
}
