//! A process is killed after each k-th instruction of a change that is written as `shm-core/docs/recovery.md` says: the next
//! owner repairs the value, also if a process was killed in the repair.

#![cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]

use shm_core::sync::Mutex;
use shm_core::{Shm, ShmCell, ShmLayout};
use shm_tests::{Accounts, Log, Names, Places, Recoverable, Table, peer, step};

/// Without optimisation a round has many times the instructions.
fn stride(unoptimised: u64) -> usize {
    step::stride(if cfg!(debug_assertions) {
        unoptimised
    } else {
        7
    })
}

/// Kills at every `stride`-th instruction of a round in this way, and repairs and checks the value after each kill. Returns
/// the instructions after which `is_dirty` was true.
fn at_every<T: ShmLayout>(
    shm: &Shm<Recoverable>,
    way: &str,
    stride: usize,
    before: impl Fn(),
    mutex: impl Fn(&Shm<Recoverable>) -> &Mutex<T>,
    [is_dirty, is_consistent]: [fn(&ShmCell<T>) -> bool; 2],
    repair: fn(&ShmCell<T>),
) -> Vec<usize> {
    let name = shm.name();
    let (mut dirty, mut deaths, mut instruction) = (Vec::new(), 0, 0);
    loop {
        before();
        let peer = peer!("recoverable attach {name}");
        let killed =
            step::kill_at_instruction(peer, &format!("recoverable round {way}"), instruction);
        let value = mutex(shm).lock_recover(|value| {
            deaths += 1;
            if is_dirty(value) {
                dirty.push(instruction);
            }
            repair(value);
        });
        let value = value.expect("the lock is free");
        assert!(is_consistent(&value), "{way}: instruction {instruction}");
        if !killed {
            break;
        }
        instruction += stride;
    }
    println!(
        "{way}: {instruction} instructions, {deaths} deaths, {} dirty",
        dirty.len()
    );
    assert!(deaths > 0);
    dirty
}

#[test]
fn kill_in_a_change_with_a_commit_word_needs_no_repair() {
    let names = Names::new("step-log");
    let shm = Recoverable::create(&names.name("t")).unwrap();
    let (nothing, stride) = (|_: &ShmCell<Log>| {}, stride(241));
    at_every(
        &shm,
        "log",
        stride,
        || {},
        |shm| &shm.log,
        [|_| false, Log::is_consistent],
        nothing,
    );
}

#[test]
fn kill_in_a_change_of_the_other_copy_needs_no_repair() {
    let names = Names::new("step-table");
    let shm = Recoverable::create(&names.name("t")).unwrap();
    let (nothing, stride) = (|_: &ShmCell<Table>| {}, stride(1201));
    let checks = [|_: &ShmCell<Table>| false, Table::is_consistent];
    at_every(
        &shm,
        "table",
        stride,
        || {},
        |shm| &shm.table,
        checks,
        nothing,
    );
}

#[test]
fn kill_in_a_change_of_truth_and_count_is_repaired() {
    let names = Names::new("step-rebuild");
    let shm = Recoverable::create(&names.name("t")).unwrap();
    let checks: [fn(&ShmCell<Places>) -> bool; 2] = [
        |places| !Places::is_consistent(places),
        Places::is_consistent,
    ];
    let stride = stride(601);
    at_every(
        &shm,
        "rebuild",
        stride,
        || {},
        |shm| &shm.places,
        checks,
        Places::recount,
    );
}

/// Also kills a process that repairs what another one, killed during the change, left.
fn with_record(way: &str, mutex: fn(&Shm<Recoverable>) -> &Mutex<Accounts>) {
    let names = Names::new(&format!("step-{way}"));
    let shm = Recoverable::create(&names.name("t")).unwrap();
    let checks: [fn(&ShmCell<Accounts>) -> bool; 2] =
        [Accounts::has_record, Accounts::is_consistent];
    let repair = Accounts::apply_record;
    let dirty = at_every(&shm, way, stride(307), || {}, mutex, checks, repair);
    let middle = dirty[dirty.len() / 2];
    let name = shm.name();
    let die_in_the_middle = || {
        let peer = peer!("recoverable attach {name}");
        let round = format!("recoverable round {way}");
        assert!(step::kill_at_instruction(peer, &round, middle));
    };
    let stride = stride(1601);
    at_every(&shm, way, stride, die_in_the_middle, mutex, checks, repair);
}

#[test]
fn kill_in_a_change_with_an_undo_record_is_rolled_back() {
    with_record("undo", |shm| &shm.undo);
}

#[test]
fn kill_in_a_change_with_a_redo_record_is_completed() {
    with_record("redo", |shm| &shm.redo);
}
