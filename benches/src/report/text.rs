//! Tables for a terminal.

use super::format::{ratio, target, value};
use crate::harness::{Role, Table, misses};

/// Prints a table.
pub(crate) fn show(table: &Table) {
    println!(
        "\n{:<42} {:>12} {:>25} {:>11} {:>8} {:>7}  target",
        format!("{}, {}, {} rounds", table.row, table.case, table.rounds),
        "median",
        "quartiles",
        "p99",
        "/ limit",
        "/ peer"
    );
    for line in &table.lines {
        let [low, median, high] = line.quartiles;
        let name = match line.role {
            Role::Ours => format!("* {}", line.contender),
            Role::Limit => format!("= {}", line.contender),
            Role::Peer => format!("  {}", line.contender),
        };
        let quartiles = format!("{} to {}", value(low, table.unit), value(high, table.unit));
        println!(
            "{name:<42} {:>12} {quartiles:>25} {:>11} {:>8} {:>7}  {}",
            value(median, table.unit),
            line.p99
                .map(|p99| value(p99, table.unit))
                .unwrap_or_default(),
            ratio(line.to_limit.map(|ratios| ratios[1])),
            ratio(line.to_peer),
            target(line.target, line.against_target())
        );
    }
    for (peer, reason) in &table.cannot {
        println!("  {peer}: cannot do this: {reason}");
    }
}

/// Prints all missed targets, the largest gaps first.
pub(crate) fn gaps(tables: &[Table]) {
    let mut gaps = Vec::new();
    let mut met = 0;
    for table in tables {
        for line in &table.lines {
            match line.against_target() {
                Some((figure, most)) if misses((figure, most)) => {
                    let place = format!("{}, {}: {}", table.row, table.case, line.contender);
                    gaps.push((figure / most, figure, most, place));
                }
                Some(_) => met += 1,
                None => {}
            }
        }
    }
    gaps.sort_by(|a, b| b.0.total_cmp(&a.0));
    println!("\ntargets: {met} met, {} missed", gaps.len());
    for (gap, figure, most, place) in gaps {
        println!("  {gap:>7.2} times the target: {figure:.2} instead of {most:.2}  {place}");
    }
}
