//! What `--json` prints.

use std::io::Write;

use serde::Serialize;
use serde_json::{Map, Value};

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
        serde_json::to_writer(&mut *out, &self.0)?;
        Ok(writeln!(out)?)
    }
}
