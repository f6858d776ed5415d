use shm_core::{ReadWrite, ShmLayout};

pub trait Pick {
    type Out: ShmLayout;
}

// If a field calls a macro, the derive gives its own struct this name, in a scope where the macro expands again.
pub struct __ShmSegmentView<A>(A);

impl Pick for __ShmSegmentView<ReadWrite> {
    type Out = char;
}

impl Pick for <Segment as ShmLayout>::View<ReadWrite> {
    type Out = u32;
}

macro_rules! letter {
    () => {
        <__ShmSegmentView<ReadWrite> as Pick>::Out
    };
}

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Segment {
    letter: letter!(),
}

fn main() {
    let segment = Segment::create_anonymous().unwrap();
    segment.letter.set(u32::MAX);
    let _: char = segment.load().letter;
}
