//! The exit code of each command for the same kinds of mistakes.

use std::fs;

use shm_core::ShmLayout;
use shm_tests::Names;

use crate::common::{orphan, shm};

/// Codes: in order, of a name that does not exist, of a file that is not a segment, and of a wrong option.
#[test]
fn every_command_has_the_same_exit_codes() {
    let names = Names::new("codes");
    let (live, orphaned) = (names.name("live"), names.name("orphaned"));
    let (missing, foreign) = (names.name("missing"), names.name("foreign"));
    let made = u64::create(&live).unwrap();
    orphan(&orphaned);
    fs::write(Names::path(&foreign), b"text").unwrap();
    let directory = std::env::temp_dir().join(&live[1..]);
    fs::create_dir(&directory).unwrap();
    let file = directory.join("dump");
    let file = file.to_str().unwrap();
    let absent = directory.join("absent");
    let absent = absent.to_str().unwrap();

    let table: &[(&[&str], i32)] = &[
        (&["ls", &live], 0),
        (&["ls", &missing], 3),
        (&["show", &live], 0),
        (&["show", &missing], 3),
        (&["show", &foreign], 4),
        (&["show", &live, "nothing"], 3),
        (&["show", &live, "["], 2),
        (&["get", &live], 0),
        (&["get", &missing], 3),
        (&["get", &foreign], 4),
        (&["get", &live, "nothing"], 3),
        (&["get", absent], 3),
        (&["set", "--yes", &live, ".=5"], 0),
        (&["set", "--yes", &live, ".=x"], 2),
        (&["set", "--yes", &missing, ".=5"], 3),
        (&["set", "--yes", &foreign, ".=5"], 4),
        (&["layout", &live], 0),
        (&["layout", &missing], 3),
        (&["layout", &foreign], 4),
        (&["diff", &live, &orphaned], 0),
        (&["diff", &live, &missing], 3),
        (&["diff", &live, &foreign], 4),
        (&["hz", &missing, "."], 3),
        (&["hz", &foreign, "."], 4),
        (&["check", &live], 0),
        (&["check", &orphaned], 1),
        (&["check", &missing], 3),
        (&["check", &foreign], 4),
        (&["dump", &live, file], 0),
        (&["dump", &live, file], 4),
        (&["dump", &missing, absent], 3),
        (&["dump", &foreign, absent], 4),
        (&["restore", file, &live], 4),
        (&["restore", absent, &missing], 3),
        (&["rm", &live], 4),
        (&["rm", &missing], 3),
        (&["rm", &foreign], 4),
        (&["sweep", &missing], 0),
        (&["sweep", &orphaned], 1),
        (&["sweep", "--yes", &orphaned], 0),
        (&["completions", "bash"], 0),
        (&["completions", "dos"], 2),
        (&["man"], 0),
        (&["man", absent], 3),
        (&["no-such-command"], 2),
        (&[], 2),
        (&["--help"], 0),
        (&["--version"], 0),
    ];
    for (arguments, code) in table {
        let ran = shm(*arguments);
        assert_eq!(ran.code, *code, "{arguments:?}: {ran:#?}");
        if *code >= 2 {
            assert!(!ran.err.is_empty(), "{arguments:?} says nothing");
        }
    }
    for verb in [
        "ls",
        "show",
        "get",
        "set",
        "layout",
        "diff",
        "hz",
        "check",
        "dump",
        "restore",
        "rm",
        "sweep",
        "completions",
        "man",
    ] {
        shm([verb, "--no-such-option"]).code(2);
        shm([verb, "--help"]).code(0);
    }
    fs::remove_file(Names::path(&foreign)).unwrap();
    fs::remove_dir_all(&directory).unwrap();
    drop(made);
}
