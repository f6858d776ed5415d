//! Names of segments.

use crate::error::ShmError;

/// The longest name in bytes, without the leading slash: the longest directory entry.
const LONGEST: usize = 255;

/// The prefix of segments that are not complete yet, on systems where these need a name.
pub(crate) const HIDDEN_PREFIX: &str = "/.shm-new-";

/// A name that obeys every rule: one entry of the shared-memory directory, never a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SegmentName(Box<str>);

impl SegmentName {
    /// Checks a name: a `/`, then 1 to 255 bytes without `/` and NUL; neither `.` nor `..`, and without the prefix of
    /// incomplete segments.
    pub(crate) fn new(name: &str) -> Result<Self, ShmError> {
        match broken_rule(name) {
            None => Ok(Self(name.into())),
            Some(reason) => Err(ShmError::InvalidName {
                name: name.to_owned(),
                reason,
                suggestion: corrected(name),
            }),
        }
    }

    /// With the leading slash, as `shm_open` takes it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name that was probably meant by one that breaks a rule.
fn corrected(name: &str) -> Option<String> {
    let entry = name.strip_prefix("/dev/shm/").unwrap_or(name);
    let entry = entry.trim_matches('/').replace('/', "-");
    let meant = format!("/{entry}");
    // A path that leads upwards does not mean a segment.
    (!entry.starts_with("..") && broken_rule(&meant).is_none()).then_some(meant)
}

fn broken_rule(name: &str) -> Option<&'static str> {
    let Some(entry) = name.strip_prefix('/') else {
        return Some("it must start with `/`");
    };
    if entry.is_empty() {
        return Some("something must follow the `/`");
    }
    if entry.contains('/') {
        return Some("only the first character may be a `/`");
    }
    if entry.contains('\0') {
        return Some("it must not contain a NUL byte");
    }
    if entry.len() > LONGEST {
        return Some("at most 255 bytes may follow the `/`");
    }
    if entry == "." || entry == ".." {
        return Some("`.` and `..` are directories");
    }
    if name.starts_with(HIDDEN_PREFIX) {
        return Some(
            "names that begin with `/.shm-new-` are reserved for segments that are not complete yet",
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(name: &str) -> &'static str {
        match SegmentName::new(name) {
            Err(ShmError::InvalidName {
                name: kept, reason, ..
            }) => {
                assert_eq!(kept, name);
                reason
            }
            other => panic!("{name:?} gave {other:?}"),
        }
    }

    #[test]
    fn valid_names_are_kept_unchanged() {
        for name in [
            "/a",
            "/telemetry",
            "/...",
            "/.hidden",
            "/.shm-new",
            "/with space",
            "/\u{fc}mlaut",
            "/a\nb",
        ] {
            assert_eq!(SegmentName::new(name).unwrap().as_str(), name);
        }
        let longest = format!("/{}", "x".repeat(255));
        assert_eq!(SegmentName::new(&longest).unwrap().as_str(), longest);
    }

    #[test]
    fn the_error_suggests_the_name_that_was_meant() {
        let text = |name: &str| SegmentName::new(name).unwrap_err().to_string();
        assert_eq!(
            text("telemetry"),
            "`telemetry` is not a segment name: it must start with `/`; write `/telemetry`"
        );
        for (name, meant) in [
            ("/robot/arm", "/robot-arm"),
            ("robot/arm/", "/robot-arm"),
            ("//telemetry", "/telemetry"),
            ("/dev/shm/telemetry", "/telemetry"),
            ("two\nlines", "/two\\nlines"),
        ] {
            assert!(
                text(name).ends_with(&format!("; write `{meant}`")),
                "{}",
                text(name)
            );
        }
        let long = "x".repeat(256);
        for name in [
            "",
            "/",
            "//",
            ".",
            "..",
            "/../etc",
            "a\0b",
            ".shm-new-1",
            &long,
        ] {
            assert_eq!(corrected(name), None);
            assert!(!text(name).contains("; write"), "{}", text(name));
        }
    }

    #[test]
    fn each_rule_has_its_reason() {
        assert!(reason("").contains("start with `/`"));
        assert!(reason("telemetry").contains("start with `/`"));
        assert!(reason("/").contains("must follow"));
        assert!(reason("//").contains("only the first"));
        assert!(reason("/a/b").contains("only the first"));
        assert!(reason("/../etc").contains("only the first"));
        assert!(reason("/a\0b").contains("NUL"));
        assert!(reason("/.").contains("directories"));
        assert!(reason("/..").contains("directories"));
        assert!(reason("/.shm-new-1").contains("not complete yet"));
        assert!(reason(&format!("/{}", "x".repeat(256))).contains("255"));
        // The limit counts bytes: 128 characters of two bytes are one too many.
        assert!(reason(&format!("/{}", "\u{fc}".repeat(128))).contains("255"));
    }
}
