//! Enums and `char`: some bytes are not a valid value, and other processes can write any bytes.

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
