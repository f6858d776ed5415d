//! Formats a frame as a table for a terminal, or as a line for a pipe.

use std::fmt::Write;
use std::time::Duration;

use super::segment::Stall;
use super::usage::{Frame, Usage};

/// A size in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Characters in a line.
    pub columns: usize,
    /// Lines on the screen.
    pub rows: usize,
}

/// Formats the frame as a table, truncated to `size` if necessary. Lines end in `\n`.
#[must_use]
pub fn table(frame: &Frame, size: Size) -> String {
    let columns = size.columns;
    let mut head = vec![
        format!(
            "sysmon {}   writer {}   sample {}   age {}",
            frame.name,
            frame.writer,
            frame.number,
            short(frame.age)
        ),
        String::new(),
        all_line(&frame.all, columns),
    ];
    let mut foot = vec![String::new()];
    foot.extend(memory_lines(frame, columns));
    foot.push(load_line(frame));
    foot.extend(pressure_line(frame));

    // The cursor needs a line after the last.
    let room = size.rows.saturating_sub(head.len() + foot.len() + 1).max(1);
    head.extend(cpu_lines(frame, columns, room));
    head.extend(foot);
    head.truncate(size.rows.saturating_sub(1).max(1));
    let mut table = String::new();
    for line in &head {
        table.extend(line.trim_end().chars().take(columns));
        table.push('\n');
    }
    table
}

/// The width of a bar in a line of its own, next to numbers.
fn meter(columns: usize) -> usize {
    columns.saturating_sub(62).clamp(10, 40)
}

fn all_line(all: &Usage, columns: usize) -> String {
    format!(
        "cpu  {} {:5.1}%  user {:.1}  system {:.1}  iowait {:.1}  steal {:.1}",
        bar(all.busy / 100.0, meter(columns)),
        all.busy,
        all.user,
        all.system,
        all.iowait,
        all.steal
    )
}

/// The processors in columns, as wide as fits.
fn cpu_lines(frame: &Frame, columns: usize, room: usize) -> Vec<String> {
    const GAP: usize = 2;
    let across = |least: usize| ((columns + GAP) / (least + GAP)).max(1);
    let rows = |across: usize| frame.cpus.len().div_ceil(across);
    let widths = [38, 26, 18];
    let across = widths
        .into_iter()
        .map(across)
        .find(|across| rows(*across) <= room)
        .unwrap_or_else(|| across(14));
    let cell = (columns.saturating_sub(GAP * (across - 1)) / across).max(14);

    let fits = if rows(across) <= room {
        frame.cpus.len()
    } else {
        // One line says how many are left out.
        across * (room - 1)
    };
    let mut lines: Vec<String> = frame.cpus[..fits]
        .chunks(across)
        .map(|cpus| {
            let cells = cpus.iter().map(|(id, usage)| {
                let meter = bar(usage.busy / 100.0, cell - 9);
                format!("{id:>3} {meter} {:>3.0}%", usage.busy)
            });
            cells.collect::<Vec<_>>().join("  ")
        })
        .collect();
    let hidden = frame.cpus.len() - fits + frame.hidden as usize;
    if hidden > 0 {
        lines.push(format!("    and {hidden} more"));
    }
    lines
}

fn memory_lines(frame: &Frame, columns: usize) -> Vec<String> {
    let line = |what: &str, used: u64, total: u64| {
        let share = share(used, total);
        let (used, total) = (bytes(used), bytes(total));
        format!(
            "{what:<4} {} {:5.1}%  {used} of {total}",
            bar(share, meter(columns)),
            100.0 * share
        )
    };
    let memory = &frame.memory;
    let used = memory.total.saturating_sub(memory.available);
    let mut lines = vec![line("mem", used, memory.total)];
    // Many machines have no swap space.
    if memory.swap_total > 0 {
        let used = memory.swap_total.saturating_sub(memory.swap_free);
        lines.push(line("swap", used, memory.swap_total));
    }
    lines
}

fn load_line(frame: &Frame) -> String {
    let [one, five, fifteen] = frame.load.averages;
    let (running, tasks) = (frame.load.running, frame.load.tasks);
    format!("load {one:.2} {five:.2} {fifteen:.2}   {running} of {tasks} tasks running")
}

fn pressure_line(frame: &Frame) -> Option<String> {
    let parts: Vec<String> = stalls(frame)
        .map(|(name, stalls)| format!("{name} {stalls}"))
        .collect();
    (!parts.is_empty()).then(|| format!("psi  {}   % of 10 s, some/all tasks", parts.join("  ")))
}

/// The pressure files of the kernel: `some`, and `full` if there is one.
fn stalls(frame: &Frame) -> impl Iterator<Item = (&'static str, String)> {
    let files = &frame.pressure;
    let files = [
        ("cpu", files.cpu),
        ("memory", files.memory),
        ("io", files.io),
    ];
    let value = |stall: &Stall| (stall.present != 0).then(|| format!("{:.2}", stall.avg10));
    files.into_iter().filter_map(move |(name, file)| {
        let some = value(&file.some)?;
        let text = match value(&file.full) {
            Some(full) => format!("{some}/{full}"),
            None => some,
        };
        Some((name, text))
    })
}

/// Formats the frame as one line of `key=value` words, for other programs. Ends in `\n`.
#[must_use]
pub fn line(frame: &Frame) -> String {
    let mut line = format!(
        "time={:.3} sample={} age_ms={} writer={} cpu={:.1} user={:.1} system={:.1} iowait={:.1} cpus=",
        frame.time,
        frame.number,
        frame.age.as_millis(),
        frame.writer,
        frame.all.busy,
        frame.all.user,
        frame.all.system,
        frame.all.iowait,
    );
    for (index, (id, usage)) in frame.cpus.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        // Writing into a String cannot fail.
        let _ = write!(line, "{comma}{id}:{:.1}", usage.busy);
    }
    let (memory, load) = (&frame.memory, &frame.load);
    let [one, five, fifteen] = load.averages;
    let _ = write!(
        line,
        " mem_total={} mem_available={} swap_total={} swap_free={} load={one:.2},{five:.2},{fifteen:.2} tasks={}/{}",
        memory.total,
        memory.available,
        memory.swap_total,
        memory.swap_free,
        load.running,
        load.tasks
    );
    for (name, stalls) in stalls(frame) {
        let _ = write!(line, " stalled_{name}={stalls}");
    }
    line.push('\n');
    line
}

/// A bar of `width` characters, including brackets, of which `share` is filled, in eighths of a character.
fn bar(share: f64, width: usize) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let inside = width.saturating_sub(2);
    // `as` converts NaN to zero.
    let eighths = (share.clamp(0.0, 1.0) * inside as f64 * 8.0).round() as usize;
    let part = PARTS[eighths % 8];
    let filled = eighths / 8;
    let empty = inside - filled - usize::from(!part.is_empty());
    format!("[{}{part}{}]", "█".repeat(filled), " ".repeat(empty))
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    part as f64 / whole as f64
}

fn bytes(bytes: u64) -> String {
    let mib = bytes as f64 / f64::from(1 << 20);
    if mib < 1024.0 {
        format!("{mib:.0} MiB")
    } else {
        format!("{:.1} GiB", mib / 1024.0)
    }
}

fn short(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sysmon::segment::{Load, Memory, PressureFiles};

    const SIZE: Size = Size {
        columns: 80,
        rows: 24,
    };

    fn stall(avg10: f32) -> Stall {
        Stall {
            avg10,
            present: 1,
            ..Stall::ABSENT
        }
    }

    fn usage(busy: f64) -> Usage {
        Usage {
            busy,
            ..Usage::default()
        }
    }

    fn frame() -> Frame {
        let mut pressure = PressureFiles::ABSENT;
        pressure.cpu.some = stall(7.375);
        pressure.io.some = stall(0.5);
        pressure.io.full = stall(0.25);
        Frame {
            name: "/shm-sysmon".into(),
            writer: 4711,
            number: 42,
            time: 1_795_411_198.123_4,
            age: Duration::from_millis(12),
            all: Usage {
                busy: 31.25,
                user: 20.0,
                system: 11.25,
                iowait: 2.0,
                steal: 0.0,
            },
            cpus: vec![(0, usage(12.5)), (1, usage(50.0)), (3, usage(100.0))],
            hidden: 0,
            memory: Memory {
                total: 8 << 30,
                available: 6 << 30,
                ..Memory::ZERO
            },
            load: Load {
                averages: [0.25, 1.5, 12.0],
                running: 3,
                tasks: 583,
                last_pid: 9,
            },
            pressure,
        }
    }

    #[test]
    fn formats_a_table_of_80_columns() {
        let expected = "\
sysmon /shm-sysmon   writer 4711   sample 42   age 12 ms

cpu  [█████           ]  31.2%  user 20.0  system 11.2  iowait 2.0  steal 0.0
  0 [███▌                        ]  12%    1 [██████████████              ]  50%
  3 [████████████████████████████] 100%

mem  [████            ]  25.0%  2.0 GiB of 8.0 GiB
load 0.25 1.50 12.00   3 of 583 tasks running
psi  cpu 7.38  io 0.50/0.25   % of 10 s, some/all tasks
";
        assert_eq!(table(&frame(), SIZE), expected);
    }

    #[test]
    fn formats_a_table_without_pressure_and_with_swap() {
        let mut frame = frame();
        frame.pressure = PressureFiles::ABSENT;
        frame.memory.swap_total = 2 << 30;
        frame.memory.swap_free = 3 << 29;
        frame.age = Duration::from_millis(1250);
        let table = table(&frame, SIZE);
        let lines: Vec<&str> = table.lines().collect();
        assert!(lines[0].ends_with("age 1.2 s"), "{}", lines[0]);
        let expected = [
            "mem  [████            ]  25.0%  2.0 GiB of 8.0 GiB",
            "swap [████            ]  25.0%  512 MiB of 2.0 GiB",
            "load 0.25 1.50 12.00   3 of 583 tasks running",
        ];
        assert_eq!(lines[lines.len() - 3..], expected);
    }

    #[test]
    fn tables_neither_wrap_nor_scroll() {
        let mut frame = frame();
        for cpus in [0, 1, 2, 64, 256] {
            frame.cpus = (0..cpus).map(|id| (id, usage(99.9))).collect();
            for columns in [1, 10, 20, 40, 79, 80, 120, 300] {
                for rows in [1, 2, 8, 24, 100] {
                    let table = table(&frame, Size { columns, rows });
                    assert!(table.lines().count() <= rows.saturating_sub(1).max(1));
                    assert!(table.lines().all(|line| line.chars().count() <= columns));
                }
            }
        }
    }

    #[test]
    fn many_cpus_are_packed_and_the_rest_is_counted() {
        let mut frame = frame();
        frame.cpus = (0..64).map(|id| (id, usage(25.0))).collect();
        let packed = table(&frame, SIZE);
        let row = packed.lines().find(|line| line.contains(" 63 ")).unwrap();
        assert_eq!(
            row,
            " 60 [█▊     ]  25%   61 [█▊     ]  25%   62 [█▊     ]  25%   63 [█▊     ]  25%"
        );
        assert!(!packed.contains("more"));

        frame.cpus = (0..256).map(|id| (id, usage(25.0))).collect();
        frame.hidden = 44;
        let cut = table(&frame, SIZE);
        let shown = cut.lines().filter(|line| line.contains("25%  ")).count();
        let last = 5 * shown;
        assert!(
            cut.contains(&format!("\n    and {} more\n", 256 - last + 44)),
            "{cut}"
        );
    }

    #[test]
    fn formats_a_line_for_a_pipe() {
        let expected = "time=1795411198.123 sample=42 age_ms=12 writer=4711 cpu=31.2 user=20.0 \
                        system=11.2 iowait=2.0 cpus=0:12.5,1:50.0,3:100.0 mem_total=8589934592 \
                        mem_available=6442450944 swap_total=0 swap_free=0 load=0.25,1.50,12.00 \
                        tasks=3/583 stalled_cpu=7.38 stalled_io=0.50/0.25\n";
        assert_eq!(line(&frame()), expected);
    }

    #[test]
    fn bars_have_eighths_and_accept_any_number() {
        assert_eq!(bar(0.0, 6), "[    ]");
        assert_eq!(bar(1.0, 6), "[████]");
        assert_eq!(bar(0.5, 6), "[██  ]");
        assert_eq!(bar(1.0 / 32.0, 6), "[▏   ]");
        assert_eq!(bar(31.0 / 32.0, 6), "[███▉]");
        // Numbers from shared memory can be anything.
        assert_eq!(bar(f64::NAN, 6), "[    ]");
        assert_eq!(bar(f64::INFINITY, 6), "[████]");
        assert_eq!(bar(-1.0, 6), "[    ]");
        assert_eq!(bar(0.5, 0), "[]");
    }
}
