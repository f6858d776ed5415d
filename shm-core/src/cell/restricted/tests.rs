use super::*;
use crate::cell::checked::validate_each;
use crate::cell::copy::normalize;
use crate::layout::{FieldLayout, Variant};
use crate::shm_layout::ShmLayout;

/// A xorshift generator: the layouts are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % limit
    }
}

fn leaked<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

fn scalar(kind: ScalarKind) -> &'static TypeLayout {
    leaked(TypeLayout::scalar(kind, false, kind.size().min(8)))
}

fn enumeration(repr: ScalarKind, discriminants: &[i64]) -> &'static TypeLayout {
    let variants = discriminants
        .iter()
        .map(|number| Variant::new("V", number.cast_unsigned()))
        .collect::<Vec<_>>();
    leaked(TypeLayout::enumeration("E", repr, variants.leak()))
}

/// A struct of these fields, with bytes in what would be padding.
fn structure(parts: &[&'static TypeLayout]) -> &'static TypeLayout {
    let align = parts.iter().map(|part| part.align()).max().unwrap_or(1);
    let (mut fields, mut end) = (Vec::new(), 0_usize);
    let bytes = |len| leaked(TypeLayout::array(u8::LAYOUT, len));
    for part in parts {
        let offset = end.next_multiple_of(part.align());
        fields.push(FieldLayout::at("gap", end, bytes(offset - end)));
        fields.push(FieldLayout::at("part", offset, part));
        end = offset + part.size();
    }
    let size = end.next_multiple_of(align);
    fields.push(FieldLayout::at("gap", end, bytes(size - end)));
    leaked(TypeLayout::structure("S", 0, size, align, fields.leak()))
}

fn any_layout(random: &mut Random, depth: usize) -> &'static TypeLayout {
    use ScalarKind::{Bool, Char, I8, I16, I64, U8, U16, U32};
    match random.below(if depth == 0 { 11 } else { 16 }) {
        0 => scalar(ScalarKind::ALL[random.below(ScalarKind::ALL.len())]),
        1..=3 => scalar(Bool),
        4 => scalar(Char),
        5 => enumeration(U8, &[0, 1, 2]),
        6 => enumeration(I8, &[-1, 0, 1]),
        7 => enumeration(U16, &[0, 1]),
        8 => enumeration(I16, &[-2, 1, 0]),
        9 => enumeration([U8, U32][random.below(2)], &[1, 0, 5]),
        10 => enumeration(I64, &[-1, 0, 7]),
        11 | 12 => {
            let element = any_layout(random, depth - 1);
            leaked(TypeLayout::array(element, random.below(5)))
        }
        _ => {
            let parts = (0..=random.below(5)).map(|_| any_layout(random, depth - 1));
            structure(&parts.collect::<Vec<_>>())
        }
    }
}

/// Bytes of which many are values. They are aligned for every leaf.
fn bytes(random: &mut Random, len: usize) -> Vec<u64> {
    let hostile = random.below(3) == 0;
    let mut byte = || match random.below(200) {
        0 if hostile => [2, 3, 0x7F, 0x80, 0xFF][random.below(5)],
        1..20 => 1,
        _ => 0,
    };
    (0..len.div_ceil(8))
        .map(|_| u64::from_ne_bytes(std::array::from_fn(|_| byte())))
        .collect()
}

#[test]
fn a_list_mends_and_checks_what_a_walk_does() {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let rounds = if cfg!(miri) { 100 } else { 4000 };
    let (mut mended, mut accepted, mut refused, mut walked) = (0, 0, 0, 0);
    for round in 0..rounds {
        let layout = any_layout(&mut random, 3);
        let list = Restricted::of(layout);
        if layout.size() == 0 || !list.is_complete() {
            walked += usize::from(!list.is_complete());
            continue;
        }
        let count = [1, 2, 7, 64, 150][random.below(5)];
        let found = bytes(&mut random, layout.size() * count);
        let (mut listed, mut expected) = (found.clone(), found.clone());
        // SAFETY: the memory is private, and has room for this many values.
        unsafe { normalize(expected.as_mut_ptr().cast(), layout, count) };
        // SAFETY: the memory is private, aligned and initialised.
        let is_valid = unsafe { validate_each(expected.as_ptr().cast(), layout, count) }.is_ok();
        let at = listed.as_mut_ptr().cast();
        // SAFETY: the memory is private and initialised.
        let valid = unsafe { list.settle(at, layout.size(), count) };
        assert_eq!(valid, is_valid, "round {round}: {count} of {layout:?}");
        assert_eq!(listed, expected, "round {round}: {count} of {layout:?}");
        mended += usize::from(found != expected);
        accepted += usize::from(valid && layout.is_checked());
        refused += usize::from(!valid);
    }
    let least = rounds / 50;
    assert!(
        mended.min(accepted).min(refused).min(walked) > least,
        "{mended} mended, {accepted} accepted, {refused} refused, {walked} without a list"
    );
}

#[test]
fn neighbours_of_one_kind_share_a_group() {
    let (flag, byte) = (scalar(ScalarKind::Bool), scalar(ScalarKind::U8));
    let flags = structure(&[flag, flag, flag, byte]);
    let list = Restricted::of(flags);
    assert!(list.is_complete());
    assert_eq!((list.len, list.list[0].count), (1, 3));

    let array = |element, len| leaked(TypeLayout::array(element, len));
    let long = Restricted::of(array(array(flag, 100), 100));
    assert!(long.is_complete());
    assert_eq!(
        (long.len, long.list[0].count, long.list[0].stride),
        (1, 10_000, 1)
    );

    let sparse = Restricted::of(array(structure(&[flag, byte]), 50));
    assert!(sparse.is_complete());
    assert_eq!(
        (sparse.len, sparse.list[0].count, sparse.list[0].stride),
        (1, 50, 2)
    );

    // The flags of an element have one distance, the elements another.
    let many = Restricted::of(array(flags, 50));
    assert!(many.is_complete());
    assert_eq!(
        (many.len, many.list[2].count, many.list[2].stride),
        (3, 50, 4)
    );
    let wide = structure(&[array(flag, 10), byte]);
    assert!(!Restricted::of(array(wide, 50)).is_complete());
}
