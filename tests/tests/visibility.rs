//! What one process writes, another reads, and what may only be read cannot be written.

#![forbid(unsafe_code)]

use std::os::unix::process::ExitStatusExt;

use shm_core::ShmLayout;
use shm_tests::{Names, Telemetry, peer};

#[test]
fn writes_are_seen_both_ways() {
    let names = Names::new("both-ways");
    let name = names.name("t");
    let (mut owner, mut other, mut reader) = (peer!(), peer!(), peer!());
    owner.ok(&format!("open s create {name} frame=3"));
    other.ok(&format!("open s attach {name}"));
    reader.ok(&format!("open s read {name}"));
    assert_eq!(other.ok("load s"), "3");

    other.ok("store s 4");
    assert_eq!(owner.ok("load s"), "4");
    owner.ok("store s 5");
    assert_eq!(other.ok("load s"), "5");
    assert_eq!(reader.ok("load s"), "5");

    // A process that comes later, this one, sees the same.
    let here = Telemetry::attach(&name).unwrap();
    assert_eq!(here.load(), Telemetry::numbered(5));
    here.store(Telemetry::numbered(6));
    for peer in [&mut owner, &mut other, &mut reader] {
        assert_eq!(peer.ok("load s"), "6");
    }
}

#[test]
fn a_read_only_mapping_kills_who_writes_to_it_all_the_same() {
    let names = Names::new("prot-read");
    let name = names.name("t");
    let (mut owner, mut reader, mut writer) = (peer!(), peer!(), peer!());
    owner.ok(&format!("open s create {name} frame=3"));
    reader.ok(&format!("open s read {name}"));
    reader.tell("raw-write s");
    let status = reader.wait();
    assert_eq!(status.signal(), Some(libc::SIGSEGV), "{status:?}");
    assert_eq!(owner.ok("load s"), "3");

    // The same instructions are in order where the mapping is writable.
    writer.ok(&format!("open s attach {name}"));
    writer.ok("raw-write s");
    assert_eq!(Telemetry::attach(&name).unwrap().frame.get(), 7);
}

#[test]
fn a_read_only_mapping_by_descriptor_is_no_different() {
    let (mut owner, mut reader) = (peer!(), peer!());
    owner.ok("open s anonymous - frame=3");
    let path = format!("/proc/{}/fd/{}", owner.pid(), owner.ok("fd s"));
    reader.ok(&format!("open s file-read {path}"));
    assert_eq!(reader.ok("load s"), "3");
    reader.tell("raw-write s");
    assert_eq!(reader.wait().signal(), Some(libc::SIGSEGV));
    assert_eq!(owner.ok("load s"), "3");
}

#[test]
fn a_gibibyte_needs_no_stack() {
    let names = Names::new("huge");
    peer!().ok(&format!("huge {}", names.name("t")));
}

#[test]
fn large_values_move_without_the_stack() {
    let names = Names::new("large");
    peer!().ok(&format!("large {}", names.name("t")));
}
