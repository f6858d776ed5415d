//! Contenders that do the same and take turns.

use super::table::{Found, Table, Target, lines};
use super::{Bench, Measure, Result, Role, watchdog};

struct Contender<'c> {
    name: String,
    role: Role,
    measure: Measure<'c>,
    /// With the number of the metric.
    targets: Vec<(usize, Target)>,
}

/// A case under construction. [`run`](Self::run) measures it.
pub(crate) struct Case<'c> {
    bench: &'c mut Bench,
    name: String,
    /// Names (empty for the only one) and units.
    metrics: Vec<(&'static str, &'static str)>,
    contenders: Vec<Contender<'c>>,
    cannot: Vec<(&'static str, &'static str)>,
    rounds: usize,
}

impl<'c> Case<'c> {
    pub(super) fn new(bench: &'c mut Bench, name: String) -> Self {
        Self {
            bench,
            name,
            metrics: vec![("", "ns")],
            contenders: Vec::new(),
            cannot: Vec::new(),
            rounds: 101,
        }
    }

    /// Names and units of what each turn finds. Without this call, the time of a call in nanoseconds.
    pub(crate) fn metrics(mut self, metrics: &[(&'static str, &'static str)]) -> Self {
        self.metrics = metrics.to_vec();
        self
    }

    /// The number of rounds, if it is not 101.
    pub(crate) fn rounds(mut self, rounds: usize) -> Self {
        self.rounds = rounds;
        self
    }

    pub(crate) fn limit(self, name: impl Into<String>, measure: Measure<'c>) -> Self {
        self.contender(Role::Limit, name.into(), measure)
    }

    pub(crate) fn ours(self, name: impl Into<String>, measure: Measure<'c>) -> Self {
        self.contender(Role::Ours, name.into(), measure)
    }

    pub(crate) fn peer(self, name: impl Into<String>, measure: Measure<'c>) -> Self {
        self.contender(Role::Peer, name.into(), measure)
    }

    pub(crate) fn contender(mut self, role: Role, name: String, measure: Measure<'c>) -> Self {
        self.contenders.push(Contender {
            name,
            role,
            measure,
            targets: Vec::new(),
        });
        self
    }

    /// The most that the first metric of the contender added last is supposed to be, in times of the limit.
    pub(crate) fn target(self, times: f64) -> Self {
        self.target_of(0, Target::Times(times))
    }

    /// The same, if there is one.
    pub(crate) fn target_if(self, times: Option<f64>) -> Self {
        match times {
            Some(times) => self.target(times),
            None => self,
        }
    }

    /// The same for the metric with a number.
    pub(crate) fn target_of(mut self, metric: usize, target: Target) -> Self {
        if let Some(contender) = self.contenders.last_mut() {
            contender.targets.push((metric, target));
        }
        self
    }

    /// Names a peer that cannot do this, and says why.
    pub(crate) fn cannot(mut self, peer: &'static str, reason: &'static str) -> Self {
        self.cannot.push((peer, reason));
        self
    }

    /// Measures all contenders in turns and adds the tables, one for each metric.
    pub(crate) fn run(mut self) -> Result<()> {
        let settings = self.bench.settings;
        let rounds = settings.rounds.unwrap_or(settings.count(self.rounds, 2));
        let count = self.contenders.len();
        let mut samples: Vec<Vec<super::Sample>> = (0..count).map(|_| Vec::new()).collect();
        // The first round warms up and calibrates.
        let warm_up = usize::from(!settings.short && self.rounds > 20);
        for round in 0..rounds + warm_up {
            for turn in 0..count {
                // No contender always follows the same other one.
                let index = (round + turn) % count;
                let contender = &mut self.contenders[index];
                let place = || format!("{}, {}: {}", self.bench.row(), self.name, contender.name);
                watchdog::expect(place());
                let sample = (contender.measure)(&settings)
                    .map_err(|error| format!("{}: {error}", place()))?;
                if sample.values.len() != self.metrics.len() {
                    return Err(format!("{}: wrong number of values", place()).into());
                }
                if round >= warm_up {
                    samples[index].push(sample);
                }
            }
        }
        watchdog::done();
        for (metric, (name, unit)) in self.metrics.iter().enumerate() {
            let found: Vec<Found> = self
                .contenders
                .iter()
                .zip(&samples)
                .map(|(contender, samples)| Found {
                    contender: contender.name.clone(),
                    role: contender.role,
                    values: samples.iter().map(|sample| sample.values[metric]).collect(),
                    singles: match metric {
                        0 => samples
                            .iter()
                            .flat_map(|sample| sample.singles.iter().copied())
                            .collect(),
                        _ => Vec::new(),
                    },
                    target: contender
                        .targets
                        .iter()
                        .find(|(of, _)| *of == metric)
                        .map(|(_, target)| *target),
                })
                .collect();
            let case = match *name {
                "" => self.name.clone(),
                name => format!("{}: {name}", self.name),
            };
            let table = Table {
                row: self.bench.row(),
                case,
                unit,
                lines: lines(&found),
                cannot: self.cannot.clone(),
                rounds,
            };
            self.bench.add(table);
        }
        Ok(())
    }
}
