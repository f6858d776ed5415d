//! A segment handed over a socket.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::thread;

use crate::support::Program;

/// The number after the role at the start of a line.
fn pid(line: &str, role: &str) -> u32 {
    let (head, _) = line.split_once(':').unwrap();
    let (found, pid) = head.split_once(' ').unwrap();
    assert_eq!(found, role, "{line}");
    pid.parse().unwrap()
}

#[test]
fn both_processes_add_to_the_same_number() {
    let program = Program::start("pass_fd", &[]);
    let address = format!("shm-pass-fd-{}", program.pid());
    let starter = program.pid();
    let ended = program.end();
    ended.well();
    let [offered, got, added, together] = ended.out.as_slice() else {
        panic!("{:?}", ended.out);
    };
    assert!(
        offered.ends_with(&format!(" bytes at the socket @{address}")),
        "{offered}"
    );
    let (sender, receiver) = (pid(offered, "sender"), pid(got, "receiver"));
    assert!(sender != receiver && ![sender, receiver].contains(&starter));
    assert!(
        got.ends_with(&format!(" received it from process {sender}")),
        "{got}"
    );
    assert_eq!(*added, format!("receiver {receiver}: added 100000 times"));
    assert_eq!(
        *together,
        format!("sender {sender}: added 100000 times, total 200000")
    );
}

#[test]
fn a_receiver_without_a_sender_reports_it() {
    let address = format!("shm-pass-fd-nobody-{}", std::process::id());
    let ended = Program::start("pass_fd", &["--receiver", &address]).end();
    ended.because("error: Connection refused (os error 111)");
}

#[test]
fn a_receiver_that_gets_no_descriptor_reports_it() {
    let address = format!("shm-pass-fd-silent-{}", std::process::id());
    let listener =
        UnixListener::bind_addr(&SocketAddr::from_abstract_name(&address).unwrap()).unwrap();
    let silent = thread::spawn(move || drop(listener.accept().unwrap()));
    let ended = Program::start("pass_fd", &["--receiver", &address]).end();
    silent.join().unwrap();
    ended.because("error: the other process sent no descriptor");
}
