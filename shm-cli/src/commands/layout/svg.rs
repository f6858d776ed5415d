//! Draws a layout as SVG.

use std::fmt::{self, Write};

use super::Title;
use super::picture::{ADVICE, Kind, Picture, Row, Span, short, shortened};
use crate::output::escaped;

/// The width of the picture of a line.
const WIDTH: usize = 896;
/// The left and right margins, which have the offsets and the marks of shared lines.
const LEFT: usize = 96;
const RIGHT: usize = 72;
/// The height of a line, and of the gap below it.
const HEIGHT: usize = 34;
const GAP: usize = 8;
/// The width of a character of the font at 12 pixels, at most.
const CHAR: f64 = 7.3;
/// The most rows of the table of fields.
const MOST_FIELDS: usize = 200;

/// Plain properties, since few programs other than browsers know variables.
const STYLE: &str = "\
  text { font: 12px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace; fill: #1d2433; }
  .title { font-size: 20px; font-weight: 700; } .head { font-weight: 700; } .end { text-anchor: end; }
  .dim { fill: #5d6778; } .warn { fill: #b45309; font-weight: 700; } .label { fill: #16202e; }
  .page { fill: #ffffff; } .rule { stroke: #d8dee8; } .glow { fill: #fdf0d8; stroke: #b45309; }
  .span { stroke: #ffffff; stroke-width: 1.5; } .pad { fill: url(#hatch); } .none { fill: #eef1f5; } .hatch { stroke: #d8dee8; }
  .c0 { fill: #a5d8ff; } .c1 { fill: #b2f2bb; } .c2 { fill: #d0bfff; } .c3 { fill: #ffd6a5; } .c4 { fill: #fcc2d7; }
  .c5 { fill: #99e9f2; } .odd { fill-opacity: 0.7; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6eaf2; } .dim { fill: #97a3b6; } .warn { fill: #f5b04d; } .label { fill: #16202e; } .page { fill: #12161f; }
    .rule, .hatch { stroke: #323b4b; } .glow { fill: #3a2c12; stroke: #f5b04d; } .span { stroke: #12161f; } .none { fill: #1d2430; }
    .odd { fill-opacity: 0.85; }
  }
";

/// Text between tags and in attributes.
struct Xml<'a>(&'a str);

impl fmt::Display for Xml<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in escaped(self.0).to_string().chars() {
            match char {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                // No document can have these.
                '\u{fffe}' | '\u{ffff}' => f.write_str("\u{fffd}")?,
                _ => f.write_char(char)?,
            }
        }
        Ok(())
    }
}

/// An SVG document that grows downwards.
struct Drawing {
    body: String,
    /// The upper end of what comes next.
    y: usize,
}

/// The picture as a document of its own.
pub(super) fn drawn(picture: &Picture, title: &Title) -> String {
    let mut drawing = Drawing {
        body: String::new(),
        y: 24,
    };
    drawing.head(picture, title);
    drawing.rows(picture);
    drawing.fields(picture);
    drawing.notes(picture);
    let (width, height) = (LEFT + WIDTH + RIGHT, drawing.y + 16);
    let name = match title.path.as_str() {
        "." => title.name.clone(),
        path => format!("{} {path}", title.name),
    };
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\">\n\
         <title>Layout of {}</title>\n<style>\n{STYLE}</style>\n\
         <defs><pattern id=\"hatch\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">\
         <rect class=\"none\" width=\"6\" height=\"6\"/><line class=\"hatch\" y2=\"6\"/></pattern></defs>\n\
         <rect class=\"page\" width=\"{width}\" height=\"{height}\"/>\n{}</svg>\n",
        Xml(&short(&name)),
        drawing.body
    )
}

/// The class of a span's color.
fn class(span: &Span) -> String {
    match span.kind {
        Kind::Padding | Kind::Reserved => "pad".to_owned(),
        Kind::Value => {
            let odd = if span.number % 2 == 1 { " odd" } else { "" };
            format!("c{}{odd}", span.group % 6)
        }
    }
}

impl Drawing {
    fn text(&mut self, x: usize, y: usize, class: &str, text: &str) {
        // Writing to a `String` does not fail.
        let _ = writeln!(
            self.body,
            "<text x=\"{x}\" y=\"{y}\" class=\"{class}\" xml:space=\"preserve\">{}</text>",
            Xml(text)
        );
    }

    fn rect(
        &mut self,
        (x, y): (f64, usize),
        (width, height): (f64, usize),
        class: &str,
        tip: &str,
    ) {
        let tip = match tip {
            "" => String::new(),
            tip => format!("<title>{}</title>", Xml(tip)),
        };
        let _ = writeln!(
            self.body,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"4\" class=\"{class}\">{tip}</rect>"
        );
    }

    fn head(&mut self, picture: &Picture, title: &Title) {
        self.text(24, self.y + 16, "title", &short(&picture.type_name));
        let path = match title.path.as_str() {
            "." => String::new(),
            path => format!(" {}", short(path)),
        };
        let lines = picture.lines();
        let plural = if lines == 1 { "" } else { "s" };
        let level = match title.level {
            0 => String::new(),
            level => format!(", at level {level}"),
        };
        let facts = format!(
            "{}{path}: {} bytes in {lines} line{plural} of {}, aligned to {}{level}, fingerprint {:016x}",
            shortened(&title.name, 60),
            picture.size,
            picture.line,
            picture.align,
            title.fingerprint
        );
        self.text(24, self.y + 40, "dim", &facts);
        self.y += 60;
    }

    fn rows(&mut self, picture: &Picture) {
        let scale = WIDTH as f64 / picture.line as f64;
        for at in (0..picture.line).step_by(8) {
            let x = LEFT + at * WIDTH / picture.line;
            self.text(x + 2, self.y + 12, "dim", &at.to_string());
        }
        self.y += 18;
        for row in picture.rows() {
            match row {
                Row::Line(line) => self.line(picture, line, scale),
                Row::Folded { first, count, span } => {
                    let name = match picture.spans[span].path.as_str() {
                        "" => "padding".to_owned(),
                        path => short(path),
                    };
                    self.text(LEFT - 12, self.y + 14, "dim end", "\u{22ee}");
                    let text = format!("{count} more lines of {name}");
                    self.text(LEFT + 8, self.y + 14, "dim", &text);
                    if let Some(note) = picture.note_of(first) {
                        let mark = format!("\u{25c6} {note}");
                        self.text(LEFT + WIDTH + 14, self.y + 14, "warn", &mark);
                    }
                    self.y += 20 + GAP;
                }
            }
        }
        self.y += GAP;
    }

    fn line(&mut self, picture: &Picture, line: usize, scale: f64) {
        let (start, end) = (line * picture.line, (line + 1) * picture.line);
        let y = self.y;
        if let Some(note) = picture.note_of(line) {
            let x = (LEFT - 3) as f64;
            self.rect((x, y - 3), ((WIDTH + 6) as f64, HEIGHT + 6), "glow", "");
            let mark = format!("\u{25c6} {note}");
            self.text(LEFT + WIDTH + 14, y + 22, "warn", &mark);
        }
        self.text(LEFT - 12, y + 22, "dim end", &start.to_string());
        for span in picture.spans_in(line) {
            let (from, to) = (span.offset.max(start), span.end().min(end));
            let x = LEFT as f64 + (from - start) as f64 * scale;
            let width = (to - from) as f64 * scale;
            self.rect(
                (x, y),
                (width, HEIGHT),
                &format!("span {}", class(span)),
                &tip(span),
            );
            let room = ((width - 10.0) / CHAR).max(0.0) as usize;
            let path = shortened(&span.path, room);
            let label = match span.kind {
                Kind::Padding => String::new(),
                _ if !path.ends_with('…') => path,
                _ if room < 4 && span.label.len() > room => String::new(),
                _ => shortened(&span.label, room),
            };
            if !label.is_empty() {
                let class = match span.kind {
                    Kind::Value => "label",
                    _ => "dim",
                };
                self.text(x as usize + 6, y + 21, class, &label);
            }
        }
        self.y += HEIGHT + GAP;
    }

    fn fields(&mut self, picture: &Picture) {
        const COLUMNS: [usize; 6] = [24, 118, 178, 196, 530, 680];

        self.y += GAP;
        for (x, title) in COLUMNS[1..]
            .iter()
            .zip(["offset", "size", "field", "written by", "type"])
        {
            let class = if *x < 190 { "head end" } else { "head" };
            self.text(*x, self.y + 12, class, title);
        }
        self.y += 20;
        let _ = writeln!(
            self.body,
            "<line class=\"rule\" x1=\"24\" x2=\"{}\" y1=\"{y}\" y2=\"{y}\"/>",
            LEFT + WIDTH + RIGHT - 24,
            y = self.y
        );
        self.y += 4;
        let spans = picture.spans.iter();
        let spans: Vec<_> = spans.filter(|span| span.kind != Kind::Padding).collect();
        for span in spans.iter().take(MOST_FIELDS) {
            let y = self.y;
            let class = format!("span {}", class(span));
            self.rect((COLUMNS[0] as f64, y + 2), (26.0, 16), &class, "");
            let since = match span.since {
                0 => String::new(),
                since => format!(", since {since}"),
            };
            let path = match span.path.as_str() {
                "" => ".",
                path => path,
            };
            self.text(COLUMNS[1], y + 14, "end", &span.offset.to_string());
            self.text(COLUMNS[2], y + 14, "end", &span.size.to_string());
            self.text(COLUMNS[3], y + 14, "", &shortened(path, 44));
            self.text(COLUMNS[4], y + 14, "dim", span.role);
            let type_name = shortened(&span.type_name, 46 - since.len());
            self.text(COLUMNS[5], y + 14, "dim", &(type_name + &since));
            self.y += 20;
        }
        if spans.len() > MOST_FIELDS {
            let more = format!("{} more", spans.len() - MOST_FIELDS);
            self.text(COLUMNS[3], self.y + 14, "dim", &more);
            self.y += 20;
        }
        self.y += 12;
    }

    fn notes(&mut self, picture: &Picture) {
        if picture.notes.is_empty() {
            let line = picture.line;
            let text = format!(
                "No line of {line} bytes has parts that different processes write, as far as the types tell."
            );
            self.text(24, self.y + 14, "dim", &text);
            self.y += 24;
            return;
        }
        for (number, note) in (1..).zip(&picture.notes) {
            self.text(24, self.y + 14, "warn", &format!("\u{25c6} {number}"));
            for line in super::terminal::wrapped(&picture.text_of(note), 132) {
                self.text(64, self.y + 14, "", &line);
                self.y += 18;
            }
            self.y += 4;
        }
        for line in super::terminal::wrapped(ADVICE, 132) {
            self.text(24, self.y + 14, "dim", &line);
            self.y += 18;
        }
    }
}

/// What appears when the pointer rests on a span.
fn tip(span: &Span) -> String {
    let name = match span.path.as_str() {
        "" => match span.kind {
            Kind::Padding => "padding",
            _ => ".",
        },
        path => path,
    };
    let mut text = format!("{}: {} bytes at {}", short(name), span.size, span.offset);
    if !span.type_name.is_empty() {
        text += &format!(", {}", short(&span.type_name));
    }
    if !span.role.is_empty() {
        text += &format!(", written by: {}", span.role);
    }
    text
}
