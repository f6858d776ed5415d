//! Structs that end in a slice: the length is part of the segment.

#![forbid(unsafe_code)]

use std::os::fd::AsFd;

use shm_core::{ShmError, ShmLayout};

#[derive(ShmLayout)]
#[repr(C)]
struct Image {
    width: u32,
    height: u32,
    pixels: [u8],
}

#[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
#[repr(C)]
struct Node {
    key: u32,
    value: [u16; 4],
}

#[derive(ShmLayout)]
#[repr(C, align(32))]
struct Table<T> {
    count: u64,
    nodes: [T],
}

#[derive(ShmLayout)]
#[repr(transparent)]
struct Words([u64]);

fn name(what: &str) -> String {
    format!("/tail-{what}-{}", std::process::id())
}

#[test]
fn attach_finds_the_slice_length() {
    let name = name("length");
    for len in [0, 1, 7, 4096, 100_000] {
        let shm = Image::create_with_len(&name, len).unwrap();
        assert_eq!(shm.pixels.len(), len);
        shm.width.set(3);
        if len > 0 {
            shm.pixels[len - 1].set(9);
        }
        let bytes: Vec<u8> = (0..len).map(|n| n as u8).collect();
        let other = Image::attach_read_only(&name).unwrap();
        assert_eq!(other.pixels.len(), len);
        assert_eq!(other.width.get(), 3);
        assert_eq!(
            other.pixels.iter().last().map(|pixel| pixel.get()),
            (len > 0).then_some(9)
        );
        shm.pixels.write_from(&bytes);
        assert_eq!(other.pixels.to_vec(), bytes);
        assert!(other.mapped_len() >= 8 + len);
    }
}

#[test]
fn slice_elements_can_be_structs() {
    let shm = Table::<Node>::create_anonymous_with_len(5).unwrap();
    assert_eq!(shm.as_ptr() as usize % 32, 0);
    shm.count.set(2);
    let node = Node {
        key: 1,
        value: [2, 3, 4, 5],
    };
    shm.nodes[1].store(node);
    shm.nodes[4].value[3].set(6);
    assert_eq!(shm.nodes.to_vec()[1], node);
    assert_eq!(shm.nodes[4].load().value, [0, 0, 0, 6]);
    let text = format!("{shm:?}");
    assert!(
        text.contains("Table { count: 2, nodes: [Node { key: 0, "),
        "{text}"
    );
    assert_eq!(text.matches("key").count(), 5);

    let passed = Table::<Node>::from_fd(shm.as_fd().try_clone_to_owned().unwrap()).unwrap();
    assert_eq!(passed.nodes.len(), 5);
    assert_eq!(passed.nodes[1].load(), node);

    let words = Words::create_anonymous_with_len(3).unwrap();
    words.0.fill(8);
    assert_eq!(words.0.to_vec(), [8; 3]);
}

#[test]
fn open_or_create_requires_the_same_length() {
    let name = name("open");
    let first = Image::open_or_create_with_len(&name, 10).unwrap();
    let second = Image::open_or_create_with_len(&name, 10).unwrap();
    second.pixels[9].set(1);
    assert_eq!(first.pixels[9].get(), 1);
    let error = Image::open_or_create_with_len(&name, 11).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "segment `{name}` holds a different `Image` than this program's: its slice has 10 elements in the segment, and this program \
             requires 11; pass the same length, or `attach`, which accepts any"
        )
    );
    assert!(Image::attach(&name).is_ok());
}

#[test]
fn the_slice_is_initialised_before_the_name_appears() {
    let name = name("init");
    let shm = Image::options()
        .len(4)
        .create_with(&name, |image| image.pixels.write_from(&[1, 2, 3, 4]))
        .unwrap();
    assert_eq!(shm.pixels.to_vec(), [1, 2, 3, 4]);
}

#[test]
fn a_length_in_the_options_is_compared_when_attaching() {
    let name = name("compared");
    let owner = Image::create_with_len(&name, 4).unwrap();
    assert_eq!(
        Image::options().len(4).attach(&name).unwrap().pixels.len(),
        4
    );
    let refused = Image::options().len(5).attach_read_only(&name).unwrap_err();
    assert!(
        matches!(refused, ShmError::LayoutMismatch { .. }),
        "{refused}"
    );
    assert!(refused.to_string().contains("has 4 elements"), "{refused}");
    drop(owner);
    let anonymous = Image::options().len(3).create_anonymous().unwrap();
    let fd = || anonymous.as_fd().try_clone_to_owned().unwrap();
    assert!(Image::options().len(2).from_fd(fd()).is_err());
    assert_eq!(
        Image::options().len(3).from_fd(fd()).unwrap().pixels.len(),
        3
    );
}

#[test]
fn a_different_element_type_is_a_different_layout() {
    #[derive(ShmLayout)]
    #[repr(C)]
    struct Signed {
        width: u32,
        height: u32,
        pixels: [i8],
    }
    #[derive(ShmLayout)]
    #[repr(C)]
    struct Fixed {
        width: u32,
        height: u32,
        pixels: [u8; 4],
    }
    let name = name("mismatch");
    let _shm = Image::create_with_len(&name, 4).unwrap();
    let reason = |error: ShmError| match error {
        ShmError::LayoutMismatch { difference, .. } => difference,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        reason(Signed::attach(&name).unwrap_err()),
        "field `pixels[0]` is u8 at byte 8 in the segment and i8 at byte 8 in this program"
    );
    assert_eq!(
        reason(Fixed::attach(&name).unwrap_err()),
        "field `pixels` is [u8] at byte 8 in the segment and [u8; 4] at byte 8 in this program"
    );
}

#[test]
fn impossible_lengths_are_errors() {
    for len in [usize::MAX, usize::MAX / 2, isize::MAX as usize] {
        let error = Image::create_with_len(&name("huge"), len).unwrap_err();
        assert!(
            matches!(
                error,
                ShmError::Os {
                    call: "fallocate",
                    ..
                } | ShmError::NoSpace { .. }
            ),
            "{error:?}"
        );
        assert!(Words::create_anonymous_with_len(len).is_err());
    }
}
