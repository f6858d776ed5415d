//! Parts whose types a later version of the library has added: there is no more to them here than bytes.

use shm_core::TypeLayout;
use shm_core::layout::LayoutKind;

use crate::output::bare;

/// The most parts that are listed.
const MOST: usize = 16;

/// A part of a later format.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Later {
    /// The path of the part. It stands for all elements of the lists around it.
    pub(crate) path: String,
    pub(crate) tag: u8,
}

/// Finds the parts of a type that are of a later format.
pub(crate) fn parts(layout: &TypeLayout) -> Vec<Later> {
    let mut found = Vec::new();
    find(layout, &mut String::new(), &mut found);
    found
}

fn find(layout: &TypeLayout, path: &mut String, found: &mut Vec<Later>) {
    if found.len() >= MOST {
        return;
    }
    match layout.kind() {
        LayoutKind::Struct { fields, .. } => {
            for field in fields {
                let len = path.len();
                if len > 0 {
                    path.push('.');
                }
                path.push_str(&bare(field.name()));
                find(field.layout(), path, found);
                path.truncate(len);
            }
        }
        LayoutKind::Array { element, .. } | LayoutKind::Slice { element, .. } => {
            find(element, path, found);
        }
        // What these hold has their path.
        LayoutKind::Meaning {
            meaning: "mutex" | "seqlock" | "slot" | "vec" | "ring" | "broadcast",
            inner,
            ..
        } => {
            for field in inner.fields() {
                find(field.layout(), path, found);
            }
        }
        LayoutKind::Meaning { inner, .. } => find(inner, path, found),
        LayoutKind::Unknown { tag, .. } => found.push(Later {
            path: match path.as_str() {
                "" => ".".to_owned(),
                path => path.to_owned(),
            },
            tag,
        }),
        _ => {}
    }
}
