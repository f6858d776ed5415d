//! What the view shows: which rows there are, which of them are visible, and what they show. It knows no terminal, and no clock
//! but the instants that it gets.

mod history;
mod rows;
mod sample;
mod tree;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use shm_core::dynamic::{DynSegment, DynValue};

use crate::failure::Failure;
use crate::observe::number;

use history::Histories;
use rows::Rows;
use sample::Sample;
use tree::{NodeId, Row, Shape, Sort, Tree};

/// Arrays up to this length can be sorted, since all elements are read for that.
const MOST_SORTED: usize = 4096;
/// The intervals between samples that the keys lead to.
const INTERVALS: [u64; 9] = [50, 100, 200, 250, 500, 1000, 2000, 5000, 10_000];

/// A key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    Char(char),
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
    Enter,
    Backspace,
    Escape,
    /// Ctrl-C.
    Interrupt,
}

/// What follows from a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Continue,
    Quit,
}

/// What keys do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Mode {
    #[default]
    Rows,
    /// Keys are letters of the filter. It holds the filter from before.
    Filter(String),
    Help,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Fold {
    #[default]
    Leaf,
    Closed,
    Open,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// A value.
    Value,
    /// A count of elements or fields, or the state of a type of `sync`.
    #[default]
    State,
    /// Why there is no value.
    Problem,
}

/// What a row shows. No text has controls for the terminal.
#[derive(Clone, Debug, Default)]
pub(super) struct RowView {
    pub(super) path: String,
    pub(super) depth: usize,
    pub(super) label: String,
    pub(super) fold: Fold,
    pub(super) kind: Kind,
    pub(super) text: String,
    pub(super) type_name: String,
    pub(super) value: Option<DynValue>,
    count: Option<u64>,
    /// The time since the last change, if the row was visible then.
    pub(super) age: Option<Duration>,
    /// The last numbers, or rates.
    pub(super) curve: Vec<Option<f64>>,
    /// Events per second.
    pub(super) rate: Option<f64>,
}

/// How a segment is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Health {
    #[default]
    Good,
    Warn,
    Bad,
}

/// What the head says of the segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) name: String,
    pub(super) type_name: String,
    pub(super) state: String,
    pub(super) health: Health,
    /// The pids of attached processes.
    pub(super) attached: Vec<String>,
}

/// Everything that is shown.
pub(super) struct Model {
    pub(super) status: Status,
    tree: Tree,
    paths: Vec<String>,
    rows: Rows,
    /// Whether rows were opened or closed since they were numbered.
    is_stale: bool,
    /// The row with the cursor, and the first visible one.
    cursor: usize,
    top: usize,
    height: usize,
    pub(super) filter: String,
    pub(super) mode: Mode,
    pub(super) is_paused: bool,
    interval: Duration,
    histories: Histories,
    /// What the last key could not do, or what has happened to the segment.
    pub(super) notice: Option<String>,
    /// The rows of the last sample.
    views: Vec<RowView>,
    /// The number of parts that the last sample has read.
    reads: usize,
}

impl Model {
    pub(super) fn new(
        segment: &DynSegment,
        paths: &[String],
        interval: Duration,
    ) -> Result<Self, Failure> {
        Ok(Self {
            status: Status::default(),
            tree: Tree::new(segment, paths)?,
            paths: paths.to_vec(),
            rows: Rows::default(),
            is_stale: true,
            cursor: 0,
            top: 0,
            height: 0,
            filter: String::new(),
            mode: Mode::Rows,
            is_paused: false,
            interval,
            histories: Histories::default(),
            notice: None,
            views: Vec::new(),
            reads: 0,
        })
    }

    /// Shows another segment, with the same parts open.
    pub(super) fn attach(&mut self, segment: &DynSegment) -> Result<(), Failure> {
        let open: HashSet<String> = (0..self.tree.len())
            .filter(|id| self.tree.node(*id).is_open)
            .map(|id| self.tree.path(Row::Node(id)))
            .collect();
        self.tree = Tree::new(segment, &self.paths)?;
        self.tree.open_only(&open);
        self.histories.clear();
        self.is_stale = true;
        Ok(())
    }

    pub(super) const fn interval(&self) -> Duration {
        self.interval
    }

    /// The number of rows, that of the first visible one, and that of the one with the cursor.
    pub(super) const fn position(&self) -> (usize, usize, usize) {
        (self.rows.len(), self.top, self.cursor)
    }

    /// Whether the filter did not look everywhere.
    pub(super) const fn is_partial(&self) -> bool {
        self.rows.is_partial
    }

    /// The rows of the last sample, from the first visible one on.
    pub(super) fn views(&self) -> &[RowView] {
        &self.views
    }

    /// Whether a highlight still fades, so that the view changes without a sample.
    pub(super) fn is_fading(&self) -> bool {
        let mut ages = self.views.iter().filter_map(|view| view.age);
        ages.any(|age| age < super::view::FADE)
    }

    /// Makes the ages of changes those of `now`, where no sample is taken.
    pub(super) fn grow_older(&mut self, by: Duration) {
        for view in &mut self.views {
            view.age = view.age.map(|age| age.saturating_add(by));
        }
    }

    /// Reads the rows that are visible in so many lines.
    ///
    /// Curves get a point only if `is_due`: they are of samples at even distances.
    pub(super) fn sample(&mut self, height: usize, now: Instant, is_due: bool) {
        self.height = height;
        self.sort_all();
        self.number_rows();
        self.scroll();
        self.histories.begin();
        let mut sample = Sample::default();
        self.views.clear();
        for row in self.top..self.rows.len().min(self.top + height) {
            if let Some(row) = self.rows.get(row) {
                let view = sample.row(&self.tree, row, &mut self.histories, now, is_due);
                self.views.push(view);
            }
        }
        self.reads = sample.reads();
    }

    /// The number of parts that the last sample has read.
    #[cfg(test)]
    pub(super) const fn reads(&self) -> usize {
        self.reads
    }

    /// Does what a key asks for.
    pub(super) fn input(&mut self, input: Input) -> Outcome {
        self.notice = None;
        if input == Input::Interrupt {
            return Outcome::Quit;
        }
        match &self.mode {
            Mode::Help => {
                self.mode = Mode::Rows;
                Outcome::Continue
            }
            Mode::Filter(before) => {
                let before = before.clone();
                self.filter_input(input, before);
                Outcome::Continue
            }
            Mode::Rows => self.rows_input(input),
        }
    }

    fn filter_input(&mut self, input: Input, before: String) {
        match input {
            Input::Char(char) if !char.is_control() => self.filter.push(char),
            Input::Backspace => _ = self.filter.pop(),
            Input::Enter | Input::Down | Input::Up => self.mode = Mode::Rows,
            Input::Escape => {
                self.filter = before;
                self.mode = Mode::Rows;
            }
            _ => {}
        }
        self.is_stale = true;
        (self.cursor, self.top) = (0, 0);
    }

    fn rows_input(&mut self, input: Input) -> Outcome {
        let page = self.height.saturating_sub(1).max(1);
        match input {
            Input::Char('q') => return Outcome::Quit,
            Input::Escape if self.filter.is_empty() => return Outcome::Quit,
            Input::Escape => {
                let row = self.rows.get(self.cursor);
                self.filter.clear();
                self.renumber(row);
            }
            Input::Char('?') => self.mode = Mode::Help,
            Input::Char('/') => self.mode = Mode::Filter(self.filter.clone()),
            Input::Char(' ' | 'p') => self.is_paused = !self.is_paused,
            Input::Char('+' | '=') => self.change_interval(false),
            Input::Char('-') => self.change_interval(true),
            Input::Up | Input::Char('k') => self.cursor = self.cursor.saturating_sub(1),
            Input::Down | Input::Char('j') => self.cursor += 1,
            Input::PageUp => self.cursor = self.cursor.saturating_sub(page),
            Input::PageDown => self.cursor += page,
            Input::Home | Input::Char('g') => self.cursor = 0,
            Input::End | Input::Char('G') => self.cursor = usize::MAX,
            Input::Right | Input::Char('l') => self.unfold(true),
            Input::Left | Input::Char('h') => self.fold(),
            Input::Enter => self.unfold(false),
            Input::Char('s') => self.sort(),
            _ => {}
        }
        self.cursor = self.cursor.min(self.rows.len().saturating_sub(1));
        Outcome::Continue
    }

    fn change_interval(&mut self, is_longer: bool) {
        let now = self.interval.as_millis() as u64;
        let next = match is_longer {
            true => INTERVALS.into_iter().find(|interval| *interval > now),
            false => INTERVALS.into_iter().rev().find(|interval| *interval < now),
        };
        if let Some(next) = next {
            self.interval = Duration::from_millis(next);
        }
    }

    /// Opens the row with the cursor. If it is open already, this moves into it, or closes it.
    fn unfold(&mut self, moves: bool) {
        let Some(row) = self.rows.get(self.cursor) else {
            return;
        };
        let id = match row {
            Row::Node(id) => id,
            Row::Element { of, index } => {
                if matches!(self.tree.element_shape(of), None | Some(Shape::Leaf)) {
                    return;
                }
                match self.tree.element(of, index) {
                    Some(id) => id,
                    None => return,
                }
            }
        };
        let node = self.tree.node_mut(id);
        match (node.shape, node.is_open) {
            (Shape::Leaf, _) => {}
            (_, false) => node.is_open = true,
            (_, true) if moves => self.cursor += 1,
            (_, true) => node.is_open = false,
        }
        self.renumber(None);
    }

    /// Closes the row with the cursor, or moves to the row that it is in.
    fn fold(&mut self) {
        let Some(row) = self.rows.get(self.cursor) else {
            return;
        };
        if let Row::Node(id) = row
            && self.tree.node(id).is_open
            && self.tree.node(id).shape != Shape::Leaf
        {
            self.tree.node_mut(id).is_open = false;
            self.renumber(None);
        } else if let Some(parent) = self.tree.parent(row)
            && let Some(row) = self.rows.find(Row::Node(parent))
        {
            self.cursor = row;
        }
    }

    /// Sorts the array around the row with the cursor by what the row shows: downwards, upwards, and by index again.
    fn sort(&mut self) {
        let Some(row) = self.rows.get(self.cursor) else {
            return;
        };
        let Some((array, by)) = self.array_around(row) else {
            self.notice = Some("only arrays can be sorted: move to one, or into it".to_owned());
            return;
        };
        if self.tree.count(array) > MOST_SORTED {
            self.notice = Some(format!(
                "only arrays with at most {MOST_SORTED} elements can be sorted, since all of them are read for it"
            ));
            return;
        }
        let node = self.tree.node_mut(array);
        let before = node.sort.take();
        node.sort = match before {
            Some(sort) if sort.by == by && sort.descending => Some(Sort {
                descending: false,
                by,
            }),
            Some(sort) if sort.by == by => None,
            _ => Some(Sort {
                descending: true,
                by,
            }),
        };
        node.is_open = true;
        self.sort_all();
        self.renumber(Some(row));
    }

    /// The innermost array that a row is in or is, and the path from its element to the row.
    fn array_around(&self, row: Row) -> Option<(NodeId, String)> {
        let mut id = match row {
            Row::Element { of, .. } => return Some((of, String::new())),
            Row::Node(id) if self.tree.node(id).shape == Shape::Elements => {
                return Some((id, String::new()));
            }
            Row::Node(id) => id,
        };
        let mut by = String::new();
        loop {
            let parent = self.tree.node(id).parent?;
            if self.tree.node(parent).shape == Shape::Elements {
                return Some((parent, by));
            }
            let (outer, inner) = (
                self.tree.path(Row::Node(parent)),
                self.tree.path(Row::Node(id)),
            );
            let step = inner.strip_prefix(outer.as_str()).unwrap_or_default();
            by.insert_str(0, step);
            id = parent;
        }
    }

    /// Puts the elements of sorted arrays in order.
    fn sort_all(&mut self) {
        for id in 0..self.tree.len() {
            let node = self.tree.node(id);
            let (Some(sort), true) = (node.sort.clone(), node.is_open) else {
                continue;
            };
            let len = self.tree.count(id).min(MOST_SORTED);
            let whole = match sort.by.as_str() {
                "" => self.tree.node(id).cell.get().ok(),
                _ => None,
            };
            let key = |index: usize| match &whole {
                Some(whole) => whole.as_list().and_then(|list| list.get(index)).cloned(),
                None => {
                    let element = self.tree.node(id).cell.index(index).ok()?;
                    let by = sort.by.trim_start_matches('.');
                    let cell = if by.is_empty() {
                        Ok(element)
                    } else {
                        element.at(by)
                    };
                    cell.ok()?.get().ok()
                }
            };
            let mut keys: Vec<(usize, Option<DynValue>)> =
                (0..len).map(|index| (index, key(index))).collect();
            // Stable, so that equal ones do not jump.
            keys.sort_by(|(_, a), (_, b)| {
                let order = compare(a.as_ref(), b.as_ref());
                if sort.descending {
                    order.reverse()
                } else {
                    order
                }
            });
            let order: Vec<usize> = keys.into_iter().map(|(index, _)| index).collect();
            let node = self.tree.node_mut(id);
            if node.order != order {
                node.order = order;
                self.is_stale = true;
            }
        }
    }

    /// Numbers the rows, if they may have other numbers by now.
    fn number_rows(&mut self) {
        for id in 0..self.tree.len() {
            let node = self.tree.node(id);
            if node.shape == Shape::Elements {
                let len = self.tree.count(id);
                let node = self.tree.node_mut(id);
                self.is_stale |= node.is_open && node.len_before != len;
                node.len_before = len;
            }
        }
        if std::mem::take(&mut self.is_stale) {
            self.rows = Rows::of(&mut self.tree, &self.filter);
        }
        self.cursor = self.cursor.min(self.rows.len().saturating_sub(1));
    }

    /// Numbers the rows again, and moves the cursor to `row`.
    fn renumber(&mut self, row: Option<Row>) {
        self.is_stale = true;
        self.number_rows();
        if let Some(row) = row.and_then(|row| self.rows.find(row)) {
            self.cursor = row;
        }
    }

    /// Scrolls so that the cursor is visible.
    fn scroll(&mut self) {
        let last = self.rows.len().saturating_sub(self.height);
        self.top = self
            .top
            .min(self.cursor)
            .max((self.cursor + 1).saturating_sub(self.height))
            .min(last);
    }
}

/// Numbers by their size and before all else, and other values by their text.
fn compare(a: Option<&DynValue>, b: Option<&DynValue>) -> std::cmp::Ordering {
    match (a.and_then(number), b.and_then(number)) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        (Some(_), None) => std::cmp::Ordering::Greater,
        (None, Some(_)) => std::cmp::Ordering::Less,
        (None, None) => {
            let text = |value: Option<&DynValue>| value.map(ToString::to_string);
            text(a).cmp(&text(b))
        }
    }
}
