//! The parts of a segment as a tree, of which only those nodes exist that were opened.

use std::collections::{BTreeMap, HashSet};

use shm_core::dynamic::{DynCell, DynSegment, DynValue};

use crate::failure::Failure;
use crate::observe::{Counter, sync_meaning};
use crate::output::type_name;

pub(super) type NodeId = usize;

/// Bytes of a `SeqLock`'s value or of a message up to which it is read as a whole, so that all of its rows are of one commit.
const MOST_CAPTURED: usize = 64 << 10;
/// Structs are open at first up to this depth, while there are few rows.
const OPEN_DEPTH: usize = 3;
const OPEN_ROWS: usize = 200;
/// Arrays of structs with at most this many elements are open at first.
const OPEN_ELEMENTS: usize = 4;

/// A step in a value that was read as a whole.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Field(&'static str),
    Index(usize),
}

/// The order of an array's elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sort {
    pub(super) descending: bool,
    /// The path from an element to what it is sorted by; empty for the element itself.
    pub(super) by: String,
}

/// What is inside of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Nothing that is shown as a row.
    Leaf,
    Fields,
    Elements,
    /// The newest message.
    Message,
}

pub(super) struct Node {
    pub(super) cell: DynCell,
    pub(super) label: String,
    pub(super) depth: usize,
    pub(super) parent: Option<NodeId>,
    pub(super) shape: Shape,
    pub(super) is_open: bool,
    pub(super) type_name: String,
    /// The type of `sync` that it is, with its counter.
    pub(super) sync: Option<&'static str>,
    pub(super) counter: Option<Counter>,
    /// The node whose value is read as a whole, and where this one is in it.
    pub(super) origin: Option<(NodeId, Vec<Step>)>,
    /// Fields, or the message. Made when they are needed first.
    children: Option<Vec<NodeId>>,
    /// Elements that were opened or searched. The others have no node.
    pub(super) elements: BTreeMap<usize, NodeId>,
    pub(super) sort: Option<Sort>,
    /// The elements in their order, if the array is sorted.
    pub(super) order: Vec<usize>,
    /// The number of elements when rows were numbered.
    pub(super) len_before: usize,
}

/// What a row shows: a node, or an element that has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Row {
    Node(NodeId),
    Element { of: NodeId, index: usize },
}

pub(super) struct Tree {
    nodes: Vec<Node>,
    pub(super) roots: Vec<NodeId>,
}

impl Tree {
    /// The tree of the whole segment, or of some parts.
    pub(super) fn new(segment: &DynSegment, paths: &[String]) -> Result<Self, Failure> {
        let mut tree = Self {
            nodes: Vec::new(),
            roots: Vec::new(),
        };
        for path in paths {
            let cell = segment.at(path)?;
            let label = match cell.path() {
                "." => segment.layout().name().to_owned(),
                path => path.to_owned(),
            };
            let root = tree.add(cell, label, None, None);
            tree.nodes[root].is_open = tree.nodes[root].shape != Shape::Leaf;
            tree.roots.push(root);
        }
        // The fields of the segment need no row above them.
        if let [root] = *tree.roots
            && tree.nodes[root].cell.path() == "."
            && tree.nodes[root].sync.is_none()
            && tree.nodes[root].shape == Shape::Fields
        {
            tree.roots = tree.children(root).to_vec();
            for id in tree.roots.clone() {
                tree.nodes[id].parent = None;
                tree.nodes[id].depth = 0;
            }
        }
        tree.open_first();
        Ok(tree)
    }

    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }

    pub(super) fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id]
    }

    /// The number of nodes that exist.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Opens small structs.
    fn open_first(&mut self) {
        let mut queue: std::collections::VecDeque<_> = self.roots.clone().into();
        let mut rows = queue.len();
        while let Some(id) = queue.pop_front() {
            let is_small = match self.nodes[id].shape {
                Shape::Leaf => continue,
                Shape::Fields => self.nodes[id].cell.field_names().len() <= OPEN_ROWS,
                Shape::Message => true,
                Shape::Elements => {
                    let of = self.element_shape(id);
                    of.is_some_and(|of| of != Shape::Leaf) && self.count(id) <= OPEN_ELEMENTS
                }
            };
            let opens = self.nodes[id].is_open || (is_small && self.nodes[id].depth < OPEN_DEPTH);
            if !opens || (rows > OPEN_ROWS && self.nodes[id].parent.is_some()) {
                continue;
            }
            self.nodes[id].is_open = true;
            if !is_small {
                continue;
            }
            let inside = match self.nodes[id].shape {
                Shape::Elements => (0..self.count(id))
                    .filter_map(|index| self.element(id, index))
                    .collect(),
                _ => self.children(id).to_vec(),
            };
            rows += inside.len();
            queue.extend(inside);
        }
    }

    /// Opens the parts with these paths, and closes all others.
    pub(super) fn open_only(&mut self, paths: &HashSet<String>) {
        let mut queue = self.roots.clone();
        while let Some(id) = queue.pop() {
            let path = self.path(Row::Node(id));
            let is_open = paths.contains(&path);
            self.nodes[id].is_open = is_open;
            if !is_open {
                continue;
            }
            match self.nodes[id].shape {
                Shape::Elements => {
                    let prefix = if path == "." {
                        "["
                    } else {
                        &format!("{path}[")
                    };
                    let indices = paths.iter().filter_map(|open| {
                        let (index, _) = open.strip_prefix(prefix)?.split_once(']')?;
                        index.parse::<usize>().ok()
                    });
                    for index in indices.collect::<Vec<_>>() {
                        queue.extend(self.element(id, index));
                    }
                }
                _ => queue.extend_from_slice(self.children(id)),
            }
        }
    }

    fn add(
        &mut self,
        cell: DynCell,
        label: String,
        parent: Option<NodeId>,
        step: Option<Step>,
    ) -> NodeId {
        let id = self.nodes.len();
        let depth = parent.map_or(0, |parent| self.nodes[parent].depth + 1);
        let origin = parent.and_then(|parent| self.origin_in(parent, step));
        let sync = match origin {
            // A message or a committed value contains none.
            Some(_) => None,
            None => {
                sync_meaning(cell.layout()).filter(|_| matches!(cell.sync_state(), Ok(Some(_))))
            }
        };
        self.nodes.push(Node {
            label,
            depth,
            parent,
            shape: shape(&cell, sync),
            is_open: false,
            type_name: match cell.len() {
                // A list of elements, as `a[2..5]` is, has the layout of an element.
                Ok(Some(len)) if cell.path().ends_with(']') && is_list(&cell) => {
                    format!("[{}; {len}]", type_name(cell.layout()))
                }
                _ => type_name(cell.layout()),
            },
            counter: sync.and_then(|_| Counter::of(&cell)),
            sync,
            origin,
            children: None,
            elements: BTreeMap::new(),
            sort: None,
            order: Vec::new(),
            len_before: 0,
            cell,
        });
        id
    }

    /// The origin of a part of `parent`.
    fn origin_in(&self, parent: NodeId, step: Option<Step>) -> Option<(NodeId, Vec<Step>)> {
        let node = &self.nodes[parent];
        let step = step?;
        if let Some((root, steps)) = &node.origin {
            let mut steps = steps.clone();
            steps.push(step);
            return Some((*root, steps));
        }
        is_captured(node).then(|| (parent, vec![step]))
    }

    /// The fields of a struct, or the message of a queue.
    pub(super) fn children(&mut self, id: NodeId) -> &[NodeId] {
        if self.nodes[id].children.is_none() {
            let made = self.make_children(id);
            self.nodes[id].children = Some(made);
        }
        self.nodes[id].children.as_deref().unwrap_or_default()
    }

    fn make_children(&mut self, id: NodeId) -> Vec<NodeId> {
        let cell = self.nodes[id].cell.clone();
        match self.nodes[id].shape {
            Shape::Fields => {
                let mut made = Vec::new();
                for name in cell.field_names() {
                    let Ok(field) = cell.field(name) else {
                        continue;
                    };
                    made.push(self.add(field, name.to_owned(), Some(id), Some(Step::Field(name))));
                }
                made
            }
            Shape::Message => match cell.at("[#0]") {
                Ok(message) => {
                    let made = self.add(message, "newest".to_owned(), Some(id), None);
                    // It is read as a whole, by another number each time.
                    self.nodes[made].origin = Some((made, Vec::new()));
                    self.nodes[made].sync = None;
                    vec![made]
                }
                Err(_) => Vec::new(),
            },
            Shape::Leaf | Shape::Elements => Vec::new(),
        }
    }

    /// The number of elements, at this moment. 0 if it cannot be read.
    pub(super) fn count(&self, id: NodeId) -> usize {
        let len = self.nodes[id].cell.len();
        len.ok().flatten().unwrap_or(0)
    }

    /// The node of an element, which is made if it does not exist.
    pub(super) fn element(&mut self, id: NodeId, index: usize) -> Option<NodeId> {
        if let Some(found) = self.nodes[id].elements.get(&index) {
            return Some(*found);
        }
        let cell = self.nodes[id].cell.index(index).ok()?;
        let made = self.add(
            cell,
            format!("[{index}]"),
            Some(id),
            Some(Step::Index(index)),
        );
        self.nodes[id].elements.insert(index, made);
        Some(made)
    }

    /// The shape of each element. `None` if there is none.
    pub(super) fn element_shape(&self, id: NodeId) -> Option<Shape> {
        let cell = self.nodes[id].cell.index(0).ok()?;
        let sync = sync_meaning(cell.layout());
        Some(shape(&cell, sync))
    }

    /// The row's parent.
    pub(super) fn parent(&self, row: Row) -> Option<NodeId> {
        match row {
            Row::Node(id) => self.nodes[id].parent,
            Row::Element { of, .. } => Some(of),
        }
    }

    /// The path of a row.
    pub(super) fn path(&self, row: Row) -> String {
        match row {
            Row::Node(id) => self.nodes[id].cell.path().to_owned(),
            Row::Element { of, index } => match self.nodes[of].cell.path() {
                "." => format!("[{index}]"),
                path => format!("{path}[{index}]"),
            },
        }
    }
}

/// Whether the value of a `SeqLock` is read as a whole for its rows.
pub(super) fn is_captured(node: &Node) -> bool {
    node.sync == Some("seqlock") && node.cell.layout().size() <= MOST_CAPTURED
}

/// Whether a cell is some elements of an array and not an array.
fn is_list(cell: &DynCell) -> bool {
    cell.path()
        .rsplit_once('[')
        .is_some_and(|(_, inside)| inside.contains(".."))
}

fn shape(cell: &DynCell, sync: Option<&str>) -> Shape {
    match sync {
        Some("event" | "semaphore" | "barrier") => return Shape::Leaf,
        Some("ring" | "broadcast") if cell.len().is_ok_and(|len| len.is_none()) => {
            return match cell.at("[#0]") {
                Ok(_) => Shape::Message,
                Err(_) => Shape::Leaf,
            };
        }
        _ => {}
    }
    match cell.len() {
        Ok(Some(_)) => Shape::Elements,
        Ok(None) if !cell.field_names().is_empty() => Shape::Fields,
        _ => Shape::Leaf,
    }
}

/// The part of a value to which the steps lead.
pub(super) fn part<'a>(value: &'a DynValue, steps: &[Step]) -> Option<&'a DynValue> {
    steps.iter().try_fold(value, |value, step| match step {
        Step::Field(name) => value.field(name),
        Step::Index(index) => value.as_list()?.get(*index),
    })
}
