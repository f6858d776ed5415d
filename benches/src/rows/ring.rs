//! Rings: the instructions alone, and between two ends.

use std::hint::black_box;

use shm_core::ShmLayout;
use shm_core::sync::Ring;

use crate::harness::{Bench, Result, Role, Row, Target, calls, measured};
use crate::transport::{self, Ends, SLOTS, ends, message};

pub(super) const ONE_THREAD: Row = Row::new(
    "ring",
    "one thread sends and receives through a `Ring`, beside rtrb",
    one_thread,
);
pub(super) const STREAM: Row = Row::new(
    "ring-stream",
    "messages from one process to another, each on a processor of its own, beside rtrb between two threads",
    stream,
)
.helper(transport::helper);
pub(super) const EXCHANGE: Row = Row::new(
    "ring-exchange",
    "a message there and one back, each end on a processor of its own, beside rtrb between two threads",
    exchange,
)
.helper(transport::helper);
pub(super) const SLOW: Row = Row::new(
    "slow-receiver",
    "what a full queue costs its sender while the receiver works for 20 µs a message, beside a pipe",
    slow,
)
.helper(transport::helper);

fn one_thread(bench: &mut Bench) -> Result<()> {
    pair::<1>(bench, Some(1.1))?;
    pair::<4>(bench, None)?;
    pair::<8>(bench, None)
}

fn pair<const N: usize>(bench: &mut Bench, target: Option<f64>) -> Result<()> {
    const BATCH: usize = 64;
    let shm = Ring::<[u64; N], SLOTS>::create_anonymous()?;
    let (mut sender, mut receiver) = (shm.sender()?, shm.receiver()?);
    let (mut producer, mut consumer) = rtrb::RingBuffer::<[u64; N]>::new(SLOTS);
    let (tx, rx) = crossbeam_channel::bounded::<[u64; N]>(SLOTS);
    let value = black_box(message::<N>(1));
    let ours = || {
        let sent = sender.try_send(black_box(value));
        let _ = black_box((sent, receiver.try_recv()));
    };
    let limit = || {
        let sent = producer.push(black_box(value));
        let _ = black_box((sent, consumer.pop()));
    };
    let crossbeam = || {
        let sent = tx.try_send(black_box(value));
        let _ = black_box((sent, rx.try_recv()));
    };
    bench
        .case(format!("{} bytes in and out", 8 * N))
        .limit("rtrb", calls(limit))
        .ours("Ring", calls(ours))
        .target_if(target)
        .peer("crossbeam-channel", calls(crossbeam))
        .run()?;

    let (batch, mut out) = ([value; BATCH], [value; BATCH]);
    let ours = || {
        let sent = sender.try_send_slice(black_box(&batch));
        black_box((sent.is_ok(), receiver.try_recv_slice(&mut out).is_ok()));
    };
    let mut copy = [value; BATCH];
    let limit = || {
        let (sent, _) = producer.push_partial_slice(black_box(&batch));
        black_box((sent.len(), consumer.pop_partial_slice(&mut copy).0.len()));
    };
    bench
        .case(format!("64 times {} bytes in and out", 8 * N))
        .limit("rtrb", calls(limit))
        .ours("Ring", calls(ours))
        .run()
}

/// The number of rounds of turns that start a process.
const ROUNDS: usize = 11;

fn stream(bench: &mut Bench) -> Result<()> {
    streams(bench, ends::<8>(), 64, 1, Some(1.0))?;
    streams(bench, ends::<8>(), 64, 32, Some(1.0))?;
    streams(bench, ends::<4>(), 32, 1, None)?;
    streams(bench, ends::<4>(), 32, 64, None)
}

fn streams(
    bench: &mut Bench,
    all: Vec<Ends>,
    bytes: usize,
    batch: usize,
    target: Option<f64>,
) -> Result<()> {
    let row = bench.row();
    let name = match batch {
        1 => format!("{bytes} bytes"),
        batch => format!("{bytes} bytes, {batch} at a time"),
    };
    let mut case = bench
        .case(name)
        .metrics(&[("time of one", "ns"), ("sleeps of the receiver", "sleeps")])
        .rounds(ROUNDS)
        .cannot("mmap-sync", "it has no queue");
    for Ends {
        name, role, stream, ..
    } in all
    {
        case = case.contender(
            role,
            name.to_owned(),
            measured(move |settings| stream(settings, row, batch)),
        );
        if let (Role::Ours, Some(times)) = (role, target) {
            case = case.target(times);
        }
    }
    case.run()
}

fn exchange(bench: &mut Bench) -> Result<()> {
    let row = bench.row();
    for (bytes, all) in [(64, ends::<8>()), (32, ends::<4>())] {
        let mut case = bench
            .case(format!("{bytes} bytes there and back"))
            .rounds(ROUNDS)
            .cannot("mmap-sync", "it has no queue");
        for Ends {
            name,
            role,
            exchange,
            ..
        } in all
        {
            case = case.contender(
                role,
                name.to_owned(),
                measured(move |settings| exchange(settings, row, false)),
            );
        }
        case.run()?;
    }
    Ok(())
}

fn slow(bench: &mut Bench) -> Result<()> {
    let row = bench.row();
    let mut case = bench
        .case("64 bytes")
        .metrics(&[
            ("time of one", "ns"),
            ("processor time of the sender", "ns"),
            ("sleeps of the sender", "sleeps"),
        ])
        .rounds(ROUNDS)
        .cannot("mmap-sync", "it has no queue");
    for Ends {
        name, role, slow, ..
    } in ends::<8>()
    {
        // A pipe's sender sleeps until there is room for many; rtrb's never sleeps.
        let role = match (role, name) {
            (_, "pipe") => Role::Limit,
            (Role::Limit, _) => Role::Peer,
            (role, _) => role,
        };
        case = case.contender(
            role,
            name.to_owned(),
            measured(move |settings| slow(settings, row)),
        );
        if role == Role::Ours {
            case = case
                .target(1.07)
                .target_of(1, Target::Times(1.5))
                .target_of(2, Target::Value(0.05));
        }
    }
    case.run()
}
