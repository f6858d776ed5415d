//! Tables as Markdown, in a page between markers.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::format::{number, ratio, value};
use super::{machine, svg};
use crate::harness::{Line, Result, Role, Row, Table};

/// The page's block with processor, kernel, compiler and versions.
const MACHINE: &str = "machine";
/// The page's block with one line for each figure of this library.
const SUMMARY: &str = "summary";

const END: &str = "<!-- end -->\n";

/// The page that has the tables. Plots go to `benches/plots`.
pub(crate) fn page() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../shm-core/docs/performance.md")
}

fn start(block: &str) -> String {
    format!("<!-- measured: {block} -->\n")
}

/// The figures of one contender, without the 99th percentile if no contender of the table has one.
fn line(line: &Line, unit: &str, with_p99: bool) -> String {
    let [low, median, high] = line.quartiles;
    let name = match line.role {
        Role::Ours => format!("**{}**", line.contender),
        Role::Limit => format!("*{}*", line.contender),
        Role::Peer => line.contender.clone(),
    };
    let p99 = match (with_p99, line.p99) {
        (false, _) => String::new(),
        (true, None) => " |".to_owned(),
        (true, Some(p99)) => format!(" {} |", value(p99, unit)),
    };
    let limit = match line.to_limit {
        Some([low, median, high]) if line.role != Role::Limit => {
            format!("{} ({} to {})", number(median), number(low), number(high))
        }
        _ => String::new(),
    };
    format!(
        "| {name} | {} | {} to {} |{p99} {limit} | {} |",
        value(median, unit),
        value(low, unit),
        value(high, unit),
        ratio(line.to_peer)
    )
}

/// The tables of a row.
fn tables(of: &[&Table]) -> String {
    let mut text = String::new();
    for table in of {
        let with_p99 = table.lines.iter().any(|line| line.p99.is_some());
        let (name, rule) = match with_p99 {
            true => (" 99 of 100 |", "---:|"),
            false => ("", ""),
        };
        let _ = write!(
            text,
            "\n| {} | median | quartiles |{name} / limit | / best peer |\n|---|---:|---:|{rule}---:|---:|\n",
            table.case
        );
        for contender in &table.lines {
            let _ = writeln!(text, "{}", line(contender, table.unit, with_p99));
        }
        let cells = if with_p99 { " | | | | |" } else { " | | | |" };
        for (peer, reason) in &table.cannot {
            let _ = writeln!(text, "| {peer}: {reason}{cells}");
        }
    }
    text.push('\n');
    text
}

/// One line for each figure of this library that has a limit or a peer.
fn summary(all: &[Table]) -> String {
    let mut text =
        "\n| row | case | | median | / limit | / best peer |\n|---|---|---|---:|---:|---:|\n"
            .to_owned();
    for table in all {
        let ours = table.lines.iter().filter(|line| line.role == Role::Ours);
        for line in ours.filter(|line| line.to_limit.is_some() || line.to_peer.is_some()) {
            let _ = writeln!(
                text,
                "| `{}` | {} | {} | {} | {} | {} |",
                table.row,
                table.case,
                line.contender,
                value(line.quartiles[1], table.unit),
                ratio(line.to_limit.map(|ratios| ratios[1])),
                ratio(line.to_peer)
            );
        }
    }
    text.push('\n');
    text
}

/// Replaces the block behind the marker.
fn replace(page: &mut String, block: &str, text: &str) -> Result<()> {
    let marker = start(block);
    let missing = || format!("the page has no block `{}`", marker.trim_end());
    let from = page.find(&marker).ok_or_else(missing)? + marker.len();
    let len = page[from..].find(END).ok_or_else(missing)?;
    page.replace_range(from..from + len, text);
    Ok(())
}

/// Writes the tables of these rows into the page, and a plot of each. The summary is of all rows, so it stays as it is if
/// some were not measured.
pub(crate) fn write(rows: &[&Row], all: &[Table], complete: bool) -> Result<()> {
    let plots = Path::new(env!("CARGO_MANIFEST_DIR")).join("plots");
    fs::create_dir_all(&plots)?;
    let mut text = fs::read_to_string(page())?;
    if complete {
        replace(&mut text, MACHINE, &machine::markdown())?;
        replace(&mut text, SUMMARY, &summary(all))?;
    }
    for row in rows {
        let own: Vec<&Table> = all.iter().filter(|table| table.row == row.name).collect();
        if own.is_empty() {
            continue;
        }
        if let Some(plot) = svg::plot(&own) {
            fs::write(plots.join(format!("{}.svg", row.name)), plot)?;
        }
        replace(&mut text, row.name, &tables(&own))?;
    }
    Ok(fs::write(page(), text)?)
}

#[cfg(test)]
mod tests {
    use super::{END, MACHINE, SUMMARY, page, replace, start};
    use crate::rows;

    #[test]
    fn only_the_named_block_changes() {
        let page = |one: &str| {
            format!(
                "a\n{}{one}{END}b\n{}kept\n{END}",
                start("one"),
                start("two")
            )
        };
        let mut text = page("old\n");
        replace(&mut text, "one", "new\n").unwrap();
        assert!(replace(&mut text, "three", "new\n").is_err());
        assert_eq!(text, page("new\n"));
    }

    #[test]
    fn the_page_has_a_block_for_every_row() {
        let text = std::fs::read_to_string(page()).unwrap();
        let blocks: Vec<&str> = text
            .split("<!-- measured: ")
            .skip(1)
            .filter_map(|rest| rest.split(" -->").next())
            .collect();
        let mut names: Vec<&str> = rows::ALL.iter().map(|row| row.name).collect();
        names.extend([MACHINE, SUMMARY]);
        for name in &names {
            let count = blocks.iter().filter(|block| *block == name).count();
            assert_eq!(count, 1, "blocks of {name}");
        }
        assert_eq!(blocks.len(), names.len(), "{blocks:?}");
    }
}
