//! What shells complete, and manual pages.

use std::fs;

use shm_core::ShmLayout;
use shm_tests::Names;

use crate::common::{command, output, shm};

/// What the shell gets to complete the last of these words.
fn completed(words: &[&str]) -> Vec<String> {
    let mut command = command();
    command
        .env("SHM_COMPLETE", "fish")
        .args(["--", "shm"])
        .args(words);
    let output = output(&mut command);
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    // A description may follow.
    let word = |line: &str| line.split('\t').next().unwrap_or_default().to_owned();
    text.lines().map(word).collect()
}

#[test]
fn names_of_segments_are_completed() {
    let names = Names::new("complete");
    let name = names.name("segment");
    let file = names.name("file");
    let shm = u64::create(&name).unwrap();
    fs::write(Names::path(&file), b"not a segment").unwrap();
    for prefix in [&name[..name.len() - 4], &name[1..name.len() - 4]] {
        let whole = format!("{prefix}ment");
        assert_eq!(completed(&["get", prefix]), [whole], "{prefix}");
    }
    assert_eq!(completed(&["get", &file]), [""; 0]);
    assert!(completed(&["g"]).contains(&"get".to_owned()));
    fs::remove_file(Names::path(&file)).unwrap();
    drop(shm);
}

#[test]
fn every_shell_gets_a_script() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = shm(["completions", shell]).code(0).out;
        assert!(script.contains("SHM_COMPLETE"), "{shell}: {script}");
    }
    let refused = shm(["completions", "tcsh"]).code(2).err;
    assert!(
        refused.contains("bash") && refused.contains("zsh"),
        "{refused}"
    );
}

#[test]
fn every_command_has_a_manual_page() {
    let page = shm(["man"]).code(0).out;
    assert!(page.contains(".TH shm 1"), "{page}");
    let directory = std::env::temp_dir().join(format!("shm-cli-{}-man", std::process::id()));
    fs::create_dir(&directory).unwrap();
    shm(["man", directory.to_str().unwrap()]).code(0);
    for verb in ["get", "completions", "man"] {
        let page = fs::read_to_string(directory.join(format!("shm-{verb}.1"))).unwrap();
        assert!(page.contains(&format!("shm {verb}")), "{page}");
    }
    fs::remove_dir_all(&directory).unwrap();
    let missing = shm(["man", directory.to_str().unwrap()]).code(3).err;
    assert!(missing.contains("check the path"), "{missing}");
}
