//! The names under which the program that is compiled knows `shm-core`.
//!
//! A procedural macro runs inside the compiler, whose arguments name each crate that the program depends on:
//! `--extern shared=/../libshm_core-1f.rmeta`. They are exact where `Cargo.toml` is not at hand or inherits from a
//! workspace, and they cost nothing to read. Where they cannot be read (arguments in a file, an editor's macro server)
//! the path is `::shm_core`, which is right unless the crate was renamed.

use std::path::PathBuf;
use std::sync::OnceLock;

use proc_macro2::{TokenStream, TokenTree};

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
        let arguments =
            || std::env::args_os().map(|argument| argument.to_string_lossy().into_owned());
        match read(arguments()) {
            Known::Renamed(name) if is_declared(name, root(arguments())) => Known::Usual,
            known => known,
        }
    })
}

/// Whether the file has `extern crate name as shm_core;`, which must be in the program's root module to define the path
/// `::shm_core`. The arguments do not tell that.
fn is_declared(name: &str, root: Option<PathBuf>) -> bool {
    root.and_then(|root| std::fs::read_to_string(root).ok())
        .and_then(|text| text.parse().ok())
        .is_some_and(|tokens| declares(name, tokens))
}

fn declares(name: &str, tokens: TokenStream) -> bool {
    let declaration = ["extern", "crate", name, "as", "shm_core", ";"];
    let tokens: Vec<_> = tokens
        .into_iter()
        .map(|token| match token {
            TokenTree::Group(_) => String::new(),
            token => token.to_string(),
        })
        .collect();
    tokens
        .windows(declaration.len())
        .any(|window| window == declaration)
}

/// The file of the program's root module: the argument that is no option, as in `--edition=2024 src/main.rs`.
fn root(arguments: impl Iterator<Item = String>) -> Option<PathBuf> {
    arguments
        .filter(|argument| !argument.starts_with('-') && argument.ends_with(".rs"))
        .map(PathBuf::from)
        .next()
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
    fn the_root_is_the_argument_that_is_no_option() {
        let root = |arguments: &str| root(arguments.split(' ').map(str::to_owned));
        let usual = "rustc --crate-name user --edition=2024 src/main.rs --emit=metadata";
        assert_eq!(root(usual), Some("src/main.rs".into()));
        assert_eq!(root("rustc @arguments"), None);
    }

    #[test]
    fn a_declaration_is_found_among_other_items() {
        let declares = |text: &str| declares("shared", text.parse().unwrap());
        assert!(declares(
            "#![no_std] use a::b; #[macro_use] extern crate shared as shm_core; fn main() {}"
        ));
        for other in [
            "// extern crate shared as shm_core;",
            "extern crate shared;",
            "extern crate other as shm_core;",
            "extern crate shared as core;",
            // Defines no path for the whole crate.
            "mod inner { extern crate shared as shm_core; }",
        ] {
            assert!(!declares(other), "{other}");
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
