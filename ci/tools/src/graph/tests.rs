use std::path::Path;

use super::layers::Layers;
use super::{Graph, check, module};

/// The graph of a crate whose files are given by name and text.
fn graph(files: &[(&str, &str)]) -> Result<Graph, String> {
    let read = |path: &Path| {
        let found = files.iter().find(|(name, _)| path == Path::new(name));
        found
            .map(|(_, text)| (*text).to_owned())
            .ok_or_else(|| "no such file".to_owned())
    };
    module::load(Path::new("lib.rs"), &read)
}

/// A root with the modules `high` and `low`, the text of `low`, and what is wrong with high above low.
fn mistakes(low: &str) -> Vec<String> {
    let root =
        "mod high; mod low; mod high_too; pub use high::{Handle, Other as Renamed}; struct Own;";
    let files = [
        ("lib.rs", root),
        ("high.rs", ""),
        ("low.rs", low),
        ("high_too/mod.rs", ""),
    ];
    let layers = Layers::parse("high\nhigh_too\nlow").unwrap();
    check::check(&graph(&files).unwrap(), &layers)
}

/// Asserts that `low` has exactly these upward arrows: the module and the line.
#[track_caller]
fn assert_up(low: &str, expected: &[(&str, usize)]) {
    let found = mistakes(low);
    assert_eq!(found.len(), expected.len(), "{low}: {found:?}");
    for (mistake, (module, line)) in found.iter().zip(expected) {
        assert!(
            mistake.starts_with(&format!("`low` uses `{module}`, which is above it")),
            "{mistake}"
        );
        assert!(
            mistake.ends_with(&format!("    low.rs:{line}\n")),
            "{mistake}"
        );
    }
}

#[test]
fn an_import_that_points_up_is_found() {
    assert_up("\nuse crate::high::Thing;", &[("high", 2)]);
    assert_up("use crate::{\n  high::{self, a::B},\n};", &[("high", 2)]);
    assert_up(
        "use {crate::{Own,\nhigh_too::X}, std::fmt};",
        &[("high_too", 2)],
    );
    assert_up("use super::high;", &[("high", 1)]);
    assert_up("use crate::high::*;", &[("high", 1)]);
    assert_up(
        "mod inner { use super::super::high::Thing; }",
        &[("high", 1)],
    );
    assert_up("mod inner { use super::high::Thing; }", &[]);
}

#[test]
fn a_name_that_the_root_exports_counts_for_its_origin() {
    assert_up("use crate::Handle;", &[("high", 1)]);
    assert_up("use super::Renamed;", &[("high", 1)]);
    assert_up("fn f(_: crate::Handle) {}", &[("high", 1)]);
    assert_up("use crate::Own;", &[]);
}

#[test]
fn a_path_in_code_that_points_up_is_found() {
    assert_up("fn f() {\n crate::high::g::<u8>() }", &[("high", 2)]);
    assert_up("impl super::high::Trait for X {}", &[("high", 1)]);
    assert_up(
        "struct S<T: ?Sized>(Vec<crate::high::Thing<T>>);",
        &[("high", 1)],
    );
    assert_up(
        "fn f(x: u8) { match x { crate::high::LIMIT => {} _ => {} } }",
        &[("high", 1)],
    );
    assert_up(
        "impl X { #[cfg(unix)] fn f() { let a = || self::super::high::g(); } }",
        &[("high", 1)],
    );
}

#[test]
fn a_path_in_a_macro_that_points_up_is_found() {
    assert_up(
        "macro_rules! m { ($x:ident) => { impl $crate::high::Trait for $x {} } }",
        &[("high", 1)],
    );
    assert_up(
        "fn f() { assert!([1].iter().all(|x| {\n crate::high::is_good(x) })); }",
        &[("high", 2)],
    );
    assert_up(
        "items! { use crate::{low, high::Thing, Own}; }",
        &[("high", 1)],
    );
    assert_up("items! { use super::high; }", &[("high", 1)]);
    assert_up(
        "items! { pub(in crate::high) struct S; fn f(&self) { self.x; other::crate_::high } }",
        &[],
    );
    assert_up("crate::high::define!();", &[("high", 1)]);
}

#[test]
fn tests_documentation_and_visibility_do_not_count() {
    for attribute in [
        "cfg(test)",
        "cfg(all(loom, test))",
        "cfg(any(test, doctest))",
        "cfg(not(not(test)))",
        "doc = \"x\"] #[cfg(test)",
    ] {
        assert_up(&format!("#[{attribute}] use crate::high::Thing;"), &[]);
        assert_up(
            &format!("#[{attribute}] mod tests {{ use crate::high::Thing; }}"),
            &[],
        );
        assert_up(
            &format!("impl X {{ #[{attribute}] fn f() {{ crate::high::f() }} }}"),
            &[],
        );
        assert_up(
            &format!("fn f() {{ #[{attribute}] crate::high::f(); }}"),
            &[],
        );
        assert_up(
            &format!("struct S {{ #[{attribute}] x: crate::high::T }}"),
            &[],
        );
    }
    for attribute in [
        "cfg(not(test))",
        "cfg(any(test, unix))",
        "cfg(loom)",
        "cfg_attr(test, x)",
    ] {
        assert_up(
            &format!("#[{attribute}] use crate::high::Thing;"),
            &[("high", 1)],
        );
    }
    assert_up(
        "/// See [`crate::high::Thing`].\npub(in crate::high) struct S;",
        &[],
    );
    assert_up(
        "//! [`high`](crate::high)\nuse ::high::x; use high::y; use std::fmt; mod high {}",
        &[],
    );
}

#[test]
fn a_folder_and_a_renamed_file_belong_to_their_module() {
    let files = [
        ("lib.rs", "mod high; #[path = \"other.rs\"] mod low;"),
        ("high/mod.rs", "mod part; mod tests { mod inside; }"),
        ("high/part.rs", "mod deep;"),
        ("high/part/deep.rs", "use crate::low;"),
        ("high/tests/inside.rs", ""),
        ("other.rs", "mod up;"),
        ("up.rs", "\n\nuse crate::high::X;"),
    ];
    let graph = graph(&files).unwrap();
    let layers = Layers::parse("high # first\nlow").unwrap();
    assert_eq!(
        graph.table(&layers),
        [("high", vec!["low"]), ("low", vec!["high"])]
    );
    let found = check::check(&graph, &layers);
    assert_eq!(found.len(), 1);
    assert!(found[0].ends_with("\n    up.rs:3\n"), "{found:?}");
}

#[test]
fn the_list_of_layers_is_kept_current() {
    let root = "mod a { use crate::b; } mod b { use crate::a; } mod guide {}";
    let files = [("lib.rs", root)];
    let graph = graph(&files).unwrap();
    let found = |layers: &str| check::check(&graph, &Layers::parse(layers).unwrap()).concat();
    assert!(found("a\nb").contains("`b` uses `a`, which is above it"));
    assert_eq!(found("a\nb\nallow b -> a: they are one"), "");
    assert!(found("a").contains("the module `b` is in no layer"));
    assert!(found("a\nb\nc\nallow b -> a: one").contains("the layer `c` is not a module"));
    assert!(
        found("a\nb\nallow b -> a: one\nallow a -> b: one").contains("line 4: no arrow from `a`")
    );
    assert!(found("c\na: c\nb\nallow b -> a: one").contains("`a` uses `b`, but may use only: c"));
}

#[test]
fn a_line_of_the_list_that_makes_no_sense_is_refused() {
    for (text, error) in [
        ("a\nb c", "2: write one module a line"),
        ("a\na", "2: `a` is listed twice"),
        ("allow a -> b", "1: write `allow from -> to: the reason`"),
        ("allow a -> b: ", "1: write `allow from -> to: the reason`"),
        (
            "allow a: because",
            "1: write `allow from -> to: the reason`",
        ),
    ] {
        assert_eq!(Layers::parse(text).unwrap_err(), error);
    }
}

#[test]
fn what_hides_an_arrow_is_refused() {
    let refused = |root: &str, file: &str| graph(&[("lib.rs", root), ("a.rs", file)]).unwrap_err();
    assert!(
        refused("mod a;", "\nuse crate::unknown;")
            .contains("a.rs:2: cannot tell what `crate::unknown` is")
    );
    assert!(refused("mod a;", "use super::*;").contains("a.rs:1: cannot tell what `crate::*` is"));
    assert!(refused("mod a;", "include!(\"b.rs\");").contains("a.rs:1: `include!`"));
    assert!(refused("#[macro_use] mod a;", "").contains("lib.rs:1: `#[macro_use]`"));
    assert!(refused("mod a;", "fn (").contains("a.rs:1:"));
    assert!(refused("mod missing;", "").contains("no such file"));
}
