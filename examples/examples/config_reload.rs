//! A configuration that one process edits while others use it, without a lock and without a restart.
//!
//! ```text
//! cargo run --example config_reload
//! ```
//!
//! This process is the writer. It starts three readers, which attach read-only, and shows what it does; each reader shows
//! what it picks up. The configuration lies in a `SeqLock`: a reader never waits for the writer nor the writer for a reader,
//! and what is read is always one whole version, never half of an edit.
//!
//! ```text
//! writer 4711: version 1 in /shm-config-reload-4711
//!   reader 1 (4712): version 1: db-1.local:5432, 64 connections, 250 ms
//! writer 4711: version 2: moves to another database
//!   reader 1 (4712): version 2: db-2.local:5432, 64 connections, 250 ms
//! ```
//!
//! Only the newest version counts: who turns a knob makes a thousand versions, and readers skip most of them. Where every
//! message is needed use a queue: see `work_queue`, and for one that never makes the sender wait `camera`.

#![forbid(unsafe_code)]

use std::error::Error;
use std::io::{self, Write};
use std::process::{ExitCode, Stdio, id};
use std::time::Duration;

use shm_core::sync::{SeqLock, WriteError};
use shm_core::{Shm, ShmLayout, ShmStr};
use shm_examples::child::{Child, exit_code, role};
use shm_examples::sysmon::signals::Signals;

/// What the service can be told while it runs. Its fields leave no gaps, as shared memory wants it.
#[derive(Clone, Copy, Debug, ShmLayout)]
#[repr(C)]
struct Config {
    /// The number of the edit that made it. A reader that finds another number than the version has seen a mixture.
    edit: u64,
    max_connections: u32,
    timeout_ms: u32,
    upstream: ShmStr<31>,
    /// The service should end.
    shut_down: bool,
}

/// No struct of its own is needed around a single lock.
type SharedConfig = SeqLock<Config>;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const READERS: usize = 3;
/// How long the person who edits thinks.
const THINKING: Duration = Duration::from_millis(300);
/// A reader that hears nothing for so long asks whether there still is a writer.
const SILENCE: Duration = Duration::from_secs(2);

pub(crate) fn main() -> ExitCode {
    exit_code(run())
}

fn run() -> Result<()> {
    let Some((_, args)) = role()? else {
        return writer();
    };
    match args.as_slice() {
        [name, number] => reader(name, number),
        _ => Err("a reader needs a name and a number; start this program without arguments".into()),
    }
}

fn writer() -> Result<()> {
    // Ctrl-C then is something to ask for between two edits, and the name is removed in any case.
    let signals = Signals::block()?;
    let name = format!("/shm-config-reload-{}", id());
    let first = Config {
        edit: 1,
        max_connections: 64,
        timeout_ms: 250,
        upstream: ShmStr::new("db-1.local:5432")?,
        shut_down: false,
    };
    let mut stored = Ok(0);
    // The name appears with version 1 in place, so no reader ever sees an empty configuration.
    let config = SharedConfig::create_with(&name, |new| stored = new.store(first))?;
    say(&format!("version {} in {name}", stored?))?;

    let readers = (1..=READERS)
        .map(|number| Child::start("reader", &[&name, &number.to_string()], Stdio::null()))
        .collect::<io::Result<Vec<_>>>()?;

    for (what, edit) in EDITS {
        // Here time passes: nobody waits for anybody.
        if signals.wait(THINKING)? {
            return Ok(()); // which ends the readers, too
        }
        let version = edit(&config)?;
        say(&format!("version {version}: {what}"))?;
    }
    for reader in readers {
        reader.wait()?;
    }
    // A reader ends well only if it has seen `shut_down`, which the last version alone has.
    let last = config.version();
    say(&format!(
        "all {READERS} readers have ended with version {last}, the last"
    ))
}

type Edit = fn(&Shm<SharedConfig>) -> Result<u64>;

const EDITS: [(&str, Edit); 5] = [
    ("moves to another database", |config| {
        let upstream = ShmStr::new("db-2.local:5432")?;
        Ok(commit(config, |next| next.upstream = upstream)?)
    }),
    (
        "doubles the connections and the timeout, in one step",
        |config| {
            Ok(commit(config, |next| {
                next.max_connections *= 2;
                next.timeout_ms *= 2;
            })?)
        },
    ),
    (
        "a timeout of 0 ms was not accepted, so nothing changes",
        |config| {
            let mut next = config.write()?;
            next.edit += 1;
            next.timeout_ms = 0;
            if next.timeout_ms == 0 {
                // The guard is a private copy. Dropped without this, it would be committed.
                next.discard();
                Ok(config.version())
            } else {
                Ok(next.commit()?)
            }
        },
    ),
    ("turned the knob for the connections 1000 times", |config| {
        let mut next = config.write()?;
        for _ in 0..1000 {
            next.edit += 1;
            next.max_connections += 1;
            next.publish()?;
        }
        drop(next);
        Ok(config.version())
    }),
    ("shuts the service down", |config| {
        Ok(commit(config, |next| next.shut_down = true)?)
    }),
];

/// One edit, which readers see as a whole.
fn commit(
    config: &SharedConfig,
    edit: impl FnOnce(&mut Config),
) -> std::result::Result<u64, WriteError> {
    let (version, ()) = config.update(|next| {
        edit(next);
        next.edit += 1;
    })?;
    Ok(version)
}

fn reader(name: &str, number: &str) -> Result<()> {
    let shm = SharedConfig::attach_read_only(name)?;
    let mut out = io::stdout();
    let (mut seen, mut skipped) = (0, 0);
    loop {
        if shm.wait_newer_timeout(seen, SILENCE).is_err() {
            // A writer that thinks for long is no reason to end. One that has ended has taken the name along; one that was
            // killed has not, and the next would go on in the same place.
            if shm.is_current() {
                continue;
            }
            return Err(format!(
                "the writer of {name} has ended; start it again, and then this reader"
            )
            .into());
        }
        // May be newer than what has just been waited for.
        let (version, config) = shm.read_versioned();
        if version != config.edit {
            return Err(format!("version {version} holds edit {}", config.edit).into());
        }
        skipped += version.saturating_sub(seen + 1);
        seen = version;
        let Config {
            max_connections,
            timeout_ms,
            ..
        } = config;
        writeln!(
            out,
            "  reader {number} ({}): version {version}: {}, {max_connections} connections, {timeout_ms} ms",
            id(),
            config.upstream.as_str()?,
        )?;
        if config.shut_down {
            writeln!(
                out,
                "  reader {number} ({}): ends with version {version}, having skipped {skipped}",
                id()
            )?;
            return Ok(());
        }
    }
}

fn say(text: &str) -> Result<()> {
    Ok(writeln!(io::stdout(), "writer {}: {text}", id())?)
}
