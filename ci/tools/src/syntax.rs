//! Finds syntax that the oldest supported compiler does not know. The names of the standard library are clippy's to check.
//!
//! Also finds scoped threads whose handles are dropped. ThreadSanitizer does not see how a scope waits for them, and reports
//! races with whatever follows. Programs of users may drop handles; tests may not.

use std::fmt::Write;

use syn::visit::{self, Visit};
use syn::{BinOp, Expr, Macro, PatGuard, Stmt};

use crate::tracked;

const JOIN: &str = "join the thread by handle, or use `shm_tests::scope`";

/// Checks the Rust files that git tracks, but for the programs in `tests/ui`, which one compiler sees.
pub(crate) fn run() -> Result<String, String> {
    let mut report = String::new();
    let mut files = 0;
    for file in tracked::files(&["rs"])? {
        if file.starts_with("tests/ui/") {
            continue;
        }
        files += 1;
        let text = std::fs::read_to_string(&file).map_err(|error| format!("{file}: {error}"))?;
        for (line, what) in search(&text).map_err(|error| format!("{file}: {error}"))? {
            // ThreadSanitizer runs the tests of these alone.
            let sanitized = file.starts_with("tests/") || file.starts_with("shm-core/");
            if what == JOIN && !sanitized {
                continue;
            }
            let _ = writeln!(report, "{file}:{line}: {what}");
        }
    }
    if report.is_empty() {
        Ok(format!("{files} files have none\n"))
    } else {
        Err(report)
    }
}

fn search(text: &str) -> Result<Vec<(usize, &'static str)>, String> {
    let file = syn::parse_file(text).map_err(|error| error.to_string())?;
    let mut found = Newer(Vec::new());
    found.visit_file(&file);
    Ok(found.0)
}

/// The lines of newer syntax, and since which version it is stable.
struct Newer(Vec<(usize, &'static str)>);

impl<'ast> Visit<'ast> for Newer {
    fn visit_pat_guard(&mut self, guarded: &'ast PatGuard) {
        if has_let(&guarded.guard) {
            let line = guarded.if_token.span.start().line;
            self.0.push((line, "`if let` as a guard needs Rust 1.95"));
        }
        visit::visit_pat_guard(self, guarded);
    }

    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        if let Stmt::Expr(Expr::MethodCall(call), Some(_)) = statement
            && call.method == "spawn"
            && matches!(&*call.receiver, Expr::Path(path) if path.path.is_ident("scope"))
        {
            let line = call.method.span().start().line;
            self.0.push((line, JOIN));
        }
        visit::visit_stmt(self, statement);
    }

    fn visit_macro(&mut self, invocation: &'ast Macro) {
        if let Some(name) = invocation
            .path
            .segments
            .last()
            .filter(|name| name.ident == "cfg_select")
        {
            self.0.push((
                name.ident.span().start().line,
                "`cfg_select!` needs Rust 1.95",
            ));
        }
        visit::visit_macro(self, invocation);
    }

    fn visit_expr_repeat(&mut self, array: &'ast syn::ExprRepeat) {
        if let Expr::Infer(length) = &*array.len {
            let line = length.underscore_token.spans[0].start().line;
            self.0
                .push((line, "`_` as an array's length needs Rust 1.89"));
        }
        visit::visit_expr_repeat(self, array);
    }

    fn visit_type_array(&mut self, array: &'ast syn::TypeArray) {
        if let Expr::Infer(length) = &array.len {
            let line = length.underscore_token.spans[0].start().line;
            self.0
                .push((line, "`_` as an array's length needs Rust 1.89"));
        }
        visit::visit_type_array(self, array);
    }
}

fn has_let(condition: &Expr) -> bool {
    match condition {
        Expr::Let(_) => true,
        Expr::Binary(both) if matches!(both.op, BinOp::And(_)) => {
            has_let(&both.left) || has_let(&both.right)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::search;

    #[test]
    fn newer_syntax_is_found() {
        for (code, line, what) in [
            (
                "match x {\n  Some(y) if let Ok(z) = f(y) => z,\n _ => 0 }",
                2,
                "`if let`",
            ),
            (
                "match x { Some(y) if y > 2 && let Ok(z) = f(y) => z, _ => 0 }",
                1,
                "`if let`",
            ),
            ("cfg_select! { _ => {} }", 1, "`cfg_select!`"),
            ("std::cfg_select! { _ => {} }", 1, "`cfg_select!`"),
            ("let x: [u8; _] = f();", 1, "`_`"),
            ("let x = [0; _];", 1, "`_`"),
            ("scope(|scope| { scope.spawn(|| ()); f() });", 1, "join"),
        ] {
            let found = search(&format!("fn f() {{ {code} }}")).unwrap();
            assert!(
                matches!(found[..], [(at, text)] if at == line && text.starts_with(what)),
                "{code}: {found:?}"
            );
        }
    }

    #[test]
    fn older_syntax_is_left() {
        for code in [
            "match x { Some(y) if y > 2 => z, _ => 0 };",
            "match x { _ => if let Ok(z) = f(y) && z > 1 { z } else { 0 } };",
            "match x { _ if { if let Some(y) = x { y } else { false } } => {} };",
            "let x: [u8; N] = [0; { N }]; let v: Vec<_> = vec![0; 3];",
            "scope(|scope| { scope.spawn(|| ()).join().unwrap(); scope.spawn(|| ()) });",
        ] {
            assert_eq!(
                search(&format!("fn f() {{ {code} }}")).unwrap(),
                [],
                "{code}"
            );
        }
    }
}
