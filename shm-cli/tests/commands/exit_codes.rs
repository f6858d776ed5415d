//! 0 done, 1 found something, 2 wrong usage, 3 not there, 4 refused.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;

use shm_core::ShmLayout;
use shm_tests::Names;

use crate::common::{command, shm, start};

#[test]
fn a_reader_that_goes_early_is_no_error() {
    let names = Names::new("pipe");
    let name = names.name("t");
    let long = <[u64; 1 << 16]>::create(&name).unwrap();
    let mut child = command();
    child.args(["get", &name, ".", "."]);
    let mut child = start(child.stdout(Stdio::piped()).stderr(Stdio::piped())).unwrap();
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut [0]).unwrap();
    drop(out);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    drop(long);
}

#[test]
fn names_that_are_not_text_are_no_panic() {
    let bytes: &[&[u8]] = &[
        b"\xff",
        b"/\xff",
        b"./\xff",
        b"/dev/shm/\xff",
        b"\xff/\x1b[2J",
    ];
    for name in bytes {
        let name = OsStr::from_bytes(name);
        let ran = shm([OsStr::new("get"), name]);
        assert!(matches!(ran.code, 2 | 3), "{ran:?}");
        assert!(!ran.err.contains('\u{1b}'), "{ran:?}");
        let ran = shm([OsStr::new("get"), OsStr::new("x"), name]);
        assert_eq!(ran.code, 2, "{ran:?}");
    }
}
