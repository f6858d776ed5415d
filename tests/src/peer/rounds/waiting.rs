//! Rounds of events, semaphores and barriers.

use std::sync::atomic::Ordering::Acquire;

use shm_core::sync::Event;
use shm_core::{Access, Shm};

use super::{IN_VAIN, marked, nothing, tried};
use crate::driver::DEADLINE;
use crate::peer::{Answer, other};
use crate::segments::WaitSegment;

/// Waits for an event, or for a count that rises before a notification, with either kind of handle.
pub(in crate::peer) fn look<A: Access>(
    event: &Event<A>,
    count: impl Fn() -> u64,
    what: &str,
) -> Answer {
    let (seen, before) = (event.generation(), count());
    let look = || (count() > before).then_some(());
    match what {
        "event-wait" => match marked(|| event.wait_timeout(seen, IN_VAIN))? {
            Ok(_) => Err(other("no notification came")),
            Err(_) => nothing(),
        },
        // Another process notifies.
        "event-sleep" => tried(|| {
            event.wait_timeout(seen, DEADLINE).map_err(other)?;
            nothing()
        }),
        "event-forever" => {
            marked(|| event.wait(seen))?;
            nothing()
        }
        "event-until" => tried(|| {
            event.wait_until_timeout(DEADLINE, look).map_err(other)?;
            nothing()
        }),
        what => Err(other(format!("there is no round `{what}`"))),
    }
}

/// One operation that changes something.
pub(in crate::peer) fn round(shm: &'static Shm<WaitSegment>, what: &str) -> Answer {
    match what {
        "notify-one" => marked(|| shm.event.notify_one())?,
        "notify-all" => marked(|| shm.event.notify_all())?,
        "post" => marked(|| shm.permits.post())?.map_err(other)?,
        "post-many" => marked(|| shm.permits.post_many(3))?.map_err(other)?,
        "take" => marked(|| shm.permits.wait_timeout(DEADLINE))?.map_err(other)?,
        "try-take" => return Ok(marked(|| shm.permits.try_wait())?.to_string()),
        "try-thrice" => {
            if marked(|| [(); 3].map(|()| shm.permits.try_wait()))? != [true, true, false] {
                return Err(other("there were two permits"));
            }
        }
        "take-nothing" => {
            if marked(|| shm.permits.wait_timeout(IN_VAIN))?.is_ok() {
                return Err(other("no permit was posted"));
            }
        }
        // Another process posts.
        "take-sleep" => marked(|| shm.permits.wait_timeout(DEADLINE))?.map_err(other)?,
        "take-forever" => marked(|| shm.permits.wait())?,
        "take-two" => marked(|| shm.permits.wait_many_timeout(2, DEADLINE))?.map_err(other)?,
        "take-two-forever" => marked(|| shm.permits.wait_many(2))?,
        // Or a process has died in it.
        "join" | "join-dead" => drop(marked(|| shm.meet.join())?.map_err(other)?),
        // A test that waits for the count then waits for the sleep.
        "leave" => {
            let seat = shm.meet.join().map_err(other)?;
            shm.count.set(shm.count.get() + 1);
            marked(move || drop(seat))?;
        }
        // Another process leaves.
        "join-sleep" => drop(marked(|| shm.meet.join_timeout(DEADLINE))?.map_err(other)?),
        // And leaves again, without a round.
        "visit" => marked(|| shm.meet.join().map(drop))?.map_err(other)?,
        "meet" => {
            let mut seat = shm.meet.join().map_err(other)?;
            let met = marked(move || seat.wait_timeout(DEADLINE).map(drop))?;
            met.map_err(other)?;
        }
        "meet-forever" => {
            let mut seat = shm.meet.join().map_err(other)?;
            let met = marked(move || seat.wait().map(drop))?;
            met.map_err(other)?;
        }
        what => return look(&shm.event, || shm.ping.load(Acquire), what),
    }
    nothing()
}
