//! Makes text of a frame: a table for a terminal, a line for a pipe.

use std::fmt::Write;
use std::time::Duration;

use super::segment::{Pressure, Stall};
use super::usage::{Frame, Usage};

/// A size in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Characters in a line.
    pub columns: usize,
    /// Lines on the screen.
    pub rows: usize,
}

/// The frame as a table that fits `size`, or is cut to fit. Lines end in `\n`.
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
    foot.extend(pressure_line(frame).map(|line| format!("psi  {line}")));

    // The line after the last belongs to the cursor.
    let room = size.rows.saturating_sub(head.len() + foot.len() + 1).max(1);
    head.extend(cpu_lines(frame, columns, room));
    head.extend(foot);
    let mut table = String::new();
    for line in &head {
        table.extend(line.trim_end().chars().take(columns));
        table.push('\n');
    }
    table
}

/// The width of the bars that stand alone in their line: what the numbers leave.
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

/// The processors, side by side: wide where there is room, narrow where there are many.
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
        // One line is for saying how many are left out.
        across * (room - 1)
    };
    let mut lines: Vec<String> = frame.cpus[..fits]
        .chunks(across)
        .map(|cpus| {
            let cells = cpus.iter().map(|(id, usage)| {
                let meter = bar(usage.busy / 100.0, cell - 11);
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
        format!("{what:<4} {} {:5.1}%  {used} of {total}", bar(share, meter(columns)), 100.0 * share)
    };
    let memory = &frame.memory;
    let used = memory.total.saturating_sub(memory.available);
    let mut lines = vec![line("mem", used, memory.total)];
    // Many machines have none.
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
    let files = [
        ("cpu", &frame.pressure.cpu),
        ("memory", &frame.pressure.memory),
        ("io", &frame.pressure.io),
    ];
    let parts: Vec<String> = files
        .into_iter()
        .filter_map(|(name, file)| Some(format!("{name} {}", stalls(file, "% / ")?)))
        .collect();
    (!parts.is_empty()).then(|| format!("{}   (some / all tasks, 10 s)", parts.join("%   ") ))
}

/// `some`, and `full` where there is one. None when the kernel has no such file.
fn stalls(pressure: &Pressure, between: &str) -> Option<String> {
    let value = |stall: &Stall| (stall.present != 0).then(|| format!("{:.2}", stall.avg10));
    let some = value(&pressure.some)?;
    Some(match value(&pressure.full) {
        Some(full) => format!("{some}{between}{full}"),
        None => some,
    })
}

/// The frame as one line of `key=value` words, for other programs. Ends in `\n`.
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
        memory.total, memory.available, memory.swap_total, memory.swap_free, load.running, load.tasks
    );
    let files = [
        ("cpu", &frame.pressure.cpu),
        ("memory", &frame.pressure.memory),
        ("io", &frame.pressure.io),
    ];
    for (name, file) in files {
        if let Some(stalls) = stalls(file, "/") {
            let _ = write!(line, " stalled_{name}={stalls}");
        }
    }
    line.push('\n');
    line
}

/// A bar of `width` characters, its brackets included, filled by `share`, in eighths of a character.
fn bar(share: f64, width: usize) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let inside = width.saturating_sub(2);
    // `as` turns what is no number into zero.
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
