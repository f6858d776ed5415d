//! Segments with forged schemas and payloads, accessed without the type: each is refused or used without harm, and costs a
//! bounded amount of memory.
//!
//! `SHM_HOSTILE_SCHEMAS` is the number of files, 2,500 by default; `SHM_HOSTILE_SEED` selects other files.

use std::process::Command;

use shm_tests::hostile::{Scratch, Which, allocated_by};
use shm_tests::{Names, Random, count_from_env};

/// The files of one process. Each schema that is accepted takes memory for as long as the process lives.
const BATCH: u64 = 2500;

/// Set in the processes that this test starts: the first file of theirs.
const FIRST: &str = "SHM_HOSTILE_FIRST";

#[test]
fn forged_schemas_are_refused_or_used_without_harm() {
    let files = count_from_env("SHM_HOSTILE_SCHEMAS", 2500);
    if std::env::var_os(FIRST).is_some() {
        return check_batch(count_from_env(FIRST, 0), files.min(BATCH));
    }
    let mut attached = 0;
    for first in (0..files).step_by(BATCH as usize) {
        let this = "untyped::forged_schemas_are_refused_or_used_without_harm";
        let output = Command::new(std::env::current_exe().unwrap())
            .args([this, "--exact", "--nocapture"])
            .env(FIRST, first.to_string())
            .env("SHM_HOSTILE_SCHEMAS", (files - first).to_string())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "from {first}: {text}\n{errors}");
        let count = text.lines().find_map(|line| line.strip_prefix("ATTACHED "));
        attached += count
            .and_then(|count| count.parse::<u64>().ok())
            .unwrap_or(0);
        if first == 0 {
            println!("{text}");
        }
    }
    println!("{files} files, {attached} of them attached to");
    // The schemas were not all hopeless.
    assert!(attached * 20 > files, "{attached} of {files}");
}

fn check_batch(first: u64, files: u64) {
    let seed = count_from_env("SHM_HOSTILE_SEED", 1);
    let names = Names::new("hostile-dyn");
    let mut scratch = Scratch::new(&names.name("t"));
    let mut most = 0;
    for file in first..first + files {
        let _which = Which { seed, file };
        let mut random = Random::new(seed.wrapping_mul(0x9e37_79b9).wrapping_add(file));
        let mut forgery = scratch.original(random.below(4));
        match random.below(4) {
            // The payload only.
            0 => {}
            1 => forgery.mutate(&mut random),
            _ => forgery.mutate_schema(&mut random),
        }
        let cost = allocated_by(|| scratch.check_untyped(&mut forgery, &mut random));
        assert!(cost <= 512 << 20, "{cost} bytes");
        most = most.max(cost);
    }
    println!("at most {most} bytes at a time: {:#?}", scratch.tally);
    let attached = scratch.tally.get("untyped: attached").copied();
    println!("ATTACHED {}", attached.unwrap_or(0));
}
