//! Creating segments by a schema.

use std::os::fd::AsFd;
use std::time::Duration;

use shm_core::dynamic::{DynSchema, DynSegment};
use shm_core::sync::{Mutex, Ring, SeqLock};
use shm_core::{SegmentInfo, SegmentState, ShmError, ShmLayout};
use shm_tests::Names;

#[derive(ShmLayout)]
#[repr(C)]
#[shm(room = 5000, padding)]
struct Status {
    beat: u64,
    limits: SeqLock<[u32; 2]>,
    lock: Mutex<u64>,
    jobs: Ring<u16, 4>,
    #[shm(since = 1)]
    heat: u32,
    #[shm(since = 1)]
    fan: u32,
}

#[derive(ShmLayout)]
#[repr(C)]
#[shm(padding)]
struct Image {
    mode: Mode,
    lock: Mutex<u8>,
    pixels: [u16],
}

#[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
#[repr(u8)]
enum Mode {
    Grey = 1,
    Colour = 2,
}

#[test]
fn a_segment_made_by_a_schema_is_one_of_the_type() {
    let names = Names::new("dyn-create");
    let (first, second) = (names.name("first"), names.name("second"));
    let typed = Status::create(&first).unwrap();
    let schema = DynSchema::of_segment(&first).unwrap();
    let segment = DynSegment::create(&second, &schema).unwrap();
    assert!(segment.is_writable() && segment.is_current());
    // The same file but for the time, and what lies in the payload.
    let contents = |name| SegmentInfo::of(name).unwrap().contents.unwrap();
    let (a, b) = (contents(&first), contents(&second));
    assert_eq!(a.payload_len, b.payload_len);
    assert_eq!(a.level, b.level);
    let len = |name| SegmentInfo::of(name).unwrap().file_len;
    assert_eq!(len(&first), len(&second));
    let other = DynSchema::of_segment(&second).unwrap();
    assert_eq!(other.to_bytes(), schema.to_bytes());
    // Both kinds of handles use it.
    let attached = Status::attach(&second).unwrap();
    segment.at("lock").unwrap().set(&7.into()).unwrap();
    assert_eq!(attached.lock.lock().unwrap().get(), 7);
    segment.at("heat").unwrap().set(&9.into()).unwrap();
    assert_eq!(attached.heat.get(), 9);
    attached.limits.store([1, 2]).unwrap();
    assert_eq!(segment.at("limits[1]").unwrap().get().unwrap(), 2.into());
    // The handle owns the name.
    assert!(attached.has_owner());
    let cell = segment.at("beat").unwrap();
    drop(segment);
    assert!(attached.is_current());
    drop(cell);
    assert!(!attached.is_current());
    drop(typed);
}

#[test]
fn first_contents_are_there_before_the_name() {
    let names = Names::new("dyn-create-with");
    let name = names.name("image");
    let schema = DynSchema::of_layout(Image::LAYOUT).unwrap();
    let options = DynSegment::options().len(3).mode(0o640);
    let error = options.create(&name, &schema).unwrap_err();
    assert!(matches!(error, ShmError::Uninitialized { .. }), "{error}");
    assert!(error.to_string().contains("mode"), "{error}");
    let segment = options.create_with(
        &name,
        &schema,
        |image| -> Result<(), Box<dyn std::error::Error>> {
            assert!(matches!(
                SegmentInfo::of(&name),
                Err(ShmError::NotFound { .. })
            ));
            assert!(!image.is_current());
            image.at("mode")?.set(&"Colour".into())?;
            image.at("lock")?.set(&4.into())?;
            image.at("pixels")?.set(&"[1, 2, 3]".parse()?)?;
            Ok(())
        },
    );
    let segment = segment.unwrap();
    let typed = Image::attach_read_only(&name).unwrap();
    assert_eq!(typed.mode.try_get().unwrap(), Mode::Colour);
    assert_eq!(typed.pixels.to_vec(), [1, 2, 3]);
    assert_eq!(SegmentInfo::of(&name).unwrap().mode, 0o640);
    let error = options.create_with(&name, &schema, |_| {}).unwrap_err();
    assert!(matches!(error, ShmError::AlreadyExists { .. }), "{error}");
    // An error of the closure leaves nothing.
    let other = names.name("other");
    let failed = options.create_with(&other, &schema, |_| {
        Err::<(), _>(Box::<dyn std::error::Error>::from("no"))
    });
    assert_eq!(failed.unwrap_err().to_string(), "no");
    assert!(matches!(
        SegmentInfo::of(&other),
        Err(ShmError::NotFound { .. })
    ));
    drop(segment);
}

#[test]
fn a_persistent_segment_stays() {
    let names = Names::new("dyn-persist");
    let name = names.name("status");
    let schema = DynSchema::of_layout(Status::LAYOUT).unwrap();
    let segment = DynSegment::create(&name, &schema).unwrap();
    let reader = DynSegment::attach_read_only(&name).unwrap();
    let error = reader.persist().unwrap_err();
    assert!(
        matches!(error, ShmError::PermissionDenied { .. }),
        "{error}"
    );
    segment.persist().unwrap();
    drop((segment, reader));
    assert_eq!(
        SegmentInfo::of(&name).unwrap().state,
        SegmentState::Persistent
    );
    Status::unlink(&name).unwrap();
}

#[test]
fn options_hold_for_segments_without_their_type() {
    let names = Names::new("dyn-options");
    let name = names.name("image");
    let error = DynSegment::options()
        .wait(Duration::ZERO)
        .attach(&name)
        .unwrap_err();
    assert!(matches!(error, ShmError::NotFound { .. }), "{error}");
    let options = DynSegment::options().wait(Duration::MAX);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| options.attach_read_only(&name));
        let shm = <[u16; 2]>::create(&name).unwrap();
        let attached = waiting.join().unwrap().unwrap();
        assert_eq!(attached.at(".").unwrap().len().unwrap(), Some(2));
        drop(shm);
    });
    let shm = Image::options()
        .len(2)
        .create_anonymous_with(|image| image.mode.set(Mode::Grey))
        .unwrap();
    let fd = || shm.as_fd().try_clone_to_owned().unwrap();
    let options = DynSegment::options();
    assert!(options.from_fd(fd()).unwrap().is_writable());
    assert!(!options.from_fd_read_only(fd()).unwrap().is_writable());
    options.clone().len(2).from_fd(fd()).unwrap();
    let error = options.len(3).from_fd(fd()).unwrap_err();
    assert!(matches!(error, ShmError::LayoutMismatch { .. }), "{error}");
}
