//! Which argument of a generic type is to be blamed, should the type turn out not to be shareable.
//!
//! Names can mislead, so nothing is refused because of what is found here: it only chooses the words of an error that
//! the trait bound on the whole type may or may not cause.

use syn::{GenericArgument, Generics, PathArguments, Type};

use crate::known;

/// What a type stands accused of: the trait in `shm_core::why` that says so.
type Because = &'static str;

/// The trait to ask for in place of `Field`, and the type that it speaks of.
pub(crate) fn find<'a>(ty: &'a Type, generics: &Generics) -> Option<(Because, &'a Type)> {
    // Of a type that is known itself the reason is told in any case.
    if offender(ty).is_some_and(|(_, found)| std::ptr::eq(found, ty)) {
        return None;
    }
    let arguments = arguments(ty);
    if let Some(found) = arguments.iter().copied().find_map(offender) {
        return Some(found);
    }
    suspect(&arguments, generics).map(|ty| ("MadeOf", ty))
}

/// The first reference among the arguments of `ty` that has no lifetime: no field may have one.
pub(crate) fn without_lifetime(ty: &Type) -> Option<&Type> {
    match ty {
        Type::Reference(reference) if reference.lifetime.is_none() => Some(ty),
        Type::Reference(reference) => without_lifetime(&reference.elem),
        Type::Ptr(pointer) => without_lifetime(&pointer.elem),
        Type::Array(array) => without_lifetime(&array.elem),
        Type::Slice(slice) => without_lifetime(&slice.elem),
        Type::Tuple(tuple) => tuple.elems.iter().find_map(without_lifetime),
        Type::Paren(inner) => without_lifetime(&inner.elem),
        Type::Group(inner) => without_lifetime(&inner.elem),
        _ => arguments(ty).into_iter().find_map(without_lifetime),
    }
}

/// The type arguments of a type that is named by a path.
fn arguments(ty: &Type) -> Vec<&Type> {
    let Type::Path(path) = ty else {
        return Vec::new();
    };
    let Some(PathArguments::AngleBracketed(list)) =
        path.path.segments.last().map(|last| &last.arguments)
    else {
        return Vec::new();
    };
    list.args
        .iter()
        .filter_map(|argument| match argument {
            GenericArgument::Type(ty) => Some(ty),
            _ => None,
        })
        .collect()
}

/// The first type in `ty` that no process can share, as far as its spelling tells.
fn offender(ty: &Type) -> Option<(Because, &Type)> {
    let because = match ty {
        Type::Paren(inner) => return offender(&inner.elem),
        Type::Group(inner) => return offender(&inner.elem),
        Type::Array(array) => return offender(&array.elem),
        Type::Ptr(_) | Type::Reference(_) => "MadeOfAddress",
        Type::FnPtr(_) => "MadeOfFunction",
        Type::Tuple(_) => "MadeOfTuple",
        Type::Path(path) => {
            let name = path.path.segments.last()?.ident.to_string();
            match named(&name) {
                Some(because) => because,
                None if name == "Option" && !is_non_zero(arguments(ty).first()?) => "MadeOfOption",
                None if name == "Option" => return None,
                None => return arguments(ty).into_iter().find_map(offender),
            }
        }
        _ => return None,
    };
    Some((because, ty))
}

fn named(name: &str) -> Option<Because> {
    Some(match name {
        "NonNull" | "AtomicPtr" => "MadeOfAddress",
        "String" | "Vec" | "Box" | "Rc" | "Arc" | "Weak" | "Cow" | "PathBuf" | "OsString"
        | "CString" | "VecDeque" | "LinkedList" | "BinaryHeap" | "BTreeSet" | "BTreeMap"
        | "HashSet" | "HashMap" => "MadeOfOwner",
        "usize" | "isize" | "AtomicUsize" | "AtomicIsize" => "MadeOfPointerSized",
        "Cell" | "RefCell" | "UnsafeCell" | "OnceCell" | "OnceLock" | "LazyCell" | "LazyLock" => {
            "MadeOfLocal"
        }
        "RwLock" | "Condvar" => "MadeOfLock",
        "MaybeUninit" => "MadeOfUninit",
        "Duration" | "Instant" | "SystemTime" | "IpAddr" | "Ipv4Addr" | "Ipv6Addr"
        | "SocketAddr" => "MadeOfUnspecified",
        "OwnedFd" | "File" | "TcpStream" | "TcpListener" | "UdpSocket" | "UnixStream"
        | "UnixListener" | "UnixDatagram" => "MadeOfDescriptor",
        "str" | "CStr" | "OsStr" | "Path" => "MadeOfText",
        "NonZero" | "NonZeroU8" | "NonZeroU16" | "NonZeroU32" | "NonZeroU64" | "NonZeroU128"
        | "NonZeroUsize" | "NonZeroI8" | "NonZeroI16" | "NonZeroI32" | "NonZeroI64"
        | "NonZeroI128" | "NonZeroIsize" => "MadeOfNonZero",
        _ => return None,
    })
}

fn is_non_zero(ty: &Type) -> bool {
    offender(ty).is_some_and(|(because, _)| because == "MadeOfNonZero")
}

/// The only type among `arguments` of which the spelling does not tell that it can be shared. In a type of this library,
/// the only such argument.
fn suspect<'a>(arguments: &[&'a Type], generics: &Generics) -> Option<&'a Type> {
    let mut unknown = arguments.iter().copied().filter(|ty| {
        let parameter = generics
            .type_params()
            .any(|param| matches!(ty, Type::Path(path) if path.path.is_ident(&param.ident)));
        !parameter && known::extent(ty).is_none()
    });
    let (Some(mut only), None) = (unknown.next(), unknown.next()) else {
        return None;
    };
    while let Type::Array(array) = only {
        only = &array.elem;
    }
    let inner = is_container(only).then(|| suspect(&self::arguments(only), generics));
    Some(inner.flatten().unwrap_or(only))
}

/// Whether it is spelled as a type that can be shared exactly if its argument can.
fn is_container(ty: &Type) -> bool {
    const NAMES: [&str; 8] = [
        "ShmVec",
        "ShmOffset",
        "Mutex",
        "SeqLock",
        "Ring",
        "Broadcast",
        "PhantomData",
        "Wrapping",
    ];
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(
        |last| NAMES.iter().any(|name| last.ident == name)
    ))
}

#[cfg(test)]
mod tests {
    use quote::{ToTokens, quote};
    use syn::parse_quote;

    use super::*;

    fn found(ty: Type) -> Option<(Because, String)> {
        let generics = parse_quote!(<T, const N: usize>);
        find(&ty, &generics).map(|(because, ty)| (because, ty.to_token_stream().to_string()))
    }

    fn because(name: Because, ty: impl ToTokens) -> Option<(Because, String)> {
        Some((name, ty.to_token_stream().to_string()))
    }

    #[test]
    fn offenders_are_found_at_any_depth() {
        assert_eq!(
            found(parse_quote!(ShmVec<String, 4>)),
            because("MadeOfOwner", quote!(String))
        );
        assert_eq!(
            found(parse_quote!(Pair<u64, Pair<[*const u8; 2], u8>>)),
            because("MadeOfAddress", quote!(*const u8))
        );
        assert_eq!(
            found(parse_quote!(ShmVec<Option<u32>, N>)),
            because("MadeOfOption", quote!(Option<u32>))
        );
        assert_eq!(
            found(parse_quote!(Pair<std::num::NonZeroUsize, T>)),
            because("MadeOfNonZero", quote!(std::num::NonZeroUsize))
        );
    }

    #[test]
    fn the_only_unknown_name_is_suspected() {
        assert_eq!(
            found(parse_quote!(ShmVec<Point, 4>)),
            because("MadeOf", quote!(Point))
        );
        assert_eq!(
            found(parse_quote!(Pair<T, ShmVec<[Point; 2], 4>>)),
            because("MadeOf", quote!(Point))
        );
        assert_eq!(
            found(parse_quote!(ShmVec<Pair<Point, u8>, 4>)),
            because("MadeOf", quote!(Pair<Point, u8>))
        );
        assert_eq!(found(parse_quote!(Pair<Point, Size>)), None);
    }

    #[test]
    fn nothing_is_suspected_without_need() {
        assert_eq!(found(parse_quote!(Point)), None);
        assert_eq!(found(parse_quote!(HashMap<String, u64>)), None);
        assert_eq!(found(parse_quote!(Pair<u8, [f32; 4]>)), None);
        assert_eq!(found(parse_quote!(Pair<T, Option<NonZeroU8>>)), None);
    }
}
