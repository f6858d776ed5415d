//! A type with a cell of every kind, and code that uses all of them, whatever bytes they hold.

use std::fmt::Write;
use std::hint::black_box;
use std::num::{NonZeroU64, Wrapping};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicI16, AtomicU8, AtomicU32, AtomicU64};

use shm_core::{Access, InvalidValue, ReadOnly, Shm, ShmLayout, ShmOffset, ShmStr, ShmVec};

/// A nested struct, and the element of the trailing slice.
#[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
#[repr(C)]
pub struct Part {
    /// A leaf of four bytes.
    pub number: u32,
    /// An array of leaves.
    pub few: [u16; 3],
    /// Any byte but 0 is true.
    pub flag: bool,
    /// A leaf of one byte.
    pub tiny: i8,
}

/// Most bytes are not a variant.
#[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
#[repr(u8)]
pub enum Color {
    /// Zero is a value.
    Red = 0,
    /// Not consecutive.
    Green = 3,
    /// Nor consecutive either.
    Blue = 200,
}

/// Every kind of leaf, array, struct and atomic.
#[derive(Clone, Copy, Debug, ShmLayout)]
#[repr(C)]
pub struct Leaves {
    /// Two accesses.
    pub wide: u128,
    /// Two accesses.
    pub signed_wide: i128,
    /// A float.
    pub float: f64,
    /// An unsigned integer.
    pub long: u64,
    /// A signed integer.
    pub signed: i64,
    /// Zero is `None`.
    pub option: Option<NonZeroU64>,
    /// Arrays of arrays.
    pub grid: [[u32; 4]; 4],
    /// A short float.
    pub short_float: f32,
    /// Most numbers are not a character.
    pub letter: char,
    /// Structs.
    pub parts: [Part; 4],
    /// Enums.
    pub colors: [Color; 4],
    /// A wrapper.
    pub wrapping: Wrapping<u16>,
    /// A signed integer of two bytes.
    pub short: i16,
    /// A leaf of four bytes.
    pub word: u32,
    /// Bools.
    pub flags: [bool; 4],
    /// The last field.
    pub last: u64,
}

/// Fields with a length or an offset that any peer can write.
#[derive(Debug, ShmLayout)]
#[repr(C)]
pub struct Collections {
    /// Text.
    pub text: ShmStr<24>,
    /// Numbers.
    pub numbers: ShmVec<u32, 6>,
    /// Most bytes are not a variant.
    pub colors: ShmVec<Color, 8>,
    /// Structs.
    pub parts: ShmVec<Part, 2>,
    /// Resolves to a part, or fails.
    pub offset: ShmOffset<Part>,
    /// Resolves to a value of larger alignment, or fails.
    pub wide: ShmOffset<u128>,
}

/// All of the above, atomics, and a trailing slice.
#[derive(ShmLayout)]
#[repr(C, align(64))]
pub struct Everything {
    /// Fields without atomics.
    pub leaves: Leaves,
    /// Fields with lengths and offsets.
    pub collections: Collections,
    /// Eight bytes.
    pub atomic_long: AtomicU64,
    /// Four bytes.
    pub atomic_word: AtomicU32,
    /// Two bytes.
    pub atomic_short: AtomicI16,
    /// One byte.
    pub atomic_byte: AtomicU8,
    /// Any byte but 0 is true.
    pub atomic_flag: AtomicBool,
    /// As many as the creator asked for.
    pub tail: [Part],
}

/// Reads every cell in every way, and returns an error if an enum or a character was invalid.
///
/// # Panics
///
/// If a value contradicts what its type promises.
pub fn read_everything<A: Access>(shm: &Shm<Everything, A>) -> Result<(), InvalidValue> {
    let leaves = &shm.leaves;
    black_box((leaves.wide.get(), leaves.signed_wide.get()));
    black_box((leaves.float.get(), leaves.short_float.get()));
    black_box((leaves.long.get(), leaves.signed.get(), leaves.short.get()));
    black_box((
        leaves.option.get(),
        leaves.wrapping.get(),
        leaves.word.get(),
    ));
    for row in &leaves.grid {
        for cell in row {
            black_box(cell.get());
        }
    }
    for part in leaves.parts.iter().chain(shm.tail.iter()) {
        let value = part.load();
        // Whatever the byte, a `bool` is one of two values.
        assert!(u8::from(value.flag) <= 1 && u8::from(part.flag.get()) <= 1);
        black_box((part.few[2].get(), part.number.get(), part.tiny.get()));
    }
    black_box(leaves.flags.to_vec());
    let atomics = (
        shm.atomic_long.read_only().load(Relaxed),
        shm.atomic_word.read_only().load(Relaxed),
        shm.atomic_short.read_only().load(Relaxed),
        shm.atomic_byte.read_only().load(Relaxed),
    );
    black_box((atomics, shm.atomic_flag.read_only().load(Relaxed)));
    let tail = shm.tail.to_vec();
    assert_eq!(tail.len(), shm.tail.len());
    assert!(shm.tail.get(tail.len()).is_none());
    let mut rows = [[0; 4]; 4];
    leaves.grid.read_into(&mut rows);
    black_box((rows, tail));
    // As text, as a debugger would.
    black_box(format!("{leaves:?}"));
    for color in &leaves.colors {
        let value = color.try_get();
        black_box(
            value
                .as_ref()
                .map_or_else(ToString::to_string, |color| format!("{color:?}")),
        );
    }
    read_collections(shm);
    leaves.letter.try_get()?;
    leaves.colors.try_to_vec()?;
    leaves.try_load()?;
    leaves.try_load_boxed()?;
    shm.validate()
}

fn read_collections<A: Access>(shm: &Shm<Everything, A>) {
    let all = &shm.collections;
    assert!(all.text.to_bytes().len() <= 24 && all.text.len() <= 24);
    black_box(all.text < "some text");
    if let Ok(text) = all.text.get() {
        assert!(text.len() <= 24);
    }
    assert!(all.numbers.len() <= 6 && all.numbers.as_slice().len() <= 6);
    assert!(all.numbers.try_len().is_ok_and(|len| len <= 6) || all.numbers.try_len().is_err());
    assert!(all.numbers.to_vec().len() <= 6 && all.numbers.get(6).is_none());
    assert!(all.numbers != [0; 7]);
    black_box((
        all.numbers.is_full(),
        all.parts.last().map(|part| part.load()),
    ));
    for number in all.numbers.iter() {
        black_box(number.get());
    }
    if let Ok(colors) = all.colors.try_to_vec() {
        assert!(colors.len() <= 8);
    }
    for part in all.parts.iter() {
        black_box(part.load());
    }
    // Whatever an offset says, it resolves only to places inside the segment.
    let inside = |place: usize, size: usize| {
        let end = Everything::SIZE + shm.tail.len() * size_of::<Part>();
        let from = place.wrapping_sub(shm.as_ptr() as usize);
        assert!(from < end && from + size <= end);
    };
    if let Ok(part) = shm.resolve(all.offset.get()) {
        inside(std::ptr::from_ref(part) as usize, size_of::<Part>());
        black_box(part.load());
    }
    if let Ok(wide) = shm.resolve(all.wide.get()) {
        inside(std::ptr::from_ref(wide) as usize, 16);
        assert!((std::ptr::from_ref(wide) as usize).is_multiple_of(align_of::<u128>()));
        black_box(wide.get());
    }
    black_box(format!("{:?}", shm.collections));
}

fn write_collections(shm: &Shm<Everything>, number: u32) {
    let all = &shm.collections;
    // Full or not, and whatever the length says.
    let _ = all.text.push_str("łk");
    let _ = write!(&all.text, "{number}");
    let _ = all.text.pop();
    all.text.truncate(9);
    let _ = all.text.set("some text");
    let _ = all.numbers.push(number);
    let _ = all.numbers.extend_from_slice(&[1, 2]);
    black_box(all.numbers.pop());
    let at = number as usize % 8;
    let _ = all.numbers.insert(at, number);
    black_box((all.numbers.remove(at), all.numbers.swap_remove(at)));
    let _ = all.numbers.extend(0..3);
    all.numbers.retain(|cell| cell.get() % 2 == 0);
    let _ = all.numbers.resize(at, number);
    all.numbers.truncate(3);
    let _ = all.colors.push(Color::Blue);
    let _ = all.colors.insert(at, Color::Green);
    let _ = (all.colors.try_remove(at), all.colors.try_swap_remove(at));
    all.colors.retain(|cell| cell.try_get().is_ok());
    let _ = all.colors.try_pop();
    let _ = all.parts.push(shm.leaves.parts[1].load());
    let _ = all.parts.insert(0, shm.leaves.parts[2].load());
    black_box(all.parts.pop());
    all.parts.clear();
    // Random offsets are resolved too: only every other round writes a valid one.
    if number.is_multiple_of(2) {
        all.offset.set(shm.offset_of(&shm.leaves.parts[2]));
        all.wide.set(shm.offset_of(&shm.leaves.wide));
    }
}

/// Writes every cell, and reads some back.
pub fn write_everything(shm: &Shm<Everything>, number: u32) {
    let leaves = &shm.leaves;
    let part = Part {
        number,
        few: [number as u16; 3],
        flag: number.is_multiple_of(2),
        tiny: number as i8,
    };
    leaves.wide.set(u128::from(number) << 70);
    leaves.signed_wide.set(-i128::from(number));
    leaves.float.set(f64::from(number));
    leaves.long.set(u64::from(number));
    leaves.signed.set(-i64::from(number));
    leaves.option.set(NonZeroU64::new(u64::from(number)));
    leaves.grid.fill([number; 4]);
    leaves.grid[1][1..3].write_from(&[1, 2]);
    leaves.short_float.set(1.5);
    leaves.letter.set('\u{10ffff}');
    leaves.parts.fill(part);
    leaves
        .colors
        .write_from(&[Color::Red, Color::Green, Color::Blue, Color::Red]);
    leaves.wrapping.set(Wrapping(number as u16));
    leaves.short.set(-1);
    leaves.word.set(number);
    leaves.flags.fill(true);
    leaves.last.set(1);
    write_collections(shm, number);
    shm.tail.fill(part);
    if let Some(first) = shm.tail.get(0) {
        first.store(part);
    }
    shm.atomic_long.fetch_add(1, Relaxed);
    shm.atomic_word.fetch_xor(number, Relaxed);
    shm.atomic_short.store(2, Relaxed);
    shm.atomic_byte.swap(3, Relaxed);
    shm.atomic_flag.store(true, Relaxed);
    if let Ok(value) = leaves.try_load() {
        leaves.store(value);
    }
}

/// Reads through a read-only handle.
///
/// # Errors
///
/// If an enum or a character is invalid.
pub fn read_only_everything(shm: &Shm<Everything, ReadOnly>) -> Result<(), InvalidValue> {
    read_everything(shm)
}
