//! Generic functions create segments of generic types, and use their fields.

use shm_core::sync::{Broadcast, Mutex, Ring, SeqLock};
use shm_core::{Access, Shm, ShmError, ShmLayout, ShmOffset, ShmVec, TypeLayout};

#[derive(ShmLayout)]
#[repr(C)]
struct Pair<T> {
    first: T,
    second: [T; 2],
}

#[derive(ShmLayout)]
#[repr(C)]
struct Entry<K, V, const N: usize> {
    keys: [K; N],
    values: ShmVec<V, N>,
}

/// Refers to itself, through an offset.
#[derive(ShmLayout)]
#[repr(C)]
struct Node<T> {
    value: T,
    next: ShmOffset<Node<T>>,
}

trait Source {
    type Item;
}

#[derive(ShmLayout)]
#[repr(C)]
struct Sample<S: Source> {
    item: S::Item,
}

fn pair<T: ShmLayout>() -> Result<Shm<Pair<T>>, ShmError> {
    let pair = Pair::<T>::create_anonymous()?;
    let _ = &pair.second[1];
    Ok(pair)
}

fn others<T: ShmLayout, S: Source<Item = T> + 'static>() -> Result<(), ShmError> {
    let _ = Ring::<T, 4>::create("/ring")?.receiver();
    let _ = Mutex::<T>::attach("/mutex")?.try_lock();
    let _ = ShmVec::<Pair<T>, 4>::open_or_create("/list")?.len();
    let _ = <[T; 3]>::create("/array")?.len();
    let _ = Entry::<T, u64, 4>::attach_read_only("/entry")?.keys.len();
    let _ = Node::<T>::create("/node")?.next.get();
    let _ = &Sample::<S>::create("/sample")?.item;
    Ok(())
}

fn copied<T: ShmLayout + Copy>() -> Result<(), ShmError> {
    SeqLock::<T>::create("/lock")?;
    Broadcast::<T, 4>::create("/queue")?;
    Ok(())
}

/// Implemented by hand.
#[repr(transparent)]
struct Transparent<T>(T);

// SAFETY: as for `T`, to which it is transparent.
unsafe impl<T: ShmLayout> ShmLayout for Transparent<T> {
    type View<A: Access> = T::View<A>;
    const LAYOUT: &'static TypeLayout = T::LAYOUT;
    fn view_at<A: Access>(payload: *const (), tail: usize) -> *const T::View<A> {
        T::view_at(payload, tail)
    }
}

struct Numbers;

impl Source for Numbers {
    type Item = u64;
}

fn main() {
    let _ = (pair::<u64>, others::<u64, Numbers>, copied::<[f32; 3]>, pair::<Transparent<u64>>);
}
