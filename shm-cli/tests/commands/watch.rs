//! Lines and the live view.

use std::fs;
use std::process::Command;
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rexpect::process::WaitStatus;
use rexpect::session::{Options, PtySession, spawn_with_options};
use shm_core::ShmLayout;
use shm_core::sync::{Broadcast, Event, Mutex, Ring, SeqLock};
use shm_tests::{DEADLINE, Names};

use crate::common::{Running, STARTING, shm, start};

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Pose {
    x: f64,
    y: f64,
}

#[derive(ShmLayout)]
#[shm(padding)]
#[repr(C)]
struct Robot {
    pose: SeqLock<Pose>,
    jobs: Ring<u64, 64>,
    ticks: Broadcast<u64, 64>,
    budget: Mutex<u64>,
    stop: Event,
    speed: [f32; 2],
}

const HEAD: &str = "time,pose#commits,pose.x,pose.y,jobs#sent,jobs#received,ticks#sent,budget#owner,budget,stop#generation,speed[0],\
                    speed[1]";

#[derive(ShmLayout)]
#[repr(C)]
struct Many {
    locks: [Mutex<u64>; 501],
}

#[test]
fn a_part_that_is_advised_can_be_watched() {
    let names = Names::new("watch-many");
    let (values, states) = (names.name("values"), names.name("states"));
    // Columns for owners are not parts.
    let _values = Many::create(&values).unwrap();
    let _states = <[Ring<u64, 2>; 501]>::create(&states).unwrap();
    for name in [values, states] {
        let ran = shm(["watch", &name, "--csv", "-n", "1"]).code(2);
        assert!(ran.err.contains("more than 1000 numbers"), "{ran:?}");
        let (_, part) = ran.err.split_once("such as `").unwrap();
        let (part, _) = part.split_once('`').unwrap();
        shm(["watch", &name, part, "--csv", "-n", "1"]).code(0);
    }
}

#[test]
fn csv_has_a_column_for_each_number() {
    let names = Names::new("watch-csv");
    let name = names.name("t");
    let robot = Robot::create(&name).unwrap();
    robot.pose.store(Pose { x: 0.5, y: -1.0 }).unwrap();
    robot.jobs.sender().unwrap().send(7).unwrap();
    robot.stop.notify_all();
    robot.speed[1].set(2.5);
    let out = shm(["watch", &name, "--csv", "-n", "2", "-i", "1ms"])
        .code(0)
        .out;
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines[0], HEAD);
    assert_eq!(lines.len(), 3);
    for line in &lines[1..] {
        let (time, values) = line.split_once(',').unwrap();
        assert!(time.parse::<f64>().unwrap() > 1e9, "{time}");
        assert_eq!(values, "1,0.5,-1.0,1,0,0,,0,1,0.0,2.5");
    }
    drop(robot);
}

#[test]
fn changes_alone_are_lines_if_asked_for() {
    let names = Names::new("watch-changes");
    let name = names.name("t");
    let robot = Robot::create(&name).unwrap();
    let arguments = [
        "watch",
        &name,
        "speed",
        "--csv",
        "--changes",
        "-n",
        "3",
        "-i",
        "1ms",
    ];
    let running = Running::start(arguments);
    let values = |line: String| line.split_once(',').unwrap().1.to_owned();
    assert_eq!(running.line().unwrap(), "time,speed[0],speed[1]");
    assert_eq!(values(running.line().unwrap()), "0.0,0.0");
    robot.speed[0].set(1.0);
    assert_eq!(values(running.line().unwrap()), "1.0,0.0");
    robot.speed[1].set(f32::NAN);
    assert_eq!(values(running.line().unwrap()), "1.0,NaN");
    assert_eq!(running.end().code(0).out, "");
}

#[test]
fn json_is_a_document_a_line() {
    let names = Names::new("watch-json");
    let name = names.name("t");
    let robot = Robot::create(&name).unwrap();
    robot.speed[1].set(2.5);
    let out = shm([
        "watch", &name, "speed", "jobs", "--json", "-n", "2", "-i", "1ms",
    ]);
    let out = out.code(0).out;
    assert_eq!(out.lines().count(), 2);
    for line in out.lines() {
        let document: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(document["schema"], "shm.watch");
        assert_eq!(document["name"], name.as_str());
        let values = r#"{"speed[0]":0.0,"speed[1]":2.5,"jobs#sent":0,"jobs#received":0}"#;
        assert_eq!(document["values"].to_string(), values);
    }
    drop(robot);
}

#[test]
fn a_removed_segment_ends_lines() {
    let names = Names::new("watch-removed");
    let name = names.name("t");
    let robot = Robot::create(&name).unwrap();
    let running = Running::start(["watch", &name, "speed", "--csv", "-i", "5ms"]);
    running.line().unwrap();
    drop(robot);
    let ran = running.end().code(3);
    assert!(
        ran.err.contains("was removed; start the program"),
        "{ran:#?}"
    );
}

#[test]
fn errors_say_what_to_do() {
    let names = Names::new("watch-errors");
    let name = names.name("t");
    let robot = <[u64; 2000]>::create(&name).unwrap();
    let err = shm(["watch", &name]).code(2).err;
    assert!(err.contains("add `--csv` or `--json`"), "{err}");
    let err = shm(["watch", &name, "--changes"]).code(2).err;
    assert!(err.contains("add `--csv`"), "{err}");
    let err = shm(["watch", &name, "--csv"]).code(2).err;
    assert!(err.contains("more than 1000 numbers"), "{err}");
    let err = shm(["watch", &name, "--csv", "[2000]"]).code(3).err;
    assert!(err.contains("it has 2000 elements"), "{err}");
    drop(robot);
    let err = shm(["watch", &name, "--csv"]).code(3).err;
    assert!(err.contains(&name), "{err}");
}

#[test]
fn read_permission_suffices_and_nothing_is_written() {
    let names = Names::new("watch-read-only");
    let name = names.name("t");
    let robot = Robot::options().mode(0o400).create(&name).unwrap();
    let before = fs::read(Names::path(&name)).unwrap();
    shm(["watch", &name, "--csv", "-n", "3", "-i", "1ms"]).code(0);
    let mut view = View::start(&name, &["-i", "20ms"]);
    view.shows("generation 0");
    view.keys("jG\u{1b}[A sq");
    view.ended();
    let after = fs::read(Names::path(&name)).unwrap();
    assert!(before == after);
    drop(robot);
}

#[test]
fn no_message_is_lost_next_to_a_view() {
    const MESSAGES: u64 = 20_000;

    let names = Names::new("watch-beside");
    let name = names.name("t");
    let robot = Robot::create(&name).unwrap();
    let mut view = View::start(&name, &["-i", "5ms"]);
    view.shows("generation 0");
    let beside = Running::start(["hz", &name, "ticks", "--resolution", "100us"]);
    beside.line().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut jobs = robot.jobs.sender().unwrap();
            let mut ticks = robot.ticks.sender().unwrap();
            for number in 0..MESSAGES {
                jobs.send(number).unwrap();
                ticks.send(number).unwrap();
                robot
                    .pose
                    .store(Pose {
                        x: number as f64,
                        y: 0.0,
                    })
                    .unwrap();
                robot.budget.lock().unwrap().set(number);
                robot.stop.notify_all();
            }
        });
        scope.spawn(|| {
            let mut jobs = robot.jobs.receiver().unwrap();
            for number in 0..MESSAGES {
                assert_eq!(jobs.recv().unwrap(), number);
            }
        });
    });
    beside.signal(Signal::SIGINT);
    let ran = beside.end().code(0);
    assert!(
        ran.out.contains(&format!("\n{MESSAGES} messages in ")),
        "{ran:#?}"
    );
    assert_eq!(robot.budget.owner(), None);
    assert_eq!(robot.jobs.sender_owner(), None);
    assert_eq!(robot.ticks.sender_owner(), None);
    view.shows(&format!("generation {MESSAGES}"));
    view.keys("q");
    view.ended();
}

/// The live view in a terminal of 80 by 24.
struct View {
    session: PtySession,
}

impl View {
    fn start(name: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new("/bin/sh");
        // The shell sets the size, and shows that the terminal has its modes back.
        command
            .args(["-c", "ulimit -c 0; stty cols 80 rows 24; before=$(stty -g); \"$@\"; echo \"code $?\"; [ \"$before\" = \"$(stty -g)\" ] && echo restored", "sh"])
            .args([env!("CARGO_BIN_EXE_shm"), "watch", name])
            .args(arguments)
            .env("TERM", "xterm-256color")
            .env("LC_ALL", "C.UTF-8")
            .env_remove("NO_COLOR");
        let timeout = u64::try_from(DEADLINE.as_millis()).unwrap();
        let options = Options::new().timeout_ms(Some(timeout));
        let _starting = STARTING.read();
        Self {
            session: spawn_with_options(command, options).unwrap(),
        }
    }

    /// Waits until the terminal gets this text: a word, since blanks that are there already are not written again.
    fn shows(&mut self, text: &str) {
        self.session.exp_string(text).unwrap();
    }

    fn keys(&mut self, keys: &str) {
        self.session.send(keys).unwrap();
        self.session.flush().unwrap();
    }

    /// The command has ended, and the terminal is as before.
    fn ended(mut self) {
        self.shows("\u{1b}[?1049l");
        self.shows("\u{1b}[?25h");
        self.shows("code 0");
        self.shows("restored");
        self.session.exp_eof().unwrap();
        let status = self.session.process().wait().unwrap();
        assert!(matches!(status, WaitStatus::Exited(_, 0)), "{status:?}");
    }
}

#[test]
fn a_view_shows_changes_and_restores_the_terminal() {
    let names = Names::new("watch-view");
    let name = names.name("t");
    let robot = Robot::create(&name).unwrap();
    robot.speed[0].set(0.25);
    let mut view = View::start(&name, &["speed", "-i", "10ms"]);
    view.shows("\u{1b}[?1049h");
    view.shows("0.25");
    robot.speed[1].set(1234.5);
    view.shows("1234.5");
    view.keys("?");
    view.shows("PgUp,");
    view.keys("x/nothing");
    view.shows("contains");
    view.keys("\u{3}");
    view.ended();
    drop(robot);
}

/// The process that runs the command, which is a child of the shell.
fn command_on(name: &str) -> Pid {
    let end = Instant::now() + DEADLINE;
    while Instant::now() < end {
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok())
            else {
                continue;
            };
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let wanted = format!("watch\0{name}\0");
            let is_shell = line.starts_with(b"/bin/sh");
            if !is_shell && String::from_utf8_lossy(&line).contains(&wanted) {
                return Pid::from_raw(pid);
            }
        }
        std::thread::yield_now();
    }
    panic!("the command did not start within {DEADLINE:?}");
}

/// Waits until the process is stopped.
fn wait_until_stopped(pid: Pid) {
    let end = Instant::now() + DEADLINE;
    while Instant::now() < end {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        if stat
            .rsplit_once(") ")
            .is_some_and(|(_, rest)| rest.starts_with('T'))
        {
            return;
        }
        std::thread::yield_now();
    }
    panic!("the command did not stop within {DEADLINE:?}");
}

#[test]
fn signals_restore_the_terminal() {
    let names = Names::new("watch-signals");
    let name = names.name("t");
    let robot = Robot::create(&name).unwrap();
    for (signal, code) in [
        (Signal::SIGTERM, 143),
        (Signal::SIGHUP, 129),
        (Signal::SIGQUIT, 131),
        (Signal::SIGINT, 130),
    ] {
        let mut view = View::start(&name, &["speed", "-i", "10ms"]);
        view.shows("speed");
        let pid = command_on(&name);
        kill(pid, signal).unwrap();
        view.shows("\u{1b}[?1049l");
        // A shell whose command ends of Ctrl-C ends as well.
        if signal != Signal::SIGINT {
            view.shows(&format!("code {code}"));
            view.shows("restored");
        }
    }
    drop(robot);
}

#[test]
fn a_stopped_view_gives_the_terminal_back() {
    let names = Names::new("watch-stop");
    let name = names.name("t");
    let robot = Robot::create(&name).unwrap();
    let mut view = View::start(&name, &["speed", "-i", "10ms"]);
    view.shows("speed");
    let pid = command_on(&name);
    view.keys("\u{1a}");
    view.shows("\u{1b}[?1049l");
    wait_until_stopped(pid);
    // It is drawn again as a whole.
    kill(pid, Signal::SIGCONT).unwrap();
    view.shows("\u{1b}[?1049h");
    view.shows("speed");
    view.keys("q");
    view.ended();
    drop(robot);
}

#[test]
fn another_size_is_drawn_as_a_whole() {
    let names = Names::new("watch-size");
    let name = names.name("t");
    let robot = Robot::create(&name).unwrap();
    let mut view = View::start(&name, &["-i", "10ms"]);
    view.shows("speed");
    let terminal = fs::read_link(format!("/proc/{}/fd/1", command_on(&name))).unwrap();
    for size in [["cols", "60", "rows", "20"], ["cols", "120", "rows", "30"]] {
        let mut stty = Command::new("stty");
        stty.arg("-F").arg(&terminal).args(size);
        assert!(start(&mut stty).unwrap().wait().unwrap().success());
        view.shows("\u{1b}[2J");
        view.shows("generation");
    }
    view.keys("q");
    view.ended();
    drop(robot);
}

#[test]
fn a_view_goes_on_after_a_truncation() {
    let names = Names::new("watch-cut");
    let name = names.name("t");
    let long = <[u64; 1 << 16]>::create_with(&name, |long| long.fill(77)).unwrap();
    let mut view = View::start(&name, &["[60000]", "-i", "10ms"]);
    view.shows("77");
    let file = fs::File::options().write(true).open(Names::path(&name));
    file.unwrap().set_len(4096).unwrap();
    view.shows("the file was truncated");
    view.keys("?");
    view.shows("PgUp,");
    view.keys("qq");
    view.ended();
    drop(long);
}

/// How long a writer takes for each type of `sync` next to observers, compared with a time when they are stopped. It prints ratios of
/// processor time, as medians of interleaved rounds: run it with `--ignored --nocapture` in a release build on an idle machine.
#[test]
#[ignore = "a measurement"]
fn cost_for_a_writer_that_is_looked_at() {
    const ROUNDS: usize = 41;
    const WRITES: u64 = 5_000_000;

    let names = Names::new("watch-cost");
    let name = names.name("t");
    let robot = Robot::create(&name).unwrap();
    let cpu = || {
        let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_THREAD_CPUTIME_ID);
        std::time::Duration::from(now.unwrap()).as_secs_f64()
    };
    let mut jobs = robot.jobs.sender().unwrap();
    let mut received = robot.jobs.receiver().unwrap();
    let mut ticks = robot.ticks.sender().unwrap();
    let mut write = |path: &str| {
        let before = cpu();
        for number in 0..WRITES {
            match path {
                "pose" => {
                    let pose = Pose {
                        x: number as f64,
                        y: 0.0,
                    };
                    robot.pose.store(pose).unwrap();
                }
                "jobs" => {
                    jobs.send(number).unwrap();
                    assert_eq!(received.recv().unwrap(), number);
                }
                "ticks" => ticks.send(number).unwrap(),
                "budget" => robot.budget.lock().unwrap().set(number),
                _ => robot.stop.notify_all(),
            }
        }
        cpu() - before
    };
    for path in ["pose", "jobs", "ticks", "budget", "stop"] {
        let observers = [
            Running::start(["hz", &name, path]),
            Running::start(["watch", &name, path, "--csv", "-i", "250ms"]),
        ];
        for observer in &observers {
            observer.line().unwrap();
        }
        let mut ratios = Vec::new();
        for _ in 0..ROUNDS {
            let looked_at = write(path);
            observers.iter().for_each(|of| of.signal(Signal::SIGSTOP));
            let alone = write(path);
            observers.iter().for_each(|of| of.signal(Signal::SIGCONT));
            ratios.push(looked_at / alone);
        }
        ratios.sort_by(f64::total_cmp);
        println!(
            "{path}: {:.3} (quartiles {:.3}, {:.3})",
            ratios[ROUNDS / 2],
            ratios[ROUNDS / 4],
            ratios[ROUNDS * 3 / 4]
        );
    }
}
