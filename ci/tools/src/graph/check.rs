//! Compares the graph with the layers.

use std::fmt::Write;

use super::layers::Layers;
use super::{Graph, Place};

/// Every mistake as text, with its places and what to do.
pub(super) fn check(graph: &Graph, layers: &Layers) -> Vec<String> {
    let mut mistakes = Vec::new();
    for module in &graph.modules {
        // A module that holds only documentation needs no layer.
        let has_arrow = graph
            .arrows
            .keys()
            .any(|(from, to)| from == module || to == module);
        if has_arrow && layers.rank(module).is_none() {
            mistakes.push(format!(
                "the module `{module}` is in no layer: add it where all that it uses is below it\n"
            ));
        }
    }
    for module in layers.modules() {
        if !graph.modules.contains(module) {
            mistakes.push(format!(
                "the layer `{module}` is not a module of the crate: remove it\n"
            ));
        }
    }
    for ((from, to), places) in &graph.arrows {
        let (Some(above), Some(below)) = (layers.rank(from), layers.rank(to)) else {
            continue;
        };
        let is_exception = layers
            .exceptions()
            .iter()
            .any(|exception| (&exception.from, &exception.to) == (from, to));
        if is_exception {
            continue;
        }
        if below < above {
            mistakes.push(with_places(
                format!(
                    "`{from}` uses `{to}`, which is above it: move what `{from}` needs down to it or below, \
                     or move the code that needs it up\n"
                ),
                places,
            ));
        } else if let Some(only) = layers.only(from).filter(|only| !only.contains(to)) {
            mistakes.push(with_places(
                format!(
                    "`{from}` uses `{to}`, but may use only: {}\n",
                    only.join(", ")
                ),
                places,
            ));
        }
    }
    for exception in layers.exceptions() {
        let (from, to) = (&exception.from, &exception.to);
        let is_up =
            matches!((layers.rank(from), layers.rank(to)), (Some(from), Some(to)) if to < from);
        if !is_up || !graph.arrows.contains_key(&(from.clone(), to.clone())) {
            mistakes.push(format!(
                "line {}: no arrow from `{from}` points up to `{to}`: remove the exception\n",
                exception.line
            ));
        }
    }
    mistakes
}

fn with_places(mut mistake: String, places: &std::collections::BTreeSet<Place>) -> String {
    for place in places {
        let _ = writeln!(mistake, "    {}:{}", place.file.display(), place.line);
    }
    mistake
}
