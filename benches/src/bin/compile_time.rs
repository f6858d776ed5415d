//! The build time that the derive adds, compared with bytemuck and zerocopy on the same structs.
//!
//! ```console
//! cargo run --release -p shm-benches --bin compile_time -- [ROUNDS]
//! ```
//!
//! Writes four crates of 200 structs with 20 fields each, which differ only in their derives, and builds their
//! dependencies. Then it builds each crate once per round (debug, not incremental), without its dependencies, and prints
//! medians. On a shared machine, processor time says more than elapsed time. The first run downloads bytemuck and zerocopy.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

const STRUCTS: usize = 200;
const FIELDS: usize = 20;
const ROUNDS: usize = 15;

/// All have 8 bytes, so that no order makes padding, and are supported by all libraries.
const TYPES: [&str; 6] = ["u64", "i64", "f64", "[u32; 2]", "[u8; 8]", "[f32; 2]"];

/// A crate to build.
struct Variant {
    name: &'static str,
    derives: &'static str,
    dependency: String,
}

fn variants(project: &Path) -> [Variant; 4] {
    let core = project.join("shm-core");
    [
        Variant {
            name: "none",
            derives: "",
            dependency: String::new(),
        },
        Variant {
            name: "shm-core",
            derives: "shm_core::ShmLayout",
            dependency: format!("shm-core = {{ path = {core:?} }}"),
        },
        Variant {
            name: "bytemuck",
            derives: "bytemuck::Pod, bytemuck::Zeroable",
            dependency: "bytemuck = { version = \"1.25\", features = [\"derive\"] }".to_owned(),
        },
        Variant {
            name: "zerocopy",
            derives: "zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout",
            dependency: "zerocopy = { version = \"0.8\", features = [\"derive\"] }".to_owned(),
        },
    ]
}

/// The source of a crate. All structs are `Copy`, which bytemuck requires, so that only the measured derives differ.
fn source(derives: &str) -> String {
    let mut text = String::from("#![allow(dead_code)]\n");
    for number in 0..STRUCTS {
        write!(
            text,
            "\n#[derive(Clone, Copy, {derives})]\n#[repr(C)]\npub struct Record{number} {{\n"
        )
        .expect("a String takes anything");
        for field in 0..FIELDS {
            let ty = TYPES[(number + field) % TYPES.len()];
            writeln!(text, "    pub field{field}: {ty},").expect("a String takes anything");
        }
        text.push_str("}\n");
    }
    text
}

/// The time of one build.
#[derive(Clone, Copy)]
struct Cost {
    clock: Duration,
    processors: Duration,
}

/// The user and system time of all children so far.
fn children() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("`getrusage` of children cannot fail");
    let time = |time: TimeVal| {
        let seconds = Duration::from_secs(time.tv_sec().unsigned_abs());
        seconds + Duration::from_micros(time.tv_usec().unsigned_abs())
    };
    time(usage.user_time()) + time(usage.system_time())
}

struct Bench {
    root: PathBuf,
}

impl Bench {
    fn source_file(&self, variant: &Variant) -> PathBuf {
        self.root
            .join(format!("with-{}", variant.name))
            .join("src/lib.rs")
    }

    fn write(&self, variants: &[Variant]) {
        let mut members = Vec::new();
        for variant in variants {
            let name = format!("with-{}", variant.name);
            let folder = self.root.join(&name);
            fs::create_dir_all(folder.join("src")).expect("the target folder can be written");
            let manifest = format!(
                "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n{}\n",
                variant.dependency
            );
            fs::write(folder.join("Cargo.toml"), manifest)
                .expect("the target folder can be written");
            fs::write(self.source_file(variant), source(variant.derives))
                .expect("the target folder can be written");
            members.push(name);
        }
        let manifest = format!(
            "[workspace]\nresolver = \"3\"\nmembers = {members:?}\n\n[profile.dev]\nincremental = false\n"
        );
        fs::write(self.root.join("Cargo.toml"), manifest)
            .expect("the target folder can be written");
    }

    fn build(&self, variant: &Variant) -> Cost {
        // cargo rebuilds if the file is newer.
        let file = fs::File::options()
            .append(true)
            .open(self.source_file(variant));
        file.and_then(|file| file.set_modified(std::time::SystemTime::now()))
            .expect("the source file exists");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let (before, start) = (children(), Instant::now());
        let status = Command::new(cargo)
            .args(["build", "--quiet", "--package"])
            .arg(format!("with-{}", variant.name))
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", self.root.join("target"))
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .status()
            .expect("cargo runs");
        let (clock, processors) = (start.elapsed(), children() - before);
        assert!(
            status.success(),
            "the structs compile with {}",
            variant.name
        );
        Cost { clock, processors }
    }
}

fn median(costs: &[Cost], which: impl Fn(&Cost) -> Duration) -> f64 {
    let mut all: Vec<Duration> = costs.iter().map(which).collect();
    all.sort();
    all[all.len() / 2].as_secs_f64()
}

fn main() {
    let rounds = std::env::args().nth(1).map_or(ROUNDS, |rounds| {
        rounds
            .parse()
            .expect("the argument is the number of rounds")
    });
    let program = std::env::current_exe().expect("the program has a path");
    let target = program
        .ancestors()
        .nth(2)
        .expect("cargo puts programs two folders deep");
    let bench = Bench {
        root: target.join("compile-time"),
    };
    let project = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the package is in the workspace");
    let variants = variants(project);
    bench.write(&variants);

    // The first build also builds the dependencies.
    for variant in &variants {
        bench.build(variant);
    }
    let mut costs: [Vec<Cost>; 4] = std::array::from_fn(|_| Vec::new());
    for _ in 0..rounds.max(1) {
        for (variant, costs) in variants.iter().zip(&mut costs) {
            costs.push(bench.build(variant));
        }
    }

    let medians: Vec<[f64; 2]> = costs
        .iter()
        .map(|costs| {
            [
                median(costs, |cost| cost.clock),
                median(costs, |cost| cost.processors),
            ]
        })
        .collect();
    let bare = medians[0];
    let peer = medians[2];
    println!(
        "{STRUCTS} structs of {FIELDS} fields, debug, not incremental, medians of {rounds} rounds\n"
    );
    println!(
        "| derive | clock, s | processors, s | added, s | times the bare structs | added / bytemuck's |"
    );
    println!("|---|---:|---:|---:|---:|---:|");
    for (variant, [clock, processors]) in variants.iter().zip(&medians) {
        let added = processors - bare[1];
        println!(
            "| {} | {clock:.2} | {processors:.2} | {added:.2} | {:.1} | {:.2} |",
            variant.name,
            processors / bare[1],
            added / (peer[1] - bare[1]),
        );
    }
    println!(
        "\nadded by the clock: shm-core / bytemuck = {:.2}",
        (medians[1][0] - bare[0]) / (peer[0] - bare[0])
    );
}
