//! Text: `{:?}` of large segments, and `ShmStr`.

use std::fmt::Write;
use std::hint::black_box;
use std::time::Instant;

use shm_core::{ShmLayout, ShmStr};

use crate::harness::{Bench, Result, Row, Target, calls, measured};

pub(super) const DEBUG: Row = Row::new(
    "format",
    "`{:?}` of a handle of 1 MiB, beside `Vec`'s",
    format,
);
pub(super) const STR: Row = Row::new(
    "text",
    "`set` and `get` of a short text in a `ShmStr<4096>`, beside `String`",
    text,
);

/// Counts what is written.
struct Count(usize);

impl Write for Count {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}

/// The time of formatting, and the length of the text.
fn printed(value: &impl std::fmt::Debug) -> Result<[f64; 2]> {
    let (mut count, start) = (Count(0), Instant::now());
    write!(count, "{value:?}")?;
    Ok([start.elapsed().as_secs_f64() * 1e9, count.0 as f64])
}

fn format(bench: &mut Bench) -> Result<()> {
    let shm = <[u8; 1 << 20]>::create_anonymous()?;
    shm.fill(100);
    let private = shm.to_vec();
    bench
        .case("1 MiB of bytes")
        .metrics(&[("time", "ns"), ("text", "bytes")])
        .rounds(11)
        .ours("{:?} of the handle", measured(|_| printed(&shm)))
        .target_of(1, Target::Value(65_536.0))
        .peer("{:?} of a Vec", measured(|_| printed(&private)))
        .run()
}

fn text(bench: &mut Bench) -> Result<()> {
    let shm = ShmStr::<4096>::create_anonymous()?;
    let mut private = String::with_capacity(4096);
    let short = black_box("a short text");
    bench
        .case("set, 12 bytes")
        .limit(
            "String: clear, push_str",
            calls(|| {
                let text = black_box(&mut private);
                text.clear();
                text.push_str(black_box(short));
            }),
        )
        .ours(
            "ShmStr::set",
            calls(|| _ = black_box(black_box(&shm).set(black_box(short)))),
        )
        .run()?;
    let private = short.to_owned();
    bench
        .case("get, 12 bytes")
        .limit(
            "String::clone",
            calls(|| _ = black_box(black_box(&private).clone())),
        )
        .ours(
            "ShmStr::get",
            calls(|| _ = black_box(black_box(&shm).get())),
        )
        .run()
}
