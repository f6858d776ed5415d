//! Finds in Rust what a change replaces, and statements that can be left out.

use std::collections::HashMap;
use std::ops::Range;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, BinOp, Expr, Pat, Stmt};

/// Where the parts of one file are, in bytes.
#[derive(Default)]
pub(super) struct Source {
    /// Expressions with an operator, by where the operator begins.
    pub(super) operations: HashMap<usize, Range<usize>>,
    /// The places of the arms of matches, by where the arm begins: of its guard, or of the end of its pattern.
    pub(super) arms: HashMap<usize, Range<usize>>,
    /// Expressions of structures, by where one of their fields begins.
    pub(super) structures: HashMap<usize, Range<usize>>,
    /// Statements without a value, and the functions that they are in.
    pub(super) statements: Vec<(Range<usize>, String)>,
    /// What may be evaluated while the program is compiled, and so cannot ask which change to make.
    constant: Vec<Range<usize>>,
    /// Modules of tests.
    tests: Vec<Range<usize>>,
    function: Vec<String>,
}

impl Source {
    pub(super) fn parse(text: &str) -> Result<Self, syn::Error> {
        let mut source = Self::default();
        source.visit_file(&syn::parse_file(text)?);
        Ok(source)
    }

    /// Whether all of this is evaluated at compile time, and not only a constant that it begins with.
    pub(super) fn is_constant(&self, place: &Range<usize>) -> bool {
        self.constant
            .iter()
            .any(|range| range.start <= place.start && place.end <= range.end)
    }

    pub(super) fn is_test(&self, place: usize) -> bool {
        self.tests.iter().any(|range| range.contains(&place))
    }

    fn constant(&mut self, spanned: &impl Spanned) {
        self.constant.push(spanned.span().byte_range());
    }

    fn within(&mut self, name: String, visit: impl FnOnce(&mut Self)) {
        self.function.push(name);
        visit(self);
        self.function.pop();
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute
            .meta
            .require_list()
            .is_ok_and(|list| list.path.is_ident("cfg") && list.tokens.to_string().contains("test"))
    })
}

/// Whether the operands of `&&` bind variables, as in `if let Some(a) = b && c`.
fn binds(expression: &Expr) -> bool {
    match expression {
        Expr::Let(_) => true,
        Expr::Binary(binary) => binds(&binary.left) || binds(&binary.right),
        _ => false,
    }
}

/// Whether a statement consists of an effect, and is neither an end of the function nor a block.
fn is_effect(expression: &Expr) -> bool {
    match expression {
        Expr::Call(_) | Expr::MethodCall(_) => true,
        Expr::Assign(assign) => !matches!(*assign.left, Expr::Path(_)),
        Expr::Binary(binary) => matches!(
            binary.op,
            BinOp::AddAssign(_)
                | BinOp::SubAssign(_)
                | BinOp::BitOrAssign(_)
                | BinOp::BitAndAssign(_)
        ),
        Expr::Try(inner) => is_effect(&inner.expr),
        _ => false,
    }
}

impl<'ast> Visit<'ast> for Source {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if is_test(&item.attrs) {
            self.tests.push(item.span().byte_range());
        } else {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let last = |path: &syn::Path| path.segments.last().map(|last| last.ident.to_string());
        let of = match &item.trait_ {
            Some((path, _)) => last(path),
            None => None,
        };
        // What is shown to people only.
        if of.is_some_and(|name| name == "Debug" || name == "Display") {
            return;
        }
        let name = match &*item.self_ty {
            syn::Type::Path(path) => last(&path.path),
            _ => None,
        };
        self.within(name.unwrap_or_default(), |this| {
            visit::visit_item_impl(this, item);
        });
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.within(item.ident.to_string(), |this| {
            visit::visit_item_trait(this, item);
        });
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if item.sig.constness.is_some() {
            self.constant(item);
        }
        if !is_test(&item.attrs) {
            self.within(item.sig.ident.to_string(), |this| {
                visit::visit_item_fn(this, item);
            });
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if item.sig.constness.is_some() {
            self.constant(item);
        }
        self.within(item.sig.ident.to_string(), |this| {
            visit::visit_impl_item_fn(this, item);
        });
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.within(item.sig.ident.to_string(), |this| {
            visit::visit_trait_item_fn(this, item);
        });
    }

    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        self.constant(item);
        visit::visit_item_const(self, item);
    }

    fn visit_impl_item_const(&mut self, item: &'ast syn::ImplItemConst) {
        self.constant(item);
        visit::visit_impl_item_const(self, item);
    }

    fn visit_trait_item_const(&mut self, item: &'ast syn::TraitItemConst) {
        self.constant(item);
        visit::visit_trait_item_const(self, item);
    }

    fn visit_item_static(&mut self, item: &'ast syn::ItemStatic) {
        self.constant(item);
        visit::visit_item_static(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.constant(item);
        visit::visit_item_enum(self, item);
    }

    fn visit_expr_const(&mut self, block: &'ast syn::ExprConst) {
        self.constant(block);
        visit::visit_expr_const(self, block);
    }

    fn visit_expr_repeat(&mut self, repeat: &'ast syn::ExprRepeat) {
        self.constant(&*repeat.len);
        visit::visit_expr_repeat(self, repeat);
    }

    fn visit_type(&mut self, of: &'ast syn::Type) {
        self.constant(of);
        visit::visit_type(self, of);
    }

    fn visit_expr_binary(&mut self, binary: &'ast syn::ExprBinary) {
        if !binds(&binary.left) && !binds(&binary.right) {
            let operator = binary.op.span().byte_range().start;
            self.operations.insert(operator, binary.span().byte_range());
        }
        visit::visit_expr_binary(self, binary);
    }

    fn visit_expr_unary(&mut self, unary: &'ast syn::ExprUnary) {
        let range = unary.span().byte_range();
        self.operations.insert(range.start, range);
        visit::visit_expr_unary(self, unary);
    }

    fn visit_expr_match(&mut self, expression: &'ast syn::ExprMatch) {
        // Without an arm for all other values, the compiler wants each of those that have no guard.
        let is_complete = expression
            .arms
            .iter()
            .any(|arm| matches!(arm.pat, Pat::Wild(_)));
        for arm in &expression.arms {
            let place = match &arm.pat {
                Pat::Guard(pattern) => pattern.guard.span().byte_range(),
                _ if !is_complete => continue,
                pattern => {
                    let end = pattern.span().byte_range().end;
                    end..end
                }
            };
            self.arms.insert(arm.span().byte_range().start, place);
        }
        visit::visit_expr_match(self, expression);
    }

    fn visit_expr_struct(&mut self, structure: &'ast syn::ExprStruct) {
        for field in &structure.fields {
            self.structures.insert(
                field.span().byte_range().start,
                structure.span().byte_range(),
            );
        }
        visit::visit_expr_struct(self, structure);
    }

    fn visit_block(&mut self, block: &'ast syn::Block) {
        for statement in &block.stmts {
            let is_effect = match statement {
                Stmt::Expr(expression, Some(_)) => is_effect(expression),
                Stmt::Local(local) => {
                    matches!(local.pat, Pat::Wild(_))
                        && local
                            .init
                            .as_ref()
                            .is_some_and(|init| is_effect(&init.expr))
                }
                _ => false,
            };
            if is_effect {
                let function = self.function.join("::");
                self.statements
                    .push((statement.span().byte_range(), function));
            }
        }
        visit::visit_block(self, block);
    }
}
