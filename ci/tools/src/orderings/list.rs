//! The list of weakenings that make no difference to the models.

use std::collections::BTreeMap;

/// The names, each with its reason.
#[derive(Debug)]
pub(super) struct Equivalents<'t>(BTreeMap<&'t str, Vec<&'t str>>);

impl<'t> Equivalents<'t> {
    /// Each name is a line, followed by indented lines with the reason. Lines that begin with `#` are comments.
    pub(super) fn parse(text: &'t str) -> Result<Self, String> {
        let mut listed: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut name = None;
        for (number, line) in (1..).zip(text.lines()) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let reason = line.trim_start();
            if reason.len() == line.len() {
                if listed.insert(line, Vec::new()).is_some() {
                    return Err(format!("{number}: `{line}` is listed twice"));
                }
                name = Some(line);
            } else {
                name.and_then(|name| listed.get_mut(name))
                    .ok_or_else(|| format!("{number}: a reason without a name"))?
                    .push(reason);
            }
        }
        match listed.iter().find(|(_, reason)| reason.is_empty()) {
            Some((name, _)) => Err(format!(" `{name}` has no reason")),
            None => Ok(Self(listed)),
        }
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'t str> {
        self.0.keys().copied()
    }
}
