//! The console blocks of the README.

use std::fs;
use std::path::Path;

use crate::segments::{Name, telemetry};

/// The file that the README dumps to.
const DUMP: &str = "./telemetry.shm";

/// Runs the blocks of a copy that has a name and a file of this run.
#[test]
fn console_blocks_are_what_the_command_prints() {
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let name = Name::new("telemetry");
    telemetry(&name);
    let directory = std::env::temp_dir().join(format!("shm-cli-documents-{}", std::process::id()));
    fs::create_dir(&directory).unwrap();
    let dump = directory.join("dump").to_str().unwrap().to_owned();
    let copy = directory.join("README.md");
    let text = fs::read_to_string(readme).unwrap();
    fs::write(&copy, name.real_in(&with_dump(&text, &dump))).unwrap();

    let run = std::panic::catch_unwind(|| {
        trycmd::TestCases::new()
            .register_bin("shm", Path::new(env!("CARGO_BIN_EXE_shm")))
            .env("LC_ALL", "C.UTF-8")
            .env("NO_COLOR", "1")
            .case(&copy)
            .run();
    });
    // Another text only with TRYCMD=overwrite.
    let after = fs::read_to_string(&copy).unwrap();
    let after = name.shown_in(
        &after
            .replace(&format!("'{dump}'"), DUMP)
            .replace(&dump, DUMP),
    );
    if after != text {
        fs::write(readme, after).unwrap();
    }
    fs::remove_dir_all(&directory).unwrap();
    assert!(run.is_ok(), "a console block differs; see above");
}

/// Names the file in the commands, where its path may need quotes, and in what they print.
fn with_dump(text: &str, dump: &str) -> String {
    let lines = text.lines().map(|line| match line.starts_with("$ ") {
        true => line.replace(DUMP, &format!("'{dump}'")),
        false => line.replace(DUMP, dump),
    });
    lines.flat_map(|line| [line, "\n".to_owned()]).collect()
}
