//! What the two ends of a line do: a stream, an exchange, a stream to a slow receiver.

use std::hint::{black_box, spin_loop};
use std::thread;
use std::time::{Duration, Instant};

use super::between::Ours;
use super::sockets::{Pipe, Socket};
use super::threads::{Crossbeam, Rtrb, SyncChannel};
use super::{Pair, Result, Rx, SLOTS, Transport, Tx, Way, message};
use crate::harness::{Role, Sample, Settings};
use crate::process::{Other, Pinned, Usage, listen, say, two_processors};

/// The work of a slow receiver for each message.
const WORK: Duration = Duration::from_micros(20);
/// The most messages at a time.
const MOST: usize = 64;

/// A way to move messages, and what can be measured of it.
pub(crate) struct Ends {
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    /// Nanoseconds and sleeps of the receiver for one message, sent a number at a time.
    pub(crate) stream: fn(&Settings, row: &str, batch: usize) -> Result<Sample>,
    /// Nanoseconds there and back, on one processor or two.
    pub(crate) exchange: fn(&Settings, row: &str, one_processor: bool) -> Result<Sample>,
    /// Nanoseconds, nanoseconds of processor time and sleeps of the sender for one message.
    pub(crate) slow: fn(&Settings, row: &str) -> Result<Sample>,
    task: fn(&[&str]) -> Result<()>,
}

impl Ends {
    fn between<T: Transport<N>, const N: usize>(role: Role) -> Self {
        Self {
            name: T::NAME,
            role,
            stream: stream::<T, N>,
            exchange: exchange::<T, N>,
            slow: slow::<T, N>,
            task: task::<T, N>,
        }
    }

    fn within<P: Pair<N>, const N: usize>(role: Role) -> Self {
        Self {
            name: P::NAME,
            role,
            stream: thread_stream::<P, N>,
            exchange: thread_exchange::<P, N>,
            slow: thread_slow::<P, N>,
            task: |_| Err("threads need no second process".into()),
        }
    }
}

/// All ways for messages of `N` words. rtrb is the limit.
pub(crate) fn ends<const N: usize>() -> Vec<Ends> {
    vec![
        Ends::within::<Rtrb, N>(Role::Limit),
        Ends::between::<Ours, N>(Role::Ours),
        Ends::within::<Crossbeam, N>(Role::Peer),
        Ends::within::<SyncChannel, N>(Role::Peer),
        Ends::between::<Pipe, N>(Role::Peer),
        Ends::between::<Socket, N>(Role::Peer),
        #[cfg(feature = "peers")]
        Ends::between::<super::peers::Iceoryx, N>(Role::Peer),
        #[cfg(feature = "peers")]
        Ends::between::<super::peers::IpcChannel, N>(Role::Peer),
        #[cfg(feature = "peers")]
        Ends::between::<super::peers::RawSync, N>(Role::Peer),
        #[cfg(boost)]
        Ends::between::<super::peers::Boost, N>(Role::Peer),
    ]
}

/// The second process: the number of words, the name of the way, the task and its arguments.
pub(crate) fn helper(words: &[&str]) -> Result<()> {
    let ["4" | "8", name, rest @ ..] = words else {
        return Err("unknown size of messages".into());
    };
    let all = if words[0] == "4" {
        ends::<4>()
    } else {
        ends::<8>()
    };
    let found = all.iter().find(|ends| ends.name == *name);
    (found.ok_or("unknown way")?.task)(rest)
}

fn work() {
    let start = Instant::now();
    while start.elapsed() < WORK {
        spin_loop();
    }
}

fn send_numbered<const N: usize>(tx: &mut impl Tx<N>, count: u64, batch: usize) -> Result<()> {
    let mut number = 0;
    let mut messages = [message(0); MOST];
    while number < count {
        if batch == 1 {
            tx.send(&message(number))?;
        } else {
            messages[0] = message(number);
            tx.send_all(&messages[..batch])?;
        }
        number += batch as u64;
    }
    Ok(())
}

/// Receives `count` messages, and starts the clock after the first few.
fn receive_numbered<const N: usize>(
    rx: &mut impl Rx<N>,
    count: u64,
    batch: usize,
) -> Result<Sample> {
    let mut messages = [message(0); MOST];
    let mut received = 0;
    while received < count / 10 {
        received += rx.recv_some(&mut messages[..batch])? as u64;
    }
    let (before, start, first) = (Usage::thread()?, Instant::now(), received);
    while received < count {
        if batch == 1 {
            black_box(rx.recv()?);
            received += 1;
        } else {
            received += rx.recv_some(&mut messages[..batch])? as u64;
            black_box(&messages);
        }
    }
    let nanoseconds = start.elapsed().as_secs_f64() * 1e9;
    let used = Usage::thread()?.since(before);
    let timed = (received - first) as f64;
    Ok([nanoseconds / timed, used.sleeps as f64 / timed].into())
}

fn exchange_numbered<const N: usize>(
    tx: &mut impl Tx<N>,
    rx: &mut impl Rx<N>,
    count: u64,
) -> Result<Sample> {
    let mut singles = Vec::with_capacity(count as usize);
    for number in 0..count {
        let start = Instant::now();
        tx.send(&message(number))?;
        let back = rx.recv()?;
        singles.push(start.elapsed().as_secs_f64() * 1e9);
        if back[0] != number {
            return Err(format!("received {} instead of {number}", back[0]).into());
        }
    }
    let mean = singles.iter().sum::<f64>() / count as f64;
    Ok(Sample {
        values: vec![mean],
        singles,
    })
}

fn echo<const N: usize>(rx: &mut impl Rx<N>, tx: &mut impl Tx<N>, count: u64) -> Result<()> {
    (0..count).try_for_each(|_| tx.send(&rx.recv()?))
}

fn receive_slowly<const N: usize>(rx: &mut impl Rx<N>, count: u64) -> Result<()> {
    (0..count).try_for_each(|_| {
        black_box(rx.recv()?);
        work();
        Ok(())
    })
}

/// Fills the queue, then measures the sending of `count` more messages.
fn send_to_slow<const N: usize>(tx: &mut impl Tx<N>, count: u64) -> Result<Sample> {
    for number in 0..full() {
        tx.send(&message(number))?;
    }
    let (before, start) = (Usage::thread()?, Instant::now());
    for number in 0..count {
        tx.send(&message(number))?;
    }
    let nanoseconds = start.elapsed().as_secs_f64() * 1e9;
    let used = Usage::thread()?.since(before);
    let each = count as f64;
    Ok([
        nanoseconds / each,
        used.processor.as_secs_f64() * 1e9 / each,
        used.sleeps as f64 / each,
    ]
    .into())
}

/// More messages than any of the queues holds.
fn full() -> u64 {
    SLOTS as u64 + 200
}

/// A second process at the other end of a line, ready to start.
fn start<T: Transport<N>, const N: usize>(
    row: &str,
    key: &str,
    processor: usize,
    task: &[String],
) -> Result<Other> {
    let words = N.to_string();
    let mut arguments = vec![words.as_str(), T::NAME, key];
    arguments.extend(task.iter().map(String::as_str));
    let mut other = Other::start(row, &arguments, Some(processor))?;
    other.expect("ready")?;
    Ok(other)
}

/// The second process of one of the measurements below.
fn task<T: Transport<N>, const N: usize>(words: &[&str]) -> Result<()> {
    let [key, task, count, batch] = words else {
        return Err("wrong arguments".into());
    };
    let (count, batch) = (count.parse()?, batch.parse()?);
    let line = T::open(key)?;
    let ready = || {
        say("ready")?;
        listen()
    };
    match *task {
        "send" => {
            let mut tx = T::tx(&line, Way::Back)?;
            ready()?;
            send_numbered(&mut tx, count, batch)?;
        }
        "echo" => {
            let (mut rx, mut tx) = (T::rx(&line, Way::There)?, T::tx(&line, Way::Back)?);
            ready()?;
            echo(&mut rx, &mut tx, count)?;
        }
        "slow" => {
            let mut rx = T::rx(&line, Way::There)?;
            ready()?;
            receive_slowly(&mut rx, count)?;
        }
        _ => return Err("unknown task".into()),
    }
    // The first process may have messages to receive from this one's ends, and kills it when it has all.
    listen()?;
    Ok(())
}

fn words(task: &str, count: u64, batch: usize) -> [String; 3] {
    [task.to_owned(), count.to_string(), batch.to_string()]
}

fn stream<T: Transport<N>, const N: usize>(
    settings: &Settings,
    row: &str,
    batch: usize,
) -> Result<Sample> {
    let count = settings.count(if T::QUICK { 640_000 } else { 8_000 }, 640);
    let [own, others] = two_processors()?;
    let (line, key) = T::host()?;
    let mut other = start::<T, N>(row, &key, others, &words("send", count, batch))?;
    let mut rx = T::rx(&line, Way::Back)?;
    let _pinned = Pinned::to(own)?;
    other.tell("go")?;
    receive_numbered(&mut rx, count, batch)
}

fn exchange<T: Transport<N>, const N: usize>(
    settings: &Settings,
    row: &str,
    one_processor: bool,
) -> Result<Sample> {
    let count = settings.count(
        if T::QUICK && !one_processor {
            20_000
        } else {
            1_000
        },
        100,
    );
    let [own, mut others] = two_processors()?;
    if one_processor {
        others = own;
    }
    let (line, key) = T::host()?;
    let mut other = start::<T, N>(row, &key, others, &words("echo", count, 1))?;
    let (mut tx, mut rx) = (T::tx(&line, Way::There)?, T::rx(&line, Way::Back)?);
    let _pinned = Pinned::to(own)?;
    other.tell("go")?;
    exchange_numbered(&mut tx, &mut rx, count)
}

fn slow<T: Transport<N>, const N: usize>(settings: &Settings, row: &str) -> Result<Sample> {
    let count = settings.count(3_000, 50);
    let [own, others] = two_processors()?;
    let (line, key) = T::host()?;
    let mut other = start::<T, N>(row, &key, others, &words("slow", count + full(), 1))?;
    let mut tx = T::tx(&line, Way::There)?;
    let _pinned = Pinned::to(own)?;
    other.tell("go")?;
    send_to_slow(&mut tx, count)
}

/// Runs `other` in a thread on the second processor, and `own` on the first.
fn two_threads<R>(
    one_processor: bool,
    other: impl FnOnce() -> Result<()> + Send,
    own: impl FnOnce() -> Result<R>,
) -> Result<R> {
    let [first, mut second] = two_processors()?;
    if one_processor {
        second = first;
    }
    thread::scope(|scope| {
        let thread = scope.spawn(move || {
            let pinned = Pinned::to(second).map_err(|error| error.to_string());
            pinned.and_then(|_pinned| other().map_err(|error| error.to_string()))
        });
        let _pinned = Pinned::to(first)?;
        let result = own()?;
        thread.join().map_err(|_| "the other thread panicked")??;
        Ok(result)
    })
}

fn thread_stream<P: Pair<N>, const N: usize>(
    settings: &Settings,
    _: &str,
    batch: usize,
) -> Result<Sample> {
    let count = settings.count(640_000, 640);
    let (mut tx, mut rx) = P::pair();
    two_threads(
        false,
        move || send_numbered(&mut tx, count, batch),
        || receive_numbered(&mut rx, count, batch),
    )
}

fn thread_exchange<P: Pair<N>, const N: usize>(
    settings: &Settings,
    _: &str,
    one_processor: bool,
) -> Result<Sample> {
    let count = settings.count(4_000, 100);
    let ((mut there, mut other_in), (mut other_out, mut back)) = (P::pair(), P::pair());
    two_threads(
        one_processor,
        move || echo(&mut other_in, &mut other_out, count),
        || exchange_numbered(&mut there, &mut back, count),
    )
}

fn thread_slow<P: Pair<N>, const N: usize>(settings: &Settings, _: &str) -> Result<Sample> {
    let count = settings.count(3_000, 50);
    let (mut tx, mut rx) = P::pair();
    two_threads(
        false,
        move || receive_slowly(&mut rx, count + full()),
        || send_to_slow(&mut tx, count),
    )
}
