//! The cost of a message through a `Ring` between two processes, compared with a pipe between two processes, and with rtrb
//! and the standard library's channel between two threads.
//!
//! `cargo run --release -p shm-benches --bin ring` prints the tables of shm-core/docs/performance.md; `-- exchanges` prints only
//! the last one. The other process is a child of this program.

use std::env::args;
use std::fs::File;
use std::hint::{black_box, spin_loop};
use std::io::{Read, Write, stdin, stdout};
use std::os::fd::AsFd;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use shm_benches::{compare, exit_code, heading, row};
use shm_core::ShmLayout;
use shm_core::sync::Ring;

/// The capacity of all queues.
const SLOTS: usize = 1024;
/// The number of messages in a run, and in a run with a pipe, which is slower.
const MESSAGES: u64 = 2_000_000;
const PIPED: u64 = 200_000;
/// The number of exchanges in a run.
const EXCHANGES: u64 = 50_000;
/// The number of messages in a batch.
const BATCH: usize = 64;
/// How long to wait for a process that is starting, which takes milliseconds.
const STARTING: Duration = Duration::from_secs(10);
/// The number of runs, of which the median counts.
const RUNS: usize = 7;

type Message = [u64; 4];

#[derive(ShmLayout)]
#[repr(C)]
struct Lines {
    there: Ring<Message, SLOTS>,
    back: Ring<Message, SLOTS>,
}

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;
/// A row: its name, and a function that makes one run.
type Row<'a> = (&'a str, fn() -> Result<Run>);

fn main() -> ExitCode {
    let arguments: Vec<String> = args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match words.as_slice() {
        ["one", name] => send_one(name),
        ["many", name] => send_many(name),
        ["pipe"] => send_piped(),
        ["echo", name] => echo(name),
        ["echo-pipe"] => echo_piped(),
        ["exchanges"] => exchanges(),
        _ => measure(),
    };
    exit_code(result)
}

/// One thread that sends and receives: the cost of the instructions.
fn one_thread() -> Result<()> {
    let shm = Lines::create_anonymous()?;
    let (mut sender, mut receiver) = (shm.there.sender()?, shm.there.receiver()?);
    let (mut producer, mut consumer) = rtrb::RingBuffer::<Message>::new(SLOTS);
    heading("32 bytes sent and received, one thread", "ring", "rtrb");
    let mut number = 0;
    let ours = || {
        number += 1;
        let sent = sender.try_send(message(number));
        black_box((sent.is_ok(), receiver.try_recv().is_ok()));
    };
    let mut number = 0;
    let other = || {
        number += 1;
        let sent = producer.push(message(number));
        black_box((sent.is_ok(), consumer.pop().is_ok()));
    };
    row("one at a time", &compare(ours, other));
    drop((sender, receiver));
    let (mut sender, mut receiver) = (shm.there.sender()?, shm.there.receiver()?);
    let (mut batch, mut out) = ([message(0); BATCH], [message(0); BATCH]);
    let ours = || {
        batch[0][0] += 1;
        let sent = sender.try_send_slice(&batch);
        black_box((sent.is_ok(), receiver.try_recv_slice(&mut out).is_ok()));
    };
    let (mut batch, mut out) = ([message(0); BATCH], [message(0); BATCH]);
    let other = || {
        batch[0][0] += 1;
        let (sent, _) = producer.push_partial_slice(&batch);
        black_box((sent.len(), consumer.pop_partial_slice(&mut out).0.len()));
    };
    row("64 at a time (time of all 64)", &compare(ours, other));
    Ok(())
}

fn measure() -> Result<()> {
    one_thread()?;
    println!(
        "\n{:<44} {:>10} {:>8} {:>22}",
        "32 bytes, one way", "ns", "ratio", "sleeps per million"
    );
    let table: [Row<'_>; 5] = [
        ("ring, two processes", || ring_run("one")),
        ("ring, two processes, 64 at a time", || ring_run("many")),
        ("rtrb, two threads, spinning", rtrb_run),
        ("std sync_channel, two threads", channel_run),
        ("pipe, two processes", pipe_run),
    ];
    show(&table)?;
    println!(
        "\n{:<44} {:>10} {:>8} {:>22}",
        "32 bytes, round trip", "ns", "ratio", "sleeps per million"
    );
    let table: [Row<'_>; 4] = [
        ("ring, two processes", ring_exchange),
        ("rtrb, two threads, spinning", rtrb_exchange),
        ("std sync_channel, two threads", channel_exchange),
        ("pipe, two processes", pipe_exchange),
    ];
    show(&table)?;
    println!();
    exchanges()
}

fn exchanges() -> Result<()> {
    println!(
        "{:<44} {:>10} {:>10} {:>10} {:>10}",
        "32 bytes, round trip, percentiles, ns", "5", "25", "50", "95"
    );
    percentiles("ring, two processes", ring_exchanges()?);
    percentiles("pipe, two processes", pipe_exchanges()?);
    Ok(())
}

/// Prints percentiles of the times of single exchanges. In the shortest, both processes kept a processor all the time.
fn percentiles(name: &str, mut nanoseconds: Vec<u64>) {
    nanoseconds.sort_unstable();
    let percentile = |percent: usize| nanoseconds[(nanoseconds.len() - 1) * percent / 100];
    let [a, b, c, d] = [5, 25, 50, 95].map(percentile);
    println!("{name:<44} {a:>10} {b:>10} {c:>10} {d:>10}");
}

/// Times each exchange separately.
fn time_each(mut exchange: impl FnMut(u64) -> Result<()>) -> Result<Vec<u64>> {
    (0..EXCHANGES)
        .map(|number| {
            let start = Instant::now();
            exchange(number)?;
            Ok(u64::try_from(start.elapsed().as_nanos())?)
        })
        .collect()
}

/// The result of a run: nanoseconds and sleeps per message.
struct Run {
    nanoseconds: f64,
    sleeps: f64,
}

/// Times the receipt of `count` messages. Counts the sleeps of this process only.
fn run(count: u64, work: impl FnOnce() -> Result<()>) -> Result<Run> {
    let before = getrusage(UsageWho::RUSAGE_SELF)?.voluntary_context_switches();
    let start = Instant::now();
    work()?;
    let nanoseconds = start.elapsed().as_secs_f64() * 1e9 / count as f64;
    let after = getrusage(UsageWho::RUSAGE_SELF)?.voluntary_context_switches();
    Ok(Run {
        nanoseconds,
        sleeps: (after - before) as f64 / count as f64,
    })
}

/// Measures and prints rows. They run alternately, so that other load on the machine affects all of them.
fn show(table: &[Row<'_>]) -> Result<()> {
    let mut runs: Vec<Vec<Run>> = table.iter().map(|_| Vec::new()).collect();
    for _ in 0..RUNS {
        for ((_, measure), runs) in table.iter().zip(&mut runs) {
            runs.push(measure()?);
        }
    }
    let mut first = None;
    for ((name, _), runs) in table.iter().zip(&mut runs) {
        runs.sort_by(|a, b| a.nanoseconds.total_cmp(&b.nanoseconds));
        let Run {
            nanoseconds,
            sleeps,
        } = runs[RUNS / 2];
        let ratio = nanoseconds / *first.get_or_insert(nanoseconds);
        println!(
            "{name:<44} {nanoseconds:>10.1} {ratio:>8.2} {:>22.0}",
            sleeps * 1e6
        );
    }
    Ok(())
}

fn message(number: u64) -> Message {
    [number, number + 1, number + 2, number + 3]
}

/// The other process. Dropping it waits until the process has ended.
struct Other(Child);

impl Other {
    fn start(arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let child = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        Ok(Self(child))
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

fn name() -> String {
    format!("/shm-benches-ring-{}", std::process::id())
}

fn ring_run(how: &str) -> Result<Run> {
    let name = name();
    let shm = Lines::create(&name)?;
    let mut receiver = shm.there.receiver()?;
    let _other = Other::start(&[how, &name])?;
    // Measures from the first message on, when the other process has attached.
    receiver.recv()?;
    let mut batch = [message(0); BATCH];
    run(MESSAGES, || {
        if how == "many" {
            while let Ok(there) = receiver.recv_slice(&mut batch) {
                black_box(&batch[..there]);
            }
        } else {
            for message in receiver.iter() {
                black_box(message);
            }
        }
        if receiver.position() == MESSAGES {
            Ok(())
        } else {
            Err("messages were lost".into())
        }
    })
}

fn send_one(name: &str) -> Result<()> {
    let shm = Lines::attach(name)?;
    let mut sender = shm.there.sender()?;
    for number in 0..MESSAGES {
        sender.send(message(number))?;
    }
    Ok(())
}

fn send_many(name: &str) -> Result<()> {
    let shm = Lines::attach(name)?;
    let mut sender = shm.there.sender()?;
    let batch = [message(0); BATCH];
    for _ in 0..MESSAGES / BATCH as u64 {
        sender
            .send_slice(&batch)
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn ring_exchange() -> Result<Run> {
    let name = name();
    let shm = Lines::create(&name)?;
    let (mut sender, mut receiver) = (shm.there.sender()?, shm.back.receiver()?);
    let _other = Other::start(&["echo", &name])?;
    sender.send(message(0))?;
    receiver.recv()?;
    run(EXCHANGES, || {
        for number in 0..EXCHANGES {
            sender.send(message(number))?;
            black_box(receiver.recv()?);
        }
        // Ends the other process, before `_other` waits for it.
        drop(sender);
        Ok(())
    })
}

fn ring_exchanges() -> Result<Vec<u64>> {
    let name = name();
    let shm = Lines::create(&name)?;
    let (mut sender, mut receiver) = (shm.there.sender()?, shm.back.receiver()?);
    let _other = Other::start(&["echo", &name])?;
    sender.wait_for_receiver_timeout(STARTING)?;
    time_each(|number| {
        sender.send(message(number))?;
        black_box(receiver.recv()?);
        Ok(())
    })
    // Ends the other process, before `_other` waits for it.
    .inspect(|_| drop(sender))
}

fn echo(name: &str) -> Result<()> {
    let shm = Lines::attach(name)?;
    let (mut receiver, mut sender) = (shm.there.receiver()?, shm.back.sender()?);
    for message in receiver.iter() {
        sender.send(message)?;
    }
    Ok(())
}

fn rtrb_send(producer: &mut rtrb::Producer<Message>, message: Message) {
    while producer.push(message).is_err() {
        spin_loop();
    }
}

fn rtrb_receive(consumer: &mut rtrb::Consumer<Message>) -> Message {
    loop {
        match consumer.pop() {
            Ok(message) => return message,
            Err(_) => spin_loop(),
        }
    }
}

fn rtrb_run() -> Result<Run> {
    let (mut producer, mut consumer) = rtrb::RingBuffer::<Message>::new(SLOTS);
    thread::scope(|scope| {
        scope.spawn(move || (0..=MESSAGES).for_each(|n| rtrb_send(&mut producer, message(n))));
        rtrb_receive(&mut consumer);
        run(MESSAGES, || {
            for _ in 0..MESSAGES {
                black_box(rtrb_receive(&mut consumer));
            }
            Ok(())
        })
    })
}

fn rtrb_exchange() -> Result<Run> {
    let (mut there, mut other_in) = rtrb::RingBuffer::<Message>::new(SLOTS);
    let (mut other_out, mut back) = rtrb::RingBuffer::<Message>::new(SLOTS);
    thread::scope(|scope| {
        scope.spawn(move || {
            for _ in 0..=EXCHANGES {
                let message = rtrb_receive(&mut other_in);
                rtrb_send(&mut other_out, message);
            }
        });
        rtrb_send(&mut there, message(0));
        rtrb_receive(&mut back);
        run(EXCHANGES, || {
            for number in 0..EXCHANGES {
                rtrb_send(&mut there, message(number));
                black_box(rtrb_receive(&mut back));
            }
            Ok(())
        })
    })
}

fn channel_run() -> Result<Run> {
    let (sender, receiver) = sync_channel::<Message>(SLOTS);
    thread::scope(|scope| {
        scope.spawn(move || (0..=MESSAGES).try_for_each(|number| sender.send(message(number))));
        receiver.recv()?;
        run(MESSAGES, || {
            for message in receiver {
                black_box(message);
            }
            Ok(())
        })
    })
}

fn channel_exchange() -> Result<Run> {
    let (there, other_in) = sync_channel::<Message>(SLOTS);
    let (other_out, back) = sync_channel::<Message>(SLOTS);
    thread::scope(|scope| {
        scope.spawn(move || {
            other_in
                .iter()
                .try_for_each(|message| other_out.send(message))
        });
        there.send(message(0))?;
        back.recv()?;
        run(EXCHANGES, || {
            for number in 0..EXCHANGES {
                there.send(message(number))?;
                black_box(back.recv()?);
            }
            drop(there);
            Ok(())
        })
    })
}

fn bytes(message: Message) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (word, out) in message.iter().zip(bytes.chunks_exact_mut(8)) {
        out.copy_from_slice(&word.to_ne_bytes());
    }
    bytes
}

fn pipe_run() -> Result<Run> {
    let mut other = Other::start(&["pipe"])?;
    let mut output = other.0.stdout.take().ok_or("no output")?;
    let mut message = [0; 32];
    output.read_exact(&mut message)?;
    run(PIPED, || {
        for _ in 0..PIPED {
            output.read_exact(&mut message)?;
            black_box(&message);
        }
        Ok(())
    })
}

fn send_piped() -> Result<()> {
    // Unbuffered, unlike `stdout`: one call per message.
    let mut output = File::from(stdout().as_fd().try_clone_to_owned()?);
    for number in 0..=PIPED {
        output.write_all(&bytes(message(number)))?;
    }
    Ok(())
}

fn pipe_exchange() -> Result<Run> {
    let mut other = Other::start(&["echo-pipe"])?;
    let mut input = other.0.stdin.take().ok_or("no input")?;
    let mut output = other.0.stdout.take().ok_or("no output")?;
    let mut back = [0; 32];
    input.write_all(&bytes(message(0)))?;
    output.read_exact(&mut back)?;
    run(EXCHANGES, || {
        for number in 0..EXCHANGES {
            input.write_all(&bytes(message(number)))?;
            output.read_exact(&mut back)?;
            black_box(&back);
        }
        drop(input);
        Ok(())
    })
}

fn pipe_exchanges() -> Result<Vec<u64>> {
    let mut other = Other::start(&["echo-pipe"])?;
    let mut input = other.0.stdin.take().ok_or("no input")?;
    let mut output = other.0.stdout.take().ok_or("no output")?;
    let mut back = [0; 32];
    time_each(|number| {
        input.write_all(&bytes(message(number)))?;
        output.read_exact(&mut back)?;
        Ok(())
    })
}

fn echo_piped() -> Result<()> {
    let mut message = [0; 32];
    let mut input = File::from(stdin().as_fd().try_clone_to_owned()?);
    let mut output = File::from(stdout().as_fd().try_clone_to_owned()?);
    while input.read_exact(&mut message).is_ok() {
        output.write_all(&message)?;
    }
    Ok(())
}
