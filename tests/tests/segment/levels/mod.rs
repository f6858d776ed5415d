//! Programs with different versions of one struct share a segment.

mod fields;
mod processes;

use std::fs::File;

use nix::unistd::geteuid;
use shm_core::segment::{Mismatch, SegmentStatus};
use shm_core::{ShmError, ShmLayout};
use shm_tests::versions::{How, Place, VERSIONS, Version, levels_of, open_version};
use shm_tests::{Names, variant};

type Levels = Vec<Vec<&'static str>>;

/// What a program must find: the levels that a segment has recorded.
struct Model {
    recorded: Levels,
}

impl Model {
    fn new(version: &str) -> Self {
        Self {
            recorded: levels_of(version),
        }
    }

    /// The lowest level at which this version differs.
    fn difference(&self, version: &str) -> Option<usize> {
        let own = levels_of(version);
        let mut pairs = own.iter().zip(&self.recorded);
        pairs.position(|(own, recorded)| own != recorded)
    }

    /// A writer of this version has attached.
    fn announce(&mut self, version: &str) {
        let own = levels_of(version);
        if own.len() > self.recorded.len() {
            self.recorded = own;
        }
    }

    fn level(&self) -> u32 {
        self.recorded.len() as u32 - 1
    }
}

/// Opens the segment of `first`, named or anonymous.
fn open(
    first: &dyn Version,
    name: Option<&str>,
    version: &str,
    how: How,
) -> Result<Box<dyn Version>, ShmError> {
    let place = match name {
        Some(name) => Place::Name(name),
        None => Place::Descriptor(first.descriptor().try_clone_to_owned().unwrap()),
    };
    open_version(version, how, place, false)
}

fn create(version: &str, name: Option<&str>) -> Box<dyn Version> {
    match name {
        Some(name) => open_version(version, How::Create, Place::Name(name), false),
        None => {
            let ignored = File::open("/dev/null").unwrap().into();
            open_version(version, How::Create, Place::Descriptor(ignored), false)
        }
    }
    .unwrap()
}

/// Checks what attaching as this version does, and returns the handle.
fn attached(
    model: &mut Model,
    opened: Result<Box<dyn Version>, ShmError>,
    version: &str,
    how: How,
) -> Option<Box<dyn Version>> {
    match (opened, model.difference(version)) {
        (Ok(handle), None) => {
            if how != How::Read {
                model.announce(version);
            }
            assert_eq!(handle.level().unwrap(), model.level());
            assert_eq!(handle.status(), SegmentStatus::Live);
            Some(handle)
        }
        (Err(ShmError::LayoutMismatch { mismatch, .. }), Some(level)) => {
            match mismatch {
                Mismatch::Level { level: found, .. } => assert_eq!(found as usize, level),
                other => panic!("{other:?}"),
            }
            None
        }
        (Err(error), difference) => panic!("{version}: {error}, expected {difference:?}"),
        (Ok(_), Some(level)) => panic!("{version} has another level {level}"),
    }
}

/// Writes a number to every field of a version, and checks that the others that have the field read it.
fn values_flow(handles: &[Box<dyn Version>], from: u64) {
    for (number, writer) in (from..).zip(handles) {
        for field in ["a", "b", "c", "d", "e", "lock", "f", "x", "y", "z"] {
            if !writer.set(field, number) {
                continue;
            }
            for reader in handles {
                assert!(
                    reader.get(field).is_none_or(|value| value == number),
                    "{field}"
                );
            }
        }
    }
}

#[test]
fn versions_attach_exactly_if_one_is_a_prefix() {
    let names = Names::new("versions");
    let name = names.name("t");
    let (mut accepted, mut refused) = (0, 0);
    for name in [Some(name.as_str()), None] {
        // An anonymous segment cannot be joined.
        let ways = match name {
            Some(_) => &[How::Attach, How::Read, How::Join][..],
            None => &[How::Attach, How::Read],
        };
        for first in VERSIONS {
            for second in VERSIONS {
                for third in VERSIONS {
                    for second_way in ways {
                        for third_way in ways {
                            let mut model = Model::new(first);
                            let mut handles = vec![create(first, name)];
                            for (version, how) in [(second, second_way), (third, third_way)] {
                                let opened = open(&*handles[0], name, version, *how);
                                match attached(&mut model, opened, version, *how) {
                                    Some(handle) => {
                                        handles.push(handle);
                                        accepted += 1;
                                    }
                                    None => refused += 1,
                                }
                                assert_eq!(handles[0].level().unwrap(), model.level());
                            }
                            // Readers of another branch, which was not announced, see its bytes.
                            handles.retain(|handle| handle.status() == SegmentStatus::Live);
                            values_flow(&handles, 5);
                        }
                    }
                }
            }
        }
    }
    println!("{accepted} accepted, {refused} refused");
    assert!(accepted > 3000 && refused > 1000);
}

#[test]
fn new_fields_are_zero_until_a_program_writes_them() {
    let names = Names::new("zeros");
    let name = names.name("t");
    let old = create("v0", Some(&name));
    old.set("a", 7);
    let reader = open(&*old, Some(&name), "v2", How::Read).unwrap();
    let fields = ["a", "b", "c", "d", "e"];
    let values = || fields.map(|field| reader.get(field).unwrap());
    assert_eq!((values(), reader.level().unwrap()), ([7, 0, 0, 0, 0], 0));
    let new = open(&*old, Some(&name), "v4", How::Attach).unwrap();
    assert_eq!((values(), reader.level().unwrap()), ([7, 0, 0, 0, 0], 4));
    new.set("d", 9);
    assert_eq!(values(), [7, 0, 0, 9, 0]);
    drop(new);
    // The level stays, and so do the values.
    let again = open(&*old, Some(&name), "v3", How::Join).unwrap();
    assert_eq!((again.get("d"), again.level().unwrap()), (Some(9), 4));
}

#[test]
fn a_newer_reader_detects_a_branch_that_was_announced_later() {
    let names = Names::new("diverged");
    let name = names.name("t");
    for name in [Some(name.as_str()), None] {
        let old = create("v1", name);
        let reader = open(&*old, name, "v2", How::Read).unwrap();
        let fine = open(&*old, name, "v1", How::Read).unwrap();
        assert_eq!(reader.status(), SegmentStatus::Live);
        let branch = open(&*old, name, "x2", How::Attach).unwrap();
        assert_eq!(reader.status(), SegmentStatus::Diverged);
        let error = reader.level().unwrap_err();
        assert_eq!(variant(&error), "LayoutMismatch");
        let text = error.to_string();
        let part = "at level 2, field `d` (u64 at byte 24) is called `x` in the segment";
        assert!(text.contains(part), "{text}");
        for other in [&old, &fine, &branch] {
            assert_eq!(other.status(), SegmentStatus::Live);
            assert_eq!(other.level().unwrap(), 2);
        }
        drop((branch, old));
        if name.is_some() {
            assert_eq!(reader.status(), SegmentStatus::Removed);
        }
    }
}

#[test]
fn persistent_segments_keep_their_levels() {
    let names = Names::new("versions-kept");
    let name = names.name("t");
    let place = || Place::Name(&name);
    for first in VERSIONS {
        for second in VERSIONS {
            let mut model = Model::new(first);
            drop(open_version(first, How::Persist, place(), false).unwrap());
            for supersede in [false, true] {
                // A persistent segment is not replaced, whether or not it goes together.
                let opened = open_version(second, How::Join, place(), supersede);
                drop(attached(&mut model, opened, second, How::Join));
            }
            let created = open_version(second, How::Create, place(), true);
            let error = created.map(drop).unwrap_err();
            assert_eq!(variant(&error), "AlreadyExists");
            let found = shm_core::list()
                .unwrap()
                .map(Result::unwrap)
                .find(|info| info.name == name);
            let contents = found.unwrap().contents.unwrap();
            assert_eq!(contents.level, model.level());
            let size = |field: &&str| if ["lock", "y"].contains(field) { 16 } else { 8 };
            let size: u64 = model.recorded.iter().flatten().map(size).sum();
            assert_eq!(contents.payload_len, size);
            u64::unlink(&name).unwrap();
        }
    }
}

#[test]
fn a_reader_without_write_permission_may_be_newer() {
    let names = Names::new("versions-mode");
    let name = names.name("t");
    let old = create("v0", Some(&name));
    let file = File::open(Names::path(&name)).unwrap();
    let mut permissions = file.metadata().unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o444);
    std::fs::set_permissions(Names::path(&name), permissions).unwrap();
    let reader = open(&*old, Some(&name), "v4", How::Read).unwrap();
    assert_eq!(reader.level().unwrap(), 0);
    if !geteuid().is_root() {
        let refused = open(&*old, Some(&name), "v4", How::Attach).map(drop);
        assert_eq!(variant(&refused.unwrap_err()), "PermissionDenied");
    }
    assert_eq!(old.level().unwrap(), 0);
}
