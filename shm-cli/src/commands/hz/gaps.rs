//! Gaps between events: their statistics, in memory of a fixed size.

/// Each power of two nanoseconds has as many classes: a quantile is exact to less than 1 %.
const CLASSES: u32 = 64;

/// Statistics of gaps.
#[derive(Clone, Debug)]
pub(super) struct Gaps {
    count: u64,
    mean: f64,
    /// The sum of the squares of the differences from the mean.
    squares: f64,
    min: f64,
    max: f64,
    classes: Vec<u64>,
}

/// What is shown of them, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Summary {
    pub(super) min: f64,
    pub(super) median: f64,
    pub(super) p99: f64,
    pub(super) max: f64,
    pub(super) std_dev: f64,
}

impl Gaps {
    pub(super) fn new() -> Self {
        Self {
            count: 0,
            mean: 0.0,
            squares: 0.0,
            min: f64::INFINITY,
            max: 0.0,
            classes: vec![0; (64 * CLASSES) as usize],
        }
    }

    /// Adds `times` gaps of so many seconds.
    pub(super) fn add(&mut self, seconds: f64, times: u64) {
        if times == 0 {
            return;
        }
        // Welford's algorithm, with weights: exact also after days.
        self.count += times;
        let off = seconds - self.mean;
        self.mean += off * times as f64 / self.count as f64;
        self.squares += times as f64 * off * (seconds - self.mean);
        self.min = self.min.min(seconds);
        self.max = self.max.max(seconds);
        self.classes[class(seconds)] += times;
    }

    /// Adds those of another.
    pub(super) fn add_all(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        let (a, b) = (self.count as f64, other.count as f64);
        let off = other.mean - self.mean;
        self.squares += other.squares + off * off * a * b / (a + b);
        self.mean += off * b / (a + b);
        self.count += other.count;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        for (class, count) in self.classes.iter_mut().zip(&other.classes) {
            *class += count;
        }
    }

    /// `None` without a gap.
    pub(super) fn summary(&self) -> Option<Summary> {
        (self.count > 0).then(|| Summary {
            min: self.min,
            median: self.quantile(0.5),
            p99: self.quantile(0.99),
            max: self.max,
            std_dev: (self.squares / self.count as f64).max(0.0).sqrt(),
        })
    }

    pub(super) fn clear(&mut self) {
        let mut classes = std::mem::take(&mut self.classes);
        classes.fill(0);
        *self = Self {
            classes,
            ..Self::new()
        };
    }

    fn quantile(&self, part: f64) -> f64 {
        let rank = ((self.count as f64 * part).ceil() as u64).clamp(1, self.count);
        let mut below = 0;
        for (number, count) in self.classes.iter().enumerate() {
            below += count;
            if below >= rank {
                return middle(number).clamp(self.min, self.max);
            }
        }
        self.max
    }
}

/// The class of a gap: the power of two below it, and where it is between that and the next one.
fn class(seconds: f64) -> usize {
    let nanoseconds = (seconds * 1e9) as u64;
    if nanoseconds < u64::from(CLASSES) {
        return nanoseconds as usize;
    }
    let power = nanoseconds.ilog2();
    let shift = power - CLASSES.ilog2();
    let within = (nanoseconds >> shift) as u32 - CLASSES;
    ((shift + 1) * CLASSES + within) as usize
}

/// The middle of a class, in seconds.
fn middle(class: usize) -> f64 {
    let classes = CLASSES as usize;
    let nanoseconds = match class / classes {
        0 => class as f64,
        power => {
            let step = 2_f64.powi(power as i32 - 1);
            ((class % classes + classes) as f64 + 0.5) * step
        }
    };
    nanoseconds * 1e-9
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(found: f64, wanted: f64) {
        assert!(
            (found - wanted).abs() <= 0.01 * wanted,
            "{found} is not about {wanted}"
        );
    }

    #[test]
    fn quantiles_are_exact_to_a_percent() {
        let mut gaps = Gaps::new();
        assert_eq!(gaps.summary(), None);
        for number in 1..=1000_u32 {
            gaps.add(f64::from(number) * 1e-3, 1);
        }
        let found = gaps.summary().unwrap();
        about(found.median, 0.5);
        about(found.p99, 0.99);
        about(found.std_dev, 0.288_67);
        assert_eq!((found.min, found.max), (1e-3, 1.0));
        gaps.clear();
        assert_eq!(gaps.summary(), None);
    }

    #[test]
    fn equal_gaps_have_no_deviation() {
        let mut gaps = Gaps::new();
        gaps.add(0.25, 4);
        gaps.add(0.25, 1_000_000);
        let found = gaps.summary().unwrap();
        assert_eq!(
            (found.min, found.median, found.p99, found.max),
            (0.25, 0.25, 0.25, 0.25)
        );
        about(1.0 + found.std_dev, 1.0);
    }

    #[test]
    fn parts_add_up_to_the_whole() {
        let (mut whole, mut sum) = (Gaps::new(), Gaps::new());
        for part in 0..4 {
            let mut of_part = Gaps::new();
            for number in 1..=100 {
                let gap = f64::from(part * 37 + number) * 1e-5;
                whole.add(gap, 2);
                of_part.add(gap, 2);
            }
            sum.add_all(&of_part);
        }
        sum.add_all(&Gaps::new());
        let (whole, sum) = (whole.summary().unwrap(), sum.summary().unwrap());
        about(sum.std_dev, whole.std_dev);
        assert_eq!(
            (sum.min, sum.median, sum.p99, sum.max),
            (whole.min, whole.median, whole.p99, whole.max)
        );
    }

    #[test]
    fn classes_cover_all_spans() {
        let mut last = 0;
        for exponent in 0..600 {
            let seconds = 1e-9 * 1.07_f64.powi(exponent);
            let found = class(seconds);
            assert!(found >= last && found < 64 * CLASSES as usize);
            if seconds < 1e9 && seconds > 1e-7 {
                about(middle(found), seconds);
            }
            last = found;
        }
    }
}
