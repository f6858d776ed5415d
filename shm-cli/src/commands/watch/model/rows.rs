//! The rows of a tree: which part is in which row, without a row for each.

use super::tree::{NodeId, Row, Shape, Tree};

/// A filter makes nodes for fields in closed parts, up to this number.
const MOST_SEARCHED: usize = 10_000;
/// A filter looks at this many indices of arrays, in all of them.
const MOST_INDICES: usize = 100_000;
/// A filter looks into the elements of an array up to this number.
const MOST_OPENED: usize = 256;

/// Rows next to each other.
#[derive(Clone, Copy, Debug)]
enum Block {
    Node(NodeId),
    /// Elements without a node.
    Elements {
        of: NodeId,
        from: usize,
        len: usize,
    },
}

/// All rows, in their order.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// With the number of the first row.
    blocks: Vec<(usize, Block)>,
    len: usize,
    /// The indices that the filter has looked at.
    indices: usize,
    /// Whether the filter did not look everywhere.
    pub(super) is_partial: bool,
}

impl Rows {
    /// The rows of the open parts, or of those that a filter lets through.
    pub(super) fn of(tree: &mut Tree, filter: &str) -> Self {
        let mut rows = Self::default();
        let filter = filter.to_lowercase();
        for root in tree.roots.clone() {
            if filter.is_empty() {
                rows.all(tree, root);
            } else {
                rows.matching(tree, root, &filter);
            }
        }
        rows
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn get(&self, row: usize) -> Option<Row> {
        let after = self.blocks.partition_point(|(first, _)| *first <= row);
        let (first, block) = self.blocks.get(after.checked_sub(1)?)?;
        match *block {
            Block::Node(id) => (row == *first).then_some(Row::Node(id)),
            Block::Elements { of, from, len } => {
                let at = row - first;
                (at < len).then_some(Row::Element {
                    of,
                    index: from + at,
                })
            }
        }
    }

    /// The number of a row.
    pub(super) fn find(&self, wanted: Row) -> Option<usize> {
        self.blocks
            .iter()
            .find_map(|(first, block)| match (*block, wanted) {
                (Block::Node(id), Row::Node(wanted)) => (id == wanted).then_some(*first),
                (Block::Elements { of, from, len }, Row::Element { of: wanted, index }) => {
                    (of == wanted && (from..from + len).contains(&index))
                        .then(|| first + index - from)
                }
                _ => None,
            })
    }

    fn push(&mut self, block: Block) {
        let len = match block {
            Block::Node(_) => 1,
            Block::Elements { len: 0, .. } => return,
            Block::Elements { len, .. } => len,
        };
        self.blocks.push((self.len, block));
        self.len = self.len.saturating_add(len);
    }

    /// A node and what is open in it.
    fn all(&mut self, tree: &mut Tree, id: NodeId) {
        self.push(Block::Node(id));
        if !tree.node(id).is_open {
            return;
        }
        match tree.node(id).shape {
            Shape::Leaf => {}
            Shape::Fields | Shape::Message => {
                for child in tree.children(id).to_vec() {
                    self.all(tree, child);
                }
            }
            Shape::Elements if tree.node(id).sort.is_some() => {
                for index in tree.node(id).order.clone() {
                    match tree.node(id).elements.get(&index) {
                        Some(&element) => self.all(tree, element),
                        None => self.push(Block::Elements {
                            of: id,
                            from: index,
                            len: 1,
                        }),
                    }
                }
            }
            Shape::Elements => {
                let len = tree.count(id);
                let mut from = 0;
                for (index, element) in tree.node(id).elements.clone() {
                    if index >= len {
                        break;
                    }
                    self.push(Block::Elements {
                        of: id,
                        from,
                        len: index - from,
                    });
                    self.all(tree, element);
                    from = index + 1;
                }
                self.push(Block::Elements {
                    of: id,
                    from,
                    len: len.saturating_sub(from),
                });
            }
        }
    }

    /// A node, if its path contains the filter or a path in it does.
    fn matching(&mut self, tree: &mut Tree, id: NodeId, filter: &str) {
        if matches(&tree.path(Row::Node(id)), filter) {
            self.all(tree, id);
            return;
        }
        let (blocks, len) = (self.blocks.len(), self.len);
        self.push(Block::Node(id));
        match tree.node(id).shape {
            Shape::Leaf => {}
            Shape::Fields | Shape::Message if tree.len() > MOST_SEARCHED => self.is_partial = true,
            Shape::Fields | Shape::Message => {
                for child in tree.children(id).to_vec() {
                    self.matching(tree, child, filter);
                }
            }
            Shape::Elements => self.matching_elements(tree, id, filter),
        }
        if self.len == len + 1 {
            // Nothing in it.
            self.blocks.truncate(blocks);
            self.len = len;
        }
    }

    fn matching_elements(&mut self, tree: &mut Tree, id: NodeId, filter: &str) {
        let len = tree.count(id);
        let looks_inside = !matches!(tree.element_shape(id), None | Some(Shape::Leaf));
        let most = len.min(MOST_INDICES.saturating_sub(self.indices));
        self.indices += most;
        for index in 0..most {
            let opened = tree.node(id).elements.get(&index).copied();
            let row = Row::Element { of: id, index };
            match opened {
                Some(element) => self.matching(tree, element, filter),
                None if looks_inside && index < MOST_OPENED && tree.len() <= MOST_SEARCHED => {
                    if let Some(element) = tree.element(id, index) {
                        self.matching(tree, element, filter);
                    }
                }
                None => {
                    self.is_partial |= looks_inside;
                    if matches(&tree.path(row), filter) {
                        self.push(Block::Elements {
                            of: id,
                            from: index,
                            len: 1,
                        });
                    }
                }
            }
        }
        self.is_partial |= len > most;
    }
}

fn matches(path: &str, filter: &str) -> bool {
    path.to_lowercase().contains(filter)
}
