//! What is recorded, what is accepted, and what killed and other processes do meanwhile.

mod generated;

use std::fs::File;
use std::time::Duration;

use super::*;
use crate::error::{Mismatch, ShmError};
use crate::layout::FieldLayout;
use crate::lock_byte::LEVELS;
use crate::segment::attach::{self, AttachMode, Wanted};
use crate::segment::header::{self, HEADER_LEN, LEVELS_OFFSET};
use crate::segment::options::Settings;
use crate::segment::{Segment, ShmOptions, create};
use crate::shm_layout::ShmLayout;
use crate::sys::lock::{self, LockKind};
use crate::sys::test_support::error;

/// A field of a generated struct.
#[derive(Clone, Debug, PartialEq)]
struct Field {
    name: String,
    /// Which of [`KINDS`] it is.
    kind: usize,
    since: u32,
}

const KINDS: [&TypeLayout; 6] = [
    u8::LAYOUT,
    u16::LAYOUT,
    u64::LAYOUT,
    u128::LAYOUT,
    <[u8; 5]>::LAYOUT,
    <[u64; 300]>::LAYOUT,
];

fn field(name: &str, kind: usize, since: u32) -> Field {
    Field {
        name: name.to_owned(),
        kind,
        since,
    }
}

/// The layout of a struct of these fields, with the offsets of `repr(C)`.
fn layout(fields: &[Field], room: Option<usize>) -> &'static TypeLayout {
    let (mut end, mut align) = (0_usize, 1);
    let mut placed = Vec::new();
    for field in fields {
        let kind = KINDS[field.kind];
        let offset = end.next_multiple_of(kind.align());
        end = offset + kind.size();
        align = align.max(kind.align());
        let name = field.name.clone().leak();
        placed.push(FieldLayout::at(name, offset, kind).with_since(field.since));
    }
    let size = end.next_multiple_of(align);
    let mut layout = TypeLayout::structure("Grown", 0, size, align, placed.leak()).with_gaps();
    if fields.iter().any(|field| field.since > 0) {
        layout = layout.with_levels(1);
    }
    if let Some(room) = room {
        layout = layout.with_room(room);
    }
    Box::leak(Box::new(layout))
}

fn settings() -> Settings {
    let options = ShmOptions::<u64>::new().timeout(Duration::from_millis(5));
    options.settings.clone()
}

fn create(layout: &'static TypeLayout) -> Segment {
    create::anonymous(&settings(), layout, 0).unwrap()
}

fn file_of(segment: &Segment) -> File {
    segment.file().try_clone().unwrap()
}

fn attach_as(file: File, layout: &'static TypeLayout, writable: bool) -> Result<Segment, ShmError> {
    let mode = AttachMode {
        writable,
        owner: false,
        len: None,
    };
    let deadline = settings().deadline();
    attach::from_fd(&settings(), file, Wanted::Type(layout), mode, deadline)
}

fn attach(segment: &Segment, layout: &'static TypeLayout) -> Result<Segment, ShmError> {
    attach_as(file_of(segment), layout, true)
}

fn read_only(segment: &Segment, layout: &'static TypeLayout) -> Result<Segment, ShmError> {
    attach_as(file_of(segment), layout, false)
}

fn bytes_of(segment: &Segment) -> Vec<u8> {
    let mut bytes = vec![0; segment.mapped_len()];
    file::read_at(segment.file(), &mut bytes, 0).unwrap();
    bytes
}

fn mismatch(error: ShmError) -> Mismatch {
    match error {
        ShmError::LayoutMismatch { mismatch, .. } => mismatch,
        other => panic!("{other}"),
    }
}

/// The fields of a version of a struct: the first `len` of these.
fn trunk() -> [Field; 5] {
    [
        field("beat", 2, 0),
        field("load", 2, 1),
        field("a", 1, 2),
        field("b", 1, 2),
        field("fan", 2, 3),
    ]
}

#[test]
fn a_record_lies_at_the_end_and_describes_its_level() {
    let shm = create(layout(&trunk(), None));
    let bytes = bytes_of(&shm);
    let level_1 = layout(&trunk()[..2], None);
    let end = bytes.len();
    assert_eq!(bytes[LEVELS_OFFSET..LEVELS_OFFSET + 4], 3_u32.to_ne_bytes());
    assert_eq!(
        bytes[end - 8..],
        level_1.level_fingerprint(1).to_ne_bytes(),
        "the fingerprint of level 1"
    );
    assert_eq!(bytes[end - 12..end - 8], [0; 4]);
    // The head, and a name of four bytes, an offset and a scalar.
    let len = 16 + 2 + 4 + 8 + 12;
    assert_eq!(bytes[end - 16..end - 12], (len as u32).to_ne_bytes());
    let begin = end - 16 - 48;
    assert_eq!(bytes[begin..begin + 8], 16_u64.to_ne_bytes(), "size");
    assert_eq!(bytes[begin + 8..begin + 12], 8_u32.to_ne_bytes());
    assert_eq!(bytes[begin + 12..begin + 16], 1_u32.to_ne_bytes());
    assert_eq!(bytes[begin + 16..begin + 22], *b"\x04\0load");
    assert_eq!(bytes[begin + len..end - 16], [0; 6]);
    let level_2 = layout(&trunk()[..4], None).level_fingerprint(2);
    assert_eq!(bytes[begin - 8..begin], level_2.to_ne_bytes());
}

#[test]
fn old_and_new_programs_attach_and_the_new_one_announces() {
    let versions: Vec<_> = [1, 2, 4, 5].map(|len| layout(&trunk()[..len], None)).into();
    let shm = create(versions[0]);
    let level = || shm.level(versions[0]).unwrap();
    assert_eq!(level(), 0);
    let reader = read_only(&shm, versions[2]).unwrap();
    assert_eq!((level(), reader.level(versions[2]).unwrap()), (0, 0));
    drop(attach(&shm, versions[2]).unwrap());
    assert_eq!((level(), reader.level(versions[2]).unwrap()), (2, 2));
    drop(attach(&shm, versions[1]).unwrap());
    assert_eq!(level(), 2);
    drop(attach(&shm, versions[3]).unwrap());
    assert_eq!(level(), 3);
    // The result is that of a creator that knew all of them.
    let known = bytes_of(&create(versions[3]));
    let announced = bytes_of(&shm);
    let len = records_len(versions[3], 0);
    assert_eq!(known.len(), announced.len());
    assert_eq!(known[known.len() - len..], announced[known.len() - len..]);
    assert_eq!(known[128..], announced[128..]);
}

#[test]
fn another_branch_is_refused_with_the_level_and_the_field() {
    let mut fork = trunk();
    fork[3].name = "other".into();
    let (ours, fork) = (layout(&trunk(), None), layout(&fork, None));
    let shm = create(ours);
    let before = bytes_of(&shm);
    for opened in [attach(&shm, fork), read_only(&shm, fork)] {
        let refused = error(opened);
        let text = refused.to_string();
        assert_eq!(mismatch(refused), Mismatch::Level { level: 2 });
        assert!(
            text.contains("a different `Grown` than this program's: at level 2, field `other` (u16 at byte 18) is called `b`"),
            "{text}"
        );
        assert!(text.contains("append the same ones"), "{text}");
    }
    assert_eq!(bytes_of(&shm), before, "nothing was announced");
}

#[test]
fn a_reader_of_an_unrecorded_level_learns_of_another_branch() {
    let mut fork = trunk();
    fork[1].name = "other".into();
    let (ours, fork) = (layout(&trunk(), None), layout(&fork, None));
    let shm = create(layout(&trunk()[..1], None));
    let reader = read_only(&shm, ours).unwrap();
    assert_eq!(reader.level(ours).unwrap(), 0);
    assert!(!reader.has_diverged(ours));
    let writer = attach(&shm, fork).unwrap();
    let refused = error(reader.level(ours));
    assert_eq!(mismatch(refused), Mismatch::Level { level: 1 });
    assert!(reader.has_diverged(ours));
    assert!(!writer.has_diverged(fork));
}

/// A struct of eight bytes to which `len` bytes were appended.
fn with_bulk(len: usize) -> &'static TypeLayout {
    let bulk = Box::leak(Box::new(TypeLayout::array(u8::LAYOUT, len)));
    let fields = Box::leak(Box::new([
        FieldLayout::at("beat", 0, u64::LAYOUT),
        FieldLayout::at("bulk", 8, bulk).with_since(1),
    ]));
    let layout = TypeLayout::structure("Grown", 0, (8 + len).next_multiple_of(8), 8, fields);
    Box::leak(Box::new(layout.with_gaps().with_levels(1)))
}

#[test]
fn lacking_room_is_counted_to_the_byte() {
    let shm = create(layout(&[field("beat", 2, 0)], Some(0)));
    let before = bytes_of(&shm);
    // The head, the name, the offset, the node of an array, and the foot.
    let record = (16 + 2 + 4 + 8 + 28_usize).next_multiple_of(8) + 16;
    let longest = shm.mapped_len() - shm.payload_offset() - 8 - record;
    for (len, lacking) in [(1, 8), (8, 8), (9, 16), (1 << 40, 1 << 40)] {
        for writable in [true, false] {
            let opened = attach_as(file_of(&shm), with_bulk(longest + len), writable);
            let refused = error(opened);
            let text = refused.to_string();
            assert_eq!(mismatch(refused), Mismatch::Room { lacking });
            for part in [
                "is too short for this program's `Grown`: ",
                &format!("{lacking} bytes are lacking for its fields up to level 1"),
                "`#[shm(room = ..)]`",
            ] {
                assert!(text.contains(part), "{text}");
            }
        }
    }
    assert_eq!(bytes_of(&shm), before, "nothing was announced");
    drop(attach(&shm, with_bulk(longest)).unwrap());
    assert_eq!(shm.level(with_bulk(longest)).unwrap(), 1);
}

#[test]
fn a_held_lock_makes_announcing_busy_and_nothing_else() {
    let shm = create(layout(&trunk()[..1], None));
    let newer = layout(&trunk(), None);
    let holder = file::reopen(shm.file()).unwrap();
    assert!(lock::try_lock(&holder, LEVELS, LockKind::Shared).unwrap());
    let text = error(attach(&shm, newer)).to_string();
    assert!(text.contains("keeps its levels locked"), "{text}");
    drop(read_only(&shm, newer).unwrap());
    drop(attach(&shm, layout(&trunk()[..1], None)).unwrap());
    assert_eq!(shm.level(newer).unwrap(), 0);
    drop(holder);
    drop(attach(&shm, newer).unwrap());
    // With nothing to announce it needs no lock.
    let holder = file::reopen(shm.file()).unwrap();
    assert!(lock::try_lock(&holder, LEVELS, LockKind::Shared).unwrap());
    drop(attach(&shm, newer).unwrap());
}

/// A duplicate of the descriptor shares the description, whose own lock never conflicts.
#[test]
fn announcing_locks_through_a_description_of_its_own() {
    let shm = create(layout(&trunk()[..1], None));
    let newer = layout(&trunk(), None);
    assert!(lock::try_lock(shm.file(), LEVELS, LockKind::Exclusive).unwrap());
    let text = error(attach(&shm, newer)).to_string();
    assert!(text.contains("keeps its levels locked"), "{text}");
    lock::unlock(shm.file(), LEVELS).unwrap();
    let attached = attach(&shm, newer).unwrap();
    let other = file::reopen(shm.file()).unwrap();
    assert_eq!(lock::holder(&other, LEVELS).unwrap(), None);
    drop(attached);
}

#[test]
fn announcing_compares_again_once_it_has_the_lock() {
    let mut fork = trunk();
    fork[1].name = "other".into();
    let (ours, fork) = (layout(&trunk(), None), layout(&fork[..2], None));
    let shm = create(layout(&trunk()[..1], None));
    let frozen = header::parse(&bytes_of(&shm)[..HEADER_LEN], shm.mapped_len() as u64)
        .unwrap()
        .frozen;
    // Another process comes in between.
    drop(attach(&shm, fork).unwrap());
    let before = bytes_of(&shm);
    let own = file::reopen(shm.file()).unwrap();
    match announce::announce(&own, &frozen, ours, settings().deadline()) {
        Err(Conflict::Level { level: 1, .. }) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(bytes_of(&shm), before, "nothing was announced");
    assert!(matches!(
        announce::announce(&own, &frozen, fork, settings().deadline()),
        Ok(true)
    ));
    assert_eq!(bytes_of(&shm), before, "nothing was left to announce");
}

#[test]
fn what_a_killed_announcer_left_is_cleared_from_new_fields() {
    let shm = create(layout(&[field("beat", 2, 0)], None));
    // As a process that was killed after it wrote the record and before it wrote the number.
    let end = shm.mapped_len() as u64;
    file::write_at(shm.file(), &[0xff; 1500], end - 1500).unwrap();
    let large: Vec<_> = std::iter::once(field("beat", 2, 0))
        .chain(std::iter::once(field("many", 5, 1)))
        .collect();
    let large = layout(&large, None);
    let announced = attach(&shm, large).unwrap();
    let bytes = bytes_of(&shm);
    let start = announced.payload_offset();
    assert!(
        bytes[start + 8..start + large.size()]
            .iter()
            .all(|byte| *byte == 0)
    );
    assert_eq!(announced.level(large).unwrap(), 1);
}

#[test]
fn a_file_that_was_cut_is_not_announced_in() {
    use crate::sys::shm;
    let old = layout(&trunk()[..1], None);
    let new = layout(&trunk(), None);
    let whole = bytes_of(&create(old));
    let frozen = header::parse(&whole[..HEADER_LEN], whole.len() as u64)
        .unwrap()
        .frozen;
    for len in [0, 100, 208, 300, 4095, 8192] {
        let file = shm::open_unnamed().unwrap();
        file::write_at(&file, &whole, 0).unwrap();
        file::set_len(&file, len).unwrap();
        let deadline = settings().deadline();
        match announce::announce(&file, &frozen, new, deadline) {
            Err(Conflict::Corrupt(reason)) => {
                assert!(reason.contains("has cut or overwritten"), "{reason}")
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(file::stat(&file).unwrap().len, len);
    }
    // Nor in one that has become another segment.
    let file = shm::open_unnamed().unwrap();
    file::write_at(&file, &whole, 0).unwrap();
    let mut other = frozen;
    other.created_at += 1;
    let announced = announce::announce(&file, &other, new, settings().deadline());
    assert!(matches!(announced, Err(Conflict::Corrupt(_))));
}

#[test]
fn impossible_records_are_refused_one_by_one() {
    use crate::sys::shm;
    let layout = layout(&trunk()[..2], None);
    let file = shm::open_unnamed().unwrap();
    let end = 64 << 20;
    file::set_len(&file, end).unwrap();
    let capacity = |base_end| Capacity {
        start: 384,
        base_end,
        end,
    };
    let with = |len: u32, zero: u32, base_end: u64| {
        let mut foot = [len.to_ne_bytes(), zero.to_ne_bytes()].concat();
        foot.extend(layout.level_fingerprint(1).to_ne_bytes());
        file::write_at(&file, &foot, end - 16).unwrap();
        check(&file, capacity(base_end), 1, layout)
    };
    let greatest = (16 << 20) - 16;
    assert_eq!(with(greatest, 0, 392).unwrap(), end - (16 << 20));
    assert_eq!(with(16, 0, end - 32).unwrap(), end - 32);
    assert_eq!(with(17, 0, end - 40).unwrap(), end - 40);
    for (len, zero, base_end) in [
        (greatest + 1, 0, 392),
        (u32::MAX, 0, 392),
        (15, 0, 392),
        (0, 0, 392),
        (16, 1, 392),
        (16, 1 << 31, 392),
        (17, 0, end - 39),
        (16, 0, end - 31),
        (16, 0, end - 8),
    ] {
        match with(len, zero, base_end) {
            Err(Conflict::Corrupt(reason)) => {
                assert_eq!(reason, "the record of a level is impossible");
            }
            other => panic!("{len} {zero} {base_end}: {other:?}"),
        }
    }
}

#[test]
fn records_that_reach_into_the_fields_are_damaged() {
    use crate::sys::shm;
    let layout = layout(&trunk()[..2], None);
    let file = shm::open_unnamed().unwrap();
    file::set_len(&file, 4096).unwrap();
    let mut foot = [16_u32.to_ne_bytes(), [0; 4]].concat();
    foot.extend(layout.level_fingerprint(1).to_ne_bytes());
    file::write_at(&file, &foot, 4096 - 16).unwrap();
    let capacity = |start| Capacity {
        start,
        base_end: start,
        end: 4096,
    };
    let begin = 4096 - 32;
    let fits = begin - layout.size() as u64;
    assert_eq!(check(&file, capacity(fits), 1, layout).unwrap(), begin);
    match check(&file, capacity(fits + 1), 1, layout) {
        Err(Conflict::Corrupt(reason)) => assert!(reason.contains("into its fields"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_newest_size_stays_within_the_segment() {
    let shm = create(layout(&trunk(), None));
    let size = || {
        let start = &bytes_of(&shm)[..HEADER_LEN];
        let header = header::parse(start, shm.mapped_len() as u64).unwrap();
        newest_size(shm.file(), &header)
    };
    assert_eq!(size(), layout(&trunk(), None).size() as u64);
    let begin = (shm.mapped_len() - records_len(layout(&trunk(), None), 0)) as u64;
    let longest = begin - shm.payload_offset() as u64;
    for (recorded, found) in [(0, 8), (longest, longest), (u64::MAX, longest)] {
        file::write_at(shm.file(), &recorded.to_ne_bytes(), begin).unwrap();
        assert_eq!(size(), found);
    }
}

#[test]
fn only_joined_levels_are_split() {
    let level = |len| Recorded {
        body: vec![7; len],
        fingerprint: 9,
    };
    let levels = |count, len| join(&vec![level(len); count], ByteOrder::Native);
    let split_len = |bytes: &[u8]| split(bytes).map(|levels| levels.len());
    let most = MAX_LEVEL as usize;
    for (count, len, found) in [
        (0, HEAD, Some(0)),
        (2, HEAD, Some(2)),
        (2, HEAD + 1, Some(2)),
        (most, HEAD, Some(most)),
        (most + 1, HEAD, None),
        (1, HEAD - 1, None),
    ] {
        assert_eq!(split_len(&levels(count, len)), found, "{count} {len}");
    }
    let mut bytes = levels(1, HEAD);
    let zero = bytes.len() - FOOT + 4;
    bytes[zero] = 1;
    assert_eq!(split_len(&bytes), None);
}

#[test]
fn new_fields_of_more_than_a_page_are_cleared() {
    let old = [field("beat", 2, 0)];
    let many = ["a", "b", "c", "d"].map(|name| field(name, 5, 1));
    let new = layout(&[&old[..], &many].concat(), None);
    let shm = create(layout(&old, Some(3 * 4096)));
    let start = shm.payload_offset();
    let left = vec![0xff; shm.mapped_len() - start - 8];
    file::write_at(shm.file(), &left, (start + 8) as u64).unwrap();
    drop(attach(&shm, new).unwrap());
    let bytes = bytes_of(&shm);
    assert!(new.size() > 2 * 4096);
    assert_eq!(
        bytes[start + 8..start + new.size()],
        vec![0; new.size() - 8]
    );
    assert_eq!(bytes[start + new.size()], 0xff);
}

#[test]
fn a_replaced_descriptor_says_nothing_of_levels() {
    use std::os::fd::AsRawFd;
    let newest = layout(&trunk(), None);
    let (shm, other) = (create(layout(&trunk()[..1], None)), create(newest));
    let number = shm.file().as_raw_fd();
    let kept = file_of(&shm);
    let replace_by = |file: &File| {
        // SAFETY: both descriptors are open, and the handle works with any file behind its own.
        let replaced = unsafe { libc::dup2(file.as_raw_fd(), number) };
        assert_eq!(replaced, number);
    };
    replace_by(other.file());
    let refused = shm.level(newest);
    replace_by(&kept);
    let refused = error(refused);
    assert!(matches!(refused, ShmError::Os { .. }), "{refused}");
    assert_eq!(shm.level(newest).unwrap(), 0);
}

#[test]
fn advice_about_another_branch_fits_the_segments_state() {
    use crate::name::SegmentName;
    use crate::sys::test_support::TestName;
    let mut fork = trunk();
    fork[1].name = "other".into();
    let (ours, fork) = (layout(&trunk(), None), layout(&fork, None));
    let name = TestName::new("diverged");
    let checked = SegmentName::new(name.as_str()).unwrap();
    let attach = |layout, writable| {
        let mode = AttachMode {
            writable,
            owner: writable,
            len: None,
        };
        let deadline = settings().deadline();
        attach::attach(&settings(), &checked, Wanted::Type(layout), mode, deadline).unwrap()
    };
    let old = layout(&trunk()[..1], None);
    let owner =
        create::prepare(&settings(), &checked, old, 0, settings().deadline(), true).unwrap();
    owner
        .publish(&settings(), settings().deadline(), false)
        .unwrap();
    let reader = attach(ours, false);
    let writer = attach(fork, true);
    let advice = || error(reader.level(ours)).to_string();
    assert!(advice().contains("its owner is alive"), "{}", advice());
    writer.mark_persistent();
    assert!(advice().contains("remove it with `unlink`"), "{}", advice());
    drop((owner, writer));
}
