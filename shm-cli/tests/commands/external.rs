//! Programs in PATH that are commands.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::common::{command, output, start};

/// A directory of this test, which is removed on drop.
struct Directory(PathBuf);

impl Directory {
    fn new(tag: &str) -> Self {
        let name = format!("shm-cli-{}-{tag}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn program(&self, name: &str, text: &str, mode: u32) {
        let path = self.0.join(name);
        // Written by another process: a program that is open for writing in a child of another test cannot be run.
        let mut shell = std::process::Command::new("/bin/sh");
        shell.args([
            "-c",
            "printf %s \"$1\" > \"$2\" && chmod \"$3\" \"$2\"",
            "sh",
            text,
        ]);
        shell.arg(&path).arg(format!("{mode:o}"));
        assert!(output(&mut shell).status.success());
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            mode
        );
    }

    /// PATH with only this directory and the one of `sh`.
    fn path(&self) -> String {
        format!("{}:/usr/bin:/bin", self.0.display())
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn run(directory: &Path, path: &str, arguments: &[&OsStr]) -> (Option<i32>, String, String) {
    let mut command = command();
    command.current_dir(directory).env("PATH", path);
    let output = output(command.args(arguments));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn an_unknown_command_is_a_program_from_path() {
    let directory = Directory::new("external");
    let script = "#!/bin/sh\nfor word; do printf '<%s>' \"$word\"; done; exit 42\n";
    directory.program("shm-hello", script, 0o755);
    let word = OsStr::from_bytes(b"a \xff");
    let arguments = ["hello", "--json", "x y"].map(OsStr::new);
    let arguments = [&arguments[..], &[word]].concat();
    let (code, out, err) = run(&directory.0, &directory.path(), &arguments);
    assert_eq!((code, err.as_str()), (Some(42), ""));
    assert_eq!(out, "<--json><x y><a \u{fffd}>");
}

#[test]
fn what_cannot_be_run_is_explained() {
    let directory = Directory::new("not-run");
    directory.program("shm-locked", "#!/bin/sh\n", 0o644);
    directory.program("shm-script", "#!/nonexistent/interpreter\n", 0o755);
    directory.program("shm-mirror", "#!/bin/sh\n", 0o755);
    let closed = directory.0.join("closed");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    let path = format!("{}:{}", closed.display(), directory.path());
    let cases = [
        ("gte", 2, "lists the commands. Did you mean `shm get`?\n"),
        (
            "miror",
            2,
            "lists the commands. Did you mean `shm mirror`?\n",
        ),
        (
            "zzzzzzzz",
            2,
            "no program `shm-zzzzzzzz` in PATH; `shm --help`",
        ),
        ("../x", 2, "`../x` is not a command"),
        ("locked", 4, "check the program and its permissions"),
        ("script", 4, "check the interpreter in its first line"),
    ];
    for (verb, expected, part) in cases {
        let (code, out, err) = run(&directory.0, &path, &[OsStr::new(verb)]);
        assert_eq!((code, out.as_str()), (Some(expected), ""), "{verb}: {err}");
        assert!(err.contains(part), "{verb}: {err}");
    }
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let (code, _, err) = run(&directory.0, "", &["--json", "mirror"].map(OsStr::new));
    assert_eq!(code, Some(2));
    assert!(err.contains("after its name"), "{err}");
    for verb in [&b"a\xff\x1b"[..], b"\x1b[2J"] {
        let verb = OsStr::from_bytes(verb);
        let (code, _, err) = run(&directory.0, &directory.path(), &[verb]);
        assert_eq!(code, Some(2));
        assert!(!err.contains('\u{1b}'), "{err}");
    }
}

#[test]
fn a_wrong_command_line_with_json_is_a_document() {
    let directory = Directory::new("document");
    let cases = [
        (&["shwo", "--json"][..], "Did you mean `shm show`?"),
        (&["--json", "shwo"], "Did you mean `shm show`?"),
        (
            &["ls", "--json", "--nonsense"],
            "unexpected argument '--nonsense'",
        ),
    ];
    for (arguments, part) in cases {
        let arguments: Vec<&OsStr> = arguments.iter().map(OsStr::new).collect();
        let (code, out, err) = run(&directory.0, &directory.path(), &arguments);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
        let document: serde_json::Value = serde_json::from_str(&err).unwrap();
        assert_eq!(document["schema"], "shm.error");
        let message = document["message"].as_str().unwrap();
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn help_that_cannot_be_written_is_an_error() {
    for arguments in [&["--help"][..], &["--version"], &["help", "ls"]] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = command();
        let child = start(
            command
                .args(arguments)
                .stdout(full)
                .stderr(std::process::Stdio::piped()),
        );
        let output = child.unwrap().wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{arguments:?}: {err}");
        assert!(err.contains("cannot write to standard output"), "{err}");
    }
}
