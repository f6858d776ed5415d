//! One turn of a contender.

use std::hint::black_box;
use std::time::Instant;

use super::{Result, Settings};

/// From this time of a call on, each call is timed separately, for its percentiles. Reading the clock takes 1% of it.
const SEPARATELY: f64 = 3_000.0;

/// What one turn found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    /// One value for each metric of the case.
    pub(crate) values: Vec<f64>,
    /// Single times in the unit of the first metric, for its 99th percentile.
    pub(crate) singles: Vec<f64>,
}

impl From<f64> for Sample {
    fn from(value: f64) -> Self {
        Self {
            values: vec![value],
            singles: Vec::new(),
        }
    }
}

impl<const N: usize> From<[f64; N]> for Sample {
    fn from(values: [f64; N]) -> Self {
        Self {
            values: values.to_vec(),
            singles: Vec::new(),
        }
    }
}

/// A function that makes one turn.
pub(crate) type Measure<'c> = Box<dyn FnMut(&Settings) -> Result<Sample> + 'c>;

/// Calls in a loop, in nanoseconds for one call.
pub(crate) fn calls<'c>(mut call: impl FnMut() + 'c) -> Measure<'c> {
    let mut calibrated = None;
    Box::new(move |settings| {
        let (count, separately) = match calibrated {
            Some(known) => known,
            None => *calibrated.insert(calibrate(settings, &mut call)),
        };
        let start = Instant::now();
        if !separately {
            for _ in 0..count {
                black_box(&mut call)();
            }
            return Ok((nanoseconds(start) / f64::from(count)).into());
        }
        let mut singles = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let start = Instant::now();
            black_box(&mut call)();
            singles.push(nanoseconds(start));
        }
        Ok(Sample {
            values: vec![nanoseconds(start) / f64::from(count)],
            singles,
        })
    })
}

/// `count` calls, each timed, in nanoseconds for one.
pub(crate) fn each<'c>(count: usize, mut call: impl FnMut() -> Result<()> + 'c) -> Measure<'c> {
    Box::new(move |_| {
        let mut singles = Vec::with_capacity(count);
        for _ in 0..count {
            let start = Instant::now();
            call()?;
            singles.push(nanoseconds(start));
        }
        Ok(Sample {
            values: vec![singles.iter().sum::<f64>() / count as f64],
            singles,
        })
    })
}

/// A turn that measures itself.
pub(crate) fn measured<'c, S: Into<Sample>>(
    mut turn: impl FnMut(&Settings) -> Result<S> + 'c,
) -> Measure<'c> {
    Box::new(move |settings| Ok(turn(settings)?.into()))
}

pub(crate) fn nanoseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e9
}

/// How many calls fill a turn, and whether each is slow enough to be timed separately.
fn calibrate(settings: &Settings, call: &mut impl FnMut()) -> (u32, bool) {
    // The first call can take much longer, for instance where it registers the process with the kernel.
    call();
    let mut count = 1;
    loop {
        let start = Instant::now();
        for _ in 0..count {
            black_box(&mut *call)();
        }
        if start.elapsed() >= settings.turn() || count >= 1 << 20 {
            let one = nanoseconds(start) / f64::from(count);
            return (count, one >= SEPARATELY);
        }
        count *= 2;
    }
}
