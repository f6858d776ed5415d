//! `rm` and `sweep`.

use std::fs;

use serde_json::Value;
use shm_core::ShmLayout;
use shm_core::sync::Mutex;
use shm_tests::{Names, is_root};

use crate::common::{orphan, shm};

#[test]
fn a_sweep_says_first_what_it_would_remove() {
    let names = Names::new("sweep");
    let (one, two, live) = (names.name("one"), names.name("two"), names.name("live"));
    let (kept, hidden) = (names.name("kept"), names.name("x.shm-new-0123456789abcdef"));
    let prefix = names.name("");
    orphan(&one);
    orphan(&two);
    let owner = u64::create(&live).unwrap();
    u64::create(&kept).unwrap().persist().unwrap();
    fs::write(Names::path(&hidden), b"").unwrap();

    let dry = shm(["sweep", &prefix]).code(1);
    assert!(
        dry.out.contains(&one) && dry.out.contains("--yes"),
        "{dry:?}"
    );
    assert!(dry.out.contains("no process is attached"), "{dry:?}");
    assert!(dry.out.contains("never completed"), "{dry:?}");
    assert!(
        !dry.out.contains(&live) && !dry.out.contains(&kept),
        "{dry:?}"
    );
    assert!(Names::exists(&one) && Names::exists(&hidden));

    let json = shm(["sweep", &prefix, "--json"]).code(1).out;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["dry_run"], true);
    let found = json["segments"].as_array().unwrap();
    assert_eq!(found.len(), 3, "{json}");
    assert!(found.iter().all(|segment| segment["removed"] == false));

    let only = shm(["sweep", "--yes", &one]).code(0);
    assert!(only.out.contains("removed"), "{only:?}");
    assert!(!Names::exists(&one) && Names::exists(&two));
    let all = shm(["sweep", "--yes", "--all-users", "--json", &prefix]).code(0);
    let json: Value = serde_json::from_str(&all.out).unwrap();
    assert_eq!(json["segments"][0]["removed"], true, "{json}");
    assert!(!Names::exists(&two) && !Names::exists(&hidden));
    assert!(Names::exists(&live) && Names::exists(&kept));
    let nothing = shm(["sweep", &prefix]).code(0);
    assert!(nothing.out.contains("nothing to remove"), "{nothing:?}");
    u64::unlink(&kept).unwrap();
    drop(owner);
}

#[test]
fn what_is_in_use_is_removed_on_request_only() {
    let names = Names::new("rm");
    let name = names.name("t");
    let owner = Mutex::<u64>::create(&name).unwrap();
    let refused = shm(["rm", &name]).code(4);
    let pid = std::process::id().to_string();
    assert!(refused.err.contains(&pid), "{refused:?}");
    assert!(refused.err.contains("owner is alive"), "{refused:?}");
    // A child that another test starts may be named, too.
    let wanted = format!(", or remove the name with `shm rm --yes {name}` all the same: ");
    assert!(refused.err.contains(&wanted), "{refused:?}");
    assert!(Names::exists(&name));
    let json = shm(["rm", "--force", "--json", &name]).code(0).out;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json["name"], &json["removed"]),
        (&Value::from(name.as_str()), &true.into())
    );
    assert!(!Names::exists(&name));
    drop(owner);
}

#[test]
fn each_name_is_removed_or_explained() {
    let names = Names::new("rm-several");
    let (orphaned, missing) = (names.name("orphan"), names.name("missing"));
    let (kept, file) = (names.name("kept"), names.name("file"));
    orphan(&orphaned);
    u64::create(&kept).unwrap().persist().unwrap();
    fs::write(Names::path(&file), b"something else").unwrap();
    let ran = shm(["rm", &missing, &orphaned, &kept[1..]]).code(3);
    assert_eq!(ran.out.lines().count(), 2, "{ran:?}");
    assert!(ran.err.contains(&missing), "{ran:?}");
    assert!(!Names::exists(&orphaned) && !Names::exists(&kept));
    let refused = shm(["rm", &missing, &file]).code(4);
    assert!(refused.err.contains("not a segment"), "{refused:?}");
    shm(["rm", "-f", &file]).code(0);
    shm(["rm", "/tmp/x"]).code(2);
    shm(["rm"]).code(2);
}

#[test]
fn a_damaged_segment_can_be_removed() {
    let names = Names::new("rm-damaged");
    let name = names.name("t");
    orphan(&name);
    let mut bytes = fs::read(Names::path(&name)).unwrap();
    bytes[16] ^= 1;
    fs::write(Names::path(&name), bytes).unwrap();
    shm(["rm", &name]).code(0);
    assert!(!Names::exists(&name));
}

#[test]
fn a_segment_of_another_user_is_swept_by_root_only_on_request() {
    if !is_root("a segment of another user") {
        return;
    }
    let names = Names::new("sweep-users");
    let name = names.name("t");
    orphan(&name);
    std::os::unix::fs::chown(Names::path(&name), Some(65_534), None).unwrap();
    shm(["sweep", "--yes", &name]).code(0);
    assert!(Names::exists(&name));
    let dry = shm(["sweep", "--all-users", &name]).code(1);
    assert!(dry.out.contains(&name), "{dry:?}");
    shm(["sweep", "--yes", "--all-users", &name]).code(0);
    assert!(!Names::exists(&name));
}
