//! The types under test, and what each of the three processes does with them.

use std::io::{Read, Write, stdin, stdout};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::Duration;

use shm_core::sync::{
    Barrier, Broadcast, Event, LockError, Mutex, MutexGuard, Ring, Semaphore, SeqLock,
};
use shm_core::{Shm, ShmLayout};

use super::{Result, Run, Third, same};

/// A timeout that never expires here.
const LONG: Duration = Duration::from_secs(60);

/// Two of each type, one per direction.
#[derive(ShmLayout)]
#[repr(C)]
pub(super) struct Field {
    rings: [Ring<u64, 1>; 2],
    casts: [Broadcast<u64, 4>; 2],
    values: [SeqLock<u64>; 2],
    locks: [Mutex<u64>; 3],
    numbers: [AtomicU64; 2],
    /// How often a process has died with what another waited for. The time of such an exchange says nothing about wake-ups.
    pub(super) died: AtomicU64,
    meet: [Barrier<2>; 2],
    events: [Event; 2],
    permits: [Semaphore; 2],
    _pad: [u8; 160 - size_of::<[Barrier<2>; 2]>()],
}

/// One way for two processes to wait for each other.
pub(super) struct Way {
    pub(super) name: &'static str,
    /// Makes the exchanges.
    pub(super) ask: fn(&Shm<Field>, &mut Run<'_>) -> Result<()>,
    /// Prints `ready` and answers forever.
    pub(super) answer: fn(&Shm<Field>) -> Result<()>,
    /// Waits forever for the same as the answering process.
    pub(super) wait: fn(&Shm<Field>) -> Result<()>,
}

pub(super) const WAYS: &[Way] = &[
    Way {
        name: "pipe",
        ask: |_, run| run.exchange(|partner, number| partner.exchange(number)),
        answer: |_| {
            println!("ready");
            let mut bytes = [0; 8];
            loop {
                stdin().read_exact(&mut bytes)?;
                stdout().write_all(&bytes)?;
                stdout().flush()?;
            }
        },
        wait: |_| Ok(stdin().read_exact(&mut [0])?),
    },
    Way {
        name: "Mutex",
        // Each process takes the next of three locks before it releases the last one, so the other follows and sleeps.
        ask: |shm, run| {
            let mut held = lock(shm, 0)?;
            run.exchange(|_, number| {
                held = lock(shm, number)?;
                while shm.numbers[1].load(Acquire) < number {
                    std::thread::yield_now();
                }
                Ok(())
            })
        },
        answer: |shm| {
            println!("ready");
            let mut held = lock(shm, 0)?;
            for number in 1.. {
                shm.numbers[1].store(number, Release);
                held = lock(shm, number)?;
            }
            drop(held);
            Ok(())
        },
        wait: |shm| {
            (0..).try_for_each(|number| {
                drop(lock(shm, number)?);
                Ok(())
            })
        },
    },
    Way {
        name: "SeqLock",
        ask: |shm, run| {
            run.exchange(|_, number| {
                shm.values[0].store(number)?;
                shm.values[1].wait_newer(number - 1, LONG)?;
                same(shm.values[1].read()?, number)
            })
        },
        answer: |shm| {
            println!("ready");
            (1..).try_for_each(|number| {
                shm.values[0].wait_newer(number - 1, LONG)?;
                shm.values[1].store(number)?;
                Ok(())
            })
        },
        wait: |shm| {
            let mut seen = shm.values[0].version();
            loop {
                seen = shm.values[0].wait_newer(seen, LONG)?;
            }
        },
    },
    Way {
        name: "Ring",
        ask: |shm, run| {
            let (mut there, mut back) = (shm.rings[0].sender()?, shm.rings[1].receiver()?);
            run.exchange(|_, number| {
                there.send(number)?;
                same(back.recv()?, number)
            })
        },
        answer: |shm| {
            let (mut there, mut back) = (shm.rings[0].receiver()?, shm.rings[1].sender()?);
            println!("ready");
            loop {
                back.send(there.recv()?)?;
            }
        },
        // It cannot claim the end while the other process lives.
        wait: |shm| {
            drop(shm.rings[0].receiver_timeout(LONG)?);
            Ok(())
        },
    },
    Way {
        name: "Broadcast",
        ask: |shm, run| {
            let (mut there, mut back) = (shm.casts[0].sender()?, shm.casts[1].receiver());
            run.exchange(|_, number| {
                there.send(number)?;
                same(back.recv()?, number)
            })
        },
        answer: |shm| {
            let (mut there, mut back) = (shm.casts[0].receiver(), shm.casts[1].sender()?);
            println!("ready");
            loop {
                back.send(there.recv()?)?;
            }
        },
        wait: |shm| {
            let mut there = shm.casts[0].receiver();
            loop {
                // It may lag; no process waits for it.
                let _ = there.recv();
            }
        },
    },
    Way {
        name: "Event",
        ask: |shm, run| {
            let all = run.third != Third::Absent;
            run.exchange(|_, number| {
                shm.numbers[0].store(number, Release);
                // With a third waiter, `notify_one` may wake the wrong one.
                if all || number % 2 == 0 {
                    shm.events[0].notify_all();
                } else {
                    shm.events[0].notify_one();
                }
                wait_for(shm, 1, number)
            })
        },
        answer: |shm| {
            println!("ready");
            (1..).try_for_each(|number| {
                wait_for(shm, 0, number)?;
                shm.numbers[1].store(number, Release);
                shm.events[1].notify_one();
                Ok(())
            })
        },
        wait: |shm| {
            let mut seen = shm.events[0].generation();
            loop {
                seen = shm.events[0].wait(seen);
            }
        },
    },
    Way {
        name: "Semaphore",
        ask: |shm, run| {
            run.exchange(|_, _| {
                // Left over from an earlier exchange that was considered lost.
                while shm.permits[1].try_wait() {}
                shm.permits[0].post()?;
                while shm.permits[1]
                    .wait_timeout(Duration::from_millis(500))
                    .is_err()
                {
                    // The third process was killed with the permit.
                    shm.died.fetch_add(1, Relaxed);
                    shm.permits[0].post()?;
                }
                Ok(())
            })
        },
        answer: |shm| {
            println!("ready");
            loop {
                shm.permits[0].wait();
                shm.permits[1].post()?;
            }
        },
        wait: |shm| {
            loop {
                shm.permits[0].wait();
                shm.permits[0].post()?;
            }
        },
    },
    Way {
        name: "Barrier",
        ask: |shm, run| {
            let mut seat = shm.meet[0].join()?;
            run.exchange(|_, _| Ok(seat.wait().map(|_| ())?))
        },
        answer: |shm| {
            let mut seat = shm.meet[0].join()?;
            println!("ready");
            loop {
                seat.wait()?;
            }
        },
        // Both seats are taken.
        wait: |shm| {
            drop(shm.meet[0].join_timeout(LONG)?);
            Ok(())
        },
    },
];

/// Locks the next of the three locks.
fn lock(shm: &Shm<Field>, number: u64) -> Result<MutexGuard<'_, u64>> {
    match shm.locks[(number % 3) as usize].lock() {
        Ok(guard) => Ok(guard),
        Err(LockError::OwnerDied(mut guard)) => {
            shm.died.fetch_add(1, Relaxed);
            guard.mark_consistent();
            Ok(guard)
        }
        Err(error) => Err(error.to_string().into()),
    }
}

/// Sleeps until the number of a side has reached `number`. Reads the event before the number, so no wake-up is missed.
fn wait_for(shm: &Shm<Field>, side: usize, number: u64) -> Result<()> {
    loop {
        let seen = shm.events[side].generation();
        if shm.numbers[side].load(Acquire) >= number {
            return Ok(());
        }
        shm.events[side].wait_timeout(seen, LONG)?;
    }
}
