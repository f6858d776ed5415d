//! Sizes of types, as far as their tokens tell, to emit fewer checks.
//!
//! Names can mislead (`struct u64;`), so nothing is accepted or refused because of these sizes. They only decide
//! where the checks of the real layout are placed.

use syn::{BinOp, Expr, GenericArgument, Lit, PathArguments, PathSegment, Type};

use crate::ty::ungroup;

/// Size and alignment in bytes.
pub(crate) type Extent = (u64, u64);

/// The extent of a type with a well-known name.
pub(crate) fn extent(ty: &Type) -> Option<Extent> {
    match ungroup(ty) {
        Type::Path(path) if path.qself.is_none() => named(path.path.segments.last()?),
        Type::Array(array) => {
            let (size, align) = extent(&array.elem)?;
            let Expr::Lit(literal) = &array.len else {
                return None;
            };
            let Lit::Int(len) = &literal.lit else {
                return None;
            };
            Some((size.checked_mul(len.base10_parse().ok()?)?, align))
        }
        // Elements of the slice do not count.
        Type::Slice(slice) => extent(&slice.elem).map(|(_, align)| (0, align)),
        _ => None,
    }
}

/// The bytes of an array whose lengths are literals, or computed from literals.
pub(crate) fn bytes(array: &Type) -> Option<u128> {
    match ungroup(array) {
        Type::Array(array) => bytes(&array.elem)?.checked_mul(number(&array.len)?),
        element => extent(element).map(|(size, _)| u128::from(size)),
    }
}

fn number(expression: &Expr) -> Option<u128> {
    match expression {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Int(int) => int.base10_parse().ok(),
            _ => None,
        },
        Expr::Paren(inner) => number(&inner.expr),
        Expr::Group(inner) => number(&inner.expr),
        Expr::Binary(binary) => {
            let (left, right) = (number(&binary.left)?, number(&binary.right)?);
            match binary.op {
                BinOp::Add(_) => left.checked_add(right),
                BinOp::Sub(_) => left.checked_sub(right),
                BinOp::Mul(_) => left.checked_mul(right),
                // A larger result would overflow `usize`, which the compiler reports.
                BinOp::Shl(_) => {
                    let factor = 1_u128.checked_shl(u32::try_from(right).ok()?)?;
                    left.checked_mul(factor)
                        .filter(|shifted| *shifted <= u64::MAX.into())
                }
                _ => None,
            }
        }
        _ => None,
    }
}

fn named(segment: &PathSegment) -> Option<Extent> {
    let name = segment.ident.to_string();
    match &segment.arguments {
        PathArguments::None => plain(&name),
        PathArguments::AngleBracketed(arguments) => {
            let argument = match arguments.args.first()? {
                GenericArgument::Type(ty) => ty,
                _ => return None,
            };
            match name.as_str() {
                "PhantomData" => Some((0, 1)),
                "Wrapping" => extent(argument),
                "Option" => match ungroup(argument) {
                    Type::Path(path) => {
                        let name = path.path.segments.last()?.ident.to_string();
                        plain(&name.strip_prefix("NonZero")?.to_ascii_lowercase())
                    }
                    _ => None,
                },
                _ => None,
            }
        }
        PathArguments::Parenthesized(_) => None,
    }
}

fn plain(name: &str) -> Option<Extent> {
    let size = match name {
        "u8" | "i8" | "bool" | "AtomicU8" | "AtomicI8" | "AtomicBool" => 1,
        "u16" | "i16" | "AtomicU16" | "AtomicI16" => 2,
        "u32" | "i32" | "f32" | "char" | "AtomicU32" | "AtomicI32" => 4,
        // Aligned to 8 bytes on all supported targets. With another alignment there would only be more or fewer
        // checks.
        "u64" | "i64" | "f64" | "AtomicU64" | "AtomicI64" => 8,
        _ => return None,
    };
    Some((size, size))
}

/// Where a struct has its first gap.
pub(crate) enum Padding {
    /// The tokens do not tell.
    Unknown,
    None,
    /// After the field with this number.
    After(usize),
}

/// `min_align` is the alignment of `repr(align)`. A struct that ends in a slice (`tail`) has no padding at its end.
pub(crate) fn padding(
    extents: impl Iterator<Item = Option<Extent>>,
    min_align: u64,
    tail: bool,
) -> Padding {
    let (mut end, mut max_align, mut last) = (0_u64, min_align, 0);
    for (number, extent) in extents.enumerate() {
        let Some((size, align)) = extent else {
            return Padding::Unknown;
        };
        if end % align != 0 {
            return Padding::After(last);
        }
        let Some(next) = end.checked_add(size) else {
            return Padding::Unknown;
        };
        (end, max_align, last) = (next, max_align.max(align), number);
    }
    if tail || end % max_align == 0 {
        Padding::None
    } else {
        Padding::After(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse_quote;

    #[test]
    fn well_known_names_have_an_extent() {
        let known = |ty: Type| extent(&ty);
        assert_eq!(known(parse_quote!(u64)), Some((8, 8)));
        assert_eq!(known(parse_quote!([[f32; 3]; 4])), Some((48, 4)));
        assert_eq!(
            known(parse_quote!(std::sync::atomic::AtomicBool)),
            Some((1, 1))
        );
        assert_eq!(
            known(parse_quote!(Option<std::num::NonZeroU32>)),
            Some((4, 4))
        );
        assert_eq!(known(parse_quote!(Wrapping<i16>)), Some((2, 2)));
        assert_eq!(known(parse_quote!(PhantomData<T>)), Some((0, 1)));
        assert_eq!(known(parse_quote!([u8; N])), None);
        assert_eq!(known(parse_quote!(Option<u32>)), None);
        assert_eq!(known(parse_quote!(U32)), None);
        assert_eq!(known(parse_quote!(Inner)), None);
    }

    #[test]
    fn lengths_are_computed() {
        let bytes = |ty: Type| bytes(&ty);
        assert_eq!(bytes(parse_quote!([u8; 4])), Some(4));
        assert_eq!(
            bytes(parse_quote!([[u64; 1 << 40]; (3 + 1) * 2])),
            Some(1 << 46)
        );
        assert_eq!(
            bytes(parse_quote!([[u64; 1 << 40]; 1 << 40])),
            Some(1 << 83)
        );
        assert_eq!(bytes(parse_quote!([u8; 1 << 64])), None);
        assert_eq!(bytes(parse_quote!([u8; N])), None);
        assert_eq!(bytes(parse_quote!([Inner; 4])), None);
    }

    #[test]
    fn padding_is_found_where_it_begins() {
        let padding =
            |sizes: &[u64], min| padding(sizes.iter().map(|size| Some((*size, *size))), min, false);
        assert!(matches!(padding(&[8, 4, 4], 1), Padding::None));
        assert!(matches!(padding(&[4, 8], 1), Padding::After(0)));
        assert!(matches!(padding(&[8, 4], 1), Padding::After(1)));
        assert!(matches!(padding(&[8], 64), Padding::After(0)));
    }
}
