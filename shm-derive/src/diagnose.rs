//! Which argument of a generic type is to be blamed, should the type turn out not to be shareable.
//!
//! Names can mislead, so nothing is refused because of what is found here: it only chooses the words of an error that
//! the trait bound on the whole type may or may not cause.

use proc_macro2::Ident;
use syn::{GenericArgument, Generics, PathArguments, Type};

use crate::size;
use crate::ty::{element, peeled};

/// What a type stands accused of: the trait in `shm_core::diagnostics` that says so.
type Because = &'static str;

/// What to ask of a type.
pub(crate) enum Ask<'a> {
    /// `Field`, which tells the reason by itself.
    Whole,
    /// `SharedParts`.
    Several,
    /// This trait, which speaks of an argument.
    Part(Because, &'a Type),
}

/// The trait that has the best words for `ty`, should it be refused.
pub(crate) fn find<'a>(ty: &'a Type, generics: &Generics) -> Ask<'a> {
    let ty = peeled(ty);
    // The reason of these is told in any case.
    if offender(ty).is_some_and(|(_, found)| std::ptr::eq(found, ty))
        || is(ty, "Option")
        || is_phantom(ty)
    {
        return Ask::Whole;
    }
    let arguments = arguments(ty);
    let found = match arguments.iter().copied().find_map(offender) {
        Some(found) => found,
        None => {
            if let Some((because, value)) = copied(ty, generics) {
                return Ask::Part(because, value);
            }
            match suspects(ty, generics).as_slice() {
                [] => return Ask::Whole,
                // Of any other type it is not known whether it could be shared with another argument. And a constant is none that
                // could be asked of anything.
                [only] if is_container(ty) && is_unit(only) => ("NothingPartOf", *only),
                // It may be the standard library's.
                [only] if is(ty, "Mutex") && !may_be_constant(only, generics) => {
                    ("LockedPartOf", *only)
                }
                [only] if is_container(ty) && !may_be_constant(only, generics) => ("PartOf", *only),
                _ => return Ask::Several,
            }
        }
    };
    Ask::Part(found.0, found.1)
}

/// The part of `ty` whose name says that no process can share it, for a trait bound to report.
pub(crate) fn refused_by_name(ty: &Type) -> Option<&Type> {
    offender(ty).map(|(_, found)| found)
}

/// The type arguments of a type that is named by a path.
pub(crate) fn arguments(ty: &Type) -> Vec<&Type> {
    let Type::Path(path) = peeled(ty) else {
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
    let ty = peeled(ty);
    let because = match ty {
        Type::Array(array) => return offender(&array.elem),
        Type::Ptr(_) | Type::Reference(_) => "AddressPartOf",
        Type::Slice(_) => "SlicePartOf",
        Type::FnPtr(_) => "FunctionPartOf",
        // `()` is an argument of types that hold none.
        Type::Tuple(tuple) if !tuple.elems.is_empty() => "TuplePartOf",
        Type::Path(path) => {
            let name = path.path.segments.last()?.ident.to_string();
            let plain = || named(&name);
            let generic = || named_generic(&name).filter(|_| !arguments(ty).is_empty());
            match plain().or_else(generic) {
                Some(because) => because,
                None if is(ty, "Option") && !is_non_zero(arguments(ty).first()?) => "OptionPartOf",
                // Nothing of the argument is stored.
                None if is(ty, "Option") || is(ty, "PhantomData") => return None,
                None => return arguments(ty).into_iter().find_map(offender),
            }
        }
        _ => return None,
    };
    Some((because, ty))
}

fn named(name: &str) -> Option<Because> {
    Some(match name {
        "NonNull" | "AtomicPtr" => "AddressPartOf",
        "String" | "Vec" | "Box" | "Rc" | "Arc" | "Weak" | "Cow" | "PathBuf" | "OsString"
        | "CString" | "VecDeque" | "LinkedList" | "BinaryHeap" | "BTreeSet" | "BTreeMap"
        | "HashSet" | "HashMap" => "OwnerPartOf",
        "usize" | "isize" | "AtomicUsize" | "AtomicIsize" => "PointerSizedPartOf",
        "Cell" | "RefCell" | "UnsafeCell" | "OnceCell" | "OnceLock" | "LazyCell" | "LazyLock" => {
            "LocalPartOf"
        }
        "RwLock" | "Condvar" => "LockPartOf",
        "MutexGuard" | "RwLockReadGuard" | "RwLockWriteGuard" => "GuardPartOf",
        "JoinHandle" | "Thread" | "ThreadId" | "Sender" | "SyncSender" | "Receiver" => {
            "ThreadPartOf"
        }
        "MaybeUninit" => "UninitPartOf",
        "Duration" | "Instant" | "SystemTime" | "IpAddr" | "Ipv4Addr" | "Ipv6Addr"
        | "SocketAddr" | "SocketAddrV4" | "SocketAddrV6" => "UnspecifiedPartOf",
        "TypeId" => "IdentityPartOf",
        "Infallible" => "NoValuePartOf",
        "PhantomPinned" => "PinnedPartOf",
        "OwnedFd" | "File" | "TcpStream" | "TcpListener" | "UdpSocket" | "UnixStream"
        | "UnixListener" | "UnixDatagram" => "DescriptorPartOf",
        "str" | "CStr" | "OsStr" | "Path" => "TextPartOf",
        "NonZero" | "NonZeroU8" | "NonZeroU16" | "NonZeroU32" | "NonZeroU64" | "NonZeroU128"
        | "NonZeroUsize" | "NonZeroI8" | "NonZeroI16" | "NonZeroI32" | "NonZeroI64"
        | "NonZeroI128" | "NonZeroIsize" => "NonZeroPartOf",
        _ => return None,
    })
}

/// As [`named`], of names that are taken for those of the standard library only where they have arguments, as its types do.
fn named_generic(name: &str) -> Option<Because> {
    Some(match name {
        "Range" | "RangeInclusive" | "RangeFrom" | "RangeTo" | "RangeToInclusive" => "PartsPartOf",
        "Reverse" | "Saturating" | "ManuallyDrop" => "WrapperPartOf",
        "Result" | "Poll" | "Bound" | "ControlFlow" => "ChoicePartOf",
        "Ref" | "RefMut" => "GuardPartOf",
        _ => return None,
    })
}

/// Whether it is a path that ends in `name`.
fn is(ty: &Type, name: &str) -> bool {
    matches!(peeled(ty), Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == name))
}

/// What to ask about the value of the first type of this library in `ty` that copies its value as a whole, and so wants
/// it to be `Copy`.
fn copied<'a>(ty: &'a Type, generics: &Generics) -> Option<(Because, &'a Type)> {
    let ty = element(ty);
    let value = contained(ty)?;
    if may_be_constant(value, generics) {
        return None;
    }
    if !is(ty, "SeqLock") && !is(ty, "Broadcast") {
        return copied(value, generics);
    }
    Some(match suspects(ty, generics).first() {
        Some(first) if !is_container(element(value)) => ("WholePartOf", *first),
        // All that could be missing: a container is shareable if its elements are, and never `Copy`. Numbers are both, so if
        // one is here, something else is wrong.
        _ if is_never_copied(element(value), generics) => ("CopiedPartOf", element(value)),
        _ => return None,
    })
}

/// Whether it is not `Copy`, or a parameter that may not be, as far as its spelling tells.
fn is_never_copied(ty: &Type, generics: &Generics) -> bool {
    let is_atomic = matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| {
        last.ident.to_string().starts_with("Atomic")
    }));
    is_atomic || is_container(ty) || is_type_parameter(ty, generics)
}

fn is_unit(ty: &Type) -> bool {
    matches!(peeled(ty), Type::Tuple(tuple) if tuple.elems.is_empty())
}

fn is_non_zero(ty: &Type) -> bool {
    offender(ty).is_some_and(|(because, _)| because == "NonZeroPartOf")
}

/// The types among the arguments of `ty` of which the spelling does not tell that they can be shared. In place of a type
/// of this library, such of its own arguments: only its first is a type, and the second a number, which may have a name.
fn suspects<'a>(ty: &'a Type, generics: &Generics) -> Vec<&'a Type> {
    let mut arguments = arguments(ty);
    if is_container(ty) {
        arguments.truncate(1);
    }
    let mut found = Vec::new();
    for ty in arguments.into_iter().map(element) {
        let parameter = is_constant_parameter(ty, generics) || is_type_parameter(ty, generics);
        if is_container(ty) {
            found.extend(suspects(ty, generics));
        } else if !parameter && size::extent(ty).is_none() {
            found.push(ty);
        }
    }
    found
}

/// Whether it is a constant parameter, or spelled as constants are and no type parameter.
fn may_be_constant(ty: &Type, generics: &Generics) -> bool {
    let is_spelled_so = matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| {
        last.arguments.is_none() && !last.ident.to_string().contains(char::is_lowercase)
    }) && path.path.segments.len() == 1);
    is_constant_parameter(ty, generics) || is_spelled_so && !is_type_parameter(ty, generics)
}

fn is_constant_parameter(ty: &Type, generics: &Generics) -> bool {
    generics
        .const_params()
        .any(|param| is_named(ty, &param.ident))
}

pub(crate) fn is_type_parameter(ty: &Type, generics: &Generics) -> bool {
    generics
        .type_params()
        .any(|param| is_named(ty, &param.ident))
}

fn is_named(ty: &Type, name: &Ident) -> bool {
    matches!(peeled(ty), Type::Path(path) if path.qself.is_none() && path.path.is_ident(name))
}

/// The first argument of a type that is spelled as one that can be shared exactly if that can.
pub(crate) fn contained(ty: &Type) -> Option<&Type> {
    let arguments = arguments(ty);
    arguments.first().copied().filter(|_| is_container(ty))
}

/// [`contained`], unless it is an argument that the type has no value of.
pub(crate) fn contained_in_place(ty: &Type) -> Option<&Type> {
    contained(ty).filter(|_| !is(ty, "ShmOffset"))
}

/// Whether it is spelled as `PhantomData`, which stores nothing of its argument.
pub(crate) fn is_phantom(ty: &Type) -> bool {
    is(ty, "PhantomData")
}

/// Whether it is spelled as a type that can be shared exactly if its argument can.
fn is_container(ty: &Type) -> bool {
    const NAMES: [&str; 7] = [
        "ShmVec",
        "ShmOffset",
        "Mutex",
        "SeqLock",
        "Ring",
        "Broadcast",
        "Wrapping",
    ];
    NAMES.iter().any(|name| is(ty, name))
}

#[cfg(test)]
mod tests {
    use quote::{ToTokens, quote};
    use syn::parse_quote;

    use super::*;

    fn found(ty: Type) -> String {
        let generics = parse_quote!(<T, const N: usize>);
        match find(&ty, &generics) {
            Ask::Whole => "Field".to_owned(),
            Ask::Several => "SharedParts".to_owned(),
            Ask::Part(because, ty) => format!("{because}<{}>", ty.to_token_stream()),
        }
    }

    fn because(name: Because, ty: impl ToTokens) -> String {
        format!("{name}<{}>", ty.to_token_stream())
    }

    #[test]
    fn offenders_are_found_at_any_depth() {
        assert_eq!(
            found(parse_quote!(ShmVec<String, 4>)),
            because("OwnerPartOf", quote!(String))
        );
        assert_eq!(
            found(parse_quote!(Pair<u64, Pair<[*const u8; 2], u8>>)),
            because("AddressPartOf", quote!(*const u8))
        );
        assert_eq!(
            found(parse_quote!(ShmVec<Option<u32>, N>)),
            because("OptionPartOf", quote!(Option<u32>))
        );
        assert_eq!(
            found(parse_quote!(Pair<std::num::NonZeroUsize, T>)),
            because("NonZeroPartOf", quote!(std::num::NonZeroUsize))
        );
    }

    #[test]
    fn a_mutex_may_be_another() {
        assert_eq!(
            found(parse_quote!(Mutex<Point>)),
            because("LockedPartOf", quote!(Point))
        );
        // Whichever it is.
        assert_eq!(
            found(parse_quote!(Mutex<Vec<u8>>)),
            because("OwnerPartOf", quote!(Vec<u8>))
        );
        assert_eq!(
            found(parse_quote!(Mutex<[usize; 2]>)),
            because("PointerSizedPartOf", quote!(usize))
        );
        assert_eq!(
            found(parse_quote!(Mutex<[u8]>)),
            because("SlicePartOf", quote!([u8]))
        );
        assert_eq!(found(parse_quote!(Mutex<u64>)), "Field");
    }

    #[test]
    fn some_names_are_known_by_their_arguments() {
        assert_eq!(
            found(parse_quote!(ShmVec<Range<u32>, 4>)),
            because("PartsPartOf", quote!(Range<u32>))
        );
        assert_eq!(
            found(parse_quote!(ShmVec<Range, 4>)),
            because("PartOf", quote!(Range))
        );
    }

    #[test]
    fn what_holds_nothing_is_told_apart() {
        assert_eq!(
            found(parse_quote!(ShmOffset<()>)),
            because("NothingPartOf", quote!(()))
        );
        assert_eq!(found(parse_quote!(JoinHandle<()>)), "Field");
        assert_eq!(found(parse_quote!(PhantomData<fn() -> T>)), "Field");
        assert_eq!(
            found(parse_quote!(Pair<PhantomData<String>, *const u8>)),
            because("AddressPartOf", quote!(*const u8))
        );
        assert_eq!(
            found(parse_quote!(ShmVec<fn() -> T, 4>)),
            because("FunctionPartOf", quote!(fn() -> T))
        );
    }

    #[test]
    fn the_only_unknown_name_is_suspected() {
        assert_eq!(
            found(parse_quote!(ShmVec<Point, 4>)),
            because("PartOf", quote!(Point))
        );
        assert_eq!(
            found(parse_quote!(ShmVec<ShmOffset<[Point; 2]>, 4>)),
            because("PartOf", quote!(Point))
        );
        assert_eq!(found(parse_quote!(Pair<T, Point>)), "SharedParts");
        assert_eq!(
            found(parse_quote!(ShmVec<Pair<Point, u8>, 4>)),
            because("PartOf", quote!(Pair<Point, u8>))
        );
        assert_eq!(found(parse_quote!(Pair<Point, Size>)), "SharedParts");
    }

    #[test]
    fn a_constant_is_not_taken_for_a_type() {
        assert_eq!(found(parse_quote!(Ring<u64, LEN>)), "Field");
        assert_eq!(found(parse_quote!(Ring<u64, N>)), "Field");
        assert_eq!(found(parse_quote!(Ring<T, limits::Len>)), "Field");
        assert_eq!(
            found(parse_quote!(ShmVec<Point, LEN>)),
            because("PartOf", quote!(Point))
        );
        assert_eq!(found(parse_quote!(Mutex<Ring<u8, LEN>>)), "Field");
        // Types of other crates may have the names of ours, and constants in front.
        assert_eq!(found(parse_quote!(Ring<LEN>)), "SharedParts");
        assert_eq!(found(parse_quote!(Broadcast<LEN>)), "SharedParts");
        assert_eq!(found(parse_quote!(SeqLock<LEN, SIZE>)), "SharedParts");
        assert_eq!(found(parse_quote!([SeqLock<N>; 2])), "Field");
        assert_eq!(found(parse_quote!(Pair<u64, LEN>)), "SharedParts");
        assert_eq!(found(parse_quote!(Pair<u64, N>)), "Field");
    }

    #[test]
    fn a_value_that_is_copied_as_a_whole_is_asked_for_that() {
        assert_eq!(
            found(parse_quote!(SeqLock<ShmVec<u64, 4>, 3>)),
            because("CopiedPartOf", quote!(ShmVec<u64, 4>))
        );
        assert_eq!(
            found(parse_quote!(SeqLock<[ShmVec<Point, 4>; 2]>)),
            because("CopiedPartOf", quote!(ShmVec<Point, 4>))
        );
        assert_eq!(
            found(parse_quote!(ShmVec<Broadcast<AtomicU64, N>, 4>)),
            because("CopiedPartOf", quote!(AtomicU64))
        );
        assert_eq!(
            found(parse_quote!(Mutex<SeqLock<[Point; 4], SLOTS>>)),
            because("WholePartOf", quote!(Point))
        );
        assert_eq!(
            found(parse_quote!(SeqLock<Pair<Point, u8>>)),
            because("WholePartOf", quote!(Pair<Point, u8>))
        );
        assert_eq!(
            found(parse_quote!(SeqLock<[[T; 2]; 2]>)),
            because("CopiedPartOf", quote!(T))
        );
        // It is not `u64` that keeps this from being shared.
        assert_eq!(found(parse_quote!(SeqLock<u64, 4, ReadOnly>)), "Field");
        assert_eq!(found(parse_quote!(SeqLock<[f32; 2], Point>)), "Field");
        assert_eq!(
            found(parse_quote!(SeqLock<String>)),
            because("OwnerPartOf", quote!(String))
        );
        assert_eq!(found(parse_quote!(Ring<ShmVec<u64, 4>, 4>)), "Field");
    }

    #[test]
    fn nothing_is_suspected_without_need() {
        assert_eq!(found(parse_quote!(Point)), "Field");
        assert_eq!(found(parse_quote!(HashMap<String, u64>)), "Field");
        assert_eq!(found(parse_quote!(Option<Box<Point>>)), "Field");
        assert_eq!(found(parse_quote!(Pair<u8, [f32; 4]>)), "Field");
        assert_eq!(found(parse_quote!(Pair<T, Option<NonZeroU8>>)), "Field");
    }
}
