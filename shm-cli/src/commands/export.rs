//! `shm export`: the layout for another language.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use shm_core::TypeLayout;
use shm_core::layout::{LayoutKind, OffsetTarget};

use crate::failure::{Exit, Failure};
use crate::output::{Context, Document, type_name};
use crate::target::Target;

/// Write the layout of a segment as a header for C or C++, or as a schema
#[derive(Args, Debug)]
#[command(after_help = LANGUAGES)]
pub(crate) struct Export {
    /// A segment's name, the path of a dump, or `/proc/PID/fd/N`
    #[arg(value_name = "NAME")]
    target: Target,

    /// What to write
    #[arg(long, value_name = "LANG")]
    lang: Lang,

    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Lang {
    C,
    Cpp,
    Schema,
}

const LANGUAGES: &str = "\
Languages:
  c       a C11 header: structs, checks of every offset, atomic accessors
  cpp     a C++17 header
  schema  the schema in bytes, from which programs create such a segment; with --json a tree";

impl Export {
    pub(crate) fn run(self, context: &mut Context) -> Result<Exit, Failure> {
        let bytes = match (self.lang, context.json) {
            (Lang::Schema, true) => {
                let segment = self.target.read_only()?;
                let layout = segment.layout();
                let document = Document::new("schema")
                    .with("name", segment.name())
                    .with("fingerprint", hex(layout.fingerprint()))
                    .with("level", layout.level())
                    .with("layout", node(layout));
                let mut out = Vec::new();
                document.write(&mut out)?;
                out
            }
            (_, true) => {
                return Err(Failure::usage(
                    "--json goes with `--lang schema`; a header is text already",
                ));
            }
            (Lang::Schema, false) => {
                if self.out.is_none() && context.terminal {
                    return Err(Failure::usage(
                        "a schema is bytes, which a terminal does not show; write it to a file with --out, or see it with --json",
                    ));
                }
                self.target.schema()?.to_bytes()
            }
            (Lang::C, false) => native(&self.target)?.to_c().into_bytes(),
            (Lang::Cpp, false) => native(&self.target)?.to_cpp().into_bytes(),
        };
        match self.out.as_deref() {
            Some(file) if file != Path::new("-") => fs::write(file, bytes)
                .map_err(|error| Failure::file(&format!("write {}", file.display()), &error))?,
            _ => context.out.write_all(&bytes)?,
        }
        Ok(Exit::Ok)
    }
}

/// The layout of a segment of a machine like this one.
fn native(target: &Target) -> Result<&'static TypeLayout, Failure> {
    let layout = target.read_only()?.layout();
    if target.is_of_other_order() {
        return Err(Failure::refused(format!(
            "{target} was made on a machine of the other byte order, and headers are for programs that share a segment; export it \
             on such a machine"
        )));
    }
    Ok(layout)
}

fn hex(fingerprint: u64) -> String {
    format!("{fingerprint:016x}")
}

/// A layout with all its parts.
fn node(layout: &TypeLayout) -> Value {
    let mut out = json!({
        "type": type_name(layout),
        "size": layout.size(),
        "align": layout.align(),
        // That of a part of a later format is unknown.
        "fingerprint": Some(layout.fingerprint()).filter(|known| *known != 0).map(hex),
    });
    match layout.kind() {
        LayoutKind::Scalar(scalar) => {
            out["kind"] = "scalar".into();
            out["scalar"] = scalar.kind().name().into();
            out["atomic"] = scalar.is_atomic().into();
        }
        LayoutKind::Array { element, len, .. } => {
            out["kind"] = "array".into();
            out["len"] = len.into();
            out["element"] = node(element);
        }
        LayoutKind::Slice { element, .. } => {
            out["kind"] = "slice".into();
            out["element"] = node(element);
        }
        LayoutKind::Enum { repr, variants, .. } => {
            let variants = variants.iter().map(|variant| {
                let value: Value = match repr.name().starts_with('i') {
                    true => variant.bits().cast_signed().into(),
                    false => variant.bits().into(),
                };
                json!({"name": variant.name(), "value": value})
            });
            out["kind"] = "enum".into();
            out["integer"] = repr.name().into();
            out["variants"] = variants.collect();
        }
        LayoutKind::Struct {
            version, fields, ..
        } => {
            let fields = fields.iter().map(|field| {
                json!({
                    "name": field.name(),
                    "offset": field.offset(),
                    "since": field.since(),
                    "layout": node(field.layout()),
                })
            });
            out["kind"] = "struct".into();
            out["version"] = version.into();
            out["fields"] = fields.collect();
        }
        LayoutKind::Meaning {
            meaning,
            inner,
            target,
            ..
        } => {
            out["kind"] = "meaning".into();
            out["meaning"] = meaning.into();
            if let Some(target) = target {
                out["target"] = hex(OffsetTarget::fingerprint(target)).into();
            }
            out["parts"] = node(inner);
        }
        LayoutKind::Unknown { tag, .. } => {
            out["kind"] = "unknown".into();
            out["tag"] = tag.into();
        }
        _ => {}
    }
    out
}
