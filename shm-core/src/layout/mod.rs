//! Stand-in for the real layout module.

use crate::access::Access;

/// Stand-in.
#[derive(Debug)]
pub struct TypeLayout {
    name: &'static str,
    size: usize,
    align: usize,
}

#[allow(missing_docs)]
impl TypeLayout {
    pub const fn size(&self) -> usize {
        self.size
    }
    pub const fn align(&self) -> usize {
        self.align
    }
    pub const fn fingerprint(&self) -> u64 {
        (self.size as u64).wrapping_mul(31) ^ self.name.as_bytes()[0] as u64
    }
    pub const fn version(&self) -> u32 {
        0
    }
    pub const fn schema_len(&self) -> usize {
        self.name.len() + 8
    }
    pub const fn tail_stride(&self) -> Option<usize> {
        None
    }
}

pub(crate) mod schema {
    use super::TypeLayout;

    pub(crate) fn encode(layout: &TypeLayout) -> Vec<u8> {
        let mut out = (layout.size as u64).to_ne_bytes().to_vec();
        out.extend_from_slice(layout.name.as_bytes());
        out
    }

    pub(crate) struct Schema(Vec<u8>);

    impl Schema {
        pub(crate) fn decode(bytes: &[u8]) -> Result<Self, String> {
            if bytes.len() < 9 {
                return Err("it is too short".to_owned());
            }
            Ok(Self(bytes.to_vec()))
        }
        pub(crate) fn first_difference(segment: &Self, program: &Self) -> Option<String> {
            (segment.0 != program.0).then(|| {
                format!(
                    "the value is {} in the segment and {} in this program",
                    String::from_utf8_lossy(&segment.0[8..]),
                    String::from_utf8_lossy(&program.0[8..])
                )
            })
        }
    }
}

/// Stand-in.
///
/// # Safety
/// Stand-in.
pub unsafe trait ShmLayout: 'static {
    /// Stand-in.
    type View<A: Access>: ?Sized;
    /// Stand-in.
    const LAYOUT: &'static TypeLayout;
    /// Stand-in.
    #[doc(hidden)]
    fn view_at<A: Access>(payload: *const (), tail: usize) -> *const Self::View<A>;
}

macro_rules! stand_in {
    ($($t:ident)*) => {$(
        // SAFETY: stand-in.
        unsafe impl ShmLayout for $t {
            type View<A: Access> = core::sync::atomic::AtomicU8;
            const LAYOUT: &'static TypeLayout =
                &TypeLayout { name: stringify!($t), size: size_of::<$t>(), align: align_of::<$t>() };
            fn view_at<A: Access>(payload: *const (), _tail: usize) -> *const Self::View<A> {
                payload.cast()
            }
        }
        // SAFETY: stand-in.
        unsafe impl<const N: usize> ShmLayout for [$t; N] {
            type View<A: Access> = core::sync::atomic::AtomicU8;
            const LAYOUT: &'static TypeLayout =
                &TypeLayout { name: concat!("[", stringify!($t), "]"), size: size_of::<[$t; N]>(), align: align_of::<$t>() };
            fn view_at<A: Access>(payload: *const (), _tail: usize) -> *const Self::View<A> {
                payload.cast()
            }
        }
    )*};
}
stand_in!(u64 f64 u8);
