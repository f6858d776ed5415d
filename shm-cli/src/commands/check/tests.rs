//! Segments that a peer damages while they are checked. The tests of whole commands are in `tests/commands`.

use std::fs::File;

use shm_core::ShmLayout;
use shm_core::dynamic::DynSegment;
use shm_core::sync::{Mutex, SeqLock};
use shm_tests::Names;
use shm_tests::hostile::Color;

use super::{Report, check, contents};
use crate::sigbus;
use crate::target::Target;

#[derive(ShmLayout)]
#[repr(C)]
#[shm(padding)]
struct Long {
    lock: Mutex<u64>,
    values: SeqLock<u64>,
    colors: [Color; 10_000],
}

/// What a peer does between the steps of a check. The flag is one of the process, so this is a single test.
#[test]
fn a_truncation_in_the_middle_of_a_check_is_found() {
    sigbus::install();
    let names = Names::new("check-cut");
    let name = names.name("t");
    let shm = Long::create(&name).unwrap();
    let path = Names::path(&name);
    let cut = |len| {
        let file = File::options().write(true).open(&path).unwrap();
        file.set_len(len).unwrap();
    };
    for len in [4096, 0] {
        let segment = DynSegment::attach_read_only(&name).unwrap();
        let whole = std::fs::metadata(&path).unwrap().len();
        let bytes = std::fs::read(&path).unwrap();
        cut(len);
        let mut report = Report::new(&name);
        contents(&segment, &path, &mut report);
        let lost = sigbus::take().expect("a page was lost").to_string();
        assert!(lost.contains(&name), "{lost}");
        assert!(lost.contains("was truncated while it was read"), "{lost}");
        assert!(sigbus::take().is_none());
        // What was lost reads as zeros, which are values.
        assert!(report.findings.is_empty(), "{report:?}");
        drop(segment);
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), whole);
    }
    let report = check(&Target::Name(name)).unwrap();
    assert!(report.findings.is_empty(), "{report:?}");
    drop(shm);
}
