//! The layouts of the sync types: one table of fields each, and one argument why they are sound.

use crate::layout::FieldLayout;

/// Implements [`ShmLayout`](crate::shm_layout::ShmLayout) for a sync type: `impl[parameters] Type[arguments], meaning;`, then each
/// field as `name at its.place: its layout;`. A type that is shared if `T` is begins with `impl[parameters with bounds] if T
/// in[parameters]`; other bounds for the documentation follow the first as `shown[..]`. Types that use claims end their first line in `meaning.claiming()`.
///
/// The type is `repr(C)` and not `Copy`, its last parameter is the access `A`, and its fields are atomics, cells, arrays and
/// `repr(C)` structs of these. The table has all of them that have bytes.
macro_rules! sync_layout {
    (impl[$($param:tt)*] $ty:ident[$($arg:ident),*], $($table:tt)*) => {
        // SAFETY: 1. The layout has all fields at the offsets that the compiler gives them. Bytes between them are padding,
        // and as the type is not `Copy` it is never moved as a whole. 2. The view is the same struct with another `A`, which
        // has no bytes: the same atomics and cells, of which a read-only view only loads. 3. The address is returned as it is.
        #[diagnostic::do_not_recommend]
        unsafe impl<$($param)*> $crate::shm_layout::ShmLayout for $ty<$($arg),*> {
            type View<A: $crate::access::Access> = $ty<$($arg,)* A>;
            const LAYOUT: &'static $crate::layout::TypeLayout =
                $crate::sync::layout::table_of_fields!($ty $($table)*);
            #[inline]
            fn view_at<A: $crate::access::Access>(payload: *const (), _: usize) -> *const Self::View<A> {
                payload.cast()
            }
        }
    };
    (impl[$($bounded:tt)*] $(shown[$($shown:tt)*])? if $with:ident in[$($param:tt)*] $ty:ident[$($arg:ident),*], $($table:tt)*) => {
        $crate::diagnostics::shared_with! {
            // SAFETY: as above.
            [$($param)*] $ty<$($arg),*>, $with;
            unsafe impl[$($bounded)*] $(shown[$($shown)*])? ShmLayout {
                type View<A: Access> = $ty<$($arg,)* A>;
                const LAYOUT: &'static TypeLayout = $crate::sync::layout::table_of_fields!($ty $($table)*);
                fn view_at<A: Access>(payload: *const (), _: usize) -> *const Self::View<A> {
                    payload.cast()
                }
            }
        }
    };
}

macro_rules! table_of_fields {
    (
        $ty:ident $meaning:ident $(.$claiming:ident())?;
        $($name:ident at $($place:tt).+: $layout:expr;)+
    ) => {
        &$crate::layout::TypeLayout::meaning(
            $crate::layout::meaning::$meaning,
            const {
                &$crate::layout::TypeLayout::structure(
                    stringify!($ty),
                    0,
                    size_of::<Self>(),
                    align_of::<Self>(),
                    const {
                        &$crate::sync::layout::at_offsets(
                            [$($crate::layout::FieldLayout::new(stringify!($name), $layout)),+],
                            [$(::std::mem::offset_of!(Self, $($place).+)),+],
                        )
                    },
                )
            },
            None,
        )
        $(.$claiming())?
    };
}

pub(super) use {sync_layout, table_of_fields};

/// Gives each field its offset.
///
/// The layouts of all fields are constants of the first argument, which the compiler evaluates before the offsets. If one of
/// them is that of a refused recursive type, it stops there, and reports no cycle in the layout of this type.
pub(super) const fn at_offsets<const N: usize>(
    mut fields: [FieldLayout; N],
    offsets: [usize; N],
) -> [FieldLayout; N] {
    let mut number = 0;
    while number < N {
        let field = fields[number];
        fields[number] = FieldLayout::at(field.name(), offsets[number], field.layout());
        number += 1;
    }
    fields
}
