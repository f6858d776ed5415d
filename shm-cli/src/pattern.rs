//! Patterns of names.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// A prefix of a name, or a pattern with `*` for any characters and `?` for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(String);

impl FromStr for Pattern {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = text.strip_prefix("/dev/shm/").unwrap_or(text);
        let name = name.strip_prefix('/').unwrap_or(name);
        Ok(Self(name.to_owned()))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Pattern {
    /// The name of a segment as a pattern, if it has wildcards.
    pub(crate) fn with_wildcards(name: &str) -> Option<Self> {
        name.contains(['*', '?'])
            .then(|| Self(name.strip_prefix('/').unwrap_or(name).to_owned()))
    }

    /// Whether a name without its slash matches.
    pub(crate) fn matches(&self, name: &str) -> bool {
        let pattern = &self.0;
        if !pattern.contains(['*', '?']) {
            return name.starts_with(pattern.as_str());
        }
        // What is tried last if the rest does not match: the pattern after the last `*`, and the name from where it begins to
        // match.
        let mut again = None;
        let (mut pattern, mut name) = (pattern.as_str(), name);
        loop {
            let mut rest = pattern.chars();
            let mut after = name.chars();
            match (rest.next(), after.next()) {
                (Some('*'), _) => {
                    pattern = rest.as_str();
                    again = Some((pattern, name));
                    continue;
                }
                (None, None) => return true,
                (Some(wanted), Some(found)) if wanted == '?' || wanted == found => {
                    (pattern, name) = (rest.as_str(), after.as_str());
                    continue;
                }
                _ => {}
            }
            let Some((of_pattern, of_name)) = again else {
                return false;
            };
            let mut later = of_name.chars();
            if later.next().is_none() {
                return false;
            }
            again = Some((of_pattern, later.as_str()));
            (pattern, name) = (of_pattern, later.as_str());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_prefixes_and_wildcards() {
        for (pattern, name, wanted) in [
            ("", "x", true),
            ("tele", "telemetry", true),
            ("/tele", "telemetry", true),
            ("metry", "telemetry", false),
            ("*metry", "telemetry", true),
            ("*", "", true),
            ("?", "", false),
            ("t?le*", "telemetry", true),
            ("tele?", "telemetry", false),
            ("*a*b", "xaxaxb", true),
            ("*a*b", "xaxaxbx", false),
            ("a**b", "ab", true),
            ("größ?", "größe", true),
            ("/dev/shm/x*", "xyz", true),
        ] {
            let pattern: Pattern = pattern.parse().unwrap();
            assert_eq!(pattern.matches(name), wanted, "{pattern} {name}");
        }
    }
}
