//! Lists the public items of a crate.

use std::collections::HashSet;
use std::path::Path;

use public_api::{Builder, PublicItem};
use serde_json::Value;

/// Traits that the compiler implements by itself, but for `Send` and `Sync`.
const UNLISTED: [&str; 6] = [
    "core::marker::StructuralPartialEq for",
    "core::marker::Freeze for",
    "core::marker::Unpin for",
    "core::marker::UnsafeUnpin for",
    "core::panic::unwind_safe::RefUnwindSafe for",
    "core::panic::unwind_safe::UnwindSafe for",
];

/// Where well-known items of the standard library are, which is left out: `Result` for `core::result::Result`.
const SHORTENED: [&str; 23] = [
    "alloc::boxed::",
    "alloc::string::",
    "alloc::vec::",
    "core::clone::",
    "core::cmp::",
    "core::convert::",
    "core::default::",
    "core::error::",
    "core::fmt::",
    "core::hash::",
    "core::iter::traits::collect::",
    "core::iter::traits::iterator::",
    "core::num::nonzero::",
    "core::num::wrapping::",
    "core::marker::",
    "core::ops::deref::",
    "core::ops::drop::",
    "core::ops::function::",
    "core::ops::index::",
    "core::option::",
    "core::result::",
    "core::sync::atomic::",
    "core::time::",
];

/// The public items in what rustdoc wrote to `json`, a line each.
///
/// An implementation of a trait is listed, and so are its types if the trait is of another crate. The rest of it is left
/// out, since the trait determines it, and so are blanket implementations.
pub(crate) fn run(json: &Path) -> Result<String, String> {
    let read = || {
        let api = Builder::from_rustdoc_json(json)
            .omit_blanket_impls(true)
            .build();
        let text = std::fs::read_to_string(json)?;
        let parsed: Value = serde_json::from_str(&text)?;
        Ok::<_, Box<dyn std::error::Error>>((api?, parsed))
    };
    let (api, parsed) = read().map_err(|error| format!("{}: {error}", json.display()))?;
    let mut lines: Vec<String> = Vec::new();
    for item in api.items() {
        let line = item.to_string();
        let is_unlisted =
            line.starts_with("impl") && UNLISTED.iter().any(|name| line.contains(name));
        if !is_unlisted && !is_determined_by_a_trait(item, &parsed) {
            lines.push(
                SHORTENED
                    .iter()
                    .fold(line, |line, path| line.replace(path, "")),
            );
        }
    }
    // What belongs to a type that is public under two paths is listed once.
    let mut listed = HashSet::new();
    lines.retain(|line| listed.insert(line.clone()));
    if lines.is_empty() {
        return Err(format!("{}: no public item was found", json.display()));
    }
    lines.push(String::new());
    Ok(lines.join("\n"))
}

/// Whether the item is a part of a trait's implementation that the trait determines.
fn is_determined_by_a_trait(item: &PublicItem, parsed: &Value) -> bool {
    let kind = &parsed["index"][item.id().0.to_string()]["inner"];
    let Some(parent) = item.parent_id() else {
        return false;
    };
    let of = &parsed["index"][parent.0.to_string()]["inner"]["impl"]["trait"];
    let is_local = parsed["paths"][of["id"].to_string()]["crate_id"] == 0;
    !of.is_null() && (is_local || kind["assoc_type"].is_null())
}
