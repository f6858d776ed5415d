//! Reading the rows that are visible.

use std::collections::HashMap;
use std::fmt::{self, Write};
use std::rc::Rc;
use std::time::Instant;

use shm_core::dynamic::{DynCell, DynError, DynValue, SyncState};

use super::history::Histories;
use super::tree::{NodeId, Row, Shape, Tree, is_captured, part};
use super::{Fold, Kind, RowView};
use crate::observe::{count, number};
use crate::output::{escaped, type_name};

/// A closed part of at most this many bytes is read for its row.
const MOST_PREVIEWED: usize = 1024;
/// Of a longer array, so many elements.
const PREVIEWED_ELEMENTS: usize = 8;
/// Characters of a value that are kept. No terminal is wider.
const MOST_CHARACTERS: usize = 500;
/// How often to look for the newest message if it is overwritten meanwhile.
const LOOKS: usize = 4;

/// A value, or why there is none.
type Read = Result<Rc<DynValue>, String>;

/// What one sample has read as a whole, by the node.
#[derive(Default)]
pub(super) struct Sample {
    whole: HashMap<NodeId, Read>,
    /// The number of the newest message.
    newest: HashMap<NodeId, u64>,
    /// The number of reads of parts.
    reads: usize,
}

impl Sample {
    pub(super) const fn reads(&self) -> usize {
        self.reads
    }

    /// Reads a row.
    pub(super) fn row(
        &mut self,
        tree: &Tree,
        row: Row,
        histories: &mut Histories,
        now: Instant,
        is_due: bool,
    ) -> RowView {
        let path = tree.path(row);
        let history = histories.of(&path);
        let mut view = match row {
            Row::Node(id) => self.node(tree, id),
            Row::Element { of, index } => self.element(tree, of, index),
        };
        view.path = path;
        let mut point = None;
        if let Some(value) = &view.value {
            history.value(value, now);
            point = number(value);
        }
        if let (Row::Node(id), Some(count)) = (row, view.count) {
            let counter = tree.node(id).counter.as_ref();
            if let Some(events) = counter.map(crate::observe::Counter::events) {
                view.rate = history.count(events, count, now);
                point = view.rate;
            }
        }
        if is_due {
            history.point(point);
        }
        view.curve = history.curve();
        view.age = history.age(now);
        view
    }

    fn node(&mut self, tree: &Tree, id: NodeId) -> RowView {
        let node = tree.node(id);
        let mut view = RowView {
            depth: node.depth,
            label: escaped(&node.label).to_string(),
            fold: match (node.shape, node.is_open) {
                (Shape::Leaf, _) => Fold::Leaf,
                (_, true) => Fold::Open,
                (_, false) => Fold::Closed,
            },
            type_name: escaped(&node.type_name).to_string(),
            ..RowView::default()
        };
        if let Some(sort) = &node.sort {
            let by = match sort.by.as_str() {
                "" => String::new(),
                by => format!(" by {}", escaped(by.trim_start_matches('.'))),
            };
            let order = if sort.descending { "down" } else { "up" };
            view.label.push_str(&format!(" ({order}{by})"));
        }
        if node.sync.is_some() {
            self.sync(tree, id, &mut view);
            return view;
        }
        if node.is_open {
            if node.shape == Shape::Elements {
                view.text = elements(tree.count(id));
            }
            if let Some((root, _)) = &node.origin
                && *root == id
            {
                self.message(tree, id, &mut view);
            }
            return view;
        }
        self.value(tree, id, None, &mut view);
        if let Some((root, _)) = &node.origin
            && *root == id
        {
            self.message(tree, id, &mut view);
        }
        view
    }

    /// The number of the message in the row.
    fn message(&mut self, tree: &Tree, id: NodeId, view: &mut RowView) {
        let read = self.whole(tree, id);
        match (read, self.newest.get(&id)) {
            (Err(reason), _) => view.problem(&reason),
            (Ok(_), Some(number)) => view.label = format!("newest #{number}"),
            (Ok(_), None) => {}
        }
    }

    fn element(&mut self, tree: &Tree, of: NodeId, index: usize) -> RowView {
        let node = tree.node(of);
        let mut view = RowView {
            depth: node.depth + 1,
            label: format!("[{index}]"),
            ..RowView::default()
        };
        match node.cell.index(index) {
            Ok(cell) => {
                view.type_name = escaped(&type_name(cell.layout())).to_string();
                view.fold = match tree.element_shape(of) {
                    None | Some(Shape::Leaf) => Fold::Leaf,
                    Some(_) => Fold::Closed,
                };
                if let Ok(Some(state)) = cell.sync_state() {
                    view.text = state_text(&state);
                    view.count = count(&state);
                    view.kind = Kind::State;
                    return view;
                }
                self.value(tree, of, Some((index, &cell)), &mut view);
            }
            Err(error) => view.problem(&error.to_string()),
        }
        view
    }

    /// The value of a node, or of an element of it.
    fn value(
        &mut self,
        tree: &Tree,
        id: NodeId,
        element: Option<(usize, &DynCell)>,
        view: &mut RowView,
    ) {
        let node = tree.node(id);
        if let Some((root, steps)) = &node.origin {
            match self.whole(tree, *root) {
                Ok(whole) => {
                    let found = part(&whole, steps);
                    let found = match element {
                        Some((index, _)) => found.and_then(|list| list.as_list()?.get(index)),
                        None => found,
                    };
                    match found {
                        Some(found) => view.show(found.clone()),
                        None => view.problem("it is not there"),
                    }
                }
                Err(reason) => view.problem(&reason),
            }
            return;
        }
        let cell = element.map_or(&node.cell, |(_, cell)| cell);
        if let Some((index, _)) = element
            && is_captured(node)
        {
            match self.whole(tree, id) {
                Ok(whole) => match whole.as_list().and_then(|list| list.get(index)) {
                    Some(found) => view.show(found.clone()),
                    None => view.problem("it is not there"),
                },
                Err(reason) => view.problem(&reason),
            }
            return;
        }
        self.reads += 1;
        match preview(cell) {
            Ok(Preview::Whole(value)) => view.show(value),
            Ok(Preview::Start(value, len)) => {
                view.show(value);
                view.text = format!("{} {}", elements(len), view.text);
            }
            Ok(Preview::Elements(len)) => view.text = elements(len),
            Ok(Preview::Fields(len)) => view.text = format!("{{{len} fields}}"),
            Err(error) => view.problem(&error.to_string()),
        }
    }

    /// The state of a type of `sync`, and what it holds if it is closed.
    fn sync(&mut self, tree: &Tree, id: NodeId, view: &mut RowView) {
        let node = tree.node(id);
        let state = match node.cell.sync_state() {
            Ok(Some(state)) => state,
            Ok(None) => return,
            Err(error) => return view.problem(&error.to_string()),
        };
        view.count = count(&state);
        let text = state_text(&state);
        let holds = matches!(node.sync, Some("mutex" | "seqlock"));
        if holds && !node.is_open {
            match is_captured(node).then(|| self.whole(tree, id)) {
                Some(Ok(value)) => view.show((*value).clone()),
                Some(Err(reason)) => view.problem(&reason),
                None => self.value(tree, id, None, view),
            }
            if !text.is_empty() {
                view.text = format!("{} ({text})", view.text);
            }
            return;
        }
        view.text = text;
        view.kind = Kind::State;
    }

    /// The value of a node that is read as a whole.
    fn whole(&mut self, tree: &Tree, id: NodeId) -> Read {
        if let Some(read) = self.whole.get(&id) {
            return read.clone();
        }
        self.reads += 1;
        let node = tree.node(id);
        let queue = node
            .parent
            .filter(|parent| tree.node(*parent).shape == Shape::Message);
        let read = match queue {
            Some(queue) => self.newest(tree, id, queue),
            None => node.cell.get().map_err(|error| error.to_string()),
        };
        let read = read.map(Rc::new);
        self.whole.insert(id, read.clone());
        read
    }

    /// The newest message of a queue.
    fn newest(&mut self, tree: &Tree, id: NodeId, queue: NodeId) -> Result<DynValue, String> {
        let queue = &tree.node(queue).cell;
        let mut reason = String::new();
        for _ in 0..LOOKS {
            let state = queue.sync_state().map_err(|error| error.to_string())?;
            let last = match &state {
                Some(SyncState::RingState { sent, received, .. }) if sent == received => {
                    return Err("no message waits".to_owned());
                }
                Some(state) => count(state).unwrap_or(0).checked_sub(1),
                None => None,
            };
            let Some(last) = last else {
                return Err("no message was sent yet".to_owned());
            };
            let read = queue.at(&format!("[#{last}]")).and_then(|cell| cell.get());
            match read {
                Ok(value) => {
                    self.newest.insert(id, last);
                    return Ok(value);
                }
                Err(DynError::NoSuchPart { .. }) => {
                    reason = "messages are overwritten while they are read".to_owned();
                }
                Err(error) => return Err(error.to_string()),
            }
        }
        Err(reason)
    }
}

enum Preview {
    Whole(DynValue),
    /// The first elements of so many.
    Start(DynValue, usize),
    Elements(usize),
    Fields(usize),
}

/// What the row of a closed part shows, of which only a little is read.
fn preview(cell: &DynCell) -> Result<Preview, DynError> {
    let len = cell.len()?;
    let size = cell.layout().size();
    let Some(len) = len else {
        return Ok(
            match size <= MOST_PREVIEWED || cell.field_names().is_empty() {
                true => Preview::Whole(cell.get()?),
                false => Preview::Fields(cell.field_names().len()),
            },
        );
    };
    let shown = cell.at(&format!("[..{}]", len.min(PREVIEWED_ELEMENTS)))?;
    let element = shown.layout().size();
    if len <= PREVIEWED_ELEMENTS && element * len <= MOST_PREVIEWED {
        return Ok(Preview::Whole(cell.get()?));
    }
    Ok(match element * PREVIEWED_ELEMENTS <= MOST_PREVIEWED {
        true => Preview::Start(shown.get()?, len),
        false => Preview::Elements(len),
    })
}

fn elements(len: usize) -> String {
    match len {
        1 => "(1 element)".to_owned(),
        len => format!("({len} elements)"),
    }
}

/// A state in a few words.
fn state_text(state: &SyncState) -> String {
    let by = |owner: &Option<shm_core::sync::Owner>| {
        owner
            .as_ref()
            .map_or_else(|| "none".to_owned(), ToString::to_string)
    };
    match state {
        SyncState::MutexState {
            owner: Some(owner), ..
        } => format!("locked by {owner}"),
        SyncState::MutexState { poisoned: true, .. } => "free, poisoned".to_owned(),
        SyncState::MutexState { .. } => "free".to_owned(),
        SyncState::SeqLockState {
            version, writer, ..
        } => match writer {
            Some(writer) => format!("commit {version}, writer {writer}"),
            None => format!("commit {version}"),
        },
        SyncState::RingState {
            sender,
            receiver,
            sent,
            received,
            capacity,
            ..
        } => {
            let fill = sent.saturating_sub(*received).min(*capacity as u64);
            format!(
                "{fill}/{capacity} waiting, sender {}, receiver {}",
                by(sender),
                by(receiver)
            )
        }
        SyncState::BroadcastState { sender, sent, .. } => {
            format!("{sent} sent, sender {}", by(sender))
        }
        SyncState::SemaphoreState { permits, .. } => match permits {
            1 => "1 permit".to_owned(),
            permits => format!("{permits} permits"),
        },
        SyncState::EventState { generation, .. } => format!("generation {generation}"),
        SyncState::BarrierState { round, seats, .. } => {
            let taken = seats.iter().flatten().count();
            format!("round {round}, {taken}/{} seats taken", seats.len())
        }
        _ => String::new(),
    }
}

impl RowView {
    fn show(&mut self, value: DynValue) {
        self.text = text_of(&value);
        self.kind = Kind::Value;
        self.value = Some(value);
    }

    fn problem(&mut self, reason: &str) {
        self.text = escaped(reason).to_string();
        self.kind = Kind::Problem;
        self.value = None;
    }
}

/// A value in one line, as far as it can be seen.
fn text_of(value: &DynValue) -> String {
    struct Bounded(String, usize);

    impl Write for Bounded {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            for char in text.chars() {
                if self.1 == 0 {
                    return Err(fmt::Error);
                }
                self.1 -= 1;
                self.0.push(char);
            }
            Ok(())
        }
    }

    let mut out = Bounded(String::new(), MOST_CHARACTERS);
    // It ends early where nobody can see the rest.
    let _ = write!(out, "{value}");
    escaped(&out.0).to_string()
}
