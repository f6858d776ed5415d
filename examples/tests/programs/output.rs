//! What the programs do to the terminal or pipe on their standard output.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::Stdio;

use crate::support::{Name, Program, command};
use nix::fcntl::OFlag;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::signal::Signal;
use rustix::termios::{Winsize, tcsetwinsize};

fn writer(name: &Name) -> Program {
    let writer = Program::start("sysmon_writer", &["--name", &name.0, "--interval", "20ms"]);
    writer.line();
    writer
}

/// A terminal, and a program's standard output on it. Not `openpty`: programs that other tests start meanwhile would inherit
/// its descriptors and keep it open.
fn terminal(columns: u16, rows: u16) -> (File, File) {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let master = posix_openpt(flags).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&master, size).unwrap();
    let slave = File::options()
        .write(true)
        .custom_flags(OFlag::O_NOCTTY.bits())
        .open(ptsname_r(&master).unwrap())
        .unwrap();
    (File::from(OwnedFd::from(master)), slave)
}

#[test]
fn ctrl_c_restores_the_terminals_cursor() {
    let name = Name::unique();
    let _writer = writer(&name);
    let (master, slave) = terminal(60, 24);
    let mut command = command("sysmon_reader", &["--name", &name.0, "--interval", "50ms"]);
    command.env("TERM", "xterm").stdout(Stdio::from(slave));
    let reader = Program::spawn(&mut command);
    // It holds this side's copy of the terminal, which would otherwise never end.
    drop(command);

    let mut terminal = BufReader::new(master);
    let mut seen = String::new();
    while seen.matches("sysmon /shm-examples-test").count() < 2 {
        assert_ne!(terminal.read_line(&mut seen).unwrap(), 0, "{seen}");
    }
    reader.signal(Signal::SIGINT);
    let mut rest = Vec::new();
    // The end of a terminal is an error, EIO.
    let _ = terminal.read_to_end(&mut rest);
    reader.end().well();
    seen.push_str(&String::from_utf8(rest).unwrap());

    assert!(seen.starts_with("\x1b[?25lsysmon "), "{seen:?}");
    assert!(seen.ends_with("\x1b[?25h"), "{seen:?}");
    assert!(seen.contains("A\rsysmon "), "not in place: {seen:?}");
    let widest = seen.split("\x1b[K").map(|line| {
        let line = line.trim_start_matches(|c: char| c.is_control());
        // The rest of a sequence that moves up or hides the cursor is not text.
        let line = line.rsplit_once("sysmon ").map_or(line, |(_, rest)| rest);
        line.chars().count()
    });
    assert!(widest.max().unwrap() <= 60, "{seen:?}");
}

#[test]
fn the_reader_exits_quietly_on_a_broken_pipe() {
    let name = Name::unique();
    let _writer = writer(&name);
    let (pipe, end) = std::io::pipe().unwrap();
    let mut command = command("sysmon_reader", &["--name", &name.0, "--interval", "50ms"]);
    let reader = Program::spawn(command.stdout(end));
    drop(command);
    let mut line = String::new();
    let mut pipe = BufReader::new(pipe);
    pipe.read_line(&mut line).unwrap();
    assert!(line.starts_with("time="), "{line}");
    drop(pipe);
    reader.end().well();
}

#[test]
fn fork_demo_shows_the_bytes_before_and_after() {
    let ended = Program::start("fork_demo", &[]).end();
    ended.well();
    let out = &ended.out;
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE);
    let page = page.unwrap().unwrap();
    assert_eq!(out[0], format!("a page has {page} bytes"));
    for (at, what) in [(2, "anonymous segment"), (8, "segment `/shm-fork-demo-")] {
        assert!(out[at].starts_with(what), "{out:?}");
        let address = out[at].split("mapped at 0x").nth(1).unwrap();
        let address = address.split(' ').next().unwrap();
        let address = i64::from_str_radix(address, 16).unwrap();
        assert_eq!(address % page, 0);
        let child = out[at + 1].split(' ').nth(1).unwrap();
        assert_eq!(
            out[at + 1],
            format!("child {child} sees    |.|.|.|.|.|.|.|.|.|.|.|.|.|.|.|.|.|.|.|.|")
        );
        assert!(out[at + 2].ends_with("writes Ala ma kota"), "{out:?}");
        assert_eq!(
            out[at + 3],
            format!("child {child} sees    |A|l|a| |m|a| |k|o|t|a|.|.|.|.|.|.|.|.|.|")
        );
        assert_eq!(out[at + 4], format!("child {child} has ended"));
    }
    assert_eq!(out.len(), 13, "{out:?}");
}

#[test]
fn fork_demo_exits_quietly_on_a_broken_pipe() {
    let (pipe, end) = std::io::pipe().unwrap();
    drop(pipe);
    let mut command = command("fork_demo", &[]);
    let demo = Program::spawn(command.stdout(end));
    drop(command);
    demo.end().well();
}
