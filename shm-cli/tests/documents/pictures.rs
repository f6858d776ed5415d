//! The pictures of the README.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::unistd::{Uid, User};
use shm_core::{Shm, ShmLayout};
use shm_examples::sysmon::segment::Sysmon;
use snapbox::data::DataFormat;
use snapbox::{Data, assert_data_eq, file};

use crate::segments::{Name, Telemetry, telemetry};
use crate::sysmon;

/// What the command prints on a terminal with colors.
fn shm(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shm"));
    command
        .args(arguments)
        .env("LC_ALL", "C.UTF-8")
        .env_remove("NO_COLOR")
        .stdout(Stdio::piped());
    let child = shm_tests::start(&mut command).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn segment(name: &Name) -> Shm<Sysmon> {
    let made = Sysmon::create(&name.with_slash()).unwrap();
    for number in 1234..1236 {
        sysmon::publish(&made, number);
    }
    made
}

/// With the line that was typed.
fn typed(line: &str, output: &str) -> Data {
    Data::text(format!("\x1b[32m$\x1b[0m \x1b[1m{line}\x1b[0m\n{output}"))
}

#[test]
fn the_picture_of_ls_is_current() {
    // Sorted, as documents have them.
    let names = ["cam-frames", "rover-pose", "shm-sysmon"].map(Name::new);
    let [orphan, persistent, live] = &names;
    let made = Telemetry::create(&orphan.with_slash()).unwrap();
    let bytes = std::fs::read(orphan.path()).unwrap();
    drop(made);
    // A file that no process has locked.
    std::fs::write(orphan.path(), bytes).unwrap();
    std::fs::set_permissions(orphan.path(), Permissions::from_mode(0o600)).unwrap();
    telemetry(persistent);
    let _sysmon = segment(live);
    orphan.backdate(Duration::from_secs(3 * 86_400 + 3600));
    persistent.backdate(Duration::from_secs(5 * 3600 + 60));
    live.backdate(Duration::from_secs(12 * 60 + 10));

    let words = names.each_ref().map(Name::with_slash);
    let mut arguments = vec!["ls", "--color", "always"];
    arguments.extend(words.iter().map(String::as_str));
    let mut out = shm(&arguments);
    for name in &names {
        out = name.shown_in(&out);
    }
    // The user and the process are others in each run.
    let user = User::from_uid(Uid::effective()).unwrap();
    let user = user.map_or_else(|| Uid::effective().to_string(), |user| user.name);
    let width = user.len().max("OWNER".len());
    let lines = out.lines().map(|line| {
        let line = line.replace(
            &format!("\x1b[1mOWNER\x1b[0m{:1$}", "", width - 5),
            "\x1b[1mOWNER\x1b[0m",
        );
        let line = line.replace(&format!("  {user:<width$}  "), "  robin  ");
        let pid = std::process::id().to_string();
        match line.find(&format!("{pid} ")) {
            Some(users) => format!("{}2541 sysmon_writer\n", &line[..users]),
            None => format!("{line}\n"),
        }
    });
    let out: String = lines.collect();
    assert_data_eq!(typed("shm ls", &out), file!["../../docs/ls.svg": TermSvg]);
}

#[test]
fn the_picture_of_show_is_current() {
    let name = Name::new("shm-sysmon");
    let _sysmon = segment(&name);
    let out = shm(&["show", &name.with_slash(), "halves[1]", "--color", "always"]);
    assert_data_eq!(
        typed("shm show shm-sysmon 'halves[1]'", &name.shown_in(&out)),
        file!["../../docs/show.svg": TermSvg]
    );
}

#[test]
fn the_pictures_of_layout_are_current() {
    let name = Name::new("shm-sysmon");
    let _sysmon = segment(&name);
    let name_now = name.with_slash();
    let out = shm(&["layout", &name_now, "--color", "always"]);
    assert_data_eq!(
        typed("shm layout shm-sysmon", &name.shown_in(&out)),
        file!["../../docs/layout.svg": TermSvg]
    );
    let file = shm(&["layout", &name_now, "--svg", "-"]);
    assert_data_eq!(
        Data::text(name.shown_in(&file)),
        file!["../../docs/layout-file.svg"].coerce_to(DataFormat::Text)
    );
}
