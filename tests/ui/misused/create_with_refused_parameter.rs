//! Segments of a type parameter's type, and of a generic struct, with an argument that cannot be shared.

use shm_core::ShmLayout;

#[derive(ShmLayout)]
#[repr(C)]
struct Pair<T> {
    first: T,
    second: T,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Entry<K, V> {
    key: K,
    value: V,
}

trait Source {
    type Item;
}

#[derive(ShmLayout)]
#[repr(C)]
struct Sample<S: Source> {
    item: S::Item,
}

struct Lines;

impl Source for Lines {
    type Item = String;
}

fn main() {
    let pair = Pair::<String>::create("/pair");
    let entry = Entry::<u64, usize>::attach("/entry");
    let sample = Sample::<Lines>::open_or_create("/sample");
}
