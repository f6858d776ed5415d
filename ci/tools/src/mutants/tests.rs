use serde_json::{Value, json};

use super::bench::belongs_to;
use super::list::changes_of;
use super::suite::{End, result_of};
use super::weave::{Change, Fabric, Way};

const FILE: &str = "shm-core/src/claim/word.rs";

/// What cargo-mutants lists for the first `part` of the text.
fn listed(text: &str, genre: &str, part: &str, replacement: &str) -> Value {
    let start = text.find(part).unwrap();
    let place = |at: usize| {
        let line = text[..at].matches('\n').count();
        let column = at - text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        json!({ "line": line + 1, "column": column + 1 })
    };
    json!({
        "name": format!("{FILE}:1:2: replace {part} with {replacement} in f"),
        "genre": genre,
        "replacement": replacement,
        "span": { "start": place(start), "end": place(start + part.len()) },
    })
}

fn changes(text: &str, listed: &[Value]) -> Vec<Change> {
    changes_of(FILE, text, listed.iter()).unwrap()
}

fn woven(text: &str, changes: &[Change]) -> Fabric {
    let numbered: Vec<_> = (1..).zip(changes).collect();
    Fabric::weave(text, &numbered)
}

#[test]
fn each_kind_of_change_asks_for_its_number() {
    for (genre, text, part, replacement, expected) in [
        (
            "BinaryOperator",
            "fn f() -> bool { a < b }",
            "<",
            "<=",
            "fn f() -> bool { (if crate::mutant::is(1) { a <= b } else { a < b }) }",
        ),
        (
            "UnaryOperator",
            "fn f() -> bool { !a.b() }",
            "!",
            "",
            "fn f() -> bool { (if crate::mutant::is(1) { a.b() } else { !a.b() }) }",
        ),
        (
            "FnValue",
            "fn f() -> u32 { let a = 1; a }",
            "let a = 1; a",
            "0",
            "fn f() -> u32 { if crate::mutant::is(1) { return 0; } let a = 1; a }",
        ),
        (
            "MatchArmGuard",
            "fn f() { match a { b if g.h => {} _ => {} } }",
            "g.h",
            "true",
            "fn f() { match a { b if crate::mutant::is(1) || (g.h) => {} _ => {} } }",
        ),
        (
            "MatchArmGuard",
            "fn f() { match a { b if g.h => {} _ => {} } }",
            "g.h",
            "false",
            "fn f() { match a { b if !crate::mutant::is(1) && (g.h) => {} _ => {} } }",
        ),
        (
            "MatchArm",
            "fn f() { match a { 0 => {} _ => {} } }",
            "0 => {}",
            "",
            "fn f() { match a { 0 if !crate::mutant::is(1) => {} _ => {} } }",
        ),
        (
            "StructField",
            "fn f() -> S { S { a: 1, ..b } }",
            "a: 1,",
            "",
            "fn f() -> S { (if crate::mutant::is(1) { S {  ..b } } else { S { a: 1, ..b } }) }",
        ),
    ] {
        let changes = changes(text, &[listed(text, genre, part, replacement)]);
        assert_eq!(woven(text, &changes).text, expected);
    }
}

#[test]
fn an_arm_that_the_compiler_wants_is_left_out_alone() {
    for (text, is_woven) in [
        ("fn f() { match a { 0 => {} _ => {} } }", true),
        ("fn f() { match a { b => {} } }", false),
        (
            "fn f() { match a { 0 if c => {} _ if d => {} 1.. => {} } }",
            true,
        ),
        (
            "fn f() { match a { 0 => {} _ if d => {} 1.. => {} } }",
            false,
        ),
    ] {
        let (_, arm) = text.split_once("a { ").unwrap();
        let arm = arm.split_inclusive("{}").next().unwrap();
        let change = &changes(text, &[listed(text, "MatchArm", arm, "")])[0];
        assert_eq!(matches!(change.way, Way::Woven(_)), is_woven, "{text}");
    }
}

#[test]
fn changes_within_each_other_keep_their_order() {
    let text = "fn f() -> bool { a == b && !c }";
    let listed = [
        listed(text, "FnValue", "a == b && !c", "true"),
        listed(text, "UnaryOperator", "!", ""),
        listed(text, "BinaryOperator", "&&", "||"),
        listed(text, "BinaryOperator", "==", "!="),
    ];
    assert_eq!(
        woven(text, &changes(text, &listed)).text,
        "fn f() -> bool { if crate::mutant::is(1) { return true; } \
         (if crate::mutant::is(3) { a == b || !c } else { \
         (if crate::mutant::is(4) { a != b } else { a == b }) && \
         (if crate::mutant::is(2) { c } else { !c }) }) }"
    );
}

#[test]
fn statements_with_an_effect_can_be_left_out() {
    let text = "impl S { fn f(&self) { \
        self.a(1)?; let b = c(); b.d = 2; let _ = e(); return; } }";
    let changes = changes(text, &[]);
    let names: Vec<_> = changes.iter().map(|change| &change.name[..]).collect();
    assert_eq!(
        names,
        [
            "claim/word: delete self.a(1)?; in S::f",
            "claim/word: delete b.d = 2; in S::f",
            "claim/word: delete let _ = e(); in S::f",
        ]
    );
    assert_eq!(
        woven(text, &changes[..1]).text,
        text.replace("self.a(1)?;", "if !crate::mutant::is(1) { self.a(1)?; }")
    );
    assert_eq!(changes[0].apply(text), text.replace("self.a(1)?;", ""));
}

#[test]
fn constants_are_changed_alone() {
    for text in [
        "const A: u32 = 1 << 2;",
        "const fn f() -> u32 { 1 << 2 }",
        "static A: [u32; 1 << 2] = [0; 4];",
        "fn f() { let a = [0; 1 << 2]; }",
    ] {
        let change = &changes(text, &[listed(text, "BinaryOperator", "<<", ">>")])[0];
        assert!(matches!(change.way, Way::Alone), "{text}");
        assert_eq!(change.apply(text), text.replace("<<", ">>"));
    }
}

#[test]
fn functions_that_begin_with_a_constant_are_changed_with_others() {
    let text = "fn f() -> u32 { const A: u32 = 1 << 2; A }";
    let body = "const A: u32 = 1 << 2; A";
    let listed = [
        listed(text, "FnValue", body, "0"),
        listed(text, "BinaryOperator", "<<", ">>"),
    ];
    let changes = changes(text, &listed);
    assert!(matches!(changes[1].way, Way::Alone));
    assert_eq!(
        woven(text, &changes).text,
        format!("fn f() -> u32 {{ if crate::mutant::is(1) {{ return 0; }} {body} }}")
    );
}

#[test]
fn tests_and_debug_output_are_not_changed() {
    let text = "#[cfg(test)] mod tests { fn f() { g(); } } \
        impl Debug for S { fn fmt(&self) { self.g(); } }";
    assert!(changes(text, &[]).is_empty());
    let text = "#[cfg(all(test, not(loom)))] mod tests { fn f() -> bool { a < b } }";
    assert!(changes(text, &[listed(text, "BinaryOperator", "<", "<=")]).is_empty());
}

#[test]
fn values_of_system_calls_are_results() {
    let text = "fn f() -> SysResult<bool> { g() }";
    let listed = [
        listed(text, "FnValue", "g()", "SysResult::from(true)"),
        listed(text, "FnValue", "g()", "SysResult::new(true)"),
    ];
    let changes = changes(text, &listed);
    assert_eq!(changes.len(), 1);
    assert_eq!(
        changes[0].name,
        "claim/word: replace g() with Ok(true) in f"
    );
    assert_eq!(changes[0].replacement, "Ok(true)");
}

#[test]
fn an_error_belongs_to_the_innermost_change() {
    let text = "fn f() -> bool { a == b && c }";
    let listed = [
        listed(text, "BinaryOperator", "&&", "||"),
        listed(text, "BinaryOperator", "==", "!="),
    ];
    let fabric = woven(text, &changes(text, &listed));
    let error = |part: &str| {
        let start = fabric.text.find(part).unwrap();
        json!({ "spans": [{
            "file_name": FILE, "byte_start": start, "byte_end": start + part.len(), "is_primary": true,
        }] })
    };
    let (outer, inner, around, none) = (error("||"), error("!="), error("&&"), error("fn"));
    let fabrics = [(FILE, fabric)].into();
    let found = |error| belongs_to(error, &fabrics);
    assert!(matches!(found(&outer), Some((1, Way::Refused))));
    assert!(matches!(found(&inner), Some((2, Way::Refused))));
    assert!(matches!(found(&around), Some((1, Way::Alone))));
    assert!(found(&none).is_none());
}

#[test]
fn results_are_read_line_by_line() {
    assert_eq!(result_of("test a::b ... ok"), None);
    assert_eq!(
        result_of("test a::b ... FAILED"),
        Some(End::Failed("a::b".to_owned()))
    );
    assert_eq!(
        result_of("test result: ok. 3 passed; 0 failed"),
        Some(End::Passed)
    );
    assert_eq!(result_of("running 3 tests"), None);
}
