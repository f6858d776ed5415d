//! What the system allows and what the environment asks for.

use std::process::{Command, Stdio};

use crate::{Peer, start};

/// How often to do something: the number in an environment variable, or `otherwise`. Variables select the long form of a test.
///
/// # Panics
///
/// If the variable is not a number.
#[must_use]
pub fn count_from_env(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| {
        text.parse()
            .unwrap_or_else(|error| panic!("{variable}={text}: {error}"))
    })
}

/// Whether this process runs as root. If not, prints which part of the calling test is skipped.
pub fn is_root(otherwise: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        println!("skipped: {otherwise} needs root");
    }
    root
}

/// Sends the peer a command that restricts or isolates it, as not every system allows. Prints a note and returns `None` if this
/// system does not.
pub fn with_restriction(mut peer: Peer, command: &str) -> Option<Peer> {
    let answer = peer.ask(command);
    if answer.starts_with("ok") {
        return Some(peer);
    }
    println!("skipped: `{command}` is not allowed here: {answer}");
    None
}

/// Returns a function that starts peers, each as process 1 of its own pid namespace, and of its own user namespace where the
/// system requires one. `None` if the system allows neither.
#[must_use]
pub fn pid_namespaces(program: &str) -> Option<impl Fn() -> Peer> {
    unshared(program, &["-pf", "-Urpf"])
}

/// Returns a function that starts peers, each as process 1 of its own pid and user namespaces. `None` if the system does not
/// allow it.
#[must_use]
pub fn user_and_pid_namespaces(program: &str) -> Option<impl Fn() -> Peer> {
    unshared(program, &["-Urpf"])
}

/// Starts peers by `unshare` with the first of these options that works.
fn unshared(program: &str, options: &[&'static str]) -> Option<impl Fn() -> Peer> {
    for option in options {
        let arguments = [*option, "--kill-child"];
        let unshare = move || {
            let mut command = Command::new("unshare");
            command.args(arguments);
            command
        };
        let possible =
            start(unshare().arg("true").stderr(Stdio::null())).and_then(|mut child| child.wait());
        if possible.is_ok_and(|status| status.success()) {
            return Some(move || Peer::spawn(unshare().arg(program)));
        }
    }
    println!("skipped: pid namespaces are not allowed here");
    None
}
