//! Text in shared memory, which any process can overwrite with anything.

#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering};

use shm_core::collections::InvalidText;
use shm_core::{ShmLayout, ShmStr};
use shm_tests::{Random, peek, poke, scribble};

#[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
#[repr(C)]
struct Person {
    before: u32,
    name: ShmStr<12>,
    nicknames: [ShmStr<4>; 3],
    age: u32,
}

#[test]
fn a_string_has_the_size_of_its_array() {
    assert_eq!(
        (ShmStr::<12>::SIZE, ShmStr::<12>::ALIGN, size_of::<Person>()),
        (12, 1, 32)
    );
    assert_eq!(Person::LAYOUT.fields()[1].offset(), 4);
    assert_ne!(ShmStr::<12>::FINGERPRINT, <[u8; 12]>::FINGERPRINT);
    assert_ne!(ShmStr::<12>::FINGERPRINT, ShmStr::<13>::FINGERPRINT);
}

#[test]
fn set_replaces_all_older_bytes() {
    let shm = Person::create_anonymous().unwrap();
    assert!(shm.name.is_empty());
    assert_eq!(shm.name.get().unwrap(), "");
    // The last string fills all bytes, without a NUL.
    for text in ["Ala", "Zażółć", "", "x", "twelve bytes"] {
        shm.name.set(text).unwrap();
        assert_eq!(shm.name.get().unwrap(), text);
        assert_eq!(shm.name.to_bytes(), text.as_bytes());
        assert_eq!(shm.name.is_empty(), text.is_empty());
        assert_eq!(shm.name.load().as_str().unwrap(), text);
        let rest: Vec<u8> = (text.len()..12).map(|at| peek(&shm.name, at)).collect();
        assert!(rest.iter().all(|byte| *byte == 0), "{rest:?}");
    }
    assert_eq!(shm.name.capacity(), 12);
    assert_eq!((shm.before.get(), shm.nicknames[0].is_empty()), (0, true));
}

#[test]
fn a_string_that_does_not_fit_changes_nothing() {
    let shm = Person::create_anonymous().unwrap();
    shm.name.set("Ala").unwrap();
    // The thirteenth byte is the second of `ą`, which must not be cut.
    for (text, len) in [("thirteen byte", 13), ("eleven byteą", 13), ("łłłłłłł", 14)] {
        let error = shm.name.set(text).unwrap_err();
        assert!(
            matches!(error, InvalidText::TooLong { len: found, capacity: 12, .. } if found == len),
            "{error:?}"
        );
        assert_eq!(
            error.to_string(),
            format!(
                "the text has {len} bytes, but the capacity is 12; shorten it, or use a larger `ShmStr`"
            )
        );
        assert_eq!(ShmStr::<12>::new(text), Err(error));
        assert_eq!(shm.name.get().unwrap(), "Ala");
    }
    for (text, at) in [("a\0b", 1), ("\0", 0), ("much too long, and yet\0", 22)] {
        let error = shm.name.set(text).unwrap_err();
        assert!(matches!(error, InvalidText::Nul { at: found, .. } if found == at));
        assert!(error.to_string().contains(&format!("at index {at}")));
        assert_eq!(ShmStr::<12>::try_from(text), Err(error));
        assert_eq!(text.parse::<ShmStr<12>>(), Err(error));
    }
    assert_eq!(shm.name.get().unwrap(), "Ala");
}

#[test]
fn load_and_store_include_strings() {
    let shm = <[Person; 2]>::create_anonymous().unwrap();
    let person = Person {
        before: 1,
        name: ShmStr::new("Zażółć").unwrap(),
        nicknames: [
            ShmStr::default(),
            "four".try_into().unwrap(),
            ShmStr::default(),
        ],
        age: 2,
    };
    shm[1].store(person);
    assert_eq!(shm[1].load(), person);
    assert_eq!(shm.to_vec()[1], person);
    assert_eq!(shm[1].name.get().unwrap(), "Zażółć");
    shm[1].nicknames[2].set("ab").unwrap();
    let text = r#"Person { before: 1, name: "Zażółć", nicknames: ["", "four", "ab"], age: 2 }"#;
    assert_eq!(format!("{:?}", shm[1]), text);
    assert_eq!(format!("{:?}", shm[1].load()), text);
    assert_eq!(format!("{:?}", &*shm[1].name), r#""Zażółć""#);

    // In a generic type, whose capacity is a parameter.
    #[derive(Clone, Copy, ShmLayout)]
    #[repr(C)]
    struct Labelled<T, const N: usize> {
        label: ShmStr<N>,
        value: T,
    }
    let labelled = Labelled::<u16, 6>::create_anonymous().unwrap();
    labelled.label.set("żółć").unwrap_err();
    labelled.label.set("zebra").unwrap();
    assert_eq!(labelled.load().label, "zebra");

    // A string as a whole segment.
    let text = ShmStr::<5>::create_anonymous().unwrap();
    text.set("abcde").unwrap();
    assert_eq!(text.load(), "abcde");
    assert_eq!(format!("{text:?}"), r#"Shm("(anonymous)", "abcde")"#);
}

#[test]
fn strings_compare_and_print_by_their_text() {
    let of = |bytes: &[u8; 6]| ShmStr::from_bytes(*bytes);
    let (clean, stale) = (of(b"ab\0\0\0\0"), of(b"ab\0xyz"));
    assert_eq!(clean, stale);
    assert_eq!(clean, ShmStr::<2>::new("ab").unwrap());
    assert_eq!(HashSet::from([clean, stale]).len(), 1);
    assert_eq!(stale, "ab");
    assert_eq!(stale, *"ab");
    assert_ne!(stale, "abx");
    assert_eq!((stale.as_bytes(), stale.capacity()), (b"ab".as_slice(), 6));
    assert_eq!(ShmStr::<6>::default(), "");
    assert!(ShmStr::<6>::default().is_empty());

    assert_eq!(format!("{clean}|{clean:>4}|{clean:?}"), r#"ab|  ab|"ab""#);
    let odd = of(b"a\"'\n\xffz");
    assert_eq!(format!("{odd:?}"), r#""a\"'\n\xffz""#);
    assert_eq!(format!("{odd}"), "a\"'\n\\xffz");
    assert_eq!(odd.as_str().unwrap_err().valid_up_to(), 4);
}

#[test]
fn invalid_utf8_is_an_error() {
    let shm = Person::create_anonymous().unwrap();
    shm.name.set("ab").unwrap();
    poke(&shm.name, 1, 0xff);
    let error = shm.name.get().unwrap_err();
    assert_eq!(error.utf8_error().valid_up_to(), 1);
    assert_eq!(error.into_bytes(), b"a\xff");
    assert!(shm.name.load().as_str().is_err());
    assert_eq!(format!("{:?}", shm.name), r#""a\xff""#);
    // Any bytes can follow the NUL.
    poke(&shm.name, 1, 0);
    poke(&shm.name, 7, 0xff);
    assert_eq!(shm.name.get().unwrap(), "a");
}

/// The text of these bytes, found without the library.
fn expected(bytes: &[u8]) -> Result<String, ()> {
    let text: Vec<u8> = bytes
        .iter()
        .copied()
        .take_while(|byte| *byte != 0)
        .collect();
    String::from_utf8(text).map_err(|_| ())
}

#[test]
fn random_bytes_are_a_string_or_an_error() {
    let mut random = Random::new(1);
    let shm = <[ShmStr<7>; 3]>::create_anonymous().unwrap();
    // Longer than one chunk of the reader.
    let long = ShmStr::<600>::create_anonymous().unwrap();
    let (mut texts, mut errors) = (0, 0);
    for _ in 0..20_000 {
        for cell in shm.iter() {
            scribble(cell, &mut random);
            if random.below(2) == 0 {
                for at in 0..7 {
                    poke(cell, at, b'a' + random.below(4) as u8);
                }
                poke(cell, random.below(7), 0);
            }
            let bytes: Vec<u8> = (0..7).map(|at| peek(cell, at)).collect();
            let expected = expected(&bytes);
            assert_eq!(cell.get().map_err(|_| ()), expected, "{bytes:?}");
            assert_eq!(
                cell.load().as_str().map(str::to_owned).map_err(|_| ()),
                expected
            );
            // Debug prints strings like the standard library.
            if let Ok(text) = &expected {
                assert_eq!(format!("{cell:?}"), format!("{text:?}"));
                texts += 1;
            } else {
                assert!(format!("{cell:?}").contains(r"\x"));
                errors += 1;
            }
        }
    }
    assert!(texts > 1000 && errors > 1000, "{texts} {errors}");
    for _ in 0..300 {
        let len = random.below(601);
        let text: String = (0..len)
            .map(|_| char::from(b'a' + random.below(26) as u8))
            .collect();
        long.set(&text).unwrap();
        assert_eq!(long.get().unwrap(), text);
        scribble(long.cell(), &mut random);
        let bytes: Vec<u8> = (0..600).map(|at| peek(long.cell(), at)).collect();
        assert_eq!(long.get().map_err(|_| ()), expected(&bytes));
    }
}

#[test]
fn a_read_during_a_write_gives_a_mix_or_an_error() {
    #[derive(ShmLayout)]
    #[repr(C)]
    struct Board {
        text: ShmStr<32>,
        done: AtomicU32,
    }
    let shm = Board::create_anonymous().unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for turn in 0..20_000 {
                let text = ["łłłłłłłł", "abc", "", "a longer text of ASCII alone"][turn % 4];
                shm.text.set(text).unwrap();
            }
            shm.done.store(1, Ordering::Release);
        });
        let mut reads = 0;
        while shm.done.load(Ordering::Acquire) == 0 || reads < 1000 {
            match shm.text.get() {
                Ok(text) => assert!(text.len() <= 32 && !text.contains('\0')),
                Err(error) => assert!(error.into_bytes().len() <= 32),
            }
            reads += 1;
        }
        writer.join().unwrap();
    });
    assert_eq!(shm.text.get().unwrap(), "a longer text of ASCII alone");
}

#[test]
fn strings_compare_with_str_on_either_side() {
    #[derive(ShmLayout)]
    #[repr(C)]
    struct Compared {
        long: ShmStr<600>,
        short: ShmStr<4>,
    }
    let shm = Compared::create_anonymous().unwrap();
    let empty = "";
    assert!(shm.short == empty);
    assert!(empty == shm.short);
    // Below, at and above the length of one chunk, and the full capacity.
    for len in [1, 255, 256, 257, 512, 599, 600] {
        let text = "x".repeat(len);
        shm.long.set(&text).unwrap();
        assert!(shm.long == text);
        assert!(text == shm.long);
        assert!(shm.long == text.as_str());
        assert!(text.as_str() == shm.long);
        assert!(*shm.long == *text);
        assert!(*text == *shm.long);
        assert!(shm.long.load() == text);
        assert!(text == shm.long.load());
        for other in [&text[1..], &format!("{text}x"), &format!("{}y", &text[1..])] {
            assert!(shm.long != other);
            assert!(*other != *shm.long);
            assert!(shm.long.load() != other);
            assert!(*other != shm.long.load());
        }
    }
    // Bytes after the first NUL do not count, and no text contains a NUL.
    shm.short.store(ShmStr::from_bytes(*b"a\0b\0"));
    assert_eq!(shm.short, "a");
    assert!(shm.short != "a\0");
    assert!(shm.short != "a\0b\0");
    shm.short.store(ShmStr::from_bytes(*b"a\xffbc"));
    assert_ne!(shm.short, "a\u{fffd}bc");
}
