//! Attribute macros that change a struct after a derive above them has read it.

use proc_macro::TokenStream;

/// Replaces the struct's `u64`s by references.
#[proc_macro_attribute]
pub fn numbers_to_references(_: TokenStream, item: TokenStream) -> TokenStream {
    let text = item.to_string().replace("u64", "&'static u64");
    text.parse().expect("still a struct")
}

/// Removes `repr(C)`.
#[proc_macro_attribute]
pub fn without_repr(_: TokenStream, item: TokenStream) -> TokenStream {
    let text = item.to_string().replace("#[repr(C)]", "");
    text.parse().expect("still a struct")
}

/// Changes nothing.
#[proc_macro_attribute]
pub fn harmless(_: TokenStream, item: TokenStream) -> TokenStream {
    item
}

/// [`macro@without_repr`] under the name of a standard macro.
#[proc_macro_attribute]
pub fn derive(options: TokenStream, item: TokenStream) -> TokenStream {
    without_repr(options, item)
}
