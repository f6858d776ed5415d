//! Which items a build without tests never contains.

use syn::punctuated::Punctuated;
use syn::{Attribute, Meta, Token};

/// Whether one of the attributes is a `cfg` that holds only while tests or doctests are built.
pub(super) fn is_test_only(attributes: &[Attribute]) -> bool {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg"))
        .filter_map(|attribute| attribute.parse_args::<Meta>().ok())
        .any(|predicate| value(&predicate) == Some(false))
}

/// The value of a predicate in a build without tests, or `None` if it depends on something else.
fn value(predicate: &Meta) -> Option<bool> {
    match predicate {
        Meta::Path(path) if path.is_ident("test") || path.is_ident("doctest") => Some(false),
        Meta::List(list) => {
            let parts = list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
            let parts: Vec<Option<bool>> = parts.ok()?.iter().map(value).collect();
            if list.path.is_ident("not") {
                parts.first()?.map(|inner| !inner)
            } else if list.path.is_ident("all") {
                decide(&parts, false)
            } else if list.path.is_ident("any") {
                decide(&parts, true)
            } else {
                None
            }
        }
        _ => None,
    }
}

/// `all` is false if any part is, `any` is true if any part is: `decisive` is that value.
fn decide(parts: &[Option<bool>], decisive: bool) -> Option<bool> {
    if parts.contains(&Some(decisive)) {
        Some(decisive)
    } else if parts.contains(&None) {
        None
    } else {
        Some(!decisive)
    }
}
