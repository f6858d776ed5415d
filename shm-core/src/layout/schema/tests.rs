use super::decode::MAX_DEPTH;
use super::*;
use crate::layout::test_layouts::{ATOMIC_U64, F32, F64, I8, I32, U8, U32, U64, array};
use crate::layout::{FieldLayout, with_offsets};

const fn field(name: &'static str, layout: &'static TypeLayout) -> FieldLayout {
    FieldLayout::new(name, layout)
}

const PAIR: &TypeLayout = &TypeLayout::structure(
    "Pair",
    3,
    8,
    4,
    const { &with_offsets([field("a", U32), field("b", U32)]) },
);
const NEST: &TypeLayout = &TypeLayout::structure(
    "Nest",
    0,
    56,
    8,
    const {
        &with_offsets([
            field("x", F64),
            field("pairs", array![F64; 3]),
            field("p", PAIR),
            field("q", PAIR),
            field("z", U64),
        ])
    },
);

fn decoded(layout: &TypeLayout) -> Schema {
    Schema::decode(&encode(layout)).unwrap()
}

#[test]
fn schema_len_is_the_encoded_length() {
    for layout in [U32, PAIR, NEST, array![array![U8; 3]; 4]] {
        assert_eq!(encode(layout).len(), layout.schema_len());
    }
}

#[test]
fn encoding_matches_the_specification() {
    assert_eq!(
        encode(U32),
        [&[1, 0, 0, 0], &4u32.to_ne_bytes()[..], &[3, 0, 0, 0]].concat()
    );
    let array = encode(array![U8; 5]);
    assert_eq!(array[..4], [2, 0, 0, 0]);
    assert_eq!(array[8..16], 5u64.to_ne_bytes());
    assert_eq!(array[16..20], [1, 0, 0, 0]);
    let pair = encode(PAIR);
    assert_eq!(pair[8..16], 8u64.to_ne_bytes(), "size");
    assert_eq!(pair[16..20], 4u32.to_ne_bytes(), "align");
    assert_eq!(pair[20..24], 3u32.to_ne_bytes(), "version");
    assert_eq!(pair[24..28], 2u32.to_ne_bytes(), "fields");
    assert_eq!(pair[28..34], [&4u16.to_ne_bytes()[..], b"Pair"].concat());
    assert_eq!(pair[34..37], [&1u16.to_ne_bytes()[..], b"a"].concat());
}

#[test]
fn prefixes_are_errors_and_changed_bytes_never_panic() {
    let bytes = encode(NEST);
    for end in 0..bytes.len() {
        assert!(Schema::decode(&bytes[..end]).is_err(), "{end} bytes");
    }
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            if let Ok(schema) = Schema::decode(&changed) {
                let _ = Schema::first_difference(&schema, &decoded(NEST));
            }
        }
    }
}

#[test]
fn deep_nesting_and_false_counts_are_errors() {
    let mut bytes = encode(U32);
    for _ in 0..MAX_DEPTH + 1 {
        let body = [&1u64.to_ne_bytes()[..], &bytes].concat();
        bytes = [
            &[2, 0, 0, 0][..],
            &u32::try_from(body.len()).unwrap().to_ne_bytes(),
            &body,
        ]
        .concat();
    }
    assert!(Schema::decode(&bytes).unwrap_err().contains("deeper"));

    let mut bytes = encode(PAIR);
    bytes[24..28].copy_from_slice(&u32::MAX.to_ne_bytes());
    assert!(Schema::decode(&bytes).is_err());
}

#[test]
fn unknown_scalars_are_errors_that_give_their_codes() {
    let mut scalar = encode(U32);
    scalar[8..10].copy_from_slice(&[99, 1]);
    assert_eq!(
        Schema::decode(&scalar).unwrap_err(),
        "the schema has an unknown scalar (code 99, atomic 1)"
    );
    // An enum without variants, in an `f64`.
    let mut enumeration = vec![5, 0, 0, 0];
    enumeration.extend(10_u32.to_ne_bytes());
    enumeration.extend([12, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(
        Schema::decode(&enumeration).unwrap_err(),
        "the schema has an enum of an unknown integer (code 12)"
    );
}

#[test]
fn unknown_nodes_are_kept_and_differ() {
    let node = |body: &[u8]| {
        let len = u32::try_from(body.len()).unwrap();
        Schema::decode(&[&[200, 0, 0, 0][..], &len.to_ne_bytes(), body].concat())
    };
    let extent = [&16u64.to_ne_bytes()[..], &8u32.to_ne_bytes()].concat();
    assert!(node(&extent[..11]).unwrap_err().contains("size"));
    node(&extent).unwrap();
    let unknown = node(&[&extent[..], &[1, 2, 3]].concat()).unwrap();
    assert_eq!(
        Schema::first_difference(&unknown, &decoded(U32)).unwrap(),
        "the payload is a type of a later format (tag 200) at byte 0 in the segment and u32 at byte 0 in this program"
    );
}

fn difference(segment: &TypeLayout, program: &TypeLayout) -> String {
    Schema::first_difference(&decoded(segment), &decoded(program)).unwrap()
}

macro_rules! layout {
    ($size:expr, $version:expr, $($name:literal: $layout:expr),*) => {
        &TypeLayout::structure("S", $version, $size, 8, const { &with_offsets([$(field($name, $layout)),*]) })
    };
}

#[test]
fn differences_are_described() {
    assert_eq!(
        Schema::first_difference(&decoded(NEST), &decoded(NEST)),
        None
    );
    let base: &TypeLayout = layout!(16, 0, "a": U64, "b": F32, "c": U32);
    assert_eq!(
        difference(base, layout!(16, 0, "a": U64, "b": U32, "c": U32)),
        "field `b` is f32 at byte 8 in the segment and u32 at byte 8 in this program"
    );
    assert_eq!(
        difference(base, layout!(16, 0, "a": U64, "b": F64)),
        "field `b` is f32 at byte 8 in the segment and f64 at byte 8 in this program"
    );
    assert_eq!(
        difference(layout!(8, 0, "a": U64), layout!(16, 0, "a": U64, "b": U64)),
        "field `b` (u64 at byte 8) is only in this program"
    );
    assert_eq!(
        difference(layout!(16, 0, "x": U64, "a": U64), layout!(8, 0, "a": U64)),
        "field `x` (u64 at byte 0) is only in the segment"
    );
    assert_eq!(
        difference(
            layout!(16, 0, "x": U64, "a": U64),
            layout!(16, 0, "a": U64, "x": U64)
        ),
        "the order of the fields differs: `x` comes first in the segment and `a` in this program"
    );
    assert_eq!(
        difference(layout!(8, 1, "a": U64), layout!(8, 2, "a": U64)),
        "the payload has version 1 in the segment and version 2 in this program"
    );
    assert_eq!(
        difference(
            layout!(8, 0, "a": array![U8; 8]),
            layout!(16, 0, "a": array![U8; 16])
        ),
        "field `a` is [u8; 8] at byte 0 in the segment and [u8; 16] at byte 0 in this program"
    );
    assert_eq!(
        difference(
            layout!(8, 0, "a": array![array![U8; 2]; 4]),
            layout!(8, 0, "a": array![array![I8; 2]; 4])
        ),
        "field `a[0][0]` is u8 at byte 0 in the segment and i8 at byte 0 in this program"
    );
    assert_eq!(
        difference(layout!(8, 0, "a": U64), layout!(8, 0, "a": ATOMIC_U64)),
        "field `a` is u64 at byte 0 in the segment and AtomicU64 at byte 0 in this program"
    );
}

#[test]
fn a_field_that_lacks_its_since_is_recognised() {
    const SLICE: &TypeLayout = &TypeLayout::slice(U64);
    let at = |level, segment, program| {
        Schema::difference_at(level, &decoded(segment), &decoded(program)).unwrap()
    };
    let (old, new): (&TypeLayout, &TypeLayout) = (
        layout!(8, 0, "a": U64),
        layout!(24, 0, "a": U64, "b": U64, "c": U64),
    );
    assert_eq!(
        at(0, old, new),
        "field `b` (u64 at byte 8) is only in this program (if this program appends it, write `#[shm(since = 1)]` on it)"
    );
    assert_eq!(
        at(1, new, old),
        "field `b` (u64 at byte 8) is only in the segment (if the segment's program appends it, write `#[shm(since = 2)]` on it \
         there)"
    );
    // Not if the fields before it differ, or if nothing can be appended.
    for other in [
        layout!(16, 0, "x": U64, "a": U64),
        layout!(16, 0, "a": F64, "b": U64),
        layout!(8, 0, "a": U64, "rest": SLICE),
    ] {
        assert!(!at(0, old, other).contains("since"));
        assert!(!at(0, other, old).contains("since"));
    }
}

#[test]
fn a_field_that_took_another_name_is_recognised() {
    let segment = layout!(16, 0, "count": U64, "b": F32, "c": U32);
    assert_eq!(
        difference(segment, layout!(16, 0, "frame": U64, "b": F32, "c": U32)),
        "field `frame` (u64 at byte 0) is called `count` in the segment (if it is the same value, add \
         `#[shm(rename = \"count\")]` to it)"
    );
    // Not if it has another type, or if either name is elsewhere on the other side.
    assert_eq!(
        difference(segment, layout!(16, 0, "frame": F64, "b": F32, "c": U32)),
        "field `count` (u64 at byte 0) is only in the segment"
    );
    assert_eq!(
        difference(segment, layout!(16, 0, "a": U64, "count": F32, "c": U32)),
        "field `a` (u64 at byte 0) is only in this program"
    );
    assert_eq!(
        difference(segment, layout!(16, 0, "b": U64, "a": F32, "c": U32)),
        "field `count` (u64 at byte 0) is only in the segment"
    );
    assert_eq!(
        difference(segment, layout!(8, 0, "b": F32, "c": U32)),
        "field `count` (u64 at byte 0) is only in the segment"
    );
}

#[test]
fn nested_differences_name_the_path_and_payload_offset() {
    const OTHER: &TypeLayout = &TypeLayout::structure(
        "Pair",
        3,
        8,
        4,
        const { &with_offsets([field("a", U32), field("b", I32)]) },
    );
    let outer = |inner: &'static TypeLayout| -> TypeLayout {
        let fields = Box::leak(Box::new(with_offsets([
            field("n", U64),
            field("pair", inner),
        ])));
        TypeLayout::structure("Outer", 0, 16, 8, fields)
    };
    assert_eq!(
        difference(&outer(PAIR), &outer(OTHER)),
        "field `pair.b` is u32 at byte 12 in the segment and i32 at byte 12 in this program"
    );
}
