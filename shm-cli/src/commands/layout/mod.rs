//! `shm layout`: offsets, sizes and cache lines, as a picture.

mod picture;
mod svg;
mod terminal;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};
use shm_core::TypeLayout;
use shm_core::dynamic::{DynCell, DynSegment};
use shm_core::layout::LayoutKind;

use crate::failure::{Exit, Failure};
use crate::output::{Context, Document, is_colored, is_utf8};
use crate::target::Target;
use picture::{Parts, Picture, Subject};

/// Show offsets, sizes and cache lines as a picture, and which fields share a line that several processes write
#[derive(Args, Debug)]
pub(crate) struct Layout {
    /// A segment's name, the path of a dump, or `/proc/PID/fd/N`
    #[arg(value_name = "NAME")]
    target: Target,

    /// A part, such as `jobs` or `nodes[0]`. `.` is the whole segment
    #[arg(value_name = "PATH", default_value = ".")]
    path: String,

    /// Write the picture to this file, as SVG. `-` is standard output
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,

    /// Bytes of a cache line: a power of two from 16 to 128
    #[arg(long, value_name = "BYTES", default_value = "64", value_parser = line_size)]
    line: usize,

    /// Show every element of arrays of structs, up to a limit
    #[arg(long)]
    full: bool,
}

fn line_size(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(line @ (16 | 32 | 64 | 128)) => Ok(line),
        _ => Err("lines have 16, 32, 64 or 128 bytes; most processors have 64".to_owned()),
    }
}

/// What the picture is of.
struct Title {
    /// The segment.
    name: String,
    /// The part; `.` for the whole.
    path: String,
    level: u32,
    fingerprint: u64,
}

impl Layout {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        if context.json && self.svg.is_some() {
            return Err(Failure::usage(
                "--json and --svg cannot be used together; run the command twice",
            ));
        }
        let segment = self.target.read_only()?;
        let cell = segment.at(&self.path)?;
        let subject = subject(&segment, &cell)?;
        let title = Title {
            name: segment.name().to_owned(),
            path: cell.path().to_owned(),
            level: subject.layout.level(),
            fingerprint: subject.layout.fingerprint(),
        };
        let picture = Picture::new(subject, self.line, self.full);
        if let Some(file) = &self.svg {
            write_svg(&svg::drawn(&picture, &title), file, context)?;
        } else if context.json {
            document(&picture, &title).write(&mut context.out)?;
        } else {
            let width = context.width();
            let style = terminal::Style::of(width, is_utf8(), is_colored());
            terminal::draw(&picture, &title, &style, &mut context.out)?;
        }
        Ok(Exit::Ok)
    }
}

fn subject(segment: &DynSegment, cell: &DynCell) -> Result<Subject, Failure> {
    let Some(offset) = cell.offset() else {
        return Err(Failure::usage(format!(
            "`{}` is inside a SeqLock or a message, which has a place in each slot; show the layout of what is around it",
            cell.path()
        )));
    };
    let layout = cell.layout();
    let is_list = match layout.kind() {
        LayoutKind::Array { .. } | LayoutKind::Slice { .. } => false,
        // That of a vector is in its own words.
        LayoutKind::Meaning { .. } => false,
        _ => cell.len()?.is_some(),
    };
    Ok(Subject {
        layout,
        offset,
        len: if is_list { cell.len()? } else { None },
        tail: tail(segment.layout(), segment)?,
    })
}

/// The number of elements of the trailing slice.
fn tail(layout: &TypeLayout, segment: &DynSegment) -> Result<usize, Failure> {
    let whole = segment.at(".")?;
    let slice = match (layout.kind(), layout.fields().last()) {
        (LayoutKind::Slice { .. }, _) => Some(whole),
        (_, Some(last)) => match last.layout().kind() {
            LayoutKind::Slice { .. } => Some(whole.field(last.name())?),
            _ => None,
        },
        _ => None,
    };
    Ok(match slice {
        Some(slice) => slice.len()?.unwrap_or(0),
        None => 0,
    })
}

fn write_svg(text: &str, file: &Path, context: &mut Context) -> Result<(), Failure> {
    if file == Path::new("-") {
        return Ok(context.out.write_all(text.as_bytes())?);
    }
    fs::write(file, text)
        .map_err(|error| Failure::file(&format!("write {}", file.display()), &error))
}

fn document(picture: &Picture, title: &Title) -> Document {
    let spans: Vec<Value> = picture
        .spans
        .iter()
        .map(|span| {
            json!({
                "offset": span.offset,
                "size": span.size,
                "kind": span.kind.name(),
                "path": span.path,
                "type": span.type_name,
                "written_by": span.role,
                "since": span.since,
            })
        })
        .collect();
    let shared: Vec<Value> = picture
        .notes
        .iter()
        .map(|note| match &note.parts {
            Parts::Elements {
                path,
                type_name,
                stride,
            } => json!({
                "first_line": note.lines.first(),
                "last_line": note.lines.last(),
                "elements_of": path,
                "type": type_name,
                "stride": stride,
            }),
            Parts::Different { objects, fields } => {
                let objects: Vec<Value> = objects
                    .iter()
                    .map(|(path, of)| json!({"path": path, "type": of}))
                    .collect();
                json!({"lines": note.lines, "objects": objects, "fields": fields})
            }
        })
        .collect();
    Document::new("layout")
        .with("name", &title.name)
        .with("path", &title.path)
        .with("type", &picture.type_name)
        .with("offset", picture.offset)
        .with("size", picture.size)
        .with("align", picture.align)
        .with("level", title.level)
        .with("fingerprint", format!("{:016x}", title.fingerprint))
        .with("line", picture.line)
        .with("spans", spans)
        .with("shared_lines", shared)
}
