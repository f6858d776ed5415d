//! Values of megabytes.

use std::cell::RefCell;
use std::hint::black_box;

use shm_core::ShmLayout;
use shm_core::sync::{Broadcast, SeqLock};

use crate::harness::{Bench, Result, Row, Sample, calls, measured};

pub(super) const ROW: Row = Row::new(
    "large",
    "frames of 3,840 by 2,160 pixels, and one field of 1 MiB, beside `memcpy`",
    run,
);

const FRAME: usize = 3840 * 2160 * 4;
/// What a consumer needs of a frame: every eighth part.
const PART: usize = 8;

fn run(bench: &mut Bench) -> Result<()> {
    if bench.settings.short {
        frames::<65_536>(bench)?;
    } else {
        frames::<FRAME>(bench)?;
    }
    update::<131_072>(bench)
}

fn boxed<const N: usize>() -> Result<Box<[u8; N]>> {
    Ok(vec![1_u8; N]
        .into_boxed_slice()
        .try_into()
        .map_err(|_| "wrong length")?)
}

/// The time of `call` in nanoseconds.
fn time<R>(call: impl FnOnce() -> R) -> Sample {
    let start = std::time::Instant::now();
    black_box(call());
    (start.elapsed().as_secs_f64() * 1e9).into()
}

fn frames<const N: usize>(bench: &mut Bench) -> Result<()> {
    let cast = Broadcast::<[u8; N], 2>::create_anonymous()?;
    let lock = SeqLock::<[u8; N]>::create_anonymous()?;
    let (sender, receiver) = (RefCell::new(cast.sender()?), RefCell::new(cast.receiver()));
    // Its role is kept.
    let kept = SeqLock::<[u8; N], 3>::create_anonymous()?;
    let source = boxed::<N>()?;
    let (mut copy, mut into) = (boxed::<N>()?, boxed::<N>()?);
    let mut part = vec![0_u8; N / PART];
    let mut locked = boxed::<N>()?;
    lock.store_from(&source)?;
    let case = bench
        .case("a consumer takes a frame")
        .rounds(9)
        .limit("memcpy of an eighth", {
            let mut part = vec![0_u8; N / PART];
            let source = &source;
            measured(move |_| {
                Ok(time(|| {
                    black_box(&mut part[..]).copy_from_slice(&source[..N / PART])
                }))
            })
        })
        .ours(
            "SeqLock::read_with of an eighth",
            measured(|_| {
                Ok(time(|| {
                    lock.read_with(|view| view[..N / PART].read_into(&mut part))
                        .is_ok()
                }))
            }),
        )
        .ours(
            "SeqLock::read_into",
            measured(|_| Ok(time(|| lock.read_into(&mut locked).is_ok()))),
        )
        .ours(
            "Broadcast::recv_into",
            measured(|_| {
                sender.borrow_mut().send_from(&source)?;
                let mut receiver = receiver.borrow_mut();
                Ok(time(|| receiver.recv_into(&mut into).is_ok()))
            }),
        )
        .peer(
            "memcpy of all",
            measured(|_| {
                Ok(time(|| {
                    black_box(&mut copy[..]).copy_from_slice(&source[..])
                }))
            }),
        );
    #[cfg(feature = "peers")]
    let topic = crate::peers::iceoryx::Topic::<[u8; N]>::open(
        &crate::process::unique("frames"),
        2,
        crate::peers::iceoryx::Full::Overwrite,
    )?;
    #[cfg(feature = "peers")]
    let (subscriber, publisher) = (topic.subscriber()?, topic.publisher()?);
    #[cfg(feature = "peers")]
    let publish = || -> Result<()> {
        let mut sample = publisher.loan_uninit()?;
        // SAFETY: the sample has room for a frame and is not shared yet.
        unsafe {
            sample
                .payload_mut()
                .as_mut_ptr()
                .copy_from_nonoverlapping(&raw const *source, 1)
        };
        // SAFETY: all of it was just written.
        unsafe { sample.assume_init() }.send()?;
        Ok(())
    };
    #[cfg(feature = "peers")]
    let mut iceoryx_part = vec![0_u8; N / PART];
    #[cfg(feature = "peers")]
    let case = case.peer(
        "iceoryx2 publish-subscribe, an eighth in place",
        measured(|_| {
            publish()?;
            Ok(time(|| {
                if let Ok(Some(sample)) = subscriber.receive() {
                    iceoryx_part.copy_from_slice(&sample.payload()[..N / PART]);
                }
            }))
        }),
    );
    case.run()?;

    let case = bench
        .case("a producer hands a frame over")
        .rounds(9)
        .limit(
            "memcpy",
            measured(|_| {
                Ok(time(|| {
                    black_box(&mut copy[..]).copy_from_slice(&source[..])
                }))
            }),
        )
        .ours(
            "SeqLock::write_with",
            measured(|_| {
                Ok(time(|| {
                    lock.write_with(|slot| slot.write_from(&source[..])).is_ok()
                }))
            }),
        )
        .ours(
            "SeqLock::store_from",
            measured(|_| Ok(time(|| lock.store_from(&source).is_ok()))),
        )
        .ours(
            "SeqLock::write, the guard",
            measured(|_| {
                Ok(time(|| {
                    let mut guard = lock.write()?;
                    guard.copy_from_slice(&source[..]);
                    guard.commit()
                }))
            }),
        )
        .ours("SeqLock::write, in place", {
            let (kept, source) = (&kept, &source);
            let mut guard = kept.write()?;
            measured(move |_| {
                Ok(time(|| {
                    guard
                        .write_with(|slot| slot.write_from(&source[..]))
                        .is_ok()
                }))
            })
        })
        .ours(
            "Broadcast::send_from",
            measured(|_| {
                let mut sender = sender.borrow_mut();
                Ok(time(|| sender.send_from(&source).is_ok()))
            }),
        )
        .ours(
            "Broadcast::send_with",
            measured(|_| {
                let mut sender = sender.borrow_mut();
                Ok(time(|| {
                    sender
                        .send_with(|slot| slot.write_from(&source[..]))
                        .is_ok()
                }))
            }),
        );
    #[cfg(feature = "peers")]
    let case = case.peer(
        "iceoryx2 publish-subscribe",
        measured(|_| Ok(time(|| publish().is_ok()))),
    );
    case.run()
}

/// One field of a value of `N` words.
fn update<const N: usize>(bench: &mut Bench) -> Result<()> {
    let lock = SeqLock::<[u64; N]>::create_anonymous()?;
    let source = vec![1_u64; N];
    let mut copy = vec![0_u64; N];
    bench
        .case("one field of 1 MiB")
        .rounds(31)
        .limit(
            "memcpy of 1 MiB",
            calls(|| {
                black_box(&mut copy[..]).copy_from_slice(black_box(&source));
            }),
        )
        .ours(
            "SeqLock::update",
            calls(|| _ = black_box(lock.update(|value| value[7] += 1).is_ok())),
        )
        .ours(
            "SeqLock::update_with",
            calls(|| {
                let change = lock.update_with(|value| value[7].set(value[7].get() + 1));
                black_box(change.is_ok());
            }),
        )
        .target(1.2)
        .run()
}
