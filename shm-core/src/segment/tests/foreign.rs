//! Names that lead to something else, or to a damaged segment.

use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};

use super::*;
use crate::segment::lifetime::Users;

use crate::sys::effective_user;

fn not_a_segment<T>(result: Result<T, ShmError>, part: &str) {
    match error(result) {
        ShmError::NotASegment { reason, .. } => assert!(reason.contains(part), "{reason}"),
        other => panic!("{other}"),
    }
}

/// No function takes it for a segment, and `create` leaves it alone.
#[track_caller]
fn is_left_alone(name: &TestName, part: &str) {
    not_a_segment(options().attach(name.as_str()), part);
    not_a_segment(options().attach_read_only(name.as_str()), part);
    not_a_segment(options().open_or_create(name.as_str()), part);
    assert_eq!(
        existing(options().create(name.as_str())),
        Existing::NotASegment
    );
    assert!(name.exists());
}

#[test]
fn names_are_checked_before_anything_else() {
    for bad in ["", "x", "/", "/a/b", "/.."] {
        assert!(matches!(
            error(options().create(bad)),
            ShmError::InvalidName { .. }
        ));
        assert!(matches!(
            error(options().open_or_create(bad)),
            ShmError::InvalidName { .. }
        ));
        assert!(matches!(
            error(options().attach(bad)),
            ShmError::InvalidName { .. }
        ));
        assert!(matches!(
            error(options().attach_read_only(bad)),
            ShmError::InvalidName { .. }
        ));
        assert!(matches!(error(unlink(bad)), ShmError::InvalidName { .. }));
    }
}

#[test]
fn the_longest_name_works() {
    let short = TestName::new("longest-");
    let long = format!("{:x<256}", short.as_str());
    let shm = options().create(&long).unwrap();
    assert!(options().attach(&long).unwrap().is_current());
    drop(shm);
    assert!(shm::stat_name(&long).is_err());
}

#[test]
fn a_fifo_does_not_block() {
    let name = TestName::new("fifo");
    nix::unistd::mkfifo(name.path().as_str(), nix::sys::stat::Mode::S_IRWXU).unwrap();
    is_left_alone(&name, "a FIFO");
}

#[test]
fn a_symbolic_link_is_not_followed() {
    let name = TestName::new("symlink");
    let target = ShmOptions::<u64>::new();
    let real = format!("{}-real", name.as_str());
    let _segment = target.create(&real).unwrap();
    symlink(format!("{}{real}", shm::DIRECTORY), name.path()).unwrap();
    is_left_alone(&name, "a symbolic link");
}

#[test]
fn a_directory_and_a_socket_are_named_as_what_they_are() {
    let name = TestName::new("directory");
    std::fs::create_dir(name.path()).unwrap();
    is_left_alone(&name, "a directory");
    std::fs::remove_dir(name.path()).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(name.path()).unwrap();
    is_left_alone(&name, "a socket");
}

#[test]
fn a_device_is_not_a_segment() {
    use nix::sys::stat::{Mode, SFlag, makedev, mknod};
    let name = TestName::new("device");
    let path = name.path();
    // The numbers of /dev/null.
    let made = mknod(path.as_str(), SFlag::S_IFCHR, Mode::S_IRWXU, makedev(1, 3));
    if made.is_err() && effective_user() != 0 {
        println!("skipped: making a device needs root");
        return;
    }
    made.unwrap();
    is_left_alone(&name, "a device");
    // Numbers without a driver.
    std::fs::remove_file(&path).unwrap();
    let unknown = makedev(4000, 1);
    mknod(path.as_str(), SFlag::S_IFBLK, Mode::S_IRWXU, unknown).unwrap();
    is_left_alone(&name, "a device");
}

#[test]
fn other_files_are_not_segments() {
    let name = TestName::new("file");
    std::fs::write(name.path(), b"").unwrap();
    is_left_alone(&name, "empty");
    std::fs::write(name.path(), [0; 8192]).unwrap();
    is_left_alone(&name, "magic");
    unlink(name.as_str()).unwrap();
    assert!(!name.exists());
}

#[test]
fn unlink_removes_what_is_not_a_segment() {
    let name = TestName::new("unlink-others");
    symlink("/dev/zero", name.path()).unwrap();
    unlink(name.as_str()).unwrap();
    assert!(!name.exists());
    nix::unistd::mkfifo(name.path().as_str(), nix::sys::stat::Mode::S_IRWXU).unwrap();
    unlink(name.as_str()).unwrap();
    assert!(!name.exists());
    std::fs::create_dir(name.path()).unwrap();
    match error(unlink(name.as_str())) {
        ShmError::Os { source, .. } => assert_eq!(source.raw_os_error(), Some(libc::EISDIR)),
        other => panic!("{other}"),
    }
    std::fs::remove_dir(name.path()).unwrap();
}

#[test]
fn damaged_segments_differ_from_foreign_files() {
    let name = TestName::new("damaged");
    orphaned(&name, 1);
    let file = shm::open(name.as_str(), true).unwrap();
    file::write_at(&file, &[0xff], 30).unwrap();
    assert!(matches!(
        error(options().attach(name.as_str())),
        ShmError::Corrupt { .. }
    ));
    assert_eq!(
        existing(options().create(name.as_str())),
        Existing::Unreadable
    );

    unlink(name.as_str()).unwrap();
    orphaned(&name, 1);
    let file = shm::open(name.as_str(), true).unwrap();
    file::set_len(&file, 300).unwrap();
    assert!(matches!(
        error(options().attach(name.as_str())),
        ShmError::Corrupt { .. }
    ));
    file::set_len(&file, 100).unwrap();
    assert!(matches!(
        error(options().attach(name.as_str())),
        ShmError::Corrupt { .. }
    ));

    unlink(name.as_str()).unwrap();
    orphaned(&name, 1);
    let file = shm::open(name.as_str(), true).unwrap();
    file::write_at(&file, &9u16.to_ne_bytes(), 8).unwrap();
    assert!(matches!(
        error(options().attach(name.as_str())),
        ShmError::UnsupportedFormat { .. }
    ));
}

#[test]
fn segments_of_other_users_need_permission() {
    if effective_user() != 0 {
        // Only root can give a file away. The next test covers an ordinary user.
        return;
    }
    let name = TestName::new("users");
    orphaned(&name, 4);
    std::os::unix::fs::chown(name.path(), Some(12345), None).unwrap();
    match error(options().attach(name.as_str())) {
        ShmError::WrongOwner {
            owner: 12345,
            user: 0,
            ..
        } => {}
        other => panic!("{other}"),
    }
    assert!(matches!(
        error(options().allowed_owner(7).attach(name.as_str())),
        ShmError::WrongOwner { .. }
    ));
    assert_eq!(
        get(&options()
            .allowed_owner(7)
            .allowed_owner(12345)
            .attach(name.as_str())
            .unwrap()),
        4
    );
    assert_eq!(
        get(&options()
            .any_owner()
            .attach_read_only(name.as_str())
            .unwrap()),
        4
    );
    // While a process is attached, and when none is any more.
    let user = options()
        .any_owner()
        .attach_read_only(name.as_str())
        .unwrap();
    assert_eq!(
        existing(options().create(name.as_str())),
        Existing::OtherUser(12345)
    );
    drop(user);
    let refused = error(options().create(name.as_str()));
    assert!(refused.to_string().contains("as root"), "{refused}");
    assert_eq!(
        existing(Err::<(), _>(refused)),
        Existing::OrphanOfOtherUser(12345)
    );
    // Root removes it only when it asks for the segments of all users.
    let mine = |found: &str| found == name.as_str();
    assert!(sweep_where(Users::This, mine).unwrap().is_empty());
    assert_eq!(sweep_where(Users::All, mine).unwrap(), [name.as_str()]);
    assert!(!name.exists());
}

#[test]
fn attach_follows_the_name_and_not_another_link_to_the_file() {
    let name = TestName::new("linked");
    let first = options().create(name.as_str()).unwrap();
    let _other = Link::to(&name);
    // Between opening the file and locking it, another process replaces the name. The file still has its other link.
    let opened = shm::open(name.as_str(), true).unwrap();
    unlink(name.as_str()).unwrap();
    let second = options()
        .create_with(name.as_str(), |shm| set(shm, 2))
        .unwrap();
    let id = file::stat(&opened).unwrap();
    assert!(id.links > 0 && !shm::stat_name(name.as_str()).unwrap().same_file(&id));
    let locked = crate::segment::attach::lock_opened(
        opened,
        &crate::name::SegmentName::new(name.as_str()).unwrap(),
        &id,
    );
    assert!(locked.unwrap().is_err());
    assert_eq!(get(&options().attach(name.as_str()).unwrap()), 2);
    drop((first, second));
}

#[test]
fn a_segment_that_may_only_be_read() {
    let name = TestName::new("read-only");
    let owner = options().mode(0o400).create(name.as_str()).unwrap();
    assert_eq!(get(&options().attach_read_only(name.as_str()).unwrap()), 0);
    if effective_user() == 0 {
        // Root may write to it anyway.
        drop(options().attach(name.as_str()).unwrap());
    } else {
        match error(options().attach(name.as_str())) {
            ShmError::PermissionDenied {
                call: "shm_open", ..
            } => {}
            other => panic!("{other}"),
        }
        assert_eq!(
            existing(options().create(name.as_str())),
            Existing::NotWritable
        );
    }
    owner.persist().unwrap();
    owner.unlink().unwrap();
    assert!(!name.exists());
}

#[test]
fn a_foreign_file_that_appears_during_init_is_not_replaced() {
    let name = TestName::new("appears");
    let lost = options().create_with(name.as_str(), |_| {
        let file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(name.path())
            .unwrap();
        file.set_permissions(std::fs::Permissions::from_mode(0o600))
            .unwrap();
    });
    assert_eq!(existing(lost), Existing::NotASegment);
    assert!(name.exists());
}
