//! The tree, for programs.

use serde_json::{Map, Value};

use super::tree::{Body, Label, Node};
use crate::output::json;

/// A part as values, and what is known of its parts by their paths.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Parts {
    pub(crate) value: Value,
    /// The states of types of `sync`.
    pub(crate) sync: Map<String, Value>,
    /// The lengths of lists of which not all elements were read, and `null` for parts that are too deep or too many.
    pub(crate) folded: Map<String, Value>,
    /// Why parts were not read.
    pub(crate) errors: Map<String, Value>,
}

impl Parts {
    pub(crate) fn of(node: &Node) -> Self {
        let mut parts = Self::default();
        let path = node.label.to_string();
        let base = match path.as_str() {
            "." => String::new(),
            // The elements have their numbers in the whole list.
            path if node.list.is_some() => path
                .rsplit_once('[')
                .map_or(path, |(list, _)| list)
                .to_owned(),
            path => path.to_owned(),
        };
        parts.value = parts.add(node, &path, &base);
        parts
    }

    /// Adds what is known of a node with this `path`, and returns its value. Its parts are at `base`.
    fn add(&mut self, node: &Node, path: &str, base: &str) -> Value {
        if let Some(state) = &node.state {
            self.sync.insert(path.to_owned(), json::sync_state(state));
        }
        let inner = |parts: &mut Self, of: &Node| {
            let path = match of.label {
                Label::Field(_) if !base.is_empty() => format!("{base}.{}", of.label),
                _ => format!("{base}{}", of.label),
            };
            parts.add(of, &path, &path)
        };
        match &node.body {
            Body::Value(value) => json::value(value),
            Body::Bytes(bytes) => {
                if bytes.folded() > 0 {
                    self.folded.insert(path.to_owned(), bytes.len.into());
                }
                bytes.read.as_slice().into()
            }
            Body::Values(values) => {
                if values.folded() > 0 {
                    self.folded.insert(path.to_owned(), values.len.into());
                }
                values.read.iter().map(json::value).collect()
            }
            Body::Parts(elements) => {
                if elements.folded() > 0 {
                    self.folded.insert(path.to_owned(), elements.len.into());
                }
                let values = elements.read.iter().map(|element| inner(self, element));
                values.collect()
            }
            Body::Fields(nodes) => {
                let mut map = Map::new();
                for node in nodes {
                    let key = match &node.label {
                        Label::Field(name) => name.clone(),
                        other => other.to_string(),
                    };
                    let value = inner(self, node);
                    map.insert(key, value);
                }
                map.into()
            }
            Body::Messages(messages) => {
                let values = messages.iter().map(|message| inner(self, message));
                values.collect()
            }
            Body::Nothing => Value::Null,
            Body::Deep => {
                self.folded.insert(path.to_owned(), Value::Null);
                Value::Null
            }
            Body::Error(error) => {
                self.errors.insert(path.to_owned(), error.as_str().into());
                Value::Null
            }
        }
    }
}
