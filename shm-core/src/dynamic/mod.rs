//! Segments without their Rust type: for tools that work on any segment, and for other languages.
//!
//! Every segment contains its layout. [`DynSegment`] attaches to any of them, [`DynCell`] is a part of it, found by a path such as
//! `nodes[3].next`, and [`DynValue`] is what a cell is read as and set to. [`DynSchema`] is the type of a segment, without
//! attaching to it.
//!
//! With the feature `serde`, a [`DynValue`] can be serialized and deserialized.

mod cell;
mod check;
mod error;
mod intern;
mod name;
mod options;
mod path;
mod place;
mod schema;
mod segment;
mod sink;
mod value;

pub use cell::{DynCell, SyncState};
pub use error::DynError;
pub use schema::{DynField, DynSchema};
pub use segment::DynSegment;
pub use value::{DynValue, ParseValueError};
