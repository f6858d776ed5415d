//! What a derived struct can do through its handle and its cells, with one import.

#![forbid(unsafe_code)]

use std::marker::PhantomData;
use std::num::{NonZeroU32, Wrapping};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::time::Duration;

use shm_core::ShmLayout;

// Pinned: if the fingerprint changed with a version of the library, old and new programs could not share segments.
#[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
#[repr(C)]
#[cfg_attr(target_endian = "little", shm(pin = "c3c7bf9b48694b0d"))]
struct Inner {
    xs: [u16; 4],
    on: bool,
    _pad: [u8; 3],
    level: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
#[repr(C)]
struct Everything {
    wide: u128,
    wide_signed: i128,
    a: u64,
    b: f64,
    c: i64,
    d: f32,
    e: u32,
    inner: Inner,
    grid: [[f64; 3]; 2],
    flags: [bool; 6],
    byte: u8,
    signed_byte: i8,
    short: u16,
    signed_short: i16,
    id: Option<NonZeroU32>,
    wrapping: Wrapping<u64>,
    inners: [Inner; 5],
    none: [u64; 0],
    marker: PhantomData<u64>,
    pad: [u32; 2],
}

#[derive(Debug, ShmLayout)]
#[repr(C)]
struct Counters {
    hits: AtomicU64,
    level: AtomicI32,
    open: AtomicBool,
    pad: [u8; 3],
    slots: [AtomicU64; 3],
}

#[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
#[repr(C)]
struct Pair<T, const N: usize = 2>
where
    T: Copy,
{
    first: T,
    rest: [T; N],
}

#[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
#[repr(transparent)]
struct Id(u64);

#[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
#[repr(C)]
struct Tuple(pub Line, u32, [u8; 2], i16, [u8; 56]);

#[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
#[repr(C, align(64))]
struct Line {
    bytes: [u8; 64],
}

#[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
#[repr(C)]
struct Awkward {
    create: u64,
    attach: u64,
    len: u64,
    get: u64,
    set: u64,
    load: u64,
    view: u64,
    name: u64,
    self_: u64,
    r#type: u64,
    payload: u64,
    cell: u64,
    #[shm(rename = "was_called")]
    is_called: u64,
}

fn everything() -> Everything {
    let inner = |n: u16| Inner {
        xs: [n, n + 1, n + 2, n + 3],
        on: n % 2 == 1,
        _pad: [0; 3],
        level: -i32::from(n),
    };
    Everything {
        wide: 0x0123_4567_89ab_cdef_0011_2233_4455_6677,
        wide_signed: -5,
        a: u64::MAX - 1,
        b: -1.25,
        c: i64::MIN,
        d: 3.5,
        e: 77,
        inner: inner(1),
        grid: [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]],
        flags: [true, false, true, true, false, false],
        byte: 200,
        signed_byte: -100,
        short: 60_000,
        signed_short: -30_000,
        id: NonZeroU32::new(9),
        wrapping: Wrapping(3),
        inners: [inner(2), inner(3), inner(4), inner(5), inner(6)],
        none: [],
        marker: PhantomData,
        pad: [1, 2],
    }
}

#[test]
fn a_new_segment_is_zero_and_holds_what_is_stored() {
    let shm = Everything::create_anonymous().unwrap();
    let zero = shm.load();
    assert_eq!(
        (zero.wide, zero.b, zero.inner.on, zero.id),
        (0, 0.0, false, None)
    );

    shm.store(everything());
    assert_eq!(shm.load(), everything());
    assert_eq!(*shm.load_boxed(), everything());
    let mut out = zero;
    shm.load_into(&mut out);
    assert_eq!(out, everything());
    shm.store_from(&zero);
    assert_eq!(shm.load(), zero);
}

#[test]
fn every_kind_of_leaf_is_read_and_set_separately() {
    let shm = Everything::create_anonymous().unwrap();
    shm.store(everything());
    let all = everything();
    assert_eq!(shm.wide.get(), all.wide);
    assert_eq!(shm.wide_signed.get(), all.wide_signed);
    assert_eq!(shm.b.get(), all.b);
    assert_eq!(shm.d.get(), all.d);
    assert_eq!(shm.signed_byte.get(), all.signed_byte);
    assert_eq!(shm.signed_short.get(), all.signed_short);
    assert_eq!(shm.id.get(), all.id);
    assert_eq!(shm.wrapping.get(), all.wrapping);
    assert!(shm.inner.on.get());
    assert_eq!(shm.inner.xs[3].get(), 4);
    assert_eq!(shm.inners[4].level.get(), -6);
    assert_eq!(shm.grid[1][2].get(), 6.0);
    assert!(shm.none.is_empty());

    shm.wide.set(1 << 100);
    shm.id.set(None);
    shm.wrapping.set(shm.wrapping.get() + Wrapping(u64::MAX));
    shm.grid[0][1].set(-2.0);
    shm.inners[2].on.set(true);
    let expected = {
        let mut all = everything();
        all.wide = 1 << 100;
        all.id = None;
        all.wrapping = Wrapping(2);
        all.grid[0][1] = -2.0;
        all.inners[2].on = true;
        all
    };
    assert_eq!(shm.load(), expected);
    assert_eq!(shm.inner.load(), expected.inner);
    assert_eq!(shm.inners.load(), expected.inners);
}

#[test]
fn slices_copy_values_in_bulk() {
    let shm = Everything::create_anonymous().unwrap();
    shm.store(everything());
    assert_eq!(shm.inners.len(), 5);
    assert_eq!(shm.inners.to_vec(), everything().inners);
    assert_eq!(shm.inners[1..3].to_vec(), everything().inners[1..3]);
    assert_eq!(shm.flags.to_vec(), everything().flags);
    assert!(shm.inners.get(5).is_none());
    assert!(shm.inners.get(3..6).is_none());
    assert_eq!(shm.inners.get(..=1).unwrap().len(), 2);
    assert_eq!(
        shm.inners
            .iter()
            .map(|inner| inner.level.get())
            .sum::<i32>(),
        -20
    );
    for cell in &shm.pad {
        cell.set(cell.get() + 1);
    }
    assert_eq!(shm.pad.load(), [2, 3]);
    shm.inners[3..].fill(everything().inner);
    assert_eq!(shm.inners[4].load(), everything().inner);
    shm.grid[1].write_from(&[7.0, 8.0, 9.0]);
    let mut row = [0.0; 3];
    shm.grid[1].read_into(&mut row);
    assert_eq!(row, [7.0, 8.0, 9.0]);
    assert_eq!(shm.grid.as_cells().first().unwrap()[0].get(), 1.0);
}

#[test]
#[should_panic(
    expected = "read_into: length of the cells (3) does not match length of the values (2)"
)]
fn a_bulk_read_of_a_different_length_panics() {
    let shm = Everything::create_anonymous().unwrap();
    shm.grid[0].read_into(&mut [0.0; 2]);
}

#[test]
#[should_panic(expected = "index out of bounds: the len is 2 but the index is 2")]
fn an_index_out_of_bounds_panics() {
    let shm = Everything::create_anonymous().unwrap();
    let index = shm.pad.len();
    let _ = shm.pad[index].get();
}

#[test]
fn atomic_fields_have_the_std_atomic_api() {
    let shm = Counters::create_anonymous().unwrap();
    assert_eq!(shm.hits.fetch_add(2, Ordering::Relaxed), 0);
    assert_eq!(shm.hits.load(Ordering::Acquire), 2);
    shm.level.store(-4, Ordering::Release);
    assert!(!shm.open.swap(true, Ordering::AcqRel));
    shm.slots[2].fetch_or(8, Ordering::Relaxed);
    let view = shm.read_only();
    assert_eq!(view.hits.load(Ordering::Relaxed), 2);
    for order in [Ordering::Relaxed, Ordering::Acquire, Ordering::SeqCst] {
        assert_eq!(view.slots[2].load(order), 8);
        assert!(view.open.load(order));
    }
    assert_eq!(
        format!("{:?}", shm.cell()),
        "Counters { hits: 2, level: -4, open: true, pad: [0, 0, 0], slots: [0, 0, 8] }"
    );
}

#[test]
fn scalars_arrays_and_atomics_can_be_whole_segments() {
    let number = u64::create_anonymous().unwrap();
    number.set(5);
    assert_eq!(number.get() + number.load(), 10);
    let array = <[u32; 1024]>::create_anonymous().unwrap();
    array[1023].set(6);
    assert_eq!(array.iter().map(|cell| cell.get()).sum::<u32>(), 6);
    assert_eq!((&array).into_iter().count(), 1024);
    let atomic = AtomicU64::create_anonymous().unwrap();
    atomic.fetch_add(3, Ordering::SeqCst);
    assert_eq!(atomic.load(Ordering::SeqCst), 3);
}

#[test]
fn generic_and_tuple_structs_work() {
    let shm = Pair::<f32, 3>::create_anonymous().unwrap();
    shm.store(Pair {
        first: 1.0,
        rest: [2.0, 3.0, 4.0],
    });
    assert_eq!(shm.rest[2].get(), 4.0);
    assert_eq!(Pair::<Inner>::SIZE, 3 * size_of::<Inner>());
    let nested = Pair::<Pair<u8, 3>, 1>::create_anonymous().unwrap();
    nested.rest[0].rest[2].set(1);
    assert_eq!(nested.load().rest[0].rest, [0, 0, 1]);

    let id = Id::create_anonymous().unwrap();
    id.0.set(7);
    assert_eq!(id.load(), Id(7));
    assert_eq!(format!("{:?}", id.cell()), "Id(7)");

    let tuple = Tuple::create_anonymous().unwrap();
    tuple.0.bytes[63].set(1);
    tuple.3.set(-1);
    assert_eq!(tuple.load(), Tuple(tuple.0.load(), 0, [0; 2], -1, [0; 56]));
    assert_eq!((tuple.cell().as_ptr() as usize % 64, Tuple::ALIGN), (0, 64));
}

#[test]
fn fields_may_have_any_name() {
    let shm = Awkward::create_anonymous().unwrap();
    shm.create.set(1);
    shm.attach.set(2);
    shm.len.set(3);
    shm.get.set(4);
    shm.set.set(5);
    shm.load.set(6);
    shm.view.set(7);
    shm.name.set(8);
    shm.self_.set(9);
    shm.r#type.set(10);
    shm.payload.set(11);
    shm.cell.set(12);
    shm.is_called.set(13);
    let Awkward {
        create,
        attach,
        len,
        get,
        set,
        load,
        view,
        name,
        self_,
        r#type,
        payload,
        cell,
        is_called,
    } = shm.load();
    assert_eq!(
        [
            create, attach, len, get, set, load, view, name, self_, r#type, payload, cell,
            is_called
        ],
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]
    );
    let names: Vec<_> = Awkward::LAYOUT
        .fields()
        .iter()
        .map(|field| field.name())
        .collect();
    assert_eq!(names[9], "type");
    assert_eq!(names[12], "was_called");
}

#[test]
fn debug_output_equals_that_of_the_type() {
    let shm = Everything::create_anonymous().unwrap();
    shm.store(everything());
    assert_eq!(
        format!("{:?}", shm.inner),
        format!("{:?}", everything().inner)
    );
    assert_eq!(
        format!("{:#?}", shm.inners),
        format!("{:#?}", everything().inners)
    );
    assert_eq!(format!("{:?}", shm.grid[1]), "[4.0, 5.0, 6.0]");
    assert_eq!(format!("{:?}", shm.a), "18446744073709551614");
    let text = format!("{shm:?}");
    assert!(
        text.starts_with("Shm(\"(anonymous)\", Everything { wide: "),
        "{text}"
    );
}

#[test]
fn a_sync_type_in_a_struct_prints_as_it_does_alone() {
    use shm_core::sync::{Barrier, Broadcast, Event, Mutex, Semaphore, SeqLock};
    #[derive(ShmLayout)]
    #[repr(C)]
    #[shm(padding)]
    struct Plant {
        limits: Mutex<[u16; 2]>,
        pose: SeqLock<u64>,
        log: Broadcast<u64, 4>,
        permits: Semaphore,
        changed: Event,
        meet: Barrier<3>,
    }
    let shm = Plant::create_anonymous().unwrap();
    shm.permits.post_many(7).unwrap();
    shm.changed.notify_all();
    shm.pose.store(5).unwrap();
    shm.log.sender().unwrap().send(1).unwrap();
    let _seats = [shm.meet.join().unwrap(), shm.meet.join().unwrap()].map(|mut seat| {
        assert!(seat.wait_timeout(Duration::ZERO).is_err());
        seat
    });
    let _guard = shm.limits.lock().unwrap();
    let alone = [
        format!("limits: {:?}", shm.limits),
        format!("pose: {:?}", shm.pose),
        format!("log: {:?}", shm.log),
        format!("permits: {:?}", shm.permits),
        format!("changed: {:?}", shm.changed),
        format!("meet: {:?}", shm.meet),
    ];
    let expected = format!("Plant {{ {} }}", alone.join(", "));
    assert_eq!(format!("{:?}", shm.cell()), expected);
    for part in [
        "Semaphore { value: 7 }",
        "Event { generation: 1 }",
        "Barrier { round: 0, arrived: 2, .. }",
    ] {
        assert!(expected.contains(part), "{expected}");
    }
}

#[test]
fn constants_describe_the_layout() {
    assert_eq!(Everything::SIZE, size_of::<Everything>());
    assert_eq!(Everything::ALIGN, 16);
    assert_eq!(Everything::PAGE_ROUNDED_SIZE, 4096);
    assert_eq!(<[u8; 4096]>::PAGE_ROUNDED_SIZE, 8192);
    for (field, offset) in Everything::LAYOUT.fields().iter().zip([
        std::mem::offset_of!(Everything, wide),
        std::mem::offset_of!(Everything, wide_signed),
        std::mem::offset_of!(Everything, a),
    ]) {
        assert_eq!(field.offset(), offset);
    }
    assert_eq!(Inner::LAYOUT.name(), "Inner");
}

#[test]
fn the_fingerprint_follows_the_layout_not_type_names() {
    mod other {
        use shm_core::ShmLayout;
        #[derive(ShmLayout)]
        #[repr(C)]
        pub(super) struct Renamed {
            pub xs: [u16; 4],
            pub on: bool,
            pub _pad: [u8; 3],
            pub level: i32,
        }
        #[derive(ShmLayout)]
        #[repr(C)]
        pub(super) struct OtherField {
            pub ys: [u16; 4],
            pub on: bool,
            pub _pad: [u8; 3],
            pub level: i32,
        }
        #[derive(ShmLayout)]
        #[repr(C)]
        #[shm(version = 2)]
        pub(super) struct Newer {
            pub xs: [u16; 4],
            pub on: bool,
            pub _pad: [u8; 3],
            pub level: i32,
        }
    }
    assert_eq!(Inner::FINGERPRINT, other::Renamed::FINGERPRINT);
    assert_ne!(Inner::FINGERPRINT, other::OtherField::FINGERPRINT);
    assert_ne!(Inner::FINGERPRINT, other::Newer::FINGERPRINT);
    assert_eq!(other::Newer::LAYOUT.version(), 2);
}

#[test]
fn handles_and_cells_are_send_sync_and_unwind_safe() {
    fn sync<T: Send + Sync + std::panic::UnwindSafe + std::panic::RefUnwindSafe>(_: &T) {}
    let shm = Counters::create_anonymous().unwrap();
    sync(&shm);
    let add = || {
        for _ in 0..1000 {
            shm.hits.fetch_add(1, Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        for thread in [(); 4].map(|()| scope.spawn(add)) {
            thread.join().unwrap();
        }
    });
    assert_eq!(shm.hits.load(Ordering::Relaxed), 4000);
}
