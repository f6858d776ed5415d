//! Single fields and small structs.

use std::hint::black_box;

use shm_core::ShmLayout;

use crate::harness::{Bench, Result, Row, calls};
use crate::peers::raw::Memory;

pub(super) const FIELD: Row = Row::new(
    "field",
    "`get` and `set` of one field, beside a raw load and store",
    field,
);
pub(super) const LOAD: Row = Row::new(
    "load",
    "`load` and `store` of a struct of 40 bytes, beside a raw copy",
    load,
);

#[derive(Clone, Copy, Debug, Default, ShmLayout)]
#[repr(C)]
struct Telemetry {
    frame: u64,
    position: [f64; 3],
    temperature: f32,
    flags: u32,
}

/// Fields in shared memory without shm-core. shared_memory hands out the same pointers.
const RAW: &str = "raw pointer (as with shared_memory)";

fn field(bench: &mut Bench) -> Result<()> {
    let shm = Telemetry::create_anonymous()?;
    let view = shm.cell();
    let memory = Memory::anonymous()?;
    let raw = memory.at(0).cast::<u64>();
    // SAFETY: the page is mapped and aligned, and nothing else accesses it.
    let get = || _ = black_box(unsafe { black_box(raw).read_volatile() });
    // SAFETY: as above.
    let set = || unsafe { black_box(raw).write_volatile(7) };
    let case = bench
        .case("get")
        .limit(RAW, calls(get))
        .ours(
            "get of a cell",
            calls(|| _ = black_box(black_box(view).frame.get())),
        )
        .target(1.0)
        .ours(
            "get through the handle",
            calls(|| _ = black_box(black_box(&shm).frame.get())),
        )
        .target(1.0)
        .cannot("mmap-sync", "it moves whole values; see seqlock");
    #[cfg(feature = "peers")]
    let board = crate::peers::iceoryx::Blackboard::create(&crate::process::unique("field"), 0_u64)?;
    #[cfg(feature = "peers")]
    let case = case.peer(
        "iceoryx2 blackboard",
        calls(|| _ = black_box(*black_box(&board.reader).get())),
    );
    case.run()?;
    let case = bench
        .case("set")
        .limit(RAW, calls(set))
        .ours("set of a cell", calls(|| black_box(view).frame.set(7)))
        .target(1.0)
        .ours(
            "set through the handle",
            calls(|| black_box(&shm).frame.set(7)),
        )
        .target(1.0);
    #[cfg(feature = "peers")]
    let case = case.peer(
        "iceoryx2 blackboard",
        calls(|| black_box(&board.writer).update_with_copy(7)),
    );
    case.run()
}

fn load(bench: &mut Bench) -> Result<()> {
    let shm = Telemetry::create_anonymous()?;
    let memory = Memory::anonymous()?;
    let raw = memory.at(0).cast::<Telemetry>();
    let value = black_box(Telemetry::default());
    let mut into = value;
    bench
        .case("40 bytes out")
        // SAFETY: the page is mapped and aligned, all bytes are numbers, and nothing else accesses it.
        .limit(RAW, calls(|| _ = black_box(unsafe { *black_box(raw) })))
        .ours("load", calls(|| _ = black_box(black_box(&shm).load())))
        .target(1.2)
        .ours(
            "load_into",
            calls(|| black_box(&shm).load_into(black_box(&mut into))),
        )
        .target(1.2)
        .run()?;
    bench
        .case("40 bytes in")
        // SAFETY: as above.
        .limit(RAW, calls(|| unsafe { *black_box(raw) = black_box(value) }))
        .ours("store", calls(|| black_box(&shm).store(black_box(value))))
        .ours(
            "store_from",
            calls(|| black_box(&shm).store_from(black_box(&value))),
        )
        .run()
}
