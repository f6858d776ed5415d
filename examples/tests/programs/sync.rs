//! The examples of the synchronisation types.

use std::path::Path;

use crate::support::{Ended, Program};
use nix::sys::signal::Signal;

fn run(example: &str, args: &[&str], segment: &str) -> Ended {
    let program = Program::start(example, args);
    let name = format!("/dev/shm{segment}-{}", program.pid());
    let ended = program.end();
    ended.well();
    assert!(!Path::new(&name).exists());
    ended
}

/// The lines of one process, without their prefix.
fn lines<'a>(out: &'a [String], who: &str) -> Vec<&'a str> {
    let own = out.iter().filter(|line| line.trim_start().starts_with(who));
    own.map(|line| line.split_once("): ").unwrap().1).collect()
}

#[test]
fn every_reader_ends_up_with_the_last_configuration() {
    let ended = run("config_reload", &[], "/shm-config-reload");
    let out = &ended.out;
    assert!(out[0].contains(": version 1 in /shm-config-reload-"));
    let discarded = "version 3: discard an edit because a timeout of 0 ms is invalid";
    assert!(out.iter().any(|line| line.ends_with(discarded)), "{out:?}");
    for number in 1..=3 {
        let mut lines = lines(out, &format!("reader {number} "));
        let skipped = lines.pop().unwrap();
        let skipped: u64 = skipped
            .strip_prefix("ends after version 1004, having skipped ")
            .unwrap()
            .parse()
            .unwrap();
        // Every version that was not skipped was printed once and in order.
        let versions: Vec<u64> = lines
            .iter()
            .map(|line| line.split(": ").next().unwrap())
            .map(|version| version.strip_prefix("version ").unwrap().parse().unwrap())
            .collect();
        assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
        assert_eq!(versions.len() as u64 + skipped, 1004, "{out:?}");
        assert_eq!(
            *lines.last().unwrap(),
            "version 1004: db-2.local:5432, 1128 connections, 500 ms"
        );
    }
    let last = out.last().unwrap();
    let all = "all 3 readers have ended after version 1004";
    assert!(last.ends_with(all), "{last}");
}

#[test]
fn versions_are_replaced_one_after_the_other() {
    let ended = run("rolling_upgrade", &[], "/shm-rolling-upgrade");
    let seen = |version: u32| -> Vec<&str> {
        let prefix = format!("  version {version} reads at level ");
        let own = ended.out.iter();
        own.filter_map(|line| line.strip_prefix(&prefix)).collect()
    };
    let levels = |version| -> Vec<&str> { seen(version).iter().map(|line| &line[..1]).collect() };
    // Two lines in each of the stages.
    assert_eq!(levels(1), ["0", "0", "1", "1"], "{ended:?}");
    assert_eq!(levels(2), ["0", "0", "1", "1", "2", "2"]);
    assert_eq!(levels(3), ["2"; 4]);
    for line in seen(2) {
        assert_eq!(line.starts_with('0'), line.ends_with("not known yet"));
    }
    assert!(seen(1).iter().all(|line| line.ends_with("°C")));
    let newest = seen(3);
    let mut old_values = newest[2..].iter().map(|line| line.split(", ").skip(2));
    let (first, second) = (old_values.next().unwrap(), old_values.next().unwrap());
    assert!(first.eq(second), "version 1 writes no newer field");
    let refused = "at level 1, field `wind` (f64 at byte 16) is called `humidity` in the segment";
    let refused = ended.out.iter().any(|line| line.contains(refused));
    assert!(refused, "{ended:?}");
    let last = ended.out.last().unwrap();
    assert!(last.ends_with("which is at level 2 now"), "{last}");
}

#[test]
fn a_killed_worker_is_replaced_and_each_job_runs_once() {
    let ended = run("work_queue", &[], "/none");
    let (done, more) = of_the_dead(&ended.out);
    // It was killed after 1,200 results had arrived, and may have continued until then.
    let results = if more.is_empty() {
        done
    } else {
        assert_eq!(more, REPORTED);
        done + 1
    };
    assert!(results >= 1200, "{ended:?}");
    each_once(&ended.out);
}

#[test]
fn a_job_reported_before_the_kill_does_not_run_again() {
    let ended = run("work_queue", &["--worst"], "/none");
    assert_eq!(of_the_dead(&ended.out), (1199, REPORTED));
    each_once(&ended.out);
}

/// What is printed about a worker that was killed between sending a result and counting its job.
const REPORTED: &str = "; the result of one more was sent, so the next worker skips that job";

/// The jobs that the killed worker had completed, and what is printed next to that.
fn of_the_dead(out: &[String]) -> (u64, &str) {
    let mut killed = out
        .iter()
        .filter_map(|line| line.split_once(" was killed after "));
    let (Some((_, report)), None) = (killed.next(), killed.next()) else {
        panic!("one worker is killed: {out:?}");
    };
    let (done, more) = report.split_once(" jobs").unwrap();
    (done.parse().unwrap(), more)
}

fn each_once(out: &[String]) {
    // Three workers and their replacement.
    let workers = out.iter().filter(|line| line.contains(" is process "));
    assert_eq!(workers.count(), 4, "{out:?}");
    assert_eq!(
        out[out.len() - 2..],
        [
            "10000 jobs, each reported once, although worker 2 was killed and replaced",
            "78498 primes below 1000000, as expected",
        ]
    );
}

#[test]
fn consumers_account_for_every_picture() {
    let ended = run("camera", &[], "/shm-camera");
    let photograph = Photograph::decode();
    for consumer in ["fast consumer", "slow consumer"] {
        let reports = lines(&ended.out, consumer);
        assert!(!reports.is_empty(), "{ended:?}");
        for line in reports {
            assert!(line.contains(" frames/s, "), "{line}");
            let (number, crc) = line
                .split_once("; frame ")
                .and_then(|(_, last)| last.split_once(" has CRC "))
                .unwrap_or_else(|| panic!("{line}"));
            let expected = photograph.crc(number.trim().parse().unwrap());
            assert_eq!(crc, format!("{expected:08x}"), "{line}");
        }
    }
    let tally = |who: &str| {
        let line = lines(&ended.out, who).pop().unwrap();
        assert!(line.contains(" 0 damaged in total, "), "{line}");
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |at: usize| words[at].parse::<u64>().unwrap();
        // "180 of 180 frames, 0 lost"
        assert_eq!(number(0) + number(4), number(2), "{line}");
        assert!(number(0) > 0 && number(2) <= 180, "{line}");
        (number(0), number(4))
    };
    let (fast, _) = tally("fast consumer");
    let (slow, lost) = tally("slow consumer");
    assert!(slow < fast && lost > 0, "{ended:?}");
    let last = ended.out.last().unwrap();
    assert!(last.contains(": 180 frames in "), "{last}");
    assert!(last.ends_with(" MB/s"), "{last}");
}

/// The file that the camera's pictures are made from, decoded here again.
struct Photograph {
    pixels: Vec<u8>,
    width: usize,
    height: usize,
}

impl Photograph {
    fn decode() -> Self {
        let file = include_bytes!("../../assets/tower.jpg");
        let mut decoder = zune_jpeg::JpegDecoder::new(std::io::Cursor::new(file));
        let pixels = decoder.decode().unwrap();
        let (width, height) = decoder.dimensions().unwrap();
        Self {
            pixels,
            width,
            height,
        }
    }

    /// The checksum of the content of picture `number`: 320 x 240 pixels, 3 further right and 2 further down with each
    /// picture until there is an edge, and then back.
    fn crc(&self, number: usize) -> u32 {
        let bounce = |step: usize, room: usize| {
            let way: Vec<usize> = (0..room).chain((1..=room).rev()).collect();
            way[step % way.len()]
        };
        let (left, top) = (
            bounce(3 * number, self.width - 320),
            bounce(2 * number, self.height - 240),
        );
        let mut crc = crc32fast::Hasher::new();
        for y in top..top + 240 {
            let at = 3 * (y * self.width + left);
            crc.update(&self.pixels[at..at + 3 * 320]);
        }
        crc.finalize()
    }
}

#[test]
fn ctrl_c_ends_all_processes_and_removes_the_name() {
    for (example, segment) in [
        ("camera", "/shm-camera"),
        ("config_reload", "/shm-config-reload"),
    ] {
        let program = Program::start(example, &[]);
        let name = format!("/dev/shm{segment}-{}", program.pid());
        // It has been created by then.
        program.line();
        assert!(Path::new(&name).exists());
        program.signal(Signal::SIGINT);
        // The end of the output, which the children also hold.
        program.end().well();
        assert!(!Path::new(&name).exists());
    }
}

#[test]
fn children_exit_when_their_parent_dies() {
    for (example, role) in [
        ("camera", "slow consumer"),
        ("config_reload", "reader"),
        ("rolling_upgrade", "writer"),
        ("work_queue", "worker"),
    ] {
        let ended = Program::start(example, &["--as", "0", role, "/none"]).end();
        ended.because("error: the parent process has ended");
    }
}

#[test]
fn a_reader_without_a_writer_reports_it() {
    let (name, me) = (
        format!("/shm-config-reload-none-{}", std::process::id()),
        std::process::id().to_string(),
    );
    let ended = Program::start("config_reload", &["--as", &me, "reader", &name, "1"]).end();
    ended.because(&format!(
        "error: segment `{name}` does not exist: it has not been created yet, its owner has ended, or its name was removed; check the name, or \
         set `wait` in the options to wait for it"
    ));
}
