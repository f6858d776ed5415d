//! Looking at a segment again and again: for `watch` and `hz`.
//!
//! Nothing here writes to a segment or waits for one of its words, so no writer notices.

mod attachment;
mod counter;
mod length;
mod times;
mod value;

pub(crate) use attachment::{Attachment, Standing};
pub(crate) use counter::{Counter, Events, sync_meaning};
#[cfg(feature = "watch")]
pub(crate) use counter::{between, count};
pub(crate) use length::Length;
pub(crate) use times::{parse_interval, span, three_digits};
#[cfg(feature = "watch")]
pub(crate) use value::number;
pub(crate) use value::{is_same, places};
