//! The documents' script meets forged segments.

use shm_core::sync::{Broadcast, Ring, SeqLock};
use shm_core::{ShmLayout, ShmOffset, ShmStr, ShmVec};
use shm_tests::versions::V4;

use super::{DECODE_PY, Everything, Level, Log, python, unique};

const FORGE_PY: &str = include_str!("forge.py");

#[derive(ShmLayout)]
#[repr(C)]
#[shm(padding)]
struct Meanings {
    jobs: Ring<u64, 4>,
    limits: SeqLock<[u32; 4]>,
    news: Broadcast<u64, 4>,
    log: ShmVec<u64, 4>,
    text: ShmStr<16>,
    link: ShmOffset<u64>,
    level: Level,
}

#[test]
fn forged_segments_do_not_confuse_the_python_decoder() {
    let names = [
        "forged-everything",
        "forged-log",
        "forged-meanings",
        "forged-levels",
        "forged",
    ]
    .map(unique);
    let [everything, log, meanings, levels, forged] = names.each_ref().map(String::as_str);
    let _levels = V4::create(levels).unwrap();
    let _everything = Everything::create(everything).unwrap();
    let _log = Log::create_with_len(log, 3).unwrap();
    let shm = Meanings::create(meanings).unwrap();
    shm.jobs.sender().unwrap().send(7).unwrap();
    shm.news.sender().unwrap().send(8).unwrap();
    shm.log.push(9).unwrap();
    shm.text.set("text").unwrap();

    // As a module, whose functions the forger calls.
    let decoder = DECODE_PY.replace("if __name__ == \"__main__\":", "if False:");
    let script = format!("{decoder}\n{FORGE_PY}");
    if let Some(text) = python(&script, &[forged, everything, log, meanings, levels]) {
        println!("{text}");
    }
}
