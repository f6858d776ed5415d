//! Paths that leave a top-level module: `crate::name`, or as many `super` as lead to the root and then `name`.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use syn::{Path, UseTree};

/// A name below the crate's root that a path mentions.
#[derive(Debug)]
pub(super) struct Reference {
    pub(super) name: String,
    pub(super) span: Span,
}

/// How far the segments of a path have led.
#[derive(Clone, Copy)]
enum At {
    /// In the module that is this many levels below the root, by `super` and `self` alone.
    Level(usize),
    Root,
    /// Below the module, or in another crate: nothing that follows matters.
    Inside,
}

impl At {
    fn step(self, segment: &str) -> Self {
        match (self, segment) {
            (Self::Level(level), "super") => match level {
                0 | 1 => Self::Root,
                _ => Self::Level(level - 1),
            },
            (Self::Level(level), "self") => Self::Level(level),
            (Self::Level(_), "crate") => Self::Root,
            _ => Self::Inside,
        }
    }
}

/// The names in an import of a module that is `depth` levels below the root.
pub(super) fn of_use(tree: &UseTree, depth: usize) -> Vec<Reference> {
    let mut found = Vec::new();
    walk_use(tree, At::Level(depth), &mut found);
    found
}

fn walk_use(tree: &UseTree, at: At, found: &mut Vec<Reference>) {
    let mut add = |ident: &proc_macro2::Ident| {
        found.push(Reference {
            name: ident.to_string(),
            span: ident.span(),
        });
    };
    match (tree, at) {
        (UseTree::Group(group), at) => {
            group
                .items
                .iter()
                .for_each(|tree| walk_use(tree, at, found));
        }
        (UseTree::Path(path), At::Root) => add(&path.ident),
        (UseTree::Name(name), At::Root) if name.ident != "self" => add(&name.ident),
        (UseTree::Rename(rename), At::Root) if rename.ident != "self" => add(&rename.ident),
        // All of the root, which nothing can be told from.
        (UseTree::Glob(glob), At::Root) => found.push(Reference {
            name: "*".to_owned(),
            span: glob.star_token.spans[0],
        }),
        (UseTree::Path(path), at) => {
            walk_use(&path.tree, at.step(&path.ident.to_string()), found);
        }
        _ => {}
    }
}

/// The name in a path of a module that is `depth` levels below the root.
pub(super) fn of_path(path: &Path, depth: usize) -> Option<Reference> {
    let mut at = At::Level(depth);
    for segment in &path.segments {
        let name = segment.ident.to_string();
        if let At::Root = at {
            return Some(Reference {
                name,
                span: segment.ident.span(),
            });
        }
        at = at.step(&name);
    }
    None
}

/// The names in the tokens of a macro, whatever it makes of them.
pub(super) fn of_tokens(tokens: TokenStream, depth: usize) -> Vec<Reference> {
    let mut found = Vec::new();
    scan(tokens, depth, &mut found);
    found
}

fn scan(tokens: TokenStream, depth: usize, found: &mut Vec<Reference>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut next = 0;
    while next < tokens.len() {
        match &tokens[next] {
            TokenTree::Ident(ident) => {
                let is_first = !follows_colons(&tokens, next);
                let at = At::Level(depth).step(&ident.to_string());
                if is_first && !matches!(at, At::Inside) {
                    next = path_in_tokens(&tokens, next, At::Level(depth), found);
                    continue;
                }
            }
            // `pub(in crate::module)` depends on nothing.
            TokenTree::Group(group) if !is_restriction(&tokens, next) => {
                scan(group.stream(), depth, found);
            }
            _ => {}
        }
        next += 1;
    }
}

/// Follows a path in tokens. Returns the position after it.
fn path_in_tokens(
    tokens: &[TokenTree],
    start: usize,
    mut at: At,
    found: &mut Vec<Reference>,
) -> usize {
    let mut next = start;
    loop {
        match (tokens.get(next), at) {
            (Some(TokenTree::Ident(ident)), At::Root) => {
                found.push(Reference {
                    name: ident.to_string(),
                    span: ident.span(),
                });
                return next + 1;
            }
            (Some(TokenTree::Group(group)), At::Root) if group.delimiter() == Delimiter::Brace => {
                let mut is_start = true;
                for token in group.stream() {
                    match token {
                        TokenTree::Ident(ident) if is_start => {
                            found.push(Reference {
                                name: ident.to_string(),
                                span: ident.span(),
                            });
                            is_start = false;
                        }
                        TokenTree::Punct(punct) if punct.as_char() == ',' => is_start = true,
                        _ => {}
                    }
                }
                return next + 1;
            }
            (Some(TokenTree::Ident(ident)), At::Level(_)) => at = at.step(&ident.to_string()),
            _ => return next,
        }
        if matches!(at, At::Inside) || !follows_colons(tokens, next + 3) {
            return next + 1;
        }
        next += 3;
    }
}

/// Whether `::` is in front of the token at `position`.
fn follows_colons(tokens: &[TokenTree], position: usize) -> bool {
    let is_colon = |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    position >= 2 && is_colon(position - 1) && is_colon(position - 2)
}

/// Whether the group at `position` belongs to a `pub`.
fn is_restriction(tokens: &[TokenTree], position: usize) -> bool {
    position > 0 && matches!(&tokens[position - 1], TokenTree::Ident(ident) if ident == "pub")
}
