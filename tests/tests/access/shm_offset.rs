//! Offsets, which replace pointers: each resolves to a cell of its type or fails.

#![forbid(unsafe_code)]

use std::collections::HashSet;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicU64;

use shm_core::layout::LayoutKind;
use shm_core::sync::Mutex;
use shm_core::{Shm, ShmError, ShmLayout, ShmOffset, ShmStr, ShmVec, TypeLayout};
use shm_tests::{Names, Random, scribble};

#[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
#[repr(C)]
struct Node {
    value: u64,
    next: ShmOffset<Node>,
}

#[derive(ShmLayout)]
#[repr(C)]
struct List {
    first: ShmOffset<Node>,
    last: ShmOffset<Node>,
    nodes: [Node; 6],
}

// Types that refer to each other, and to type parameters.
#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Left {
    right: ShmOffset<Right>,
}

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Right {
    left: ShmOffset<Left>,
    many: [ShmOffset<[Left; 2]>; 2],
}

#[derive(Clone, Copy, Debug, ShmLayout)]
#[repr(C)]
struct Tree<T: Copy> {
    children: [ShmOffset<Tree<T>>; 2],
    value: T,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Mixed {
    left: Left,
    right: Right,
    tree: Tree<u64>,
    counter: AtomicU64,
    key: ShmStr<16>,
    points: ShmVec<[u32; 2], 3>,
    grid: [[u16; 4]; 3],
    none: [u64; 0],
    nothings: [[u8; 0]; 2],
    no_nothings: [[i8; 0]; 0],
    at: ShmOffset<u32>,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Forest {
    root: ShmOffset<Tree<u32>>,
    trees: [Tree<[u32; 2]>],
}

fn again<T: ShmLayout + ?Sized>(shm: &Shm<T>) -> Shm<T> {
    T::from_fd(shm.as_fd().try_clone_to_owned().unwrap()).unwrap()
}

#[test]
fn an_offset_is_a_number_and_null_is_zero() {
    assert_eq!((ShmOffset::<Node>::SIZE, ShmOffset::<Node>::ALIGN), (8, 8));
    let shm = List::create_anonymous().unwrap();
    assert!(shm.first.get().is_null());
    assert_eq!(shm.first.get(), ShmOffset::NULL);
    assert_eq!(ShmOffset::<Node>::default().as_raw(), 0);
    let third = shm.offset_of(&shm.nodes[3]);
    assert_eq!(third, shm.offset_of(shm.nodes[3].read_only()));
    assert_ne!(third, shm.offset_of(&shm.nodes[4]));
    assert_eq!(HashSet::from([third, third, ShmOffset::NULL]).len(), 2);
    shm.first.set(third);
    assert_eq!(shm.first.get(), third);
    assert_eq!(shm.nodes[3].load().next, ShmOffset::NULL);
    assert_eq!(format!("{:?}", ShmOffset::<Node>::NULL), "ShmOffset(null)");
    let text = format!("ShmOffset({:#x})", third.as_raw());
    assert_eq!(format!("{third:?}"), text);
    assert_eq!(format!("{:?}", shm.first), text);
    assert_eq!(
        Node::LAYOUT.to_string().lines().last().unwrap().trim(),
        "8       8      8  next   ShmOffset<Node>"
    );
}

#[test]
fn an_offset_is_the_position_in_the_file() {
    let names = Names::new("offset-file");
    let name = names.name("list");
    let shm = List::create(&name).unwrap();
    shm.nodes[2].value.set(0x0123_4567_89ab_cdef);
    let at = shm.offset_of(&shm.nodes[2].value).as_raw() as usize;
    let file = std::fs::read(Names::path(&name)).unwrap();
    assert_eq!(file[at..at + 8], 0x0123_4567_89ab_cdef_u64.to_ne_bytes());
}

#[test]
fn a_list_is_followed_in_a_mapping_at_another_address() {
    let shm = List::create_anonymous().unwrap();
    for (number, node) in shm.nodes.iter().enumerate() {
        let next = shm.first.get();
        node.store(Node {
            value: number as u64,
            next,
        });
        shm.first.set(shm.offset_of(node));
    }
    let other = again(&shm);
    assert_ne!(other.as_ptr(), shm.as_ptr());
    let (mut next, mut seen) = (other.first.get(), Vec::new());
    while !next.is_null() {
        let node = other.resolve(next).unwrap();
        seen.push(node.load().value);
        next = node.next.get();
    }
    assert_eq!(seen, [5, 4, 3, 2, 1, 0]);
    // A write through an offset changes the segment.
    other.resolve(other.first.get()).unwrap().value.set(50);
    assert_eq!(shm.nodes[5].value.get(), 50);
}

#[test]
fn mutually_recursive_offset_types_resolve() {
    let shm = Mixed::create_anonymous().unwrap();
    shm.left.right.set(shm.offset_of(&shm.right));
    shm.right.left.set(shm.offset_of(&shm.left));
    shm.tree.children[1].set(shm.offset_of(&shm.tree));
    let right = shm.resolve(shm.left.right.get()).unwrap();
    let left = shm.resolve(right.left.get()).unwrap();
    assert_eq!(left.as_ptr(), shm.left.as_ptr());
    let tree = shm.resolve(shm.tree.children[1].get()).unwrap();
    assert_eq!(tree.as_ptr(), shm.tree.as_ptr());
    // An atomic, an element of a vector, a string, a row, a field without bytes.
    let counter = shm.resolve(shm.offset_of(&shm.counter)).unwrap();
    counter.fetch_add(5, std::sync::atomic::Ordering::Relaxed);
    shm.points.push([1, 2]).unwrap();
    let element = shm.points.get(0).unwrap();
    assert_eq!(shm.resolve(shm.offset_of(element)).unwrap().load(), [1, 2]);
    let number = shm.offset_of(&element[1]);
    shm.at.set(number);
    assert_eq!(shm.resolve(shm.at.get()).unwrap().get(), 2);
    shm.resolve(shm.offset_of(&shm.key))
        .unwrap()
        .set("x")
        .unwrap();
    assert_eq!(shm.key.get().unwrap(), "x");
    let row = shm.resolve(shm.offset_of(&shm.grid[2])).unwrap();
    row[3].set(9);
    assert_eq!(shm.grid[2][3].get(), 9);
    assert!(shm.resolve(shm.offset_of(&shm.none)).unwrap().is_empty());
    // The whole payload, and a read-only mapping.
    assert_eq!(
        shm.resolve(shm.offset_of(shm.cell())).unwrap().as_ptr(),
        shm.cell().as_ptr()
    );
    let fd = shm.as_fd().try_clone_to_owned().unwrap();
    let read_only = Mixed::options().from_fd_read_only(fd).unwrap();
    assert_eq!(read_only.resolve(number).unwrap().get(), 2);
}

#[test]
fn offsets_into_trailing_slices_use_the_real_length() {
    #[derive(ShmLayout)]
    #[repr(C)]
    struct Pile {
        top: ShmOffset<Node>,
        nodes: [Node],
    }
    for len in [0, 1, 5] {
        let shm = Pile::create_anonymous_with_len(len).unwrap();
        let start = shm.offset_of(&shm.top).as_raw();
        for (number, node) in shm.nodes.iter().enumerate() {
            let at = shm.offset_of(node);
            assert_eq!(at.as_raw(), start + 8 + 16 * number as u64);
            let found = again(&shm);
            let found = found.resolve(at).unwrap();
            found.value.set(number as u64 + 1);
            assert_eq!(node.value.get(), number as u64 + 1);
        }
        let end = ShmOffset::<Node>::from_raw(start + 8 + 16 * len as u64);
        assert!(shm.resolve(end).is_err());
    }
}

/// Every place of the payload with a value, with its fingerprint, from the public description of the layout.
fn places(layout: &TypeLayout, at: usize, tail: usize, into: &mut HashSet<(usize, u64)>) {
    into.insert((at, layout.fingerprint()));
    let all = |element: &TypeLayout, len, into: &mut _| {
        (0..len).for_each(|number| places(element, at + number * element.size(), 0, into));
    };
    match layout.kind() {
        LayoutKind::Array { element, len, .. } => all(element, len, into),
        LayoutKind::Slice { element, .. } => all(element, tail, into),
        LayoutKind::Struct { fields, .. } => fields
            .iter()
            .for_each(|field| places(field.layout(), at + field.offset(), tail, into)),
        LayoutKind::Meaning {
            meaning: "vec",
            inner,
            ..
        } => {
            let items = inner.fields()[1];
            let LayoutKind::Array { element, len, .. } = items.layout().kind() else {
                panic!("a vector has an array of items");
            };
            for number in 0..len {
                let at = at + items.offset() + number * element.size();
                places(element, at, 0, into);
            }
        }
        _ => {}
    }
}

/// Tries every valid offset, and many invalid ones, as one of a `U`.
fn try_all<T: ShmLayout + ?Sized, U: ShmLayout>(shm: &Shm<T>, start: u64, tail: usize) -> usize {
    let mut expected = HashSet::new();
    places(T::LAYOUT, 0, tail, &mut expected);
    let mut found = 0;
    let mut check = |raw: u64| {
        let resolved = shm.resolve(ShmOffset::<U>::from_raw(raw));
        let at = raw
            .checked_sub(start)
            .and_then(|at| usize::try_from(at).ok());
        let there = at.is_some_and(|at| expected.contains(&(at, U::FINGERPRINT)));
        assert_eq!(
            resolved.is_ok(),
            there,
            "{raw}: {resolved:?}",
            resolved = resolved.is_ok()
        );
        if let Ok(cell) = resolved {
            assert_eq!(cell.as_ptr().addr() - shm.as_ptr().addr(), at.unwrap());
            assert!(cell.as_ptr().is_aligned());
            found += 1;
        }
    };
    (0..shm.mapped_len() as u64 + 64).for_each(&mut check);
    let mut random = Random::new(4);
    let inside = found;
    for _ in 0..2000 {
        let raw = random.awkward(start);
        if raw > shm.mapped_len() as u64 + 64 {
            assert!(shm.resolve(ShmOffset::<U>::from_raw(raw)).is_err());
        }
    }
    inside
}

#[test]
fn exactly_the_offsets_of_the_type_resolve() {
    let shm = Mixed::create_anonymous().unwrap();
    let start = shm.offset_of(shm.cell()).as_raw();
    assert_eq!(try_all::<_, Mixed>(&shm, start, 0), 1);
    assert_eq!(try_all::<_, Left>(&shm, start, 0), 1);
    assert_eq!(try_all::<_, Right>(&shm, start, 0), 1);
    assert_eq!(try_all::<_, Tree<u64>>(&shm, start, 0), 1);
    assert_eq!(try_all::<_, Tree<i64>>(&shm, start, 0), 0);
    assert_eq!(try_all::<_, AtomicU64>(&shm, start, 0), 1);
    // Not the vector's length.
    assert_eq!(try_all::<_, u64>(&shm, start, 0), 1);
    assert_eq!(try_all::<_, ShmOffset<Node>>(&shm, start, 0), 7);
    assert_eq!(try_all::<_, [u32; 2]>(&shm, start, 0), 3);
    assert_eq!(try_all::<_, u32>(&shm, start, 0), 6);
    assert_eq!(try_all::<_, i32>(&shm, start, 0), 0);
    assert_eq!(try_all::<_, ShmStr<16>>(&shm, start, 0), 1);
    // Nor the inside of a string.
    assert_eq!(try_all::<_, u8>(&shm, start, 0), 0);
    assert_eq!(try_all::<_, [u16; 4]>(&shm, start, 0), 3);
    assert_eq!(try_all::<_, u16>(&shm, start, 0), 12);
    assert_eq!(try_all::<_, [u64; 0]>(&shm, start, 0), 1);
    assert_eq!(try_all::<_, [u8; 0]>(&shm, start, 0), 1);
    assert_eq!(try_all::<_, [i8; 0]>(&shm, start, 0), 0);
    assert_eq!(try_all::<_, ShmVec<[u32; 2], 3>>(&shm, start, 0), 1);

    for len in [0, 3] {
        let shm = Forest::create_anonymous_with_len(len).unwrap();
        let start = shm.offset_of(&shm.root).as_raw();
        assert_eq!(try_all::<_, Tree<[u32; 2]>>(&shm, start, len), len);
        assert_eq!(try_all::<_, u32>(&shm, start, len), 2 * len);
        assert_eq!(try_all::<_, ShmOffset<u8>>(&shm, start, len), 1 + 2 * len);
    }
}

#[test]
fn offset_errors_give_the_reason() {
    let names = Names::new("offset-refused");
    let name = names.name("list");
    let shm = List::create(&name).unwrap();
    let start = shm.offset_of(&shm.first).as_raw();
    let reason = |raw: u64| match shm.resolve(ShmOffset::<Node>::from_raw(raw)).err().unwrap() {
        error @ ShmError::BadOffset { .. } => {
            assert_eq!(error.name(), name);
            let text = error.to_string();
            let ShmError::BadOffset { offset, reason, .. } = error else {
                unreachable!()
            };
            assert_eq!(offset, raw);
            assert!(
                text.contains(&reason) && text.contains("is invalid"),
                "{text}"
            );
            reason
        }
        other => panic!("{other}"),
    };
    assert_eq!(reason(0), "it is null");
    let outside = format!("it is outside the payload, bytes {start}..{}", start + 112);
    assert_eq!(reason(start - 8), outside);
    assert_eq!(reason(start + 112), outside);
    assert_eq!(reason(u64::MAX), outside);
    assert_eq!(reason(start + 17), "`Node` has an alignment of 8 bytes");
    let protected = "no `Node` begins there outside a lock; use `resolve_in` with the guard for what a lock protects";
    assert_eq!(reason(start + 8), protected);
    let arrays = ShmOffset::<[Node; 5]>::from_raw(start + 16);
    let error = shm.resolve(arrays).err().unwrap().to_string();
    assert!(error.contains("no `[Node; 5]` begins there"), "{error}");
}

#[test]
fn offsets_into_a_mutex_resolve_only_through_its_guard() {
    #[derive(ShmLayout)]
    #[repr(C)]
    struct Locked {
        outside: Node,
        lists: [Mutex<List>; 2],
        vector: Mutex<ShmVec<Node, 3>>,
    }
    let shm = Locked::create_anonymous().unwrap();
    let (one, two) = (shm.lists[0].lock().unwrap(), shm.lists[1].lock().unwrap());
    for list in [&one, &two] {
        for (value, node) in (0..).zip(&list.nodes) {
            let next = list.first.get();
            node.store(Node { value, next });
            list.first.set(shm.offset_of(node));
        }
    }
    // From the last to the first, and never beyond the locked value.
    let mut seen = Vec::new();
    let mut next = two.first.get();
    while !next.is_null() {
        assert!(shm.resolve(next).is_err(), "past the lock");
        assert!(
            shm.resolve_in(&one, next).is_err(),
            "with the lock of another"
        );
        let node = shm.resolve_in(&two, next).unwrap();
        seen.push(node.value.get());
        next = node.next.get();
    }
    assert_eq!(seen, [5, 4, 3, 2, 1, 0]);
    for bytes in two.first.get().as_raw() - 200..two.first.get().as_raw() + 200 {
        let found = shm
            .resolve_in(&two, ShmOffset::<Node>::from_raw(bytes))
            .ok();
        let there = two
            .nodes
            .iter()
            .find(|node| shm.offset_of(node).as_raw() == bytes);
        assert_eq!(
            found.map(|node| node.as_ptr()),
            there.map(|node| node.as_ptr())
        );
    }
    let vector = shm.vector.lock().unwrap();
    vector
        .push(Node {
            value: 9,
            next: ShmOffset::NULL,
        })
        .unwrap();
    let place = shm.offset_of(vector.iter().next().unwrap());
    assert_eq!(shm.resolve_in(&vector, place).unwrap().value.get(), 9);
    // A whole cell, one outside, and one of another segment.
    assert!(shm.resolve_in(&two, shm.offset_of(&*two)).is_ok());
    assert!(shm.resolve_in(&two, shm.offset_of(&shm.outside)).is_err());
    let other = List::create_anonymous().unwrap();
    let refused = other.resolve_in(&two, place).err().unwrap().to_string();
    assert!(refused.contains("is not in this segment"), "{refused}");
}

#[test]
fn a_cell_of_another_segment_has_no_offset() {
    let (one, other) = (
        List::create_anonymous().unwrap(),
        List::create_anonymous().unwrap(),
    );
    let twin = again(&one);
    // Above and below in memory, whichever is which.
    for (handle, foreign) in [(&one, &other), (&other, &one), (&one, &twin), (&twin, &one)] {
        let outcome = catch_unwind(AssertUnwindSafe(|| handle.offset_of(&foreign.nodes[0])));
        let text = *outcome.unwrap_err().downcast::<&'static str>().unwrap();
        assert!(text.contains("is not in the segment"), "{text}");
    }
}

#[test]
fn random_offsets_resolve_to_a_node_or_fail() {
    let mut random = Random::new(5);
    let shm = List::create_anonymous().unwrap();
    let nodes: Vec<u64> = shm
        .nodes
        .iter()
        .map(|node| shm.offset_of(node).as_raw())
        .collect();
    let (mut steps, mut refused) = (0, 0);
    for _ in 0..5000 {
        scribble(shm.cell(), &mut random);
        for cell in shm.nodes.iter().map(|node| &node.next).chain([&shm.first]) {
            let raw = match random.below(8) {
                0 => random.awkward(nodes[0]),
                _ => nodes[random.below(nodes.len())],
            };
            cell.set(ShmOffset::from_raw(raw));
        }
        // A bound, because the list may be a cycle.
        let mut next = shm.first.get();
        for _ in 0..nodes.len() {
            match shm.resolve(next) {
                Ok(node) => {
                    assert!(nodes.contains(&next.as_raw()));
                    assert!(shm.nodes.iter().any(|own| std::ptr::eq(own, node)));
                    next = node.next.get();
                    steps += 1;
                }
                Err(error) => {
                    assert!(matches!(error, ShmError::BadOffset { .. }));
                    assert!(!nodes.contains(&next.as_raw()));
                    refused += 1;
                    break;
                }
            }
        }
        drop(format!("{shm:?}"));
    }
    assert!(steps > 1000 && refused > 1000, "{steps} {refused}");
}

#[test]
fn offset_types_print_as_written_in_source() {
    #[derive(ShmLayout)]
    #[repr(C)]
    struct Shelf {
        books: ShmVec<ShmStr<8>, 3>,
        first: ShmOffset<[Node; 2]>,
    }
    let table = Shelf::LAYOUT.to_string();
    for ty in ["ShmVec<ShmStr<8>, 3>", "ShmOffset<[Node; 2]>"] {
        assert!(table.contains(ty), "{table}");
    }
}

#[derive(Clone, Copy, Debug, ShmLayout)]
#[repr(u64)]
enum Mode {
    Off,
    On,
}

/// The number of this variant is chosen so that the two structs below have the same fingerprint.
#[derive(Clone, Copy, Debug, ShmLayout)]
#[repr(u64)]
enum OtherMode {
    Off,
    On = 0xcde4_bc3e_4928_7a60,
}

#[derive(Clone, Copy, Debug, ShmLayout)]
#[repr(C)]
struct Whole {
    number: u64,
    mode: Mode,
}

#[derive(Clone, Copy, Debug, ShmLayout)]
#[repr(C)]
struct Halves {
    number: [u32; 2],
    mode: OtherMode,
}

#[test]
fn types_with_equal_fingerprints_stay_distinct() {
    // It depends on the byte order.
    if cfg!(target_endian = "little") {
        assert_eq!(Whole::FINGERPRINT, Halves::FINGERPRINT);
    }
    let shm = Whole::create_anonymous().expect("there is room");
    let whole = shm.offset_of(shm.cell());
    shm.resolve(whole).expect("it is one");
    let halves = ShmOffset::<Halves>::from_raw(whole.as_raw());
    assert!(matches!(
        shm.resolve(halves),
        Err(ShmError::BadOffset { .. })
    ));
}
