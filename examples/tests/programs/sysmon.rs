//! The system monitor's programs.

use crate::support::{Name, Program, number, word};
use nix::sys::signal::Signal;

fn writer(name: &Name) -> Program {
    let writer = Program::start("sysmon_writer", &["--name", &name.0, "--interval", "20ms"]);
    let line = writer.line();
    let expected = format!(
        "writing to `{}` every 20 ms as process {}; press Ctrl-C to end",
        name.0,
        writer.pid()
    );
    assert_eq!(line, expected);
    writer
}

/// A reader that runs until it is killed.
fn reader(name: &Name) -> Program {
    Program::start("sysmon_reader", &["--name", &name.0, "--interval", "50ms"])
}

/// A reader that reads once.
fn peek(name: &Name, more: &[&str]) -> Program {
    let args = ["--name", &name.0, "--interval", "50ms", "--count", "1"];
    Program::start("sysmon_reader", &[&args, more].concat())
}

#[test]
fn count_limits_the_number_of_lines() {
    let name = Name::unique();
    let writer = writer(&name);
    let args = ["--name", &name.0, "--interval", "50ms", "--count", "3"];
    let ended = Program::start("sysmon_reader", &args).end();
    ended.well();
    assert_eq!(ended.out.len(), 3);
    let mut last = 0;
    for line in &ended.out {
        assert!(number(line, "sample") > last, "{line}");
        last = number(line, "sample");
        assert_eq!(number(line, "writer"), u64::from(writer.pid()));
        assert!(number(line, "mem_total") > number(line, "mem_available"));
        let cpus = std::thread::available_parallelism().unwrap().get();
        assert!(
            word(line, "cpus").split(',').count() >= cpus.min(256),
            "{line}"
        );
    }
}

#[test]
fn a_writer_exits_after_its_count() {
    let name = Name::unique();
    let args = ["--name", &name.0, "--interval", "20ms", "--count", "3"];
    let ended = Program::start("sysmon_writer", &args).end();
    ended.well();
    assert!(!name.exists());
}

#[test]
fn ctrl_c_ends_the_writer_and_removes_the_name() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let name = Name::unique();
        let writer = writer(&name);
        assert!(name.exists());
        writer.signal(signal);
        writer.end().well();
        assert!(!name.exists());
    }
}

#[test]
fn ctrl_c_ends_the_reader_and_keeps_the_name() {
    let name = Name::unique();
    let writer = writer(&name);
    let reader = reader(&name);
    reader.line();
    reader.signal(Signal::SIGINT);
    reader.end().well();
    assert!(name.exists());
    writer.signal(Signal::SIGINT);
    writer.end().well();
    assert!(!name.exists());
}

#[test]
fn a_reader_without_a_writer_reports_it() {
    let name = Name::unique();
    peek(&name, &[]).end().because(&format!(
        "error: no writer of `{}` is running; start sysmon_writer, or wait for one with --wait",
        name.0
    ));
}

#[test]
fn a_reader_can_wait_for_its_writer() {
    let name = Name::unique();
    let reader = peek(&name, &["--wait"]);
    let waiting = format!("waiting for a writer of `{}`; press Ctrl-C to end", name.0);
    assert_eq!(reader.complaint(), waiting);
    let writer = writer(&name);
    let ended = reader.end();
    ended.well();
    assert_eq!(number(&ended.out[0], "writer"), u64::from(writer.pid()));
}

#[test]
fn ctrl_c_ends_a_waiting_reader() {
    let name = Name::unique();
    let reader = peek(&name, &["--wait"]);
    reader.complaint();
    reader.signal(Signal::SIGINT);
    let ended = reader.end();
    ended.well();
    assert!(ended.out.is_empty());
}

#[test]
fn a_reader_notices_that_the_writer_exited() {
    let name = Name::unique();
    let writer = writer(&name);
    let reader = reader(&name);
    reader.line();
    let pid = writer.pid();
    writer.signal(Signal::SIGTERM);
    writer.end().well();
    let expected = format!("the writer of `{}`, process {pid}, has ended", name.0);
    assert_eq!(reader.complaint(), expected);
    reader.end().well();
}

#[test]
fn a_killed_writer_is_noticed_and_can_be_replaced() {
    let name = Name::unique();
    let first = writer(&name);
    let pid = first.pid();
    let reader = reader(&name);
    let mut last = number(&reader.line(), "sample");
    first.kill();

    let ended = reader.end();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let start = format!(
        "error: the writer of `{}`, process {pid}, has had no heartbeat for ",
        name.0
    );
    let [complaint] = ended.err.as_slice() else {
        panic!("{ended:?}");
    };
    assert!(complaint.starts_with(&start), "{complaint}");
    assert!(
        complaint.ends_with(" s; it was killed or stopped"),
        "{complaint}"
    );
    for line in &ended.out {
        last = number(line, "sample");
    }

    // A new reader gets an error at once. One that already waits keeps waiting for a successor.
    let late = peek(&name, &[]).end();
    assert_eq!(late.status.code(), Some(1), "{late:?}");
    assert!(late.err[0].starts_with(&start), "{late:?}");
    let waiting = peek(&name, &["--wait"]);
    waiting.complaint();

    // The successor continues in the same segment, so the numbers continue.
    let second = writer(&name);
    let ended = waiting.end();
    ended.well();
    assert!(number(&ended.out[0], "sample") > last);
    assert_eq!(number(&ended.out[0], "writer"), u64::from(second.pid()));
    second.signal(Signal::SIGINT);
    second.end().well();
    assert!(!name.exists());
}

#[test]
fn readers_continue_with_a_quick_successor() {
    let name = Name::unique();
    let first = writer(&name);
    let reader = reader(&name);
    let mut last = number(&reader.line(), "sample");
    first.kill();
    let second = writer(&name);
    loop {
        let line = reader.line();
        assert!(number(&line, "sample") > last, "{line}");
        last = number(&line, "sample");
        if number(&line, "writer") == u64::from(second.pid()) {
            break;
        }
    }
    reader.signal(Signal::SIGINT);
    reader.end().well();
}

#[test]
fn a_second_writer_is_refused() {
    let name = Name::unique();
    let first = writer(&name);
    let args = ["--name", &name.0];
    Program::start("sysmon_writer", &args)
        .end()
        .because(&format!(
            "error: `{}` already has a writer, process {}; end it first, or use another --name",
            name.0,
            first.pid()
        ));
    // It did no harm: the name exists, and the first writer continues.
    let ended = peek(&name, &[]).end();
    ended.well();
    assert_eq!(number(&ended.out[0], "writer"), u64::from(first.pid()));
}

#[test]
fn a_stopped_writer_keeps_its_role() {
    let name = Name::unique();
    let first = writer(&name);
    let watching = reader(&name);
    watching.line();
    first.signal(Signal::SIGSTOP);
    // Readers cannot distinguish it from a dead writer; a second writer can.
    assert_eq!(watching.end().status.code(), Some(1));
    let ended = Program::start("sysmon_writer", &["--name", &name.0]).end();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let (pid, complaint) = (first.pid(), &ended.err[0]);
    assert!(
        complaint.contains(&format!(
            "already has a writer, process {pid}, without a heartbeat for "
        )),
        "{complaint}"
    );
    first.signal(Signal::SIGCONT);
    peek(&name, &["--wait"]).line();
    first.signal(Signal::SIGINT);
    first.end().well();
}

#[test]
fn a_writer_exits_when_its_name_is_removed() {
    let name = Name::unique();
    let writer = writer(&name);
    std::fs::remove_file(name.path()).unwrap();
    writer.end().because(&format!(
        "error: the name `{}` was removed or replaced, so readers cannot find this writer",
        name.0
    ));
}

#[test]
fn invalid_names_are_refused() {
    for example in ["sysmon_writer", "sysmon_reader"] {
        let ended = Program::start(example, &["--name", "no-slash"]).end();
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        assert!(ended.err[0].starts_with("error: "), "{ended:?}");
        assert!(ended.err[0].contains("no-slash"), "{ended:?}");
    }
}

#[test]
fn the_combined_program_leaves_nothing_behind() {
    let both = Program::start("sysmon", &["--interval", "50ms", "--count", "2"]);
    let pid = both.pid();
    let name = Name(format!("/shm-sysmon-{pid}"));
    let ended = both.end();
    ended.well();
    assert_eq!(ended.out.len(), 2);
    assert_ne!(number(&ended.out[0], "writer"), u64::from(pid));
    assert!(!name.exists());
}

/// The writer shares standard error with its parent, so that stream ends when both have exited.
#[test]
fn the_combined_programs_writer_exits_with_its_reader() {
    for signal in [Signal::SIGINT, Signal::SIGKILL] {
        let both = Program::start("sysmon", &["--interval", "50ms"]);
        let name = Name(format!("/shm-sysmon-{}", both.pid()));
        both.line();
        assert!(name.exists());
        both.signal(signal);
        let ended = both.end();
        assert_eq!(ended.status.success(), signal == Signal::SIGINT);
        assert!(ended.err.is_empty(), "{ended:?}");
        assert!(!name.exists());
    }
}
