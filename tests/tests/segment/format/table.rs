//! The printed layout: where the payload begins, and the parts of the types of this library.

use shm_core::layout::TypeLayout;
use shm_core::sync::{Barrier, Broadcast, Event, Mutex, Ring, Semaphore, SeqLock};
use shm_core::{ShmLayout, ShmVec};

use super::{bytes_of, open, unique};

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Limits {
    rate: u64,
    burst: u32,
    depth: u32,
}

/// The rows of a table, without the marks of cache lines: offset, size, name with its indentation, and type.
fn rows(layout: &TypeLayout) -> Vec<String> {
    let text = layout.to_string();
    let rows = text.lines().skip(2).filter(|line| !line.contains("---"));
    rows.map(|row| {
        let (numbers, rest) = row.split_at(25);
        let numbers: Vec<_> = numbers.split_whitespace().collect();
        let (name, ty) = rest.trim_end().rsplit_once("  ").unwrap();
        format!("{} {} {} {ty}", numbers[0], numbers[1], name.trim_end())
    })
    .collect()
}

#[test]
fn a_table_says_where_the_payload_begins() {
    fn check<T: ShmLayout>(create: impl FnOnce(&str)) {
        let name = unique("table");
        create(&name);
        let header = bytes_of(&open(&name));
        let begins = u64::from_ne_bytes(header[40..48].try_into().unwrap());
        let first = format!("at byte {begins} of a segment, ");
        let table = T::LAYOUT.to_string();
        assert!(table.lines().next().unwrap().contains(&first), "{table}");
        T::unlink(&name).unwrap();
    }
    check::<u8>(|name| u8::create(name).unwrap().persist().unwrap());
    check::<Limits>(|name| Limits::create(name).unwrap().persist().unwrap());
    // Aligned to more than a cache line, and with a schema of several.
    type Queue = Ring<Limits, 4>;
    check::<Queue>(|name| Queue::create(name).unwrap().persist().unwrap());
}

#[test]
fn a_table_goes_into_queues_and_locks() {
    #[derive(ShmLayout)]
    #[repr(C)]
    #[shm(padding)]
    struct Service {
        jobs: Ring<Limits, 4>,
        limits: SeqLock<Limits, 3>,
        best: SeqLock<u64, 3>,
        locks: [Mutex<Limits>; 2],
        meet: Barrier<2>,
        news: Event,
        free: Semaphore,
        list: ShmVec<Limits, 2>,
    }
    let rows = rows(Service::LAYOUT);
    let from = |name: &str| {
        let start = rows
            .iter()
            .position(|row| row.contains(&format!(" {name} ")));
        &rows[start.unwrap_or_else(|| panic!("{name}: {rows:#?}"))..]
    };
    assert_eq!(
        from("limits")[..12],
        [
            "896 640 limits SeqLock<Limits, 3>",
            "896 4   claim AtomicU32",
            "900 4   changed AtomicU32",
            "904 120  padding",
            "1024 8   version AtomicU64",
            "1032 120  padding",
            "1152 384   slots [Limits; 3]",
            "1152 16     [0] Limits, every 128 bytes",
            "1152 8       rate u64",
            "1160 4       burst u32",
            "1164 4       depth u32",
            "1168 112  padding",
        ]
    );
    let slots = from("jobs").iter().skip_while(|row| !row.contains("slots"));
    let slots: Vec<_> = slots.take(3).collect();
    assert_eq!(
        slots,
        [
            "768 64   slots [Limits; 4]",
            "768 16     [0] Limits, every 16 bytes",
            "768 8       rate u64"
        ]
    );
    assert!(
        from("best")[7].ends_with("[0] u64, every 128 bytes"),
        "{rows:#?}"
    );
    let kinds = |name: &str, count: usize| -> Vec<String> {
        let rows = from(name)[..count].iter();
        rows.map(|row| {
            row.split_once(' ')
                .unwrap()
                .1
                .split_once(' ')
                .unwrap()
                .1
                .to_owned()
        })
        .collect()
    };
    assert_eq!(
        kinds("locks", 8),
        [
            "locks [Mutex<Limits>; 2]",
            "  [0] Mutex<Limits>, every 24 bytes",
            "    claim AtomicU32",
            " padding",
            "    value Limits",
            "      rate u64",
            "      burst u32",
            "      depth u32",
        ]
    );
    assert_eq!(
        kinds("meet", 6),
        [
            "meet Barrier<2>",
            "  round AtomicU32",
            "  left AtomicU32",
            "  seats [Seat; 2]",
            "    [0] Seat, every 8 bytes",
            "      claim AtomicU32",
        ]
    );
    // Types of one word have no parts.
    assert_eq!(
        kinds("news", 6),
        [
            "news Event",
            "free Semaphore",
            " padding",
            "list ShmVec<Limits, 2>",
            "  len u64",
            "  items [Limits; 2]",
        ]
    );
}

#[test]
fn a_queue_that_is_the_segment_has_a_table() {
    let rows = rows(Broadcast::<Limits, 3>::LAYOUT);
    let last: Vec<_> = rows.iter().rev().take(7).rev().collect();
    assert_eq!(
        last,
        [
            "144 112  padding",
            "256 48 slots [Limits; 3]",
            "256 16   [0] Limits, every 16 bytes",
            "256 8     rate u64",
            "264 4     burst u32",
            "268 4     depth u32",
            "304 80  padding",
        ]
    );
    let text = Broadcast::<Limits, 3>::LAYOUT.to_string();
    assert!(
        text.ends_with("320: cache line 5 begins in padding\n"),
        "{text}"
    );
    assert_eq!(Event::LAYOUT.to_string().lines().count(), 1);
}
