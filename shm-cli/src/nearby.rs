//! What a name that leads nowhere may have been meant to be.

use std::path::Path;

use crate::output::escaped;

/// The most edits between a name and the one that was meant.
const MOST_EDITS: usize = 2;

/// A question to append to a message, or nothing. `name` is that of a segment, with its slash.
pub(crate) fn hint(name: &str) -> String {
    let bare = name.strip_prefix('/').unwrap_or(name);
    if Path::new(bare).is_file() {
        return format!(
            ". To read the file `{0}` as a dump, write `./{0}`",
            escaped(bare)
        );
    }
    let Ok(found) = shm_core::list() else {
        return String::new();
    };
    let names = found.flatten().map(|info| info.name);
    match closest(bare, names) {
        Some(meant) => format!(". Did you mean `{}`?", escaped(&meant)),
        None => String::new(),
    }
}

/// The name that is nearest, if one is near: with few edits, or longer at its end.
fn closest(bare: &str, names: impl Iterator<Item = String>) -> Option<String> {
    let near = names.filter_map(|name| {
        let of = name.strip_prefix('/').unwrap_or(&name);
        let edits = strsim::damerau_levenshtein(bare, of);
        let is_near = edits <= MOST_EDITS.min(bare.len() / 3);
        let is_longer = bare.len() >= 3 && of.starts_with(bare);
        (is_near || is_longer).then_some((!is_near, edits, name))
    });
    near.min().map(|(_, _, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bare: &str) -> Option<String> {
        let names = ["/telemetry-2", "/feed", "/telemetry", "/teletext"];
        closest(bare, names.map(str::to_owned).into_iter())
    }

    #[test]
    fn a_name_with_a_mistake_is_found() {
        assert_eq!(of("telemetri").as_deref(), Some("/telemetry"));
        assert_eq!(of("tele").as_deref(), Some("/teletext"));
        assert_eq!(of("telemetry-").as_deref(), Some("/telemetry"));
        assert_eq!(of("fed").as_deref(), Some("/feed"));
        for other in ["", "f", "te", "robot"] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
