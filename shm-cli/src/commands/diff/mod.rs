//! `shm diff`: compares two layouts field by field, or two values.

mod layouts;
mod values;

use std::io::Write;

use anstyle::Style;
use clap::Args;
use serde_json::{Value, json};
use shm_core::dynamic::{DynField, DynSchema};

use crate::failure::{Exit, Failure};
use crate::output::{Align, Context, Document, Table, escaped, style};
use crate::target::Target;
use layouts::{Change, Difference, Verdict};

/// Compare the layouts of two segments or dumps, field by field, or their values
#[derive(Args, Debug)]
#[command(after_help = CODES)]
pub(crate) struct Diff {
    /// A segment's name, the path of a dump or of an exported schema, or `/proc/PID/fd/N`
    #[arg(value_name = "A")]
    first: Target,

    /// Another one
    #[arg(value_name = "B")]
    second: Target,

    /// Compare the values of the fields that both have
    #[arg(long)]
    values: bool,
}

const CODES: &str = "Exits with 0 if there is no difference, and with 1 if there is one. With --values, a field of one side only is a difference.";

impl Diff {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        if self.values {
            return self.values(context);
        }
        let (first, second) = (self.first.schema()?, self.second.schema()?);
        let all = layouts::differences(&first, &second);
        let verdict = Verdict::of(&first, &second);
        if context.json {
            let attaches = verdict.attaches();
            let differences: Vec<Value> = all.iter().map(Difference::document).collect();
            Document::new("diff")
                .with("first", side(&self.first, &first))
                .with("second", side(&self.second, &second))
                .with("verdict", verdict.name())
                .with("attaches", attaches)
                .with("first_difference", first.first_difference(&second))
                .with("differences", differences)
                .write(&mut context.out)?;
        } else {
            print(&all, context)?;
            let text = escaped(&verdict.text(&first, &second)).to_string();
            let paint = if verdict.attaches() {
                style::GOOD
            } else {
                style::WARN
            };
            writeln!(context.out, "{paint}{text}{paint:#}")?;
        }
        Ok(match verdict {
            Verdict::Same | Verdict::OtherOrder => Exit::Ok,
            _ => Exit::Found,
        })
    }

    fn values(&self, context: &mut Context) -> Result<Exit, Failure> {
        let (first, second) = (self.first.read_only()?, self.second.read_only()?);
        let bytes = [&self.first, &self.second].map(|target| {
            let file = std::fs::metadata(target.file());
            file.map_or(0, |file| file.len())
        });
        let bytes = bytes[0].saturating_add(bytes[1]);
        let found = values::Differences::between(&first.at(".")?, &second.at(".")?, bytes);
        if context.json {
            let kept = found
                .kept
                .iter()
                .map(|of| json!({"path": of.path, "first": of.first, "second": of.second}));
            let unread = found.unread.iter();
            let unread = unread.map(|(path, error)| json!({"path": path, "error": error}));
            let left_out = found.left_out.iter();
            let left_out = left_out.map(|of| json!({"path": of.path, "only_in": of.only_in}));
            Document::new("diff_values")
                .with("first", first.name())
                .with("second", second.name())
                .with("count", found.count)
                .with("differences", kept.collect::<Vec<_>>())
                .with("unread", unread.collect::<Vec<_>>())
                .with("left_out", left_out.collect::<Vec<_>>())
                .write(&mut context.out)?;
        } else {
            let advice = format!("`shm diff {} {}` shows them", self.first, self.second);
            print_values(&found, &escaped(&advice).to_string(), context)?;
        }
        let is_same = found.count == 0 && found.unread.is_empty() && found.left_out.is_empty();
        Ok(if is_same { Exit::Ok } else { Exit::Found })
    }
}

fn side(target: &Target, schema: &DynSchema) -> Value {
    let fingerprints: Vec<String> = (0..=schema.level())
        .filter_map(|level| schema.level_fingerprint(level))
        .map(|fingerprint| format!("{fingerprint:016x}"))
        .collect();
    json!({
        "name": target.to_string(),
        "type": schema.type_name(),
        "size": schema.size(),
        "level": schema.level(),
        "fingerprints": fingerprints,
    })
}

fn print(all: &[Difference], context: &mut Context) -> Result<(), Failure> {
    /// The most rows.
    const MOST: usize = 200;

    if all.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(vec![
        ("CHANGE", Align::Left),
        ("FIELD", Align::Left),
        ("A", Align::Left),
        ("B", Align::Left),
    ]);
    for of in all.iter().take(MOST) {
        let paint = match of.change {
            Change::Added => style::GOOD,
            Change::Removed => style::BAD,
            _ => style::WARN,
        };
        let side = |field: &Option<DynField>| match field {
            None => String::new(),
            Some(field) => {
                let name = match of.change {
                    Change::Renamed => format!("{}: ", escaped(&field.name)),
                    _ => String::new(),
                };
                let since = match field.since {
                    0 => String::new(),
                    since => format!(", since {since}"),
                };
                format!(
                    "{name}{} at {}{since}",
                    escaped(&field.type_name),
                    field.offset
                )
            }
        };
        table.row([
            (of.change.name().to_owned(), paint),
            (escaped(&of.path).to_string(), style::NAME),
            (side(&of.first), Style::new()),
            (side(&of.second), Style::new()),
        ]);
    }
    if let Some(width) = context.width() {
        table.fit(width, vec![(3, 16), (2, 16), (1, 12)]);
    }
    table.write(&mut context.out)?;
    if all.len() > MOST {
        let (more, dim) = (all.len() - MOST, style::DIM);
        writeln!(context.out, "{dim}{more} more; --json has all{dim:#}")?;
    }
    Ok(writeln!(context.out)?)
}

/// `advice` says which command shows the layouts.
fn print_values(
    found: &values::Differences,
    advice: &str,
    context: &mut Context,
) -> Result<(), Failure> {
    let (warn, dim) = (style::WARN, style::DIM);
    if found.nothing_common() {
        return Ok(writeln!(
            context.out,
            "{warn}The layouts differ and have no common field; {advice}{warn:#}"
        )?);
    }
    if !found.kept.is_empty() {
        let mut table = Table::new(vec![
            ("PATH", Align::Left),
            ("A", Align::Left),
            ("B", Align::Left),
        ]);
        for of in &found.kept {
            table.row([
                (of.path.clone(), style::NAME),
                (of.first.clone(), Style::new()),
                (of.second.clone(), Style::new()),
            ]);
        }
        if let Some(width) = context.width() {
            table.fit(width, vec![(2, 16), (1, 16), (0, 12)]);
        }
        table.write(&mut context.out)?;
    }
    for (path, error) in &found.unread {
        let (path, error) = (escaped(path), escaped(error));
        writeln!(
            context.out,
            "{warn}{path}{warn:#} was not compared: {error}"
        )?;
    }
    for of in &found.left_out {
        let path = escaped(&of.path);
        let side = of.only_in;
        writeln!(
            context.out,
            "{warn}{path}{warn:#} was not compared: only the {side} has it"
        )?;
    }
    match (found.count, found.kept.len()) {
        (0, _) if found.unread.is_empty() => {
            let good = style::GOOD;
            writeln!(
                context.out,
                "{good}The values of all common fields are the same.{good:#}"
            )?;
        }
        (0, _) => {}
        (1, _) => writeln!(context.out, "{dim}1 value differs{dim:#}")?,
        (count, _) => writeln!(context.out, "{dim}{count} values differ{dim:#}")?,
    }
    if !found.left_out.is_empty() {
        writeln!(context.out, "{dim}The layouts differ; {advice}{dim:#}")?;
    }
    Ok(())
}
