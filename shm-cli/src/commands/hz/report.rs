//! How rates are printed.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::rate::Report;
use super::source::{Queue, Source};
use crate::failure::Failure;
use crate::observe::{Events, span, three_digits};
use crate::output::{Context, Document, escaped, style};

/// The heads of the columns are printed again after this many lines.
const LINES_PER_HEAD: u64 = 20;

/// Prints lines and the summary.
#[derive(Debug)]
pub(super) struct Printer {
    name: String,
    path: String,
    events: Events,
    lines: u64,
    received: Option<u64>,
}

impl Printer {
    pub(super) fn new(name: &str, source: &Source) -> Self {
        let received = source.queue().ok().flatten();
        Self {
            name: name.to_owned(),
            path: source.path.clone(),
            events: source.events,
            lines: 0,
            received: received.map(|queue| queue.received),
        }
    }

    pub(super) fn begin(&self, context: &mut Context) -> Result<(), Failure> {
        if context.json {
            return Ok(());
        }
        let (name, path) = (escaped(&self.name), escaped(&self.path));
        let noun = self.events.noun(0);
        let (a, b) = (style::NAME, style::DIM);
        writeln!(
            context.out,
            "{a}{name} {path}{a:#}: {noun}{b}, Ctrl-C ends{b:#}"
        )?;
        Ok(context.out.flush()?)
    }

    /// Prints what happened since the last line.
    pub(super) fn line(
        &mut self,
        context: &mut Context,
        report: &Report,
        queue: Option<Queue>,
    ) -> Result<(), Failure> {
        let received = queue.map(|queue| {
            let before = self.received.replace(queue.received);
            let count = queue
                .received
                .saturating_sub(before.unwrap_or(queue.received));
            count as f64 / report.seconds
        });
        if context.json {
            let mut document = self.document(report, false);
            if let (Some(queue), Some(received)) = (queue, received) {
                document = document
                    .with("received_rate", rounded(received))
                    .with("fill", queue.fill)
                    .with("capacity", queue.capacity);
            }
            document.write(&mut context.out)?;
            return Ok(context.out.flush()?);
        }
        if self.lines.is_multiple_of(if context.terminal {
            LINES_PER_HEAD
        } else {
            u64::MAX
        }) {
            let head = style::HEAD;
            let mut heads = format!(
                "{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}",
                "rate/s", "min", "median", "p99", "max", "std dev"
            );
            if queue.is_some() {
                heads.push_str(&format!("{:>12}{:>8}", "received/s", "fill"));
            }
            writeln!(context.out, "{head}{heads}{head:#}")?;
        }
        self.lines += 1;
        write!(context.out, "{:>10}", per_second(report.rate()))?;
        match report.gaps {
            Some(gaps) => {
                for seconds in [gaps.min, gaps.median, gaps.p99, gaps.max, gaps.std_dev] {
                    write!(context.out, "{:>10}", span(seconds))?;
                }
            }
            None => write!(context.out, "{}", format!("{:>10}", "-").repeat(5))?,
        }
        if let (Some(queue), Some(received)) = (queue, received) {
            let fill = format!("{}/{}", queue.fill, queue.capacity);
            write!(context.out, "{:>12} {fill:>7}", per_second(received))?;
        }
        writeln!(context.out)?;
        Ok(context.out.flush()?)
    }

    /// Reports something besides the numbers, on standard error.
    pub(super) fn note(&self, text: &str) -> io::Result<()> {
        writeln!(io::stderr(), "{}: {text}", escaped(&self.name))
    }

    /// Prints everything that happened.
    pub(super) fn summary(&self, context: &mut Context, report: &Report) -> Result<(), Failure> {
        if context.json {
            return self.document(report, true).write(&mut context.out);
        }
        let (name, path) = (escaped(&self.name), escaped(&self.path));
        let (out, head) = (&mut context.out, style::HEAD);
        let noun = self.events.noun(report.events);
        writeln!(out, "{head}--- {name} {path} ---{head:#}")?;
        writeln!(
            out,
            "{} {noun} in {}: {}/s",
            report.events,
            span(report.seconds),
            per_second(report.rate())
        )?;
        if let Some(gaps) = report.gaps {
            writeln!(
                out,
                "gaps: min {}, median {}, p99 {}, max {}, std dev {}",
                span(gaps.min),
                span(gaps.median),
                span(gaps.p99),
                span(gaps.max),
                span(gaps.std_dev)
            )?;
        }
        let dim = style::DIM;
        for line in self.resolution(report) {
            writeln!(out, "{dim}{line}{dim:#}")?;
        }
        Ok(())
    }

    /// How exact it is.
    fn resolution(&self, report: &Report) -> Vec<String> {
        let mut lines = vec![format!(
            "Gaps are known to {}, the mean time between two samples; the longest was {}.",
            span(report.resolution()),
            span(report.longest_sample)
        )];
        let noun = self.events.noun(0);
        lines.push(match self.events {
            Events::Changes => {
                "A value that changed and changed back between two samples was missed.".to_owned()
            }
            _ => format!("The number of {noun} is exact."),
        });
        if report.together > 0 {
            let part = 100.0 * report.together as f64 / report.events as f64;
            lines.push(format!(
                "{}% of the {noun} came between the same two samples as others: only the mean of their gaps is known.",
                three_digits(part)
            ));
        }
        lines
    }

    fn document(&self, report: &Report, is_final: bool) -> Document {
        Document::new("hz")
            .with("name", &self.name)
            .with("path", &self.path)
            .with("events", self.events.noun(0))
            .with("final", is_final)
            .with("seconds", rounded(report.seconds))
            .with("count", report.events)
            .with("is_exact", self.events != Events::Changes)
            .with("rate", rounded(report.rate()))
            .with("gaps", gaps(report))
            .with("resolution", rounded(report.resolution()))
            .with("longest_sample", rounded(report.longest_sample))
            .with("samples", report.samples)
            .with("between_same_samples", report.together)
    }
}

/// To nine decimals, which are nanoseconds: more is noise.
fn rounded(number: f64) -> f64 {
    (number * 1e9).round() / 1e9
}

/// In seconds.
fn gaps(report: &Report) -> Value {
    report.gaps.map_or(Value::Null, |gaps| {
        json!({
            "min": rounded(gaps.min),
            "median": rounded(gaps.median),
            "p99": rounded(gaps.p99),
            "max": rounded(gaps.max),
            "std_dev": rounded(gaps.std_dev),
        })
    })
}

/// A rate in four digits at least.
fn per_second(rate: f64) -> String {
    let decimals = match rate {
        ..9.9995 => 3,
        ..99.995 => 2,
        ..999.95 => 1,
        _ => 0,
    };
    format!("{rate:.decimals$}")
}
