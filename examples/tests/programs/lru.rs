//! The cache, filled by one process and read by another.

use crate::support::{Program, command};

#[test]
fn the_reader_follows_links_mapped_at_another_address() {
    let program = Program::start("lru_cache", &[]);
    let pid = program.pid();
    let ended = program.end();
    ended.well();
    let name = format!("/shm-lru-cache-{pid}");
    let address = |line: &str, who: &str| {
        let (head, address) = line.split_once(" is mapped at 0x").unwrap();
        assert!(head.starts_with(who) && head.ends_with(&name), "{line}");
        usize::from_str_radix(address, 16).unwrap()
    };
    let out = &ended.out;
    let put = ": put 6 cities into a cache of 4, and used Warszawa and Łódź again";
    assert!(out[0].ends_with(put), "{out:?}");
    let (writer, reader) = (address(&out[1], "writer "), address(&out[2], "reader "));
    assert_ne!(writer, reader, "{out:?}");
    assert_ne!(out[1].split(':').next(), out[2].split(':').next());
    let stayed = ": the cache has, most recently used first:";
    assert!(out[3].ends_with(stayed), "{out:?}");
    // Kraków and Wrocław were used least recently.
    assert_eq!(
        out[4..],
        [
            "  1. Gdańsk = 486022",
            "  2. Poznań = 546859",
            "  3. Łódź = 670642",
            "  4. Warszawa = 1860281",
        ]
    );
    assert!(!std::path::Path::new(&format!("/dev/shm{name}")).exists());
}

#[test]
fn addresses_differ_without_address_randomisation() {
    // The kernel's option that debuggers use. Where a container forbids it, only the first test runs.
    let probe = std::process::Command::new("setarch")
        .args(["-R", "true"])
        .output();
    if !probe.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: setarch -R does not work here");
        return;
    }
    let lru = command("lru_cache", &[]);
    let output = std::process::Command::new("setarch")
        .arg("-R")
        .arg(lru.get_program())
        .args(lru.get_args())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let addresses: Vec<&str> = text
        .lines()
        .filter_map(|line| {
            line.split_once(" is mapped at ")
                .map(|(_, address)| address)
        })
        .collect();
    assert_eq!(addresses.len(), 2, "{text}");
    assert_ne!(addresses[0], addresses[1], "{text}");
}

#[test]
fn a_reader_without_a_cache_reports_it() {
    let name = format!("/shm-lru-cache-none-{}", std::process::id());
    let ended = Program::start("lru_cache", &["--reader", &name, "0"]).end();
    ended.because(&format!(
        "error: segment `{name}` does not exist: it has not been created yet, its owner has ended, or its name was removed; check the name, or \
         set `wait` in the options to wait for it"
    ));
}
