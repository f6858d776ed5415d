//! Segments of another user.

use shm_core::ShmLayout;
use shm_tests::{Names, is_root};

use crate::common::shm;

#[derive(ShmLayout)]
#[repr(C)]
struct Count {
    count: u64,
}

#[test]
fn segments_of_other_users_are_looked_at_and_not_set() {
    if !is_root("a segment of another user") {
        return;
    }
    let names = Names::new("users");
    let name = names.name("t");
    let made = Count::create(&name).unwrap();
    std::os::unix::fs::chown(Names::path(&name), Some(65_534), None).unwrap();
    let looks: [&[&str]; 13] = [
        &["ls", &name],
        &["show", &name],
        &["show", &name, "--follow", "--count", "1"],
        &["get", &name, "count"],
        &["watch", &name, "--csv", "-n", "1"],
        &["watch", &name, "--json", "-n", "1"],
        &["hz", &name, "count", "-d", "1ms"],
        &["layout", &name],
        &["diff", "--values", &name, &name],
        &["export", &name, "--lang", "c"],
        &["export", &name, "--lang", "cpp"],
        &["export", &name, "--lang", "schema"],
        &["export", &name, "--lang", "schema", "--json"],
    ];
    for look in looks {
        shm(look).code(0);
    }
    let refused = shm(["set", "--yes", &name, "count=1"]).code(4);
    let owner = nix::unistd::User::from_uid(65_534.into()).unwrap();
    let owner = owner.map_or_else(|| "65534".to_owned(), |user| user.name);
    let advice = format!("run it as user {owner}");
    assert!(refused.err.contains(&advice), "{refused:#?}");
    assert!(!refused.err.contains("allowed_owner"), "{refused:#?}");
    assert_eq!(made.count.get(), 0);
}
