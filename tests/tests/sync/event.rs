//! Events: no notification is missed, whichever process waits or dies.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::time::{Duration, Instant};

use shm_core::sync::{Event, TimedOut};
use shm_core::{ReadOnly, Shm, ShmLayout};
use shm_tests::step::{self, Point};
use shm_tests::{DEADLINE, Names, Peer, WaitSegment, is_owed, next_to, peer};

fn attached(name: &str) -> Peer {
    peer!("waiting attach {name}")
}

#[test]
fn a_notification_before_or_during_a_wait_ends_it() {
    let names = Names::new("event-wait");
    let name = names.name("t");
    let shm = WaitSegment::create(&name).unwrap();
    assert_eq!(shm.event.generation(), 0);
    let mut other = attached(&name);
    // Before: it does not even sleep.
    shm.event.notify_one();
    assert_eq!(other.ok("waiting event wait 0 0"), "1");
    // During, or just before.
    for generation in 1..50 {
        other.tell(&format!("waiting event wait {generation} forever"));
        if generation % 2 == 0 {
            shm.event.notify_all();
        } else {
            shm.event.notify_one();
        }
        assert_eq!(other.hear(), format!("ok {}", generation + 1));
    }
    // Another event is not affected.
    assert_eq!(shm.answers.generation(), 0);
}

#[test]
fn a_wait_without_notification_times_out() {
    let shm = WaitSegment::create_anonymous().unwrap();
    let start = Instant::now();
    let span = Duration::from_millis(30);
    assert_eq!(shm.event.wait_timeout(0, span), Err(TimedOut));
    assert!(start.elapsed() >= span);
    assert_eq!(shm.event.wait_timeout(0, Duration::ZERO), Err(TimedOut));
    assert!(TimedOut.to_string().contains("timed out"));
    // Any other number is another generation.
    assert_eq!(shm.event.wait_timeout(u32::MAX, DEADLINE), Ok(0));
}

#[test]
fn signals_do_not_change_an_event_timeout() {
    let names = Names::new("event-signals");
    let name = names.name("t");
    let shm = WaitSegment::create(&name).unwrap();
    let mut other = attached(&name);
    other.ok("claims timer");
    let answer = other.ok("waiting event wait 0 100");
    let (text, micros) = answer.split_once(' ').unwrap();
    assert_eq!(text, "timed-out");
    assert!(micros.parse::<u32>().unwrap() >= 100_000, "{micros}");
    other.tell("waiting event wait 0 forever");
    shm.event.notify_one();
    assert_eq!(other.hear(), "ok 1");
}

#[test]
fn one_notification_of_all_reaches_every_waiter() {
    let names = Names::new("event-all");
    let name = names.name("t");
    let shm = WaitSegment::create(&name).unwrap();
    let mut peers: Vec<Peer> = (0..4).map(|_| attached(&name)).collect();
    let seen = shm.event.generation();
    for peer in &mut peers {
        peer.tell(&format!("waiting event wait {seen} forever"));
    }
    peers[0].tell("waiting event wait 4294967295 forever");
    shm.event.notify_all();
    for peer in &mut peers {
        assert_eq!(peer.hear(), format!("ok {}", seen + 1));
    }
    assert_eq!(peers[0].hear(), format!("ok {}", seen + 1));
}

#[test]
fn notifications_of_one_reach_as_many_waiters() {
    let names = Names::new("event-one");
    let name = names.name("t");
    let shm = WaitSegment::create(&name).unwrap();
    let mut peers: Vec<Peer> = (0..4).map(|_| attached(&name)).collect();
    for round in 0..20 {
        let seen = shm.event.generation();
        for peer in &mut peers {
            peer.tell(&format!("waiting event wait {seen} forever"));
        }
        for _ in &peers {
            shm.event.notify_one();
        }
        for peer in &mut peers {
            let answer = peer.hear();
            let generation = answer.strip_prefix("ok ").map(str::parse::<u32>);
            assert!(
                matches!(generation, Some(Ok(now)) if (seen + 1..=seen + 4).contains(&now)),
                "{round}: {answer}"
            );
        }
    }
}

#[test]
fn a_read_only_handle_can_wait() {
    let names = Names::new("event-reader");
    let name = names.name("t");
    let shm = WaitSegment::create(&name).unwrap();
    let mut reader = peer!();
    reader.ok(&format!("waiting attach-read-only {name}"));
    let answer = reader.ok("waiting event wait 0 20");
    assert!(answer.starts_with("timed-out"), "{answer}");
    for generation in 0..20 {
        reader.tell(&format!("waiting event wait {generation} forever"));
        shm.event.notify_one();
        assert_eq!(reader.hear(), format!("ok {}", generation + 1));
    }
    let view: Shm<WaitSegment, ReadOnly> = WaitSegment::attach_read_only(&name).unwrap();
    assert_eq!(view.event.generation(), 20);
    assert_eq!(view.event.wait(3), 20);
    assert_eq!(format!("{:?}", *view.event), "Event { generation: 20 }");
}

#[test]
fn wait_until_finds_its_value_with_and_without_notify() {
    let names = Names::new("event-until");
    let name = names.name("t");
    let shm = WaitSegment::create(&name).unwrap();
    let reader: Shm<WaitSegment, ReadOnly> = WaitSegment::attach_read_only(&name).unwrap();
    let at_least = |number: u64| move |count: u64| (count >= number).then_some(count);
    let (one, two, three) = (at_least(1), at_least(2), at_least(3));

    // There was no notification, and none is needed.
    shm.count.set(1);
    let found = shm
        .event
        .wait_until_timeout(Duration::ZERO, || one(shm.count.get()));
    assert_eq!(found, Ok(1));
    std::thread::scope(|scope| {
        let mine = scope.spawn(|| shm.event.wait_until(|| two(shm.count.get())));
        let theirs = scope.spawn(|| {
            reader
                .event
                .wait_until_timeout(DEADLINE, || two(reader.count.get()))
        });
        // In vain.
        shm.event.notify_all();
        shm.count.set(2);
        shm.event.notify_one();
        assert_eq!(mine.join().unwrap(), 2);
        assert_eq!(theirs.join().unwrap(), Ok(2));
        // As if the writer were killed before it notifies.
        let mine = scope.spawn(|| shm.event.wait_until(|| three(shm.count.get())));
        shm.count.set(3);
        assert_eq!(mine.join().unwrap(), 3);
    });
}

#[test]
fn endless_notifications_do_not_extend_a_timeout() {
    let shm = WaitSegment::create_anonymous().unwrap();
    let mut span = Duration::from_millis(30);
    loop {
        let (start, mut looks) = (Instant::now(), 0_u32);
        let found = shm.event.wait_until_timeout(span, || {
            looks += 1;
            // So the call never sleeps.
            shm.event.notify_all();
            None::<()>
        });
        assert_eq!(found, Err(TimedOut));
        assert!(start.elapsed() >= span);
        // The first look and the last one are not due to a notification.
        if looks > 2 {
            break;
        }
        // This thread did not run for the whole span.
        span *= 2;
        assert!(span < DEADLINE);
    }
    let mut looks = 0;
    let found = shm.event.wait_until_timeout(Duration::ZERO, || {
        looks += 1;
        None::<()>
    });
    assert_eq!((found, looks), (Err(TimedOut), 2));
}

#[test]
fn writes_before_a_notification_are_visible_after_it() {
    const ROUNDS: u64 = 20_000;
    let shm = WaitSegment::create_anonymous().unwrap();
    shm_tests::scope(|scope| {
        scope.start(|| {
            for round in 1..=ROUNDS {
                // Plain cells, ordered only by the events.
                shm.count.set(round);
                shm.event.notify_one();
                let mut seen = shm.answers.generation();
                while u64::from(seen) < round {
                    seen = shm.answers.wait_timeout(seen, DEADLINE).unwrap();
                }
            }
        });
        let mut seen = 0;
        while u64::from(seen) < ROUNDS {
            seen = shm.event.wait_timeout(seen, DEADLINE).unwrap();
            assert_eq!(shm.count.get(), u64::from(seen));
            shm.answers.notify_all();
        }
    });
}

/// The process that is woken is killed before its system call returns, so it has not taken the notification.
#[test]
fn a_killed_waiter_consumes_no_notification() {
    let names = Names::new("event-killed");
    let name = names.name("t");
    let shm = WaitSegment::create(&name).unwrap();
    let mut lost = 0;
    for round in 0..20 {
        let (one, mut two) = (attached(&name), attached(&name));
        let command = "waiting round event-forever";
        let killed = step::kill_at_point(one, command, Point::Woken(0), || {
            two.tell(&format!("waiting event wait {round} forever"));
            step::until_asleep(two.pid());
            // The kernel wakes the first one that has fallen asleep.
            shm.event.notify_one();
        });
        assert!(killed.killed && killed.slept);
        // Unless the slice of the first one has ended meanwhile.
        lost += u32::from(is_owed(&shm.event));
        assert_eq!(two.hear(), format!("ok {}", round + 1));
        assert!(!is_owed(&shm.event));
    }
    println!("lost with the first one: {lost} of 20");
    assert!(lost > 0);
}

#[test]
fn a_fork_child_can_wait_and_notify() {
    let names = Names::new("event-fork");
    let name = names.name("t");
    let shm = WaitSegment::create(&name).unwrap();
    let mut parent = attached(&name);
    // From here on the child answers.
    parent.ok("fork-continue");
    parent.tell("waiting event wait 0 forever");
    shm.event.notify_one();
    assert_eq!(parent.hear(), "ok 1");
    parent.ok("waiting event notify-all");
    assert_eq!(shm.event.wait(1), 2);
    parent.kill();
}

#[test]
fn events_can_be_segments_elements_and_fields() {
    #[derive(ShmLayout)]
    #[repr(C)]
    struct Inner {
        number: u64,
        changed: Event,
    }
    #[derive(ShmLayout)]
    #[repr(C)]
    struct Many {
        events: [Event; 3],
        inner: Inner,
    }
    let names = Names::new("event-alone");
    let name = names.name("t");
    let event = Event::create(&name).unwrap();
    Event::attach(&name).unwrap().notify_all();
    assert_eq!(event.generation(), 1);
    let reader = Event::attach_read_only(&name).unwrap();
    assert_eq!(reader.wait_timeout(0, Duration::ZERO), Ok(1));

    let many = Many::create_anonymous().unwrap();
    many.events[1].notify_one();
    many.inner.changed.notify_all();
    let generations: Vec<u32> = many.events.iter().map(|event| event.generation()).collect();
    assert_eq!(generations, [0, 1, 0]);
    assert_eq!(
        (many.inner.number.get(), many.inner.changed.generation()),
        (0, 1)
    );
}

/// The word of an event: the first of the segment.
fn word(shm: &Shm<WaitSegment>) -> &AtomicU32 {
    // SAFETY: the event is the first field and its word all of it; aligned, mapped as long as the handle, and only
    // accessed atomically.
    unsafe { AtomicU32::from_ptr(shm.as_ptr().cast_mut().cast()) }
}

#[test]
fn the_generation_wraps() {
    let shm = WaitSegment::create_anonymous().unwrap();
    word(&shm).store(u32::MAX - 1, Relaxed);
    let last = shm.event.generation();
    assert_eq!(last, u32::MAX / 2);
    shm_tests::scope(|scope| {
        scope.start(|| shm.event.notify_one());
        assert_eq!(shm.event.wait(last), 0);
    });
    shm.event.notify_all();
    assert_eq!(shm.event.generation(), 1);
}

#[test]
fn random_words_in_an_event_end_every_wait() {
    let shm = WaitSegment::create_anonymous().unwrap();
    let reader = shm.read_only();
    let word = word(&shm);
    next_to(
        |random| {
            // Sometimes the word stays as it is, so that a waiter sleeps.
            let value = random.next_number();
            if value & 1 << 40 == 0 {
                word.store(value as u32 & 7, Release);
            } else {
                random.spin();
            }
        },
        || {
            let (mut notified, mut timed_out) = (0, 0);
            while notified < 200 || timed_out < 200 {
                let (short, seen) = (Duration::from_micros(100), shm.event.generation());
                let mut looks = 0_u32;
                let third = || {
                    looks += 1;
                    (looks == 3).then_some(seen)
                };
                for waited in [
                    shm.event.wait_timeout(seen, short),
                    reader.event.wait_timeout(reader.event.generation(), short),
                    shm.event.wait_until_timeout(short, third),
                    reader.event.wait_until_timeout(short, || None),
                ] {
                    match waited {
                        Ok(_) => notified += 1,
                        Err(TimedOut) => timed_out += 1,
                    }
                }
                shm.event.notify_one();
                shm.event.notify_all();
            }
        },
    );
    let seen = shm.event.generation();
    shm.event.notify_all();
    assert_ne!(shm.event.generation(), seen);
}
