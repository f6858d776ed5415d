//! The reasons, and the types of the standard library that each of them keeps out.

use super::{Allows, Knows, SharedMemory, sealed};

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

        impl sealed::Reason for $reason {}

        impl<T: ?Sized> Allows<T> for $reason
        where
            SharedMemory: $needs<T>,
        {
            const SEAL: sealed::Seal = sealed::Seal;
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
            #[diagnostic::do_not_recommend]
            impl<$($param)*> Knows<$ty> for SharedMemory {
                type Because = $reason;
                const SEAL: sealed::Seal = sealed::Seal;
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

    /// Owners keep their contents on the heap of one process, where no other can see them.
    Heap, HoldsOwner {
        message: "`{T}` keeps its contents on this process's heap, where no other process can see them",
        label: "its contents lie on the heap",
        note: "store the contents in place: `ShmStr<64>` for a text, `ShmVec<u32, 64>` for values, or an array",
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
        message: "the width of `{T}` depends on the program that uses it",
        label: "4 bytes in one program, 8 in another",
        note: "write `u64` (or `i64`, or a narrower type; of an atomic `AtomicU64`), and convert where you use it",
        PointerSizedPartOf: "the width of `{Self}` in `{W}` depends on the program that uses it",
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
        note: "write `Option<NonZero..>`, where zero is `None`, or the plain integer",
        NonZeroPartOf: "`{Self}` in `{W}` must not be zero, but shared memory starts as zeroes and peers can write any value",
        types: {
            [] std::num::NonZeroU8, [] std::num::NonZeroU16, [] std::num::NonZeroU32, [] std::num::NonZeroU64,
            [] std::num::NonZeroU128, [] std::num::NonZeroI8, [] std::num::NonZeroI16, [] std::num::NonZeroI32,
            [] std::num::NonZeroI64, [] std::num::NonZeroI128, [] std::num::NonZeroUsize,
            [] std::num::NonZeroIsize,
        }
    }

    /// Only `Option` of a `NonZero` has a place for `None` that all programs agree on.
    NoNiche, HoldsOption {
        message: "`{T}` cannot lie in shared memory: of all `Option`s only those of a `NonZero` of fixed width have one \
                  layout everywhere",
        label: "not the same in every program",
        note: "write the value and a `bool` beside it; for a number that is never 0 `Option<NonZeroU32>`; instead of an \
               optional pointer a `ShmOffset`, which can be null",
        OptionPartOf: "`{Self}` in `{W}` cannot lie in shared memory: of all `Option`s only those of a `NonZero` of fixed width have one \
                       layout everywhere",
        types: {
            [T: 'static] Option<T>,
        }
    }

    /// The compiler orders the parts of a tuple as it likes.
    Unordered, HoldsTuple {
        message: "`{T}` is a tuple, whose layout the compiler may choose differently in each program",
        label: "no layout that programs agree on",
        note: "make it a struct with `#[repr(C)]` and `#[derive(ShmLayout)]`",
        TuplePartOf: "`{Self}` in `{W}` is a tuple, whose layout the compiler may choose differently in each program",
        types: {
            [] (),
            [A: 'static] (A,),
            [A: 'static, B: 'static] (A, B),
            [A: 'static, B: 'static, C: 'static] (A, B, C),
            [A: 'static, B: 'static, C: 'static, D: 'static] (A, B, C, D),
            [A: 'static, B: 'static, C: 'static, D: 'static, E: 'static] (A, B, C, D, E),
            [A: 'static, B: 'static, C: 'static, D: 'static, E: 'static, F: 'static] (A, B, C, D, E, F),
        }
    }

    /// Cells of the standard library are for one owner, and their contents for one process.
    OneProcess, HoldsLocal {
        message: "`{T}` works only inside one process",
        label: "made for the threads or owners of one process",
        note: "write the plain type: every field of a shared struct is a cell already, read and set through `&self`",
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
               shared struct is a cell already, read and set through `&self`",
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
        note: "store the values themselves, which every process sees as soon as they are set; `shm_core::sync` has what \
               processes can wait for each other with",
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

    /// Descriptors are numbers that mean something in one process only.
    Descriptor, HoldsDescriptor {
        message: "`{T}` is an open file of this process, which other processes cannot use",
        label: "its number means nothing in another process",
        note: "store what others can open it by, such as its path in a `ShmStr<256>`, or send the descriptor over a Unix \
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

    /// The bytes of `MaybeUninit` may be anything but a value, so there is nothing to get.
    Uninit, HoldsUninit {
        message: "`{T}` may hold no value at all, and reading it would be undefined",
        label: "may be uninitialised",
        note: "write the plain type: shared memory starts as zeroes, so it always holds a value",
        UninitPartOf: "`{Self}` in `{W}` may hold no value at all, and reading it would be undefined",
        types: {
            [T: 'static] std::mem::MaybeUninit<T>,
        }
    }

    /// The standard library's types for time and addresses have no layout that programs agree on.
    NoLayout, HoldsUnspecified {
        message: "the layout of `{T}` may differ from one compiler to the next",
        label: "no layout that programs agree on",
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

    /// A slice where the derive has seen none: as an argument, or by another name.
    Slice, HoldsSlice {
        message: "`{T}` is a slice, which can only be the last field of a struct, spelled with its brackets",
        label: "its length is not part of the type",
        note: "write `tail: [u8]` as the last field; elsewhere an array such as `[u8; 64]`, or a `ShmVec<u8, 64>`",
        SlicePartOf: "`{Self}` in `{W}` is a slice, which can only be the last field of a struct, spelled with its brackets",
        types: {
            [T: 'static] [T],
        }
    }

    /// A text without a length of its own.
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

macro_rules! functions {
    ($([$($arg:ident)*])*) => {$(
        functions!(@ [$($arg)*] fn($($arg),*) -> R);
        functions!(@ [$($arg)*] unsafe fn($($arg),*) -> R);
        functions!(@ [$($arg)*] extern "C" fn($($arg),*) -> R);
        functions!(@ [$($arg)*] unsafe extern "C" fn($($arg),*) -> R);
    )*};
    (@ [$($arg:ident)*] $function:ty) => {
        #[diagnostic::do_not_recommend]
        impl<$($arg: 'static,)* R: 'static> Knows<$function> for SharedMemory {
            type Because = Function;
            const SEAL: sealed::Seal = sealed::Seal;
        }
    };
}

functions! { [] [A] [A B] [A B C] [A B C D] [A B C D E] }
