//! How the layouts of these types are encoded and compared. The layout module itself cannot test it, as it is below this one.

use super::{ShmOffset, ShmStr, ShmVec};
use crate::layout::schema::{self, Schema};
use crate::layout::{FieldLayout, TypeLayout, with_offsets};
use crate::shm_layout::ShmLayout;

fn difference(segment: &TypeLayout, program: &TypeLayout) -> String {
    let decoded = |layout| Schema::decode(&schema::encode(layout)).unwrap();
    Schema::first_difference(&decoded(segment), &decoded(program)).unwrap()
}

#[test]
fn library_types_are_named_in_differences() {
    const A: &TypeLayout = <ShmVec<u16, 4>>::LAYOUT;
    let of = |inner: &'static TypeLayout| -> TypeLayout {
        let fields = Box::leak(Box::new(with_offsets([FieldLayout::new("a", inner)])));
        TypeLayout::structure("Outer", 0, inner.size(), inner.align(), fields)
    };
    for layout in [A, <ShmStr<5>>::LAYOUT, <ShmOffset<u8>>::LAYOUT] {
        assert_eq!(schema::encode(layout).len(), layout.schema_len());
    }
    assert_eq!(
        schema::encode(<ShmOffset<u16>>::LAYOUT)[8..16],
        u16::FINGERPRINT.to_ne_bytes()
    );
    assert_eq!(
        difference(&of(<ShmStr<5>>::LAYOUT), &of(<ShmStr<9>>::LAYOUT)),
        "field `a` is ShmStr<5> at byte 0 in the segment and ShmStr<9> at byte 0 in this program"
    );
    assert_eq!(
        difference(&of(<ShmOffset<u8>>::LAYOUT), &of(A)),
        "field `a` is ShmOffset at byte 0 in the segment and ShmVec<u16, 4> at byte 0 in this program"
    );
    assert_eq!(
        difference(&of(A), &of(<ShmVec<u16, 6>>::LAYOUT)),
        "field `a.items` is [u16; 4] at byte 8 in the segment and [u16; 6] at byte 8 in this program"
    );
    assert_eq!(
        difference(&of(A), &of(<ShmVec<i16, 4>>::LAYOUT)),
        "field `a.items[0]` is u16 at byte 8 in the segment and i16 at byte 8 in this program"
    );
}
