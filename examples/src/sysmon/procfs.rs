//! Parsers of the kernel's files. Each takes the text of a file and fills a part of a [`Sample`], so that tests can use the
//! files of other machines.
//!
//! [`Sample`]: super::segment::Sample

use std::fmt;
use std::str::FromStr;

use super::segment::{Cpu, Cpus, Load, MAX_CPUS, Memory, Pressure, Stall, Ticks};

/// The error for a text in an unexpected format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    file: &'static str,
    what: String,
}

impl Malformed {
    fn new(file: &'static str, what: impl Into<String>) -> Self {
        Self {
            file,
            what: what.into(),
        }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unexpected format of {}: {}", self.file, self.what)
    }
}

impl std::error::Error for Malformed {}

fn number<T: FromStr>(file: &'static str, line: &str, word: Option<&str>) -> Result<T, Malformed> {
    word.and_then(|word| word.parse().ok())
        .ok_or_else(|| Malformed::new(file, format!("expected a number in `{line}`")))
}

const STAT: &str = "/proc/stat";

/// Parses the processor times in `/proc/stat`.
///
/// A processor that is offline has no line, so the ids can have gaps. Processors beyond [`MAX_CPUS`] are only counted; the
/// sum includes them.
///
/// # Errors
///
/// Returns an error if there is no `cpu` line, or if a field is not a number.
pub fn cpus(text: &str, into: &mut Cpus) -> Result<(), Malformed> {
    *into = Cpus::ZERO;
    let mut sum = None;
    // The `cpu` lines come first. The rest can be long and is not needed.
    for line in text.lines().take_while(|line| line.starts_with("cpu")) {
        let mut words = line.split_ascii_whitespace();
        let id = words.next().and_then(|name| name.strip_prefix("cpu"));
        let ticks = ticks(line, words)?;
        if id == Some("") {
            sum = Some(ticks);
            continue;
        }
        let id = number(STAT, line, id)?;
        if let Some(cpu) = into.each.get_mut(into.online as usize) {
            *cpu = Cpu { id, ticks };
        }
        into.online += 1;
    }
    into.sum = sum.ok_or_else(|| Malformed::new(STAT, "it does not begin with a line `cpu`"))?;
    into.kept = into.online.min(MAX_CPUS as u32);
    Ok(())
}

fn ticks<'a>(line: &str, mut words: impl Iterator<Item = &'a str>) -> Result<Ticks, Malformed> {
    // All kernels have the first four fields; the others were added one by one.
    let mut first = || number(STAT, line, words.next());
    let (user, nice, system, idle) = (first()?, first()?, first()?, first()?);
    let mut later = || {
        let word = words.next();
        word.map_or(Ok(0), |word| number(STAT, line, Some(word)))
    };
    Ok(Ticks {
        user,
        nice,
        system,
        idle,
        iowait: later()?,
        irq: later()?,
        softirq: later()?,
        steal: later()?,
    })
}

const MEMINFO: &str = "/proc/meminfo";

/// Parses `/proc/meminfo`. The result is in bytes.
///
/// # Errors
///
/// Returns an error if `MemTotal` or `MemFree` is missing, or if a value is not a number.
pub fn memory(text: &str) -> Result<Memory, Malformed> {
    let mut memory = Memory::ZERO;
    let (mut total, mut free, mut available) = (None, None, None);
    for line in text.lines() {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        let bytes = || {
            let kib: u64 = number(MEMINFO, line, value.split_ascii_whitespace().next())?;
            Ok(kib.saturating_mul(1024))
        };
        match key {
            "MemTotal" => total = Some(bytes()?),
            "MemFree" => free = Some(bytes()?),
            "MemAvailable" => available = Some(bytes()?),
            "Buffers" => memory.buffers = bytes()?,
            "Cached" => memory.cached = bytes()?,
            "SwapTotal" => memory.swap_total = bytes()?,
            "SwapFree" => memory.swap_free = bytes()?,
            _ => {}
        }
    }
    let missing = |key| move || Malformed::new(MEMINFO, format!("no line `{key}`"));
    memory.total = total.ok_or_else(missing("MemTotal"))?;
    memory.free = free.ok_or_else(missing("MemFree"))?;
    // Kernels before 3.14 have no estimate; this is the usual replacement.
    memory.available = available.unwrap_or_else(|| {
        memory
            .free
            .saturating_add(memory.buffers)
            .saturating_add(memory.cached)
    });
    Ok(memory)
}

const LOADAVG: &str = "/proc/loadavg";

/// Parses `/proc/loadavg`.
///
/// # Errors
///
/// Returns an error if it is not three averages, `running/total` and a process id.
pub fn load(text: &str) -> Result<Load, Malformed> {
    let line = text.trim_end();
    let mut words = line.split_ascii_whitespace();
    let mut average = || number(LOADAVG, line, words.next());
    let averages = [average()?, average()?, average()?];
    let (running, tasks) = words.next().and_then(|word| word.split_once('/')).unzip();
    Ok(Load {
        averages,
        running: number(LOADAVG, line, running)?,
        tasks: number(LOADAVG, line, tasks)?,
        last_pid: number(LOADAVG, line, words.next())?,
    })
}

/// Parses one file of `/proc/pressure`. Missing lines are marked as absent.
///
/// # Errors
///
/// Returns an error if a value is not a number.
pub fn pressure(file: &'static str, text: &str) -> Result<Pressure, Malformed> {
    let mut pressure = Pressure::ABSENT;
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        // Older kernels have no `full` for the CPU. Later kernels may add other lines.
        let stall = match words.next() {
            Some("some") => &mut pressure.some,
            Some("full") => &mut pressure.full,
            _ => continue,
        };
        *stall = Stall {
            present: 1,
            ..Stall::ABSENT
        };
        for word in words {
            let Some((key, value)) = word.split_once('=') else {
                continue;
            };
            match key {
                "avg10" => stall.avg10 = number(file, line, Some(value))?,
                "avg60" => stall.avg60 = number(file, line, Some(value))?,
                "avg300" => stall.avg300 = number(file, line, Some(value))?,
                "total" => stall.total_us = number(file, line, Some(value))?,
                _ => {}
            }
        }
    }
    Ok(pressure)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Box<Cpus>, Malformed> {
        let mut into = Box::new(Cpus::ZERO);
        cpus(text, &mut into).map(|()| into)
    }

    #[test]
    fn parses_stat_of_two_cpus() {
        let text = "cpu  1552 3 1265 169855 168 4 21 9 5 6\n\
                    cpu0 647 1 560 85128 21 0 3 4 0 0\n\
                    cpu1 905 2 705 84727 147 4 18 5 5 6\n\
                    intr 86074 0 0 0\n\
                    ctxt 187053\n";
        let cpus = parse(text).unwrap();
        assert_eq!((cpus.online, cpus.kept), (2, 2));
        let sum = Ticks {
            user: 1552,
            nice: 3,
            system: 1265,
            idle: 169_855,
            iowait: 168,
            irq: 4,
            softirq: 21,
            steal: 9,
        };
        assert_eq!(cpus.sum, sum);
        assert_eq!((cpus.each[0].id, cpus.each[0].ticks.user), (0, 647));
        assert_eq!((cpus.each[1].id, cpus.each[1].ticks.steal), (1, 5));
        assert_eq!(cpus.each[2], Cpu::ZERO);
    }

    #[test]
    fn offline_cpus_leave_gaps_in_the_ids() {
        let cpus = parse("cpu  3 0 0 9\ncpu0 1 0 0 3\ncpu2 1 0 0 3\ncpu7 1 0 0 3\n").unwrap();
        assert_eq!((cpus.online, cpus.kept), (3, 3));
        let ids: Vec<u64> = cpus.each[..3].iter().map(|cpu| cpu.id).collect();
        assert_eq!(ids, [0, 2, 7]);
    }

    #[test]
    fn missing_columns_of_old_kernels_are_zero() {
        let cpus = parse("cpu 1 2 3 4\ncpu0 1 2 3 4\n").unwrap();
        let ticks = cpus.each[0].ticks;
        assert_eq!((ticks.user, ticks.idle), (1, 4));
        assert_eq!((ticks.iowait, ticks.steal), (0, 0));
    }

    #[test]
    fn cpus_beyond_the_capacity_are_only_counted() {
        let mut text = String::from("cpu  0 0 0 300\n");
        for id in 0..300 {
            text.push_str(&format!("cpu{id} 0 0 0 {id}\n"));
        }
        let cpus = parse(&text).unwrap();
        assert_eq!((cpus.online, cpus.kept), (300, 256));
        assert_eq!(cpus.each[255].ticks.idle, 255);
        assert_eq!(cpus.sum.idle, 300);
    }

    #[test]
    fn errors_in_stat_show_the_line() {
        let message = |text| parse(text).unwrap_err().to_string();
        assert_eq!(
            message(""),
            "unexpected format of /proc/stat: it does not begin with a line `cpu`"
        );
        assert_eq!(message("cpu0 1 2 3 4\n"), message(""));
        assert_eq!(
            message("cpu  1 2 x 4\n"),
            "unexpected format of /proc/stat: expected a number in `cpu  1 2 x 4`"
        );
        assert_eq!(
            message("cpu  1 2 3\n"),
            "unexpected format of /proc/stat: expected a number in `cpu  1 2 3`"
        );
        assert!(message("cpu  1 2 3 4\ncpux 1 2 3 4\n").ends_with("in `cpux 1 2 3 4`"));
        assert!(message("cpu  1 2 3 4 5 -6\n").ends_with("in `cpu  1 2 3 4 5 -6`"));
    }

    #[test]
    fn parses_meminfo() {
        let text = "MemTotal:       24684092 kB\nMemFree:        24573980 kB\n\
                    MemAvailable:   24469332 kB\nBuffers:             876 kB\n\
                    Cached:            20916 kB\nSwapCached:            0 kB\n\
                    SwapTotal:       2048 kB\nSwapFree:        1024 kB\nHugePages_Total:       0\n";
        let memory = memory(text).unwrap();
        assert_eq!(memory.total, 24_684_092 * 1024);
        assert_eq!(memory.available, 24_469_332 * 1024);
        assert_eq!(memory.cached, 20_916 * 1024);
        assert_eq!((memory.swap_total, memory.swap_free), (2 << 20, 1 << 20));
    }

    #[test]
    fn available_memory_is_estimated_on_old_kernels() {
        let text = "MemTotal: 1000 kB\nMemFree: 100 kB\nBuffers: 20 kB\nCached: 3 kB\n";
        assert_eq!(memory(text).unwrap().available, 123 * 1024);
    }

    #[test]
    fn meminfo_without_a_total_is_an_error() {
        assert_eq!(
            memory("MemFree: 1 kB\n").unwrap_err().to_string(),
            "unexpected format of /proc/meminfo: no line `MemTotal`"
        );
        assert!(memory("MemTotal: lots\nMemFree: 1 kB\n").is_err());
        assert!(memory("MemTotal:\nMemFree: 1 kB\n").is_err());
    }

    #[test]
    fn parses_loadavg() {
        let load = load("0.25 1.50 12.00 3/583 30166\n").unwrap();
        assert_eq!(load.averages, [0.25, 1.5, 12.0]);
        assert_eq!((load.running, load.tasks, load.last_pid), (3, 583, 30_166));
    }

    #[test]
    fn errors_in_loadavg_show_the_line() {
        for text in [
            "",
            "0.1 0.2",
            "0.1 0.2 0.3",
            "0.1 0.2 0.3 4 5",
            "0.1 0.2 0.3 1/2",
            "a b c 1/2 3",
        ] {
            let message = load(text).unwrap_err().to_string();
            assert!(message.contains(&format!("`{text}`")), "{message}");
        }
    }

    #[test]
    fn parses_pressure_with_both_lines() {
        let text = "some avg10=0.13 avg60=0.20 avg300=0.15 total=3513592\n\
                    full avg10=0.50 avg60=0.00 avg300=0.00 total=7\n";
        let pressure = pressure("/proc/pressure/io", text).unwrap();
        assert_eq!((pressure.some.present, pressure.full.present), (1, 1));
        assert_eq!((pressure.some.avg10, pressure.some.avg300), (0.13, 0.15));
        assert_eq!(pressure.some.total_us, 3_513_592);
        assert_eq!((pressure.full.avg10, pressure.full.total_us), (0.5, 7));
    }

    #[test]
    fn pressure_of_old_kernels_has_one_line_for_the_cpu() {
        let text = "some avg10=1.00 avg60=0.00 avg300=0.00 total=1 more=x\nodd avg10=2\n";
        let pressure = pressure("/proc/pressure/cpu", text).unwrap();
        assert_eq!((pressure.some.present, pressure.full.present), (1, 0));
    }

    #[test]
    fn missing_pressure_is_absent_and_broken_is_an_error() {
        assert_eq!(pressure("/proc/pressure/cpu", ""), Ok(Pressure::ABSENT));
        let error = pressure("/proc/pressure/cpu", "some avg10=much").unwrap_err();
        assert_eq!(
            error.to_string(),
            "unexpected format of /proc/pressure/cpu: expected a number in `some avg10=much`"
        );
    }
}
