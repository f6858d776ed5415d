//! What one process writes, another reads, and read-only mappings cannot be written.

#![forbid(unsafe_code)]

use std::os::unix::process::ExitStatusExt;

use shm_core::ShmLayout;
use shm_tests::{Names, Samples, Telemetry, peer};

#[test]
fn writes_are_visible_in_both_directions() {
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

    // A process that attaches later, this one, sees the same.
    let here = Telemetry::attach(&name).unwrap();
    assert_eq!(here.load(), Telemetry::numbered(5));
    here.store(Telemetry::numbered(6));
    for peer in [&mut owner, &mut other, &mut reader] {
        assert_eq!(peer.ok("load s"), "6");
    }
}

#[test]
fn a_write_to_a_read_only_mapping_is_a_sigsegv() {
    let names = Names::new("prot-read");
    let name = names.name("t");
    let (mut owner, mut reader, mut writer) = (peer!(), peer!(), peer!());
    owner.ok(&format!("open s create {name} frame=3"));
    reader.ok(&format!("open s read {name}"));
    reader.tell("raw-write s");
    let status = reader.wait();
    assert_eq!(status.signal(), Some(libc::SIGSEGV), "{status:?}");
    assert_eq!(owner.ok("load s"), "3");

    // The same instructions are fine where the mapping is writable.
    writer.ok(&format!("open s attach {name}"));
    writer.ok("raw-write s");
    assert_eq!(Telemetry::attach(&name).unwrap().frame.get(), 7);
}

#[test]
fn a_read_only_mapping_by_descriptor_is_a_sigsegv_too() {
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
fn the_slice_length_comes_from_the_segment() {
    let names = Names::new("samples");
    let name = names.name("t");
    let (mut owner, mut other) = (peer!(), peer!());
    owner.ok(&format!("open s create {name} samples=1000"));
    owner.ok("store s 3");
    // A request for another length is refused; no slice changes its length.
    let text = other.refused(&format!("open s join {name} samples=5"), "LayoutMismatch");
    assert!(
        text.contains("1000 elements in the segment, and this program requires 5"),
        "{text}"
    );
    other.ok(&format!("open s join {name} samples=1000"));
    assert_eq!(other.ok("load s"), "1000 3000");
    other.ok("store s 4");
    assert_eq!(owner.ok("load s"), "1000 4000");

    // An orphaned segment is replaced by one of any length.
    owner.ok("drop s");
    assert_eq!(other.ok("current s"), "true");
    other.kill();
    owner.ok(&format!("open s join {name} samples=1000"));
    assert_eq!(owner.ok("load s"), "1000 4000");
    owner.kill();
    let mut next = peer!();
    next.ok(&format!("open s create {name} samples=1000000"));
    next.ok("store s 2");
    assert_eq!(next.ok("load s"), "1000000 2000000");
    let here = Samples::attach_read_only(&name).unwrap();
    assert_eq!(
        (here.count.get(), here.values.len()),
        (1_000_000, 1_000_000)
    );
}

#[test]
fn a_gibibyte_segment_needs_no_stack() {
    let names = Names::new("huge");
    peer!().ok(&format!("huge {}", names.name("t")));
}

#[test]
fn large_values_are_copied_without_stack() {
    let names = Names::new("large");
    peer!().ok(&format!("large {}", names.name("t")));
}
