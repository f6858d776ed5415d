//! Writes and builds generated crates, and reads the compiler's errors.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// The folder of generated crates.
pub(crate) struct Workspace {
    root: PathBuf,
}

/// An error of the compiler.
#[derive(Debug)]
pub(crate) struct Error {
    /// The lines of the error in the generated file. An error from a macro has several places.
    pub lines: Vec<Range<usize>>,
    pub text: String,
}

/// A crate to generate.
pub(crate) struct Crate<'a> {
    pub name: &'a str,
    /// The file that its source is written to.
    pub root: &'a str,
    /// The lines of its `[dependencies]`, in which `{core}` stands for the folder of `shm-core`.
    pub dependencies: &'a str,
    pub source: &'a str,
}

impl<'a> Crate<'a> {
    /// A program that depends on `shm-core`.
    pub(crate) fn program(name: &'a str, source: &'a str) -> Self {
        Self {
            name,
            root: "src/main.rs",
            dependencies: "shm-core = { path = \"{core}\" }",
            source,
        }
    }
}

impl Workspace {
    /// Writes a workspace of these crates into the folder of this name.
    pub(crate) fn create(folder: &str, crates: &[Crate<'_>]) -> Self {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder);
        let project = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .expect("this package is in the project");
        let core = project.join("shm-core");
        let core = core.to_str().expect("the path is Unicode");
        for one in crates {
            let folder = root.join(one.name);
            fs::create_dir_all(folder.join("src")).expect("the target folder can be written");
            let manifest = format!(
                "[package]\nname = {:?}\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n{}\n",
                one.name,
                one.dependencies.replace("{core}", core)
            );
            write(&folder.join("Cargo.toml"), &manifest);
            write(&folder.join(one.root), one.source);
        }
        let members: Vec<&str> = crates.iter().map(|one| one.name).collect();
        let manifest = format!(
            "[workspace]\nresolver = \"3\"\nmembers = {members:?}\n\n[profile.dev]\ndebug = false\nincremental = false\n"
        );
        write(&root.join("Cargo.toml"), &manifest);
        // The versions that this test was built with are available offline.
        let lock = fs::read_to_string(project.join("Cargo.lock")).expect("the project has one");
        write(&root.join("Cargo.lock"), &lock);
        Self { root }
    }

    fn cargo(&self, command: &str, name: &str) -> Command {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        // One for all workspaces, so that their dependencies are built once.
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("derive-target");
        let mut call = Command::new(cargo);
        call.args([command, "--quiet", "--offline", "--package", name])
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", target)
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS");
        call
    }

    /// Builds and runs a crate.
    pub(crate) fn run(&self, name: &str) -> Output {
        self.cargo("run", name).output().expect("cargo runs")
    }

    /// Compiles the headers in the folder `headers`, which a program has written, with all warnings as errors. Returns their number.
    pub(crate) fn compile_headers(&self) -> usize {
        let folder = self.root.join("headers");
        let mut count = 0;
        for (end, compiler, language, standard) in [
            ("h", "gcc", "c", "-std=c11"),
            ("hpp", "g++", "c++", "-std=c++17"),
        ] {
            // Each header is in a program of its own, since their names are the same.
            let mut sources = Vec::new();
            for entry in fs::read_dir(&folder).expect("the program has written headers") {
                let path = entry.expect("the folder stays").path();
                if path.extension().is_some_and(|of| of == end) {
                    let source = path.with_extension(format!("{end}.source"));
                    write(&source, &format!("#include \"{}\"\n", path.display()));
                    sources.push(source);
                }
            }
            count += sources.len();
            let output = Command::new(compiler)
                .args([
                    standard,
                    "-Wall",
                    "-Wextra",
                    "-Werror",
                    "-pedantic",
                    "-fsyntax-only",
                    "-x",
                    language,
                ])
                .args(&sources)
                .output()
                .unwrap_or_else(|error| panic!("the test needs {compiler}: {error}"));
            assert!(
                output.status.success(),
                "{compiler} refuses a header:\n{}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        fs::remove_dir_all(&folder).expect("the folder is this test's own");
        count
    }

    /// All errors of `cargo check` for a crate.
    pub(crate) fn check(&self, name: &str) -> Vec<Error> {
        // A crate that was checked before would not be reported again.
        let output = self
            .cargo("check", name)
            .arg("--message-format=json")
            .output()
            .expect("cargo runs");
        let stdout = String::from_utf8(output.stdout).expect("JSON is UTF-8");
        let errors: Vec<Error> = stdout
            .lines()
            .filter_map(|line| error(&serde_json::from_str(line).expect("cargo writes JSON")))
            .collect();
        assert_eq!(
            output.status.success(),
            errors.is_empty(),
            "cargo failed for a reason of its own: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        errors
    }
}

/// Writes a file, unless it has this content already, since cargo compares modification times.
fn write(path: &Path, text: &str) {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return;
    }
    fs::write(path, text).expect("the target folder can be written");
}

fn error(line: &Value) -> Option<Error> {
    if line["reason"] != "compiler-message" || line["message"]["level"] != "error" {
        return None;
    }
    let message = &line["message"];
    let text = message["rendered"].as_str().unwrap_or_default().to_owned();
    let spans = message["spans"].as_array().map_or(&[][..], Vec::as_slice);
    // The compiler's last line, with the number of errors.
    if spans.is_empty() && text.starts_with("error: aborting due to") {
        return None;
    }
    let lines = spans
        .iter()
        .filter(|span| span["is_primary"] == true)
        .filter_map(in_source)
        .collect();
    Some(Error { lines, text })
}

/// The lines of a span in the generated file. A span inside a macro's expansion is followed to the macro's use.
fn in_source(span: &Value) -> Option<Range<usize>> {
    let mut span = span;
    while !span["file_name"].as_str()?.ends_with("src/main.rs") {
        span = span.get("expansion")?.get("span")?;
    }
    let line = |key: &str| usize::try_from(span[key].as_u64()?).ok();
    Some(line("line_start")?..line("line_end")? + 1)
}
