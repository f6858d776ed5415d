//! The 64-bit fingerprint of a layout, computed at compile time.
//!
//! It mixes numbers into a hash, a multiplication for each; names count as one number, their FNV-1a. The compiler's interpreter
//! computes the fingerprint of every struct, so what matters is the number of steps: the derive hashes the names of fields
//! itself, and the numbers are not taken apart into bytes.
//!
//! It is not a cryptographic hash and need not be one. The fingerprint detects that two honest programs disagree;
//! a dishonest one can always write the expected number, so every byte read from a segment is treated as arbitrary
//! anyway. Within one program, where all accesses to a byte must have the same width, layouts of equal fingerprints are
//! compared part by part.

use super::{ScalarKind, tag};

const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// `a * b`, modulo 2^64.
macro_rules! times {
    ($a:expr, $b:expr) => {
        // A product in 128 bits instead of `wrapping_mul`: in constant evaluation a call is slower than arithmetic.
        (($a) as u128 * $b as u128) as u64
    };
}
pub(crate) use times;

/// The 64-bit FNV-1a of `bytes`.
pub(crate) const fn fnv(bytes: &[u8]) -> u64 {
    let (mut hash, mut i, len) = (OFFSET_BASIS, 0, bytes.len());
    while i < len {
        hash = times!(hash ^ bytes[i] as u64, PRIME);
        i += 1;
    }
    hash
}

/// `hash` after `number`. For each of the two the step is a bijection, and all bits of the number reach the low half of the
/// hash, from which the next multiplication spreads them.
macro_rules! mixed {
    ($hash:expr, $number:expr) => {{
        let product =
            $crate::layout::fingerprint::times!($hash ^ $number, 0xff51_afd7_ed55_8ccd_u64);
        product ^ (product >> 32)
    }};
}
pub(crate) use mixed;

/// A running hash of numbers, for constants.
#[derive(Clone, Copy)]
pub(crate) struct Mix(u64);

impl Mix {
    const fn new(number: u64) -> Self {
        Self(mixed!(OFFSET_BASIS, number))
    }

    pub(crate) const fn number(self, number: u64) -> Self {
        Self(mixed!(self.0, number))
    }

    /// Feeds the [`fnv`] of a name, its offset, and the fingerprint of its type, in one call.
    pub(crate) const fn field(self, name: u64, offset: u64, fingerprint: u64) -> Self {
        let hash = mixed!(self.0, name);
        let hash = mixed!(hash, offset);
        Self(mixed!(hash, fingerprint))
    }

    pub(crate) const fn text(self, text: &str) -> Self {
        self.number(fnv(text.as_bytes()))
    }

    pub(crate) const fn finish(self) -> u64 {
        self.0
    }
}

/// The machine that wrote a schema, as far as it shows in the fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ByteOrder {
    /// That of this machine.
    Native,
    /// The other one.
    Swapped,
}

/// Starts the fingerprint of a node.
const fn seed(tag: u8, order: ByteOrder) -> Mix {
    let is_big = cfg!(target_endian = "big") != matches!(order, ByteOrder::Swapped);
    Mix::new(tag as u64 + if is_big { 0x100 } else { 0 })
}

pub(crate) const fn scalar(order: ByteOrder, kind: ScalarKind, atomic: bool) -> u64 {
    let hash = seed(tag::SCALAR, order);
    hash.number(kind as u64).number(atomic as u64).finish()
}

pub(crate) const fn array(order: ByteOrder, len: usize, element: u64) -> u64 {
    let hash = seed(tag::ARRAY, order);
    hash.number(len as u64).number(element).finish()
}

pub(crate) const fn slice(order: ByteOrder, element: u64) -> u64 {
    seed(tag::SLICE, order).number(element).finish()
}

/// Starts the fingerprint of an enum. The names and discriminants of the variants follow.
pub(crate) const fn enumeration(order: ByteOrder, repr: ScalarKind, variants: usize) -> Mix {
    let hash = seed(tag::ENUM, order).number(repr as u64);
    hash.number(variants as u64)
}

pub(crate) const fn meaning(order: ByteOrder, meaning: &str, inner: u64) -> u64 {
    // Without the target: a type may contain an offset to itself, so its fingerprint would depend on itself.
    seed(tag::MEANING, order)
        .text(meaning)
        .number(inner)
        .finish()
}

/// Starts the fingerprint of a struct. A [`field`](Mix::field) for each field follows.
pub(crate) const fn structure(
    order: ByteOrder,
    size: usize,
    align: usize,
    version: u32,
    fields: usize,
) -> Mix {
    let hash = seed(tag::STRUCT, order).number(size as u64);
    let hash = hash.number(align as u64).number(version as u64);
    hash.number(fields as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fnv_matches_the_published_test_vectors() {
        assert_eq!(fnv(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn a_field_is_its_three_numbers() {
        for (offset, fingerprint) in [(0, 1), (255, u64::MAX), (70_000, 1 << 40)] {
            let start = Mix::new(4);
            assert_eq!(
                start.field(fnv(b"name"), offset, fingerprint).finish(),
                start
                    .text("name")
                    .number(offset)
                    .number(fingerprint)
                    .finish()
            );
        }
    }

    #[test]
    fn each_bit_of_each_number_changes_about_half_of_the_bits() {
        let hash = |numbers: [u64; 4]| {
            let mix = numbers
                .iter()
                .fold(Mix::new(4), |mix, number| mix.number(*number));
            // Later numbers follow in a layout.
            mix.number(1).number(2).finish()
        };
        let numbers = [0, 8, u64::MAX, 0x1234_5678_9abc_def0];
        for (at, bit) in (0..4).flat_map(|at| (0..64).map(move |bit| (at, bit))) {
            let mut changed = numbers;
            changed[at] ^= 1 << bit;
            let differing = (hash(numbers) ^ hash(changed)).count_ones();
            assert!(
                (12..=52).contains(&differing),
                "bit {bit} of number {at}: {differing}"
            );
        }
    }

    #[test]
    fn the_order_of_numbers_matters() {
        let small = 0..40_u64;
        let mut all: Vec<u64> = small
            .clone()
            .flat_map(|a| {
                small
                    .clone()
                    .map(move |b| Mix::new(4).number(a).number(b).finish())
            })
            .collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 1600);
    }
}
