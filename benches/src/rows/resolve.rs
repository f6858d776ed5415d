//! Offsets into a segment.

use std::hint::black_box;

use shm_core::{ShmLayout, ShmOffset};

use crate::harness::{Bench, Result, Row, calls};

pub(super) const ROW: Row = Row::new("resolve", "`resolve` of an offset, beside an index", run);

#[derive(ShmLayout)]
#[repr(C)]
struct Node {
    next: ShmOffset<Node>,
    value: u64,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Graph {
    roots: [u64; 8],
    names: [[u8; 32]; 16],
    small: [Node; 16],
    nodes: [Node; 4096],
}

fn run(bench: &mut Bench) -> Result<()> {
    let shm = Graph::create_anonymous()?;
    for index in 0..4096 {
        let next = shm.offset_of(&shm.nodes[(index + 1) % 4096]);
        shm.nodes[index].next.set(next);
    }
    let mut index = 0;
    let indexed = || {
        index = (index + 1) % 4096;
        black_box(black_box(&shm).nodes[black_box(index)].value.get());
    };
    let mut at = shm.offset_of(&shm.nodes[0]);
    let resolve = || {
        if let Ok(node) = black_box(&shm).resolve(at) {
            black_box(node.value.get());
            at = node.next.get();
        }
    };
    let case = bench
        .case("a hop")
        .limit("an index", calls(indexed))
        .ours("resolve", calls(resolve))
        .target(8.0)
        .cannot("shared_memory, raw_sync, mmap-sync", "they have no offsets");
    #[cfg(boost)]
    let offset = crate::peers::boost::Offset::new(crate::peers::raw::Memory::anonymous()?);
    #[cfg(boost)]
    let case = case.peer(
        "Boost offset_ptr, which checks nothing",
        calls(|| _ = black_box(offset.get())),
    );
    case.run()
}
