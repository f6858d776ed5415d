//! Ends the program when a turn takes too long, so that a contender that hangs is named.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than any turn takes on a loaded machine.
const DEADLINE: Duration = Duration::from_secs(120);

static EXPECTED: Mutex<Option<(Instant, String)>> = Mutex::new(None);

/// Starts the clock of a turn.
pub(crate) fn expect(turn: String) {
    let deadline = Instant::now() + DEADLINE;
    *EXPECTED.lock().unwrap_or_else(PoisonError::into_inner) = Some((deadline, turn));
}

/// Stops the clock.
pub(crate) fn done() {
    *EXPECTED.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// Starts watching. Child processes of this program end with it.
pub(crate) fn start() {
    thread::spawn(|| {
        loop {
            thread::sleep(Duration::from_secs(1));
            let expected = EXPECTED.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((deadline, turn)) = &*expected
                && *deadline < Instant::now()
            {
                eprintln!("{turn}: no result after {} s", DEADLINE.as_secs());
                crate::peers::clean_up();
                std::process::exit(3);
            }
        }
    });
}
