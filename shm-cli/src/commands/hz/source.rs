//! What is measured.

use std::time::{Duration, Instant};

use shm_core::dynamic::{DynCell, DynError, DynSegment, DynValue, SyncState};

use crate::failure::Failure;
use crate::observe::{Counter, Events, is_same};

/// A part of a segment in which something happens.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) path: String,
    pub(super) events: Events,
    cell: DynCell,
    last: Last,
}

#[derive(Debug)]
enum Last {
    Count(Box<Counter>, u64),
    Value(Option<DynValue>),
}

/// The state of a `Ring`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Queue {
    pub(super) received: u64,
    pub(super) fill: u64,
    pub(super) capacity: usize,
}

impl Source {
    pub(super) fn new(segment: &DynSegment, path: &str) -> Result<Self, Failure> {
        let cell = segment.at(path)?;
        let (events, last) = match Counter::of(&cell) {
            Some(counter) => (counter.events(), Last::Count(Box::new(counter), 0)),
            None => (Events::Changes, Last::Value(None)),
        };
        let mut source = Self {
            path: path.to_owned(),
            events,
            cell,
            last,
        };
        source.reset()?;
        Ok(source)
    }

    /// What happens from now on counts.
    pub(super) fn reset(&mut self) -> Result<(), Failure> {
        match &mut self.last {
            Last::Count(counter, last) => *last = counter.read()?,
            Last::Value(last) => *last = value(&self.cell)?,
        }
        Ok(())
    }

    /// The number of events since the last sample.
    pub(super) fn sample(&mut self) -> Result<u64, Failure> {
        match &mut self.last {
            Last::Count(counter, last) => {
                let count = counter.read()?;
                let events = counter.between(*last, count);
                *last = count;
                Ok(events)
            }
            Last::Value(last) => {
                let Some(found) = value(&self.cell)? else {
                    return Ok(0);
                };
                let is_new = last.as_ref().is_some_and(|last| !is_same(last, &found));
                *last = Some(found);
                Ok(u64::from(is_new))
            }
        }
    }

    /// How long a sample takes, if nothing interrupts it.
    pub(super) fn cost(&mut self) -> Result<Duration, Failure> {
        let mut least = Duration::MAX;
        for _ in 0..3 {
            let before = Instant::now();
            self.sample()?;
            least = least.min(before.elapsed());
        }
        Ok(least)
    }

    pub(super) fn queue(&self) -> Result<Option<Queue>, Failure> {
        if self.events != Events::Messages {
            return Ok(None);
        }
        Ok(match self.cell.sync_state()? {
            Some(SyncState::RingState {
                sent,
                received,
                capacity,
                ..
            }) => Some(Queue {
                received,
                fill: sent.saturating_sub(received).min(capacity as u64),
                capacity,
            }),
            _ => None,
        })
    }
}

/// Reads a value. `None` if there is none at this moment: a writer was in the way, or a vector has become shorter.
fn value(cell: &DynCell) -> Result<Option<DynValue>, Failure> {
    match cell.get() {
        Ok(value) => Ok(Some(value)),
        Err(DynError::Contended { .. } | DynError::NoSuchPart { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
