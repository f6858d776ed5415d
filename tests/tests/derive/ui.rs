//! The compiler's messages for each kind of error, and definitions that it accepts.
//!
//! The expected messages are those of one compiler version. With another one this suite is skipped. After a change,
//! `TRYBUILD=overwrite cargo test -p shm-tests --test derive ui::` rewrites them; read each before you commit it.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The compiler whose messages are in the `.stderr` files.
const BLESSED: &str = "rustc 1.95.";

fn rustc() -> Command {
    Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
}

/// Whether this is another compiler, so that its messages cannot be compared. Prints a notice if so.
fn is_another_compiler() -> bool {
    let version = rustc().arg("--version").output().expect("rustc runs");
    let version = String::from_utf8_lossy(&version.stdout);
    let otherwise = !version.starts_with(BLESSED);
    if otherwise {
        eprintln!("skipped: the messages are those of {BLESSED}*, and this is {version}");
    }
    otherwise
}

#[test]
fn ui() {
    if is_another_compiler() {
        return;
    }
    let cases = trybuild::TestCases::new();
    cases.pass("ui/accepted/*.rs");
    cases.compile_fail("ui/refused/*.rs");
    cases.compile_fail("ui/misused/*.rs");
    cases.compile_fail("ui/guide/*.rs");
}

/// These are errors in any Rust program. The compiler reports them as well, in more lines, and no derive can prevent
/// that.
const INVALID_RUST: [&str; 5] = [
    "mutex_of_slice",
    "recursive",
    "recursive_in_lock",
    "slice_in_the_middle",
    "tail_in_the_middle",
];

/// Behind a name, the derive does not see what is bad. The compiler does, and appends which types are around an argument, or
/// which types have the derive. The lines from these words on are not counted.
const BEHIND_A_NAME: [(&str, &str); 3] = [
    (
        "alias_of_bad_elements",
        "\n   = note: 2 redundant requirements hidden\n",
    ),
    (
        "alias_of_bad_instance",
        "\n   = note: 2 redundant requirements hidden\n",
    ),
    (
        "alias_of_reference",
        "\nhelp: the trait `ShmLayout` is implemented for `Shared`\n",
    ),
];

/// The messages about refused definitions, with the names of their files.
fn refusals() -> Vec<(String, String)> {
    let messages = messages_in("ui/refused");
    assert!(messages.len() >= 90, "{} cases", messages.len());
    messages
}

/// The messages in a folder, with the names of their files.
fn messages_in(folder: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files = std::fs::read_dir(folder).expect("the folder is there");
    files
        .map(|file| file.expect("it can be listed").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "stderr")
        })
        .map(|path: PathBuf| {
            let name = path
                .file_stem()
                .expect("it has a name")
                .to_string_lossy()
                .into_owned();
            (
                name,
                std::fs::read_to_string(&path).expect("messages are text"),
            )
        })
        .collect()
}

#[test]
fn each_error_is_short_and_points_at_the_users_code() {
    for (name, text) in refusals() {
        for error in text.split("\nerror").map(str::trim) {
            let appended = BEHIND_A_NAME.iter().find(|(alias, _)| *alias == name);
            let error = appended.map_or(error, |(_, words)| {
                let (ours, _) = error
                    .split_once(words)
                    .expect("the compiler still appends the types");
                ours
            });
            // One of them is the compiler's own: see the test for that.
            let is_its_own = ["recursive type `", "the size for values of type `"]
                .iter()
                .any(|words| error.contains(words));
            if !is_its_own || !INVALID_RUST.contains(&name.as_str()) {
                assert!(
                    error.lines().count() <= 12,
                    "{name}: an error of more than 12 lines:\n{error}"
                );
            }
            let place = error.lines().nth(1).unwrap_or_default();
            assert!(
                place.contains(&format!("--> ui/refused/{name}.rs:")),
                "{name} points elsewhere: {place}"
            );
            // Messages must not mention hidden items. The traits in `diagnostics` are documented.
            assert!(
                !error.contains("__private"),
                "{name} speaks of a hidden item:\n{error}"
            );
        }
    }
}

#[test]
fn a_segment_with_a_refused_argument_gets_our_words() {
    let mut found = 0;
    for (name, text) in messages_in("ui/misused") {
        for error in text.split("\nerror").map(str::trim) {
            let is_one = name.starts_with("create_with_refused") || name.contains("without_copy");
            if !is_one || !error.contains("[E0599]") || !name.starts_with("create") {
                continue;
            }
            let title = error.lines().next().unwrap_or_default();
            assert!(
                title.contains("` cannot be placed in shared memory, because of `"),
                "{error}"
            );
            assert!(error.contains("= note: your own struct needs"), "{error}");
            assert!(
                error.contains("= note: `Box`, `Vec` and `String` keep"),
                "{error}"
            );
            // Neither a reference to the type, nor a list of types that can be shared.
            assert!(!error.contains("`&"), "{error}");
            assert!(!error.contains("other types implement"), "{error}");
            found += 1;
        }
    }
    assert!(found >= 9, "{found}");
}

#[test]
fn errors_about_wrong_uses_are_short_up_to_the_bound() {
    let mut own_words = 0;
    for (name, text) in messages_in("ui/misused") {
        for error in text.split("\nerror").map(str::trim) {
            // Only errors with a text of this library.
            if !error.contains("[E0277]") && !error.contains("[E0080]") {
                continue;
            }
            let ours = ["\nnote: required ", "\nnote: erroneous constant "]
                .into_iter()
                .fold(error, |rest, end| rest.split(end).next().unwrap_or(rest));
            assert!(
                ours.lines().count() <= 12,
                "{name}: more than 12 lines:\n{ours}"
            );
            own_words += 1;
        }
    }
    assert!(own_words >= 20, "only {own_words} were found");
}

#[test]
fn a_second_error_is_the_compilers_own() {
    if is_another_compiler() {
        return;
    }
    let kept = refusals();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("ui-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("there is room");
    for name in INVALID_RUST {
        let (_, text) = kept.iter().find(|(of, _)| of == name).expect("a case");
        let errors: Vec<&str> = text.trim().split("\n\nerror").collect();
        assert_eq!(errors.len(), 2, "{name}:\n{text}");

        // The same lines without this library.
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("ui/refused/{name}.rs"));
        let source = std::fs::read_to_string(path).expect("the case is there");
        let plain: String = source
            .lines()
            .map(|line| match line {
                "use shm_core::sync::Mutex;" => "struct Mutex<T>(T);",
                line if line.contains("ShmLayout") => "",
                line => line,
            })
            .flat_map(|line| [line, "\n"])
            .collect();
        assert!(plain.contains("#[repr(C)]"));
        assert!(!plain.contains("derive") && !plain.contains("shm_core"));
        let file = folder.join(format!("{name}.rs"));
        std::fs::write(&file, plain).expect("there is room");
        let output = rustc()
            .args(["--edition=2024", "--emit=metadata", "-Adead_code"])
            .arg("--out-dir")
            .args([&folder, &file])
            .output()
            .expect("rustc runs");
        assert!(!output.status.success(), "{name} is Rust");
        let said = String::from_utf8_lossy(&output.stderr)
            .replace(&*file.to_string_lossy(), &format!("ui/refused/{name}.rs"));
        let (said, rest) = said
            .split_once("\n\nerror: aborting due to 1 previous error")
            .expect("one error");
        assert!(!rest.contains("\nerror"), "{name}:\n{rest}");
        // The location and definition of the `Mutex` follow the message.
        let words = |error: &str| {
            let error = error.trim_start_matches("error");
            let end = error.find("\nnote: required by an implicit ");
            error[..end.unwrap_or(error.len())].to_owned()
        };
        let theirs = errors
            .iter()
            .filter(|error| words(error) == words(said))
            .count();
        assert_eq!(theirs, 1, "{name}, without the derive:\n{said}");
    }
    std::fs::remove_dir_all(&folder).expect("it is ours");
}

#[test]
fn nearly_all_errors_point_at_a_field_or_an_attribute() {
    let (mut at_part, mut all) = (0, Vec::new());
    for (name, text) in refusals() {
        for error in text.split("\nerror").map(str::trim) {
            // The first underlined line of code.
            let lines: Vec<&str> = error.lines().collect();
            let underlined = lines
                .iter()
                .position(|line| line.contains('^'))
                .map(|at| lines[at - 1]);
            let code = underlined
                .and_then(|line| line.split_once('|'))
                .map_or("", |(_, code)| code);
            // A field, variant or attribute, or the struct itself for a missing `repr` or a `Drop`. An error at the
            // derive would not show where the mistake is.
            if code.contains("derive(") {
                all.push(name.clone());
            } else {
                at_part += 1;
            }
        }
    }
    assert!(
        at_part * 100 >= 95 * (at_part + all.len()),
        "these point at the derive: {all:?}"
    );
}
