//! Which trait of `shm_core::diagnostics` to name when a field's type is refused, and of which argument to speak.
//!
//! Names can mislead, so nothing is refused because of what is found here. It only chooses the words of an error that
//! the trait bound on the whole type may cause.

use proc_macro2::Ident;
use syn::{GenericArgument, Generics, PathArguments, Type};

use crate::size;
use crate::ty::{element, ungroup};

/// A trait in `shm_core::diagnostics` that stands for the reason to refuse a type, such as `AddressPartOf`.
type ReasonTrait = &'static str;

/// The trait that the expansion requires of a field's type.
pub(crate) enum Diagnosis<'a> {
    /// `Field` of the type itself, which leads the compiler to the reason.
    Field,
    /// `SharedParts` of the type itself: any of its arguments could be the reason.
    SharedParts,
    /// This trait, of the argument that is the reason if the type is refused.
    Argument(ReasonTrait, &'a Type),
}

/// The trait with the best message for `ty`, should it be refused.
pub(crate) fn find<'a>(ty: &'a Type, generics: &Generics) -> Diagnosis<'a> {
    let ty = ungroup(ty);
    // These are refused for a reason of their own.
    if offender(ty).is_some_and(|(_, found)| std::ptr::eq(found, ty))
        || is(ty, "Option")
        || is_phantom(ty)
    {
        return Diagnosis::Field;
    }
    let arguments = arguments(ty);
    let found = match arguments.iter().copied().find_map(offender) {
        Some(found) => found,
        None => {
            if let Some((reason, value)) = copied(ty, generics) {
                return Diagnosis::Argument(reason, value);
            }
            match suspects(ty, generics).as_slice() {
                [] => return Diagnosis::Field,
                // Whether another type could be shared with another argument is unknown, and a constant implements no
                // trait.
                [only] if is_container(ty) && is_unit(only) => ("NothingPartOf", *only),
                // It may be the `Mutex` of the standard library.
                [only] if is(ty, "Mutex") && !may_be_constant(only, generics) => {
                    ("LockedPartOf", *only)
                }
                [only] if is_container(ty) && !may_be_constant(only, generics) => ("PartOf", *only),
                _ => return Diagnosis::SharedParts,
            }
        }
    };
    Diagnosis::Argument(found.0, found.1)
}

/// The part of `ty` that a trait bound refuses, if its name tells.
pub(crate) fn refused_by_name(ty: &Type) -> Option<&Type> {
    offender(ty).map(|(_, found)| found)
}

/// The type arguments of a path type.
pub(crate) fn arguments(ty: &Type) -> Vec<&Type> {
    let Type::Path(path) = ungroup(ty) else {
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

/// The first type in `ty` that cannot be shared, judging by its name.
fn offender(ty: &Type) -> Option<(ReasonTrait, &Type)> {
    let ty = ungroup(ty);
    let reason = match ty {
        Type::Array(array) => return offender(&array.elem),
        Type::Ptr(_) | Type::Reference(_) => "AddressPartOf",
        Type::Slice(_) => "SlicePartOf",
        Type::FnPtr(_) => "FunctionPartOf",
        // `()` is also an argument of types that store none.
        Type::Tuple(tuple) if !tuple.elems.is_empty() => "TuplePartOf",
        Type::Path(path) => {
            let name = path.path.segments.last()?.ident.to_string();
            let plain = || named(&name);
            let generic = || named_generic(&name).filter(|_| !arguments(ty).is_empty());
            match plain().or_else(generic) {
                Some(reason) => reason,
                None if is(ty, "Option") && !is_non_zero(arguments(ty).first()?) => "OptionPartOf",
                // `PhantomData` stores nothing of its argument.
                None if is(ty, "Option") || is(ty, "PhantomData") => return None,
                None => return arguments(ty).into_iter().find_map(offender),
            }
        }
        _ => return None,
    };
    Some((reason, ty))
}

fn named(name: &str) -> Option<ReasonTrait> {
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

/// Like [`named`], for names that are those of the standard library only if they have arguments.
fn named_generic(name: &str) -> Option<ReasonTrait> {
    Some(match name {
        "Range" | "RangeInclusive" | "RangeFrom" | "RangeTo" | "RangeToInclusive" => "PartsPartOf",
        "Reverse" | "Saturating" | "ManuallyDrop" => "WrapperPartOf",
        "Result" | "Poll" | "Bound" | "ControlFlow" => "ChoicePartOf",
        "Ref" | "RefMut" => "GuardPartOf",
        _ => return None,
    })
}

/// Whether `ty` is a path that ends in `name`.
fn is(ty: &Type, name: &str) -> bool {
    matches!(ungroup(ty), Type::Path(path) if path.path.segments.last().is_some_and(|last| last.ident == name))
}

/// The trait to name for the first type in `ty` that requires its value to be `Copy`.
fn copied<'a>(ty: &'a Type, generics: &Generics) -> Option<(ReasonTrait, &'a Type)> {
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
        // Only `Copy` can be missing: a container is shareable if its elements are, and never `Copy`. Numbers are
        // both, so with one of them here something else is the reason.
        _ if is_never_copied(element(value), generics) => ("CopiedPartOf", element(value)),
        _ => return None,
    })
}

/// Whether `ty` is not `Copy`, or a parameter that may not be, judging by its name.
fn is_never_copied(ty: &Type, generics: &Generics) -> bool {
    let is_atomic = matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|last| {
        last.ident.to_string().starts_with("Atomic")
    }));
    is_atomic || is_container(ty) || is_type_parameter(ty, generics)
}

fn is_unit(ty: &Type) -> bool {
    matches!(ungroup(ty), Type::Tuple(tuple) if tuple.elems.is_empty())
}

fn is_non_zero(ty: &Type) -> bool {
    offender(ty).is_some_and(|(reason, _)| reason == "NonZeroPartOf")
}

/// The type arguments of `ty` whose names do not tell whether they can be shared. Types of this library are replaced
/// by their own arguments: the first is a type, and the second a number, which may be a constant's name.
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

/// Whether `ty` is a const parameter, or a name in capitals that is not a type parameter.
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
    matches!(ungroup(ty), Type::Path(path) if path.qself.is_none() && path.path.is_ident(name))
}

/// The argument of a type of this library that can be shared exactly if its argument can.
pub(crate) fn contained(ty: &Type) -> Option<&Type> {
    let arguments = arguments(ty);
    arguments.first().copied().filter(|_| is_container(ty))
}

/// [`contained`], unless the type stores no value of its argument.
pub(crate) fn contained_in_place(ty: &Type) -> Option<&Type> {
    contained(ty).filter(|_| !is(ty, "ShmOffset"))
}

/// Whether `ty` is a `PhantomData`, judging by its name.
pub(crate) fn is_phantom(ty: &Type) -> bool {
    is(ty, "PhantomData")
}

/// Whether `ty` can be shared exactly if its first argument can, judging by its name.
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
            Diagnosis::Field => "Field".to_owned(),
            Diagnosis::SharedParts => "SharedParts".to_owned(),
            Diagnosis::Argument(reason, ty) => format!("{reason}<{}>", ty.to_token_stream()),
        }
    }

    fn reason(name: ReasonTrait, ty: impl ToTokens) -> String {
        format!("{name}<{}>", ty.to_token_stream())
    }

    #[test]
    fn offenders_are_found_at_any_depth() {
        assert_eq!(
            found(parse_quote!(ShmVec<String, 4>)),
            reason("OwnerPartOf", quote!(String))
        );
        assert_eq!(
            found(parse_quote!(Pair<u64, Pair<[*const u8; 2], u8>>)),
            reason("AddressPartOf", quote!(*const u8))
        );
        assert_eq!(
            found(parse_quote!(ShmVec<Option<u32>, N>)),
            reason("OptionPartOf", quote!(Option<u32>))
        );
        assert_eq!(
            found(parse_quote!(Pair<std::num::NonZeroUsize, T>)),
            reason("NonZeroPartOf", quote!(std::num::NonZeroUsize))
        );
    }

    #[test]
    fn a_mutex_may_be_another() {
        assert_eq!(
            found(parse_quote!(Mutex<Point>)),
            reason("LockedPartOf", quote!(Point))
        );
        // Whichever `Mutex` it is.
        assert_eq!(
            found(parse_quote!(Mutex<Vec<u8>>)),
            reason("OwnerPartOf", quote!(Vec<u8>))
        );
        assert_eq!(
            found(parse_quote!(Mutex<[usize; 2]>)),
            reason("PointerSizedPartOf", quote!(usize))
        );
        assert_eq!(
            found(parse_quote!(Mutex<[u8]>)),
            reason("SlicePartOf", quote!([u8]))
        );
        assert_eq!(found(parse_quote!(Mutex<u64>)), "Field");
    }

    #[test]
    fn some_names_are_known_by_their_arguments() {
        assert_eq!(
            found(parse_quote!(ShmVec<Range<u32>, 4>)),
            reason("PartsPartOf", quote!(Range<u32>))
        );
        assert_eq!(
            found(parse_quote!(ShmVec<Range, 4>)),
            reason("PartOf", quote!(Range))
        );
    }

    #[test]
    fn what_holds_nothing_is_told_apart() {
        assert_eq!(
            found(parse_quote!(ShmOffset<()>)),
            reason("NothingPartOf", quote!(()))
        );
        assert_eq!(found(parse_quote!(JoinHandle<()>)), "Field");
        assert_eq!(found(parse_quote!(PhantomData<fn() -> T>)), "Field");
        assert_eq!(
            found(parse_quote!(Pair<PhantomData<String>, *const u8>)),
            reason("AddressPartOf", quote!(*const u8))
        );
        assert_eq!(
            found(parse_quote!(ShmVec<fn() -> T, 4>)),
            reason("FunctionPartOf", quote!(fn() -> T))
        );
    }

    #[test]
    fn the_only_unknown_name_is_suspected() {
        assert_eq!(
            found(parse_quote!(ShmVec<Point, 4>)),
            reason("PartOf", quote!(Point))
        );
        assert_eq!(
            found(parse_quote!(ShmVec<ShmOffset<[Point; 2]>, 4>)),
            reason("PartOf", quote!(Point))
        );
        assert_eq!(found(parse_quote!(Pair<T, Point>)), "SharedParts");
        assert_eq!(
            found(parse_quote!(ShmVec<Pair<Point, u8>, 4>)),
            reason("PartOf", quote!(Pair<Point, u8>))
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
            reason("PartOf", quote!(Point))
        );
        assert_eq!(found(parse_quote!(Mutex<Ring<u8, LEN>>)), "Field");
        // Types of other crates may have the names of ours, with constants first.
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
            reason("CopiedPartOf", quote!(ShmVec<u64, 4>))
        );
        assert_eq!(
            found(parse_quote!(SeqLock<[ShmVec<Point, 4>; 2]>)),
            reason("CopiedPartOf", quote!(ShmVec<Point, 4>))
        );
        assert_eq!(
            found(parse_quote!(ShmVec<Broadcast<AtomicU64, N>, 4>)),
            reason("CopiedPartOf", quote!(AtomicU64))
        );
        assert_eq!(
            found(parse_quote!(Mutex<SeqLock<[Point; 4], SLOTS>>)),
            reason("WholePartOf", quote!(Point))
        );
        assert_eq!(
            found(parse_quote!(SeqLock<Pair<Point, u8>>)),
            reason("WholePartOf", quote!(Pair<Point, u8>))
        );
        assert_eq!(
            found(parse_quote!(SeqLock<[[T; 2]; 2]>)),
            reason("CopiedPartOf", quote!(T))
        );
        // `u64` is not the reason.
        assert_eq!(found(parse_quote!(SeqLock<u64, 4, ReadOnly>)), "Field");
        assert_eq!(found(parse_quote!(SeqLock<[f32; 2], Point>)), "Field");
        assert_eq!(
            found(parse_quote!(SeqLock<String>)),
            reason("OwnerPartOf", quote!(String))
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
