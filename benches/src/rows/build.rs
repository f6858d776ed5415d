//! The time that the derive adds to a build.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use crate::harness::{Bench, Measure, Result, Role, Row, measured};
use crate::process::children;

pub(super) const DERIVE: Row = Row::new(
    "build-time",
    "processor time that a derive adds to the build of 200 structs of 20 fields, beside bytemuck's",
    derive,
);
pub(super) const USED: Row = Row::new(
    "build-time-used",
    "processor time of building 300 structs that one function uses, or a function each, beside plain structs",
    used,
);

/// All have 8 bytes, so that no order makes padding, and are supported by all libraries.
const TYPES: [&str; 6] = ["u64", "i64", "f64", "[u32; 2]", "[u8; 8]", "[f32; 2]"];

/// A generated crate.
struct Variant {
    name: &'static str,
    dependency: String,
    source: String,
}

/// Structs of `fields` fields. All are `Copy`, which bytemuck requires, so that only the measured derives differ.
fn structs(count: usize, fields: usize, derives: &str) -> String {
    let mut text = String::from("#![allow(dead_code)]\n");
    for number in 0..count {
        let _ = write!(
            text,
            "\n#[derive(Clone, Copy, {derives})]\n#[repr(C)]\npub struct Record{number} {{\n"
        );
        for field in 0..fields {
            let ty = TYPES[(number + field) % TYPES.len()];
            let _ = writeln!(text, "    pub field{field}: {ty},");
        }
        text.push_str("}\n");
    }
    text
}

fn core() -> Result<String> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .ok_or("the package is in no workspace")?;
    Ok(format!(
        "shm-core = {{ path = {:?} }}",
        project.join("shm-core")
    ))
}

/// A folder of generated crates.
struct Crates {
    root: PathBuf,
}

impl Crates {
    /// Writes the crates, and builds each once, with its dependencies.
    fn write(row: &str, variants: &[Variant]) -> Result<Self> {
        let own = std::env::current_exe()?;
        let target = own
            .ancestors()
            .nth(2)
            .ok_or("the program is in no target folder")?;
        let root = target.join("generated").join(row);
        let mut members = Vec::new();
        for variant in variants {
            let folder = root.join(variant.name);
            fs::create_dir_all(folder.join("src"))?;
            let manifest = format!(
                "[package]\nname = \"{}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n{}\n",
                variant.name, variant.dependency
            );
            fs::write(folder.join("Cargo.toml"), manifest)?;
            fs::write(folder.join("src/lib.rs"), &variant.source)?;
            members.push(variant.name);
        }
        let manifest = format!(
            "[workspace]\nresolver = \"3\"\nmembers = {members:?}\n\n[profile.dev]\nincremental = false\n"
        );
        fs::write(root.join("Cargo.toml"), manifest)?;
        let crates = Self { root };
        for variant in variants {
            crates.build(variant.name)?;
        }
        Ok(crates)
    }

    /// Builds a crate without its dependencies, and returns the processor time in seconds.
    fn build(&self, name: &str) -> Result<f64> {
        // cargo rebuilds if the file is newer.
        let file = self.root.join(name).join("src/lib.rs");
        fs::File::options()
            .append(true)
            .open(file)?
            .set_modified(SystemTime::now())?;
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let before = children()?;
        let status = Command::new(cargo)
            .args(["build", "--quiet", "--package", name])
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", self.root.join("target"))
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .status()?;
        let used = children()? - before;
        match status.success() {
            true => Ok(used.as_secs_f64()),
            false => Err(format!("{name} does not build").into()),
        }
    }

    fn turn<'c>(&'c self, name: &'static str) -> Measure<'c> {
        measured(move |_| self.build(name))
    }

    /// The time beyond that of the same structs without a derive. The two builds take turns within a turn.
    fn added<'c>(&'c self, name: &'static str) -> Measure<'c> {
        measured(move |_| {
            let bare = self.build("bare")?;
            Ok((self.build(name)? - bare).max(0.0))
        })
    }
}

fn derive(bench: &mut Bench) -> Result<()> {
    let count = bench.settings.count(200, 20);
    let variant = |name, derives, dependency: String| Variant {
        name,
        dependency,
        source: structs(count, 20, derives),
    };
    let crates = Crates::write(
        bench.row(),
        &[
            variant("bare", "", String::new()),
            variant("with-shm-core", "shm_core::ShmLayout", core()?),
            variant(
                "with-bytemuck",
                "bytemuck::Pod, bytemuck::Zeroable",
                "bytemuck = { version = \"1.25\", features = [\"derive\"] }".to_owned(),
            ),
            variant(
                "with-zerocopy",
                "zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout",
                "zerocopy = { version = \"0.8\", features = [\"derive\"] }".to_owned(),
            ),
        ],
    )?;
    bench
        .case(format!("{count} structs, added to the bare ones"))
        .metrics(&[("processor time", "s")])
        .rounds(5)
        .limit("bytemuck", crates.added("with-bytemuck"))
        .ours("shm-core", crates.added("with-shm-core"))
        .target(0.35)
        .peer("zerocopy", crates.added("with-zerocopy"))
        .run()?;
    bench
        .case(format!("{count} structs, all of the build"))
        .metrics(&[("processor time", "s")])
        .rounds(5)
        .limit("no derive", crates.turn("bare"))
        .ours("shm-core", crates.turn("with-shm-core"))
        .peer("bytemuck", crates.turn("with-bytemuck"))
        .run()
}

/// Uses every struct: in one function, or in a function each.
fn uses(count: usize, one: impl Fn(usize) -> String, together: bool) -> String {
    let mut text = String::new();
    if together {
        text.push_str("\npub fn all() {\n");
    }
    for number in 0..count {
        let body = one(number);
        let _ = match together {
            true => writeln!(text, "    {{ {body} }}"),
            false => write!(text, "\npub fn use{number}() {{ {body} }}\n"),
        };
    }
    if together {
        text.push_str("}\n");
    }
    text
}

fn used(bench: &mut Bench) -> Result<()> {
    let count = bench.settings.count(300, 15);
    let plain = |number: usize| {
        format!(
            "let value: Box<Record{number}> = unsafe {{ Box::new(std::mem::zeroed()) }}; \
             let copy = std::hint::black_box(*value); std::hint::black_box(copy.field0);"
        )
    };
    let ours = |number: usize| {
        format!(
            "let shm = <Record{number} as shm_core::ShmLayout>::create_anonymous().unwrap(); \
             let copy = std::hint::black_box(shm.load()); std::hint::black_box(copy.field0);"
        )
    };
    let variant = |name, together| -> Result<Variant> {
        let (derives, dependency) = match name {
            "plain-together" | "plain-each" => ("", String::new()),
            _ => ("shm_core::ShmLayout", core()?),
        };
        let mut source = structs(count, 8, derives);
        source.push_str(&match derives {
            "" => uses(count, plain, together),
            _ => uses(count, ours, together),
        });
        Ok(Variant {
            name,
            dependency,
            source,
        })
    };
    let crates = Crates::write(
        bench.row(),
        &[
            variant("plain-together", true)?,
            variant("plain-each", false)?,
            variant("shm-together", true)?,
            variant("shm-each", false)?,
        ],
    )?;
    let role_of = |name: &str| match name {
        "plain-together" => Role::Limit,
        "plain-each" => Role::Peer,
        _ => Role::Ours,
    };
    let mut case = bench
        .case(format!("{count} structs"))
        .metrics(&[("processor time", "s")])
        .rounds(5);
    for (name, what) in [
        ("plain-together", "plain structs, one function"),
        ("plain-each", "plain structs, a function each"),
        ("shm-together", "create_anonymous and load, one function"),
        ("shm-each", "create_anonymous and load, a function each"),
    ] {
        case = case.contender(role_of(name), what.to_owned(), crates.turn(name));
    }
    case.run()
}
