//! Which top-level modules of a crate use which others, and whether every use points to a lower layer.

mod cfg;
mod check;
mod layers;
mod module;
mod reference;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use layers::Layers;

/// Where a module uses another one.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Place {
    file: PathBuf,
    line: usize,
}

/// The top-level modules, and the places where one uses another.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    modules: BTreeSet<String>,
    arrows: BTreeMap<(String, String), BTreeSet<Place>>,
}

/// Checks the crate whose root is the file `lib` against the file `layers`. Returns the graph as text, or what is wrong
/// with it.
pub(crate) fn run(lib: &Path, layers: &Path) -> Result<String, String> {
    let read = |file: &Path| std::fs::read_to_string(file).map_err(|error| error.to_string());
    let graph = module::load(lib, &read)?;
    let text = read(layers).map_err(|error| format!("{}: {error}", layers.display()))?;
    let parsed = Layers::parse(&text).map_err(|error| format!("{}:{error}", layers.display()))?;
    let mut report = String::new();
    for (from, to) in graph.table(&parsed) {
        let _ = writeln!(report, "{from:<14} -> {}", to.join(" "));
    }
    let mistakes = check::check(&graph, &parsed);
    if mistakes.is_empty() {
        return Ok(report);
    }
    for mistake in &mistakes {
        let _ = write!(report, "\n{mistake}");
    }
    let _ = write!(
        report,
        "\n{} mistakes; the layers are in {}",
        mistakes.len(),
        layers.display()
    );
    Err(report)
}

impl Graph {
    /// Every module with those that it uses, highest layer first.
    fn table<'g>(&'g self, layers: &Layers) -> Vec<(&'g str, Vec<&'g str>)> {
        let rank = |module: &str| layers.rank(module).unwrap_or(usize::MAX);
        let mut modules: Vec<&str> = self.modules.iter().map(String::as_str).collect();
        modules.sort_by_key(|module| rank(module));
        let uses = |from: &str| {
            let mut to: Vec<&str> = modules
                .iter()
                .copied()
                .filter(|to| {
                    self.arrows
                        .contains_key(&(from.to_owned(), (*to).to_owned()))
                })
                .collect();
            to.sort_by_key(|module| rank(module));
            to
        };
        modules.iter().map(|from| (*from, uses(from))).collect()
    }
}
