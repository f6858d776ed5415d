//! From samples of a counter to rates and gaps. It knows no clock: times are seconds from any beginning.

use super::gaps::{Gaps, Summary};

/// What has happened in a span of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Report {
    /// Its length.
    pub(super) seconds: f64,
    /// The number of events, exactly, if they were counted.
    pub(super) events: u64,
    /// Those of them that came between the same two samples as another one. Only the mean of their gaps is known.
    pub(super) together: u64,
    /// The number of samples.
    pub(super) samples: u64,
    /// The longest time between two samples.
    pub(super) longest_sample: f64,
    /// Gaps between events.
    pub(super) gaps: Option<Summary>,
}

impl Report {
    pub(super) fn rate(&self) -> f64 {
        match self.seconds > 0.0 {
            true => self.events as f64 / self.seconds,
            false => 0.0,
        }
    }

    /// How exactly gaps are known: by the mean time between two samples.
    pub(super) fn resolution(&self) -> f64 {
        match self.samples {
            0 => 0.0,
            samples => self.seconds / samples as f64,
        }
    }
}

/// Events since a beginning.
#[derive(Debug)]
struct Part {
    begin: f64,
    events: u64,
    together: u64,
    samples: u64,
    longest_sample: f64,
    gaps: Gaps,
}

impl Part {
    fn new(begin: f64) -> Self {
        Self {
            begin,
            events: 0,
            together: 0,
            samples: 0,
            longest_sample: 0.0,
            gaps: Gaps::new(),
        }
    }

    fn report(&self, now: f64) -> Report {
        Report {
            seconds: now - self.begin,
            events: self.events,
            together: self.together,
            samples: self.samples,
            longest_sample: self.longest_sample,
            gaps: self.gaps.summary(),
        }
    }
}

/// Rates since the last report, and since the beginning.
#[derive(Debug)]
pub(super) struct Rate {
    last_sample: f64,
    last_event: Option<f64>,
    /// Since the last report.
    recent: Part,
    /// Up to the last report.
    before: Part,
}

impl Rate {
    pub(super) fn new(now: f64) -> Self {
        Self {
            last_sample: now,
            last_event: None,
            recent: Part::new(now),
            before: Part::new(now),
        }
    }

    /// A sample was taken, and so many events have happened since the last one.
    pub(super) fn sampled(&mut self, now: f64, events: u64) {
        let elapsed = now - self.last_sample;
        let recent = &mut self.recent;
        recent.samples += 1;
        recent.longest_sample = recent.longest_sample.max(elapsed);
        if events > 0 {
            recent.events += events;
            if events > 1 {
                recent.together += events;
            }
            // The events happened at some time since the last sample. The middle is at most half a sample off.
            let at = self.last_sample + elapsed / 2.0;
            if let Some(last) = self.last_event {
                recent.gaps.add((at - last) / events as f64, events);
            }
            self.last_event = Some(at);
        }
        self.last_sample = now;
    }

    /// Nothing is known about the time since the last sample: the segment was another one.
    pub(super) const fn interrupted(&mut self, now: f64) {
        self.last_sample = now;
        self.last_event = None;
    }

    /// The events since the last report.
    pub(super) fn report(&mut self, now: f64) -> Report {
        let report = self.recent.report(now);
        let before = &mut self.before;
        before.events += self.recent.events;
        before.together += self.recent.together;
        before.samples += self.recent.samples;
        before.longest_sample = before.longest_sample.max(self.recent.longest_sample);
        before.gaps.add_all(&self.recent.gaps);
        let mut gaps = std::mem::replace(&mut self.recent.gaps, Gaps::new());
        gaps.clear();
        self.recent = Part {
            gaps,
            ..Part::new(now)
        };
        report
    }

    /// All events.
    pub(super) fn total(&mut self, now: f64) -> Report {
        self.report(now);
        self.before.report(now)
    }

    /// The number of events, all in all.
    pub(super) const fn events(&self) -> u64 {
        self.before.events + self.recent.events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_events_have_gaps_of_whole_samples() {
        let mut rate = Rate::new(0.0);
        // An event in every tenth sample.
        for number in 1..=1000_u32 {
            rate.sampled(f64::from(number) * 1e-3, u64::from(number % 10 == 0));
        }
        let report = rate.report(1.0);
        assert_eq!(
            (report.events, report.together, report.samples),
            (100, 0, 1000)
        );
        assert!((report.rate() - 100.0).abs() < 1e-9);
        assert!((report.resolution() - 1e-3).abs() < 1e-9);
        let gaps = report.gaps.unwrap();
        assert!((gaps.median - 0.01).abs() < 1e-4, "{gaps:?}");
        assert!(gaps.std_dev < 1e-6, "{gaps:?}");
    }

    #[test]
    fn events_between_two_samples_share_their_gap() {
        let mut rate = Rate::new(0.0);
        for number in 1..=10_u32 {
            rate.sampled(f64::from(number), 4);
        }
        let report = rate.report(10.0);
        assert_eq!((report.events, report.together), (40, 40));
        let gaps = report.gaps.unwrap();
        assert!((gaps.min - 0.25).abs() < 1e-9 && (gaps.max - 0.25).abs() < 1e-9);
    }

    #[test]
    fn reports_add_up_to_the_total() {
        let mut rate = Rate::new(0.0);
        for number in 1..=40_u32 {
            rate.sampled(f64::from(number) * 0.1, u64::from(number % 3));
            if number % 10 == 0 {
                rate.report(f64::from(number) * 0.1);
            }
        }
        let events = (1..=40_u64).map(|number| number % 3).sum::<u64>();
        assert_eq!(rate.events(), events);
        let total = rate.total(4.0);
        assert_eq!((total.events, total.samples), (events, 40));
        assert!((total.seconds - 4.0).abs() < 1e-9);
    }

    #[test]
    fn no_gap_spans_an_interruption() {
        let mut rate = Rate::new(0.0);
        rate.sampled(1.0, 1);
        rate.interrupted(100.0);
        rate.sampled(101.0, 1);
        assert_eq!(rate.total(101.0).gaps, None);
        rate.sampled(102.0, 1);
        assert!((rate.total(102.0).gaps.unwrap().max - 1.0).abs() < 1e-9);
    }
}
