//! Vectors in shared memory, whose length any process can write.

#![forbid(unsafe_code)]

use std::os::fd::AsFd;

use shm_core::collections::VecFull;
use shm_core::{Shm, ShmCell, ShmLayout, ShmStr, ShmVec};
use shm_tests::{Random, poke, poke_word, scribble};

#[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
#[repr(C)]
struct Point {
    x: f32,
    y: f32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ShmLayout)]
#[repr(u8)]
enum Mode {
    On = 1,
    Auto = 7,
}

/// Vectors between numbers that must not change.
#[derive(Debug, ShmLayout)]
#[repr(C)]
struct Table {
    before: u64,
    points: ShmVec<Point, 4>,
    // Its bytes end in the middle of a word.
    bytes: ShmVec<u8, 3>,
    after: u64,
}

const BEFORE: u64 = 0x1111_2222_3333_4444;
const AFTER: u64 = 0x5555_6666_7777_8888;

fn table() -> Shm<Table> {
    let shm = Table::create_anonymous().unwrap();
    shm.before.set(BEFORE);
    shm.after.set(AFTER);
    shm
}

fn point(number: usize) -> Point {
    Point {
        x: number as f32,
        y: -(number as f32),
    }
}

#[test]
fn a_vector_has_its_documented_c_layout() {
    assert_eq!(
        (ShmVec::<Point, 4>::SIZE, ShmVec::<Point, 4>::ALIGN),
        (40, 8)
    );
    assert_eq!((ShmVec::<u8, 3>::SIZE, ShmVec::<u8, 3>::ALIGN), (16, 8));
    assert_eq!(
        (ShmVec::<u128, 2>::SIZE, ShmVec::<u128, 2>::ALIGN),
        (48, 16)
    );
    assert_eq!(Table::LAYOUT.fields()[3].offset(), 64);
    let shm = <ShmVec<u128, 2>>::create_anonymous().unwrap();
    shm.push(7).unwrap();
    let at = |cell: &ShmCell<u128>| cell.as_ptr().addr() - shm.as_ptr().addr();
    assert_eq!(shm.get(0).map(at), Some(16));
    assert_ne!(ShmVec::<u8, 3>::FINGERPRINT, ShmVec::<u8, 4>::FINGERPRINT);
    assert_ne!(ShmVec::<u8, 3>::FINGERPRINT, ShmVec::<i8, 3>::FINGERPRINT);
}

#[test]
fn pushed_elements_are_popped() {
    let shm = table();
    assert!(shm.points.is_empty());
    assert_eq!(shm.points.pop(), None);
    for number in 0..4 {
        shm.points.push(point(number)).unwrap();
        assert_eq!(shm.points.len(), number + 1);
    }
    let VecFull(back) = shm.points.push(point(9)).unwrap_err();
    assert_eq!(back, point(9));
    assert_eq!(
        VecFull(back).to_string(),
        "the vector is full; remove elements first, or use a larger capacity"
    );

    // Another handle of the same segment, as in another process.
    let other = Table::from_fd(shm.as_fd().try_clone_to_owned().unwrap()).unwrap();
    assert_eq!(other.points.to_vec(), [0, 1, 2, 3].map(point));
    assert_eq!(other.points.pop(), Some(point(3)));
    other.points.get(0).unwrap().y.set(5.0);
    assert_eq!(shm.points.len(), 3);
    assert_eq!(
        shm.points.iter().map(|point| point.y.get()).sum::<f32>(),
        2.0
    );
    assert_eq!(shm.points.get(1..).unwrap().to_vec(), [1, 2].map(point));
    assert!(shm.points.get(3).is_none() && shm.points.get(1..4).is_none());
    assert_eq!(shm.points.as_slice().len(), 3);
    assert_eq!((&*shm.points).into_iter().count(), 3);
    let mut sum = 0.0;
    for point in &shm.points {
        sum += point.x.get();
    }
    assert_eq!(sum, 3.0);
    assert_eq!(
        format!("{:?}", shm.points),
        "[Point { x: 0.0, y: 5.0 }, Point { x: 1.0, y: -1.0 }, Point { x: 2.0, y: -2.0 }]"
    );
    shm.points.truncate(5);
    assert_eq!(shm.points.len(), 3);
    shm.points.truncate(1);
    assert_eq!(format!("{:?}", &*shm.points), "[Point { x: 0.0, y: 5.0 }]");
    shm.points.clear();
    assert!(other.points.is_empty());
    let text = format!("{shm:?}");
    assert!(text.contains("points: [], bytes: []"), "{text}");
}

#[test]
fn extend_adds_all_elements_or_none() {
    let shm = table();
    shm.bytes.extend_from_slice(&[1, 2]).unwrap();
    assert_eq!(shm.bytes.extend_from_slice(&[3, 4]), Err(VecFull(())));
    assert_eq!(shm.bytes.to_vec(), [1, 2]);
    shm.bytes.extend_from_slice(&[]).unwrap();
    shm.bytes.extend_from_slice(&[3]).unwrap();
    assert_eq!(shm.bytes.to_vec(), [1, 2, 3]);
    assert_eq!((shm.before.get(), shm.after.get()), (BEFORE, AFTER));
}

#[test]
fn random_operations_agree_with_a_std_vec() {
    let mut random = Random::new(2);
    let shm = table();
    let mut model: Vec<Point> = Vec::new();
    for number in 0..100_000 {
        match random.below(8) {
            0..=2 => {
                let fits = model.len() < 4;
                assert_eq!(shm.points.push(point(number)).is_ok(), fits);
                if fits {
                    model.push(point(number));
                }
            }
            3 | 4 => assert_eq!(shm.points.pop(), model.pop()),
            5 => {
                let more: Vec<_> = (0..random.below(4)).map(point).collect();
                let fits = model.len() + more.len() <= 4;
                assert_eq!(shm.points.extend_from_slice(&more).is_ok(), fits);
                if fits {
                    model.extend_from_slice(&more);
                }
            }
            6 => {
                let len = random.below(6);
                shm.points.truncate(len);
                model.truncate(len);
            }
            _ => {
                let at = random.below(5);
                assert_eq!(
                    shm.points.get(at).map(|cell| cell.load()),
                    model.get(at).copied()
                );
            }
        }
        assert_eq!(shm.points.len(), model.len());
        assert_eq!(shm.points.try_len().unwrap(), model.len());
        assert_eq!(shm.points.to_vec(), model);
    }
    assert_eq!((shm.before.get(), shm.after.get()), (BEFORE, AFTER));
}

#[test]
fn a_corrupt_length_is_reported_and_clamped() {
    let shm = table();
    for len in [5, 6, 1 << 32, u64::MAX / 8, u64::MAX - 1, u64::MAX] {
        poke_word(&shm.points, 0, len);
        assert_eq!(shm.points.len(), 4);
        assert_eq!(shm.points.to_vec().len(), 4);
        assert_eq!(shm.points.iter().count(), 4);
        assert!(shm.points.get(4).is_none());
        let error = shm.points.try_len().unwrap_err();
        assert_eq!((error.found(), error.path()), (len.into(), ""));
        assert_eq!(
            error.to_string(),
            format!(
                "a cell of a vector holds {len}, which is not a length of a vector of at most 4"
            )
        );
        assert_eq!(
            shm.validate().unwrap_err().to_string(),
            format!("field `points` holds {len}, which is not a length of a vector of at most 4")
        );
        assert_eq!(
            format!("{:?}", shm.points),
            format!("ShmVec(length {len} of at most 4)")
        );
        assert!(shm.points.push(point(1)).is_err());
        assert!(shm.points.extend_from_slice(&[point(1)]).is_err());
        assert!(shm.points.extend_from_slice(&[]).is_ok());
        assert_eq!(shm.points.len(), 4);
    }
    // Each of these repairs it.
    poke_word(&shm.points, 0, 99);
    shm.points.truncate(10);
    assert_eq!(shm.points.try_len().unwrap(), 4);
    poke_word(&shm.points, 0, 99);
    assert!(shm.points.pop().is_some());
    assert_eq!(shm.points.try_len().unwrap(), 3);
    poke_word(&shm.points, 0, 99);
    shm.points.clear();
    assert_eq!(shm.points.try_len().unwrap(), 0);
    assert!(shm.validate().is_ok());
    assert_eq!((shm.before.get(), shm.after.get()), (BEFORE, AFTER));
}

#[test]
fn random_bytes_never_lead_out_of_bounds() {
    let mut random = Random::new(3);
    let shm = table();
    for number in 0..50_000 {
        scribble(&shm.points, &mut random);
        scribble(&shm.bytes, &mut random);
        if random.below(4) > 0 {
            poke_word(&shm.points, 0, random.awkward(4));
            poke_word(&shm.bytes, 0, random.awkward(3));
        }
        let len = shm.points.len();
        assert!(len <= 4 && shm.bytes.len() <= 3);
        assert_eq!(
            shm.points.try_len().is_ok(),
            shm.points.try_len().ok() == Some(len)
        );
        match random.below(5) {
            0 => drop(shm.points.push(point(number))),
            1 => drop(shm.bytes.extend_from_slice(&[1, 2])),
            2 => drop((shm.points.pop(), shm.bytes.pop())),
            3 => drop(format!("{shm:?}")),
            _ => drop(shm.validate()),
        }
        assert_eq!(shm.points.iter().count(), shm.points.len());
        assert_eq!((shm.before.get(), shm.after.get()), (BEFORE, AFTER));
    }
}

#[test]
fn checked_elements_can_be_invalid() {
    // Zero is no `Mode`, but a new vector has no element.
    let shm = <ShmVec<Mode, 4>>::create_anonymous().unwrap();
    assert!(shm.validate().is_ok());
    assert_eq!(shm.try_pop().unwrap(), None);
    shm.extend_from_slice(&[Mode::On, Mode::Auto]).unwrap();
    assert_eq!(shm.try_to_vec().unwrap(), [Mode::On, Mode::Auto]);
    poke(shm.cell(), 9, 3);
    assert_eq!(shm.try_to_vec().unwrap_err().path(), "[1]");
    assert_eq!(shm.validate().unwrap_err().path(), "[1]");
    let error = shm.try_pop().unwrap_err();
    assert_eq!(
        error.to_string(),
        "field `[1]` holds 3, which is not a variant of `Mode` (On = 1, Auto = 7)"
    );
    assert_eq!(format!("{shm:?}"), r#"Shm("(anonymous)", [On, Mode(3)])"#);
    // It still exists, and can be removed.
    assert_eq!(shm.len(), 2);
    shm.truncate(1);
    assert_eq!(shm.try_pop().unwrap(), Some(Mode::On));
    assert!(shm.is_empty() && shm.validate().is_ok());
    shm.push(Mode::Auto).unwrap();
    assert_eq!(shm.get(0).unwrap().try_get().unwrap(), Mode::Auto);
    // Bytes beyond the length are no element.
    poke(shm.cell(), 10, 99);
    assert!(shm.validate().is_ok());
}

#[test]
fn vectors_nest_in_other_types() {
    let shm = <[ShmVec<ShmStr<8>, 2>; 2]>::create_anonymous().unwrap();
    shm[1].push(ShmStr::new("Ala").unwrap()).unwrap();
    shm[1].get(0).unwrap().set("Ola").unwrap();
    assert_eq!(shm[1].pop().unwrap(), "Ola");
    let none = <ShmVec<u32, 0>>::create_anonymous().unwrap();
    assert_eq!(none.push(1), Err(VecFull(1)));
    assert_eq!((none.pop(), none.capacity()), (None, 0));
    let inner = <ShmVec<ShmVec<u16, 3>, 2>>::create_anonymous().unwrap();
    assert_eq!((&inner).into_iter().count(), 0);
    poke_word(inner.cell(), 0, 2);
    inner.get(1).unwrap().push(5).unwrap();
    assert_eq!(format!("{:?}", inner.cell()), "[[], [5]]");
}

#[test]
fn a_visible_length_implies_visible_elements() {
    const N: usize = 1 << 14;
    let shm = <ShmVec<u64, N>>::create_anonymous().unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for number in 0..N as u64 {
                shm.push(number * 3 + 1).unwrap();
            }
        });
        let mut seen = 0;
        while seen < N {
            let live = shm.as_slice();
            for number in seen..live.len() {
                assert_eq!(live[number].get(), number as u64 * 3 + 1);
            }
            seen = live.len();
        }
        writer.join().unwrap();
    });
}
