//! Parsers of the kernel's texts. They take a text and fill a part of a [`Sample`],
//! so that the tests can feed them machines that are not at hand.
//!
//! [`Sample`]: super::segment::Sample

use std::fmt;
use std::str::FromStr;

use super::segment::{Cpu, Cpus, Load, MAX_CPUS, Memory, Pressure, Stall, Ticks};

/// A text that is not what the kernel writes.
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
        write!(f, "cannot make sense of {}: {}", self.file, self.what)
    }
}

impl std::error::Error for Malformed {}

fn number<T: FromStr>(file: &'static str, line: &str, word: Option<&str>) -> Result<T, Malformed> {
    word.and_then(|word| word.parse().ok())
        .ok_or_else(|| Malformed::new(file, format!("no number where one belongs in `{line}`")))
}

const STAT: &str = "/proc/stat";

/// Reads the processor times out of `/proc/stat`.
///
/// A processor that is offline has no line there, so the ids may have gaps. Beyond
/// [`MAX_CPUS`] processors only the number is kept; the sum covers them all.
///
/// # Errors
///
/// When there is no `cpu` line, or one has something else than numbers.
pub fn cpus(text: &str, into: &mut Cpus) -> Result<(), Malformed> {
    *into = Cpus::ZERO;
    let mut sum = None;
    // The `cpu` lines come first; what follows them can be long and is of no use here.
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
    into.sum = sum.ok_or_else(|| Malformed::new(STAT, "no line `cpu` at its start"))?;
    into.kept = into.online.min(MAX_CPUS as u32);
    Ok(())
}

fn ticks<'a>(line: &str, mut words: impl Iterator<Item = &'a str>) -> Result<Ticks, Malformed> {
    // The first four are as old as the file. Later kernels added the others one by one.
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

/// Reads `/proc/meminfo`, into bytes.
///
/// # Errors
///
/// When `MemTotal` or `MemFree` is missing, or a value is not a number.
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
    // Kernels before 3.14 do not estimate it; this is what people used until then.
    memory.available = available.unwrap_or_else(|| {
        memory
            .free
            .saturating_add(memory.buffers)
            .saturating_add(memory.cached)
    });
    Ok(memory)
}

const LOADAVG: &str = "/proc/loadavg";

/// Reads `/proc/loadavg`.
///
/// # Errors
///
/// When it is not three averages, a `running/total` and a process id.
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

/// Reads one file of `/proc/pressure`. A line that is not there is marked as absent.
///
/// # Errors
///
/// When a value is not a number.
pub fn pressure(file: &'static str, text: &str) -> Result<Pressure, Malformed> {
    let mut pressure = Pressure::ABSENT;
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        // `full` is missing for the CPU on older kernels. Later kinds may come.
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
    fn stat_of_two_cpus() {
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
    fn stat_with_cpus_offline_keeps_their_ids() {
        let cpus = parse("cpu  3 0 0 9\ncpu0 1 0 0 3\ncpu2 1 0 0 3\ncpu7 1 0 0 3\n").unwrap();
        assert_eq!((cpus.online, cpus.kept), (3, 3));
        let ids: Vec<u64> = cpus.each[..3].iter().map(|cpu| cpu.id).collect();
        assert_eq!(ids, [0, 2, 7]);
    }

    #[test]
    fn stat_of_an_old_kernel_has_four_columns() {
        let cpus = parse("cpu 1 2 3 4\ncpu0 1 2 3 4\n").unwrap();
        let ticks = cpus.each[0].ticks;
        assert_eq!((ticks.user, ticks.idle), (1, 4));
        assert_eq!((ticks.iowait, ticks.steal), (0, 0));
    }

    #[test]
    fn stat_with_more_cpus_than_there_is_room_for() {
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
    fn stat_that_is_broken_is_told_with_the_line() {
        let told = |text| parse(text).unwrap_err().to_string();
        assert_eq!(
            told(""),
            "cannot make sense of /proc/stat: no line `cpu` at its start"
        );
        assert_eq!(told("cpu0 1 2 3 4\n"), told(""));
        assert_eq!(
            told("cpu  1 2 x 4\n"),
            "cannot make sense of /proc/stat: no number where one belongs in `cpu  1 2 x 4`"
        );
        assert_eq!(
            told("cpu  1 2 3\n"),
            "cannot make sense of /proc/stat: no number where one belongs in `cpu  1 2 3`"
        );
        assert!(told("cpu  1 2 3 4\ncpux 1 2 3 4\n").ends_with("in `cpux 1 2 3 4`"));
        assert!(told("cpu  1 2 3 4 5 -6\n").ends_with("in `cpu  1 2 3 4 5 -6`"));
    }

    #[test]
    fn meminfo() {
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
    fn meminfo_of_an_old_kernel_gets_an_estimate() {
        let text = "MemTotal: 1000 kB\nMemFree: 100 kB\nBuffers: 20 kB\nCached: 3 kB\n";
        assert_eq!(memory(text).unwrap().available, 123 * 1024);
    }

    #[test]
    fn meminfo_without_a_total() {
        assert_eq!(
            memory("MemFree: 1 kB\n").unwrap_err().to_string(),
            "cannot make sense of /proc/meminfo: no line `MemTotal`"
        );
        assert!(memory("MemTotal: lots\nMemFree: 1 kB\n").is_err());
        assert!(memory("MemTotal:\nMemFree: 1 kB\n").is_err());
    }

    #[test]
    fn loadavg() {
        let load = load("0.25 1.50 12.00 3/583 30166\n").unwrap();
        assert_eq!(load.averages, [0.25, 1.5, 12.0]);
        assert_eq!((load.running, load.tasks, load.last_pid), (3, 583, 30_166));
    }

    #[test]
    fn loadavg_that_is_broken() {
        for text in [
            "",
            "0.1 0.2",
            "0.1 0.2 0.3",
            "0.1 0.2 0.3 4 5",
            "0.1 0.2 0.3 1/2",
            "a b c 1/2 3",
        ] {
            let told = load(text).unwrap_err().to_string();
            assert!(told.contains(&format!("`{text}`")), "{told}");
        }
    }

    #[test]
    fn pressure_with_both_lines() {
        let text = "some avg10=0.13 avg60=0.20 avg300=0.15 total=3513592\n\
                    full avg10=0.50 avg60=0.00 avg300=0.00 total=7\n";
        let pressure = pressure("/proc/pressure/io", text).unwrap();
        assert_eq!((pressure.some.present, pressure.full.present), (1, 1));
        assert_eq!((pressure.some.avg10, pressure.some.avg300), (0.13, 0.15));
        assert_eq!(pressure.some.total_us, 3_513_592);
        assert_eq!((pressure.full.avg10, pressure.full.total_us), (0.5, 7));
    }

    #[test]
    fn pressure_of_a_cpu_on_an_older_kernel() {
        let text = "some avg10=1.00 avg60=0.00 avg300=0.00 total=1 more=x\nodd avg10=2\n";
        let pressure = pressure("/proc/pressure/cpu", text).unwrap();
        assert_eq!((pressure.some.present, pressure.full.present), (1, 0));
    }

    #[test]
    fn pressure_that_is_missing_or_broken() {
        assert_eq!(pressure("/proc/pressure/cpu", ""), Ok(Pressure::ABSENT));
        let told = pressure("/proc/pressure/cpu", "some avg10=much").unwrap_err();
        assert_eq!(
            told.to_string(),
            "cannot make sense of /proc/pressure/cpu: no number where one belongs in `some avg10=much`"
        );
    }
}
