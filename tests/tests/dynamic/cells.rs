//! Paths, and reading and writing what they lead to, compared with the typed view.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering::SeqCst};

use shm_core::dynamic::{DynError, DynSegment, DynValue};
use shm_core::sync::{Event, Mutex, Ring, Semaphore, SeqLock};
use shm_core::{Shm, ShmError, ShmLayout, ShmOffset, ShmStr, ShmVec};
use shm_tests::Names;

#[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
#[repr(u8)]
enum Mode {
    Off = 0,
    Slow = 3,
    Fast = 200,
}

#[derive(Clone, Copy, ShmLayout)]
#[repr(i16)]
enum Sign {
    Minus = -1,
    Zero = 0,
}

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Pair(u32, i32);

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Node {
    value: u64,
    next: ShmOffset<Node>,
}

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Pose {
    xyz: [f64; 3],
    mode: Mode,
    _pad: [u8; 7],
}

#[derive(ShmLayout)]
#[repr(C)]
#[shm(padding)]
struct Everything {
    wide: u128,
    signed: i128,
    float: f32,
    letter: char,
    mode: Mode,
    flag: bool,
    sign: Sign,
    bytes: [u8; 4],
    count: AtomicU64,
    pair: Pair,
    grid: [[u16; 3]; 2],
    text: ShmStr<16>,
    log: ShmVec<u32, 4>,
    nodes: [Node; 4],
    pose: SeqLock<Pose>,
    account: Mutex<Node>,
    jobs: Ring<Pair, 4>,
    changed: Event,
    permits: Semaphore,
    #[shm(rename = "odd name")]
    odd: u32,
    tail: [Pair],
}

fn segment(names: &Names) -> (Shm<Everything>, DynSegment) {
    let name = names.name("all");
    let shm = Everything::create_with_len(&name, 3).unwrap();
    let segment = DynSegment::attach(&name).unwrap();
    (shm, segment)
}

fn get(segment: &DynSegment, path: &str) -> String {
    segment.at(path).unwrap().get().unwrap().to_string()
}

fn set(segment: &DynSegment, path: &str, value: &str) {
    let value: DynValue = value.parse().unwrap();
    segment.at(path).unwrap().set(&value).unwrap();
}

#[test]
fn each_kind_of_cell_is_read_as_its_typed_view() {
    let names = Names::new("dyn-get");
    let (shm, segment) = segment(&names);
    shm.wide.set(u128::MAX);
    shm.signed.set(i128::MIN);
    shm.float.set(0.1);
    shm.letter.set('\u{1b}');
    shm.mode.set(Mode::Fast);
    shm.flag.set(true);
    shm.sign.set(Sign::Minus);
    shm.count.store(17, SeqCst);
    shm.pair.store(Pair(1, -2));
    shm.grid[1][2].set(9);
    shm.text.set("Zażółć \"x\"").unwrap();
    shm.log.push(5).unwrap();
    shm.log.push(6).unwrap();
    shm.nodes[2].next.set(shm.offset_of(&shm.nodes[1]));
    let pose = Pose {
        xyz: [0.5, 1.0, -2.0],
        mode: Mode::Slow,
        _pad: [0; 7],
    };
    shm.pose.store(pose).unwrap();
    shm.account.lock().unwrap().value.set(40);
    shm.tail[2].store(Pair(7, 8));

    for (path, value) in [
        ("wide", u128::MAX.to_string()),
        ("signed", i128::MIN.to_string()),
        ("float", "0.1".into()),
        ("letter", r"'\u{1b}'".into()),
        ("mode", "Fast".into()),
        ("flag", "true".into()),
        ("sign", "Minus".into()),
        ("count", "17".into()),
        ("pair", "{0: 1, 1: -2}".into()),
        ("pair.1", "-2".into()),
        ("grid", "[[0, 0, 0], [0, 0, 9]]".into()),
        ("grid[1][2]", "9".into()),
        ("grid[1][1..]", "[0, 9]".into()),
        ("grid[1..2]", "[[0, 0, 9]]".into()),
        ("grid[0..2][1][2]", "9".into()),
        ("text", r#""Zażółć \"x\"""#.into()),
        ("log", "[5, 6]".into()),
        ("log[1]", "6".into()),
        ("log.len", "2".into()),
        (
            "nodes[2].next",
            shm.nodes[2].next.get().as_raw().to_string(),
        ),
        (
            "pose",
            "{xyz: [0.5, 1.0, -2.0], mode: Slow, _pad: [0, 0, 0, 0, 0, 0, 0]}".into(),
        ),
        ("pose.xyz[1]", "1.0".into()),
        ("pose.xyz[1..]", "[1.0, -2.0]".into()),
        ("pose.mode", "Slow".into()),
        ("pose.version", "1".into()),
        ("account", "{value: 40, next: 0}".into()),
        ("account.value", "40".into()),
        ("account.claim", "0".into()),
        ("jobs.tail", "0".into()),
        ("permits.word", "0".into()),
        ("`odd name`", "0".into()),
        ("tail", "[{0: 0, 1: 0}, {0: 0, 1: 0}, {0: 7, 1: 8}]".into()),
        ("tail[2].0", "7".into()),
        (
            "tail[..]",
            "[{0: 0, 1: 0}, {0: 0, 1: 0}, {0: 7, 1: 8}]".into(),
        ),
    ] {
        assert_eq!(get(&segment, path), value, "{path}");
    }
    let whole = get(&segment, ".");
    for part in [
        "wide: 340282366920938463463374607431768211455, ",
        "`odd name`: 0, tail: [{0: 0",
    ] {
        assert!(whole.contains(part), "{whole}");
    }
    // All of it is read through a read-only mapping as well.
    let other = DynSegment::attach_read_only(shm.name()).unwrap();
    assert_eq!(get(&other, "."), whole);
    assert_eq!(get(&other, "pose.xyz[1]"), "1.0");
}

#[test]
fn each_kind_of_cell_is_set_as_by_its_typed_view() {
    let names = Names::new("dyn-set");
    let (shm, segment) = segment(&names);
    set(&segment, "wide", &u128::MAX.to_string());
    assert_eq!(shm.wide.get(), u128::MAX);
    set(&segment, "signed", &i128::MIN.to_string());
    assert_eq!(shm.signed.get(), i128::MIN);
    set(&segment, "float", "0.1");
    assert_eq!(shm.float.get(), 0.1);
    set(&segment, "float", "3");
    assert_eq!(shm.float.get(), 3.0);
    set(&segment, "letter", "'ß'");
    assert_eq!(shm.letter.try_get().unwrap(), 'ß');
    set(&segment, "mode", "Fast");
    assert_eq!(shm.mode.try_get().unwrap(), Mode::Fast);
    set(&segment, "sign", "Minus");
    assert!(matches!(shm.sign.try_get().unwrap(), Sign::Minus));
    set(&segment, "flag", "true");
    assert!(shm.flag.get());
    set(&segment, "bytes", "[1, 2, 3, 4]");
    set(&segment, "bytes[1..3]", "[8, 9]");
    assert_eq!(shm.bytes.to_vec(), [1, 8, 9, 4]);
    set(&segment, "count", "0xff");
    assert_eq!(shm.count.load(SeqCst), 255);
    set(&segment, "pair", "{1: -5}");
    assert_eq!((shm.pair.0.get(), shm.pair.1.get()), (0, -5));
    set(&segment, "text", r#""longer text""#);
    set(&segment, "text", r#""Ala""#);
    assert_eq!(shm.text.get().unwrap(), "Ala");
    set(&segment, "log", "[1, 2, 3]");
    set(&segment, "log[2]", "7");
    assert_eq!(shm.log.to_vec(), [1, 2, 7]);
    set(&segment, "nodes[3]", "{value: 5, next: 4096}");
    assert_eq!(shm.nodes[3].next.get().as_raw(), 4096);
    set(&segment, "tail[1].1", "-9");
    assert_eq!(shm.tail[1].1.get(), -9);
    set(&segment, ".", "{`odd name`: 3, bytes: [0, 0, 0, 1]}");
    assert_eq!(
        (shm.odd.get(), shm.bytes[3].get(), shm.bytes[1].get()),
        (3, 1, 0)
    );
}

#[test]
fn values_that_do_not_fit_change_nothing() {
    let names = Names::new("dyn-wrong");
    let (shm, segment) = segment(&names);
    for (path, value, text) in [
        (
            "bytes[1]",
            "256",
            "`bytes[1]` cannot be set: 256 is no u8, which is an integer from 0 to 255",
        ),
        (
            "bytes",
            "[1, 2, 3, -1]",
            "`bytes[3]` cannot be set: -1 is no u8, which is an integer from 0 to 255",
        ),
        (
            "bytes",
            "[1, 2]",
            "`bytes` cannot be set: it has 4 elements, and the list has 2",
        ),
        (
            "pair.1",
            "2147483648",
            "`pair.1` cannot be set: 2147483648 is no i32, which is an integer from -2147483648 to 2147483647",
        ),
        (
            "pair",
            "{0: 1, 1: 2.5}",
            "`pair.1` cannot be set: it is of type i32, which takes an integer, and not a float",
        ),
        (
            "pair",
            "{2: 1}",
            "`pair` cannot be set: the struct has no field `2`",
        ),
        (
            "flag",
            "1",
            "`flag` cannot be set: it is a bool, which takes `true` or `false`, and not an integer",
        ),
        (
            "letter",
            "\"ab\"",
            "`letter` cannot be set: it is a char, which takes one character, as `'x'`, and not text",
        ),
        (
            "mode",
            "Quick",
            "`mode` cannot be set: Quick is no variant of `Mode (u8)`: `Off` (0), `Slow` (3), `Fast` (200)",
        ),
        (
            "sign",
            "-1",
            "`sign` cannot be set: -1 is no variant of `Sign (i16)`: `Minus` (-1), `Zero` (0); write the name: `Minus`",
        ),
        (
            "float",
            "1e300",
            "`float` cannot be set: 1e300 is too large for an f32",
        ),
        (
            "float",
            "16777217",
            "`float` cannot be set: an f32 cannot hold exactly 16777217",
        ),
        (
            "text",
            "\"12345678901234567\"",
            "`text` cannot be set: it has room for 16 bytes, and the text has 17",
        ),
        (
            "text",
            r#""a\0""#,
            "`text` cannot be set: text ends at a NUL, so it cannot have one",
        ),
        (
            "text",
            "Ala",
            "`text` cannot be set: it is text, which is written as `\"..\"`, and not a name",
        ),
        (
            "log",
            "[1, 2, 3, 4, 5]",
            "`log` cannot be set: it has room for 4 elements, and the list has 5",
        ),
        (
            "jobs.tail",
            "1",
            "`jobs.tail` cannot be set: only the protocol of the type writes its words",
        ),
        (
            "jobs",
            "{tail: 1}",
            "`jobs` cannot be set: only the protocol of the type writes its words",
        ),
        (
            "log.len",
            "1",
            "`log.len` cannot be set: only the protocol of the type writes its words",
        ),
    ] {
        let cell = segment.at(path).unwrap();
        let before = cell.get().unwrap();
        let error = cell.set(&value.parse().unwrap()).unwrap_err();
        assert_eq!(error.to_string(), text);
        assert_eq!(cell.get().unwrap(), before, "{path}");
    }
    let reader = DynSegment::attach_read_only(shm.name()).unwrap();
    let error = reader.at("wide").unwrap().set(&1.into()).unwrap_err();
    assert!(matches!(error, DynError::NotSettable { .. }));
    assert!(error.to_string().contains("attached read-only"), "{error}");
}

#[test]
fn paths_that_lead_nowhere_say_what_there_is() {
    let names = Names::new("dyn-paths");
    let (_shm, segment) = segment(&names);
    for (path, text) in [
        (
            "floot",
            "there is no `floot`: the payload is a `Everything`; did you mean `float`? Its fields are `wide`, `signed`",
        ),
        (
            "pair.2",
            "there is no `pair.2`: `pair` is a `Pair`; its fields are `0`, `1`",
        ),
        (
            "bytes[4]",
            "there is no `bytes[4]`: it has 4 elements, `[0]` to `[3]`",
        ),
        (
            "bytes[3..5]",
            "there is no `bytes[3..5]`: it has 4 elements, `[0]` to `[3]`",
        ),
        (
            "bytes.x",
            "there is no `bytes.x`: `bytes` is a `[u8; 4]`, which has no fields",
        ),
        (
            "bytes[1..3].x",
            "there is no `bytes[1..3].x`: `bytes[1..3]` is a list of 2 `u8`, which has no fields",
        ),
        (
            "bytes[1..3][2]",
            "there is no `bytes[1..3][2]`: it has 2 elements, `[0]` to `[1]`",
        ),
        ("log[0]", "there is no `log[0]`: it has no elements"),
        (
            "log.items",
            "there is no `log.items`: `log` is a `ShmVec<u32, 4>`; its fields are `len`",
        ),
        (
            "wide[0]",
            "there is no `wide[0]`: `wide` is a `u128`, which has no elements",
        ),
        (
            "pose.xy",
            "there is no `pose.xy`: `pose` is a `SeqLock<Pose, 4>`; did you mean `xyz`? Its fields are `xyz`, `mode`, `_pad`",
        ),
        (
            "jobs.slots",
            "there is no `jobs.slots`: `jobs` is a `Ring<Pair, 4>`; its fields are `sender`, `sender_joined`",
        ),
        (
            "jobs[0]",
            "there is no `jobs[0]`: `jobs` is a `Ring<Pair, 4>`, which has no elements; its fields are `sender`",
        ),
        (
            "tail[3]",
            "there is no `tail[3]`: it has 3 elements, `[0]` to `[2]`",
        ),
    ] {
        let error = segment.at(path).unwrap_err();
        assert!(matches!(error, DynError::NoSuchPart { .. }));
        assert!(error.to_string().starts_with(text), "{error}");
    }
    let error = segment.at("a[").unwrap_err();
    assert_eq!(
        error.to_string(),
        "`a[` is not a path: at byte 2: expected an index `[2]`, a range `[2..5]` or a message `[#17]`, found the end"
    );
}

#[test]
fn bytes_that_are_no_value_are_named_by_their_path() {
    let names = Names::new("dyn-invalid");
    let name = names.name("t");
    let shm = <[[Pose; 2]; 2]>::create(&name).unwrap();
    let segment = DynSegment::attach(&name).unwrap();
    let mode = std::mem::offset_of!(Pose, mode) + size_of::<Pose>();
    let byte = shm.as_ptr().wrapping_add(mode).cast_mut();
    // SAFETY: the byte is inside the payload and only accessed atomically.
    let byte = unsafe { AtomicU8::from_ptr(byte) };
    byte.store(7, SeqCst);
    for (path, start) in [
        (
            ".",
            "field `[0][1].mode` holds 7, which is not a variant of `Mode`",
        ),
        ("[0]", "field `[0][1].mode` holds 7"),
        ("[0][1].mode", "field `[0][1].mode` holds 7"),
    ] {
        let error = segment.at(path).unwrap().get().unwrap_err();
        assert!(error.to_string().starts_with(start), "{error}");
        assert!(matches!(error, DynError::Invalid(value) if value.found() == 7));
    }
    assert_eq!(get(&segment, "[0][0].mode"), "Off");
}

#[test]
fn a_vector_of_an_invalid_length_is_an_error() {
    let names = Names::new("dyn-vec");
    let name = names.name("t");
    let shm = ShmVec::<u32, 4>::create(&name).unwrap();
    let segment = DynSegment::attach(&name).unwrap();
    // SAFETY: the length is the first word of the payload.
    let len = unsafe { AtomicU64::from_ptr(shm.as_ptr().cast_mut().cast()) };
    len.store(5, SeqCst);
    for result in [
        segment.at("[0]").map(drop),
        segment.at(".").unwrap().get().map(drop),
        segment.at(".").unwrap().len().map(drop),
    ] {
        let error = result.unwrap_err();
        assert_eq!(
            error.to_string(),
            "a cell of a vector holds 5, which is not a length of a vector of at most 4"
        );
    }
    set(&segment, ".", "[1, 2, 3, 4]");
    assert_eq!(shm.to_vec(), [1, 2, 3, 4]);
}

#[test]
fn cells_tell_their_parts() {
    let names = Names::new("dyn-parts");
    let (shm, segment) = segment(&names);
    let whole = segment.at(".").unwrap();
    assert_eq!((whole.path(), whole.len().unwrap()), (".", None));
    assert_eq!(whole.field_names().len(), 21);
    assert_eq!(whole.field_names()[..2], ["wide", "signed"]);
    assert_eq!(
        segment.at("pose").unwrap().field_names(),
        ["xyz", "mode", "_pad"]
    );
    assert_eq!(
        segment.at("account").unwrap().field_names(),
        ["value", "next"]
    );
    assert_eq!(segment.at("changed").unwrap().field_names(), ["word"]);
    assert_eq!(segment.at("log").unwrap().field_names(), Vec::<&str>::new());
    assert_eq!(segment.at("log").unwrap().len().unwrap(), Some(0));
    assert_eq!(segment.at("tail").unwrap().len().unwrap(), Some(3));
    assert_eq!(segment.at("grid[1..]").unwrap().len().unwrap(), Some(1));
    let cell = whole
        .field("nodes")
        .unwrap()
        .index(2)
        .unwrap()
        .at("next")
        .unwrap();
    assert_eq!(
        (cell.path(), cell.layout().name()),
        ("nodes[2].next", "offset")
    );
    // The cell keeps the segment mapped.
    drop((segment, whole));
    assert_eq!(cell.get().unwrap(), DynValue::from(0));
    drop(shm);
    assert_eq!(cell.get().unwrap(), DynValue::from(0));
    assert_eq!(
        format!("{cell:?}"),
        r#"DynCell { path: "nodes[2].next", value: 0 }"#
    );
}

#[test]
fn cells_tell_where_they_are_in_the_payload() {
    let names = Names::new("dyn-offsets");
    let (shm, segment) = segment(&names);
    let start = shm.as_ptr().addr();
    let offset = |path: &str| segment.at(path).unwrap().offset();
    for (path, at) in [
        (".", start),
        ("grid[1][2]", (&raw const shm.grid[1][2]).addr()),
        ("nodes[2].next", (&raw const shm.nodes[2].next).addr()),
        (
            "account.next",
            (&raw const shm.account.unlocked().next).addr(),
        ),
        ("jobs", (&raw const shm.jobs).addr()),
        ("tail[2].1", (&raw const shm.tail[2].1).addr()),
    ] {
        assert_eq!(offset(path), Some(at - start), "{path}");
    }
    assert_eq!(offset("pose.version"), Some(offset("pose").unwrap() + 128));
    assert_eq!(offset("pose.xyz"), None);
}

#[test]
fn an_anonymous_segment_is_attached_to_by_its_descriptor() {
    use std::os::fd::AsFd;

    let shm = Mutex::<[u32; 2]>::create_anonymous().unwrap();
    let fd = || shm.as_fd().try_clone_to_owned().unwrap();
    shm.lock().unwrap()[1].set(5);
    let segment = DynSegment::from_fd_read_only(fd()).unwrap();
    assert_eq!(
        (segment.name(), segment.is_writable()),
        ("(anonymous)", false)
    );
    assert_eq!(get(&segment, "[1]"), "5");
    let segment = DynSegment::from_fd(fd()).unwrap();
    assert!(segment.is_writable());
    let error = DynSegment::from_fd(std::fs::File::open("/dev/null").unwrap()).unwrap_err();
    assert!(matches!(error, ShmError::NotASegment { .. }));
}

#[test]
fn reading_disturbs_no_word() {
    let names = Names::new("dyn-look");
    let (shm, segment) = segment(&names);
    let _sender = shm.jobs.sender().unwrap();
    let guard = shm.account.lock().unwrap();
    let bytes = || std::fs::read(Names::path(shm.name())).unwrap();
    let before = bytes();
    let reader = DynSegment::attach_read_only(shm.name()).unwrap();
    for segment in [&segment, &reader] {
        for path in [
            ".", "pose", "pose.xyz", "account", "jobs", "changed", "permits",
        ] {
            segment.at(path).unwrap().get().unwrap();
        }
    }
    assert!(before == bytes());
    drop(guard);
}

#[test]
fn errors_of_attaching_are_those_of_the_typed_attach() {
    let names = Names::new("dyn-errors");
    let name = names.name("t");
    assert!(matches!(
        DynSegment::attach(&name),
        Err(ShmError::NotFound { .. })
    ));
    assert!(matches!(
        DynSegment::attach("x"),
        Err(ShmError::InvalidName { .. })
    ));
    std::fs::write(Names::path(&name), "text").unwrap();
    let error = DynSegment::attach_read_only(&name).unwrap_err();
    assert!(matches!(error, ShmError::NotASegment { .. }), "{error}");
    std::fs::remove_file(Names::path(&name)).unwrap();
}

#[test]
fn a_word_next_to_a_value_of_its_name_is_hidden() {
    #[derive(Clone, Copy, ShmLayout)]
    #[repr(C)]
    struct Hides {
        claim: u32,
        version: u32,
    }

    let names = Names::new("dyn-hidden");
    let name = names.name("t");
    let shm = Mutex::<Hides>::create(&name).unwrap();
    shm.lock().unwrap().claim.set(5);
    let segment = DynSegment::attach(&name).unwrap();
    assert_eq!(get(&segment, "claim"), "5");
}

/// A schema can give an array of elements without bytes any length, however short the segment is.
#[test]
fn few_values_without_bytes_are_read_at_once() {
    #[derive(Clone, Copy, ShmLayout)]
    #[repr(C)]
    struct Hollow {
        byte: u8,
        none: [[u8; 0]; 1025],
    }
    let names = Names::new("dyn-hollow");
    let name = names.name("hollow");
    let _shm = <[Hollow; 3]>::create(&name).unwrap();
    let segment = DynSegment::attach_read_only(&name).unwrap();
    let get = |path: &str| segment.at(path).unwrap().get();
    for path in [".", "[1]", "[1].none"] {
        let error = get(path).unwrap_err();
        assert!(matches!(error, DynError::TooLarge { .. }), "{error}");
    }
    let some = get("[1].none[1..1025]").unwrap();
    assert_eq!(some.as_list().map(<[_]>::len), Some(1024));
    assert_eq!(get("[2].byte").unwrap().as_int(), Some(0));
}

/// A schema has a name once, and each element repeats it.
#[test]
fn names_of_more_than_64_mib_are_not_read_at_once() {
    #[derive(Clone, Copy, ShmLayout)]
    #[repr(C)]
    struct Long {
        a_field_whose_name_is_so_long_that_it_takes_far_more_room_than_its_byte_in_each_of_the_elements_of_an_array_of_these_structs_of_which_there_are_more_than_half_a_million:
            u8,
    }
    let names = Names::new("dyn-names");
    let name = names.name("long");
    let _shm = <[Long; 520_000]>::options()
        .sparse(true)
        .create(&name)
        .unwrap();
    let segment = DynSegment::attach_read_only(&name).unwrap();
    let all = segment.at(".").unwrap().get();
    assert!(matches!(all, Err(DynError::TooLarge { .. })));
    let some = segment.at("[..1000]").unwrap().get().unwrap();
    assert_eq!(some.as_list().map(<[_]>::len), Some(1000));
}
