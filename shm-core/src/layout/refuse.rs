//! Why some types are refused, in the compiler's own error messages.
//!
//! Each refused type has an implementation of [`ShmLayout`] whose bound can never hold. The bound is a trait of
//! this module, which carries the reason and the remedy as its `on_unimplemented` text. The compiler reports
//! that bound wherever the type turns up, also behind an alias, an associated type or an array.
//!
//! The traits cannot be named from outside: who could implement one could pass a pointer off as plain data.

use super::{ShmLayout, TypeLayout};
use crate::access::Access;

/// The view of what has none: a cell of it has no methods.
#[derive(Debug)]
pub struct Refused(());

/// The layout of what has none. It is never read: the bound of the implementation cannot hold.
const NONE: &TypeLayout = &TypeLayout::refused();

#[diagnostic::on_unimplemented(
    message = "`{T}` is an address, which means nothing in another process",
    label = "an address of this process",
    note = "store the value itself, or an index into an array in the same segment"
)]
pub trait Address<T: ?Sized> {}

#[diagnostic::on_unimplemented(
    message = "`{T}` keeps its contents on this process's heap, where no other process can see them",
    label = "its contents lie on the heap",
    note = "store the contents in place: an array such as `[u8; 64]` and a length"
)]
pub trait Heap<T: ?Sized> {}

#[diagnostic::on_unimplemented(
    message = "the width of `{T}` depends on the program that uses it",
    label = "4 bytes in one program, 8 in another",
    note = "write `u64` (or `i64`, or a narrower type), and convert where you use it"
)]
pub trait Width<T: ?Sized> {}

#[diagnostic::on_unimplemented(
    message = "`{T}` may never be zero, but shared memory starts as zeroes and other processes can write any value",
    label = "zero would be an invalid value",
    note = "write `Option<{T}>`, where zero is `None`, or the plain integer"
)]
pub trait NonZero<T: ?Sized> {}

#[diagnostic::on_unimplemented(
    message = "`{T}` works only inside one process",
    label = "shared by threads or owners of one process only",
    note = "write the plain type: every field of a shared struct is a cell that is read and set through `&self`"
)]
pub trait Local<T: ?Sized> {}

macro_rules! refuse {
    ($why:ident: $([$($param:tt)*] $ty:ty),* $(,)?) => {$(
        // SAFETY: the bound never holds, so this is never used.
        unsafe impl<$($param)*> ShmLayout for $ty
        where
            for<'never> (): $why<$ty>,
        {
            type View<A: Access> = Refused;
            const LAYOUT: &'static TypeLayout = NONE;
            fn view_at<A: Access>(payload: *const (), _: usize) -> *const Refused {
                payload.cast()
            }
        }
    )*};
}

refuse!(Address:
    [T: ?Sized + 'static] *const T,
    [T: ?Sized + 'static] *mut T,
    [T: ?Sized + 'static] &'static T,
    [T: ?Sized + 'static] &'static mut T,
    [T: ?Sized + 'static] std::ptr::NonNull<T>,
    [T: 'static] std::sync::atomic::AtomicPtr<T>,
);
refuse!(Heap:
    [T: ?Sized + 'static] Box<T>,
    [T: 'static] Vec<T>,
    [] String,
    [T: ?Sized + 'static] std::rc::Rc<T>,
    [T: ?Sized + 'static] std::sync::Arc<T>,
    [] std::path::PathBuf,
    [] std::ffi::OsString,
    [] std::ffi::CString,
    [T: 'static] std::collections::VecDeque<T>,
    [K: 'static, V: 'static] std::collections::BTreeMap<K, V>,
    [K: 'static, V: 'static, S: 'static] std::collections::HashMap<K, V, S>,
);
refuse!(Width:
    [] usize,
    [] isize,
    [] std::sync::atomic::AtomicUsize,
    [] std::sync::atomic::AtomicIsize,
);
refuse!(NonZero:
    [] std::num::NonZeroU8, [] std::num::NonZeroU16, [] std::num::NonZeroU32, [] std::num::NonZeroU64,
    [] std::num::NonZeroU128, [] std::num::NonZeroI8, [] std::num::NonZeroI16, [] std::num::NonZeroI32,
    [] std::num::NonZeroI64, [] std::num::NonZeroI128,
);
refuse!(Local:
    [T: ?Sized + 'static] std::cell::Cell<T>,
    [T: ?Sized + 'static] std::cell::RefCell<T>,
    [T: ?Sized + 'static] std::cell::UnsafeCell<T>,
    [T: ?Sized + 'static] std::sync::Mutex<T>,
    [T: ?Sized + 'static] std::sync::RwLock<T>,
);

// SAFETY: no bytes are ever described by it; the derive puts it only where it has reported an error.
unsafe impl ShmLayout for Refused {
    type View<A: Access> = Refused;
    const LAYOUT: &'static TypeLayout = NONE;
    fn view_at<A: Access>(payload: *const (), _: usize) -> *const Refused {
        payload.cast()
    }
}
