//! The figures of a case.

use super::Role;
use super::stats::{median, quantile, quartiles};

/// By how much a figure may exceed its target unnoticed: that much is noise.
const NOISE: f64 = 1.02;

/// What a figure of this library is supposed to be at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Target {
    /// This many times the limit, or the best peer if there is no limit.
    Times(f64),
    /// This value.
    Value(f64),
}

/// One contender's figures.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) contender: String,
    pub(crate) role: Role,
    /// Quartiles over the rounds.
    pub(crate) quartiles: [f64; 3],
    /// The 99th percentile of single times.
    pub(crate) p99: Option<f64>,
    /// Quartiles of the ratio to the limit.
    pub(crate) to_limit: Option<[f64; 3]>,
    /// Median ratio to the best peer.
    pub(crate) to_peer: Option<f64>,
    pub(crate) target: Option<Target>,
}

impl Line {
    /// The figure that the target speaks of, and the most that it is supposed to be.
    pub(crate) fn against_target(&self) -> Option<(f64, f64)> {
        match self.target? {
            Target::Value(most) => Some((self.quartiles[1], most)),
            Target::Times(most) => {
                let ratio = self.to_limit.map(|ratios| ratios[1]).or(self.to_peer)?;
                Some((ratio, most))
            }
        }
    }
}

/// Whether a figure is too high for the target.
pub(crate) fn misses((figure, most): (f64, f64)) -> bool {
    figure > most * NOISE
}

/// One metric of a case, for all contenders.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) row: &'static str,
    pub(crate) case: String,
    pub(crate) unit: &'static str,
    pub(crate) lines: Vec<Line>,
    /// Contenders that cannot do this, with the reason.
    pub(crate) cannot: Vec<(&'static str, &'static str)>,
    pub(crate) rounds: usize,
}

/// What the rounds found for one contender and one metric.
pub(crate) struct Found {
    pub(crate) contender: String,
    pub(crate) role: Role,
    pub(crate) values: Vec<f64>,
    pub(crate) singles: Vec<f64>,
    pub(crate) target: Option<Target>,
}

/// Computes the lines of a table.
pub(crate) fn lines(all: &[Found]) -> Vec<Line> {
    let limit = all.iter().find(|found| found.role == Role::Limit);
    let peers = all.iter().filter(|found| found.role == Role::Peer);
    let best = peers.min_by(|a, b| median(&a.values).total_cmp(&median(&b.values)));
    all.iter()
        .map(|found| {
            let ratios = |to: &Found| {
                let pairs = found.values.iter().zip(&to.values);
                pairs
                    .map(|(a, b)| if a == b { 1.0 } else { a / b })
                    .filter(|ratio| ratio.is_finite())
                    .collect::<Vec<f64>>()
            };
            let ratios = |to: &Found| Some(ratios(to)).filter(|ratios| !ratios.is_empty());
            Line {
                contender: found.contender.clone(),
                role: found.role,
                quartiles: quartiles(&found.values),
                p99: (found.singles.len() >= 50).then(|| quantile(&found.singles, 0.99)),
                to_limit: limit.and_then(ratios).map(|ratios| quartiles(&ratios)),
                to_peer: best.and_then(ratios).map(|ratios| median(&ratios)),
                target: found.target,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Found, Role, Target, lines};

    fn found(role: Role, values: &[f64], target: Option<Target>) -> Found {
        Found {
            contender: format!("{role:?}"),
            role,
            values: values.to_vec(),
            singles: Vec::new(),
            target,
        }
    }

    #[test]
    fn ratios_compare_turns_of_the_same_round() {
        // The machine slows down by a factor of ten from round to round.
        let limit = found(Role::Limit, &[1.0, 10.0, 100.0], None);
        let ours = found(Role::Ours, &[2.0, 20.0, 200.0], Some(Target::Times(1.5)));
        let lines = lines(&[limit, ours]);
        assert_eq!(lines[1].to_limit, Some([2.0, 2.0, 2.0]));
        assert_eq!(lines[1].against_target(), Some((2.0, 1.5)));
        assert_eq!(lines[1].to_peer, None);
    }

    #[test]
    fn the_best_peer_stands_in_for_a_missing_limit() {
        let slow = found(Role::Peer, &[9.0], None);
        let quick = found(Role::Peer, &[4.0], None);
        let ours = found(Role::Ours, &[2.0], Some(Target::Times(1.0)));
        let lines = lines(&[slow, quick, ours]);
        assert_eq!(lines[2].to_peer, Some(0.5));
        assert_eq!(lines[2].against_target(), Some((0.5, 1.0)));
    }
}
