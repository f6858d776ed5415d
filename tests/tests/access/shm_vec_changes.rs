//! Changes of vectors that move elements or add several, whatever length a peer writes meanwhile.

#![forbid(unsafe_code)]

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use shm_core::collections::{InsertError, VecFull};
use shm_core::{Shm, ShmLayout, ShmValue, ShmVec};
use shm_tests::{Random, peek, poke, poke_word, scribble};

type Small = Shm<ShmVec<u32, 5>>;

fn vector(values: &[u32]) -> Small {
    let shm = <ShmVec<u32, 5>>::create_anonymous().unwrap();
    shm.extend_from_slice(values).unwrap();
    shm
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ShmLayout)]
#[repr(u8)]
enum Mode {
    On = 1,
    Auto = 7,
}

/// Vectors between numbers that must not change.
#[derive(ShmLayout)]
#[repr(C)]
struct Fenced {
    before: u64,
    numbers: ShmVec<u32, 5>,
    modes: ShmVec<Mode, 9>,
    after: u64,
}

fn fenced() -> Shm<Fenced> {
    let shm = Fenced::create_anonymous().unwrap();
    shm.before.set(u64::MAX / 3);
    shm.after.set(u64::MAX / 5);
    shm
}

fn fence_stands(shm: &Shm<Fenced>) -> bool {
    (shm.before.get(), shm.after.get()) == (u64::MAX / 3, u64::MAX / 5)
}

#[test]
fn insert_and_remove_move_the_elements_after() {
    let shm = vector(&[1, 2, 4]);
    shm.insert(2, 3).unwrap();
    assert_eq!(*shm.cell(), [1, 2, 3, 4]);
    shm.insert(4, 5).unwrap();
    assert!(shm.is_full());
    assert_eq!(shm.insert(0, 9), Err(InsertError::Full(9)));
    assert_eq!(shm.remove(0), Some(1));
    assert_eq!(shm.remove(3), Some(5));
    assert_eq!(shm.remove(3), None);
    assert_eq!(*shm.cell(), [2, 3, 4]);
    assert_eq!(shm.insert(4, 9), Err(InsertError::OutOfBounds(9)));
    assert_eq!(shm.insert(usize::MAX, 9), Err(InsertError::OutOfBounds(9)));
    assert_eq!(shm.remove(usize::MAX), None);
    assert_eq!(shm.swap_remove(0), Some(2));
    assert_eq!(*shm.cell(), [4, 3]);
    assert_eq!(shm.swap_remove(1), Some(3));
    assert_eq!((shm.swap_remove(1), shm.swap_remove(0)), (None, Some(4)));
    assert_eq!((shm.remove(0), shm.swap_remove(0)), (None, None));
    assert!(!shm.is_full() && shm.last().is_none());
    shm.insert(0, 6).unwrap();
    assert_eq!(shm.last().map(|cell| cell.get()), Some(6));
}

#[test]
fn insert_errors_return_the_value_and_give_advice() {
    let (full, out) = (InsertError::Full(1), InsertError::OutOfBounds(2));
    assert_eq!((full.into_inner(), out.into_inner()), (1, 2));
    assert_eq!(full.to_string(), VecFull(1).to_string());
    assert_eq!(
        out.to_string(),
        "the vector has fewer elements than the index; insert at most at `len()`, or use `push`"
    );
    assert_eq!(format!("{out:?}"), format!("{out} (OutOfBounds(..))"));
}

#[test]
fn extend_stops_at_the_first_value_without_room() {
    let shm = vector(&[1]);
    shm.extend([]).unwrap();
    shm.extend(2..4).unwrap();
    assert_eq!(*shm.cell(), [1, 2, 3]);
    // An endless iterator, whose next value stays in it.
    let mut numbers = 4..;
    assert_eq!(shm.extend(numbers.by_ref()), Err(VecFull(6)));
    assert_eq!(numbers.next(), Some(7));
    assert_eq!(*shm.cell(), [1, 2, 3, 4, 5]);
    assert_eq!(shm.extend([9]), Err(VecFull(9)));
    shm.extend([]).unwrap();
    // Nothing is visible before the iterator ends.
    shm.truncate(2);
    let seen = (7..9).inspect(|_| assert_eq!(*shm.cell(), [1, 2]));
    shm.extend(seen).unwrap();
    assert_eq!(*shm.cell(), [1, 2, 7, 8]);
    let failing = (0..2).map(|number| if number == 0 { 9 } else { panic!("no more") });
    assert!(catch_unwind(AssertUnwindSafe(|| shm.extend(failing))).is_err());
    assert_eq!(*shm.cell(), [1, 2, 7, 8]);
}

#[test]
fn resize_removes_or_appends_copies() {
    let shm = vector(&[1, 2, 3]);
    shm.resize(5, 9).unwrap();
    assert_eq!(*shm.cell(), [1, 2, 3, 9, 9]);
    assert_eq!(shm.resize(6, 0), Err(VecFull(())));
    assert_eq!(shm.resize(usize::MAX, 0), Err(VecFull(())));
    assert_eq!(shm.len(), 5);
    shm.resize(2, 8).unwrap();
    assert_eq!(*shm.cell(), [1, 2]);
    shm.resize(3, 8).unwrap();
    assert_eq!(*shm.cell(), [1, 2, 8]);
    shm.resize(0, 7).unwrap();
    assert!(shm.is_empty());
}

#[test]
fn retain_keeps_the_order_and_can_change_elements() {
    let shm = vector(&[1, 2, 3, 4, 5]);
    let mut asked = Vec::new();
    shm.retain(|cell| {
        asked.push(cell.get());
        cell.set(cell.get() * 10);
        cell.get() % 20 != 0
    });
    assert_eq!(asked, [1, 2, 3, 4, 5]);
    assert_eq!(*shm.cell(), [10, 30, 50]);
    let panic = catch_unwind(AssertUnwindSafe(|| {
        shm.retain(|cell| {
            assert!(cell.get() < 50, "the last one");
            false
        });
    }));
    assert!(panic.is_err());
    assert_eq!(*shm.cell(), [10, 30, 50]);
    // What the closure does to the vector itself does not last.
    shm.retain(|_| shm.push(7).is_ok() || shm.pop().is_some());
    assert_eq!(shm.len(), 3);
    shm.retain(|_| false);
    assert!(shm.is_empty());
    shm.retain(|_| unreachable!("there are no elements"));
}

#[test]
fn vectors_equal_slices_arrays_and_vecs() {
    let shm = vector(&[1, 2]);
    let (cell, view, slice) = (shm.cell(), &*shm, &[1, 2][..]);
    assert!(*cell == [1, 2]);
    assert!([1, 2] == *cell);
    assert!(*cell == vec![1, 2]);
    assert!(vec![1, 2] == *cell);
    assert!(*cell == [1, 2][..]);
    assert!([1, 2][..] == *cell);
    assert!(*cell == slice);
    assert!(slice == *cell);
    assert!(*view == [1, 2]);
    assert!([1, 2] == *view);
    assert!(*view == vec![1, 2]);
    assert!(vec![1, 2] == *view);
    assert!(*view == [1, 2][..]);
    assert!([1, 2][..] == *view);
    assert!(*view == slice);
    assert!(slice == *view);
    for other in [&[1][..], &[1, 3], &[1, 2, 0], &[]] {
        assert!(*cell != *other && *other != *view);
    }
    assert!(*cell == shm.to_vec());
    shm.clear();
    assert_eq!(*cell, []);
    // A read-only view, and a corrupt length.
    poke_word(cell, 0, 99);
    assert_eq!(*cell.read_only(), [1, 2, 0, 0, 0]);
}

/// Elements of type `T` under random operations, next to a `Vec`.
fn agrees_with_a_vec<T, const N: usize>(seed: u64, of: impl Fn(usize) -> T)
where
    T: ShmLayout + ShmValue + PartialEq + fmt::Debug,
{
    let mut random = Random::new(seed);
    let shm = <ShmVec<T, N>>::create_anonymous().unwrap();
    let mut model: Vec<T> = Vec::new();
    for number in 0..3000 {
        let len = model.len();
        let at = random.below(len + 2);
        match random.below(10) {
            0..=2 => {
                let inserted = shm.insert(at, of(number));
                if at > len {
                    assert_eq!(inserted, Err(InsertError::OutOfBounds(of(number))));
                } else if len == N {
                    assert_eq!(inserted, Err(InsertError::Full(of(number))));
                } else {
                    inserted.unwrap();
                    model.insert(at, of(number));
                }
            }
            3 | 4 => {
                let removed = (at < len).then(|| model.remove(at));
                assert_eq!(shm.remove(at), removed);
            }
            5 => {
                let removed = (at < len).then(|| model.swap_remove(at));
                assert_eq!(shm.swap_remove(at), removed);
            }
            6 => {
                let modulus = 2 + random.below(20);
                let answers: Vec<bool> = (0..len).map(|_| random.below(modulus) > 0).collect();
                let mut answer = answers.iter();
                shm.retain(|_| *answer.next().unwrap());
                let mut answer = answers.iter();
                model.retain(|_| *answer.next().unwrap());
            }
            7 => {
                let new = random.below(N + 2);
                assert_eq!(shm.resize(new, of(number)).is_ok(), new <= N);
                if new <= N {
                    model.resize(new, of(number));
                }
            }
            _ => {
                let count = random.below(N);
                let result = shm.extend((0..count).map(|more| of(number + more)));
                let room = N - len;
                model.extend((0..count.min(room)).map(|more| of(number + more)));
                let left = (count > room).then(|| VecFull(of(number + room)));
                assert_eq!(result.err(), left);
            }
        }
        assert_eq!(*shm.cell(), model);
        assert_eq!(shm.try_len().unwrap(), model.len());
        assert_eq!(shm.is_full(), model.len() == N);
        assert_eq!(shm.last().map(|cell| cell.load()), model.last().copied());
    }
}

#[test]
fn random_changes_agree_with_a_std_vec() {
    // Moved in bulk, in one chunk or several, and one at a time.
    agrees_with_a_vec::<u8, 700>(1, |number| number as u8);
    agrees_with_a_vec::<u64, 300>(2, |number| number as u64);
    agrees_with_a_vec::<[u32; 5], 100>(3, |number| [number as u32; 5]);
    agrees_with_a_vec::<[u64; 9], 20>(4, |number| [number as u64; 9]);
    agrees_with_a_vec::<bool, 40>(5, |number| number.is_multiple_of(3));
    agrees_with_a_vec::<u128, 1>(6, |number| number as u128);
}

#[test]
fn every_change_copes_with_a_corrupt_length() {
    let mut random = Random::new(7);
    let shm = fenced();
    for number in 0..30_000 {
        scribble(&shm.numbers, &mut random);
        scribble(&shm.modes, &mut random);
        if random.below(4) > 0 {
            poke_word(&shm.numbers, 0, random.awkward(5));
            poke_word(&shm.modes, 0, random.awkward(9));
        }
        let (len, at) = (shm.numbers.len(), random.below(8));
        assert_eq!(shm.numbers.is_full(), len == 5);
        assert_eq!(shm.numbers.last().is_some(), len > 0);
        let modes = shm.modes.len();
        let (numbers_left, modes_left) = match random.below(7) {
            0 => {
                let fits = at <= len && len < 5;
                assert_eq!(shm.numbers.insert(at, number).is_ok(), fits);
                let fits = at <= modes && modes < 9;
                assert_eq!(shm.modes.insert(at, Mode::On).is_ok(), fits);
                continue;
            }
            1 => {
                let mode = shm.modes.try_remove(at);
                let gone = usize::from(matches!(mode, Ok(Some(_))));
                let found = shm.numbers.remove(at).is_some();
                (len - usize::from(found), modes - gone)
            }
            2 => {
                let mode = shm.modes.try_swap_remove(at);
                let gone = usize::from(matches!(mode, Ok(Some(_))));
                let found = shm.numbers.swap_remove(at).is_some();
                (len - usize::from(found), modes - gone)
            }
            3 => {
                let mut odd = 0;
                shm.numbers.retain(|cell| {
                    odd += usize::from(cell.get() % 2 == 1);
                    cell.get() % 2 == 1
                });
                let mut valid = 0;
                shm.modes.retain(|cell| {
                    valid += usize::from(cell.try_get().is_ok());
                    cell.try_get().is_ok()
                });
                assert_eq!(shm.modes.try_to_vec().unwrap().len(), valid);
                (odd, valid)
            }
            4 => {
                assert_eq!(shm.numbers.resize(at, 3).is_ok(), at <= 5);
                shm.modes.resize(at, Mode::Auto).unwrap();
                (if at <= 5 { at } else { len }, at)
            }
            5 => {
                assert_eq!(shm.numbers.extend(0..2).is_ok(), len <= 3);
                assert_eq!(shm.modes.extend([Mode::On]).is_ok(), modes < 9);
                (5.min(len + 2), 9.min(modes + 1))
            }
            _ => {
                assert_eq!(*shm.numbers, shm.numbers.to_vec());
                (len, modes)
            }
        };
        assert_eq!(
            (shm.numbers.len(), shm.modes.len()),
            (numbers_left, modes_left)
        );
        assert!(fence_stands(&shm));
    }
}

#[test]
fn changes_repair_a_corrupt_length() {
    let shm = vector(&[1, 2, 3, 4, 5]);
    let broken = || poke_word(shm.cell(), 0, u64::MAX);
    let repaired = || shm.try_len().unwrap();
    broken();
    assert_eq!(shm.insert(0, 9), Err(InsertError::Full(9)));
    assert_eq!((shm.remove(0), repaired()), (Some(1), 4));
    broken();
    assert_eq!((shm.swap_remove(0), repaired()), (Some(2), 4));
    broken();
    assert!(shm.extend([]).is_ok());
    assert_eq!(repaired(), 5);
    broken();
    shm.resize(3, 0).unwrap();
    assert_eq!(repaired(), 3);
    broken();
    shm.retain(|_| true);
    assert_eq!(repaired(), 5);
}

#[test]
fn invalid_elements_are_moved_but_not_returned() {
    let shm = <ShmVec<Mode, 6>>::create_anonymous().unwrap();
    shm.extend([Mode::On, Mode::Auto, Mode::On]).unwrap();
    // The elements begin at byte 8; 3 is no mode.
    poke(shm.cell(), 9, 3);
    shm.insert(0, Mode::Auto).unwrap();
    let bytes = |len: usize| {
        (8..8 + len)
            .map(|at| peek(shm.cell(), at))
            .collect::<Vec<_>>()
    };
    assert_eq!(bytes(4), [7, 1, 3, 1]);
    for error in [shm.try_remove(2), shm.try_swap_remove(2)] {
        assert_eq!(
            error.unwrap_err().to_string(),
            "field `[2]` holds 3, which is not a variant of `Mode` (On = 1, Auto = 7)"
        );
    }
    assert_eq!(bytes(4), [7, 1, 3, 1]);
    assert_eq!(shm.try_remove(0).unwrap(), Some(Mode::Auto));
    assert_eq!(bytes(3), [1, 3, 1]);
    assert_eq!(shm.try_swap_remove(0).unwrap(), Some(Mode::On));
    assert_eq!(bytes(2), [1, 3]);
    assert_eq!(
        (shm.try_remove(2).unwrap(), shm.try_swap_remove(2).unwrap()),
        (None, None)
    );
    shm.retain(|cell| cell.try_get().is_ok());
    assert_eq!(shm.try_to_vec().unwrap(), [Mode::On]);
}

#[test]
fn changes_stay_in_bounds_while_a_peer_writes_lengths() {
    const ROUNDS: u32 = 30_000;
    let shm = fenced();
    let done = AtomicBool::new(false);
    shm_tests::scope(|scope| {
        scope.start(|| {
            let mut random = Random::new(9);
            while !done.load(Relaxed) {
                poke_word(&shm.numbers, 0, random.awkward(5));
            }
        });
        for number in 0..ROUNDS {
            let at = number as usize % 6;
            let _ = shm.numbers.insert(at, number);
            let _ = shm.numbers.remove(at);
            let _ = shm.numbers.swap_remove(at);
            let _ = shm.numbers.resize(at, number);
            let _ = shm.numbers.extend([number; 3]);
            shm.numbers.retain(|cell| cell.get() % 3 != 0);
            assert!(shm.numbers.last().is_none_or(|cell| cell.get() < ROUNDS));
            assert!(shm.numbers.len() <= 5);
        }
        done.store(true, Relaxed);
    });
    assert!(fence_stands(&shm));
}
