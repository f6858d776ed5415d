//! Turns the counters of two samples into percentages.

use std::time::Duration;

use super::segment::{Cpus, Load, MAX_CPUS, Memory, PressureFiles, Sample, Ticks};

/// How one processor, or all of them, spent the time between two samples, in percent.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Usage {
    /// Everything except idle and waiting for a device.
    pub busy: f64,
    /// Programs, including niced ones.
    pub user: f64,
    /// The kernel, including interrupts.
    pub system: f64,
    /// Idle while a program waits for a device.
    pub iowait: f64,
    /// Used by the hypervisor for other guests.
    pub steal: f64,
}

impl Usage {
    /// Computes the usage between two readings of the same counters.
    ///
    /// A counter that decreased counts as unchanged: the kernel allows that for `iowait`, and numbers from shared memory can
    /// be anything.
    #[must_use]
    pub fn between(before: &Ticks, after: &Ticks) -> Self {
        let since = |part: fn(&Ticks) -> u64| part(after).saturating_sub(part(before)) as f64;
        let user = since(|t| t.user) + since(|t| t.nice);
        let system = since(|t| t.system) + since(|t| t.irq) + since(|t| t.softirq);
        let (iowait, steal) = (since(|t| t.iowait), since(|t| t.steal));
        let busy = user + system + steal;
        let all = busy + iowait + since(|t| t.idle);
        if all == 0.0 {
            return Self::default();
        }
        let percent = |part: f64| 100.0 * part / all;
        Self {
            busy: percent(busy),
            user: percent(user),
            system: percent(system),
            iowait: percent(iowait),
            steal: percent(steal),
        }
    }
}

/// Everything that a table or a line shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// The segment's name.
    pub name: String,
    /// The writer's process id.
    pub writer: u32,
    /// The sample's number.
    pub number: u64,
    /// When the sample was taken, in seconds since 1970.
    pub time: f64,
    /// How long ago the sample was taken.
    pub age: Duration,
    /// All processors together.
    pub all: Usage,
    /// Each processor's id and usage.
    pub cpus: Vec<(u64, Usage)>,
    /// The number of processors online for which the sample has no room.
    pub hidden: u32,
    /// Memory, in bytes.
    pub memory: Memory,
    /// Load averages.
    pub load: Load,
    /// Pressure stall information.
    pub pressure: PressureFiles,
}

impl Frame {
    /// Computes what happened from `before` to `after`, whose age is `age`.
    #[must_use]
    pub fn between(
        name: &str,
        writer: u32,
        before: &Sample,
        after: &Sample,
        age: Duration,
    ) -> Self {
        let was = kept(&before.cpus);
        let cpus = kept(&after.cpus).iter().map(|cpu| {
            // Matched by id, because the index changes when a processor goes offline. A processor that has just come online
            // has no earlier reading and shows 0 until the next sample.
            let earlier = was.iter().find(|earlier| earlier.id == cpu.id);
            let usage = earlier.map(|earlier| Usage::between(&earlier.ticks, &cpu.ticks));
            (cpu.id, usage.unwrap_or_default())
        });
        Self {
            name: name.to_owned(),
            writer,
            number: after.number,
            time: after.taken_real_ns as f64 / 1e9,
            age,
            all: Usage::between(&before.cpus.sum, &after.cpus.sum),
            cpus: cpus.collect(),
            hidden: after.cpus.online.saturating_sub(after.cpus.kept),
            memory: after.memory,
            load: after.load,
            pressure: after.pressure,
        }
    }
}

/// The processors with a reading. The count comes from shared memory, where a peer can write anything, so it is limited to
/// the length of the array.
fn kept(cpus: &Cpus) -> &[super::segment::Cpu] {
    &cpus.each[..(cpus.kept as usize).min(MAX_CPUS)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sysmon::segment::Cpu;

    fn ticks(user: u64, system: u64, idle: u64, iowait: u64) -> Ticks {
        Ticks {
            user,
            system,
            idle,
            iowait,
            ..Ticks::ZERO
        }
    }

    #[test]
    fn percentages_refer_to_the_time_between_samples() {
        let usage = Usage::between(&ticks(100, 50, 1000, 7), &ticks(120, 60, 1060, 17));
        assert_eq!(
            usage,
            Usage {
                busy: 30.0,
                user: 20.0,
                system: 10.0,
                iowait: 10.0,
                steal: 0.0
            }
        );
    }

    #[test]
    fn counters_that_do_not_increase_give_zero() {
        let at = ticks(5, 5, 5, 5);
        assert_eq!(Usage::between(&at, &at), Usage::default());
        assert_eq!(Usage::between(&at, &Ticks::ZERO), Usage::default());
        let usage = Usage::between(&ticks(0, 0, 0, 9), &ticks(1, 0, 3, 0));
        assert_eq!((usage.busy, usage.iowait), (25.0, 0.0));
    }

    #[test]
    fn counters_at_their_limits_do_not_overflow() {
        let full = ticks(u64::MAX, u64::MAX, u64::MAX, u64::MAX);
        let usage = Usage::between(&Ticks::ZERO, &full);
        assert_eq!((usage.busy, usage.iowait), (50.0, 25.0));
    }

    fn sample(cpus: &[(u64, Ticks)]) -> Box<Sample> {
        let mut sample = Box::new(Sample::ZERO);
        for (place, &(id, ticks)) in sample.cpus.each.iter_mut().zip(cpus) {
            *place = Cpu { id, ticks };
        }
        sample.cpus.online = cpus.len() as u32;
        sample.cpus.kept = cpus.len() as u32;
        sample
    }

    #[test]
    fn processors_are_matched_by_id() {
        let before = sample(&[(0, Ticks::ZERO), (1, ticks(50, 0, 50, 0)), (2, Ticks::ZERO)]);
        let after = sample(&[
            (1, ticks(51, 0, 53, 0)),
            (2, ticks(1, 0, 1, 0)),
            (9, ticks(7, 0, 7, 0)),
        ]);
        let frame = Frame::between("/x", 1, &before, &after, Duration::ZERO);
        let busy: Vec<(u64, f64)> = frame.cpus.iter().map(|(id, u)| (*id, u.busy)).collect();
        assert_eq!(busy, [(1, 25.0), (2, 50.0), (9, 0.0)]);
    }

    #[test]
    fn a_count_beyond_the_array_is_limited() {
        let mut after = sample(&[]);
        after.cpus.kept = u32::MAX;
        let frame = Frame::between("/x", 1, &Sample::ZERO, &after, Duration::ZERO);
        assert_eq!((frame.cpus.len(), frame.hidden), (MAX_CPUS, 0));
        after.cpus.online = 300;
        after.cpus.kept = 256;
        let frame = Frame::between("/x", 1, &Sample::ZERO, &after, Duration::ZERO);
        assert_eq!((frame.cpus.len(), frame.hidden), (256, 44));
    }
}
