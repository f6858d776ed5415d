//! `Broadcast` with one thread.

use std::cell::Cell;
use std::hint::black_box;

use shm_core::ShmLayout;
use shm_core::sync::Broadcast;
use shm_core::sync::broadcast::TryRecvError;

use crate::harness::{Bench, Result, Row, calls};
use crate::peers::hand;

pub(super) const ROW: Row = Row::new(
    "broadcast",
    "one thread sends and receives, beside a broadcast by hand",
    run,
);

const SLOTS: usize = 64;

fn run(bench: &mut Bench) -> Result<()> {
    size::<1>(bench)?;
    size::<8>(bench)?;
    size::<128>(bench)
}

fn size<const N: usize>(bench: &mut Bench) -> Result<()> {
    let shm = Broadcast::<[u64; N], SLOTS>::create_anonymous()?;
    let (mut sender, mut receiver) = (shm.sender()?, shm.receiver());
    let by_hand = hand::Broadcast::<N, SLOTS>::new();
    let number = Cell::new(0);
    let message = black_box([1_u64; N]);
    #[cfg(feature = "peers")]
    let topic = crate::peers::iceoryx::Topic::<[u64; N]>::open(
        &crate::process::unique("broadcast"),
        SLOTS,
        crate::peers::iceoryx::Full::Overwrite,
    )?;
    #[cfg(feature = "peers")]
    let (subscriber, publisher) = (topic.subscriber()?, topic.publisher()?);
    #[cfg(feature = "peers")]
    let publish = || -> Result<()> {
        publisher.loan_uninit()?.write_payload(message).send()?;
        Ok(())
    };

    let case = bench
        .case(format!("send, {} bytes", 8 * N))
        .limit("by hand", calls(|| by_hand.send(black_box(&message))))
        .ours(
            "send_from",
            calls(|| _ = black_box(sender.send_from(black_box(&message)).is_ok())),
        );
    #[cfg(feature = "peers")]
    let case = case.peer(
        "iceoryx2 publish-subscribe",
        calls(|| _ = black_box(publish().is_ok())),
    );
    case.run()?;

    // Receivers that are behind would read older messages, which cost less.
    while !matches!(receiver.try_recv(), Err(TryRecvError::Empty)) {}
    #[cfg(feature = "peers")]
    while subscriber.receive()?.is_some() {}
    let hand_both = || {
        by_hand.send(black_box(&message));
        black_box(by_hand.receive(number.get() + 1));
        number.set(by_hand.sent());
    };
    let both = || {
        black_box(sender.send_from(black_box(&message)).is_ok());
        black_box(receiver.try_recv().is_ok());
    };
    number.set(by_hand.sent());
    let case = bench
        .case(format!("send and receive, {} bytes", 8 * N))
        .limit("by hand", calls(hand_both))
        .ours("send_from, try_recv", calls(both))
        .target_if((N <= 8).then_some(1.5));
    #[cfg(feature = "peers")]
    let case = case.peer(
        "iceoryx2 publish-subscribe",
        calls(|| {
            black_box(publish().is_ok());
            black_box(subscriber.receive().is_ok());
        }),
    );
    case.cannot(
        "rtrb, crossbeam-channel",
        "a message goes to one receiver; see ring",
    )
    .run()
}
