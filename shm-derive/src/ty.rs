//! Types without what only holds them together: parentheses, and what a macro leaves around its arguments (`$t:ty`).

use syn::{Type, TypeArray, TypeGroup, TypeParen};

/// The type inside.
pub(crate) fn peeled(mut ty: &Type) -> &Type {
    while let Type::Paren(TypeParen { elem, .. }) | Type::Group(TypeGroup { elem, .. }) = ty {
        ty = elem;
    }
    ty
}

/// The element of a slice.
pub(crate) fn slice(ty: &Type) -> Option<&Type> {
    match peeled(ty) {
        Type::Slice(slice) => Some(&slice.elem),
        _ => None,
    }
}

/// What an array, or an array of arrays, consists of. Any other type is its own element.
pub(crate) fn element(ty: &Type) -> &Type {
    let mut ty = peeled(ty);
    while let Type::Array(TypeArray { elem, .. }) = ty {
        ty = peeled(elem);
    }
    ty
}

/// What an array or slice consists of, also one of arrays.
pub(crate) fn innermost(ty: &Type) -> &Type {
    element(slice(element(ty)).unwrap_or(ty))
}

#[cfg(test)]
mod tests {
    use proc_macro2::{Delimiter, Group, TokenStream};
    use quote::{ToTokens, quote};

    use super::*;

    /// Tokens as a macro hands them over.
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
            assert_eq!(spelling(peeled(&parsed(tokens))), "u8");
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
