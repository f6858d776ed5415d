//! `dump` and `restore`.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use shm_core::ShmLayout;
use shm_core::sync::{Mutex, Ring, SeqLock};
use shm_tests::{Names, no_child_starts};

use crate::common::{command, output, shm};

#[derive(ShmLayout)]
#[repr(C)]
#[shm(padding)]
struct Plant {
    pose: SeqLock<[u64; 64]>,
    jobs: Ring<u64, 4>,
    limit: Mutex<u32>,
    name: u32,
}

/// A path for a dump, which is removed on drop.
struct Path(PathBuf);

impl Path {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("{}.shm", &name[1..])))
    }

    fn text(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// The files that an unfinished dump would leave.
    fn unfinished(&self) -> usize {
        let name = self.0.file_name().unwrap().to_str().unwrap().to_owned();
        let entries = fs::read_dir(self.0.parent().unwrap()).unwrap();
        let names = entries.flatten().map(|entry| entry.file_name());
        names
            .filter(|of| of.to_string_lossy().starts_with(&format!(".{name}.")))
            .count()
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        assert_eq!(self.unfinished(), 0);
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn a_restored_segment_has_the_values_and_no_owners() {
    let names = Names::new("dump");
    let (name, copy) = (names.name("t"), names.name("copy"));
    let path = Path::new(&name);
    let plant = Plant::create(&name).unwrap();
    plant.name.set(7);
    plant.pose.store([3; 64]).unwrap();
    let mut sender = plant.jobs.sender().unwrap();
    sender.send(11).unwrap();
    sender.send(12).unwrap();
    let guard = plant.limit.lock().unwrap();
    guard.set(5);

    let dumped = shm(["dump", &name, path.text()]).code(0);
    assert!(dumped.out.contains("dumped"), "{dumped:?}");
    assert_eq!(
        fs::metadata(&path.0).unwrap().permissions().mode() & 0o777,
        0o600
    );
    for part in ["name", "pose", "limit"] {
        let of = |of: &str| shm(["get", of, part]).code(0).out;
        assert_eq!(of(path.text()), of(&name));
    }
    let json = shm(["restore", "--json", "--mode", "640", path.text(), &copy])
        .code(0)
        .out;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["name"], copy.as_str(), "{json}");
    let mode = fs::metadata(Names::path(&copy))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o640);

    let restored = Plant::attach(&copy).unwrap();
    assert_eq!(restored.name.get(), 7);
    assert_eq!(restored.pose.read().unwrap(), [3; 64]);
    let mut receiver = restored.jobs.receiver().unwrap();
    assert_eq!(
        (receiver.recv().unwrap(), receiver.recv().unwrap()),
        (11, 12)
    );
    let mut sender_again = restored.jobs.sender().unwrap();
    sender_again.send(13).unwrap();
    assert_eq!(receiver.recv().unwrap(), 13);
    // It was locked, so its value may be half done.
    let shm_core::sync::LockError::OwnerDied(value) = restored.limit.lock().unwrap_err() else {
        panic!("the lock was held");
    };
    assert_eq!(value.get(), 5);
    drop((value, receiver, sender_again));
    drop(restored);
    // Persistent: nobody is attached.
    assert!(Names::exists(&copy));
    shm(["rm", &copy]).code(0);
    drop((sender, guard));
    drop(plant);
}

#[test]
fn a_dump_has_whole_values_while_a_writer_runs() {
    let names = Names::new("dump-running");
    let name = names.name("t");
    let path = Path::new(&name);
    let plant = Plant::create(&name).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut number = 0;
            while !stop.load(Ordering::Relaxed) {
                number += 1;
                plant.pose.store([number; 64]).unwrap();
            }
        });
        for _ in 0..20 {
            let ran = shm(["dump", "--force", &name, path.text()]);
            let read = shm(["get", path.text(), "pose"]);
            if ran.code != 0 || read.code != 0 {
                stop.store(true, Ordering::Relaxed);
            }
            let numbers: Vec<u64> = serde_json::from_str(&read.out).unwrap_or_default();
            let whole = numbers.len() == 64 && numbers.iter().all(|number| *number == numbers[0]);
            if !whole {
                stop.store(true, Ordering::Relaxed);
                panic!("{ran:?} {read:?}");
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    drop(plant);
}

#[test]
fn a_restored_segment_has_the_options_of_the_first() {
    /// Where a header has its flags.
    const FLAGS: u64 = 88;

    let names = Names::new("dump-options");
    for (number, (sparse, wake_readers)) in
        [(false, false), (true, false), (false, true), (true, true)]
            .into_iter()
            .enumerate()
    {
        let name = names.name(&format!("t{number}"));
        let copy = names.name(&format!("copy{number}"));
        let path = Path::new(&name);
        let options = SeqLock::<u64>::options();
        let options = options.sparse(sparse).wake_readers(wake_readers);
        let segment = options.create(&name).unwrap();
        shm(["dump", &name, path.text()]).code(0);
        shm(["restore", path.text(), &copy]).code(0);
        let flags = |name: &str| {
            let mut flags = [0; 8];
            let file = File::open(Names::path(name)).unwrap();
            file.read_exact_at(&mut flags, FLAGS).unwrap();
            u64::from_ne_bytes(flags)
        };
        assert_eq!(flags(&name), flags(&copy), "{sparse} {wake_readers}");
        shm(["rm", &copy]).code(0);
        drop(segment);
    }
}

#[test]
fn zeros_take_no_room_and_a_pipe_gets_everything() {
    let names = Names::new("dump-sparse");
    let name = names.name("t");
    let path = Path::new(&name);
    let long = <[u64; 1 << 20]>::create(&name).unwrap();
    long[77_777].set(5);
    let made = shm(["dump", "--json", &name, path.text()]).code(0).out;
    let made: Value = serde_json::from_str(&made).unwrap();
    let file = fs::metadata(&path.0).unwrap();
    assert_eq!(file.len(), fs::metadata(Names::path(&name)).unwrap().len());
    assert!(file.blocks() * 512 < 1 << 20, "{made}");
    let piped = output(command().args(["dump", &name, "-"]));
    assert!(piped.status.success());
    assert!(piped.stdout == fs::read(&path.0).unwrap());
    assert_eq!(shm(["get", path.text(), "[77777]"]).code(0).out, "5\n");
    let full = shm(["dump", &name, "/dev/full"]).code(4);
    assert!(full.err.contains("free some space"), "{full:?}");
    shm(["dump", &name, "/dev/null"]).code(0);
    drop(long);
}

#[test]
fn nothing_is_overwritten_without_a_flag() {
    let names = Names::new("dump-exists");
    let (name, other) = (names.name("t"), names.name("other"));
    let path = Path::new(&name);
    let one = u64::create(&name).unwrap();
    one.set(1);
    fs::write(&path.0, b"mine").unwrap();
    let refused = shm(["dump", &name, path.text()]).code(4);
    assert!(refused.err.contains("--force"), "{refused:?}");
    assert_eq!(fs::read(&path.0).unwrap(), b"mine");
    shm(["dump", "--force", &name, path.text()]).code(0);

    let two = u64::create(&other).unwrap();
    let refused = shm(["restore", path.text(), &other]).code(4);
    assert!(refused.err.contains("--replace"), "{refused:?}");
    let refused = shm(["restore", "--replace", path.text(), &other]).code(4);
    assert!(refused.err.contains("in use"), "{refused:?}");
    let again = " and run `shm restore` again, or add `--yes` to replace it";
    assert!(refused.err.contains(again), "{refused:?}");
    assert!(two.is_current());
    shm(["restore", "--replace", "--yes", path.text(), &other]).code(0);
    assert!(!two.is_current());
    assert_eq!(u64::attach(&other).unwrap().get(), 1);
    {
        let _alone = no_child_starts();
        drop((one, two));
    }
    shm(["restore", "--replace", path.text(), &other]).code(0);
    shm(["rm", &other]).code(0);
    shm(["dump", &name, path.text()]).code(3);
    shm(["restore", "/nonexistent/x", &other]).code(3);
    shm(["restore", path.text(), "/tmp/x"]).code(2);
    shm(["restore", "--mode", "999", path.text(), &other]).code(2);
    assert!(!Names::exists(&other));
}

#[test]
fn a_dump_that_is_no_good_is_refused_with_the_reason() {
    let names = Names::new("restore-bad");
    let (name, other) = (names.name("t"), names.name("other"));
    let path = Path::new(&name);
    let flag = <[bool; 4]>::create(&name).unwrap();
    let whole = fs::read(Names::path(&name)).unwrap();
    drop(flag);
    let payload = u64::from_ne_bytes(whole[40..48].try_into().unwrap());
    fs::write(&path.0, &whole).unwrap();
    let file = File::options().write(true).open(&path.0).unwrap();
    file.write_all_at(&[9], payload).unwrap();
    let refused = shm(["restore", path.text(), &other]).code(4);
    assert!(refused.err.contains("`[0]` holds 9"), "{refused:?}");
    shm(["restore", "--yes", path.text(), &other]).code(0);
    shm(["rm", &other]).code(0);

    fs::write(&path.0, &whole[..700]).unwrap();
    shm(["restore", path.text(), &other]).code(4);
    fs::write(&path.0, b"text").unwrap();
    shm(["restore", path.text(), &other]).code(4);
    assert!(!Names::exists(&other));
}
