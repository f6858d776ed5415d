//! The reasons to refuse a type, and the types of the standard library that each applies to.

use super::{Itself, Refusable, Refused, SharedMemory, SharedWith, sealed};
use crate::access::Access;
use crate::layout::TypeLayout;

macro_rules! reasons {
    ($(
        $(#[$doc:meta])*
        $reason:ident, $needs:ident {
            message: $message:literal,
            label: $label:literal,
            note: $note:literal,
            $part_of:ident: $inside:literal,
            types: { $([$($param:tt)*] $ty:ty),* $(,)? }
        }
    )*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $reason {}

        // SAFETY: the bound never holds, so this is never used.
        unsafe impl<T: ?Sized + 'static> SharedWith<Itself, $reason> for T
        where
            SharedMemory: $needs<T>,
        {
            type SharedView<A: Access> = Refused;
            const SHARED_LAYOUT: &'static TypeLayout = &TypeLayout::refused();
            fn shared_view_at<A: Access>(payload: *const (), _: usize) -> *const Refused {
                payload.cast()
            }
        }

        $(#[$doc])*
        ///
        /// Shared memory never holds such a type. The compiler names this trait when it refuses one.
        #[diagnostic::on_unimplemented(message = $message, label = $label, note = $note)]
        pub trait $needs<T: ?Sized>: sealed::Never<T> {}

        part_of! {
            $(#[$doc])*
            ///
            /// The compiler names this trait when it refuses the type `W` because of such a type among its arguments.
            #[diagnostic::on_unimplemented(message = $inside, label = $label, note = $note)]
            pub trait $part_of<W>;
        }

        $(
            // SAFETY: a reason.
            #[diagnostic::do_not_recommend]
            unsafe impl<$($param)*> Refusable for $ty {
                type Argument = Itself;
                type Reason = $reason;
            }
        )*
    )*};
}

reasons! {
    /// Addresses mean nothing in another process: pointers, references, function pointers.
    Address, HoldsAddress {
        message: "`{T}` is an address, which means nothing in another process",
        label: "an address of this process",
        note: "store the value itself, or a `ShmOffset` to a place in the same segment",
        AddressPartOf: "`{Self}` in `{W}` is an address, which means nothing in another process",
        types: {
            [T: ?Sized + 'static] *const T,
            [T: ?Sized + 'static] *mut T,
            [T: ?Sized + 'static] &'static T,
            [T: ?Sized + 'static] &'static mut T,
            [T: ?Sized + 'static] std::ptr::NonNull<T>,
            [T: 'static] std::sync::atomic::AtomicPtr<T>,
        }
    }

    /// Function pointers are addresses too.
    Function, HoldsFunction {
        message: "`{T}` is the address of a function, which means nothing in another process",
        label: "an address of this process",
        note: "store a number, or an enum with `#[repr(u8)]` and the derive, and `match` on it",
        FunctionPartOf: "`{Self}` in `{W}` is the address of a function, which means nothing in another process",
        types: {}
    }

    /// Owners keep their contents on the heap of one process, which no other process can see.
    Heap, HoldsOwner {
        message: "`{T}` keeps its contents on this process's heap, where no other process can see them",
        label: "its contents are on the heap",
        note: "store the contents in place: `ShmStr<64>` for text, `ShmVec<u32, 64>` for values, or an array",
        OwnerPartOf: "`{Self}` in `{W}` keeps its contents on this process's heap, where no other process can see them",
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
        message: "the width of `{T}` depends on the program",
        label: "4 bytes in one program, 8 in another",
        note: "write `u64`, `i64` or a narrower type (for an atomic `AtomicU64`), and convert where you use it",
        PointerSizedPartOf: "the width of `{Self}` in `{W}` depends on the program",
        types: {
            [] usize,
            [] isize,
            [] std::sync::atomic::AtomicUsize,
            [] std::sync::atomic::AtomicIsize,
        }
    }

    /// `NonZero` must not be zero, but shared memory starts as zeros, and other processes can write any value.
    Zero, HoldsNonZero {
        message: "`{T}` must not be zero, but shared memory starts as zeros, and peers can write any value",
        label: "zero would be an invalid value",
        note: "write `Option<NonZero..>`, where zero is `None`, or the plain integer",
        NonZeroPartOf: "`{Self}` in `{W}` must not be zero, but shared memory starts as zeros, and peers can write \
         any value",
        types: {
            [] std::num::NonZeroU8, [] std::num::NonZeroU16, [] std::num::NonZeroU32, [] std::num::NonZeroU64,
            [] std::num::NonZeroU128, [] std::num::NonZeroI8, [] std::num::NonZeroI16, [] std::num::NonZeroI32,
            [] std::num::NonZeroI64, [] std::num::NonZeroI128, [] std::num::NonZeroUsize,
            [] std::num::NonZeroIsize,
        }
    }

    /// Only an `Option` of a `NonZero` has a fixed representation of `None`.
    NoNiche, HoldsOption {
        message: "`{T}` cannot be placed in shared memory: the only `Option`s with a fixed layout are those of a \
         fixed-width `NonZero`",
        label: "its layout differs from program to program",
        note: "write a field for the value and a `bool` next to it; for a number that is never 0, \
         `Option<NonZeroU32>`; for an optional pointer, a `ShmOffset`, which can be null",
        OptionPartOf: "`{Self}` in `{W}` cannot be placed in shared memory: the only `Option`s with a fixed layout \
         are those of a fixed-width `NonZero`",
        types: {
            [T: 'static] Option<T>,
        }
    }

    /// The compiler orders the parts of a tuple freely.
    Unordered, HoldsTuple {
        message: "`{T}` is a tuple, whose layout may differ from program to program",
        label: "no fixed layout",
        note: "write a struct with `#[repr(C)]` and `#[derive(ShmLayout)]`",
        TuplePartOf: "`{Self}` in `{W}` is a tuple, whose layout may differ from program to program",
        types: {}
    }

    /// Cells of the standard library work for one owner, or inside one process.
    OneProcess, HoldsLocal {
        message: "`{T}` works only inside one process",
        label: "made for the threads or owners of one process",
        note: "write the plain type: every field of a shared struct is a cell already, with `get` and `set`",
        LocalPartOf: "`{Self}` in `{W}` works only inside one process",
        types: {
            [T: ?Sized + 'static] std::cell::Cell<T>,
            [T: ?Sized + 'static] std::cell::RefCell<T>,
            [T: ?Sized + 'static] std::cell::UnsafeCell<T>,
            [T: 'static] std::cell::OnceCell<T>,
            [T: 'static] std::sync::OnceLock<T>,
            [T: 'static, F: 'static] std::cell::LazyCell<T, F>,
            [T: 'static, F: 'static] std::sync::LazyLock<T, F>,
        }
    }

    /// Locks of the standard library work between the threads of one process.
    Lock, HoldsLock {
        message: "`{T}` works only inside one process",
        label: "made for the threads of one process",
        note: "write `shm_core::sync::Mutex<T>`, which works between processes, or the plain type: every field of a \
         shared struct is a cell already, with `get` and `set`",
        LockPartOf: "`{Self}` in `{W}` works only inside one process",
        types: {
            [T: ?Sized + 'static] std::sync::Mutex<T>,
            [T: ?Sized + 'static] std::sync::RwLock<T>,
            [] std::sync::Condvar,
            [] std::sync::Barrier,
            [] std::sync::Once,
        }
    }

    /// Threads, and the channels between them, belong to one process.
    Thread, HoldsThread {
        message: "`{T}` belongs to the threads of one process",
        label: "made for the threads of one process",
        note: "store the values themselves, which all processes see; to wait for other processes, use the types of \
         `shm_core::sync`",
        ThreadPartOf: "`{Self}` in `{W}` belongs to the threads of one process",
        types: {
            [T: 'static] std::thread::JoinHandle<T>,
            [] std::thread::Thread,
            [] std::thread::ThreadId,
            [T: 'static] std::sync::mpsc::Sender<T>,
            [T: 'static] std::sync::mpsc::SyncSender<T>,
            [T: 'static] std::sync::mpsc::Receiver<T>,
        }
    }

    /// Descriptors are numbers that mean something only in one process.
    Descriptor, HoldsDescriptor {
        message: "`{T}` is an open file of this process, which other processes cannot use",
        label: "its number means nothing in another process",
        note: "store its path in a `ShmStr<256>`, so that others can open it, or send the descriptor over a Unix \
         socket",
        DescriptorPartOf: "`{Self}` in `{W}` is an open file of this process, which other processes cannot use",
        types: {
            [] std::os::fd::OwnedFd,
            [] std::os::fd::BorrowedFd<'static>,
            [] std::fs::File,
            [] std::net::TcpStream,
            [] std::net::TcpListener,
            [] std::net::UdpSocket,
            [] std::os::unix::net::UnixStream,
            [] std::os::unix::net::UnixListener,
            [] std::os::unix::net::UnixDatagram,
        }
    }

    /// The bytes of `MaybeUninit` may not be a valid value.
    Uninit, HoldsUninit {
        message: "`{T}` may be uninitialized, and reading it would be undefined behavior",
        label: "may be uninitialized",
        note: "write the plain type: shared memory starts as zeros, so it is always initialized",
        UninitPartOf: "`{Self}` in `{W}` may be uninitialized, and reading it would be undefined behavior",
        types: {
            [T: 'static] std::mem::MaybeUninit<T>,
        }
    }

    /// The standard library's types for times and addresses have no fixed layout.
    NoLayout, HoldsUnspecified {
        message: "the layout of `{T}` may differ from one compiler to the next",
        label: "no fixed layout",
        note: "store its parts as integers: nanoseconds as `u64`, an IP address as `[u8; 4]` or `[u8; 16]`",
        UnspecifiedPartOf: "the layout of `{Self}` in `{W}` may differ from one compiler to the next",
        types: {
            [] std::time::Duration,
            [] std::time::Instant,
            [] std::time::SystemTime,
            [] std::net::IpAddr,
            [] std::net::Ipv4Addr,
            [] std::net::Ipv6Addr,
            [] std::net::SocketAddr,
            [] std::net::SocketAddrV4,
            [] std::net::SocketAddrV6,
        }
    }

    /// Types of several parts without a fixed layout.
    Parts, HoldsParts {
        message: "the layout of `{T}` may differ from one compiler to the next",
        label: "no fixed layout",
        note: "write its parts as fields: `start: u32` and `end: u32` for a range, `size: u64` and `align: u64` for \
         a `Layout`",
        PartsPartOf: "the layout of `{Self}` in `{W}` may differ from one compiler to the next",
        types: {
            [T: 'static] std::ops::Range<T>,
            [T: 'static] std::ops::RangeInclusive<T>,
            [T: 'static] std::ops::RangeFrom<T>,
            [T: 'static] std::ops::RangeTo<T>,
            [T: 'static] std::ops::RangeToInclusive<T>,
            [] std::alloc::Layout,
        }
    }

    /// Wrappers that change how one program uses a value.
    Wrapper, HoldsWrapper {
        message: "`{T}` is a wrapper that has no cell in shared memory",
        label: "not a type that processes can share",
        note: "write the plain type, and wrap the value where you use it",
        WrapperPartOf: "`{Self}` in `{W}` is a wrapper that has no cell in shared memory",
        types: {
            [T: 'static] std::cmp::Reverse<T>,
            [T: 'static] std::num::Saturating<T>,
            [T: ?Sized + 'static] std::mem::ManuallyDrop<T>,
        }
    }

    /// Enums with data have no fixed layout, and a peer could change the data together with the variant.
    Choice, HoldsChoice {
        message: "`{T}` is an enum with data, whose layout may differ from program to program",
        label: "no fixed layout",
        note: "write an enum without data, with `#[repr(u8)]` and the derive, and a field next to it for the data \
         of each variant",
        ChoicePartOf: "`{Self}` in `{W}` is an enum with data, whose layout may differ from program to program",
        types: {
            [T: 'static, E: 'static] Result<T, E>,
            [T: 'static] std::task::Poll<T>,
            [T: 'static] std::ops::Bound<T>,
            [B: 'static, C: 'static] std::ops::ControlFlow<B, C>,
        }
    }

    /// Enums of the standard library: their numbers are its own, and other numbers would be undefined behavior.
    Foreign, HoldsForeign {
        message: "`{T}` is an enum of the standard library, for which other processes could write invalid values",
        label: "other bytes would be an invalid value",
        note: "write your own enum with `#[repr(i8)]` and the derive, and convert where you use it",
        ForeignPartOf: "`{Self}` in `{W}` is an enum of the standard library, for which other processes could write \
         invalid values",
        types: {
            [] std::cmp::Ordering,
            [] std::sync::atomic::Ordering,
            [] std::num::FpCategory,
            [] std::net::Shutdown,
            [] std::io::ErrorKind,
        }
    }

    /// Identities of types, which differ in each build.
    Identity, HoldsIdentity {
        message: "`{T}` is a different number in each build of a program",
        label: "means nothing in another program",
        note: "write your own number for each type, or an enum with `#[repr(u8)]` and the derive",
        IdentityPartOf: "`{Self}` in `{W}` is a different number in each build of a program",
        types: {
            [] std::any::TypeId,
        }
    }

    /// Errors may contain anything on the heap of one process.
    Failure, HoldsFailure {
        message: "`{T}` may keep its contents on this process's heap, where no other process can see them",
        label: "its contents may be on the heap",
        note: "store a number for the error: `i32` for `raw_os_error()`, or an enum with `#[repr(u8)]` and the \
         derive",
        FailurePartOf: "`{Self}` in `{W}` may keep its contents on this process's heap, where no other process can see them",
        types: {
            [] std::io::Error,
        }
    }

    /// Guards and other borrows belong to one process.
    Guard, HoldsGuard {
        message: "`{T}` borrows from this process, and other processes cannot use it",
        label: "borrows a value of this process",
        note: "store the value itself, or a `shm_core::sync::Mutex<T>` if processes lock it; a guard stays in the \
         process that holds the lock",
        GuardPartOf: "`{Self}` in `{W}` borrows from this process, and other processes cannot use it",
        types: {
            [T: ?Sized + 'static] std::sync::MutexGuard<'static, T>,
            [T: ?Sized + 'static] std::sync::RwLockReadGuard<'static, T>,
            [T: ?Sized + 'static] std::sync::RwLockWriteGuard<'static, T>,
            [T: ?Sized + 'static] std::cell::Ref<'static, T>,
            [T: ?Sized + 'static] std::cell::RefMut<'static, T>,
        }
    }

    /// Types without values.
    NoValue, HoldsNoValue {
        message: "`{T}` has no values, so there is nothing to share",
        label: "has no values",
        note: "remove it",
        NoValuePartOf: "`{Self}` in `{W}` has no values, so there is nothing to share",
        types: {
            [] std::convert::Infallible,
        }
    }

    /// A marker for values that must not move. In shared memory none ever does.
    Pinned, HoldsPinned {
        message: "`{T}` stores nothing, and values in shared memory never move",
        label: "has no meaning in shared memory",
        note: "remove it",
        PinnedPartOf: "`{Self}` in `{W}` stores nothing, and values in shared memory never move",
        types: {
            [] std::marker::PhantomPinned,
        }
    }

    /// Types that store nothing.
    Nothing, HoldsNothing {
        message: "`{T}` stores nothing that could be shared",
        label: "stores nothing",
        note: "remove it, or replace it by a type that is shared",
        NothingPartOf: "`{Self}` in `{W}` stores nothing that could be shared",
        types: {
            [] (),
            [] std::ops::RangeFull,
        }
    }

    /// A slice that the derive has not seen: an argument, or one behind a name.
    Slice, HoldsSlice {
        message: "`{T}` is a slice, which can only be the last field of a struct, written as `[T]`",
        label: "its length is not part of the type",
        note: "write `tail: [u8]` as the last field; elsewhere, an array such as `[u8; 64]`, or a `ShmVec<u8, 64>`",
        SlicePartOf: "`{Self}` in `{W}` is a slice, which can only be the last field of a struct, written as `[T]`",
        types: {
            [T: 'static] [T],
        }
    }

    /// A text without a fixed length.
    Text, HoldsText {
        message: "`{T}` has a length that is not part of the type, and other processes could make its bytes invalid",
        label: "a text of any length",
        note: "write `ShmStr<64>`, or bytes: `[u8; 64]`",
        TextPartOf: "`{Self}` in `{W}` has a length that is not part of the type, and other processes could make its bytes invalid",
        types: {
            [] str,
            [] std::ffi::CStr,
            [] std::ffi::OsStr,
            [] std::path::Path,
        }
    }
}

macro_rules! refused {
    ($reason:ident: [$($arg:ident)*] $ty:ty) => {
        // SAFETY: a reason.
        #[diagnostic::do_not_recommend]
        unsafe impl<$($arg: 'static),*> Refusable for $ty {
            type Argument = Itself;
            type Reason = $reason;
        }
    };
}

/// Function pointers and tuples with these arguments.
macro_rules! functions_and_tuples {
    ($([$($arg:ident)*])*) => {$(
        refused! { Function: [$($arg)* R] fn($($arg),*) -> R }
        refused! { Function: [$($arg)* R] unsafe fn($($arg),*) -> R }
        refused! { Function: [$($arg)* R] extern "C" fn($($arg),*) -> R }
        refused! { Function: [$($arg)* R] unsafe extern "C" fn($($arg),*) -> R }
        refused! { Function: [$($arg)* R] extern "system" fn($($arg),*) -> R }
        refused! { Function: [$($arg)* R] unsafe extern "system" fn($($arg),*) -> R }
        refused! { Function: [$($arg)* R] unsafe extern "C" fn($($arg,)* ...) -> R }
        refused! { Function: [$($arg)* R] extern "C" fn($($arg,)* ...) -> R }
        refused! { Unordered: [$($arg)*] ($($arg,)*) }
    )*};
}

functions_and_tuples! {
    [A]
    [A B]
    [A B C]
    [A B C D]
    [A B C D E]
    [A B C D E F]
    [A B C D E F G]
    [A B C D E F G H]
    [A B C D E F G H I]
    [A B C D E F G H I J]
    [A B C D E F G H I J K]
    [A B C D E F G H I J K L]
}

refused! { Function: [R] fn() -> R }
refused! { Function: [R] unsafe fn() -> R }
refused! { Function: [R] extern "C" fn() -> R }
refused! { Function: [R] unsafe extern "C" fn() -> R }
refused! { Function: [R] extern "system" fn() -> R }
refused! { Function: [R] unsafe extern "system" fn() -> R }
