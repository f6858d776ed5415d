//! Values in the formats of serde.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::DynValue;

/// With the feature `serde`. A variant is its name, a struct a map. Integers are written in 64 bits where they fit.
impl Serialize for DynValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Int(value) => match (i64::try_from(*value), u64::try_from(*value)) {
                (Ok(value), _) => serializer.serialize_i64(value),
                (_, Ok(value)) => serializer.serialize_u64(value),
                _ => serializer.serialize_i128(*value),
            },
            Self::UInt(value) => serializer.serialize_u128(*value),
            Self::F32(value) => serializer.serialize_f32(*value),
            Self::F64(value) => serializer.serialize_f64(*value),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Char(value) => serializer.serialize_char(*value),
            Self::Str(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Self::Name(name) => serializer.serialize_str(name),
            Self::List(elements) => serializer.collect_seq(elements),
            Self::Struct(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    map.serialize_entry(&**name, value)?;
                }
                map.end()
            }
        }
    }
}

/// With the feature `serde`, from formats that say what a value is, such as JSON. There a variant or a `char` is text, which
/// [`DynCell::set`](crate::dynamic::DynCell::set) takes for them.
///
/// ```
/// use shm_core::dynamic::DynValue;
///
/// let value: DynValue = serde_json::from_str(r#"{"id": 7, "xyz": [0.5, 1.0], "mode": "Fast"}"#)?;
/// assert_eq!(value.to_string(), r#"{id: 7, xyz: [0.5, 1.0], mode: "Fast"}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
impl<'de> Deserialize<'de> for DynValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

macro_rules! visits {
    ($($visit:ident: $ty:ty),*) => {$(
        fn $visit<E: Error>(self, value: $ty) -> Result<DynValue, E> {
            Ok(value.into())
        }
    )*};
}

impl<'de> Visitor<'de> for AnyValue {
    type Value = DynValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, a bool, text, bytes, a list or a map")
    }

    visits! {
        visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_i128: i128, visit_u128: u128, visit_f32: f32, visit_f64: f64,
        visit_char: char, visit_str: &str, visit_string: String
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<DynValue, E> {
        Ok(DynValue::Bytes(bytes.to_vec()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<DynValue, A::Error> {
        // Not reserved: the number of elements may be a false one.
        let mut all = Vec::new();
        while let Some(element) = elements.next_element()? {
            all.push(element);
        }
        Ok(DynValue::List(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<DynValue, A::Error> {
        let mut all: Vec<(Cow<'static, str>, DynValue)> = Vec::new();
        while let Some((name, value)) = fields.next_entry::<String, _>()? {
            all.push((name.into(), value));
        }
        Ok(DynValue::Struct(all))
    }
}
