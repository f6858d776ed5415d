//! Creating and attaching.

use std::ffi::CString;
use std::hint::black_box;
use std::num::NonZero;

use shm_core::ShmLayout;
use shm_core::sync::Mutex;

use crate::harness::{Bench, Result, Row, calls};
use crate::peers::raw;
use crate::process::unique;

pub(super) const CREATE: Row = Row::new(
    "create",
    "create a sparse segment, write one element, drop, beside six system calls",
    create,
);
pub(super) const ATTACH: Row = Row::new(
    "attach",
    "attach, read one element, detach, beside the system calls alone",
    attach,
);

type Small = [u64; 512 - 64];
type Large = [u64; (1 << 27) - 64];
const PAGE: NonZero<usize> = NonZero::new(4096).unwrap();
const GIB: NonZero<usize> = NonZero::new(1 << 30).unwrap();

#[derive(ShmLayout)]
#[repr(C)]
struct Locked {
    value: u64,
    lock: Mutex<u64>,
}

fn create(bench: &mut Bench) -> Result<()> {
    let name = unique("create");
    let raw_name = CString::new(format!("{name}-raw"))?;
    let raw = |len| {
        let name = &raw_name;
        move || _ = black_box(raw::create_and_remove(name, len).is_ok())
    };
    let small = || {
        if let Ok(shm) = Small::options().sparse(true).create(&name) {
            shm[0].set(1);
        }
    };
    let locked = || {
        if let Ok(shm) = Locked::options().sparse(true).create(&name) {
            shm.value.set(1);
        }
    };
    let case = bench
        .case("4 KiB")
        .limit("six system calls", calls(raw(PAGE)))
        .ours("create", calls(small))
        .target(1.5)
        .ours("create with a Mutex", calls(locked))
        .target(2.0)
        .cannot("mmap-sync, ipc-channel", "they have no segments");
    #[cfg(feature = "peers")]
    let shmem_name = format!("{name}-shared-memory");
    #[cfg(feature = "peers")]
    let case = case
        .peer(
            "shared_memory",
            calls(|| _ = black_box(crate::peers::raw_sync::create_and_remove(&shmem_name).is_ok())),
        )
        .peer(
            "iceoryx2 blackboard service",
            calls(|| {
                let name = unique("create-service");
                black_box(crate::peers::iceoryx::Blackboard::create(&name, 0_u64).is_ok());
            }),
        );
    #[cfg(boost)]
    let boost_name = CString::new(format!("{}-boost", name.trim_start_matches('/')))?;
    #[cfg(boost)]
    let case = case.peer(
        "Boost shared_memory_object",
        calls(|| _ = black_box(crate::peers::boost::create(&boost_name, PAGE.get()))),
    );
    case.run()?;
    let large = || {
        if let Ok(shm) = Large::options().sparse(true).create(&name) {
            shm[0].set(1);
        }
    };
    bench
        .case("1 GiB")
        .limit("six system calls", calls(raw(GIB)))
        .ours("create", calls(large))
        .run()
}

/// Attaches, reads an element, detaches. Panics if that fails: a failure would look fast.
fn read_small(name: &str) {
    let shm = Small::attach(name).expect("the segment exists");
    black_box(shm[0].get());
}

fn attach(bench: &mut Bench) -> Result<()> {
    let name = unique("attach");
    let small = Small::create(&name)?;
    let locked_name = format!("{name}-locked");
    let _locked = Locked::create(&locked_name)?;
    let raw_name = CString::new(small.name())?;
    let raw = || {
        black_box(raw::attach_and_detach(&raw_name, PAGE).expect("the segment exists"));
    };
    let read_only = || {
        let shm = Small::attach_read_only(&name).expect("the segment exists");
        black_box(shm[0].get());
    };
    let locked = || {
        let shm = Locked::attach(&locked_name).expect("the segment exists");
        black_box(shm.value.get());
    };
    let case = bench
        .case("4 KiB")
        .limit("open, fstat, mmap, munmap, close", calls(raw))
        .ours("attach", calls(|| read_small(&name)))
        .target(1.15)
        .ours("attach_read_only", calls(read_only))
        .ours("attach with a Mutex", calls(locked))
        .target(1.8);
    #[cfg(feature = "peers")]
    let peer_name = format!("{name}-peer");
    #[cfg(feature = "peers")]
    let _segment = crate::peers::raw_sync::Segment::create(&peer_name)?;
    #[cfg(feature = "peers")]
    let _files = crate::peers::mmap::Value::<1>::create(&peer_name)?;
    #[cfg(feature = "peers")]
    let case = case
        .peer(
            "shared_memory",
            calls(|| _ = black_box(crate::peers::raw_sync::attach_and_detach(&peer_name).is_ok())),
        )
        .peer(
            "mmap-sync, with a read",
            calls(|| {
                let mut value = crate::peers::mmap::Value::<1>::open(&peer_name);
                black_box(value.read(&mut [0]).is_ok());
            }),
        );
    #[cfg(boost)]
    let case = case.peer(
        "Boost shared_memory_object",
        calls(|| _ = black_box(crate::peers::boost::attach(&raw_name))),
    );
    case.run()?;

    let large_name = format!("{name}-large");
    let _large = Large::options().sparse(true).create(&large_name)?;
    let raw_name = CString::new(large_name.as_str())?;
    let raw = || {
        black_box(raw::attach_and_detach(&raw_name, GIB).expect("the segment exists"));
    };
    let large = || {
        let shm = Large::attach(&large_name).expect("the segment exists");
        black_box(shm[0].get());
    };
    let read_only = || {
        let shm = Large::attach_read_only(&large_name).expect("the segment exists");
        black_box(shm[0].get());
    };
    bench
        .case("1 GiB")
        .limit("open, fstat, mmap, munmap, close", calls(raw))
        .ours("attach", calls(large))
        .ours("attach_read_only", calls(read_only))
        .run()
}
