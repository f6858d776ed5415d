//! `shm show`: the values of a segment, as a tree.

mod document;
mod state;
mod text;
mod tree;

use std::io::Write;
use std::time::{Duration, SystemTime};

use clap::Args;
use shm_core::dynamic::{DynCell, DynError, DynSegment};
use shm_core::layout::LayoutKind;

use crate::duration;
use crate::failure::{Exit, Failure};
use crate::observe::Length;
use crate::output::{Context, Document, cut_styled, escaped, number, style};
use crate::target::Target;

use document::Parts;
use text::Text;
use tree::{Body, Extent, Node};

/// Columns where there is no terminal.
const WIDTH: usize = 100;

/// Show the values of a segment, or of a part of it, as a tree
///
/// Long arrays are folded to their first elements, and only what is shown is read. Looking changes nothing in the segment:
/// no lock is taken, and read permission suffices.
#[derive(Args, Debug)]
pub(crate) struct Show {
    /// A segment's name, the path of a dump, or `/proc/PID/fd/N`
    #[arg(value_name = "NAME")]
    target: Target,

    /// A part, such as `position[2]`. `.` is the whole segment
    #[arg(value_name = "PATH", default_value = ".")]
    path: String,

    /// Show all elements of arrays, up to some millions, and texts of any length
    #[arg(short, long)]
    full: bool,

    /// Show only so many levels
    #[arg(short, long, value_name = "N")]
    depth: Option<usize>,

    /// Show integers in hexadecimal
    #[arg(short = 'x', long)]
    hex: bool,

    /// Print a line of JSON now, and another one whenever something has changed, until the segment is removed
    #[arg(short = 'F', long)]
    follow: bool,

    /// How often --follow looks, such as `20ms`
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = duration::parse, requires = "follow")]
    interval: Duration,

    /// End --follow after so many lines
    #[arg(long, value_name = "N", requires = "follow")]
    count: Option<u64>,
}

impl Show {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let length = Length::of(&self.target);
        let segment = self.target.read_only()?;
        let extent = Extent {
            full: self.full,
            depth: self.depth.unwrap_or(usize::MAX),
        };
        let cell = segment.at(&self.path)?;
        if self.follow {
            return self.follow((&segment, &length), &cell, extent, context);
        }
        self.once(&segment, &cell, extent, context)?;
        length.check().map(|()| Exit::Ok)
    }

    fn once(
        &self,
        segment: &DynSegment,
        cell: &DynCell,
        extent: Extent,
        context: &mut Context,
    ) -> Result<(), Failure> {
        let node = tree::read(cell, extent);
        fail_if_missing(&node, cell)?;
        if context.json {
            return document(segment, &node, &Parts::of(&node)).write(&mut context.out);
        }
        let width = context.width().unwrap_or(WIDTH);
        let text = Text {
            width,
            hex: self.hex,
            full: self.full,
        };
        let limit = context.width().filter(|_| !self.full);
        let mut lines = heading(segment, &node, cell).into_bytes();
        text.print(&node, &mut lines)?;
        let Some(limit) = limit else {
            return Ok(context.out.write_all(&lines)?);
        };
        for line in String::from_utf8_lossy(&lines).lines() {
            writeln!(context.out, "{}", cut_styled(line, limit))?;
        }
        Ok(())
    }

    fn follow(
        &self,
        (segment, length): (&DynSegment, &Length),
        cell: &DynCell,
        extent: Extent,
        context: &mut Context,
    ) -> Result<Exit, Failure> {
        let mut before = None;
        let mut left = self.count.unwrap_or(u64::MAX);
        while left > 0 {
            let node = tree::read(cell, extent);
            length.check()?;
            if before.is_none() {
                fail_if_missing(&node, cell)?;
            }
            let parts = Parts::of(&node);
            if before.as_ref() != Some(&parts) {
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
                let time = now.unwrap_or_default().as_secs_f64();
                document(segment, &node, &parts)
                    .with("time", time)
                    .write(&mut context.out)?;
                context.out.flush()?;
                before = Some(parts);
                left -= 1;
            }
            if left == 0 {
                break;
            }
            // Nobody changes a segment without a name, unless handles are left.
            if matches!(self.target, Target::Name(_)) && !segment.is_current() {
                return Err(Failure::not_there(format!(
                    "`{}` was removed or replaced; to follow a new segment of this name, start again",
                    self.target
                )));
            }
            std::thread::sleep(self.interval);
        }
        Ok(Exit::Ok)
    }
}

/// Returns an error if the part itself is missing, as a message is that is gone or has not been sent yet.
fn fail_if_missing(node: &Node, cell: &DynCell) -> Result<(), Failure> {
    // Each field of a message that is missing is an error of its own.
    let may_be_missing = matches!(node.body, Body::Error(_)) || cell.path().contains("[#");
    if may_be_missing && let Err(error @ DynError::NoSuchPart { .. }) = cell.get() {
        return Err(error.into());
    }
    Ok(())
}

fn document(segment: &DynSegment, node: &Node, parts: &Parts) -> Document {
    Document::new("show")
        .with("name", segment.name())
        .with("path", node.label.to_string())
        .with("type", text::type_of(node))
        .with("value", &parts.value)
        .with("sync", &parts.sync)
        .with("folded", &parts.folded)
        .with("errors", &parts.errors)
}

/// The bytes of a part, with those of the slice at its end.
fn size_of(cell: &DynCell) -> usize {
    let layout = cell.layout();
    let tail = match layout.kind() {
        LayoutKind::Slice { element, .. } => {
            let len = cell.len().ok().flatten().unwrap_or(0);
            return element.size() * len;
        }
        LayoutKind::Struct { fields, .. } => fields.last(),
        _ => None,
    };
    let tail = tail.and_then(|field| Some((field.offset(), cell.field(field.name()).ok()?)));
    let end = tail.map_or(0, |(offset, field)| offset + size_of(&field));
    layout.size().max(end.next_multiple_of(layout.align()))
}

/// The first line: which segment, which part, its type and its size.
fn heading(segment: &DynSegment, node: &Node, cell: &DynCell) -> String {
    let (head, dim) = (style::HEAD, style::DIM);
    let name = segment.name().to_owned();
    let mut line = format!("{head}{}{head:#}", escaped(&name));
    if cell.path() != "." {
        line += &format!(" {head}{}{head:#}", escaped(cell.path()));
    }
    let size = match node.list {
        Some(len) => node.layout.size() * len,
        None => size_of(cell),
    };
    let size = number::bytes(size as u64);
    line += &format!("  {dim}{}, {size}{dim:#}", text::type_and_len(node));
    if let Some(state) = &node.state {
        line += &format!("  {}", state::styled(&state::describe(state)));
    }
    line + "\n"
}
