//! Bar charts, on a logarithmic scale: how many times the limit each contender takes.

use std::fmt::Write as _;

use super::format::number;
use crate::harness::{Role, Table};

const LEFT: f64 = 250.0;
const WIDTH: f64 = 800.0;
const BAR: f64 = 18.0;

/// A contender, its role and its ratio.
type Bar = (String, Role, f64);

/// A plot of the tables that have ratios to a limit, or to a best peer. None if no table has.
pub(crate) fn plot(tables: &[&Table]) -> Option<String> {
    let mut groups: Vec<(&str, Vec<Bar>)> = Vec::new();
    for table in tables {
        let ratios = |limit: bool| -> Vec<Bar> {
            let lines = table.lines.iter();
            lines
                .filter_map(|line| {
                    let ratio = match limit {
                        true => line.to_limit.map(|ratios| ratios[1]),
                        false => line.to_peer,
                    };
                    Some((
                        line.contender.clone(),
                        line.role,
                        ratio.filter(|ratio| *ratio > 0.0)?,
                    ))
                })
                .collect()
        };
        let own = [ratios(true), ratios(false)]
            .into_iter()
            .find(|own| own.len() > 1);
        if let Some(own) = own {
            groups.push((&table.case, own));
        }
    }
    if groups.is_empty() {
        return None;
    }
    let all = groups
        .iter()
        .flat_map(|(_, own)| own.iter().map(|bar| bar.2));
    let (low, high) = all.fold((1.0_f64, 1.0_f64), |(low, high), ratio| {
        (low.min(ratio), high.max(ratio))
    });
    let (low, high) = (low.log10() - 0.05, high.log10() + 0.05);
    let scale = |ratio: f64| LEFT + (ratio.log10() - low) / (high - low) * (WIDTH - LEFT - 70.0);
    let lines: usize = groups.iter().map(|(_, own)| own.len() + 2).sum();
    let height = lines as f64 * BAR + 10.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <line x1=\"{one:.1}\" x2=\"{one:.1}\" y1=\"0\" y2=\"{height}\" stroke=\"#999\" stroke-dasharray=\"3\"/>\n",
        one = scale(1.0)
    );
    let mut y = 4.0;
    for (case, own) in &groups {
        y += BAR;
        let _ = writeln!(
            svg,
            "<text x=\"6\" y=\"{:.1}\" font-weight=\"bold\">{}</text>",
            y,
            escape(case)
        );
        for (name, role, ratio) in own {
            let colour = match role {
                Role::Ours => "#c4501b",
                Role::Limit => "#555555",
                Role::Peer => "#7a9cc6",
            };
            y += BAR;
            let (one, end) = (scale(1.0), scale(*ratio));
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{y:.1}\" text-anchor=\"end\">{}</text>\
                 <rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"12\" fill=\"{colour}\"/>\
                 <text x=\"{:.1}\" y=\"{y:.1}\">{}</text>",
                LEFT - 6.0,
                escape(name),
                one.min(end),
                y - 10.0,
                (end - one).abs().max(2.0),
                one.max(end) + 4.0,
                number(*ratio)
            );
        }
        y += BAR;
    }
    svg.push_str("</svg>\n");
    Some(svg)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
