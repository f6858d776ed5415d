//! The names under which the program that is compiled knows `shm-core`.
//!
//! A procedural macro runs inside the compiler, whose arguments name each crate that the program depends on:
//! `--extern shared=/../libshm_core-1f.rmeta`. They are exact where `Cargo.toml` is not at hand or inherits from a
//! workspace, and they cost nothing to read. Where they cannot be read (arguments in a file, an editor's macro server)
//! the path is `::shm_core`, which is right unless the crate was renamed.

use std::sync::OnceLock;

/// What the compiler's arguments say about `::shm_core`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It is a dependency, or the arguments do not tell.
    Usual,
    /// The program depends on `shm-core` under this name only.
    Renamed(&'static str),
    /// The program has dependencies, and `shm-core` is none of them. It can still define the name itself, by `extern
    /// crate`.
    Missing,
}

/// Reads the arguments of this process once.
pub(crate) fn shm_core() -> Known {
    static KNOWN: OnceLock<Known> = OnceLock::new();
    *KNOWN.get_or_init(|| {
        // `args` panics where an argument is not Unicode.
        let arguments = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned());
        read(arguments)
    })
}

fn read(arguments: impl Iterator<Item = String>) -> Known {
    let mut known = Known::Usual;
    let mut arguments = arguments.peekable();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--crate-name" if arguments.peek().is_some_and(|name| name == "shm_core") => {
                return Known::Usual;
            }
            "--crate-name=shm_core" => return Known::Usual,
            _ => {}
        }
        let Some(dependency) = (match argument.as_str() {
            "--extern" => arguments.next(),
            joined => joined.strip_prefix("--extern=").map(str::to_owned),
        }) else {
            continue;
        };
        // `priv,noprelude:name=path`, where everything but the name is optional.
        let (name, path) = dependency.split_once('=').unwrap_or((&dependency, ""));
        let name = name.rsplit(':').next().unwrap_or(name);
        if name == "shm_core" {
            return Known::Usual;
        }
        if is_shm_core(path) {
            known = Known::Renamed(name.to_owned().leak());
        } else if known == Known::Usual && name != "proc_macro" {
            known = Known::Missing;
        }
    }
    known
}

/// Whether `path` is a library that was compiled under the name `shm_core`, as `libshm_core-1f2e.rmeta` is.
fn is_shm_core(path: &str) -> bool {
    let file = path.rsplit(['/', '\\']).next().unwrap_or(path);
    file.strip_prefix("libshm_core")
        .is_some_and(|rest| rest.starts_with(['-', '.']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(arguments: &str) -> Known {
        read(arguments.split(' ').map(str::to_owned))
    }

    #[test]
    fn a_dependency_under_its_own_name_is_usual() {
        for arguments in [
            "rustc",
            "rustc --edition=2024 src/main.rs",
            "rustc @arguments",
            "rustc --extern proc_macro",
            "rustc --extern libc=/d/liblibc-1f.rmeta --extern shm_core=/d/libshm_core-1f.rmeta",
            "rustc --extern=shm_core",
            "rustc --extern priv,noprelude:shm_core=/d/libshm_core.rlib",
            // Under two names.
            "rustc --extern shared=/d/libshm_core-1f.rmeta --extern shm_core=/d/libshm_core-1f.rmeta",
            // The crate itself.
            "rustc --crate-name shm_core --extern libc=/d/liblibc-1f.rmeta",
            "rustc --crate-name=shm_core --extern libc=/d/liblibc-1f.rmeta",
        ] {
            assert_eq!(of(arguments), Known::Usual, "{arguments}");
        }
    }

    #[test]
    fn a_renamed_dependency_is_found_by_its_file() {
        for arguments in [
            "rustc --crate-name user --extern shared=/d/libshm_core-1f.rmeta",
            "rustc --extern=shared=/d/libshm_core.rlib --extern libc=/d/liblibc-1f.rmeta",
            "rustc --extern libc=/d/liblibc-1f.rmeta --extern priv:shared=/d/libshm_core-1f.rmeta",
        ] {
            assert_eq!(of(arguments), Known::Renamed("shared"), "{arguments}");
        }
    }

    #[test]
    fn a_program_that_does_not_depend_on_it_is_found() {
        for arguments in [
            "rustc --extern telemetry=/d/libtelemetry-1f.rmeta",
            "rustc --extern shm_core_extras=/d/libshm_core_extras-1f.rmeta",
        ] {
            assert_eq!(of(arguments), Known::Missing, "{arguments}");
        }
    }
}
