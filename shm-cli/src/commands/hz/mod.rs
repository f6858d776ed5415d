//! `shm hz`: how often something happens, and how regularly.

mod gaps;
mod rate;
mod report;
mod source;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::failure::{Exit, Failure};
use crate::observe::{Attachment, Standing, parse_interval};
use crate::output::Context;
use crate::target::Target;

use rate::Rate;
use report::Printer;
use source::Source;

/// Measure how often a part is written: rate and jitter, a line a second
///
/// A `SeqLock` is measured by its commits, a `Ring` or `Broadcast` by the messages sent, an `Event` by its notifications and a
/// `Barrier` by its rounds. They have counters, so none is missed. Other parts are measured by their changes: a value that changes
/// and changes back between two samples is missed.
///
/// Nothing is written to the segment, and no writer waits or wakes anybody for it. So the part is sampled, and gaps are known as
/// exactly as samples are close: to a twentieth of the mean gap, between 0.2 ms and 10 ms, or to `--resolution`. Of events that come
/// closer together, only the mean gap is known. Ctrl-C ends with a summary.
#[derive(Args, Debug)]
pub(crate) struct Hz {
    /// A segment's name, or `/proc/PID/fd/N`
    #[arg(value_name = "NAME")]
    target: Target,

    /// The part, such as `pose` or `jobs`. `.` is the whole segment
    #[arg(value_name = "PATH", default_value = ".")]
    path: String,

    /// End after this many events; `-n` of `shm watch` counts lines
    #[arg(long, short = 'n', value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,

    /// End after this time, such as `10` (seconds) or `2m`
    #[arg(long, short = 'd', value_name = "TIME", value_parser = parse_interval)]
    duration: Option<Duration>,

    /// Print a line each time this has passed
    #[arg(long, short = 'i', value_name = "TIME", default_value = "1s", value_parser = parse_interval)]
    interval: Duration,

    /// Sample at this interval, such as `100us`
    #[arg(long, short = 'r', value_name = "TIME", value_parser = parse_interval)]
    resolution: Option<Duration>,
}

/// The bounds between which the time between samples is chosen.
const FINEST: Duration = Duration::from_micros(200);
const COARSEST: Duration = Duration::from_millis(10);
/// Samples that the user asks for are not closer than this, so that no processor does nothing else.
const SHORTEST: Duration = Duration::from_micros(20);
/// How many samples there are in the mean gap.
const SAMPLES_PER_GAP: f64 = 20.0;
/// Sampling takes at most this part of a processor.
const LARGEST_LOAD: f64 = 0.05;

impl Hz {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        if let Target::Dump(path) = &self.target {
            return Err(Failure::usage(format!(
                "{} is a file, in which nothing happens; give the name of a segment, as `shm ls` lists them",
                path.display()
            )));
        }
        let stop = stop_flag()?;
        let mut attachment = Attachment::new(&self.target)?;
        let mut source = Source::new(attachment.segment(), &self.path)?;
        let mut pace = Pace::new(self.resolution, source.cost()?);
        source.reset()?;
        let begin = Instant::now();
        // What happens from here on counts, so a script may wait for this line.
        let mut printer = Printer::new(attachment.segment().name(), &source);
        printer.begin(context)?;
        let seconds = |now: Instant| (now - begin).as_secs_f64();
        let mut rate = Rate::new(0.0);
        let mut next_line = begin + self.interval;
        let end = self.duration.map(|duration| begin + duration);
        let mut now = begin;
        loop {
            let wake = pace.next(now);
            let wake = end.map_or(wake, |end| wake.min(end)).min(next_line);
            std::thread::sleep(wake.saturating_duration_since(Instant::now()));
            let before = Instant::now();
            let events = source.sample();
            // Zeros may not be a value.
            attachment.check_length()?;
            let events = events?;
            now = Instant::now();
            pace.sampled(now - before);
            rate.sampled(seconds(now), events);

            let enough = self.count.is_some_and(|count| rate.events() >= count);
            if enough || end.is_some_and(|end| now >= end) || stop.load(Ordering::Relaxed) {
                break;
            }
            if now < next_line {
                continue;
            }
            next_line = (next_line + self.interval).max(now);
            let report = rate.report(seconds(now));
            pace.adapt(report.rate());
            printer.line(context, &report, source.queue()?)?;
            match attachment.standing() {
                Standing::Current => {}
                Standing::Removed => {
                    printer.note("the segment was removed")?;
                    break;
                }
                Standing::Superseded => {
                    printer.note("another segment has the name now; measuring that")?;
                    attachment = attachment.again()?;
                    source = Source::new(attachment.segment(), &self.path)?;
                    source.reset()?;
                    rate.interrupted(seconds(Instant::now()));
                }
            }
        }
        printer.summary(context, &rate.total(seconds(now)))?;
        Ok(Exit::Ok)
    }
}

/// A flag that becomes `true` when the user or the system ends the command. It then prints its summary.
fn stop_flag() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // The second Ctrl-C ends the command at once, whatever it does.
        let registered = signal_hook::flag::register_conditional_default(signal, Arc::clone(&stop))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)));
        registered.map_err(|error| Failure::file("handle Ctrl-C", &error))?;
    }
    Ok(stop)
}

/// When to take samples.
#[derive(Debug)]
struct Pace {
    interval: Duration,
    is_fixed: bool,
    /// The least that a sample has taken lately: others were interrupted.
    cost: Duration,
}

impl Pace {
    fn new(fixed: Option<Duration>, cost: Duration) -> Self {
        let mut pace = Self {
            interval: fixed.map_or(Duration::from_millis(1), |fixed| fixed.max(SHORTEST)),
            is_fixed: fixed.is_some(),
            cost,
        };
        if fixed.is_none() {
            pace.interval = pace.interval.max(pace.cheapest());
        }
        pace
    }

    fn next(&self, now: Instant) -> Instant {
        now + self.interval
    }

    fn sampled(&mut self, cost: Duration) {
        self.cost = cost.min(self.cost + self.cost / 16);
    }

    fn cheapest(&self) -> Duration {
        self.cost.div_f64(LARGEST_LOAD)
    }

    /// Chooses the interval for events at this rate.
    fn adapt(&mut self, rate: f64) {
        if self.is_fixed {
            return;
        }
        let wanted = match rate > 0.0 {
            true => Duration::try_from_secs_f64(1.0 / (rate * SAMPLES_PER_GAP)).unwrap_or(COARSEST),
            // The gap is longer than an interval between lines.
            false => COARSEST,
        };
        self.interval = wanted.clamp(FINEST, COARSEST).max(self.cheapest());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Duration = Duration::from_micros(1);

    #[test]
    fn samples_are_as_close_as_the_rate_asks_for() {
        let mut pace = Pace::new(None, CHEAP);
        for (rate, wanted) in [
            (0.0, COARSEST),
            (1.0, COARSEST),
            (10.0, Duration::from_millis(5)),
            (100.0, Duration::from_micros(500)),
            (1e6, FINEST),
        ] {
            pace.adapt(rate);
            assert_eq!(pace.interval, wanted, "{rate}");
        }
    }

    #[test]
    fn samples_that_take_long_are_rare() {
        let mut pace = Pace::new(None, Duration::from_millis(2));
        assert_eq!(pace.interval, Duration::from_millis(40));
        pace.adapt(1e6);
        assert_eq!(pace.interval, Duration::from_millis(40));
        // One sample that was not interrupted shows what they cost. Interrupted ones do not change that soon.
        pace.sampled(CHEAP);
        pace.sampled(Duration::from_millis(30));
        pace.adapt(1e6);
        assert_eq!(pace.interval, FINEST);
        for _ in 0..1000 {
            pace.sampled(Duration::from_millis(2));
        }
        pace.adapt(1e6);
        assert_eq!(pace.interval, Duration::from_millis(40));
    }

    #[test]
    fn the_resolution_that_the_user_wants_is_kept() {
        let wanted = Duration::from_micros(50);
        let mut pace = Pace::new(Some(wanted), Duration::from_millis(2));
        pace.adapt(1.0);
        assert_eq!(pace.interval, wanted);
        let spinning = Pace::new(Some(Duration::from_nanos(1)), CHEAP);
        assert_eq!(spinning.interval, SHORTEST);
    }
}
