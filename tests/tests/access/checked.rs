//! Enums and `char`: some bytes are not a valid value, and other processes can write any bytes.

use shm_core::layout::{LayoutKind, TypeLayout};
use shm_core::{ShmError, ShmLayout};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ShmLayout)]
#[repr(u8)]
enum Mode {
    Off,
    On,
    Auto = 7,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ShmLayout)]
#[repr(i16)]
enum Level {
    Low = -3,
    Middle,
    High,
    Zenith,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ShmLayout)]
#[repr(u64)]
enum Wide {
    First = u64::MAX,
    Second = 1,
}

#[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
#[repr(C)]
struct Inner {
    modes: [Mode; 3],
    flag: bool,
    letter: char,
}

#[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
#[repr(C)]
struct Device {
    id: u64,
    inner: [Inner; 2],
    level: Level,
    mode: Mode,
    pad: [u8; 5],
}

fn device() -> Device {
    Device {
        id: 5,
        inner: [
            Inner {
                modes: [Mode::On, Mode::Auto, Mode::Off],
                flag: true,
                letter: 'ł',
            },
            Inner {
                modes: [Mode::Off; 3],
                flag: false,
                letter: '🦀',
            },
        ],
        level: Level::Low,
        mode: Mode::Auto,
        pad: [0; 5],
    }
}

/// The byte of a cell, as a peer that ignores its type would write it.
fn poke<T>(cell: &shm_core::ShmCell<T>, offset: usize, byte: u8) {
    let at = cell.as_ptr().cast::<u8>().cast_mut().wrapping_add(offset);
    // SAFETY: the offset lies within the cell, which is live and writable; atomic, as all accesses are.
    let atomic = unsafe { std::sync::atomic::AtomicU8::from_ptr(at) };
    atomic.store(byte, std::sync::atomic::Ordering::Relaxed);
}

#[test]
fn stored_values_are_loaded_again() {
    let shm = <[Device; 2]>::options().create_anonymous_with(|shm| {
        for cell in shm.iter() {
            cell.store(device());
        }
    });
    let shm = shm.unwrap();
    assert_eq!(shm[1].try_load().unwrap(), device());
    assert_eq!(*shm.try_load_boxed().unwrap(), [device(); 2]);
    assert_eq!(shm.try_to_vec().unwrap(), [device(); 2]);
    assert_eq!(shm[0].inner[0].modes[1].try_get().unwrap(), Mode::Auto);
    assert_eq!(shm[0].inner[1].letter.try_get().unwrap(), '🦀');
    shm[0].inner[1].letter.set('x');
    shm[0].level.set(Level::High);
    assert_eq!(shm[0].inner[1].letter.try_get().unwrap(), 'x');
    assert_eq!(shm[0].level.try_get().unwrap(), Level::High);
    assert_eq!(format!("{:?}", shm[1]), format!("{:?}", device()));
}

#[test]
fn every_byte_that_is_not_a_variant_is_detected() {
    let shm = <[Mode; 4]>::create_anonymous().unwrap();
    for byte in 0..=255 {
        poke(&shm[2], 0, byte);
        match (byte, shm[2].try_get()) {
            (0, Ok(Mode::Off)) | (1, Ok(Mode::On)) | (7, Ok(Mode::Auto)) => {}
            (0 | 1 | 7, other) => panic!("{byte} gave {other:?}"),
            (_, Err(error)) => {
                assert_eq!(
                    (error.found(), error.path(), error.type_name()),
                    (byte.into(), "", "Mode")
                );
                let in_array = shm.try_load().unwrap_err();
                assert_eq!(in_array.path(), "[2]");
                assert_eq!(shm.try_to_vec().unwrap_err().path(), "[2]");
            }
            (_, Ok(mode)) => panic!("{byte} gave {mode:?}"),
        }
    }
    assert_eq!(format!("{:?}", &*shm), "[Off, Off, Mode(255), Off]");
}

#[test]
fn signed_and_wide_discriminants_are_checked() {
    let shm = Level::options()
        .create_anonymous_with(|shm| shm.set(Level::Low))
        .unwrap();
    assert_eq!(shm.try_get().unwrap(), Level::Low);
    for (bytes, expected) in [
        ([0xFD, 0xFF], Some(Level::Low)),
        ([0, 0], Some(Level::Zenith)),
        ([0xFC, 0xFF], None),
        ([1, 0], None),
    ] {
        poke(
            shm.cell(),
            0,
            if cfg!(target_endian = "little") {
                bytes[0]
            } else {
                bytes[1]
            },
        );
        poke(
            shm.cell(),
            1,
            if cfg!(target_endian = "little") {
                bytes[1]
            } else {
                bytes[0]
            },
        );
        assert_eq!(shm.try_get().ok(), expected);
    }
    assert_eq!(shm.try_get().unwrap_err().found(), 1);
    let wide = Wide::options()
        .create_anonymous_with(|shm| shm.set(Wide::First))
        .unwrap();
    assert_eq!(wide.try_get().unwrap(), Wide::First);
    wide.set(Wide::Second);
    assert_eq!(wide.try_load().unwrap(), Wide::Second);
    poke(wide.cell(), 3, 1);
    assert!(wide.try_get().is_err());
}

#[test]
fn errors_name_the_field_and_the_value() {
    let shm = Device::create_anonymous().unwrap();
    shm.store(device());
    poke(&shm.inner[1].modes[2], 0, 9);
    let error = shm.try_load().unwrap_err();
    assert_eq!(
        error.to_string(),
        "field `inner[1].modes[2]` holds 9, which is not a variant of `Mode` (Off = 0, On = 1, Auto = 7)"
    );
    assert_eq!(shm.validate().unwrap_err().path(), "inner[1].modes[2]");
    let alone = shm.inner[1].modes[2].try_get().unwrap_err();
    assert_eq!(
        alone.to_string(),
        "a cell of the enum `Mode` holds 9, which is not a variant of `Mode` (Off = 0, On = 1, Auto = 7)"
    );
    shm.inner[1].modes[2].set(Mode::On);
    assert!(shm.validate().is_ok());

    // A lone surrogate.
    poke(&shm.inner[0].letter, 1, 0xD8);
    poke(&shm.inner[0].letter, 0, 0);
    let error = shm.try_load().unwrap_err();
    assert_eq!(
        error.to_string(),
        "field `inner[0].letter` holds 55296, which is not a `char`"
    );
}

#[test]
fn creation_fails_if_zero_bytes_are_not_a_valid_value() {
    #[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
    #[repr(u32)]
    enum Kind {
        A = 1,
        B = 2,
    }
    #[derive(ShmLayout)]
    #[repr(C)]
    struct Message {
        id: u32,
        kind: Kind,
        others: [Kind; 2],
    }
    assert!(!Message::LAYOUT.zero_is_valid());
    let name = format!("/checked-zero-{}", std::process::id());
    let error = Message::create_with(&name, |message| message.kind.set(Kind::A)).unwrap_err();
    assert!(matches!(&error, ShmError::Uninitialized { value, .. } if value.path() == "others[0]"));
    assert_eq!(
        error.to_string(),
        format!(
            "segment `{name}` was not created: field `others[0]` holds 0, which is not a variant of `Kind` (A = 1, B = \
             2); set the field in the closure that initializes the segment"
        )
    );
    assert!(matches!(
        Message::attach(&name),
        Err(ShmError::NotFound { .. })
    ));
    let shm = Message::create_with(&name, |message| {
        message.kind.set(Kind::A);
        message.others.fill(Kind::B);
    });
    assert_eq!(shm.unwrap().others[1].try_get().unwrap(), Kind::B);
}

/// Structs with flags and modes in many places, so that each way to find them is taken.
macro_rules! marked {
    ($($name:ident { $($field:ident: $ty:ty),* $(,)? })*) => {$(
        #[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
        #[repr(C)]
        struct $name { $($field: $ty),* }
    )*};
}

marked! {
    Short { id: u64, size: u32, pad: [u8; 2], mark: Mark }
    Odd { id: u64, marks: [Mark; 3], mark: Mark, last: u64 }
    Bytes { before: [u8; 3], mark: Mark, after: [u8; 9] }
    Large { rows: [Odd; 5], words: [u64; 40], mark: Mark, pad: [u8; 6] }
    Scattered { parts: [Bytes; 12], tail: [Bytes; 3] }
    Mark { flag: bool, mode: Step }
}

/// Valid from 0 on without a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ShmLayout)]
#[repr(u8)]
enum Step {
    First,
    Second,
    Third,
}

/// The offsets of all marks in a value of a layout.
fn marks(layout: &'static TypeLayout, at: usize, found: &mut Vec<usize>) {
    match layout.kind() {
        LayoutKind::Struct { .. } if layout.name() == "Mark" => found.push(at),
        LayoutKind::Struct { fields, .. } => fields
            .iter()
            .for_each(|field| marks(field.layout(), at + field.offset(), found)),
        LayoutKind::Array { element, len, .. } => {
            (0..len).for_each(|i| marks(element, at + i * element.size(), found));
        }
        _ => {}
    }
}

/// Puts a foreign byte into each flag and each mode of an array, and reads the array in every way.
fn foreign_bytes_are_mended_or_refused<
    T: ShmLayout + Copy + PartialEq + std::fmt::Debug,
    const N: usize,
>() {
    let shm = <[T; N]>::create_anonymous().unwrap();
    let cell = shm.cell();
    let zeros = shm.try_to_vec().unwrap();
    let mut found = Vec::new();
    marks(<[T; N]>::LAYOUT, 0, &mut found);
    assert!(found.len() >= N);
    for &flag in found.iter().step_by(1 + found.len() / 25) {
        for byte in [2, 0x80, 0xFF] {
            poke(cell, flag, byte);
            let element = flag / size_of::<T>();
            let byte_of = |value: &[T]| {
                let at = value.as_ptr().cast::<u8>().wrapping_add(flag);
                // SAFETY: the offset lies within the values; a byte of them is read as a number.
                unsafe { at.read() }
            };
            let all = shm.try_to_vec().unwrap();
            assert_eq!(byte_of(&all), 1, "the flag at {flag}");
            assert_eq!(all, *shm.try_load_boxed().unwrap());
            assert_eq!(all[element], shm[element].try_load().unwrap());
            // The rest is unchanged.
            poke(cell, flag, 0);
            let changed = (0..N).filter(|i| all[*i] != zeros[*i]);
            assert_eq!(changed.collect::<Vec<_>>(), [element]);
        }
    }
    for &mark in found.iter().step_by(1 + found.len() / 25) {
        let (mode, element) = (mark + 1, mark / size_of::<T>());
        poke(cell, mode, 2);
        assert!(shm.try_to_vec().is_ok());
        poke(cell, mode, 3);
        let error = shm.try_to_vec().unwrap_err();
        let path = error.path();
        assert!(path.starts_with(&format!("[{element}].")), "{path}");
        assert!(
            path.ends_with("].mode") || path.ends_with("mark.mode"),
            "{path}"
        );
        assert_eq!((error.found(), error.type_name()), (3, "Step"));
        assert_eq!(shm.try_load_boxed().unwrap_err().path(), path);
        let one = shm[element].try_load().unwrap_err();
        assert_eq!(format!("[{element}].{}", one.path()), path);
        poke(cell, mode, 0);
    }
}

#[test]
fn foreign_bytes_in_any_element_are_mended_or_refused() {
    foreign_bytes_are_mended_or_refused::<Short, 1500>();
    foreign_bytes_are_mended_or_refused::<Odd, 700>();
    foreign_bytes_are_mended_or_refused::<Bytes, 900>();
    foreign_bytes_are_mended_or_refused::<Large, 50>();
    foreign_bytes_are_mended_or_refused::<Scattered, 30>();
    foreign_bytes_are_mended_or_refused::<Mark, 5000>();
}
