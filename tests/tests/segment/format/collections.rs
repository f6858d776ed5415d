//! Strings, vectors and offsets.

use shm_core::{ShmLayout, ShmOffset, ShmStr, ShmVec};
use shm_tests::{poke, poke_word};

use super::{DOCUMENT, Level, bytes_of, check, decode_py, open, u16_at, u64_at, unique};

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Link {
    key: ShmStr<8>,
    next: ShmOffset<Link>,
}

#[derive(ShmLayout)]
#[repr(C)]
struct Links {
    first: ShmOffset<Link>,
    keys: [ShmStr<8>; 2],
    links: ShmVec<Link, 3>,
    bytes: ShmVec<u8, 3>,
    levels: ShmVec<Level, 4>,
    wide: ShmVec<u128, 1>,
}

#[test]
fn strings_vectors_and_offsets_match_the_format() {
    let name = unique("links");
    let shm = Links::create(&name).unwrap();
    let link = Link {
        key: ShmStr::new("żółw").unwrap(),
        next: ShmOffset::NULL,
    };
    shm.links.push(link).unwrap();
    shm.links.push(link).unwrap();
    shm.links.get(0).unwrap().key.set("Ala").unwrap();
    let second = shm.offset_of(shm.links.get(1).unwrap());
    shm.links.get(0).unwrap().next.set(second);
    shm.first.set(shm.offset_of(shm.links.get(0).unwrap()));
    shm.keys[1].set("12345678").unwrap();
    shm.bytes.extend_from_slice(&[7, 8]).unwrap();
    shm.levels.push(Level::High).unwrap();

    let file = open(&name);
    let payload = check::<Links>(&file);
    let first = u64_at(&payload, 0) as usize;
    assert_eq!(bytes_of(&file)[first..first + 8], *b"Ala\0\0\0\0\0");
    assert_eq!(payload[16..24], *b"12345678");
    // The length, then the links of 16 bytes each.
    assert_eq!(u64_at(&payload, 24), 2);
    assert_eq!(u64_at(&payload, 40) as usize, first + 16);
    assert_eq!(payload[48..56], *"żółw\0".as_bytes());
    assert_eq!((u64_at(&payload, 80), payload[88], payload[89]), (2, 7, 8));
    assert_eq!(u64_at(&payload, 96), 1);
    assert_eq!(u16_at(&payload, 104), 300);
    // The elements are aligned to 16 bytes.
    shm.wide.push(5).unwrap();
    let payload = check::<Links>(&file);
    assert_eq!((u64_at(&payload, 112), payload[128]), (1, 5));
    for meaning in ["str", "vec", "offset"] {
        assert!(DOCUMENT.contains(&format!("| `{meaning}` |")), "{meaning}");
    }

    let Some(stdout) = decode_py(&name) else {
        return;
    };
    for line in [
        format!("{:8} first: ShmOffset = {first:#x}", 0),
        r#"keys: [ShmStr<8>; 2] = ["", "12345678"]"#.to_owned(),
        r#"links[0].key: ShmStr<8> = "Ala""#.to_owned(),
        format!("links[0].next: ShmOffset = {:#x}", second.as_raw()),
        r#"links[1].key: ShmStr<8> = "żółw""#.to_owned(),
        "links[1].next: ShmOffset = null".to_owned(),
        "bytes: ShmVec<u8, 3> = [7, 8]".to_owned(),
        "levels: ShmVec<Level, 4> = [High]".to_owned(),
        "128 wide: ShmVec<u128, 1> = [5]".to_owned(),
    ] {
        assert!(stdout.contains(&line), "{line:?} is missing in:\n{stdout}");
    }
    assert!(!stdout.contains("links[2]"), "{stdout}");
    poke_word(&shm.links, 0, 9);
    poke(&shm.keys[0], 0, 0xff);
    shm.bytes.clear();
    let stdout = decode_py(&name).unwrap();
    for line in [
        "links: a vector of 9, and at most 3 fit",
        r#"keys: [ShmStr<8>; 2] = ["\xff", "12345678"]"#,
        "bytes: ShmVec<u8, 3> = []",
    ] {
        assert!(stdout.contains(line), "{line:?} is missing in:\n{stdout}");
    }
}
