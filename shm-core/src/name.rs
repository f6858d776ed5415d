//! Names of segments.

use crate::error::ShmError;

/// The longest name in bytes, without the leading slash: the longest directory entry.
const LONGEST: usize = 255;

/// Comes after the segment's name in the name of a segment that is not complete yet, on systems where it needs one. Then come
/// [`HIDDEN_DIGITS`] digits.
const HIDDEN_MARK: &str = ".shm-new-";
/// The hexadecimal digits of a hidden name.
const HIDDEN_DIGITS: usize = 16;

/// Whether a name has the form of [`SegmentName::hidden`].
pub(crate) fn is_hidden(name: &str) -> bool {
    let Some((rest, digits)) = name
        .len()
        .checked_sub(HIDDEN_DIGITS)
        .and_then(|mark_end| name.split_at_checked(mark_end))
    else {
        return false;
    };
    let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    rest.ends_with(HIDDEN_MARK) && digits.bytes().all(is_digit)
}

/// A name that obeys every rule: one entry of the shared-memory directory, never a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SegmentName(Box<str>);

impl SegmentName {
    /// Checks a name: a `/`, then 1 to 255 bytes without `/` and NUL; neither `.` nor `..`, and not the form of
    /// the names of incomplete segments.
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

    /// The name of this segment until it is complete, made unique by `number`. It begins with the segment's name, as far as
    /// there is room, so that a rule of AppArmor that permits names with a prefix permits both.
    pub(crate) fn hidden(&self, number: u64) -> String {
        let room = 1 + LONGEST - HIDDEN_MARK.len() - HIDDEN_DIGITS;
        let kept = (0..=room)
            .rev()
            .find_map(|len| self.0.get(..len.min(self.0.len())))
            .unwrap_or("/");
        format!("{kept}{HIDDEN_MARK}{number:016x}")
    }

    /// With the leading slash, as `shm_open` takes it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name that was probably meant by one that breaks a rule.
fn corrected(name: &str) -> Option<String> {
    let entry = name.strip_prefix("/dev/shm/").unwrap_or(name);
    let entry = entry.trim_start_matches("./");
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
    if is_hidden(name) {
        return Some(
            "names that end in `.shm-new-` and 16 hexadecimal digits are reserved for segments that are not complete yet",
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
            "/a.shm-new-1",
            "/a.shm-new-0123456789ABCDEF",
            "/\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}",
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
    fn hidden_names_begin_with_the_segments_own() {
        for (name, kept) in [
            ("/a", "/a"),
            ("/snap.app.data", "/snap.app.data"),
            (
                &format!("/{}", "x".repeat(230)),
                &format!("/{}", "x".repeat(230)),
            ),
            (
                &format!("/{}", "x".repeat(255)),
                &format!("/{}", "x".repeat(230)),
            ),
            // Of two bytes each: no character is split.
            (
                &("/x".to_owned() + &"\u{fc}".repeat(127)),
                &("/x".to_owned() + &"\u{fc}".repeat(114)),
            ),
        ] {
            let hidden = SegmentName::new(name).unwrap().hidden(0xabc);
            assert_eq!(hidden, format!("{kept}.shm-new-0000000000000abc"));
            assert!(hidden.len() <= 256 && is_hidden(&hidden));
        }
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
            ("./telemetry", "/telemetry"),
            ("././robot/arm", "/robot-arm"),
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
            ".shm-new-0123456789abcdef",
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
        assert!(reason("/a.shm-new-0123456789abcdef").contains("not complete yet"));
        assert!(reason("/.shm-new-0123456789abcdef").contains("not complete yet"));
        assert!(reason(&format!("/{}", "x".repeat(256))).contains("255"));
        // The limit counts bytes: 128 characters of two bytes are one too many.
        assert!(reason(&format!("/{}", "\u{fc}".repeat(128))).contains("255"));
    }
}
