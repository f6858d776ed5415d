//! What may be appended, and what old programs see of it.

use std::time::Duration;

use shm_core::sync::{Mutex, Ring, SeqLock};
use shm_core::{ShmError, ShmLayout, ShmOffset, ShmStr};
use shm_tests::Names;

mod old {
    use super::{ShmLayout, ShmOffset};

    #[derive(Clone, Copy, ShmLayout)]
    #[repr(C)]
    pub(super) struct Config {
        pub(super) limit: u64,
        pub(super) current: ShmOffset<u64>,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
#[repr(C)]
struct Config {
    limit: u64,
    current: ShmOffset<u64>,
    #[shm(since = 1)]
    burst: u64,
}

#[test]
fn an_old_program_stores_its_own_fields_only() {
    let names = Names::new("levels-store");
    let name = names.name("t");
    let new = Config::create(&name).unwrap();
    new.burst.set(3);
    let old = old::Config::attach(&name).unwrap();
    old.store(old::Config {
        limit: 5,
        current: ShmOffset::NULL,
    });
    assert_eq!(
        new.load(),
        Config {
            limit: 5,
            current: ShmOffset::NULL,
            burst: 3
        }
    );
}

#[test]
fn an_offset_into_newer_fields_is_bad_in_an_old_program() {
    let names = Names::new("levels-offset");
    let name = names.name("t");
    let old = old::Config::create(&name).unwrap();
    let new = Config::attach(&name).unwrap();
    new.current.set(new.offset_of(&new.burst));
    new.burst.set(9);
    assert_eq!(new.resolve(new.current.get()).unwrap().get(), 9);
    match old.resolve(old.current.get()).map(|cell| cell.get()) {
        Err(ShmError::BadOffset { offset, .. }) => assert_eq!(offset, new.current.get().as_raw()),
        other => panic!("{other:?}"),
    }
    new.current.set(new.offset_of(&new.limit));
    new.limit.set(8);
    assert_eq!(old.resolve(old.current.get()).unwrap().get(), 8);
}

mod grown {
    use super::{Mutex, Ring, SeqLock, ShmLayout, ShmStr};

    /// What a struct of one number has become.
    #[derive(ShmLayout)]
    #[repr(C)]
    #[shm(padding)]
    pub(super) struct Service {
        pub(super) beat: u64,
        #[shm(since = 1)]
        pub(super) name: ShmStr<24>,
        #[shm(since = 2)]
        pub(super) limits: SeqLock<[u64; 4]>,
        #[shm(since = 2)]
        pub(super) owner: Mutex<u64>,
        #[shm(since = 3)]
        pub(super) jobs: Ring<u64, 4>,
    }
}

#[derive(ShmLayout)]
#[repr(C)]
#[shm(room = 4096)]
struct Service {
    beat: u64,
}

#[test]
fn locks_and_queues_can_be_appended() {
    let names = Names::new("levels-sync");
    let name = names.name("t");
    let old = Service::create(&name).unwrap();
    let shm = grown::Service::attach(&name).unwrap();
    let other = grown::Service::attach(&name).unwrap();
    shm.name.set("feed").unwrap();
    shm.limits.store([1, 2, 3, 4]).unwrap();
    shm.owner.lock().unwrap().set(5);
    let mut sender = shm.jobs.sender().unwrap();
    let mut receiver = other.jobs.receiver().unwrap();
    sender.send(6).unwrap();
    assert_eq!(receiver.recv().unwrap(), 6);
    assert_eq!(other.limits.read().unwrap(), [1, 2, 3, 4]);
    assert_eq!(other.owner.lock().unwrap().get(), 5);
    assert_eq!(other.name.to_bytes(), *b"feed");
    old.beat.set(1);
    assert_eq!((other.beat.get(), old.level().unwrap()), (1, 3));
}

#[test]
fn a_struct_grows_whatever_the_options_of_its_segment() {
    let names = Names::new("levels-options");
    let name = names.name("t");
    let base = old::Config::options;
    for options in [
        base(),
        base().sparse(true),
        base().huge_pages(true).populate(true),
        base().wake_readers(true),
        base().mode(0o600).lock_in_memory(true),
        base().timeout(Duration::ZERO),
    ] {
        let shm = match options.create(&name) {
            Err(ShmError::Os { call: "mlock", .. }) => continue,
            created => created.unwrap(),
        };
        let new = Config::options()
            .timeout(Duration::ZERO)
            .attach(&name)
            .unwrap();
        new.burst.set(1);
        assert_eq!(shm.level().unwrap(), 1);
    }
}

/// A struct that nobody has prepared for growing still grows within its last page, and for at least 1 KiB.
#[test]
fn every_struct_has_room_for_a_kibibyte() {
    mod first {
        #[derive(shm_core::ShmLayout)]
        #[repr(C)]
        pub(super) struct Block {
            pub(super) data: [u8; 3700],
        }
    }
    #[derive(ShmLayout)]
    #[repr(C)]
    struct Block {
        data: [u8; 3700],
        #[shm(since = 1)]
        more: [u8; 940],
    }
    let names = Names::new("levels-room");
    let name = names.name("t");
    assert_eq!(first::Block::PAGE_ROUNDED_SIZE, 8192);
    let old = first::Block::create(&name).unwrap();
    old.data.fill(1);
    let new = Block::attach(&name).unwrap();
    new.more.fill(2);
    assert_eq!(
        (old.data.get(3699).unwrap().get(), old.level().unwrap()),
        (1, 1)
    );
}
