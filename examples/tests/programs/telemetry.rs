//! The writer and the reader of `telemetry`.

use crate::support::{Name, Program};
use nix::sys::signal::Signal;

#[test]
fn the_next_writer_continues_after_the_killed_one() {
    let name = Name::unique();
    let writer = Program::start("telemetry", &["write", &name.0]);
    assert!(writer.line().ends_with(": continues after frame 0"));
    let reader = Program::start("telemetry", &["read", &name.0]);
    assert!(
        reader
            .line()
            .starts_with("reader: the writer is alive; frame ")
    );

    writer.kill();
    let line = reader.line();
    let frame = line
        .strip_prefix("reader: the writer was killed; frame ")
        .unwrap();
    let (frame, _) = frame.split_once(' ').unwrap();

    let writer = Program::start("telemetry", &["write", &name.0]);
    let continues = format!(": continues after frame {frame}");
    assert!(writer.line().ends_with(&continues), "{continues}");
    assert!(
        reader
            .line()
            .starts_with("reader: the writer is alive; frame ")
    );

    writer.signal(Signal::SIGTERM);
    writer.end().well();
    assert_eq!(reader.line(), "reader: the writer has ended");
    reader.end().well();
    assert!(!name.exists());
}
