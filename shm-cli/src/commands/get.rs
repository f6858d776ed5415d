//! `shm get`: a value, and nothing else.

use std::io::Write;

use clap::Args;

use crate::failure::{Exit, Failure};
use crate::output::{Context, Document, escaped};
use crate::target::Target;

/// Print the value of a part, in the form that `set` takes
#[derive(Args, Debug)]
pub(crate) struct Get {
    /// A segment's name, the path of a dump, or `/proc/PID/fd/N`
    #[arg(value_name = "NAME")]
    target: Target,

    /// Parts, such as `position[2]`. `.` is the whole segment
    #[arg(value_name = "PATH", default_value = ".")]
    paths: Vec<String>,
}

impl Get {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let segment = self.target.read_only()?;
        for path in &self.paths {
            let value = segment.at(path)?.get()?;
            if context.json {
                let document = Document::new("get")
                    .with("name", segment.name())
                    .with("path", path)
                    .with("value", &value);
                document.write(&mut context.out)?;
            } else {
                writeln!(context.out, "{}", escaped(&value.to_string()))?;
            }
        }
        Ok(Exit::Ok)
    }
}
