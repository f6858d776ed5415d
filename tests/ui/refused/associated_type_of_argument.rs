//! The message names the associated type, which the struct does not show where it is used.

use shm_core::ShmLayout;
use shm_core::sync::SeqLock;

trait Kind: 'static {
    type Word;
}

struct Raw;

impl Kind for Raw {
    type Word = *const u8;
}

struct Local;

impl Kind for Local {
    type Word = Reading;
}

struct Reading;

#[derive(ShmLayout)]
#[repr(C)]
struct Sample<K: Kind> {
    words: [K::Word; 2],
}

#[derive(ShmLayout)]
#[repr(C)]
struct Series<K: Kind, T> {
    first: T,
    last: T,
    word: <K as Kind>::Word,
    latest: SeqLock<K::Word>,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Shared {
    raw: Sample<Raw>,
    local: [Sample<Local>; 2],
    series: Series<Raw, u64>,
}

fn main() {}
