//! Finds a crate's modules and visits their items.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proc_macro2::{LineColumn, Span};
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, ImplItem, Item, Lit, Meta, Stmt, TraitItem, UseTree};

use super::cfg::is_test_only;
use super::reference::{self, Reference};
use super::{Graph, Place};

/// Reads a file of the crate.
type Read<'r> = &'r dyn Fn(&Path) -> Result<String, String>;

/// Builds the graph of the crate whose root is the file `lib`.
pub(super) fn load(lib: &Path, read: Read<'_>) -> Result<Graph, String> {
    let mut walk = Walk {
        read,
        file: lib.to_owned(),
        folder: lib.parent().unwrap_or(Path::new("")).to_owned(),
        path: Vec::new(),
        root: Root::default(),
        references: Vec::new(),
        errors: Vec::new(),
    };
    let file = walk.parse(lib)?;
    walk.root.collect(&file.items);
    walk.visit_file(&file);
    walk.finish()
}

/// What the crate's root declares, by which paths from `crate::` are resolved.
#[derive(Debug, Default)]
struct Root {
    modules: BTreeSet<String>,
    /// Names that the root imports, with the module that each comes from.
    imported: BTreeMap<String, BTreeSet<String>>,
    /// Other items of the root itself.
    own: BTreeSet<String>,
    /// Exported macros, with the module that defines each.
    macros: BTreeMap<String, String>,
}

impl Root {
    fn collect(&mut self, items: &[Item]) {
        for item in items {
            if let Item::Mod(module) = item
                && !is_test_only(&module.attrs)
            {
                self.modules.insert(module.ident.to_string());
            }
        }
        for item in items {
            match item {
                Item::Use(import) if !is_test_only(&import.attrs) => self.import(&import.tree, &[]),
                Item::Const(item) => _ = self.own.insert(item.ident.to_string()),
                Item::Enum(item) => _ = self.own.insert(item.ident.to_string()),
                Item::Fn(item) => _ = self.own.insert(item.sig.ident.to_string()),
                Item::Static(item) => _ = self.own.insert(item.ident.to_string()),
                Item::Struct(item) => _ = self.own.insert(item.ident.to_string()),
                Item::Trait(item) => _ = self.own.insert(item.ident.to_string()),
                Item::Type(item) => _ = self.own.insert(item.ident.to_string()),
                _ => {}
            }
        }
    }

    /// Adds the names of one import of the root, such as `pub use error::{Existing, ShmError as Error}`.
    fn import(&mut self, tree: &UseTree, parents: &[String]) {
        let below = |name: String| [parents, &[name]].concat();
        match tree {
            UseTree::Path(path) => self.import(&path.tree, &below(path.ident.to_string())),
            UseTree::Group(group) => group
                .items
                .iter()
                .for_each(|tree| self.import(tree, parents)),
            UseTree::Name(name) => {
                let name = name.ident.to_string();
                let name = if name == "self" {
                    parents.last().cloned().unwrap_or(name)
                } else {
                    name
                };
                self.add_import(parents, name);
            }
            UseTree::Rename(rename) => self.add_import(parents, rename.rename.to_string()),
            UseTree::Glob(_) => {}
        }
    }

    fn add_import(&mut self, parents: &[String], name: String) {
        let origin = parents
            .iter()
            .find(|parent| !matches!(parent.as_str(), "crate" | "self"));
        if let Some(origin) = origin.filter(|origin| self.modules.contains(*origin)) {
            self.imported
                .entry(name)
                .or_default()
                .insert(origin.clone());
        } else {
            // From another crate.
            self.own.insert(name);
        }
    }

    /// The modules that `crate::name` may mean; none if it is the root's own or another crate's, or `None` if unknown.
    fn resolve(&self, name: &str) -> Option<BTreeSet<String>> {
        if self.modules.contains(name) {
            return Some(BTreeSet::from([name.to_owned()]));
        }
        if let Some(origin) = self.macros.get(name) {
            return Some(BTreeSet::from([origin.clone()]));
        }
        if let Some(origins) = self.imported.get(name) {
            return Some(origins.clone());
        }
        self.own.contains(name).then(BTreeSet::new)
    }
}

/// A walk through all modules, with the position that it is at.
struct Walk<'r> {
    read: Read<'r>,
    file: PathBuf,
    /// Where the files of the present module's children are.
    folder: PathBuf,
    /// The present module, from the root.
    path: Vec<String>,
    root: Root,
    references: Vec<(String, Reference, Place)>,
    errors: Vec<String>,
}

impl Walk<'_> {
    fn parse(&self, path: &Path) -> Result<syn::File, String> {
        let text = (self.read)(path).map_err(|error| format!("{}: {error}", path.display()))?;
        syn::parse_file(&text).map_err(|error| {
            let LineColumn { line, column } = error.span().start();
            format!("{}:{line}:{column}: {error}", path.display())
        })
    }

    fn place(&self, span: Span) -> Place {
        Place {
            file: self.file.clone(),
            line: span.start().line,
        }
    }

    fn fail(&mut self, span: Span, message: &str) {
        let Place { file, line } = self.place(span);
        self.errors
            .push(format!("{}:{line}: {message}", file.display()));
    }

    fn refer(&mut self, reference: Option<Reference>) {
        if let (Some(reference), Some(from)) = (reference, self.path.first()) {
            let place = self.place(reference.span);
            self.references.push((from.clone(), reference, place));
        }
    }

    fn refer_all(&mut self, references: Vec<Reference>) {
        for reference in references {
            self.refer(Some(reference));
        }
    }

    /// Visits the file of a module that is declared in the present one.
    fn enter_file(&mut self, name: &str, attributes: &[Attribute]) {
        let (file, folder) = match path_attribute(attributes) {
            Some(relative) => {
                let file = self.file.parent().unwrap_or(Path::new("")).join(relative);
                let folder = file.parent().unwrap_or(Path::new("")).to_owned();
                (file, folder)
            }
            None => {
                let folder = self.folder.join(name);
                let flat = self.folder.join(format!("{name}.rs"));
                let nested = folder.join("mod.rs");
                (
                    if (self.read)(&flat).is_ok() {
                        flat
                    } else {
                        nested
                    },
                    folder,
                )
            }
        };
        match self.parse(&file) {
            Ok(parsed) => {
                let outer = (
                    std::mem::replace(&mut self.file, file),
                    std::mem::replace(&mut self.folder, folder),
                );
                self.visit_file(&parsed);
                (self.file, self.folder) = outer;
            }
            Err(error) => self.errors.push(error),
        }
    }

    fn finish(self) -> Result<Graph, String> {
        let mut graph = Graph {
            modules: self.root.modules.clone(),
            ..Graph::default()
        };
        let mut errors = self.errors;
        for (from, reference, place) in self.references {
            let name = &reference.name;
            let Some(origins) = self.root.resolve(name) else {
                let Place { file, line } = &place;
                errors.push(format!(
                    "{}:{line}: cannot tell what `crate::{name}` is",
                    file.display()
                ));
                continue;
            };
            for to in origins.into_iter().filter(|to| *to != from) {
                graph
                    .arrows
                    .entry((from.clone(), to))
                    .or_default()
                    .insert(place.clone());
            }
        }
        if errors.is_empty() {
            Ok(graph)
        } else {
            Err(errors.join("\n"))
        }
    }
}

impl<'ast> Visit<'ast> for Walk<'_> {
    // Attributes hold documentation and lints, which depend on nothing.
    fn visit_attribute(&mut self, _: &'ast Attribute) {}

    // Neither does `pub(in crate::module)`.
    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {}

    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test_only(item_attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let attributes: &[Attribute] = match item {
            ImplItem::Const(item) => &item.attrs,
            ImplItem::Fn(item) => &item.attrs,
            ImplItem::Type(item) => &item.attrs,
            ImplItem::Macro(item) => &item.attrs,
            _ => &[],
        };
        if !is_test_only(attributes) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_trait_item(&mut self, item: &'ast TraitItem) {
        let attributes: &[Attribute] = match item {
            TraitItem::Const(item) => &item.attrs,
            TraitItem::Fn(item) => &item.attrs,
            TraitItem::Type(item) => &item.attrs,
            TraitItem::Macro(item) => &item.attrs,
            _ => &[],
        };
        if !is_test_only(attributes) {
            visit::visit_trait_item(self, item);
        }
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if !is_test_only(&field.attrs) {
            visit::visit_field(self, field);
        }
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        if !is_test_only(&variant.attrs) {
            visit::visit_variant(self, variant);
        }
    }

    fn visit_arm(&mut self, arm: &'ast syn::Arm) {
        if !is_test_only(&arm.attrs) {
            visit::visit_arm(self, arm);
        }
    }

    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        let attributes: &[Attribute] = match statement {
            Stmt::Local(local) => &local.attrs,
            Stmt::Macro(invocation) => &invocation.attrs,
            Stmt::Expr(Expr::Block(block), _) => &block.attrs,
            Stmt::Expr(Expr::Call(call), _) => &call.attrs,
            Stmt::Expr(Expr::MethodCall(call), _) => &call.attrs,
            _ => &[],
        };
        if !is_test_only(attributes) {
            visit::visit_stmt(self, statement);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        let name = module.ident.to_string();
        if has(&module.attrs, "macro_use") && self.path.is_empty() {
            self.fail(
                module.ident.span(),
                "`#[macro_use]` hides which modules use its macros: write `pub(crate) use` behind each instead",
            );
        }
        self.path.push(name.clone());
        if module.content.is_some() {
            let inner = self.folder.join(&name);
            let outer = std::mem::replace(&mut self.folder, inner);
            visit::visit_item_mod(self, module);
            self.folder = outer;
        } else {
            self.enter_file(&name, &module.attrs);
        }
        self.path.pop();
    }

    fn visit_item_macro(&mut self, item: &'ast syn::ItemMacro) {
        if let (Some(name), Some(module)) = (&item.ident, self.path.first())
            && has(&item.attrs, "macro_export")
        {
            self.root.macros.insert(name.to_string(), module.clone());
        }
        visit::visit_item_macro(self, item);
    }

    fn visit_item_use(&mut self, import: &'ast syn::ItemUse) {
        if import.leading_colon.is_none() {
            self.refer_all(reference::of_use(&import.tree, self.path.len()));
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            let reference = reference::of_path(path, self.path.len());
            self.refer(reference);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, invocation: &'ast syn::Macro) {
        let path = &invocation.path;
        if path.is_ident("include") {
            self.fail(
                path.segments[0].ident.span(),
                "`include!` hides what a module uses: write a `mod`",
            );
        }
        self.refer_all(reference::of_tokens(
            invocation.tokens.clone(),
            self.path.len(),
        ));
        visit::visit_macro(self, invocation);
    }
}

fn has(attributes: &[Attribute], name: &str) -> bool {
    attributes
        .iter()
        .any(|attribute| attribute.path().is_ident(name))
}

/// The file of `#[path = "file"]`.
fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    attributes
        .iter()
        .find_map(|attribute| match &attribute.meta {
            Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
                Expr::Lit(syn::ExprLit {
                    lit: Lit::Str(file),
                    ..
                }) => Some(file.value()),
                _ => None,
            },
            _ => None,
        })
}

fn item_attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
