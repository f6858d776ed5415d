//! Structs with a `bool` or an enum.

use std::hint::black_box;

use shm_core::ShmLayout;

use crate::harness::{Bench, Result, Row, calls};

pub(super) const ROW: Row = Row::new(
    "structs",
    "copies of structs with a `bool` or an enum, beside the same with a `u8`",
    run,
);

const COUNT: usize = 4096;

#[derive(Clone, Copy, ShmLayout)]
#[repr(u8)]
enum Mode {
    Idle = 0,
    Busy = 1,
}

macro_rules! entry {
    ($name:ident, $flag:ty) => {
        #[derive(Clone, Copy, ShmLayout)]
        #[repr(C)]
        struct $name {
            id: u64,
            size: u32,
            _pad: [u8; 3],
            flag: $flag,
        }
    };
}

entry!(Number, u8);
entry!(Flag, bool);
entry!(Checked, Mode);

fn run(bench: &mut Bench) -> Result<()> {
    let numbers = <[Number; COUNT]>::create_anonymous()?;
    let flags = <[Flag; COUNT]>::create_anonymous()?;
    let checked = <[Checked; COUNT]>::create_anonymous()?;
    checked[0].flag.set(Mode::Busy);
    checked[1].flag.set(Mode::Idle);
    bench
        .case("to_vec of 4,096, 16 bytes each")
        .limit(
            "with a u8",
            calls(|| _ = black_box(black_box(&*numbers).to_vec())),
        )
        .ours(
            "with a bool",
            calls(|| _ = black_box(black_box(&*flags).to_vec())),
        )
        .target(1.5)
        .ours(
            "with an enum, try_to_vec",
            calls(|| _ = black_box(black_box(&*checked).try_to_vec().is_ok())),
        )
        .target(2.0)
        .run()?;
    bench
        .case("one of 16 bytes")
        .limit(
            "load with a u8",
            calls(|| _ = black_box(black_box(&numbers[3]).load())),
        )
        .ours(
            "load with a bool",
            calls(|| _ = black_box(black_box(&flags[3]).load())),
        )
        .ours(
            "try_load with an enum",
            calls(|| _ = black_box(black_box(&checked[3]).try_load())),
        )
        .target(2.0)
        .run()
}
