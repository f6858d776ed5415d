//! Structs that have grown: each level is the struct literally cut there, and what would not be is refused.
//!
//! proptest draws the fields, with types whose extents are known here, and their levels. A reference, which shares no code
//! with the derive, tells which structs must be accepted. Those become a program that compares each level with a struct of the
//! same fields and no `since`. The others go through `cargo check`, whose errors must name what the reference has found.

use std::fmt::Write;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use shm_core::ShmLayout;

use crate::build::{Crate, Error, Workspace};

/// The number of structs.
const CASES: usize = 300;

/// A type of a field.
#[derive(Debug)]
struct Type {
    source: &'static str,
    size: u64,
    align: u64,
    zero_is_valid: bool,
}

const fn ty(source: &'static str, size: u64, align: u64) -> Type {
    Type {
        source,
        size,
        align,
        zero_is_valid: true,
    }
}

const TYPES: &[Type] = &[
    ty("u8", 1, 1),
    ty("bool", 1, 1),
    ty("i16", 2, 2),
    ty("u32", 4, 4),
    ty("f64", 8, 8),
    ty("u64", 8, 8),
    ty("[u8; 3]", 3, 1),
    ty("[u32; 3]", 12, 4),
    ty("Point", 16, 8),
    ty("Alias", 4, 4),
    ty("Mode", 1, 1),
    ty("Mutex<[u32; 2]>", 12, 4),
    ty("std::marker::PhantomData<u64>", 0, 1),
    ty("Block", 128, 128),
    ty("Large", 256, 256),
    Type {
        source: "[Kind; 2]",
        size: 2,
        align: 1,
        zero_is_valid: false,
    },
];

const PRELUDE: &str = "
#![allow(dead_code)]
use shm_core::ShmLayout;
use shm_core::sync::Mutex;

type Alias = u32;
#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Point { x: f64, y: f64 }
#[derive(Clone, Copy, ShmLayout)]
#[repr(u8)]
enum Mode { Off, On }
#[derive(Clone, Copy, ShmLayout)]
#[repr(u8)]
enum Kind { A = 1, B = 2 }
#[derive(Clone, Copy, ShmLayout)]
#[repr(C, align(128))]
struct Block([u64; 16]);
#[derive(Clone, Copy, ShmLayout)]
#[repr(C, align(256))]
struct Large([u64; 32]);
";

/// The largest alignment that each segment has.
const PAYLOAD_ALIGN: u64 = 128;

#[derive(Debug)]
struct Field {
    name: String,
    ty: String,
    size: u64,
    align: u64,
    zero_is_valid: bool,
    since: u32,
}

#[derive(Debug)]
struct Grown {
    fields: Vec<Field>,
    /// The argument of `align(..)`, or 1.
    min_align: u64,
    version: u32,
}

/// A struct as it is drawn: for each field its type, whether a level begins with it, and whether the name is another in the
/// layout.
type Recipe = (Vec<(usize, bool, bool)>, u64, u32, bool);

fn recipe() -> impl Strategy<Value = Recipe> {
    let field = (
        // Few are refused.
        prop_oneof![30 => 0..TYPES.len() - 3, 1 => TYPES.len() - 3..TYPES.len()],
        prop::bool::weighted(0.4),
        prop::bool::weighted(0.1),
    );
    let min_align = prop_oneof![6 => Just(1_u64), 1 => Just(16), 1 => Just(64), 1 => Just(256)];
    let version = prop_oneof![4 => Just(0_u32), 1 => 1..9_u32];
    (
        vec(field, 2..8),
        min_align,
        version,
        prop::bool::weighted(0.7),
    )
}

impl Grown {
    fn new((fields, min_align, version, filled): &Recipe) -> Self {
        let mut grown = Self {
            fields: Vec::new(),
            min_align: *min_align,
            version: *version,
        };
        let mut level = 0;
        for (number, (which, begins, renamed)) in fields.iter().enumerate() {
            level += u32::from(number > 0 && *begins);
            let ty = &TYPES[*which];
            grown.fields.push(Field {
                name: format!("f{number}{}", if *renamed { "r" } else { "" }),
                ty: ty.source.to_owned(),
                size: ty.size,
                align: ty.align,
                zero_is_valid: ty.zero_is_valid,
                since: level,
            });
        }
        if *filled {
            grown.fill();
        }
        grown
    }

    fn newest(&self) -> u32 {
        self.fields.last().map_or(0, |field| field.since)
    }

    fn fields_at(&self, level: u32) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(move |field| field.since <= level)
    }

    fn align_at(&self, level: u32) -> u64 {
        let aligns = self.fields_at(level).map(|field| field.align);
        aligns.max().unwrap_or(1).max(self.min_align)
    }

    fn end_at(&self, level: u32) -> u64 {
        self.fields_at(level).fold(0_u64, |end, field| {
            end.next_multiple_of(field.align) + field.size
        })
    }

    /// The first padding of a level, in order: the field in front of it, its level, and its length.
    fn gaps(&self) -> Vec<(usize, u32, u64)> {
        let (mut gaps, mut end) = (Vec::new(), 0_u64);
        for (number, field) in self.fields.iter().enumerate() {
            let begin = end.next_multiple_of(field.align);
            if begin > end {
                gaps.push((number - 1, field.since, begin - end));
            }
            end = begin + field.size;
            let next = self.fields.get(number + 1);
            if next.is_none_or(|next| next.since > field.since) {
                let all = end.next_multiple_of(self.align_at(field.since));
                if all > end {
                    gaps.push((number, field.since, all - end));
                }
                end = all;
            }
        }
        gaps
    }

    fn fill(&mut self) {
        for (pads, (after, since, len)) in self.gaps().into_iter().enumerate() {
            self.fields.insert(
                after + 1 + pads,
                Field {
                    name: format!("_pad{pads}"),
                    ty: format!("[u8; {len}]"),
                    size: len,
                    align: 1,
                    zero_is_valid: true,
                    since,
                },
            );
        }
    }

    /// What the errors must contain.
    fn mistakes(&self) -> Vec<String> {
        let mut found = Vec::new();
        let first_new = self.fields.iter().position(|field| field.since > 0);
        for (number, field) in self.fields.iter().enumerate() {
            let Field { name, since, .. } = field;
            if *since == 0 {
                continue;
            }
            if !field.zero_is_valid {
                found.push(format!(
                    "field `{name}` has `since = {since}`: in an older segment it is all zeros, but its `[..]` is the enum `Kind`"
                ));
            } else if field.align > PAYLOAD_ALIGN.max(self.align_at(0)) {
                found.push(format!(
                    "field `{name}` is aligned to {} bytes",
                    field.align
                ));
            } else if Some(number) == first_new && self.end_at(0) == 0 {
                found.push(format!("field `{name}` has `since = 1`, but level 0 of"));
            }
        }
        // Padding is reported once the fields are right.
        if found.is_empty() {
            found.extend(self.gaps().into_iter().map(|(after, level, len)| {
                let plural = if len == 1 { "" } else { "s" };
                let of_level = match self.newest() {
                    0 => String::new(),
                    _ => format!("level {level} lacks "),
                };
                let attribute = match level {
                    0 => String::new(),
                    level => format!("#[shm(since = {level})] "),
                };
                format!(
                    "{of_level}{len} byte{plural} after `{}`, add `{attribute}",
                    self.fields[after].name
                )
            }));
            if found.is_empty() && self.end_at(0) == 0 {
                found.push("is zero-sized".to_owned());
            }
        }
        found
    }

    /// The struct, or with a level the one that is cut there.
    fn source(&self, name: &str, cut: Option<u32>) -> String {
        let mut text = "#[derive(ShmLayout)]\n#[repr(C".to_owned();
        if self.min_align > 1 {
            write!(text, ", align({})", self.min_align).unwrap();
        }
        text.push_str(")]\n");
        if self.version > 0 {
            writeln!(text, "#[shm(version = {})]", self.version).unwrap();
        }
        writeln!(text, "struct {name} {{").unwrap();
        for field in self.fields_at(cut.unwrap_or(u32::MAX)) {
            if field.name.ends_with('r') {
                writeln!(text, "    #[shm(rename = \"is {}\")]", field.name).unwrap();
            }
            if cut.is_none() && field.since > 0 {
                writeln!(text, "    #[shm(since = {})]", field.since).unwrap();
            }
            writeln!(text, "    {}: {},", field.name, field.ty).unwrap();
        }
        text.push_str("}\n");
        text
    }
}

fn draw(count: usize) -> Vec<Grown> {
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = recipe();
    (0..count)
        .map(|_| {
            let tree = strategy.new_tree(&mut runner).expect("nothing is rejected");
            Grown::new(&tree.current())
        })
        .collect()
}

/// A program that compares each level of these structs with the struct that is cut there.
fn comparison(structs: &[&Grown]) -> String {
    let (mut text, mut calls) = (PRELUDE.to_owned(), String::new());
    for (number, grown) in structs.iter().enumerate() {
        let newest = grown.newest();
        text.push_str(&grown.source(&format!("S{number}"), None));
        for level in 0..=newest {
            let cut = format!("S{number}Cut{level}");
            text.push_str(&grown.source(&cut, Some(level)));
            writeln!(
                calls,
                "    level::<S{number}, {cut}>({level}, size_of::<{cut}>(), align_of::<{cut}>());"
            )
            .unwrap();
        }
        writeln!(
            calls,
            "    assert_eq!((S{number}::LEVEL, S{number}::SIZE), ({newest}, size_of::<S{number}>()), \"S{number}\");"
        )
        .unwrap();
    }
    format!(
        "{text}
fn level<Grown: ShmLayout, Cut: ShmLayout>(level: u32, size: usize, align: usize) {{
    let (grown, cut) = (Grown::LAYOUT, Cut::LAYOUT);
    let what = format!(\"level {{level}} of {{}}\", grown.name());
    assert_eq!(grown.level_fingerprint(level), Cut::FINGERPRINT, \"{{what}}\");
    assert_eq!((grown.level_size(level), grown.level_align(level)), (size, align), \"{{what}}\");
    assert_eq!((Cut::SIZE, Cut::ALIGN, Cut::LEVEL), (size, align, 0), \"{{what}}\");
    let fields = grown.level_fields(level);
    assert_eq!(fields.len(), cut.fields().len(), \"{{what}}\");
    for (one, other) in fields.iter().zip(cut.fields()) {{
        assert_eq!((one.name(), one.offset()), (other.name(), other.offset()), \"{{what}}\");
        assert!(one.since() <= level, \"{{what}}\");
    }}
    if level == 0 {{
        assert_eq!(Grown::FINGERPRINT, Cut::FINGERPRINT, \"{{what}}\");
    }}
}}

fn main() {{
{calls}    println!(\"the end\");
}}
"
    )
}

#[test]
fn each_level_is_the_struct_that_is_cut_there() {
    let all = draw(CASES);
    let (accepted, refused): (Vec<_>, Vec<_>) =
        all.iter().partition(|grown| grown.mistakes().is_empty());
    assert!(accepted.len() * 4 > CASES, "{} accepted", accepted.len());
    assert!(refused.len() * 10 > CASES, "{} refused", refused.len());
    let newest = accepted.iter().map(|grown| grown.newest()).max();
    assert!(newest >= Some(4), "{newest:?}");

    let (mut source, mut places) = (PRELUDE.to_owned(), Vec::new());
    for (number, grown) in refused.iter().enumerate() {
        let begin = source.lines().count() + 1;
        source.push_str(&grown.source(&format!("S{number}"), None));
        places.push(begin..source.lines().count() + 1);
    }
    source.push_str("fn main() {}\n");
    let program = comparison(&accepted);
    let workspace = Workspace::create(
        "derive-levels",
        &[
            Crate::program("levels-accepted", &program),
            Crate::program("levels-refused", &source),
        ],
    );

    let output = workspace.run("levels-accepted");
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{stderr}");
    assert_eq!(stdout.trim(), "the end");

    let errors = workspace.check("levels-refused");
    for (grown, place) in refused.iter().zip(&places) {
        let is_here = |error: &&Error| {
            let line = error.lines.first();
            line.is_some_and(|line| place.contains(&line.start))
        };
        let texts: String = (errors.iter().filter(is_here))
            .map(|error| error.text.replace("`is ", "`"))
            .collect();
        for mistake in grown.mistakes() {
            assert!(
                texts.contains(&mistake),
                "{mistake:?} is not in {texts}{grown:#?}"
            );
        }
    }
    let is_known = |error: &&Error| {
        let line = error.lines.first();
        line.is_some_and(|line| places.iter().any(|place| place.contains(&line.start)))
    };
    let elsewhere: Vec<_> = errors.iter().filter(|error| !is_known(error)).collect();
    assert!(elsewhere.is_empty(), "{elsewhere:#?}");
}

#[derive(Clone, Copy, Debug, PartialEq, ShmLayout)]
#[repr(C)]
#[shm(room = 64)]
struct Status {
    beat: u64,
    load: f64,
    #[shm(since = 1)]
    on: bool,
    #[shm(since = 1)]
    state: [u8; 7],
    #[shm(since = 2)]
    fan: [u32; 4],
}

#[test]
fn a_struct_with_levels_is_loaded_stored_and_shown_as_a_whole() {
    let status = Status::create_anonymous().unwrap();
    let value = Status {
        beat: 1,
        load: 2.5,
        on: true,
        state: [3; 7],
        fan: [4, 5, 6, 7],
    };
    status.store(value);
    assert_eq!(status.load(), value);
    status.fan[2].set(8);
    assert_eq!(status.load().fan, [4, 5, 8, 7]);
    let text = format!("{status:?}");
    assert!(
        text.contains("on: true") && text.contains("fan: [4, 5, 8, 7]"),
        "{text}"
    );
    assert_eq!((Status::LEVEL, Status::SIZE), (2, 40));
}
