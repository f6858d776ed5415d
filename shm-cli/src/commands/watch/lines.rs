//! `--csv` and `--json`: a line for each sample, for pipes and files.

use std::time::{Duration, Instant, SystemTime};

use serde_json::{Map, Value};
use shm_core::dynamic::{DynCell, DynError, DynSegment, DynValue, SyncState};
use shm_core::layout::LayoutKind;

use super::Watch;
use crate::failure::{Exit, Failure};
use crate::observe::{Attachment, Standing, is_same, places, sync_meaning};
use crate::output::{Context, Document, escaped};

/// The most columns.
const MOST_COLUMNS: usize = 1000;
/// The most parts in which columns are looked for: parts without a number have none.
const MOST_PARTS: usize = 100_000;
/// Bytes of a `SeqLock`'s value up to which it is read as a whole, so that its columns are of one commit.
const MOST_CAPTURED: usize = 1 << 20;
/// The shortest time between two samples, so that no processor does nothing else.
const SHORTEST: Duration = Duration::from_micros(100);
/// The time between two samples.
const INTERVAL: Duration = Duration::from_secs(1);

/// What a column shows.
enum Source {
    Cell(DynCell),
    /// A part of the value of a `SeqLock`, which is read once for all its columns.
    Inside {
        lock: usize,
        path: Vec<Step>,
    },
    State(DynCell, ReadState),
}

/// Reads a number of a state.
type ReadState = fn(&SyncState) -> Option<DynValue>;

#[derive(Clone)]
enum Step {
    Field(&'static str),
    Index(usize),
}

/// The columns of some parts.
struct Columns {
    names: Vec<String>,
    sources: Vec<Source>,
    locks: Vec<DynCell>,
    /// The parts in which columns were looked for.
    parts: usize,
}

pub(super) fn run(watch: &Watch, context: &mut Context) -> Result<Exit, Failure> {
    let mut attachment = Attachment::new(&watch.target)?;
    let mut columns = Columns::new(attachment.segment(), &watch.paths)?;
    let interval = watch.interval.unwrap_or(INTERVAL).max(SHORTEST);
    if !context.json {
        let names = columns.names.iter().map(|name| quoted(name));
        let head: Vec<_> = std::iter::once("time".to_owned()).chain(names).collect();
        writeln!(context.out, "{}", head.join(","))?;
        context.out.flush()?;
    }
    let mut last: Option<Vec<Option<DynValue>>> = None;
    let mut printed = 0;
    let mut next = Instant::now();
    loop {
        let values = columns.read();
        // Zeros may not be a value.
        attachment.check_length()?;
        let values = values?;
        let is_new = last.as_ref().is_none_or(|last| !all_same(last, &values));
        if is_new || !watch.changes {
            print(context, attachment.segment().name(), &columns, &values)?;
            last = Some(values);
            printed += 1;
            if watch.count.is_some_and(|count| printed >= count) {
                return Ok(Exit::Ok);
            }
        }
        // If a reader of the pipe is slow, samples are left out and not made up for.
        next = (next + interval).max(Instant::now());
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
        match attachment.standing() {
            Standing::Current => {}
            Standing::Removed => {
                return Err(Failure::not_there(format!(
                    "`{}` was removed; start the program that creates it, and watch again",
                    attachment.segment().name()
                )));
            }
            Standing::Superseded => {
                attachment = attachment.again()?;
                let found = Columns::new(attachment.segment(), &watch.paths)?;
                if found.names != columns.names {
                    return Err(Failure::refused(format!(
                        "another segment has taken the name `{}`, with other fields; watch again for its columns",
                        attachment.segment().name()
                    )));
                }
                columns = found;
            }
        }
    }
}

fn print(
    context: &mut Context,
    name: &str,
    columns: &Columns,
    values: &[Option<DynValue>],
) -> Result<(), Failure> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.unwrap_or_default();
    if context.json {
        let values = columns.names.iter().zip(values).map(|(name, value)| {
            let value = serde_json::to_value(value).unwrap_or(Value::Null);
            (name.clone(), value)
        });
        let values: Map<String, Value> = values.collect();
        Document::new("watch")
            .with("name", name)
            .with("time", now.as_micros() as f64 / 1e6)
            .with("values", values)
            .write(&mut context.out)?;
    } else {
        write!(context.out, "{}.{:06}", now.as_secs(), now.subsec_micros())?;
        for value in values {
            let text = match value {
                None => String::new(),
                // Without the quotes that the text would have in a list.
                Some(DynValue::Str(text)) => quoted(text),
                Some(value) => quoted(&value.to_string()),
            };
            write!(context.out, ",{text}")?;
        }
        writeln!(context.out)?;
    }
    Ok(context.out.flush()?)
}

impl Columns {
    fn new(segment: &DynSegment, paths: &[String]) -> Result<Self, Failure> {
        let mut columns = Self {
            names: Vec::new(),
            sources: Vec::new(),
            locks: Vec::new(),
            parts: 0,
        };
        for path in paths {
            columns.add(&segment.at(path)?, None)?;
        }
        Ok(columns)
    }

    fn push(&mut self, name: String, source: Source) -> Result<(), Failure> {
        if self.names.len() == MOST_COLUMNS {
            return Err(Failure::usage(format!(
                "these parts have more than {MOST_COLUMNS} numbers, one in each column; name smaller ones, such as `{}`",
                self.small_part()
            )));
        }
        self.names.push(name);
        self.sources.push(source);
        Ok(())
    }

    /// The path of a part with few columns: of one, if one is a value and not a state.
    fn small_part(&self) -> &str {
        let mut columns = self.names.iter().zip(&self.sources);
        let value = columns.find(|(_, source)| !matches!(source, Source::State(..)));
        match (value, self.sources.first()) {
            (Some((path, _)), _) => path,
            (None, Some(Source::State(cell, _))) => cell.path(),
            (None, _) => ".",
        }
    }

    /// Adds the columns of a part, which may be inside of a lock.
    fn add(&mut self, cell: &DynCell, inside: Option<(usize, Vec<Step>)>) -> Result<(), Failure> {
        if self.parts == MOST_PARTS {
            return Err(Failure::usage(format!(
                "there are too many parts to find the numbers in all of them; name smaller ones, such as `{}`",
                cell.path()
            )));
        }
        self.parts += 1;
        let mut inside = inside;
        if inside.is_none()
            && let Some(state) = cell.sync_state()?
        {
            for (name, read) in states(&state) {
                let name = format!("{}#{name}", cell.path());
                self.push(name, Source::State(cell.clone(), *read))?;
            }
            match sync_meaning(cell.layout()) {
                Some("seqlock") if cell.layout().size() <= MOST_CAPTURED => {
                    self.locks.push(cell.clone());
                    inside = Some((self.locks.len() - 1, Vec::new()));
                }
                Some("mutex" | "seqlock") => {}
                _ => return Ok(()),
            }
        }
        let step = |step: Step| {
            inside.clone().map(|(lock, mut path)| {
                path.push(step);
                (lock, path)
            })
        };
        let is_vec = matches!(
            cell.layout().kind(),
            LayoutKind::Meaning { meaning: "vec", .. }
        );
        if let Some(len) = cell.len()?.filter(|_| !is_vec) {
            let len = if len > 1 {
                places(cell.index(0)?.layout(), len)
            } else {
                len
            };
            for index in 0..len {
                self.add(&cell.index(index)?, step(Step::Index(index)))?;
            }
            return Ok(());
        }
        if !is_vec && !cell.field_names().is_empty() {
            for name in cell.field_names() {
                self.add(&cell.field(name)?, step(Step::Field(name)))?;
            }
            return Ok(());
        }
        let name = cell.path().to_owned();
        self.push(
            name,
            match inside {
                Some((lock, path)) => Source::Inside { lock, path },
                None => Source::Cell(cell.clone()),
            },
        )
    }

    /// Reads all columns. One is empty if it has no value at this moment.
    fn read(&self) -> Result<Vec<Option<DynValue>>, Failure> {
        let locks = self
            .locks
            .iter()
            .map(value)
            .collect::<Result<Vec<_>, _>>()?;
        self.sources
            .iter()
            .map(|source| match source {
                Source::Cell(cell) => value(cell),
                Source::Inside { lock, path } => {
                    let whole = locks.get(*lock).and_then(Option::as_ref);
                    let part = whole.and_then(|whole| {
                        path.iter().try_fold(whole, |value, step| match step {
                            Step::Field(name) => value.field(name),
                            Step::Index(index) => value.as_list()?.get(*index),
                        })
                    });
                    Ok(part.cloned())
                }
                Source::State(cell, read) => Ok(cell.sync_state()?.as_ref().and_then(read)),
            })
            .collect()
    }
}

/// The columns of a type of `sync`.
fn states(state: &SyncState) -> &'static [(&'static str, ReadState)] {
    match state {
        SyncState::SeqLockState { .. } => &[("commits", |state| match state {
            SyncState::SeqLockState { version, .. } => Some((*version).into()),
            _ => None,
        })],
        SyncState::MutexState { .. } => &[("owner", |state| match state {
            SyncState::MutexState { owner, .. } => owner.as_ref()?.pid().map(Into::into),
            _ => None,
        })],
        SyncState::RingState { .. } => &[
            ("sent", |state| match state {
                SyncState::RingState { sent, .. } => Some((*sent).into()),
                _ => None,
            }),
            ("received", |state| match state {
                SyncState::RingState { received, .. } => Some((*received).into()),
                _ => None,
            }),
        ],
        SyncState::BroadcastState { .. } => &[("sent", |state| match state {
            SyncState::BroadcastState { sent, .. } => Some((*sent).into()),
            _ => None,
        })],
        SyncState::SemaphoreState { .. } => &[("permits", |state| match state {
            SyncState::SemaphoreState { permits, .. } => Some((*permits).into()),
            _ => None,
        })],
        SyncState::EventState { .. } => &[("generation", |state| match state {
            SyncState::EventState { generation, .. } => Some((*generation).into()),
            _ => None,
        })],
        SyncState::BarrierState { .. } => &[("round", |state| match state {
            SyncState::BarrierState { round, .. } => Some((*round).into()),
            _ => None,
        })],
        _ => &[],
    }
}

/// A value; `None` if there is none that is valid at this moment.
fn value(cell: &DynCell) -> Result<Option<DynValue>, Failure> {
    match cell.get() {
        Ok(value) => Ok(Some(value)),
        Err(error @ (DynError::TooLarge { .. } | DynError::Os { .. })) => Err(error.into()),
        Err(_) => Ok(None),
    }
}

fn all_same(a: &[Option<DynValue>], b: &[Option<DynValue>]) -> bool {
    a.iter().zip(b).all(|(a, b)| match (a, b) {
        (Some(a), Some(b)) => is_same(a, b),
        (a, b) => a.is_none() && b.is_none(),
    })
}

/// Text as a field of CSV (RFC 4180), without controls for a terminal.
fn quoted(text: &str) -> String {
    let text = escaped(text).to_string();
    match text.contains([',', '"']) || text.starts_with(' ') || text.ends_with(' ') {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        for (text, wanted) in [
            ("1.5", "1.5"),
            ("a b", "a b"),
            (" a", "\" a\""),
            ("[1, 2]", "\"[1, 2]\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("two\nlines\u{1b}[2J", "two\\nlines\\u{1b}[2J"),
        ] {
            assert_eq!(quoted(text), wanted);
        }
    }
}
