//! What rows have shown: when they changed last, curves, and rates.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use shm_core::dynamic::DynValue;

use crate::observe::{Events, between, is_same};

/// Samples of a curve.
const SAMPLES: usize = 64;
/// Rows whose history is kept.
const MOST_ROWS: usize = 4096;
/// A rate is the mean over this time, or over an interval if that is longer.
const RATE_SPAN: Duration = Duration::from_secs(2);

/// The history of a row.
#[derive(Debug, Default)]
pub(super) struct History {
    last: Option<DynValue>,
    changed: Option<Instant>,
    curve: VecDeque<Option<f64>>,
    counts: VecDeque<(Instant, u64)>,
    /// The sample at which the row was visible last.
    seen: u64,
}

impl History {
    /// Notes a value, and returns whether it is another one than before.
    pub(super) fn value(&mut self, value: &DynValue, now: Instant) -> bool {
        let is_new = self.last.as_ref().is_some_and(|last| !is_same(last, value));
        if is_new {
            self.changed = Some(now);
        }
        if is_new || self.last.is_none() {
            self.last = Some(value.clone());
        }
        is_new
    }

    /// Notes a count, and returns the rate per second, once there is one.
    pub(super) fn count(&mut self, events: Events, count: u64, now: Instant) -> Option<f64> {
        match self.counts.back() {
            Some((_, last)) if *last == count => {}
            Some(_) => self.changed = Some(now),
            None => {}
        }
        self.counts.push_back((now, count));
        // One that is older than the span stays, so that there are always two.
        while self.counts.len() > 2 && now.duration_since(self.counts[1].0) >= RATE_SPAN {
            self.counts.pop_front();
        }
        let (first, before) = *self.counts.front()?;
        let seconds = now.duration_since(first).as_secs_f64();
        (seconds > 0.0).then(|| between(events, before, count) as f64 / seconds)
    }

    /// Adds a point to the curve. `None` leaves a gap.
    pub(super) fn point(&mut self, point: Option<f64>) {
        if self.curve.len() == SAMPLES {
            self.curve.pop_front();
        }
        self.curve.push_back(point);
    }

    /// The time since the last change.
    pub(super) fn age(&self, now: Instant) -> Option<Duration> {
        self.changed
            .map(|changed| now.saturating_duration_since(changed))
    }

    pub(super) fn curve(&self) -> Vec<Option<f64>> {
        self.curve.iter().copied().collect()
    }
}

/// The histories of the rows that were visible lately, by their paths.
#[derive(Debug, Default)]
pub(super) struct Histories {
    rows: HashMap<String, History>,
    sample: u64,
}

impl Histories {
    /// Begins a sample.
    pub(super) fn begin(&mut self) {
        self.sample += 1;
        if self.rows.len() > MOST_ROWS {
            let sample = self.sample;
            self.rows.retain(|_, history| history.seen + 1 >= sample);
        }
    }

    /// The history of a row that is visible. It begins again if the row was not visible in the last sample.
    pub(super) fn of(&mut self, path: &str) -> &mut History {
        let sample = self.sample;
        if !self.rows.contains_key(path) {
            self.rows.insert(path.to_owned(), History::default());
        }
        let history = self.rows.entry(path.to_owned()).or_default();
        if history.seen + 1 < sample {
            // Its curve would lack the time in between, and a change would be of any time.
            *history = History::default();
        }
        history.seen = sample;
        history
    }

    pub(super) fn clear(&mut self) {
        self.rows.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Instant {
        use std::sync::OnceLock;
        static BEGIN: OnceLock<Instant> = OnceLock::new();
        *BEGIN.get_or_init(Instant::now) + Duration::from_secs_f64(seconds)
    }

    #[test]
    fn changes_have_an_age() {
        let mut history = History::default();
        assert!(!history.value(&1.into(), at(0.0)));
        assert_eq!(history.age(at(0.0)), None);
        assert!(history.value(&2.into(), at(1.0)));
        assert!(!history.value(&2.into(), at(2.0)));
        assert_eq!(history.age(at(2.5)), Some(Duration::from_millis(1500)));
    }

    #[test]
    fn a_rate_is_a_mean_of_the_last_seconds() {
        let mut history = History::default();
        assert_eq!(history.count(Events::Messages, 100, at(0.0)), None);
        for step in 1..=40_u32 {
            let now = f64::from(step) * 0.25;
            // 100 a second, and from 5 s on none.
            let count = 100 + 25 * u64::from(step.min(20));
            let rate = history.count(Events::Messages, count, at(now)).unwrap();
            if step <= 20 {
                assert!((rate - 100.0).abs() < 1e-6, "{now}: {rate}");
            }
            if step >= 28 {
                assert!(rate.abs() < 1e-6, "{now}: {rate}");
            }
        }
        assert!(history.counts.len() < 12);
        // Also if samples are rare.
        assert_eq!(history.count(Events::Messages, 600, at(20.0)), Some(0.0));
        let rate = history.count(Events::Messages, 700, at(30.0)).unwrap();
        assert!((rate - 10.0).abs() < 1e-6);
    }

    #[test]
    fn rows_that_were_not_visible_begin_again() {
        let mut histories = Histories::default();
        histories.begin();
        histories.of("a").value(&1.into(), at(0.0));
        histories.begin();
        assert!(histories.of("a").value(&2.into(), at(1.0)));
        histories.begin();
        histories.begin();
        assert!(!histories.of("a").value(&3.into(), at(2.0)));
    }

    #[test]
    fn histories_are_bounded() {
        let mut histories = Histories::default();
        for page in 0..1000 {
            histories.begin();
            for row in 0..20 {
                histories
                    .of(&format!("[{}]", page * 20 + row))
                    .point(Some(1.0));
            }
        }
        assert!(histories.rows.len() <= MOST_ROWS + 20);
        let mut history = History::default();
        for _ in 0..1000 {
            history.point(None);
        }
        assert_eq!(history.curve().len(), SAMPLES);
    }
}
