use super::*;
use crate::layout::test_layouts::{U64, array};
use crate::layout::{FieldLayout, TypeLayout};

const SIZED: Expected = Expected {
    size: 40,
    base_size: 40,
    base_align: 8,
    tail_stride: None,
    schema_len: 100,
    fingerprint: 0xfeed,
    version: 3,
    level: 0,
    records_len: 0,
    grows: true,
    room: 1024,
};
const SLICE: Expected = Expected {
    size: 8,
    base_size: 8,
    base_align: 8,
    tail_stride: Some(4),
    schema_len: 100,
    fingerprint: 0xbeef,
    version: 0,
    level: 0,
    records_len: 0,
    grows: false,
    room: 0,
};
const ORIGIN: Origin = Origin {
    created_at: 12,
    pid: 34,
    uid: 56,
};

fn header(expected: &Expected, tail: usize) -> Header {
    Header::new(expected, expected.geometry(tail).unwrap(), tail, 0, ORIGIN)
}

fn accept(header: &Header) -> Result<Header, Refusal> {
    parse(bytemuck::bytes_of(header), header.frozen.total_len)
}

/// Changes one field and corrects the checksum.
fn forged(change: impl FnOnce(&mut Frozen)) -> Header {
    let mut header = header(&SIZED, 0);
    change(&mut header.frozen);
    header.frozen.checksum = header.frozen.own_checksum();
    header
}

#[track_caller]
fn corrupt_with(change: impl FnOnce(&mut Frozen), part: &str) {
    match accept(&forged(change)) {
        Err(Refusal::Corrupt(reason)) => {
            assert!(reason.contains(part), "{part:?} is missing in {reason:?}")
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_geometry_is_aligned_and_whole_pages() {
    let sized = SIZED.geometry(0).unwrap();
    assert_eq!(
        sized,
        Geometry {
            payload_offset: 384,
            payload_len: 40,
            total_len: 4096
        }
    );
    let aligned = Expected {
        base_align: 4096,
        base_size: 4096,
        size: 4096,
        ..SIZED
    };
    let with_room = |room| Expected { room, ..aligned }.geometry(0).unwrap();
    for (room, total_len) in [(0, 8192), (1, 12288), (4096, 12288), (4097, 16384)] {
        let expected = Geometry {
            payload_offset: 4096,
            payload_len: 4096,
            total_len,
        };
        assert_eq!(with_room(room), expected);
    }
    // 8 + 20 bytes are 32.
    assert_eq!(SLICE.geometry(5).unwrap().payload_len, 32);
    assert_eq!(SLICE.geometry(0).unwrap().payload_len, 8);
}

#[test]
fn a_grown_struct_has_room_for_its_newest_level() {
    // The payload begins at 384, and its length is that of level 0.
    for (size, total_len) in [(40, 4096), (3712, 4096), (3713, 8192)] {
        let grown = Expected {
            size,
            room: 0,
            ..SIZED
        };
        let grown = grown.geometry(0).unwrap();
        assert_eq!((grown.payload_len, grown.total_len), (40, total_len));
    }
}

#[test]
fn only_structs_without_a_slice_have_room_for_fields() {
    const LIST: &TypeLayout = &TypeLayout::slice(U64);
    const WITH_SLICE: TypeLayout = TypeLayout::structure(
        "WithSlice",
        0,
        8,
        8,
        const {
            &[
                FieldLayout::at("len", 0, U64),
                FieldLayout::at("list", 8, LIST),
            ]
        },
    );
    const WITHOUT: TypeLayout = TypeLayout::structure(
        "Without",
        0,
        8,
        8,
        const { &[FieldLayout::at("len", 0, U64)] },
    );
    for (layout, grows, room) in [
        (&WITHOUT, true, 1024),
        (&WITHOUT.with_room(0), true, 0),
        (&WITHOUT.with_room(64), true, 64),
        (&WITH_SLICE, false, 0),
        (array![U64; 4], false, 0),
        (U64, false, 0),
    ] {
        let expected = Expected::of(layout);
        assert_eq!((expected.grows, expected.room), (grows, room));
    }
}

#[test]
fn a_type_with_more_levels_than_are_read_has_no_geometry() {
    for (level, fits) in [(0, true), (1000, true), (1001, false), (u32::MAX, false)] {
        let geometry = Expected { level, ..SIZED }.geometry(0);
        assert_eq!(geometry.is_some(), fits, "{level}");
    }
}

#[test]
fn impossible_sizes_are_none_and_not_a_wrapped_number() {
    assert_eq!(SLICE.geometry(usize::MAX), None);
    assert_eq!(SLICE.geometry(usize::MAX / 4), None);
    assert_eq!(SLICE.geometry(isize::MAX as usize / 4), None);
    assert_eq!(
        Expected {
            base_size: usize::MAX,
            ..SIZED
        }
        .geometry(0),
        None
    );
    assert_eq!(
        Expected {
            size: usize::MAX,
            ..SIZED
        }
        .geometry(0),
        None
    );
    assert_eq!(
        Expected {
            room: usize::MAX,
            ..SIZED
        }
        .geometry(0),
        None
    );
    assert_eq!(
        Expected {
            schema_len: usize::MAX,
            ..SIZED
        }
        .geometry(0),
        None
    );
}

#[test]
fn a_new_header_parses_to_what_was_written() {
    let made = header(&SLICE, 5);
    let read = accept(&made).unwrap();
    assert_eq!(read, made);
    assert_eq!(read.mutable.next_participant, 1);
    assert_eq!(
        (
            read.frozen.created_at,
            read.frozen.creator_pid,
            read.frozen.creator_uid
        ),
        (12, 34, 56)
    );
    assert_eq!(
        compare(&read.frozen, &SLICE),
        Ok((SLICE.geometry(5).unwrap(), 5))
    );
    assert_eq!(
        compare(&header(&SIZED, 0).frozen, &SIZED),
        Ok((SIZED.geometry(0).unwrap(), 0))
    );
}

#[test]
fn the_bytes_are_those_of_the_format() {
    let bytes: [u8; HEADER_LEN] = bytemuck::cast(header(&SIZED, 0));
    assert_eq!(&bytes[..8], b"\x89SHM\r\n\x1a\n");
    assert_eq!(bytes[8..10], 2u16.to_ne_bytes());
    assert_eq!(bytes[10..12], 256u16.to_ne_bytes());
    assert_eq!(bytes[12..16], [BYTE_ORDER, 0, 0, 0]);
    assert_eq!(bytes[16..24], 4096u64.to_ne_bytes());
    assert_eq!(bytes[80..88], 0xfeedu64.to_ne_bytes());
    assert_eq!(bytes[200..208], 1u64.to_ne_bytes());
}

#[test]
fn a_number_of_levels_without_room_for_records_is_refused() {
    let with = |levels, expected: &Expected| {
        let mut header = header(expected, 0);
        header.mutable.levels = levels;
        accept(&header)
    };
    // 4096 - 424 bytes behind the payload, and 32 for each.
    let most = (4096 - 424) / 32;
    assert_eq!(with(most, &SIZED).unwrap().mutable.levels, most);
    for levels in [most + 1, 1001, 1 << 27, u32::MAX] {
        assert_eq!(
            with(levels, &SIZED),
            Err(Refusal::Corrupt(format!("it cannot have {levels} levels")))
        );
    }
    assert!(with(1, &SLICE).is_err());
    let roomy = Expected {
        room: 1 << 20,
        ..SIZED
    };
    assert!(with(1000, &roomy).is_ok());
    assert!(with(1001, &roomy).is_err());
}

#[test]
fn foreign_files_differ_from_truncated_segments() {
    assert_eq!(parse(b"", 0), Err(Refusal::NotASegment("it is empty")));
    assert_eq!(
        parse(b"\x89SHM", 4),
        Err(Refusal::NotASegment("it is too short"))
    );
    assert!(matches!(
        parse(&[0; 4096], 4096),
        Err(Refusal::NotASegment(_))
    ));
    let whole = header(&SIZED, 0);
    let bytes = bytemuck::bytes_of(&whole);
    assert!(matches!(
        parse(&bytes[..255], 255),
        Err(Refusal::Corrupt(_))
    ));
    assert!(matches!(parse(bytes, 256), Err(Refusal::Corrupt(_))));
}

#[test]
fn every_changed_byte_of_the_frozen_part_is_detected() {
    let good: [u8; HEADER_LEN] = bytemuck::cast(header(&SIZED, 0));
    for place in 0..128 {
        for flip in [0x01, 0x80, 0xff] {
            let mut bytes = good;
            bytes[place] ^= flip;
            assert!(parse(&bytes, 4096).is_err(), "byte {place}");
        }
    }
    // The part that changes in use is not covered.
    let mut bytes = good;
    bytes[STATE_OFFSET] ^= 1;
    assert!(parse(&bytes, 4096).is_ok());
}

#[test]
fn other_formats_are_unsupported_and_not_damaged() {
    let refuse = |header: Header, part: &str| match accept(&header) {
        Err(Refusal::UnsupportedFormat(reason)) => assert!(reason.contains(part), "{reason}"),
        other => panic!("{other:?}"),
    };
    refuse(
        forged(|frozen| frozen.format_version = 1),
        "format version 1, and this program reads version 2; an older release created it",
    );
    refuse(
        forged(|frozen| frozen.format_version = 3),
        "format version 3, and this program reads version 2",
    );
    refuse(
        forged(|frozen| frozen.byte_order = 3 - BYTE_ORDER),
        "endian",
    );
    refuse(forged(|frozen| frozen.byte_order = 9), "byte order 9");
    refuse(forged(|frozen| frozen.flags |= 1 << 31), "flags 0x80000000");
    assert!(accept(&forged(|frozen| frozen.flags |= 1 << 32)).is_ok());
}

#[test]
fn every_contradiction_has_its_reason() {
    corrupt_with(|frozen| frozen.header_len = 512, "it has 512 bytes");
    corrupt_with(|frozen| frozen.total_len = 4097, "4097 bytes is impossible");
    corrupt_with(|frozen| frozen.schema_offset = 264, "byte 264");
    corrupt_with(|frozen| frozen.schema_len = 129, "schema reaches");
    corrupt_with(|frozen| frozen.schema_len = u64::MAX, "schema reaches");
    corrupt_with(
        |frozen| frozen.payload_offset = 392,
        "byte 392 is not aligned",
    );
    corrupt_with(|frozen| frozen.payload_len = 4096, "beyond the file");
    corrupt_with(|frozen| frozen.payload_len = u64::MAX, "beyond the file");
    corrupt_with(|frozen| frozen.payload_align = 0, "alignment of 0");
    corrupt_with(|frozen| frozen.payload_align = 24, "alignment of 24");
    corrupt_with(|frozen| frozen.payload_align = 8192, "alignment of 8192");
    corrupt_with(|frozen| frozen.tail_len = 1, "no slice");
    corrupt_with(|frozen| frozen.tail_stride = 1, "no slice");
    let slice = |frozen: &mut Frozen, stride, len| {
        frozen.flags |= FLAG_HAS_TAIL;
        (frozen.tail_stride, frozen.tail_len) = (stride, len);
    };
    corrupt_with(|frozen| slice(frozen, 4, 11), "do not fit");
    corrupt_with(|frozen| slice(frozen, u64::MAX, u64::MAX), "do not fit");
    let to_payload = |frozen: &mut Frozen| {
        frozen.schema_len = frozen.payload_offset - frozen.schema_offset;
    };
    assert!(accept(&forged(to_payload)).is_ok());
    let to_the_end = |frozen: &mut Frozen| {
        frozen.payload_len = frozen.total_len - frozen.payload_offset;
    };
    assert!(accept(&forged(to_the_end)).is_ok());
    let aligned_to_a_page = Expected {
        base_align: 4096,
        ..SIZED
    };
    assert!(accept(&header(&aligned_to_a_page, 0)).is_ok());
    // The slice may be all that there is.
    assert!(accept(&forged(|frozen| slice(frozen, 4, 10))).is_ok());
}

#[test]
fn another_type_is_a_difference() {
    let other = Expected {
        fingerprint: 1,
        ..SIZED
    };
    assert_eq!(
        compare(&header(&SIZED, 0).frozen, &other),
        Err(Difference::Fingerprint)
    );
}

#[test]
fn an_equal_fingerprint_with_other_numbers_is_rejected() {
    let refuse = |change: fn(&mut Frozen), part: &str| match compare(&forged(change).frozen, &SIZED)
    {
        Err(Difference::Number(reason)) => {
            assert!(reason.contains(part), "{part:?} is missing in {reason:?}")
        }
        other => panic!("{other:?}"),
    };
    refuse(
        |frozen| frozen.layout_version = 4,
        "version is 4 in the segment and 3 in this program",
    );
    refuse(|frozen| frozen.payload_align = 16, "alignment is 16");
    refuse(|frozen| frozen.schema_len = 90, "schema's length is 90");
    refuse(|frozen| frozen.tail_stride = 2, "element size");
    refuse(|frozen| frozen.flags = FLAG_HAS_TAIL, "number of slices");
    refuse(
        |frozen| frozen.payload_offset = 512,
        "payload's offset is 512",
    );
    refuse(|frozen| frozen.payload_len = 48, "payload's length is 48");
    // A struct's room is up to the creator. Nothing else has any.
    let mut long = header(&SIZED, 0).frozen;
    long.total_len = 8192;
    assert_eq!(compare(&long, &SIZED).unwrap().0.total_len, 8192);
    let mut long = header(&SLICE, 5).frozen;
    long.total_len = 8192;
    let expected = "the segment's length is 8192 in the segment and 4096 in this program";
    assert_eq!(
        compare(&long, &SLICE),
        Err(Difference::Number(expected.to_owned()))
    );
    // A slice whose elements have no size could claim any number of them; the length still has to be possible.
    let mut long = header(&SLICE, 5).frozen;
    long.tail_len = u64::MAX;
    assert!(matches!(compare(&long, &SLICE), Err(Difference::Number(_))));
}
