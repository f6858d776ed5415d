//! Tables as Markdown, in a page between markers.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::format::{number, ratio, value};
use super::{machine, svg};
use crate::harness::{Result, Role, Row, Table};

fn start(row: &str) -> String {
    format!("<!-- measured: {row} -->\n")
}

const END: &str = "<!-- end -->\n";

/// The tables of a row.
fn tables(of: &[&Table]) -> String {
    let mut text = String::new();
    for table in of {
        let _ = write!(
            text,
            "\n| {}, {} rounds | median | quartiles | 99 of 100 | / limit | / best peer |\n|---|---:|---:|---:|---:|---:|\n",
            table.case, table.rounds
        );
        for line in &table.lines {
            let [low, median, high] = line.quartiles;
            let name = match line.role {
                Role::Ours => format!("**{}**", line.contender),
                Role::Limit => format!("*{}*", line.contender),
                Role::Peer => line.contender.clone(),
            };
            let p99 = line
                .p99
                .map(|p99| value(p99, table.unit))
                .unwrap_or_default();
            let limit = line
                .to_limit
                .map_or_else(String::new, |[low, median, high]| {
                    if line.role == Role::Limit {
                        number(median)
                    } else {
                        format!("{} ({} to {})", number(median), number(low), number(high))
                    }
                });
            let _ = writeln!(
                text,
                "| {name} | {} | {} to {} | {p99} | {limit} | {} |",
                value(median, table.unit),
                value(low, table.unit),
                value(high, table.unit),
                ratio(line.to_peer)
            );
        }
        for (peer, reason) in &table.cannot {
            let _ = writeln!(text, "| {peer} | | | | | cannot: {reason} |");
        }
    }
    text
}

/// The block of a row, without its markers: plot and tables.
fn block(row: &Row, all: &[&Table], plots: bool) -> String {
    let mut text = format!("\n{}\n", row.about);
    if plots {
        let _ = write!(text, "\n![{}](plots/{}.svg)\n", row.name, row.name);
    }
    text.push_str(&tables(all));
    text
}

/// Replaces the block behind the marker of `row`. Returns whether the page has one.
fn replace(page: &mut String, row: &str, block: &str) -> bool {
    let marker = start(row);
    let Some(from) = page.find(&marker).map(|at| at + marker.len()) else {
        return false;
    };
    let Some(to) = page[from..].find(END).map(|len| from + len) else {
        return false;
    };
    page.replace_range(from..to, block);
    true
}

/// Writes the tables into the page at `path`, which is created if it is missing, and a plot for each row next to it.
/// In a page that exists, only the blocks of these rows change.
pub(crate) fn write(path: &Path, rows: &[&Row], all: &[Table]) -> Result<()> {
    let plots = path.parent().unwrap_or(Path::new(".")).join("plots");
    fs::create_dir_all(&plots)?;
    let mut page = fs::read_to_string(path).unwrap_or_default();
    if page.is_empty() {
        page = "# Measured side by side\n\n".to_owned();
        page.push_str(&start("machine"));
        page.push_str(END);
    }
    replace(&mut page, "machine", &machine::markdown());
    for row in rows {
        let own: Vec<&Table> = all.iter().filter(|table| table.row == row.name).collect();
        if own.is_empty() {
            continue;
        }
        let plot = svg::plot(&own);
        if let Some(plot) = &plot {
            fs::write(plots.join(format!("{}.svg", row.name)), plot)?;
        }
        let text = block(row, &own, plot.is_some());
        if !replace(&mut page, row.name, &text) {
            let _ = write!(
                page,
                "\n## {}\n\n{}{text}\n{END}",
                row.name,
                start(row.name)
            );
        }
    }
    Ok(fs::write(path, page)?)
}

#[cfg(test)]
mod tests {
    use super::{END, replace, start};

    #[test]
    fn only_the_named_block_changes() {
        let mut page = format!(
            "a\n{}old\n{END}b\n{}kept\n{END}",
            start("one"),
            start("two")
        );
        assert!(replace(&mut page, "one", "new\n"));
        assert!(!replace(&mut page, "three", "new\n"));
        assert_eq!(
            page,
            format!(
                "a\n{}new\n{END}b\n{}kept\n{END}",
                start("one"),
                start("two")
            )
        );
    }
}
