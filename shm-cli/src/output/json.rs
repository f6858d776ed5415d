//! What `--json` prints.

use std::io::{self, BufWriter, Write};

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use serde_json::{Map, Value, json};
use shm_core::dynamic::{DynValue, SyncState};
use shm_core::sync::Owner;

use super::escape::is_plain;
use crate::failure::Failure;

/// The version of all documents. A field that is added does not change it; one that goes or changes its meaning does.
const VERSION: u32 = 1;

/// An object with the fields `schema` (what it is) and `version`, then those of the command.
#[derive(Debug)]
pub(crate) struct Document(Map<String, Value>);

impl Document {
    /// A document of the kind `schema`, which is the name of a command.
    pub(crate) fn new(schema: &str) -> Self {
        let mut map = Map::new();
        map.insert("schema".to_owned(), format!("shm.{schema}").into());
        map.insert("version".to_owned(), VERSION.into());
        Self(map)
    }

    /// Adds a field.
    pub(crate) fn with(mut self, key: &str, value: impl Serialize) -> Self {
        let value = serde_json::to_value(value).unwrap_or(Value::Null);
        self.0.insert(key.to_owned(), value);
        self
    }

    /// Prints the document as one line.
    pub(crate) fn write(&self, out: &mut dyn Write) -> Result<(), Failure> {
        print(&self.0, out)
    }

    /// Prints the document and, after its own fields, those of `more`. They are printed as they are found, so there may be many.
    pub(crate) fn write_with(
        &self,
        more: &impl Serialize,
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        #[derive(Serialize)]
        struct Both<'a, T> {
            #[serde(flatten)]
            own: &'a Map<String, Value>,
            #[serde(flatten)]
            more: &'a T,
        }
        print(&Both { own: &self.0, more }, out)
    }
}

/// Prints a line of JSON, without what a terminal may act on.
fn print(document: &impl Serialize, out: &mut dyn Write) -> Result<(), Failure> {
    let mut line = BufWriter::with_capacity(super::BUFFER, out);
    let mut serializer = Serializer::with_formatter(&mut line, Plain);
    document.serialize(&mut serializer)?;
    writeln!(line)?;
    // What `out` keeps is for its owner to print.
    line.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok(())
}

/// Writes JSON without spaces, and the characters that are not plain as their numbers.
struct Plain;

impl Formatter for Plain {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(|character| !is_plain(character)) {
            let (before, from) = rest.split_at(at);
            out.write_all(before.as_bytes())?;
            let mut characters = from.chars();
            let mut units = [0; 2];
            for unit in characters
                .next()
                .map_or(&[][..], |it| it.encode_utf16(&mut units))
            {
                write!(out, "\\u{unit:04x}")?;
            }
            rest = characters.as_str();
        }
        out.write_all(rest.as_bytes())
    }
}

/// A value. What JSON's numbers cannot be is text: integers of more than 64 bits, and `NaN`, `inf` and `-inf`. Bytes that are not
/// UTF-8 are a list of numbers.
pub(crate) fn value(of: &DynValue) -> Value {
    match of {
        DynValue::Int(int) => match (i64::try_from(*int), u64::try_from(*int)) {
            (Ok(int), _) => int.into(),
            (_, Ok(int)) => int.into(),
            _ => of.to_string().into(),
        },
        DynValue::F32(float) if float.is_finite() => shortest(*float),
        DynValue::F64(float) if float.is_finite() => (*float).into(),
        DynValue::Bool(bool) => (*bool).into(),
        DynValue::Char(char) => char.to_string().into(),
        DynValue::Str(text) => text.as_str().into(),
        DynValue::Bytes(bytes) => bytes.as_slice().into(),
        DynValue::Name(name) => (**name).into(),
        DynValue::List(elements) => elements.iter().map(value).collect(),
        DynValue::Struct(fields) => {
            let fields = fields.iter();
            let map: Map<_, _> = fields
                .map(|(name, of)| (name.to_string(), value(of)))
                .collect();
            map.into()
        }
        // `NaN` and infinities, and integers above those of `i128`.
        other => other.to_string().into(),
    }
}

/// An `f32` in as few digits as it takes: 0.1 and not 0.10000000149011612.
fn shortest(float: f32) -> Value {
    let digits = format!("{float:?}");
    digits.parse::<f64>().unwrap_or(f64::from(float)).into()
}

/// A process that holds something, as an object; `null` for nobody.
pub(crate) fn owner(of: Option<&Owner>) -> Value {
    match of {
        None => Value::Null,
        Some(owner) => json!({
            "pid": owner.pid(),
            "alive": owner.is_alive(),
            "stopped": owner.is_stopped(),
        }),
    }
}

/// The state of a type of `sync`: its name as `type`, and what it says of itself.
pub(crate) fn sync_state(of: &SyncState) -> Value {
    match of {
        SyncState::MutexState {
            owner: by,
            poisoned,
            ..
        } => json!({"type": "Mutex", "owner": owner(by.as_ref()), "poisoned": poisoned}),
        SyncState::SeqLockState {
            version, writer, ..
        } => json!({"type": "SeqLock", "version": version, "writer": owner(writer.as_ref())}),
        SyncState::RingState {
            sender,
            receiver,
            sent,
            received,
            capacity,
            ..
        } => json!({
            "type": "Ring",
            "sent": sent,
            "received": received,
            "capacity": capacity,
            "sender": owner(sender.as_ref()),
            "receiver": owner(receiver.as_ref()),
        }),
        SyncState::BroadcastState {
            sender,
            sent,
            capacity,
            ..
        } => json!({
            "type": "Broadcast",
            "sent": sent,
            "capacity": capacity,
            "sender": owner(sender.as_ref()),
        }),
        SyncState::SemaphoreState { permits, .. } => {
            json!({"type": "Semaphore", "permits": permits})
        }
        SyncState::EventState { generation, .. } => {
            json!({"type": "Event", "generation": generation})
        }
        SyncState::BarrierState { round, seats, .. } => {
            let seats: Vec<Value> = seats.iter().map(|seat| owner(seat.as_ref())).collect();
            json!({"type": "Barrier", "round": round, "seats": seats})
        }
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_control_reaches_a_terminal() {
        let mut out = Vec::new();
        let text = "\u{9b}31m\u{202e}\u{1b}é🦀\u{e0001}";
        Document::new("x")
            .with("text", text)
            .write(&mut out)
            .unwrap();
        let wanted =
            r#"{"schema":"shm.x","version":1,"text":"\u009b31m\u202e\u001bé🦀\udb40\udc01"}"#;
        assert_eq!(
            String::from_utf8(out.clone()).unwrap(),
            format!("{wanted}\n")
        );
        let read: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(read["text"], text);
    }

    #[test]
    fn values_that_json_has_no_numbers_for_are_text() {
        for (text, wanted) in [
            ("-1", "-1"),
            ("18446744073709551615", "18446744073709551615"),
            ("18446744073709551616", "\"18446744073709551616\""),
            (
                "340282366920938463463374607431768211455",
                "\"340282366920938463463374607431768211455\"",
            ),
            ("NaN", "\"NaN\""),
            ("-inf", "\"-inf\""),
            ("2.5", "2.5"),
            ("[true, 'x', Red]", "[true,\"x\",\"Red\"]"),
            ("b\"\\xffa\"", "[255,97]"),
            ("{b: 1, a: {c: \"x\"}}", "{\"b\":1,\"a\":{\"c\":\"x\"}}"),
        ] {
            let parsed: DynValue = text.parse().unwrap();
            assert_eq!(value(&parsed).to_string(), wanted, "{text}");
        }
        assert_eq!(value(&DynValue::F32(0.1)).to_string(), "0.1");
    }
}
