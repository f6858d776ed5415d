//! Reads the name of the type from the beginning of a schema.

use super::super::{ScalarKind, tag};
use super::NODE_HEADER;

/// The maximum nesting of arrays.
const MAX_DEPTH: usize = 8;

/// The length of a schema's prefix that always contains the name: the headers of the deepest nodes, and the longest name.
pub(crate) const TYPE_NAME_PREFIX: usize =
    (MAX_DEPTH + 1) * (NODE_HEADER + 24) + 2 + u16::MAX as usize;

/// Returns the name of a schema's type, or a description of a type without a name, such as an array. The schema may be
/// incomplete and is untrusted; returns `None` if it does not contain the name.
pub(crate) fn peek_type_name(start: &[u8]) -> Option<String> {
    node(start, 0)
}

fn node(bytes: &[u8], depth: usize) -> Option<String> {
    if depth > MAX_DEPTH {
        return None;
    }
    let (head, body) = bytes.split_at_checked(NODE_HEADER)?;
    match *head.first()? {
        tag::SCALAR => {
            let code = *body.first()?;
            let kind = ScalarKind::ALL
                .into_iter()
                .find(|kind| *kind as u8 == code)?;
            Some(match *body.get(1)? {
                0 => kind.name().to_owned(),
                _ => format!("atomic {}", kind.name()),
            })
        }
        tag::ARRAY => {
            let (len, element) = body.split_at_checked(8)?;
            let len = u64::from_ne_bytes(len.try_into().ok()?);
            Some(format!("[{}; {len}]", node(element, depth + 1)?))
        }
        tag::SLICE => Some(format!("[{}]", node(body, depth + 1)?)),
        // After the size, alignment, version and number of fields.
        tag::STRUCT => text(body.get(20..)?),
        // After the integer's code and the number of variants.
        tag::ENUM => text(body.get(8..)?),
        // After the target's fingerprint.
        tag::MEANING => text(body.get(8..)?),
        _ => None,
    }
}

fn text(bytes: &[u8]) -> Option<String> {
    let (len, rest) = bytes.split_at_checked(2)?;
    let len = usize::from(u16::from_ne_bytes(len.try_into().ok()?));
    let name = std::str::from_utf8(rest.get(..len)?).ok()?;
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::encode;
    use super::*;
    use crate::layout::test_layouts::{ATOMIC_U32, I16, U64, array};
    use crate::layout::{FieldLayout, TypeLayout};

    fn type_name_of(layout: &TypeLayout) -> Option<String> {
        peek_type_name(&encode(layout))
    }

    #[test]
    fn types_without_a_name_are_described() {
        assert_eq!(type_name_of(U64).as_deref(), Some("u64"));
        assert_eq!(
            type_name_of(array![array![I16; 3]; 2]).as_deref(),
            Some("[[i16; 3]; 2]")
        );
        assert_eq!(type_name_of(ATOMIC_U32).as_deref(), Some("atomic u32"));
    }

    #[test]
    fn a_struct_is_named_from_any_prefix_with_its_name() {
        static FIELDS: [FieldLayout; 1] = [FieldLayout::new("only", U64)];
        static LAYOUT: TypeLayout = TypeLayout::structure("Telemetry", 0, 8, 8, &FIELDS);
        let schema = encode(&LAYOUT);
        assert_eq!(peek_type_name(&schema).as_deref(), Some("Telemetry"));
        for len in 0..schema.len() {
            let found = peek_type_name(&schema[..len]);
            assert!(found.is_none() || found.as_deref() == Some("Telemetry"));
        }
        let mut empty = schema.clone();
        empty[28] = 0;
        assert_eq!(peek_type_name(&empty), None);
    }

    #[test]
    fn endless_nesting_has_no_name() {
        let array = [tag::ARRAY, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(peek_type_name(&array.repeat(10_000)), None);
        assert_eq!(peek_type_name(&[]), None);
        assert_eq!(peek_type_name(&[0xff; 64]), None);
    }
}
