//! A peer that truncates the file of a segment while the command reads it.

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};

use shm_core::ShmLayout;
use shm_tests::Names;

use crate::common::{Running, command, start};

const LEN: usize = 1 << 16;

#[derive(ShmLayout)]
#[repr(C)]
struct Long {
    first: [u64; LEN],
    second: [u64; LEN],
}

/// Runs a command, and truncates the file to `len` bytes once it has begun to print. The rest of the output does not fit into a pipe,
/// so the command is still at the beginning. Returns the exit code, and what the command printed.
fn cut_meanwhile(name: &str, len: u64, command: &mut Command) -> (Option<i32>, String, String) {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = start(command).unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut text = vec![0];
    out.read_exact(&mut text).unwrap();
    let file = File::options().write(true).open(Names::path(name));
    file.unwrap().set_len(len).unwrap();
    out.read_to_end(&mut text).unwrap();
    let mut errors = String::new();
    let mut err = child.stderr.take().unwrap();
    err.read_to_string(&mut errors).unwrap();
    let code = child.wait().unwrap().code();
    (code, String::from_utf8(text).unwrap(), errors)
}

#[test]
fn a_truncation_is_reported_and_the_command_goes_on() {
    let names = Names::new("cut-get");
    let name = names.name("t");
    let shm = Long::create_with(&name, |long| {
        long.first.fill(7);
        long.second.fill(7);
    })
    .unwrap();
    let arguments = ["get", &name, "first", "second"];
    let (code, out, err) = cut_meanwhile(&name, 4096, command().args(arguments));
    assert_eq!(code, Some(4), "{err}");
    let lines: Vec<_> = out.lines().collect();
    let [first, second] = lines[..] else {
        panic!("{} lines", lines.len());
    };
    let count = |line: &str, digit| line.matches(digit).count();
    assert_eq!((count(first, '7'), count(first, '0')), (LEN, 0));
    assert_eq!((count(second, '7'), count(second, '0')), (0, LEN));
    assert!(err.contains("was truncated while it was read"), "{err}");
    assert!(err.contains(&name) && err.contains("; "), "{err}");
    drop(shm);
}

#[test]
fn a_cut_within_a_page_is_reported_after_the_values() {
    let names = Names::new("cut-once");
    for (number, arguments) in [
        &["get"] as &[&str],
        &["get", "--json"],
        &["show", "--full"],
        &["show", "--full", "--json"],
    ]
    .into_iter()
    .enumerate()
    {
        let name = names.name(&format!("t{number}"));
        let shm = Long::create(&name).unwrap();
        let len = File::open(Names::path(&name)).unwrap();
        let len = len.metadata().unwrap().len();
        let arguments = arguments.iter().copied().chain([name.as_str()]);
        let (code, _, err) = cut_meanwhile(&name, len - 1, command().args(arguments));
        assert_eq!(code, Some(4), "{err}");
        assert!(err.contains("was truncated while it was read"), "{err}");
        assert_eq!(err.matches(&name).count(), 1, "{err}");
        drop(shm);
    }
}

#[test]
fn a_signal_from_another_process_still_ends_it() {
    use nix::sys::signal::{Signal, kill};
    use std::os::unix::process::ExitStatusExt;

    let names = Names::new("signal");
    let name = names.name("t");
    let shm = Long::create(&name).unwrap();
    let mut child = command();
    child.args(["get", &name, "first", "second"]);
    let mut child = start(child.stdout(Stdio::piped())).unwrap();
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut [0]).unwrap();
    let pid = nix::unistd::Pid::from_raw(child.id().cast_signed());
    kill(pid, Signal::SIGBUS).unwrap();
    out.read_to_end(&mut Vec::new()).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(Signal::SIGBUS as i32));
    drop(shm);
}

/// Cuts the file within the page of the payload, so that the rest of the page reads as zeros without a signal.
fn cut_within_the_page(name: &str) {
    let file = File::options().write(true).open(Names::path(name)).unwrap();
    let len = file.metadata().unwrap().len();
    file.set_len(len - 1).unwrap();
}

#[test]
fn lines_end_when_the_last_page_is_cut() {
    let names = Names::new("cut-page");
    for (number, arguments) in [
        &["watch", "--csv", "-i", "1ms"] as &[&str],
        &["watch", "--json", "-i", "1ms"],
        &["show", "--follow", "--interval", "1ms"],
        &["hz", "-i", "1ms", "-r", "1ms"],
    ]
    .into_iter()
    .enumerate()
    {
        let name = names.name(&format!("t{number}"));
        let shm = u64::create(&name).unwrap();
        shm.set(7);
        let running = Running::start(arguments.iter().copied().chain([name.as_str()]));
        running.line().unwrap();
        cut_within_the_page(&name);
        let ran = running.end().code(4);
        let what = "was truncated while it was read";
        assert!(ran.err.contains(what), "{arguments:?}: {ran:#?}");
        assert!(ran.err.contains(&name), "{arguments:?}: {ran:#?}");
        drop(shm);
    }
}
