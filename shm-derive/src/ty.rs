//! Types without parentheses and the invisible groups that macros put around their arguments (`$t:ty`).

use syn::{Type, TypeArray, TypeGroup, TypeParen};

/// The type inside parentheses and groups.
pub(crate) fn ungroup(mut ty: &Type) -> &Type {
    while let Type::Paren(TypeParen { elem, .. }) | Type::Group(TypeGroup { elem, .. }) = ty {
        ty = elem;
    }
    ty
}

/// The element of a slice, or `None`.
pub(crate) fn slice(ty: &Type) -> Option<&Type> {
    match ungroup(ty) {
        Type::Slice(slice) => Some(&slice.elem),
        _ => None,
    }
}

/// The innermost element of nested arrays. Any other type is its own element.
pub(crate) fn element(ty: &Type) -> &Type {
    let mut ty = ungroup(ty);
    while let Type::Array(TypeArray { elem, .. }) = ty {
        ty = ungroup(elem);
    }
    ty
}

/// The innermost element of nested arrays, or of a slice of such.
pub(crate) fn innermost(ty: &Type) -> &Type {
    element(slice(element(ty)).unwrap_or(ty))
}

#[cfg(test)]
mod tests {
    use proc_macro2::{Delimiter, Group, TokenStream};
    use quote::{ToTokens, quote};

    use super::*;

    /// Tokens as a macro passes them on.
    fn handed_over(tokens: TokenStream) -> TokenStream {
        Group::new(Delimiter::None, tokens).to_token_stream()
    }

    fn parsed(tokens: TokenStream) -> Type {
        syn::parse2(tokens).expect("it is a type")
    }

    fn spelling(ty: &Type) -> String {
        ty.to_token_stream().to_string()
    }

    #[test]
    fn all_layers_go() {
        let group = handed_over(quote!((u8)));
        assert!(matches!(parsed(group.clone()), Type::Group(_)));
        for tokens in [quote!(u8), quote!((u8)), group.clone(), quote!((#group))] {
            assert_eq!(spelling(ungroup(&parsed(tokens))), "u8");
        }
    }

    #[test]
    fn elements_are_found_in_all_layers() {
        for tokens in [quote!([u8]), quote!(([u8])), handed_over(quote!([u8]))] {
            let ty = parsed(tokens);
            assert_eq!(slice(&ty).map(spelling).as_deref(), Some("u8"));
            assert_eq!(spelling(element(&ty)), "[u8]");
        }
        assert!(slice(&parsed(quote!([u8; 4]))).is_none());

        let inner = handed_over(quote!([(u8); 2]));
        for tokens in [quote!(u8), quote!([[u8; 2]; 3]), quote!([(#inner); 3])] {
            assert_eq!(spelling(element(&parsed(tokens))), "u8");
        }
    }
}
