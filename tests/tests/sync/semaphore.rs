//! Semaphores: permits are neither lost nor doubled, whichever process waits or dies.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Release;
use std::time::{Duration, Instant};

use shm_core::ShmLayout;
use shm_core::sync::{Semaphore, TimedOut, TooManyPermits};
use shm_tests::{Names, Peer, WaitSegment, next_to, peer, step};

fn attached(name: &str) -> Peer {
    peer!("waiting attach {name}")
}

#[test]
fn permits_are_counted() {
    let names = Names::new("semaphore-count");
    let name = names.name("t");
    let four = Semaphore::create_with(&name, |new| new.post_many(4).unwrap()).unwrap();
    let reader = Semaphore::attach_read_only(&name).unwrap();
    assert_eq!(reader.value(), 4);
    four.wait();
    assert!(four.try_wait());
    assert_eq!(four.wait_timeout(Duration::ZERO), Ok(()));
    assert_eq!(reader.value(), 1);
    Semaphore::attach(&name).unwrap().wait();
    assert!(!four.try_wait());
    assert_eq!(four.wait_timeout(Duration::ZERO), Err(TimedOut));
    let start = Instant::now();
    let span = Duration::from_millis(30);
    assert_eq!(four.wait_timeout(span), Err(TimedOut));
    assert!(start.elapsed() >= span);
    four.post().unwrap();
    four.post_many(0).unwrap();
    assert_eq!(format!("{:?}", *reader), "Semaphore { value: 1 }");
}

#[test]
fn too_many_permits_are_refused_and_none_added() {
    let permits = Semaphore::create_anonymous().unwrap();
    permits.post_many(<Semaphore>::MAX_PERMITS - 1).unwrap();
    assert_eq!(permits.post_many(2), Err(TooManyPermits));
    assert_eq!(permits.post_many(u32::MAX), Err(TooManyPermits));
    assert_eq!(permits.value(), <Semaphore>::MAX_PERMITS - 1);
    permits.post().unwrap();
    assert_eq!(permits.post(), Err(TooManyPermits));
    assert!(TooManyPermits.to_string().contains("1073741823"));
    permits.wait();
    assert_eq!(permits.value(), <Semaphore>::MAX_PERMITS - 1);
}

#[test]
fn try_wait_succeeds_next_to_constant_posts() {
    const POSTS: u32 = 300_000;
    let permits = Semaphore::create_anonymous().unwrap();
    shm_tests::scope(|scope| {
        scope.start(|| (0..POSTS).for_each(|_| permits.post().unwrap()));
        let mut taken = 0;
        while taken < POSTS {
            // No other process takes permits.
            if permits.value() > 0 {
                assert!(permits.try_wait(), "after {taken}");
                taken += 1;
            }
        }
    });
    assert_eq!(permits.value(), 0);
}

#[test]
fn a_waiter_gets_a_posted_permit() {
    let names = Names::new("semaphore-wait");
    let name = names.name("t");
    let shm = WaitSegment::create(&name).unwrap();
    let mut peers: Vec<Peer> = (0..4).map(|_| attached(&name)).collect();
    for round in 0..20 {
        for peer in &mut peers {
            peer.tell("waiting permits wait forever");
        }
        if round % 2 == 0 {
            shm.permits.post_many(4).unwrap();
        } else {
            for _ in 0..4 {
                shm.permits.post().unwrap();
            }
        }
        for peer in &mut peers {
            assert_eq!(peer.hear(), "ok taken");
        }
        assert_eq!(shm.permits.value(), 0);
    }
}

#[test]
fn signals_do_not_shorten_a_semaphore_wait() {
    let names = Names::new("semaphore-signals");
    let name = names.name("t");
    let shm = WaitSegment::create(&name).unwrap();
    let mut other = attached(&name);
    other.ok("claims timer");
    let start = Instant::now();
    assert_eq!(other.ok("waiting permits wait 100"), "timed-out");
    assert!(start.elapsed() >= Duration::from_millis(100));
    other.tell("waiting permits wait forever");
    shm.permits.post().unwrap();
    assert_eq!(other.hear(), "ok taken");
}

#[test]
fn permits_of_killed_processes_stay_as_they_were() {
    let names = Names::new("semaphore-dead");
    let name = names.name("t");
    let shm = WaitSegment::create(&name).unwrap();
    shm.permits.post_many(2).unwrap();
    let mut taker = attached(&name);
    assert_eq!(taker.ok("waiting permits wait forever"), "taken");
    taker.kill();
    assert_eq!(shm.permits.value(), 1);
    let mut poster = attached(&name);
    poster.ok("waiting permits post 3");
    poster.kill();
    assert_eq!(shm.permits.value(), 4);
}

#[test]
fn a_killed_waiter_loses_at_most_one_permit() {
    let names = Names::new("semaphore-waiter");
    let name = names.name("t");
    let shm = WaitSegment::create(&name).unwrap();
    for _ in 0..20 {
        let (mut one, mut two) = (attached(&name), attached(&name));
        one.tell("waiting permits wait forever");
        two.tell("waiting permits wait forever");
        // Two, because the first waiter may have taken one before it is killed. The others recover from its lost wake-up.
        shm.permits.post_many(2).unwrap();
        one.kill();
        assert_eq!(two.hear(), "ok taken");
        while shm.permits.try_wait() {}
    }
}

#[test]
fn a_single_permit_excludes_like_a_lock() {
    const TURNS: u64 = 5_000;
    let names = Names::new("semaphore-turns");
    let name = names.name("t");
    let shm = WaitSegment::create(&name).unwrap();
    let mut peers: Vec<Peer> = (0..4).map(|_| attached(&name)).collect();
    for peer in &mut peers {
        peer.tell(&format!("waiting permits take-turns {TURNS} 1"));
    }
    shm.permits.post().unwrap();
    for peer in &mut peers {
        assert_eq!(peer.hear(), "ok ");
    }
    assert_eq!((shm.count.get(), shm.permits.value()), (4 * TURNS, 1));
}

#[test]
fn several_permits_are_taken_at_once_or_not_at_all() {
    let permits = Semaphore::create_anonymous().unwrap();
    permits.post_many(5).unwrap();
    assert!(!permits.try_wait_many(6));
    assert_eq!(permits.value(), 5);
    assert!(permits.try_wait_many(3) && permits.try_wait_many(0));
    let no_time = Duration::ZERO;
    assert_eq!(permits.wait_many_timeout(3, no_time), Err(TimedOut));
    let past = Instant::now();
    assert_eq!(permits.wait_many_deadline(3, past), Err(TimedOut));
    assert_eq!(permits.wait_many_timeout(1, no_time), Ok(()));
    assert_eq!(permits.wait_many_deadline(1, past), Ok(()));
    let span = Duration::from_millis(30);
    permits.post_many(2).unwrap();
    assert_eq!(permits.wait_many_timeout(3, span), Err(TimedOut));
    assert!(past.elapsed() >= span);
    assert_eq!(permits.value(), 2);
    permits.wait_many(2);
    permits.wait_many(0);
    assert_eq!(permits.value(), 0);

    permits.post_many(<Semaphore>::MAX_PERMITS).unwrap();
    let too_many = <Semaphore>::MAX_PERMITS + 1;
    let takes: [&dyn Fn(u32); 4] = [
        &|many| assert!(permits.try_wait_many(many)),
        &|many| permits.wait_many(many),
        &|many| permits.wait_many_timeout(many, no_time).unwrap(),
        &|many| permits.wait_many_deadline(many, past).unwrap(),
    ];
    for take in takes {
        for many in [too_many, u32::MAX] {
            let panicked = catch_unwind(AssertUnwindSafe(|| take(many)));
            let text = panicked.unwrap_err().downcast::<String>().unwrap();
            assert!(text.contains("1073741823"), "{text}");
        }
    }
    permits.wait_many(<Semaphore>::MAX_PERMITS);
    assert_eq!(permits.value(), 0);
}

#[test]
fn processes_that_want_all_permits_do_not_block_each_other() {
    const TURNS: u64 = 2_000;
    let names = Names::new("semaphore-all");
    let name = names.name("t");
    let shm = WaitSegment::create(&name).unwrap();
    let mut peers: Vec<Peer> = (0..3).map(|_| attached(&name)).collect();
    for peer in &mut peers {
        peer.tell(&format!("waiting permits take-turns {TURNS} 3"));
    }
    // One at a time: nobody goes on before all are there.
    for _ in 0..3 {
        shm.permits.post().unwrap();
    }
    for peer in &mut peers {
        assert_eq!(peer.hear(), "ok ");
    }
    assert_eq!((shm.count.get(), shm.permits.value()), (3 * TURNS, 3));
}

#[test]
fn a_sleeper_for_several_permits_gets_them_when_all_are_there() {
    let permits = Semaphore::create_anonymous().unwrap();
    std::thread::scope(|scope| {
        let several = step::spawn_until_asleep(scope, || permits.wait_many(3));
        let one = step::spawn_until_asleep(scope, || permits.wait());
        permits.post().unwrap();
        one.join().unwrap();
        for _ in 0..3 {
            assert!(!several.is_finished());
            permits.post().unwrap();
        }
        several.join().unwrap();
    });
    assert_eq!(permits.value(), 0);
}

#[test]
fn a_fork_child_can_take_and_post() {
    let names = Names::new("semaphore-fork");
    let name = names.name("t");
    let shm = WaitSegment::create(&name).unwrap();
    let mut parent = attached(&name);
    // From here on the child answers.
    parent.ok("fork-continue");
    parent.tell("waiting permits wait forever");
    shm.permits.post().unwrap();
    assert_eq!(parent.hear(), "ok taken");
    parent.ok("waiting permits post 2");
    assert_eq!(shm.permits.value(), 2);
    assert_eq!(parent.ok("waiting permits try"), "true");
    parent.kill();
}

#[test]
fn semaphores_can_be_elements_and_fields() {
    #[derive(ShmLayout)]
    #[repr(C)]
    struct Inner {
        free: Semaphore,
        used: Semaphore,
    }
    #[derive(ShmLayout)]
    #[repr(C)]
    struct Many {
        inner: [Inner; 2],
        each: [Semaphore; 4],
    }
    let many = Many::create_anonymous().unwrap();
    many.inner[1].used.post_many(7).unwrap();
    many.each[3].post().unwrap();
    assert_eq!(
        (many.inner[1].used.value(), many.inner[1].free.value()),
        (7, 0)
    );
    let values: Vec<u32> = many.each.iter().map(|each| each.value()).collect();
    assert_eq!(values, [0, 0, 0, 1]);
}

#[test]
fn random_words_in_a_semaphore_end_every_call() {
    let shm = Semaphore::create_anonymous().unwrap();
    // SAFETY: the word is all of the semaphore; aligned, mapped as long as the handle, and only accessed atomically.
    let word = unsafe { AtomicU32::from_ptr(shm.as_ptr().cast_mut().cast()) };
    next_to(
        |random| {
            let value = random.next_number();
            match value >> 40 & 3 {
                // No permits, with and without sleepers.
                0 => word.store(value as u32 & 3, Release),
                1 => word.store(value as u32, Release),
                2 => word.store(u32::MAX - (value as u32 & 3), Release),
                _ => random.spin(),
            }
        },
        || {
            let (mut taken, mut late, mut full) = (0, 0, 0);
            while taken < 10 || late < 10 || full < 10 {
                match shm.wait_timeout(Duration::from_micros(100)) {
                    Ok(()) => taken += 1,
                    Err(TimedOut) => late += 1,
                }
                for posted in [shm.post(), shm.post_many(3), shm.post_many(u32::MAX)] {
                    full += u32::from(posted.is_err());
                }
                let _ = (shm.try_wait(), shm.try_wait_many(2));
                let _ = shm.wait_many_timeout(3, Duration::from_micros(100));
            }
        },
    );
    word.store(0, Release);
    shm.post().unwrap();
    shm.wait();
}
