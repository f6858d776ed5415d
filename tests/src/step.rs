//! Kills a process after its k-th instruction, asleep or awake, and counts its system calls.

use std::fs::read_to_string;
use std::sync::mpsc;
use std::thread::{Scope, ScopedJoinHandle, yield_now};
use std::time::Instant;

use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, gettid};

use crate::{DEADLINE, Peer, count_from_env};

/// How many instructions to skip between two kills. The long form stops at every one: `SHM_STEP_STRIDE=1`.
#[must_use]
pub fn stride(otherwise: u64) -> usize {
    usize::try_from(count_from_env("SHM_STEP_STRIDE", otherwise)).expect("a number of instructions")
}

/// Waits for the peer's next signal and suppresses it.
fn until_signal(peer: Pid) -> Signal {
    match waitpid(peer, None).expect("the peer is traced") {
        WaitStatus::Stopped(_, signal) => signal,
        status => panic!("{status:?}"),
    }
}

/// Sends the peer a command, and stops it at the first of the two signals (`SIGUSR1`) that it raises in it.
fn until_begun(peer: &mut Peer, command: &str) -> Pid {
    // It answers, so it has left `exec`, which would stop it with a signal of its own.
    peer.ok("pid");
    let pid = Pid::from_raw(peer.pid().cast_signed());
    ptrace::attach(pid).expect("children can be traced");
    assert_eq!(until_signal(pid), Signal::SIGSTOP);
    ptrace::cont(pid, None).expect("the peer is traced");
    peer.tell(command);
    assert_eq!(until_signal(pid), Signal::SIGUSR1);
    ptrace::setoptions(pid, ptrace::Options::PTRACE_O_TRACESYSGOOD).expect("the peer is traced");
    pid
}

/// Runs the peer to its next system call, or to the end of the current one. `false` if it reached the second signal instead.
fn stops_at_call(pid: Pid) -> bool {
    ptrace::syscall(pid, None).expect("the peer is traced");
    match waitpid(pid, None).expect("the peer is traced") {
        WaitStatus::PtraceSyscall(_) => true,
        WaitStatus::Stopped(_, Signal::SIGUSR1) => false,
        status => panic!("{status:?}"),
    }
}

/// Sends the peer a command, and counts the system calls between the two signals (`SIGUSR1`) that it raises in it. The count
/// includes those that raise the signals, so compare it with that of a command that does nothing.
///
/// # Panics
///
/// If the peer does anything else.
pub fn system_calls(mut peer: Peer, command: &str) -> usize {
    let pid = until_begun(&mut peer, command);
    let mut stops = 0;
    while stops_at_call(pid) {
        stops += 1;
    }
    peer.kill();
    // At its beginning and at its end.
    stops / 2
}

/// Sends the peer a command, and returns the numbers of the system calls that it makes between the two signals (`SIGUSR1`)
/// that it raises in it. Reading a clock does not count: it is a system call on some machines only.
///
/// # Panics
///
/// If the peer does anything else, or if there is no /proc.
pub fn system_call_numbers(peer: &mut Peer, command: &str) -> Vec<i64> {
    let pid = until_begun(peer, command);
    let mut numbers = Vec::new();
    let mut begins = false;
    while stops_at_call(pid) {
        // The first stop is at the end of the call that raised the signal.
        if begins {
            numbers.push(call_number(pid));
        }
        begins = !begins;
    }
    ptrace::detach(pid, None).expect("the peer is traced");
    let answer = peer.hear();
    assert!(answer.starts_with("ok "), "{answer}");
    // What raises the second signal.
    let raising = [libc::SYS_getpid, libc::SYS_gettid, libc::SYS_tgkill];
    while numbers.last().is_some_and(|last| raising.contains(last)) {
        numbers.pop();
    }
    let clock = |number: &i64| [libc::SYS_clock_gettime, libc::SYS_gettimeofday].contains(number);
    numbers.retain(|number| !clock(number));
    numbers
}

/// The number of the system call in which the peer is stopped.
fn call_number(pid: Pid) -> i64 {
    let call = read_to_string(format!("/proc/{pid}/syscall")).expect("the peer is there");
    let number = call.split_whitespace().next();
    number
        .and_then(|word| word.parse().ok())
        .expect("the peer is in a system call")
}

/// Sends the peer a command, and calls `each` before and after each of its system calls between the two signals (`SIGUSR1`)
/// that it raises in it. Returns how often.
///
/// # Panics
///
/// If the peer does anything else.
pub fn at_each_call(peer: &mut Peer, command: &str, mut each: impl FnMut()) -> usize {
    let pid = until_begun(peer, command);
    let mut stops = 0;
    while stops_at_call(pid) {
        stops += 1;
        each();
    }
    ptrace::detach(pid, None).expect("the peer is traced");
    stops
}

/// Sends the peer a command, and kills it at one of the stops at which [`at_each_call`] calls, counted from 1. `false` if
/// there are fewer.
///
/// # Panics
///
/// If the peer does anything else.
pub fn kill_at_call(mut peer: Peer, command: &str, stop: usize) -> bool {
    let pid = until_begun(&mut peer, command);
    let killed = (0..stop).all(|_| stops_at_call(pid));
    peer.kill();
    killed
}

/// A peer that runs a command from one system call to the next.
#[derive(Debug)]
pub struct Stepper<'a> {
    peer: &'a mut Peer,
    pid: Pid,
    ended: bool,
}

impl<'a> Stepper<'a> {
    /// Sends the peer a command, and stops it at the first of the two signals (`SIGUSR1`) that it raises in it.
    pub fn begin(peer: &'a mut Peer, command: &str) -> Self {
        let pid = until_begun(peer, command);
        Self {
            peer,
            pid,
            ended: false,
        }
    }

    /// Runs it to its next system call, or to the end of the current one. `false` if it has come to the second signal.
    pub fn step(&mut self) -> bool {
        self.ended = self.ended || !stops_at_call(self.pid);
        !self.ended
    }

    /// Whether it is about to make this system call, or has just done so.
    ///
    /// # Panics
    ///
    /// If there is no /proc.
    #[must_use]
    pub fn is_at(&self, call: i64) -> bool {
        call_number(self.pid) == call
    }

    /// Whether it is about to sleep for a time, or has just done so.
    ///
    /// # Panics
    ///
    /// If there is no /proc.
    #[must_use]
    pub fn is_at_sleep(&self) -> bool {
        [libc::SYS_nanosleep, libc::SYS_clock_nanosleep].contains(&call_number(self.pid))
    }

    /// Lets it finish the command, and returns its answer.
    ///
    /// # Panics
    ///
    /// If it does anything else.
    pub fn finish(mut self) -> String {
        while self.step() {}
        ptrace::detach(self.pid, None).expect("the peer is traced");
        self.peer.hear()
    }
}

/// Sends the peer a command, calls `change` at one of the stops at which [`at_each_call`] calls, counted from 1, and lets the
/// peer go on. Returns the signal that ended it, or `None` if it finished the command; and whether there were that many
/// stops.
///
/// # Panics
///
/// If the peer does anything else.
pub fn change_at_call(
    peer: &mut Peer,
    command: &str,
    stop: usize,
    change: impl FnOnce(),
) -> (Option<Signal>, bool) {
    let pid = until_begun(peer, command);
    if !(0..stop).all(|_| stops_at_call(pid)) {
        ptrace::detach(pid, None).expect("the peer is traced");
        return (None, false);
    }
    change();
    ptrace::cont(pid, None).expect("the peer is traced");
    match until_signal(pid) {
        Signal::SIGUSR1 => {
            ptrace::detach(pid, None).expect("the peer is traced");
            (None, true)
        }
        deadly => {
            peer.kill();
            (Some(deadly), true)
        }
    }
}

/// Sends the peer a command, and calls `each` after each of its instructions between the two signals (`SIGUSR1`) that it
/// raises in it, as the fastest possible peer could interfere. After `most` of these it lets the peer run. Returns the number of
/// instructions.
///
/// # Panics
///
/// If the peer does anything else.
pub fn at_each_instruction(
    peer: &mut Peer,
    command: &str,
    most: usize,
    mut each: impl FnMut(),
) -> usize {
    let pid = until_begun(peer, command);
    let mut instructions = 0;
    loop {
        if instructions < most {
            ptrace::step(pid, None).expect("the peer is traced");
        } else {
            ptrace::cont(pid, None).expect("the peer is traced");
        }
        match until_signal(pid) {
            Signal::SIGTRAP => each(),
            Signal::SIGUSR1 => break,
            signal => panic!("{signal}"),
        }
        instructions += 1;
    }
    ptrace::detach(pid, None).expect("the peer is traced");
    instructions
}

/// Sends the peer a command, and kills it at the given instruction after the first of the two signals (`SIGUSR1`) that it
/// raises in it. `false` if it reached the second signal before.
///
/// # Panics
///
/// If the peer does anything else.
pub fn kill_at_instruction(peer: Peer, command: &str, instruction: usize) -> bool {
    kill_at_point(peer, command, Point::Begun(instruction), || {}).killed
}

/// Where in a round to kill a peer.
#[derive(Clone, Copy, Debug)]
pub enum Point {
    /// This many instructions after the start.
    Begun(usize),
    /// In its first sleep.
    Asleep,
    /// This many instructions after its first sleep.
    Woken(usize),
}

/// What happened to the peer.
#[derive(Clone, Copy, Debug)]
pub struct KillOutcome {
    /// Whether it was killed; otherwise its round was over before.
    pub killed: bool,
    /// Whether the kernel had it asleep.
    pub slept: bool,
}

/// Sends the peer a command, and kills it at this point between the two signals (`SIGUSR1`) that it raises in it. Whenever
/// it has fallen asleep, this calls `asleep`, which must wake it unless its time is up.
///
/// Until its first sleep, the peer is single-stepped for [`Point::Begun`], and runs at full speed for the other two, so that
/// its timeouts are realistic.
///
/// # Panics
///
/// If the peer does anything else.
pub fn kill_at_point(
    mut peer: Peer,
    command: &str,
    point: Point,
    mut asleep: impl FnMut(),
) -> KillOutcome {
    /// Nearly every step takes fewer polls than this, and finding out whether it sleeps takes longer than a step.
    const LOOKS: u32 = 30;
    let pid = until_begun(&mut peer, command);
    let mut seen = KillOutcome {
        killed: true,
        slept: false,
    };
    let steps = match point {
        Point::Begun(steps) => steps,
        Point::Asleep | Point::Woken(_) => {
            while !seen.slept {
                ptrace::syscall(pid, None).expect("the peer is traced");
                match until_stop_or_sleep(pid, 0) {
                    Some(WaitStatus::PtraceSyscall(_)) => {}
                    Some(WaitStatus::Stopped(_, Signal::SIGUSR1)) => {
                        seen.killed = false;
                        peer.kill();
                        return seen;
                    }
                    Some(status) => panic!("{status:?}"),
                    None => seen.slept = true,
                }
            }
            match point {
                Point::Woken(steps) => {
                    asleep();
                    // At the end of the system call.
                    let status = waitpid(pid, None).expect("the peer is traced");
                    assert!(matches!(status, WaitStatus::PtraceSyscall(_)), "{status:?}");
                    steps
                }
                _ => 0,
            }
        }
    };
    for _ in 0..steps {
        ptrace::step(pid, None).expect("the peer is traced");
        let status = until_stop_or_sleep(pid, LOOKS).unwrap_or_else(|| {
            seen.slept = true;
            asleep();
            waitpid(pid, None).expect("the peer is traced")
        });
        match status {
            WaitStatus::Stopped(_, Signal::SIGTRAP) => {}
            WaitStatus::Stopped(_, Signal::SIGUSR1) => {
                seen.killed = false;
                break;
            }
            status => panic!("{status:?}"),
        }
    }
    peer.kill();
    seen
}

/// Waits until the peer stops, or sleeps in the kernel until it is woken or its time is up: `None`. Starts checking for
/// sleep after `vain` polls.
fn until_stop_or_sleep(pid: Pid, vain: u32) -> Option<WaitStatus> {
    let mut looks = 0;
    loop {
        match waitpid(pid, Some(WaitPidFlag::WNOHANG)).expect("the peer is traced") {
            WaitStatus::StillAlive => {}
            status => return Some(status),
        }
        looks += 1;
        if looks > vain && is_asleep(&format!("/proc/{pid}")) {
            return None;
        }
        yield_now();
    }
}

/// Whether a thread sleeps on a futex or on a timer.
fn is_asleep(thread: &str) -> bool {
    // After the name, which is in brackets.
    let waits = || {
        let stat = read_to_string(format!("{thread}/stat")).unwrap_or_default();
        stat.rsplit(") ")
            .next()
            .is_some_and(|rest| rest.starts_with('S'))
    };
    let sleeps = || {
        let call = read_to_string(format!("{thread}/syscall")).unwrap_or_default();
        let mut words = call.split_whitespace();
        let number = words.next().and_then(|word| word.parse().ok());
        let operation = words.nth(1).and_then(|word| word.strip_prefix("0x"));
        match number {
            Some(libc::SYS_nanosleep | libc::SYS_clock_nanosleep | libc::SYS_ppoll) => true,
            Some(libc::SYS_futex) => operation
                .and_then(|word| i32::from_str_radix(word, 16).ok())
                .map(|word| word & libc::FUTEX_CMD_MASK)
                .is_some_and(|word| [libc::FUTEX_WAIT, libc::FUTEX_WAIT_BITSET].contains(&word)),
            _ => false,
        }
    };
    waits() && sleeps() && waits()
}

/// Returns when the process, of one thread, sleeps.
///
/// # Panics
///
/// If it does not fall asleep.
pub fn until_asleep(pid: u32) {
    let path = format!("/proc/{pid}");
    let start = Instant::now();
    while !is_asleep(&path) {
        assert!(start.elapsed() < DEADLINE, "it does not sleep");
        yield_now();
    }
}

/// Waits until the peer has answered, or sleeps before it does, which is `None`.
///
/// # Panics
///
/// If it does neither.
pub fn answer_or_sleep(peer: &mut Peer) -> Option<String> {
    let path = format!("/proc/{}", peer.pid());
    let start = Instant::now();
    loop {
        let answer = peer.heard();
        if answer.is_some() || is_asleep(&path) {
            return answer;
        }
        assert!(start.elapsed() < DEADLINE, "it does neither");
        yield_now();
    }
}

/// Starts a thread that must wait for something, and returns when it sleeps.
///
/// # Panics
///
/// If it does not fall asleep.
pub fn spawn_until_asleep<'scope, R: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> R + Send + 'scope,
) -> ScopedJoinHandle<'scope, R> {
    let (sender, receiver) = mpsc::channel();
    let thread = scope.spawn(move || {
        sender.send(gettid()).expect("the receiver lives");
        work()
    });
    let path = format!(
        "/proc/self/task/{}",
        receiver.recv().expect("the thread runs")
    );
    let start = Instant::now();
    while !is_asleep(&path) {
        assert!(start.elapsed() < DEADLINE, "it does not sleep");
        yield_now();
    }
    thread
}

/// Calls `round` for each point of a round that sleeps: in its sleep; if `before` is given, at instructions up to the sleep,
/// with that distance between the first two; and at every `after`-th instruction from the sleep to the end of the round.
///
/// Most instructions before a sleep are spinning, so the distances grow there and end after 20,000 instructions. The long
/// form stops at each of the first 2,000, and at each from the sleep on.
///
/// # Panics
///
/// If the round ends without a sleep.
pub fn kill_around_sleep(
    what: &str,
    before: Option<u64>,
    after: u64,
    mut round: impl FnMut(Point) -> KillOutcome,
) {
    /// Up to the sleep.
    const MOST: usize = 20_000;
    let mut checked = |point| {
        // On a busy machine the round may end before its sleep, or before the sleep is noticed.
        for _ in 0..20 {
            let seen = round(point);
            if seen.killed || seen.slept {
                return seen;
            }
        }
        panic!("{what}: over without a sleep");
    };
    assert!(checked(Point::Asleep).slept);
    let mut begun = 0;
    if let Some(before) = before.map(stride) {
        while begun < MOST && !checked(Point::Begun(begun)).slept {
            begun = if before == 1 {
                begun + 1 + begun / 2_000 * 10
            } else {
                begun * 4 + before
            };
        }
    }
    let mut woken = 0;
    while checked(Point::Woken(woken)).killed {
        woken += stride(after);
    }
    match before.map(stride) {
        Some(1) if begun < MOST => {
            println!("{what}: {begun} instructions up to its sleep, {woken} after that");
        }
        _ => println!("{what}: {woken} instructions from its sleep on"),
    }
    assert!(woken > 0, "{what}");
}
