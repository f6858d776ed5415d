//! Programs in which the path `::shm_core` leads nowhere: they know the library under another name, or through
//! another library that re-exports it. Each error names the attribute that helps.

use crate::build::{Crate, Error, Workspace};

const STRUCTS: &str = "
#[derive(Clone, Copy, ShmLayout)]
#[repr(u8)]
enum Mode { Off, On }

#[derive(ShmLayout)]
#[repr(C)]
struct Pair<T> { first: T, second: T }

#[derive(ShmLayout)]
#[repr(C)]
struct Robot { speed: Pair<u64>, mode: [Mode; 8] }

fn main() {
    let robot = Robot::create(\"/robot\").unwrap();
    robot.speed.first.set(1);
    robot.mode[0].set(Mode::On);
    let _ = robot.mode[1].try_get().map_or(0, |mode| match mode { Mode::Off => 1, Mode::On => 2 });
}
";
/// The lines of the derives in [`STRUCTS`].
const DERIVES: [usize; 3] = [2, 6, 10];

/// The errors of a program with [`STRUCTS`]. It depends on `shared`, which is `shm-core` renamed,
/// or on `facade`, which re-exports it.
fn check(name: &str, dependency: &str, first_line: &str, attribute: &str) -> Vec<Error> {
    let dependencies = match dependency {
        "shared" => "shared = { package = \"shm-core\", path = \"{core}\" }",
        _ => "facade = { path = \"../facade\" }",
    };
    let facade = Crate {
        name: "facade",
        root: "src/lib.rs",
        dependencies: "shm-core = { path = \"{core}\" }",
        source: "pub use shm_core::{self, *};",
    };
    let derives = STRUCTS.replace("#[repr", &format!("{attribute}#[repr"));
    let program = Crate {
        name,
        root: "src/main.rs",
        dependencies,
        source: &format!("{first_line}{derives}"),
    };
    Workspace::create(&format!("derive-{name}"), &[facade, program]).check(name)
}

/// Each derive has one error, which says `words`.
fn assert_one_error_a_derive(errors: &[Error], words: &str) {
    let lines: Vec<usize> = errors.iter().map(|error| error.lines[0].start).collect();
    let texts: Vec<&str> = errors.iter().map(|error| error.text.as_str()).collect();
    assert_eq!(lines, DERIVES, "{texts:#?}");
    for text in texts {
        assert!(text.contains(words), "{text}");
        assert!(text.lines().count() <= 12, "{text}");
    }
}

#[test]
fn a_renamed_crate_is_named_with_the_attribute() {
    let errors = check("renamed", "shared", "use shared::ShmLayout;", "");
    assert_one_error_a_derive(
        &errors,
        "this crate depends on `shm-core` under the name `shared`; add `#[shm(crate = \"shared\")]` below the derive",
    );
}

#[test]
fn a_renamed_crate_that_is_declared_by_hand_is_found() {
    let declared = "extern crate shared as shm_core; use shm_core::ShmLayout;";
    let errors = check("renamed-declared", "shared", declared, "");
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn a_reexported_derive_asks_for_the_attribute() {
    let errors = check("reexported", "facade", "use facade::ShmLayout;", "");
    assert_one_error_a_derive(&errors, "`write_shm_crate_with_the_path_of_shm_core`");
}

#[test]
fn a_reexported_derive_works_with_the_attribute() {
    let attribute = "#[shm(crate = \"facade::shm_core\")] ";
    let errors = check("attributed", "facade", "use facade::ShmLayout;", attribute);
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn a_crate_that_is_declared_by_hand_is_found() {
    let declared = "extern crate facade as shm_core; use shm_core::ShmLayout;";
    let errors = check("declared", "facade", declared, "");
    assert!(errors.is_empty(), "{errors:#?}");
}
