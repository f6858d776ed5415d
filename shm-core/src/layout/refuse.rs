//! Why some types cannot be shared: the traits that the compiler names when it refuses one.
//!
//! [`SharedMemory`] knows the types of the standard library that it cannot hold, and for each the reason. One
//! implementation of [`ShmLayout`] covers them all, under a bound that never holds: [`SharedMemory`] has none of the
//! `Holds` traits here. Each stands for a reason, and carries the explanation and the remedy that the compiler prints
//! wherever the type turns up, also behind an alias or an associated type.
//!
//! Nothing here is for use in programs, and none of it can be implemented outside of this crate: who could
//! implement such a trait could pass a pointer off as plain data.

// Three things keep the compiler's messages short. The one implementation is for a type parameter, so that it is not
// listed among the types that implement `ShmLayout`. All others are marked `do_not_recommend`. And the bounds that fail
// are on another type (`SharedMemory`), or else their texts would give way to that of `ShmLayout`.

use super::{ShmLayout, TypeLayout};
use crate::access::Access;

mod sealed {
    /// Implemented by nothing, so that its subtraits cannot be either.
    pub trait Never<T: ?Sized> {}
    /// Implemented by the reasons.
    pub trait Reason {}
    /// The type of a constant that nobody else can write, for want of its name.
    #[derive(Debug)]
    pub struct Seal;
}

/// What can hold a type that processes share.
#[derive(Debug)]
pub enum SharedMemory {}

/// Implemented by [`SharedMemory`] for the types `T` that it knows and cannot hold.
#[diagnostic::on_unimplemented(
    message = "`{T}` cannot lie in shared memory",
    label = "not a type that processes can share",
    note = "if `{T}` is a struct of your own, give it `#[derive(ShmLayout)]` and `#[repr(C)]`; otherwise store its parts \
            as integers, floats, `bool`s or arrays"
)]
pub trait Knows<T: ?Sized> {
    /// The reason: one of the types of this module.
    type Because;
}

/// A type that can be a field of a shared struct: the same as [`ShmLayout`].
///
/// The derive asks for it because the compiler has nothing to list as its implementations. Nobody else can implement
/// it: that takes no `unsafe`, and the derive believes the layout it tells.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot lie in shared memory, because of a type that it is made of",
    label = "made of a type that processes cannot share"
)]
pub trait Field {
    /// [`ShmLayout::LAYOUT`].
    const LAYOUT: &'static TypeLayout;

    // Not a private supertrait, which every message about a field would speak of.
    #[doc(hidden)]
    const SEAL: sealed::Seal;
}

impl<T: ShmLayout> Field for T {
    const LAYOUT: &'static TypeLayout = T::LAYOUT;
    const SEAL: sealed::Seal = sealed::Seal;
}

/// A reason that allows the type `T` to be shared all the same. None does.
pub trait Allows<T: ?Sized>: sealed::Reason {}

/// The view of a type that cannot be shared: a cell of it has no methods.
#[doc(hidden)]
#[derive(Debug)]
pub struct Refused(());

// SAFETY: the bound never holds, so this is never used.
unsafe impl<T: ?Sized + 'static> ShmLayout for T
where
    SharedMemory: Knows<T>,
    <SharedMemory as Knows<T>>::Because: Allows<T>,
{
    type View<A: Access> = Refused;
    const LAYOUT: &'static TypeLayout = &TypeLayout::refused();
    fn view_at<A: Access>(payload: *const (), _: usize) -> *const Refused {
        payload.cast()
    }
}

// SAFETY: no bytes are ever described by it; the derive puts it only where it has reported an error.
#[diagnostic::do_not_recommend]
unsafe impl ShmLayout for Refused {
    type View<A: Access> = Refused;
    const LAYOUT: &'static TypeLayout = &TypeLayout::refused();
    fn view_at<A: Access>(payload: *const (), _: usize) -> *const Refused {
        payload.cast()
    }
}

macro_rules! reasons {
    ($(
        $(#[$doc:meta])*
        $reason:ident, $needs:ident {
            message: $message:literal,
            label: $label:literal,
            note: $note:literal,
            types: { $([$($param:tt)*] $ty:ty),* $(,)? }
        }
    )*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $reason {}

        impl sealed::Reason for $reason {}

        impl<T: ?Sized> Allows<T> for $reason where SharedMemory: $needs<T> {}

        $(#[$doc])*
        ///
        /// Shared memory never holds such a type. The compiler names this trait when it refuses one.
        #[diagnostic::on_unimplemented(message = $message, label = $label, note = $note)]
        pub trait $needs<T: ?Sized>: sealed::Never<T> {}

        $(
            #[diagnostic::do_not_recommend]
            impl<$($param)*> Knows<$ty> for SharedMemory {
                type Because = $reason;
            }
        )*
    )*};
}

reasons! {
    /// Addresses mean nothing in another process: pointers, references, function pointers.
    Address, HoldsAddress {
        message: "`{T}` is an address, which means nothing in another process",
        label: "an address of this process",
        note: "store the value itself, or a `ShmOffset` to its place in the same segment",
        types: {
            [T: ?Sized + 'static] *const T,
            [T: ?Sized + 'static] *mut T,
            [T: ?Sized + 'static] &'static T,
            [T: ?Sized + 'static] &'static mut T,
            [T: ?Sized + 'static] std::ptr::NonNull<T>,
            [T: 'static] std::sync::atomic::AtomicPtr<T>,
        }
    }

    /// Owners keep their contents on the heap of one process, where no other can see them.
    Heap, HoldsOwner {
        message: "`{T}` keeps its contents on this process's heap, where no other process can see them",
        label: "its contents lie on the heap",
        note: "store the contents in place: `ShmStr<64>` for a text, `ShmVec<u32, 64>` for values, or an array",
        types: {
            [T: ?Sized + 'static] Box<T>,
            [T: 'static] Vec<T>,
            [] String,
            [T: ?Sized + 'static] std::rc::Rc<T>,
            [T: ?Sized + 'static] std::rc::Weak<T>,
            [T: ?Sized + 'static] std::sync::Arc<T>,
            [T: ?Sized + 'static] std::sync::Weak<T>,
            [] std::path::PathBuf,
            [] std::ffi::OsString,
            [] std::ffi::CString,
            [T: ?Sized + ToOwned + 'static] std::borrow::Cow<'static, T>,
            [T: 'static] std::collections::VecDeque<T>,
            [T: 'static] std::collections::LinkedList<T>,
            [T: 'static] std::collections::BinaryHeap<T>,
            [T: 'static] std::collections::BTreeSet<T>,
            [K: 'static, V: 'static] std::collections::BTreeMap<K, V>,
            [T: 'static, S: 'static] std::collections::HashSet<T, S>,
            [K: 'static, V: 'static, S: 'static] std::collections::HashMap<K, V, S>,
        }
    }

    /// `usize` and `isize` have 4 bytes in one program and 8 in another.
    Width, HoldsPointerSized {
        message: "the width of `{T}` depends on the program that uses it",
        label: "4 bytes in one program, 8 in another",
        note: "write `u64` (or `i64`, or a narrower type), and convert where you use it",
        types: {
            [] usize,
            [] isize,
            [] std::sync::atomic::AtomicUsize,
            [] std::sync::atomic::AtomicIsize,
        }
    }

    /// `NonZero` must not be zero, but shared memory starts as zeroes, and other processes can write any value.
    Zero, HoldsNonZero {
        message: "`{T}` must not be zero, but shared memory starts as zeroes and peers can write any value",
        label: "zero would be an invalid value",
        note: "write `Option<{T}>`, where zero is `None`, or the plain integer",
        types: {
            [] std::num::NonZeroU8, [] std::num::NonZeroU16, [] std::num::NonZeroU32, [] std::num::NonZeroU64,
            [] std::num::NonZeroU128, [] std::num::NonZeroI8, [] std::num::NonZeroI16, [] std::num::NonZeroI32,
            [] std::num::NonZeroI64, [] std::num::NonZeroI128, [] std::num::NonZeroUsize,
            [] std::num::NonZeroIsize,
        }
    }

    /// `Option` of a plain number has a tag of its own, whose place and values the compiler chooses.
    NoNiche, HoldsTaggedOption {
        message: "`{T}` has a tag whose place the compiler chooses, differently perhaps in each program",
        label: "no layout that programs agree on",
        note: "write the value and a `bool` beside it, or `Option<NonZero..>`, where zero is `None`",
        types: {
            [] Option<u8>, [] Option<u16>, [] Option<u32>, [] Option<u64>, [] Option<u128>, [] Option<usize>,
            [] Option<i8>, [] Option<i16>, [] Option<i32>, [] Option<i64>, [] Option<i128>, [] Option<isize>,
            [] Option<f32>, [] Option<f64>, [] Option<bool>, [] Option<char>,
        }
    }

    /// Cells and locks of the standard library work between the threads of one process only.
    OneProcess, HoldsLocal {
        message: "`{T}` works only inside one process",
        label: "made for the threads or owners of one process",
        note: "write the plain type: every field of a shared struct is a cell already, read and set through `&self`",
        types: {
            [T: ?Sized + 'static] std::cell::Cell<T>,
            [T: ?Sized + 'static] std::cell::RefCell<T>,
            [T: ?Sized + 'static] std::cell::UnsafeCell<T>,
            [T: 'static] std::cell::OnceCell<T>,
            [T: ?Sized + 'static] std::sync::Mutex<T>,
            [T: ?Sized + 'static] std::sync::RwLock<T>,
            [T: 'static] std::sync::OnceLock<T>,
            [] std::sync::Condvar,
            [] std::sync::Barrier,
            [] std::sync::Once,
        }
    }

    /// The bytes of `MaybeUninit` may be anything but a value, so there is nothing to get.
    Uninit, HoldsUninit {
        message: "`{T}` may hold no value at all, and reading it would be undefined",
        label: "may be uninitialised",
        note: "write the plain type: shared memory starts as zeroes, so it always holds a value",
        types: {
            [T: 'static] std::mem::MaybeUninit<T>,
        }
    }

    /// The standard library's types for time and addresses have no layout that programs agree on.
    NoLayout, HoldsUnspecified {
        message: "the layout of `{T}` may differ from one compiler to the next",
        label: "no layout that programs agree on",
        note: "store its parts as integers: nanoseconds as `u64`, an IP address as `[u8; 4]` or `[u8; 16]`",
        types: {
            [] std::time::Duration,
            [] std::time::Instant,
            [] std::time::SystemTime,
            [] std::net::IpAddr,
            [] std::net::Ipv4Addr,
            [] std::net::Ipv6Addr,
            [] std::net::SocketAddr,
            [] str,
        }
    }
}
