//! Creation on systems without unnamed files, or without /proc.

#![forbid(unsafe_code)]

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::atomic::Ordering::Acquire;
use std::time::{Duration, Instant};

use shm_core::ShmLayout;
use shm_tests::lock_bytes::{ATTACH, is_locked};
use shm_tests::{
    DEADLINE, Names, Patience, Peer, RandomDelays, SHM_DIRECTORY, Stats, count_from_env, peer,
    with_restriction,
};

/// A process on a system that has no `O_TMPFILE`.
fn old() -> Peer {
    let mut peer = peer!();
    peer.ok("no-unnamed-files");
    peer
}

/// Hidden names of this user whose creator is gone.
fn abandoned() -> Vec<String> {
    let user = nix::unistd::geteuid().as_raw();
    fs::read_dir(SHM_DIRECTORY)
        .unwrap()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = format!("/{}", entry.file_name().to_str()?);
            let (_, number) = name.rsplit_once(".shm-new-")?;
            let is_hidden = number.len() == 16 && u64::from_str_radix(number, 16).is_ok();
            let mine = is_hidden && entry.metadata().ok()?.uid() == user;
            (mine && !is_locked(&name, ATTACH).ok()?).then_some(name)
        })
        .collect()
}

/// Any other hidden name was left by another run of this test, which removes it. One that another process has locked, to remove
/// it, goes when that process gets to it.
fn abandoned_are_removed(creator: &mut Peer, names: &Names, name: &str) {
    let start = Instant::now();
    loop {
        creator.ok(&format!("open s create {name}"));
        creator.ok("drop s");
        let mut left = abandoned();
        let mine = names.remaining().into_iter();
        let mine = mine.map(|path| path.to_string_lossy().into_owned());
        left.extend(mine.filter(|path| path.contains(".shm-new-")));
        if left.is_empty() {
            return;
        }
        assert!(start.elapsed() < DEADLINE, "{left:?}");
    }
}

#[test]
fn segments_work_the_same_without_unnamed_files() {
    let names = Names::new("old");
    let name = names.name("t");
    let (mut owner, mut other) = (old(), peer!());
    for how in ["create", "join"] {
        owner.ok(&format!("open s {how} {name} frame=3 mode=640"));
        other.ok(&format!("open s attach {name}"));
        assert_eq!(other.ok("load s"), "3");
        assert_eq!(fs::metadata(Names::path(&name)).unwrap().nlink(), 1);
        let listed = other.ok(&format!("list {name}"));
        assert!(listed.starts_with("Live "), "{listed}");
        other.refused(&format!("open n create {name}"), "AlreadyExists");
        other.ok("drop s");
        owner.ok("drop s");
        assert!(!Names::exists(&name));
    }
    // Each replaces the orphaned segments of the other.
    owner.ok(&format!("open s create {name}"));
    owner.kill();
    other.ok(&format!("open s create {name}"));
    other.kill();
    old().ok(&format!("open s create {name}"));
}

#[test]
fn sandboxes_may_permit_only_names_with_a_prefix() {
    let names = Names::new("sandbox");
    let name = names.name("t");
    let mut creator = peer!();
    creator.ok("forbid unnamed-files");
    creator.tell(&format!("open s create {name} during=hold"));
    assert_eq!(creator.hear(), "inside");
    // Also the temporary name begins with the segment's.
    let found = names.remaining();
    let beginning = format!("{SHM_DIRECTORY}{name}.shm-new-");
    assert!(
        found.len() == 1 && found[0].to_string_lossy().starts_with(&beginning),
        "{found:?}"
    );
    creator.tell("go on");
    assert_eq!(creator.hear(), "ok ");
    assert_eq!(names.remaining(), [Names::path(&name)]);

    let mut confined = peer!();
    confined.ok("forbid new-files");
    let text = confined.refused(
        &format!("open s create {}", names.name("u")),
        "PermissionDenied",
    );
    assert!(text.contains("may not create a file in /dev/shm"), "{text}");
}

#[test]
fn the_next_creator_removes_a_killed_ones_hidden_name() {
    let names = Names::new("old-killed");
    let (name, other_name) = (names.name("t"), names.name("other"));
    let mut next = old();
    for _ in 0..20 {
        let mut creator = old();
        creator.tell(&format!("open s create {name} during=hold"));
        assert_eq!(creator.hear(), "inside");
        // It lives: its hidden name stays, even if others create meanwhile.
        next.ok(&format!("open o create {other_name}"));
        next.ok("drop o");
        creator.tell("go on");
        assert_eq!(creator.hear(), "ok ");
        creator.ok("drop s");
        creator.tell(&format!("open s create {name} during=hold"));
        assert_eq!(creator.hear(), "inside");
        creator.kill();
        assert!(!Names::exists(&name));
        abandoned_are_removed(&mut next, &names, &name);
    }
}

/// `SHM_CREATE_KILLS` sets the number of kills.
#[test]
fn every_name_is_complete_although_creators_are_killed() {
    let names = Names::new("old-torture");
    let stats = Stats::create(&names.name("stats")).unwrap();
    let name = names.name("t");
    let (mut next, mut observer) = (old(), peer!());
    let wanted = count_from_env("SHM_CREATE_KILLS", 300);
    let (mut kills, mut orphaned, mut hidden) = (0, 0, 0);
    let mut instants = RandomDelays::new();
    // Slightly longer than one creation takes in an empty directory.
    let mut patience = Patience::new(Duration::from_micros(400));
    // How many leave a name depends on the number of files in the directory, which each creation reads. The test above does not
    // leave it to chance.
    while kills < wanted {
        let mut victim = old();
        victim.tell(&format!("loop-create {name} {}", stats.name()));
        assert_eq!(victim.hear(), "looping");
        instants.spin_up_to(patience.longest());
        victim.kill();
        kills += 1;
        let (is_hidden, is_orphaned) = (!abandoned().is_empty(), Names::exists(&name));
        hidden += u32::from(is_hidden);
        orphaned += u32::from(is_orphaned);
        patience.learn(!is_hidden && !is_orphaned);
        let answer = observer.ask(&format!("open look read {name}"));
        if answer.starts_with("ok") {
            observer.ok("load look");
            observer.ok("drop look");
        } else {
            assert!(answer.starts_with("err NotFound "), "{answer}");
        }
        abandoned_are_removed(&mut next, &names, &name);
        assert_eq!(names.remaining().len(), 1, "{:?}", names.remaining());
    }
    assert_eq!(stats.failed.load(Acquire), 0);
    assert_eq!(stats.torn.load(Acquire), 0);
    println!(
        "{kills} kills left {orphaned} orphaned and {hidden} hidden names, and nothing after the next create"
    );
}

#[test]
fn sweep_removes_hidden_names_of_killed_creators() {
    let Some(mut peer) = with_restriction(peer!(), "own-shm size=1m") else {
        return;
    };
    let folder = format!("/proc/{}/root/dev/shm", peer.pid());
    fs::write(format!("{folder}/.shm-new-0123456789abcdef"), [0; 100]).unwrap();
    fs::write(format!("{folder}/.shm-new-0123456789abcdee"), "text").unwrap();
    let owner = nix::unistd::geteuid();
    // A file system of a user namespace shows its files as that user's, so both belong to the peer.
    assert_eq!(
        fs::metadata(format!("{folder}/.shm-new-0123456789abcdef"))
            .unwrap()
            .uid(),
        owner.as_raw()
    );
    assert_eq!(peer.ok("list-all"), "");
    assert_eq!(peer.ok("sweep"), "/.shm-new-0123456789abcdef");
    assert_eq!(peer.ok("sweep"), "");
    assert!(fs::exists(format!("{folder}/.shm-new-0123456789abcdee")).unwrap());
}

#[test]
fn a_read_only_mount_can_be_read_and_no_more() {
    let Some(mut peer) = with_restriction(peer!(), "own-shm size=1m") else {
        return;
    };
    peer.ok("open s create /t frame=3");
    peer.ok("persist s");
    peer.ok("drop s");
    peer.ok("read-only-shm");
    let text = peer.refused("open s attach /t", "Os");
    assert!(text.contains("use `attach_read_only`"), "{text}");
    let text = peer.refused("open s create /u", "Os");
    assert!(text.contains("writable tmpfs"), "{text}");
    let text = peer.refused("open s create /t", "Os");
    assert!(text.contains("mount it for writing"), "{text}");
    assert!(!text.contains("attach_read_only"), "{text}");
    peer.ok("open s read /t");
    assert_eq!(peer.ok("load s"), "3");
}

#[test]
fn forbidden_calls_are_named() {
    let names = Names::new("forbidden");
    let name = names.name("t");
    for (call, command) in [
        ("linkat", format!("open s create {name}")),
        ("memfd_create", "open s anonymous none".to_owned()),
    ] {
        let mut peer = peer!();
        peer.ok(&format!("forbid {call}"));
        let text = peer.refused(&command, "PermissionDenied");
        let expected = format!("a sandbox forbids this process to call `{call}`");
        assert!(text.contains(&expected), "{text}");
    }
    let mut peer = peer!();
    peer.ok("forbid ofd-locks");
    let text = peer.refused(&format!("open s create {name}"), "Os");
    assert!(text.contains("need Linux 3.15"), "{text}");
    assert!(!Names::exists(&name));
}

#[test]
fn segments_are_published_without_proc() {
    let names = Names::new("no-proc");
    let name = names.name("t");
    for prepare in [&["no-proc"][..], &["no-proc", "no-unnamed-files"]] {
        let Some(mut owner) = with_restriction(peer!(), prepare[0]) else {
            return;
        };
        for command in &prepare[1..] {
            owner.ok(command);
        }
        owner.ok(&format!("open s create {name} frame=3"));
        assert_eq!(owner.ok("load s"), "3");
        assert_eq!(owner.ok("current s"), "true");
        let mut other = peer!();
        other.ok(&format!("open s attach {name}"));
        assert_eq!(other.ok("load s"), "3");
        other.ok("drop s");
        owner.ok("drop s");
        assert!(!Names::exists(&name));
        // Participants open the file again.
        owner.ok(&format!("claims create {name}"));
        assert!(owner.ok("claims lock try").starts_with("held "));
        other.ok(&format!("claims attach {name}"));
        assert!(other.ok("claims lock try").starts_with("would-block "));
        owner.kill();
        assert!(other.ok("claims lock 10000").starts_with("died "));
        fs::remove_file(Names::path(&name)).unwrap();
    }
}

#[test]
fn no_space_leaves_no_hidden_name() {
    let Some(mut peer) = with_restriction(peer!(), "own-shm size=8k") else {
        return;
    };
    peer.ok("no-unnamed-files");
    peer.refused("large /large", "NoSpace");
    let folder = format!("/proc/{}/root/dev/shm", peer.pid());
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    // The space of a killed creator's file is freed.
    let hidden = format!("{folder}/.shm-new-0123456789abcdef");
    let file = fs::File::create(&hidden).unwrap();
    file.write_all_at(&[0; 8192], 0).unwrap();
    drop(file);
    peer.ok("open s create /t");
    assert!(!fs::exists(&hidden).unwrap());
}
