//! What can become of a message, in the words of `std::sync::mpsc`, and of tokio's `broadcast` for those that were lost.

use std::error::Error;
use std::fmt;

use crate::error::{InvalidValue, debug_with_text};

/// Nothing was sent: this process is a fork child, and the sender that it has inherited is its parent's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError;

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the sender belongs to the process that this one was forked from; claim it anew with `sender()` when that is \
             gone",
        )
    }
}

impl Error for SendError {}

/// No message was received.
#[non_exhaustive]
#[derive(Clone)]
pub enum RecvError {
    /// The receiver was too slow: as many messages were overwritten before it got them. The next call gives the oldest one
    /// that is still there.
    Lagged(u64),
    /// The next message holds what is no value of its type, and is skipped: a peer has written it.
    Invalid(InvalidValue),
    /// Everything was received, and the sender has left or died.
    Disconnected,
}

/// No message was received at once.
#[non_exhaustive]
#[derive(Clone)]
pub enum TryRecvError {
    /// Everything was received.
    Empty,
    /// See [`RecvError::Lagged`].
    Lagged(u64),
    /// See [`RecvError::Invalid`].
    Invalid(InvalidValue),
    /// See [`RecvError::Disconnected`].
    Disconnected,
}

/// No message was received in time. (Not that of a [`Ring`](crate::sync::Ring), which is `sync::RecvTimeoutError`.)
#[non_exhaustive]
#[derive(Clone)]
pub enum RecvTimeoutError {
    /// No message came within the timeout.
    Timeout,
    /// See [`RecvError::Lagged`].
    Lagged(u64),
    /// See [`RecvError::Invalid`].
    Invalid(InvalidValue),
    /// See [`RecvError::Disconnected`].
    Disconnected,
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lagged(count) => write!(
                f,
                "{count} messages were overwritten before they were received; receive sooner, or give the type more slots"
            ),
            Self::Invalid(error) => error.fmt(f),
            Self::Disconnected => f.write_str(
                "everything has been received, and the sender has left or died; receive again when another one has come",
            ),
        }
    }
}

macro_rules! with_another {
    ($($error:ident, $variant:ident, $text:literal;)*) => {$(
        impl From<RecvError> for $error {
            fn from(error: RecvError) -> Self {
                match error {
                    RecvError::Lagged(count) => Self::Lagged(count),
                    RecvError::Invalid(error) => Self::Invalid(error),
                    RecvError::Disconnected => Self::Disconnected,
                }
            }
        }

        impl fmt::Display for $error {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    Self::$variant => f.write_str($text),
                    Self::Lagged(count) => RecvError::Lagged(*count).fmt(f),
                    Self::Invalid(error) => error.fmt(f),
                    Self::Disconnected => RecvError::Disconnected.fmt(f),
                }
            }
        }

        impl Error for $error {}
    )*};
}

with_another! {
    TryRecvError, Empty, "everything has been received; receive again later";
    RecvTimeoutError, Timeout, "no message came within the timeout; the sender lives, or none has come yet";
}

impl Error for RecvError {}

debug_with_text! {
    struct SendError;
    enum RecvError { Lagged(count), Invalid(value), Disconnected }
    enum TryRecvError { Empty, Lagged(count), Invalid(value), Disconnected }
    enum RecvTimeoutError { Timeout, Lagged(count), Invalid(value), Disconnected }
}
