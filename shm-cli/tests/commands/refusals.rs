//! What messages advise a person to do.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Stdio;

use shm_core::ShmLayout;
use shm_tests::{Names, is_root};

use crate::common::{command, orphan, shm};

/// A directory that is removed on drop.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(&name[1..]);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The error of the command as another user. `None` if that user does not reach the program.
fn as_stranger(arguments: &[&str]) -> Option<String> {
    let mut command = command();
    command
        .args(arguments)
        .current_dir("/")
        .uid(1)
        .gid(1)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = match shm_tests::start(&mut command) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            println!("skipped: another user may not run the program");
            return None;
        }
        child => child.unwrap(),
    };
    let ran = child.wait_with_output().unwrap();
    assert_eq!(ran.status.code(), Some(4), "{ran:?}");
    Some(String::from_utf8(ran.stderr).unwrap())
}

#[test]
fn what_is_no_segment_is_said_without_permissions() {
    let names = Names::new("refusals");
    let (text, fifo) = (names.name("text"), names.name("fifo"));
    let (link, directory) = (names.name("link"), names.name("directory"));
    fs::write(Names::path(&text), [b'x'; 4096]).unwrap();
    nix::unistd::mkfifo(&Names::path(&fifo), nix::sys::stat::Mode::S_IRUSR).unwrap();
    symlink("/dev/null", Names::path(&link)).unwrap();
    fs::create_dir(Names::path(&directory)).unwrap();
    for (name, reason) in [
        (&text, "it does not start with the magic bytes"),
        (&fifo, "it is a FIFO"),
        (&link, "it is a symbolic link"),
        (&directory, "it is a directory"),
    ] {
        for verb in ["check", "show"] {
            let said = shm([verb, name]).code(4).err;
            let wanted = format!("`{name}` is not a segment: {reason}; check the name: `shm ls` ");
            assert!(said.contains(&wanted), "{verb}: {said}");
            assert!(!said.contains("permission"), "{verb}: {said}");
        }
    }
    fs::remove_dir(Names::path(&directory)).unwrap();
    for name in [text, fifo, link] {
        fs::remove_file(Names::path(&name)).unwrap();
    }
}

#[test]
fn a_missing_file_leads_to_the_next_step() {
    let names = Names::new("refusals-missing");
    let name = names.name("t");
    orphan(&name);
    let said = shm(["show", "./nope.shm"]).code(3).err;
    let wanted = "file `./nope.shm` does not exist; check the path; `shm ls` lists";
    assert!(said.contains(wanted), "{said}");
    let said = shm(["show", "/no-such-directory/zoo"]).code(3).err;
    assert!(said.contains("has one slash only"), "{said}");
    for source in [&name, &name[1..]] {
        let said = shm(["restore", source, &names.name("new")]).code(3).err;
        let wanted = format!("dump it first with `shm dump {name} FILE`");
        assert!(said.contains(&wanted), "{said}");
    }
    fs::remove_file(Names::path(&name)).unwrap();
}

#[test]
fn another_user_learns_as_which_user_to_run_it() {
    if !is_root("to run the command as another user") {
        return;
    }
    let names = Names::new("refusals-user");
    let name = names.name("t");
    let directory = Directory::new(&name);
    fs::set_permissions(&directory.0, Permissions::from_mode(0o755)).unwrap();
    let dump = directory.file("dump.shm");
    let other = names.name("other");
    u64::create(&name).unwrap().persist().unwrap();
    shm(["dump", &name, &dump]).code(0);
    for (arguments, wanted) in [
        (&["show", &name][..], "cannot be opened: Permission denied"),
        (&["check", &name], "cannot be opened: Permission denied"),
        (
            &["restore", &dump, &other],
            "cannot be opened: Permission denied",
        ),
        (
            &["rm", &name],
            "belongs to another user, and cannot be removed",
        ),
        (&["rm", "--yes", &name], "cannot be removed: "),
    ] {
        let Some(said) = as_stranger(arguments) else {
            break;
        };
        assert!(said.contains(wanted), "{arguments:?}: {said}");
        assert!(
            said.ends_with("; run it as root\n"),
            "{arguments:?}: {said}"
        );
        for alien in ["shm_open", "shm_unlink", "mode`", "setuid", "--yes"] {
            assert!(!said.contains(alien), "{arguments:?}: {said}");
        }
    }
    std::os::unix::fs::chown(Names::path(&name), Some(2), None).unwrap();
    if let Some(said) = as_stranger(&["rm", &name]) {
        assert!(said.contains("; run it as user "), "{said}");
    }
    fs::remove_file(Names::path(&name)).unwrap();
}
