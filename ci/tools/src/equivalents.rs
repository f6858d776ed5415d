//! A list of changes that no test can notice.

use std::collections::BTreeMap;
use std::path::Path;

/// The names, each with its reason.
#[derive(Debug)]
pub(crate) struct Equivalents<'t>(BTreeMap<&'t str, Vec<&'t str>>);

impl<'t> Equivalents<'t> {
    /// The list with this text in the file `path`, whose names all have to exist.
    pub(crate) fn of_file(
        path: &Path,
        text: &'t str,
        exists: impl Fn(&str) -> bool,
    ) -> Result<Self, String> {
        let path = path.display();
        let listed = Self::parse(text).map_err(|error| format!("{path}:{error}"))?;
        if let Some(name) = listed.names().find(|name| !exists(name)) {
            return Err(format!("{path}: there is no `{name}`"));
        }
        Ok(listed)
    }

    /// Each name is a line, followed by indented lines with the reason. Lines that begin with `#` are comments.
    fn parse(text: &'t str) -> Result<Self, String> {
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

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    fn names(&self) -> impl Iterator<Item = &'t str> {
        self.0.keys().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_needs_reasons() {
        let listed = Equivalents::parse("# all\n\na: b\n    since\n    so\nc: d\n  e\n").unwrap();
        assert_eq!(listed.names().collect::<Vec<_>>(), ["a: b", "c: d"]);
        assert!(listed.contains("a: b"));
        for (text, error) in [
            ("a\nb\n  c\n", " `a` has no reason"),
            ("  c\n", "1: a reason without a name"),
            ("a\n  c\na\n  c\n", "3: `a` is listed twice"),
        ] {
            assert_eq!(Equivalents::parse(text).unwrap_err(), error);
        }
    }

    #[test]
    fn listed_names_have_to_exist() {
        let of_file = |known: &str| {
            let exists = |name: &str| name == known;
            Equivalents::of_file(Path::new("list"), "a: b\n    since\n", exists).map(drop)
        };
        assert_eq!(of_file("a: b"), Ok(()));
        assert_eq!(of_file("c: d").unwrap_err(), "list: there is no `a: b`");
    }
}
