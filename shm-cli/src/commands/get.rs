//! `shm get`: a value, and nothing else.

use std::io::Write;

use clap::Args;
use shm_core::dynamic::{DynCell, DynValue};

use crate::failure::{Exit, Failure};
use crate::observe::Length;
use crate::output::{Context, Document, escaped, json};
use crate::target::Target;

/// Print the value of a part, in the form that `set` takes
///
/// With several paths, each value is a line. With --json, each is a document in a line of its own.
#[derive(Args, Debug)]
pub(crate) struct Get {
    /// A segment's name, the path of a dump, or `/proc/PID/fd/N`
    #[arg(value_name = "NAME")]
    target: Target,

    /// Parts, such as `position[2]`. `.` is the whole segment
    #[arg(value_name = "PATH", default_value = ".")]
    paths: Vec<String>,

    /// Print texts and characters as they are, without quotes. In a pipe, they may contain any characters
    #[arg(short, long, conflicts_with = "json")]
    raw: bool,
}

impl Get {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let length = Length::of(&self.target);
        let segment = self.target.read_only()?;
        let cells: Vec<DynCell> = self
            .paths
            .iter()
            .map(|path| segment.at(path))
            .collect::<Result<_, _>>()?;
        for cell in cells {
            let value = cell.get()?;
            if context.json {
                let document = Document::new("get")
                    .with("name", segment.name())
                    .with("path", cell.path())
                    .with("value", json::value(&value));
                document.write(&mut context.out)?;
            } else if self.raw {
                print_raw(&value, context)?;
            } else {
                writeln!(context.out, "{}", escaped(&value.to_string()))?;
            }
        }
        length.check().map(|()| Exit::Ok)
    }
}

fn print_raw(value: &DynValue, context: &mut Context) -> Result<(), Failure> {
    let text = match value {
        DynValue::Str(text) => text.clone().into_bytes(),
        DynValue::Bytes(bytes) => bytes.clone(),
        DynValue::Char(character) => character.to_string().into_bytes(),
        other => other.to_string().into_bytes(),
    };
    if context.terminal {
        writeln!(context.out, "{}", escaped(&String::from_utf8_lossy(&text)))?;
    } else {
        // Without what drops colors from the output, and would drop parts of the text.
        context.finish()?;
        let mut out = std::io::stdout().lock();
        out.write_all(&text)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}
