//! The rounds of a wait.

/// What a round of a wait does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitStep {
    /// Sleep: the next probe is not due yet.
    Sleep,
    /// Probe whether the peer is alive.
    Probe,
    /// Probe whether the peer is alive, then give up.
    FinalProbe,
}
