//! Changes and comparisons of text, as a value and in shared memory, whatever bytes are there.

#![forbid(unsafe_code)]

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use shm_core::collections::InvalidText;
use shm_core::{Shm, ShmLayout, ShmStr};
use shm_tests::{Random, peek, poke, scribble};

fn text(content: &str) -> Shm<ShmStr<8>> {
    let shm = ShmStr::<8>::create_anonymous().unwrap();
    shm.set(content).unwrap();
    shm
}

#[test]
fn push_str_appends_all_or_nothing() {
    let shm = text("");
    let mut value = ShmStr::<8>::default();
    for (part, whole) in [("żó", "żó"), ("", "żó"), ("ł", "żół"), ("12", "żół12")] {
        shm.push_str(part).unwrap();
        value.push_str(part).unwrap();
        assert_eq!(
            (shm.get().unwrap().as_str(), value.as_str().unwrap()),
            (whole, whole)
        );
        assert_eq!((shm.len(), value.len()), (whole.len(), whole.len()));
    }
    for part in ["x", "ż", "more than all"] {
        let error = shm.push_str(part).unwrap_err();
        let len = 8 + part.len();
        assert!(
            matches!(error, InvalidText::TooLong { len: found, capacity: 8, .. } if found == len),
            "{error:?}"
        );
        assert_eq!(value.push_str(part), Err(error));
    }
    shm.push_str("").unwrap();
    shm.truncate(2);
    value.truncate(2);
    for (part, nul) in [("a\0b", 1), ("\0", 0)] {
        let error = shm.push_str(part).unwrap_err();
        assert!(matches!(error, InvalidText::Nul { at, .. } if at == nul));
        assert_eq!(value.push_str(part), Err(error));
    }
    assert_eq!((*shm.cell() == "ż", value == "ż"), (true, true));
}

#[test]
fn pop_returns_whole_characters() {
    let shm = text("a€ł\u{7f}");
    let mut value = shm.load();
    for expected in [Some('\u{7f}'), Some('ł'), Some('€'), Some('a'), None, None] {
        assert_eq!(shm.pop().unwrap(), expected);
        assert_eq!(value.pop().unwrap(), expected);
        assert_eq!(*shm.cell(), value.as_str().unwrap());
    }
    assert!((0..8).all(|at| peek(shm.cell(), at) == 0));
}

#[test]
fn truncate_never_splits_a_character() {
    for (len, left) in [
        (0, ""),
        (1, "a"),
        (2, "a"),
        (3, "a"),
        (4, "a€"),
        (5, "a€"),
        (6, "a€ł"),
        (7, "a€ł"),
        (8, "a€ł"),
        (usize::MAX, "a€ł"),
    ] {
        let shm = text("a€ł");
        let mut value = shm.load();
        shm.truncate(len);
        value.truncate(len);
        assert_eq!(shm.get().unwrap(), left, "{len}");
        assert_eq!(value.as_str().unwrap(), left, "{len}");
    }
}

#[test]
fn bytes_after_the_nul_never_join_the_text() {
    let stale = ShmStr::from_bytes(*b"ab\0xyz\xff\x80");
    let shm = text("");
    type Change = (fn(&mut ShmStr<8>), fn(&Shm<ShmStr<8>>), &'static str);
    let changes: [Change; 5] = [
        (
            |value| value.push_str("c").unwrap(),
            |shm| shm.push_str("c").unwrap(),
            "abc",
        ),
        (
            |value| write!(value, "{}", 12).unwrap(),
            |shm| write!(shm.cell(), "{}", 12).unwrap(),
            "ab12",
        ),
        (
            |value| assert_eq!(value.pop().unwrap(), Some('b')),
            |shm| assert_eq!(shm.pop().unwrap(), Some('b')),
            "a",
        ),
        (|value| value.truncate(1), |shm| shm.truncate(1), "a"),
        // Beyond the text, at a byte that continues a character.
        (|value| value.truncate(7), |shm| shm.truncate(7), "ab"),
    ];
    for (of_value, of_shm, expected) in changes {
        let mut value = stale;
        of_value(&mut value);
        assert_eq!(value, expected);
        shm.store(stale);
        of_shm(&shm);
        assert_eq!(shm.load(), expected);
        value.push_str("!").unwrap();
        shm.push_str("!").unwrap();
        assert_eq!(value, format!("{expected}!"));
        assert_eq!(*shm.cell(), format!("{expected}!"));
    }
}

#[test]
fn zeros_replace_the_old_text_and_nothing_else() {
    let shm = ShmStr::<600>::create_anonymous().unwrap();
    let bytes = || (0..600).map(|at| peek(shm.cell(), at)).collect::<Vec<_>>();
    for old in [0, 4, 5, 6, 255, 256, 257, 300, 512, 599, 600] {
        // A peer's bytes without a meaning, after the NUL.
        let mut before = [b'?'; 600];
        before[..old].fill(b'o');
        if old < 600 {
            before[old] = 0;
        }
        // The shortest text that each applies to.
        type Change = (fn(&Shm<ShmStr<600>>), Option<&'static str>, usize);
        let changes: [Change; 3] = [
            (|shm| shm.set("short").unwrap(), Some("short"), 0),
            (|shm| shm.truncate(4), Some("oooo"), 4),
            (|shm| assert_eq!(shm.pop().unwrap(), Some('o')), None, 1),
        ];
        for (change, expected, least) in changes {
            if old < least {
                continue;
            }
            shm.store(ShmStr::from_bytes(before));
            change(&shm);
            let len = expected.map_or(old.saturating_sub(1), str::len);
            let mut after = before;
            if let Some(text) = expected {
                after[..len].copy_from_slice(text.as_bytes());
            }
            // What is left of the old text, or would join the new one.
            let left = after[len..].iter_mut().take_while(|byte| **byte != 0);
            left.for_each(|byte| *byte = 0);
            assert_eq!((bytes(), shm.len()), (after.to_vec(), len), "{old}");
        }
    }
}

#[test]
fn changes_of_invalid_utf8_are_errors_or_cut_it_off() {
    let shm = text("abc");
    poke(shm.cell(), 1, 0xff);
    let mut value = shm.load();
    assert_eq!(shm.pop().unwrap_err().into_bytes(), b"a\xffc");
    assert_eq!(value.pop().unwrap_err().valid_up_to(), 1);
    assert_eq!((shm.len(), value.len()), (3, 3));
    shm.push_str("d").unwrap();
    assert_eq!(shm.to_bytes(), b"a\xffcd");
    shm.truncate(1);
    value.truncate(1);
    assert_eq!((*shm.cell() == "a", value == "a"), (true, true));
    // Nothing but bytes inside characters: cut exactly.
    shm.store(ShmStr::from_bytes([0x80; 8]));
    value = shm.load();
    shm.truncate(5);
    value.truncate(5);
    assert_eq!((shm.len(), value.len()), (5, 5));
}

#[test]
fn write_appends_formatted_text() {
    let shm = text("");
    write!(&*shm, "{}", 1).unwrap();
    write!(shm.cell(), "-{:02}", 2).unwrap();
    assert_eq!(*shm.cell(), "1-02");
    // The pieces that fit are there, the one that does not is not cut.
    let (fits, does_not) = ("abc", "de");
    assert!(write!(shm.cell(), "{fits}{does_not}").is_err());
    assert_eq!(*shm.cell(), "1-02abc");
    assert!(write!(shm.cell(), "\0").is_err());
    let mut value = ShmStr::<8>::default();
    write!(value, "{:>4}", "ł").unwrap();
    assert_eq!(value, "   ł");
    assert!(write!(value, "four{}", 1).is_err());
    shm.store(value);
    assert_eq!(shm.get().unwrap(), "   ł");
}

#[test]
fn texts_order_as_str_does() {
    let texts = ["", "a", "ab", "abc", "abcd", "b", "ł", "€", "\u{10ffff}"];
    let long = ShmStr::<600>::create_anonymous().unwrap();
    let prefix = "p".repeat(255);
    for one in texts {
        let (shm, value) = (text(one), ShmStr::<8>::new(one).unwrap());
        // Across the border between two chunks of the reader.
        long.set(&format!("{prefix}{one}")).unwrap();
        for other in texts {
            let expected = one.cmp(other);
            let owned = other.to_owned();
            assert_eq!(shm.cell().partial_cmp(other), Some(expected));
            assert_eq!((*shm).partial_cmp(&other), Some(expected));
            assert_eq!((*shm).partial_cmp(&owned), Some(expected));
            assert_eq!(other.partial_cmp(shm.cell()), Some(expected.reverse()));
            assert_eq!(owned.partial_cmp(&*shm), Some(expected.reverse()));
            assert_eq!(value.partial_cmp(other), Some(expected));
            assert_eq!(other.partial_cmp(&value), Some(expected.reverse()));
            let wider = ShmStr::<16>::new(other).unwrap();
            assert_eq!(value.partial_cmp(&wider), Some(expected));
            assert_eq!(value.cmp(&ShmStr::new(other).unwrap()), expected);
            let after = format!("{prefix}{other}");
            assert_eq!(long.cell().partial_cmp(&after), Some(expected));
            assert_eq!(*long.cell() == after, expected == Ordering::Equal);
        }
        assert!(*long.cell() > prefix[1..] && *long.cell() < "q");
    }
    assert!(*text("b") > "a" && "a" < text("b").load() && *text("b").cell() <= "b");
    let sorted: BTreeSet<_> = texts
        .iter()
        .rev()
        .map(|one| ShmStr::<8>::new(one).unwrap())
        .collect();
    assert!(sorted.iter().eq(texts.iter()));
    // By the bytes before the first NUL, UTF-8 or not.
    let stale = ShmStr::from_bytes(*b"a\0z\0");
    assert_eq!(
        stale.cmp(&ShmStr::from_bytes(*b"a\0\0\xff")),
        Ordering::Equal
    );
    assert!(ShmStr::from_bytes([0xff; 8]) > "\u{10ffff}");
}

#[test]
fn a_view_equals_a_str_reference() {
    let shm = text("Ala");
    let (view, reference) = (&*shm, "Ala");
    assert!(*view == reference);
    assert!(*view == *reference);
    assert!(reference == *view);
    assert!(view == reference);
    assert!(reference == view);
    assert!(shm.cell() == reference);
    assert!(reference == shm.cell());
}

#[test]
fn random_changes_agree_with_a_string() {
    let mut random = Random::new(3);
    let shm = ShmStr::<600>::create_anonymous().unwrap();
    let mut value = ShmStr::<600>::default();
    let mut model = String::new();
    for _ in 0..5000 {
        match random.below(4) {
            0 | 1 => {
                let part = ["a", "ł", "€", "\u{10ffff}"][random.below(4)].repeat(random.below(80));
                let fits = model.len() + part.len() <= 600;
                assert_eq!(shm.push_str(&part).is_ok(), fits);
                assert_eq!(value.push_str(&part).is_ok(), fits);
                if fits {
                    model.push_str(&part);
                }
            }
            2 => {
                let last = model.pop();
                assert_eq!((shm.pop().unwrap(), value.pop().unwrap()), (last, last));
            }
            _ => {
                let len = random.below(700);
                shm.truncate(len);
                value.truncate(len);
                let boundary = (0..=len).rev().find(|at| model.is_char_boundary(*at));
                model.truncate(boundary.unwrap());
            }
        }
        assert_eq!((shm.len(), value.len()), (model.len(), model.len()));
        assert!(*shm.cell() == model);
        assert!(value == model);
    }
}

#[test]
fn random_bytes_never_lead_out_of_bounds() {
    #[derive(ShmLayout)]
    #[repr(C)]
    struct Fenced {
        before: u64,
        text: ShmStr<7>,
        after: u8,
    }
    let shm = Fenced::create_anonymous().unwrap();
    shm.before.set(u64::MAX / 3);
    shm.after.set(0xaa);
    let done = AtomicBool::new(false);
    shm_tests::scope(|scope| {
        scope.start(|| {
            let mut random = Random::new(4);
            while !done.load(Relaxed) {
                scribble(&shm.text, &mut random);
            }
        });
        for number in 0..20_000 {
            assert!(shm.text.len() <= 7);
            let _ = shm.text.push_str("łk");
            let _ = shm.text.pop();
            shm.text.truncate(number % 9);
            let _ = write!(&shm.text, "{number}");
            let _ = shm.text < "k";
            assert_eq!((shm.before.get(), shm.after.get()), (u64::MAX / 3, 0xaa));
        }
        done.store(true, Relaxed);
    });
}
