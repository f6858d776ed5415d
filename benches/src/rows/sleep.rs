//! Round trips of two processes on one processor: every wait is a sleep.

use std::cell::Cell;
use std::fs::File;
use std::hint::black_box;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use shm_core::sync::{Barrier, Event, Semaphore};
use shm_core::{Shm, ShmLayout};

use crate::harness::{Bench, Measure, Result, Role, Row, Settings, each, measured};
use crate::peers::posix;
use crate::peers::raw::Memory;
use crate::process::{Other, Pinned, say, two_processors, unique};
use crate::transport::{self, Ends, ends};

pub(super) const ROW: Row = Row::new(
    "sleep",
    "round trips of two processes on one processor, where every wait is a sleep, beside pipes and `sem_t`",
    run,
)
.helper(helper);

#[derive(ShmLayout)]
#[repr(C)]
struct Table {
    events: [Event; 2],
    semaphores: [Semaphore; 2],
    barrier: Barrier<2>,
}

/// A way to wake the process at the other end: number 0 there, number 1 back.
trait Bell {
    fn ring(&self, number: usize) -> Result<()>;
    fn wait(&self, number: usize) -> Result<()>;
}

struct Events {
    table: Shm<Table>,
    seen: [Cell<u32>; 2],
}

impl Bell for Events {
    fn ring(&self, number: usize) -> Result<()> {
        self.table.events[number].notify_one();
        Ok(())
    }

    fn wait(&self, number: usize) -> Result<()> {
        let seen = &self.seen[number];
        seen.set(self.table.events[number].wait(seen.get()));
        Ok(())
    }
}

struct Semaphores(Shm<Table>);

impl Bell for Semaphores {
    fn ring(&self, number: usize) -> Result<()> {
        Ok(self.0.semaphores[number].post()?)
    }

    fn wait(&self, number: usize) -> Result<()> {
        self.0.semaphores[number].wait();
        Ok(())
    }
}

impl Bell for posix::Semaphores {
    fn ring(&self, number: usize) -> Result<()> {
        self.post(number);
        Ok(())
    }

    fn wait(&self, number: usize) -> Result<()> {
        posix::Semaphores::wait(self, number);
        Ok(())
    }
}

struct Pipes([File; 2]);

impl Bell for Pipes {
    fn ring(&self, number: usize) -> Result<()> {
        Ok((&self.0[number]).write_all(&[1])?)
    }

    fn wait(&self, number: usize) -> Result<()> {
        Ok((&self.0[number]).read_exact(&mut [0])?)
    }
}

impl Bell for [EventFd; 2] {
    fn ring(&self, number: usize) -> Result<()> {
        self[number].write(1)?;
        Ok(())
    }

    fn wait(&self, number: usize) -> Result<()> {
        self[number].read()?;
        Ok(())
    }
}

#[cfg(feature = "peers")]
impl Bell for crate::peers::raw_sync::Events {
    fn ring(&self, number: usize) -> Result<()> {
        self.set(number);
        Ok(())
    }

    fn wait(&self, number: usize) -> Result<()> {
        crate::peers::raw_sync::Events::wait(self, number);
        Ok(())
    }
}

#[cfg(feature = "peers")]
impl Bell for crate::peers::iceoryx::Bells {
    fn ring(&self, _: usize) -> Result<()> {
        self.notify()
    }

    fn wait(&self, _: usize) -> Result<()> {
        self.listen()
    }
}

#[cfg(boost)]
impl Bell for crate::peers::boost::Semaphores {
    fn ring(&self, number: usize) -> Result<()> {
        self.post(number);
        Ok(())
    }

    fn wait(&self, number: usize) -> Result<()> {
        crate::peers::boost::Semaphores::wait(self, number);
        Ok(())
    }
}

/// Two pipes with names, which are removed when both processes have opened them.
fn pipes(name: &str, create: bool) -> Result<Pipes> {
    let open = |number: u32| -> Result<File> {
        let path = format!("/dev/shm{name}-{number}");
        if create {
            mkfifo(path.as_str(), Mode::S_IRUSR | Mode::S_IWUSR)?;
        }
        let file = File::options().read(true).write(true).open(&path)?;
        if !create {
            std::fs::remove_file(path)?;
        }
        Ok(file)
    };
    Ok(Pipes([open(0)?, open(1)?]))
}

/// Opens the bells that `run` has made.
fn open(kind: &str, name: &str) -> Result<Box<dyn Bell>> {
    Ok(match kind {
        "events" => Box::new(Events {
            table: Table::attach(name)?,
            seen: Default::default(),
        }),
        "semaphores" => Box::new(Semaphores(Table::attach(name)?)),
        "sem_t" => Box::new(posix::Semaphores::existing(Memory::open(name)?)),
        "pipes" => Box::new(pipes(name, false)?),
        "eventfds" => {
            let (first, second) = name.split_once(',').ok_or("two descriptors expected")?;
            let inherited = |number: &str| -> Result<EventFd> {
                let number = number.parse()?;
                // SAFETY: the first process left this descriptor open for this one, and nothing else here uses it.
                let fd = unsafe { OwnedFd::from_raw_fd(number) };
                // SAFETY: it is an eventfd.
                Ok(unsafe { EventFd::from_owned_fd(fd) })
            };
            Box::new([inherited(first)?, inherited(second)?])
        }
        #[cfg(feature = "peers")]
        "raw_sync" => Box::new(crate::peers::raw_sync::Events::open(name)?),
        #[cfg(feature = "peers")]
        "iceoryx2" => Box::new(crate::peers::iceoryx::Bells::open(name, 0)?),
        #[cfg(boost)]
        "boost" => Box::new(crate::peers::boost::Semaphores::existing(Memory::open(
            name,
        )?)),
        _ => return Err("unknown kind".into()),
    })
}

/// The second process: answers every ring until it is killed. Or an end of a line of messages.
fn helper(words: &[&str]) -> Result<()> {
    match words {
        ["bell", "barrier", name] => {
            let table = Table::attach(name)?;
            let mut seat = table.barrier.join()?;
            say("ready")?;
            loop {
                seat.wait()?;
            }
        }
        ["bell", "pthread_barrier_t", name] => {
            let barrier = posix::Barrier::existing(Memory::open(name)?);
            say("ready")?;
            loop {
                barrier.wait();
            }
        }
        ["bell", kind, name] => {
            let bell = open(kind, name)?;
            say("ready")?;
            loop {
                bell.wait(0)?;
                bell.ring(1)?;
            }
        }
        words => transport::helper(words),
    }
}

/// Starts the second process and returns turns of round trips.
struct Partner<'b> {
    row: &'static str,
    processor: usize,
    settings: &'b Settings,
    others: Vec<Other>,
}

impl Partner<'_> {
    fn start(&mut self, kind: &str, name: &str) -> Result<()> {
        let mut other = Other::start(self.row, &["bell", kind, name], Some(self.processor))?;
        other.expect("ready")?;
        self.others.push(other);
        Ok(())
    }

    fn trips<'c>(&mut self, kind: &str, name: &str, bell: impl Bell + 'c) -> Result<Measure<'c>> {
        self.start(kind, name)?;
        let count = self.settings.count(500, 100);
        Ok(each(count, move || {
            bell.ring(0)?;
            bell.wait(1)
        }))
    }
}

fn run(bench: &mut Bench) -> Result<()> {
    messages(bench)?;
    let [processor, _] = two_processors()?;
    let settings = bench.settings;
    let mut partner = Partner {
        row: bench.row(),
        processor,
        settings: &settings,
        others: Vec::new(),
    };
    let _pinned = Pinned::to(processor)?;
    let name = unique("sleep");
    let named = |what: &str| format!("{name}-{what}");
    let _table = Table::create(&name)?;

    let posix_name = named("sem");
    let sem_t = posix::Semaphores::new(Memory::create(&posix_name)?)?;
    let limit = partner.trips("sem_t", &posix_name, sem_t)?;
    let ours = partner.trips("semaphores", &name, Semaphores(Table::attach(&name)?))?;
    let case = bench
        .case("two semaphores")
        .rounds(ROUNDS)
        .limit("sem_t", limit)
        .ours("Semaphore", ours)
        .target(1.1);
    #[cfg(boost)]
    let case = {
        let name = named("boost");
        let boost = crate::peers::boost::Semaphores::new(Memory::create(&name)?)?;
        case.peer(
            "Boost interprocess_semaphore",
            partner.trips("boost", &name, boost)?,
        )
    };
    case.run()?;

    let pipe_name = named("pipe");
    let made = pipes(&pipe_name, true)?;
    let limit = partner.trips("pipes", &pipe_name, made)?;
    let events = Events {
        table: Table::attach(&name)?,
        seen: Default::default(),
    };
    let ours = partner.trips("events", &name, events)?;
    // Without close-on-exec, for the second process.
    let fds = [
        EventFd::from_value_and_flags(0, EfdFlags::empty())?,
        EventFd::from_value_and_flags(0, EfdFlags::empty())?,
    ];
    let numbers = format!("{},{}", fds[0].as_raw_fd(), fds[1].as_raw_fd());
    let case = bench
        .case("two events")
        .rounds(ROUNDS)
        .limit("pipes", limit)
        .ours("Event", ours)
        .target(1.1)
        .peer("eventfds", partner.trips("eventfds", &numbers, fds)?);
    #[cfg(feature = "peers")]
    let case = {
        let (raw, service) = (named("raw"), named("iceoryx"));
        let events = crate::peers::raw_sync::Events::create(&raw)?;
        let bells = crate::peers::iceoryx::Bells::open(&service, 1)?;
        case.peer("raw_sync Event", partner.trips("raw_sync", &raw, events)?)
            .peer(
                "iceoryx2 event",
                partner.trips("iceoryx2", &service, bells)?,
            )
    };
    case.run()?;

    let table = Table::attach(&name)?;
    let mut seat = table.barrier.join()?;
    partner.start("barrier", &name)?;
    let barrier_name = named("barrier");
    let barrier = posix::Barrier::new(Memory::create(&barrier_name)?, 2)?;
    partner.start("pthread_barrier_t", &barrier_name)?;
    let count = settings.count(500, 100);
    bench
        .case("a barrier of two")
        .rounds(ROUNDS)
        .limit(
            "pthread_barrier_t",
            each(count, || {
                black_box(barrier.wait());
                Ok(())
            }),
        )
        .ours(
            "Barrier<2>",
            each(count, || {
                black_box(seat.wait()?);
                Ok(())
            }),
        )
        .run()
}

const ROUNDS: usize = 21;

/// Messages there and back.
fn messages(bench: &mut Bench) -> Result<()> {
    let row = bench.row();
    let mut case = bench
        .case("a message of 64 bytes there and back")
        .rounds(11)
        .cannot("rtrb, iceoryx2 publish-subscribe", "they do not sleep");
    for Ends {
        name,
        role,
        exchange,
        ..
    } in ends::<8>()
    {
        if name.starts_with("rtrb") || name.starts_with("iceoryx2") {
            continue;
        }
        let role = if name == "pipe" { Role::Limit } else { role };
        case = case.contender(
            role,
            name.to_owned(),
            measured(move |settings| exchange(settings, row, true)),
        );
        if role == Role::Ours {
            case = case.target(1.0);
        }
    }
    case.run()
}
