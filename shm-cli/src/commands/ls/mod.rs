//! `shm ls`: all segments.

mod types;
mod unlisted;

use std::cmp::Ordering;
use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use anstyle::Style;
use clap::{Args, ValueEnum};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use shm_core::{SegmentInfo, SegmentState};

use crate::attached::{Mappings, Process};
use crate::failure::{Exit, Failure};
use crate::output::{Align, Context, Document, Table, cut, escaped, number, style, user_name};
use crate::pattern::Pattern;
use types::TypeNames;

/// Columns of a type, so that one with a long name does not pad all rows.
const WIDEST_TYPE: usize = 40;

/// List segments: their names, types, sizes, owners and states, and the processes that are attached
#[derive(Args, Debug)]
#[command(after_help = STATES)]
pub(crate) struct Ls {
    /// Only these names: a prefix, or a pattern with `*` and `?`. The slash may be left out
    #[arg(value_name = "NAME")]
    names: Vec<Pattern>,

    /// Only types of this name: a prefix, or a pattern with `*` and `?`
    #[arg(short, long = "type", value_name = "TYPE")]
    types: Vec<Pattern>,

    /// Only segments in these states
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    state: Vec<State>,

    /// Also list files that are not segments
    #[arg(short, long)]
    all: bool,

    /// What to sort by
    #[arg(short, long, value_name = "KEY", default_value = "name")]
    sort: Key,

    /// Sort in reverse order
    #[arg(short, long)]
    reverse: bool,
}

const STATES: &str = "\
States:
  live        a process is attached; `live, no owner` if none of them will remove the name
  orphaned    all its processes have been killed; `shm sweep` removes it
  persistent  stays until it is removed, whether or not a process is attached
  damaged     a segment whose header contradicts itself
  unreadable  a file that this user cannot open or read
  foreign     not a segment

USERS are the attached processes: those that hold a place in the segment, and those of this user that have it mapped.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum State {
    Live,
    Orphaned,
    Persistent,
    Damaged,
    Unreadable,
    Foreign,
}

impl State {
    fn of(info: &SegmentInfo) -> Self {
        match info.state {
            SegmentState::Live => Self::Live,
            SegmentState::Orphaned => Self::Orphaned,
            SegmentState::Persistent => Self::Persistent,
            SegmentState::Damaged => Self::Damaged,
            SegmentState::Unreadable => Self::Unreadable,
            _ => Self::Foreign,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Orphaned => "orphaned",
            Self::Persistent => "persistent",
            Self::Damaged => "damaged",
            Self::Unreadable => "unreadable",
            Self::Foreign => "foreign",
        }
    }
}

/// A key puts the greatest first where that is what people look for: sizes, and numbers of users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Key {
    /// By name
    Name,
    /// By type
    Type,
    /// The largest first
    Size,
    /// The newest first
    Age,
    /// By the name of the owner
    Owner,
    /// By state
    State,
    /// The most users first
    Users,
}

/// A segment, with what was looked up for it.
struct Row {
    info: SegmentInfo,
    /// Empty if it is not known.
    type_name: String,
    owner: String,
    age: Option<Duration>,
    users: Vec<Process>,
}

impl Ls {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let (found, mappings) = std::thread::scope(|scope| {
            // Takes about as long.
            let mappings = scope.spawn(Mappings::of_segments);
            let found = self.find();
            (found, mappings.join().unwrap_or_default())
        });
        let (found, unreadable) = found?;
        let mut rows = self.rows(found, &mappings);
        self.sort(&mut rows);
        let odd = self.odd_names();
        if context.json {
            let escaped = odd.iter().map(|name| name.escape_ascii().to_string());
            let listing = Listing {
                segments: &rows,
                not_utf8: self.all.then(|| escaped.collect()),
            };
            Document::new("ls").write_with(&listing, &mut context.out)?;
        } else {
            if !rows.is_empty() {
                self.print(&rows, context)?;
            }
            unlisted::print(&odd, context)?;
        }
        let is_empty = rows.is_empty() && odd.is_empty();
        // The process ends soon. Until then, the memory of each row by itself is not worth the time that freeing it takes.
        std::mem::forget(rows);
        if is_empty && !self.names.is_empty() {
            return Err(match unreadable.first() {
                Some(name) => unlisted::cannot_open(name, unreadable.len() - 1),
                None => self.nothing(),
            });
        }
        if !context.json {
            match unreadable.len() {
                0 => {}
                1 => context.note("1 name cannot be opened by this user; `shm ls --all` lists it"),
                len => context.note(&format!(
                    "{len} names cannot be opened by this user; `shm ls --all` lists them"
                )),
            }
        }
        Ok(Exit::Ok)
    }

    /// The segments to list, and the names that are left out because this user cannot open them.
    fn find(&self) -> Result<(Vec<SegmentInfo>, Vec<String>), Failure> {
        let (mut found, mut unreadable) = (Vec::new(), Vec::new());
        let mut types = TypeNames::default();
        for info in shm_core::list()?.with_participants() {
            let info = info?;
            if self.wants(&info, &mut types) {
                found.push(info);
            } else if State::of(&info) == State::Unreadable
                && self.state.is_empty()
                && self.types.is_empty()
                && self.is_named(&info.name)
            {
                unreadable.push(info.name);
            }
        }
        Ok((found, unreadable))
    }

    fn is_named(&self, name: &str) -> bool {
        let name = name.strip_prefix('/').unwrap_or(name);
        self.names.is_empty() || self.names.iter().any(|pattern| pattern.matches(name))
    }

    /// Names that are not UTF-8, which the library does not list.
    fn odd_names(&self) -> Vec<Vec<u8>> {
        let is_wanted = match self.state.is_empty() {
            true => self.all,
            false => self.state.contains(&State::Foreign),
        };
        if !is_wanted || !self.types.is_empty() {
            return Vec::new();
        }
        unlisted::not_utf8(|name| self.is_named(name))
    }

    fn wants(&self, info: &SegmentInfo, types: &mut TypeNames) -> bool {
        let state = State::of(info);
        let of_state = match self.state.is_empty() {
            true => self.all || !matches!(state, State::Foreign | State::Unreadable),
            false => self.state.contains(&state),
        };
        let any = |patterns: &[Pattern], text: &str| {
            patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(text))
        };
        of_state
            && self.is_named(&info.name)
            && (self.types.is_empty() || any(&self.types, &types.of(info)))
    }

    fn rows(&self, found: Vec<SegmentInfo>, mappings: &Mappings) -> Vec<Row> {
        let now = SystemTime::now();
        let mut owners: HashMap<u32, String> = HashMap::new();
        let mut types = TypeNames::default();
        let rows = found.into_iter().map(|info| Row {
            owner: owners
                .entry(info.owner)
                .or_insert_with(|| user_name(info.owner))
                .clone(),
            age: info.contents.as_ref().map(|of| {
                // 0 if the clock has been set back.
                now.duration_since(of.created_at).unwrap_or_default()
            }),
            users: mappings.users(&info),
            type_name: types.of(&info),
            info,
        });
        rows.collect()
    }

    fn sort(&self, rows: &mut [Row]) {
        let by_key = |a: &Row, b: &Row| match self.sort {
            Key::Name => Ordering::Equal,
            Key::Type => a.type_name.cmp(&b.type_name),
            Key::Size => b.info.file_len.cmp(&a.info.file_len),
            // Those without one last.
            Key::Age => (a.age.is_none(), a.age).cmp(&(b.age.is_none(), b.age)),
            Key::Owner => a.owner.cmp(&b.owner),
            Key::State => State::of(&a.info).name().cmp(State::of(&b.info).name()),
            Key::Users => b.users.len().cmp(&a.users.len()),
        };
        rows.sort_by(|a, b| {
            let order = by_key(a, b).then_with(|| a.info.name.cmp(&b.info.name));
            if self.reverse { order.reverse() } else { order }
        });
    }

    fn print(&self, rows: &[Row], context: &mut Context) -> Result<(), Failure> {
        let width = context.width();
        // What matters least goes first.
        let mut left_out: Vec<Column> = Vec::new();
        let mut less = [
            Column::Level,
            Column::Mode,
            Column::Owner,
            Column::Age,
            Column::Users,
            Column::Type,
        ]
        .into_iter()
        .peekable();
        // Nobody needs a column that is the same, and says nothing, in each row.
        if rows
            .iter()
            .all(|row| row.level() == Some(0) || row.level().is_none())
        {
            left_out.extend(less.next());
        }
        loop {
            let columns: Vec<Column> = Column::ALL
                .into_iter()
                .filter(|column| !left_out.contains(column))
                .collect();
            let mut table = Table::new(columns.iter().map(|column| column.head()).collect());
            for row in rows {
                table.row(columns.iter().map(|column| column.cell(row)));
            }
            if let Some(width) = width {
                let at = |column| columns.iter().position(|of| *of == column);
                let mut narrow = vec![(Column::Users, 12), (Column::Type, 12), (Column::Name, 16)];
                if less.len() == 0 {
                    narrow.extend([(Column::State, 4), (Column::Name, 4)]);
                }
                let narrow: Vec<(usize, usize)> = narrow
                    .into_iter()
                    .filter_map(|(column, least)| Some((at(column)?, least)))
                    .collect();
                if let Some(next) = less.next_if(|_| table.least_width(&narrow) > width) {
                    left_out.push(next);
                    continue;
                }
                table.fit(width, narrow);
            }
            return Ok(table.write(&mut context.out)?);
        }
    }

    fn nothing(&self) -> Failure {
        let names: Vec<String> = self.names.iter().map(|name| format!("`{name}`")).collect();
        Failure::not_there(format!(
            "no segment's name matches {}; `shm ls` lists all, and `shm ls --all` also files that are not segments",
            names.join(" or ")
        ))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Name,
    Type,
    Size,
    Mode,
    Owner,
    Age,
    Level,
    State,
    Users,
}

impl Column {
    const ALL: [Self; 9] = [
        Self::Name,
        Self::Type,
        Self::Size,
        Self::Mode,
        Self::Owner,
        Self::Age,
        Self::Level,
        Self::State,
        Self::Users,
    ];

    const fn head(self) -> (&'static str, Align) {
        match self {
            Self::Name => ("NAME", Align::Left),
            Self::Type => ("TYPE", Align::Left),
            Self::Size => ("SIZE", Align::Right),
            Self::Mode => ("MODE", Align::Left),
            Self::Owner => ("OWNER", Align::Left),
            Self::Age => ("AGE", Align::Right),
            Self::Level => ("LEVEL", Align::Right),
            Self::State => ("STATE", Align::Left),
            Self::Users => ("USERS", Align::Left),
        }
    }

    fn cell(self, row: &Row) -> (String, Style) {
        let plain = |text: String| (text, Style::new());
        match self {
            Self::Name => (escaped(&row.info.name).to_string(), style::NAME),
            Self::Type => match row.type_name.as_str() {
                "" => ("-".to_owned(), style::DIM),
                name => {
                    let name = escaped(name).to_string();
                    (cut(&name, WIDEST_TYPE).into_owned(), style::TYPE)
                }
            },
            Self::Size => plain(number::bytes(row.info.file_len)),
            Self::Mode => plain(format!("{:04o}", row.info.mode)),
            Self::Owner => plain(escaped(&row.owner).to_string()),
            Self::Age => match row.age {
                Some(age) => plain(number::age(age)),
                None => ("-".to_owned(), style::DIM),
            },
            Self::Level => match row.level() {
                Some(level) => plain(level.to_string()),
                None => ("-".to_owned(), style::DIM),
            },
            Self::State => row.state(),
            Self::Users => row.users(),
        }
    }
}

impl Row {
    fn level(&self) -> Option<u32> {
        self.info.contents.as_ref().map(|of| of.level)
    }

    fn is_ownerless(&self) -> bool {
        let owned = self.info.contents.as_ref().is_some_and(|of| of.owned);
        self.info.state == SegmentState::Live && !owned
    }

    fn state(&self) -> (String, Style) {
        let state = State::of(&self.info);
        let style = match state {
            State::Live if self.is_ownerless() => {
                return ("live, no owner".to_owned(), style::WARN);
            }
            State::Live => style::GOOD,
            State::Orphaned => style::WARN,
            State::Persistent => Style::new(),
            State::Damaged => style::BAD,
            State::Foreign | State::Unreadable => style::DIM,
        };
        (state.name().to_owned(), style)
    }

    /// The attached processes, or why there cannot be any.
    fn users(&self) -> (String, Style) {
        if let Some(reason) = &self.info.reason {
            return (escaped(reason).to_string(), style::DIM);
        }
        let attached = self.info.contents.as_ref().is_some_and(|of| of.attached);
        match (self.users.as_slice(), attached) {
            ([], false) => ("-".to_owned(), style::DIM),
            // Of another user, or read-only in another pid namespace.
            ([], true) => ("?".to_owned(), style::DIM),
            (users, _) => {
                let users: Vec<String> = users.iter().map(Process::to_string).collect();
                (users.join(", "), Style::new())
            }
        }
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Listing<'a> {
    segments: &'a [Row],
    #[serde(skip_serializing_if = "Option::is_none")]
    not_utf8: Option<Vec<String>>,
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let info = &self.info;
        let contents = info.contents.as_ref();
        let created = contents.map(|of| of.created_at.duration_since(SystemTime::UNIX_EPOCH));
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &info.name)?;
        map.serialize_entry(
            "type",
            &Some(&self.type_name).filter(|name| !name.is_empty()),
        )?;
        map.serialize_entry("size", &info.file_len)?;
        map.serialize_entry("allocated", &info.allocated)?;
        map.serialize_entry("payload", &contents.map(|of| of.payload_len))?;
        map.serialize_entry("slice_len", &contents.and_then(|of| of.slice_len))?;
        map.serialize_entry("mode", &format!("{:04o}", info.mode))?;
        map.serialize_entry("uid", &info.owner)?;
        map.serialize_entry("owner", &self.owner)?;
        let created = created
            .and_then(Result::ok)
            .map(|since| since.as_secs_f64());
        map.serialize_entry("created", &created)?;
        map.serialize_entry("creator_pid", &contents.map(|of| of.creator_pid))?;
        map.serialize_entry("state", State::of(info).name())?;
        map.serialize_entry("reason", &info.reason)?;
        map.serialize_entry("level", &self.level())?;
        map.serialize_entry("version", &contents.map(|of| of.version))?;
        let fingerprint = contents.map(|of| format!("{:016x}", of.fingerprint));
        map.serialize_entry("fingerprint", &fingerprint)?;
        map.serialize_entry("attached", &contents.map(|of| of.attached))?;
        map.serialize_entry("owned", &contents.map(|of| of.owned))?;
        map.serialize_entry("users", &self.users)?;
        map.end()
    }
}
