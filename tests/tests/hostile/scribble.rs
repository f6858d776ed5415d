//! A peer that overwrites everything, header included, while others use the segment.
//!
//! `SHM_SCRIBBLE_ROUNDS` is how often the using peer goes through all of it, 2,000 times by default.

#![forbid(unsafe_code)]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering::Release;

use shm_core::ShmLayout;
use shm_tests::hostile::Everything;
use shm_tests::{Names, Stats, count_from_env, peer};

fn rounds() -> u64 {
    count_from_env("SHM_SCRIBBLE_ROUNDS", 2000)
}

#[test]
fn overwriting_a_whole_segment_harms_no_other_process() {
    let names = Names::new("scribble");
    let name = names.name("t");
    let stats = Stats::create(&names.name("stats")).unwrap();
    let owner = Everything::create_with_len(&name, 100).unwrap();
    let mut header = [0; 4096];
    let file = File::options()
        .read(true)
        .write(true)
        .open(Names::path(&name))
        .unwrap();
    file.read_exact_at(&mut header, 0).unwrap();

    let rounds = rounds();
    let mut victim = peer!();
    victim.tell(&format!("use-all {name} {} {rounds}", stats.name()));
    assert_eq!(victim.hear(), "using");
    let mut scribbler = peer!();
    scribbler.tell(&format!("scribble {name} {}", stats.name()));
    assert_eq!(scribbler.hear(), "scribbling");

    // A crash or a panic of the peer ends its output, which `hear` reports.
    let answer = victim.hear();
    let numbers: Vec<u64> = answer
        .strip_prefix("ok ")
        .unwrap_or_else(|| panic!("{answer}"))
        .split(' ')
        .map(|number| number.parse().unwrap())
        .collect();
    stats.stop.store(1, Release);
    let scribbled = scribbler.hear();
    println!("used {numbers:?}; overwritten {scribbled} times 512");
    let [through, _, invalid, attached, refused] = numbers[..] else {
        panic!("{numbers:?}")
    };
    assert!(through >= rounds);
    // The other peer had an effect: there were invalid values, and headers that were refused.
    assert!(invalid > 0 && refused > 0 && attached > 0, "{numbers:?}");

    // With its original header, the owner removes it again; the random bytes could have made it persistent.
    file.write_all_at(&header[..256], 0).unwrap();
    assert!(owner.is_current());
    drop(owner);
    assert!(!Names::exists(&name));
}
