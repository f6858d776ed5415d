//! Files forged to harm processes that attach: each is refused or used without harm, and costs memory in proportion to its
//! length.
//!
//! `SHM_HOSTILE_FILES` is the number of files, 100,000 by default; `SHM_HOSTILE_SEED` selects other files.

use shm_core::{ShmError, ShmLayout};
use shm_tests::hostile::{Counting, Forgery, Scratch, Which, allocated_by, interpret};
use shm_tests::{Names, Random, Telemetry, count_from_env};

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn attach_to_a_forged_file_fails_or_is_safe_and_cheap() {
    let files = count_from_env("SHM_HOSTILE_FILES", 100_000);
    let seed = count_from_env("SHM_HOSTILE_SEED", 1);
    let names = Names::new("hostile");
    let mut random = Random::new(seed);
    let mut scratch = Scratch::new(&names.name("t"));
    scratch.check(&scratch.original(0));
    let mut most = 0;
    for file in 0..files {
        let _which = Which { seed, file };
        let forgery = if random.below(8) == 0 {
            let data: Vec<u8> = (0..random.below(60)).map(|_| random.word() as u8).collect();
            interpret(&scratch, &data)
        } else {
            let mut forgery = scratch.original(random.below(5));
            for _ in 0..=random.below(3) {
                forgery.mutate(&mut random);
            }
            forgery
        };
        let len = forgery.bytes.len() as u64 + forgery.len.min(4 << 20);
        let cost = allocated_by(|| scratch.check(&forgery));
        assert!(
            cost as u64 <= (256 << 10) + 32 * len,
            "{cost} bytes for a file of {len}"
        );
        most = most.max(cost);
        if file % 512 == 0 {
            scratch.put(&forgery);
            scratch.check_list();
        }
    }
    println!(
        "{files} files, at most {most} bytes at a time: {:?}",
        scratch.tally
    );
    // Each kind of result occurred, so the files were neither all hopeless nor all harmless.
    for answer in [
        "attached",
        "NotASegment",
        "UnsupportedFormat",
        "Corrupt",
        "LayoutMismatch",
        "create: AlreadyExists",
        "create: replaced",
        "list: Damaged",
        "list: Foreign",
        "list: Orphaned",
    ] {
        let count = scratch.tally.get(answer).copied().unwrap_or(0);
        assert!(count >= files / 100_000, "{answer}: {count}");
    }

    the_largest_schema_costs_a_bounded_amount(&mut scratch, &names);
}

#[test]
fn a_schema_beyond_the_maximum_is_not_read() {
    let names = Names::new("hostile-schema");
    let mut scratch = Scratch::new(&names.name("t"));
    let mut forgery = scratch.original(2);
    forgery.replace_schema(&vec![0; (16 << 20) + 128]);
    forgery.fix_checksum();
    scratch.put(&forgery);
    let cost = allocated_by(|| {
        let error = Telemetry::attach(&names.name("t")).map(drop).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("its schema cannot be read: it is too long"),
            "{text}"
        );
    });
    assert!(cost < 1 << 20, "{cost} bytes");
}

/// The schemas that cost a reader most: of the maximum length, and made of the smallest parts.
fn the_largest_schema_costs_a_bounded_amount(scratch: &mut Scratch, names: &Names) {
    const LONGEST: usize = 16 << 20;
    let mut field = vec![0; 2 + 8];
    field.extend([99, 0, 0, 0, 0, 0, 0, 0]);
    let mut variant = vec![0; 2 + 8];
    let structure = |tag: u8, fixed: usize, count_at: usize, part: &[u8]| {
        let mut schema = vec![tag, 0, 0, 0];
        let count = (LONGEST - 8 - fixed) / part.len();
        schema.extend(((fixed + count * part.len()) as u32).to_ne_bytes());
        let mut head = vec![0; fixed];
        head[count_at..count_at + 4].copy_from_slice(&(count as u32).to_ne_bytes());
        schema.extend(head);
        for _ in 0..count {
            schema.extend(part);
        }
        schema
    };
    let fields = structure(4, 22, 16, &field);
    variant[2] = 1;
    let mut variants = structure(5, 10, 4, &variant);
    variants[8] = 1;
    for schema in [fields, variants, vec![0; LONGEST]] {
        let mut forgery: Forgery = scratch.original(2);
        forgery.replace_schema(&schema);
        forgery.fix_checksum();
        std::fs::write(Names::path(&names.name("large")), &forgery.bytes).unwrap();
        let file = std::fs::File::options()
            .write(true)
            .open(Names::path(&names.name("large")))
            .unwrap();
        file.set_len(forgery.len).unwrap();
        let cost = allocated_by(|| match Telemetry::attach(&names.name("large")) {
            Err(ShmError::LayoutMismatch { .. }) => {}
            other => panic!("{other:?}", other = other.map(drop)),
        });
        println!("a schema of {} bytes costs {cost}", schema.len());
        assert!(cost < 16 * LONGEST, "{cost} bytes");
        std::fs::remove_file(Names::path(&names.name("large"))).unwrap();
    }
}
