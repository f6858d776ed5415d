//! The errors of sending and receiving, named as in `std::sync::mpsc`.

use std::error::Error;
use std::fmt;

use crate::error::debug_with_text;
use crate::protocol::ring::Idle;

const NO_RECEIVER: &str = "the ring is full, and its receiver has left or died; wait for the next receiver with `wait_for_receiver`, \
                           then send again, or make the sender `reconnecting()`";
const NO_SENDER: &str = "the ring is empty, and its sender has left or died; wait for the next sender with `wait_for_sender`, \
                         then receive again, or make the receiver `reconnecting()`";

/// A message was not sent, because the ring is full and its receiver has left or died. Contains the message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub T);

/// A message was not sent at once. Contains the message.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TrySendError<T> {
    /// The ring is full.
    Full(T),
    /// The ring is full, and its receiver has left or died.
    Disconnected(T),
}

/// A message was not sent in time. Contains the message.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SendTimeoutError<T> {
    /// The ring was full for the whole timeout. The receiver is alive, has not joined yet, or the sender is
    /// [`reconnecting`](super::Sender::reconnecting).
    Timeout(T),
    /// The ring is full, and its receiver has left or died.
    Disconnected(T),
}

/// Nothing was received, because the ring is empty and its sender has left or died.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RecvError;

/// Nothing was received at once.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TryRecvError {
    /// The ring is empty.
    Empty,
    /// The ring is empty, and its sender has left or died.
    Disconnected,
}

/// Nothing was received in time.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum RecvTimeoutError {
    /// The ring was empty for the whole timeout. The sender is alive, has not joined yet, or the receiver is
    /// [`reconnecting`](super::Receiver::reconnecting).
    Timeout,
    /// The ring is empty, and its sender has left or died.
    Disconnected,
}

pub(super) fn recv(_: Idle) -> RecvError {
    // A wait without a limit ends in an error only if the other end is gone.
    RecvError
}

pub(super) fn try_recv(idle: Idle) -> TryRecvError {
    match idle {
        Idle::NotYet => TryRecvError::Empty,
        Idle::Gone => TryRecvError::Disconnected,
    }
}

pub(super) fn recv_timeout(idle: Idle) -> RecvTimeoutError {
    match idle {
        Idle::NotYet => RecvTimeoutError::Timeout,
        Idle::Gone => RecvTimeoutError::Disconnected,
    }
}

pub(super) fn try_send<T>(idle: Idle, message: T) -> TrySendError<T> {
    match idle {
        Idle::NotYet => TrySendError::Full(message),
        Idle::Gone => TrySendError::Disconnected(message),
    }
}

pub(super) fn send_timeout<T>(idle: Idle, message: T) -> SendTimeoutError<T> {
    match idle {
        Idle::NotYet => SendTimeoutError::Timeout(message),
        Idle::Gone => SendTimeoutError::Disconnected(message),
    }
}

impl<T> SendError<T> {
    /// Returns the message.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> TrySendError<T> {
    /// Returns the message.
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(message) | Self::Disconnected(message) => message,
        }
    }
}

impl<T> SendTimeoutError<T> {
    /// Returns the message.
    pub fn into_inner(self) -> T {
        match self {
            Self::Timeout(message) | Self::Disconnected(message) => message,
        }
    }
}

impl<T> From<SendError<T>> for TrySendError<T> {
    fn from(SendError(message): SendError<T>) -> Self {
        Self::Disconnected(message)
    }
}

impl<T> From<SendError<T>> for SendTimeoutError<T> {
    fn from(SendError(message): SendError<T>) -> Self {
        Self::Disconnected(message)
    }
}

impl From<RecvError> for TryRecvError {
    fn from(_: RecvError) -> Self {
        Self::Disconnected
    }
}

impl From<RecvError> for RecvTimeoutError {
    fn from(_: RecvError) -> Self {
        Self::Disconnected
    }
}

debug_with_text! {
    struct SendError<T>(..);
    enum TrySendError<T> { Full(..), Disconnected(..) }
    enum SendTimeoutError<T> { Timeout(..), Disconnected(..) }
    struct RecvError;
    enum TryRecvError { Empty, Disconnected }
    enum RecvTimeoutError { Timeout, Disconnected }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NO_RECEIVER)
    }
}

impl<T> fmt::Display for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "the ring is full; send again later, or create it with more slots",
            Self::Disconnected(_) => NO_RECEIVER,
        })
    }
}

impl<T> fmt::Display for SendTimeoutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timeout(_) => {
                "the ring was full for the whole timeout; send again, or check the receiver, for instance with `is_disconnected`"
            }
            Self::Disconnected(_) => NO_RECEIVER,
        })
    }
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NO_SENDER)
    }
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the ring is empty; receive again later",
            Self::Disconnected => NO_SENDER,
        })
    }
}

impl fmt::Display for RecvTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timeout => {
                "the ring was empty for the whole timeout; receive again, or check the sender, for instance with `is_disconnected`"
            }
            Self::Disconnected => NO_SENDER,
        })
    }
}

impl<T> Error for SendError<T> {}
impl<T> Error for TrySendError<T> {}
impl<T> Error for SendTimeoutError<T> {}
impl Error for RecvError {}
impl Error for TryRecvError {}
impl Error for RecvTimeoutError {}
