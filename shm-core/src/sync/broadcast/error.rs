//! The errors of sending and receiving, named as in `std::sync::mpsc`, and `Lagged` as in tokio's `broadcast`.

use std::error::Error;
use std::fmt;

use crate::error::{InvalidValue, debug_with_text};

/// Nothing was sent, because this process is a fork child and the sender is its parent's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError;

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the sender belongs to the parent of this forked process; claim it again with `sender`, once the parent has \
             dropped it or died",
        )
    }
}

impl Error for SendError {}

/// No message was received.
#[non_exhaustive]
#[derive(Clone)]
pub enum RecvError {
    /// The receiver fell behind, and this many messages were overwritten before it received them. The next call returns the
    /// oldest message that is left.
    Lagged(u64),
    /// The next message is not a value of its type, because a peer wrote it. It is skipped.
    Invalid(InvalidValue),
    /// Everything has been received, and the sender has left or died. Never from a receiver that is
    /// [`reconnecting`](super::BroadcastReceiver::reconnecting).
    Disconnected,
}

/// No message was received at once.
#[non_exhaustive]
#[derive(Clone)]
pub enum TryRecvError {
    /// Everything has been received.
    Empty,
    /// See [`RecvError::Lagged`].
    Lagged(u64),
    /// See [`RecvError::Invalid`].
    Invalid(InvalidValue),
    /// See [`RecvError::Disconnected`].
    Disconnected,
}

/// No message was received in time. The error of a [`Ring`](crate::sync::Ring) is
/// [`sync::RecvTimeoutError`](crate::sync::RecvTimeoutError).
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
                "{count} messages were overwritten before they were received; receive more often, or create the queue with more slots"
            ),
            Self::Invalid(error) => error.fmt(f),
            Self::Disconnected => f.write_str(
                "everything has been received, and the sender has left or died; wait for the next sender with \
                 `wait_for_sender`, then receive again, or make the receiver `reconnecting()`",
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
    RecvTimeoutError, Timeout, "no message was sent within the timeout; receive again, or check the sender, for instance with `is_disconnected`";
}

impl Error for RecvError {}

debug_with_text! {
    struct SendError;
    enum RecvError { Lagged(count), Invalid(value), Disconnected }
    enum TryRecvError { Empty, Lagged(count), Invalid(value), Disconnected }
    enum RecvTimeoutError { Timeout, Lagged(count), Invalid(value), Disconnected }
}
