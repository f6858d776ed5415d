//! What the figures come from: processor, kernel, compiler, and versions of the contenders.

use std::fmt::Write as _;
use std::fs::read_to_string;

use nix::sys::utsname::uname;

use crate::peers;
use crate::process::processors;

/// The workspace's lock file names the version of every contender.
const LOCK: &str = include_str!("../../../Cargo.lock");

/// The version of a package in the lock file.
fn version(package: &str) -> Option<&'static str> {
    let (_, rest) = LOCK.split_once(&format!("name = \"{package}\"\nversion = \""))?;
    rest.split('"').next()
}

fn processor() -> String {
    let info = read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = info.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let name = field("model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    match (field("cpu family"), field("model\t")) {
        (Some(family), Some(model)) => format!("{name} (family {family}, model {model})"),
        _ => name,
    }
}

/// One line for each fact.
fn facts() -> Vec<String> {
    let count = processors().map_or(0, |all| all.len());
    let mut facts = vec![format!("{count} processors: {}", processor())];
    if let Ok(system) = uname() {
        let text = |part: &std::ffi::OsStr| part.to_string_lossy().into_owned();
        facts.push(format!(
            "{} {}, {}",
            text(system.sysname()),
            text(system.release()),
            text(system.version())
        ));
    }
    let load = read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<&str> = load.split(' ').take(3).collect();
    facts.push(format!("load at the start: {}", load.join(" ")));
    facts.push(env!("SHM_RUSTC").to_owned());
    let mut versions = vec![format!("shm-core {}", env!("CARGO_PKG_VERSION"))];
    for package in peers::packages() {
        versions.push(format!("{package} {}", version(package).unwrap_or("?")));
    }
    versions.push(format!("glibc {}", peers::posix::libc_version()));
    versions.extend(peers::boost_version());
    facts.push(versions.join(", "));
    facts.extend(peers::left_out());
    facts
}

pub(crate) fn show() {
    for fact in facts() {
        println!("{fact}");
    }
}

pub(crate) fn markdown() -> String {
    let mut text = String::from("\n");
    for fact in facts() {
        let _ = writeln!(text, "- {fact}");
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::version;
    use crate::peers;

    #[test]
    fn the_lock_file_has_every_contender() {
        for package in peers::packages() {
            assert!(version(package).is_some(), "{package}");
        }
    }
}
