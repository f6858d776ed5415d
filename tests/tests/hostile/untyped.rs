//! Segments with forged schemas and payloads, accessed without the type: each is refused or used without harm, and costs a
//! bounded amount of memory.
//!
//! `SHM_HOSTILE_SCHEMAS` is the number of files, 2,500 by default; `SHM_HOSTILE_SEED` selects other files.

use shm_tests::hostile::{Scratch, Which, allocated_by, in_batches, number_after};
use shm_tests::{Names, Random, count_from_env};

#[test]
fn forged_schemas_are_refused_or_used_without_harm() {
    let this = "untyped::forged_schemas_are_refused_or_used_without_harm";
    let checked = in_batches(this, "SHM_HOSTILE_SCHEMAS", 2500, check_batch);
    let Some((files, printed)) = checked else {
        return;
    };
    println!("{}", printed[0]);
    let each = |name| printed.iter().map(move |text| number_after(name, text));
    let (attached, most) = (each("ATTACHED ").sum::<u64>(), each("MOST ").max());
    println!(
        "{files} files, {attached} of them attached to; at most {} bytes at a time",
        most.unwrap_or(0)
    );
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
        let mut forgery = scratch.original(random.below(6));
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
    println!("MOST {most}\n{:#?}", scratch.tally);
    let attached = scratch.tally.get("untyped: attached").copied();
    println!("ATTACHED {}", attached.unwrap_or(0));
}
