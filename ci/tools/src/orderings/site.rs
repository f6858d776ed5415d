//! Finds memory orderings in Rust, and what is weaker than each.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, ExprPath, Type};

/// The orderings that can be weakened.
const STRONG: [&str; 4] = ["SeqCst", "AcqRel", "Acquire", "Release"];

/// One ordering that becomes weaker.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Weakening {
    /// For example `claim_word::CLAIM: Acquire -> Relaxed`.
    pub(super) name: String,
    pub(super) file: PathBuf,
    /// The file's name without its extension.
    pub(super) protocol: String,
    place: Range<usize>,
    replacement: &'static str,
}

impl Weakening {
    /// The text with the weaker ordering.
    pub(super) fn apply(&self, text: &str) -> String {
        let mut changed = text.to_owned();
        changed.replace_range(self.place.clone(), self.replacement);
        changed
    }
}

/// All weakenings in files, which are given with their texts. Names of constants are those of all files, as files use each
/// other's.
pub(super) fn weakenings(sources: &[(String, String)]) -> Result<Vec<Weakening>, String> {
    let mut files = Vec::new();
    let mut constants = Constants::default();
    for (file, text) in sources {
        let parsed = syn::parse_file(text).map_err(|error| format!("{file}: {error}"))?;
        constants.visit_file(&parsed);
        files.push((file, parsed));
    }
    let mut all = Vec::new();
    for (file, parsed) in files {
        let stem = Path::new(file).file_stem().unwrap_or_default();
        let mut sites = Sites {
            constants: &constants,
            file: file.into(),
            protocol: stem.to_string_lossy().into_owned(),
            item: Vec::new(),
            found: Vec::new(),
            unread: None,
        };
        sites.visit_file(&parsed);
        if let Some(line) = sites.unread {
            return Err(format!(
                "{file}:{line}: an ordering in a macro is not found"
            ));
        }
        all.extend(sites.found);
    }
    // Equal ones within one function are numbered.
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for weakening in &mut all {
        let count = seen.entry(weakening.name.clone()).or_default();
        *count += 1;
        if *count > 1 {
            weakening.name.push_str(&format!(" #{count}"));
        }
    }
    Ok(all)
}

/// The names of the constants that are orderings.
#[derive(Default)]
struct Constants {
    items: BTreeSet<String>,
    associated: BTreeSet<String>,
}

impl Constants {
    /// Whether a path leads to one. An associated constant always comes after its type.
    fn contains(&self, path: &syn::Path, name: &str) -> bool {
        self.items.contains(name) || path.segments.len() > 1 && self.associated.contains(name)
    }
}

fn is_ordering(of: &Type) -> bool {
    matches!(of, Type::Path(path) if path.path.is_ident("Ordering"))
}

impl<'ast> Visit<'ast> for Constants {
    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        if is_ordering(&item.ty) {
            self.items.insert(item.ident.to_string());
        }
    }

    fn visit_trait_item_const(&mut self, item: &'ast syn::TraitItemConst) {
        if is_ordering(&item.ty) {
            self.associated.insert(item.ident.to_string());
        }
    }
}

/// Collects the weakenings of one file.
struct Sites<'a> {
    constants: &'a Constants,
    file: PathBuf,
    protocol: String,
    /// The names of the items around.
    item: Vec<String>,
    found: Vec<Weakening>,
    /// The line of a macro in which an ordering may be.
    unread: Option<usize>,
}

impl Sites<'_> {
    fn within(&mut self, name: String, visit: impl FnOnce(&mut Self)) {
        self.item.push(name);
        visit(self);
        self.item.pop();
    }

    fn push(&mut self, what: &str, change: &str, span: Span, replacement: &'static str) {
        let item = self.item.join("::");
        let what = if what.is_empty() {
            String::new()
        } else {
            format!(" {what}")
        };
        self.found.push(Weakening {
            name: format!("{}::{item}:{what} {change}", self.protocol),
            file: self.file.clone(),
            protocol: self.protocol.clone(),
            place: span.byte_range(),
            replacement,
        });
    }

    /// The value of a constant, or the argument of `operation`.
    fn ordering(&mut self, operation: &str, path: &ExprPath) {
        let Some(last) = path.path.segments.last() else {
            return;
        };
        let name = last.ident.to_string();
        let weaker: &[&'static str] = match name.as_str() {
            "SeqCst" => &["AcqRel"],
            "AcqRel" => &["Acquire", "Release"],
            "Acquire" | "Release" if operation == "fence" => &[],
            "Acquire" | "Release" => &["Relaxed"],
            _ if self.constants.contains(&path.path, &name) && !operation.is_empty() => {
                let shown: Vec<_> = path
                    .path
                    .segments
                    .iter()
                    .map(|s| s.ident.to_string())
                    .collect();
                let change = format!("{} -> Relaxed", shown.join("::"));
                return self.push(operation, &change, path.span(), "Ordering::Relaxed");
            }
            _ => return,
        };
        for weaker in weaker {
            let change = format!("{name} -> {weaker}");
            self.push(operation, &change, last.ident.span(), weaker);
        }
    }

    /// A call with arguments, some of which may be orderings.
    fn arguments<'e>(&mut self, operation: &str, arguments: impl Iterator<Item = &'e Expr>) {
        for argument in arguments {
            if let Expr::Path(path) = argument {
                self.ordering(operation, path);
            }
        }
    }
}

/// Whether an item is there in tests only.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .meta
                .require_list()
                .is_ok_and(|list| list.tokens.to_string().contains("test"))
    })
}

impl<'ast> Visit<'ast> for Sites<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test(&item.attrs) {
            self.within(item.ident.to_string(), |this| {
                visit::visit_item_mod(this, item)
            });
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.within(item.sig.ident.to_string(), |this| {
            visit::visit_item_fn(this, item)
        });
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.within(item.ident.to_string(), |this| {
            visit::visit_item_trait(this, item)
        });
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.within(item.sig.ident.to_string(), |this| {
            visit::visit_trait_item_fn(this, item)
        });
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.within(item.sig.ident.to_string(), |this| {
            visit::visit_impl_item_fn(this, item)
        });
    }

    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        if let Expr::Path(path) = &*item.expr {
            self.within(item.ident.to_string(), |this| this.ordering("", path));
        }
    }

    fn visit_trait_item_const(&mut self, item: &'ast syn::TraitItemConst) {
        if let Some((_, Expr::Path(path))) = &item.default {
            self.within(item.ident.to_string(), |this| this.ordering("", path));
        }
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        if let Expr::Path(function) = &*call.func {
            let name = function
                .path
                .segments
                .last()
                .map(|last| last.ident.to_string());
            let name = name.unwrap_or_default();
            self.arguments(&name, call.args.iter());
            if name == "fence" {
                let ordering = call.args.iter().find_map(|argument| match argument {
                    Expr::Path(path) => path.path.segments.last(),
                    _ => None,
                });
                let ordering = ordering
                    .map(|last| last.ident.to_string())
                    .unwrap_or_default();
                self.push("fence", &format!("{ordering} -> none"), call.span(), "()");
            }
        }
        visit::visit_expr_call(self, call);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        self.arguments(&call.method.to_string(), call.args.iter());
        visit::visit_expr_method_call(self, call);
    }

    fn visit_macro(&mut self, invocation: &'ast syn::Macro) {
        let text = invocation.tokens.to_string();
        if STRONG.iter().any(|name| text.contains(name)) {
            self.unread = Some(invocation.span().start().line);
        }
    }
}
