//! Edits a configuration in one process while others use it, with a `SeqLock`.
//!
//! ```text
//! cargo run --example config_reload
//! ```
//!
//! This process is the writer. It starts three readers, which attach read-only, and prints its edits; each reader prints
//! the versions that it sees. With a `SeqLock`, readers and the writer never wait for each other, and a reader always sees
//! one whole version, never half of an edit.
//!
//! ```text
//! writer 4711: version 1 in /shm-config-reload-4711
//!   reader 1 (4712): version 1: db-1.local:5432, 64 connections, 250 ms
//! writer 4711: version 2: move to another database
//!   reader 1 (4712): version 2: db-2.local:5432, 64 connections, 250 ms
//! ```
//!
//! Only the newest version counts: the fourth edit publishes a thousand versions, and readers skip most of them. If every
//! message matters, use a queue: see `work_queue`, or `camera` for one whose sender never waits.

#![forbid(unsafe_code)]

use std::error::Error;
use std::io::{self, Write};
use std::process::{ExitCode, Stdio, id};
use std::time::Duration;

use shm_core::sync::{SeqLock, WriteError};
use shm_core::{Shm, ShmLayout, ShmStr};
use shm_examples::child::{Child, exit_code, role};
use shm_examples::sysmon::signals::Signals;

/// The settings of a service. The fields are arranged without padding, which shared memory requires.
#[derive(Clone, Copy, Debug, ShmLayout)]
#[repr(C)]
struct Config {
    /// The number of the edit. If it differs from the version, a reader has seen a mixture of two edits.
    edit: u64,
    max_connections: u32,
    timeout_ms: u32,
    upstream: ShmStr<31>,
    /// Whether the service should end.
    shut_down: bool,
}

/// A segment can consist of a lock alone.
type SharedConfig = SeqLock<Config>;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const READERS: usize = 3;
/// The time between two edits.
const PAUSE: Duration = Duration::from_millis(300);
/// Without a new version for this long, a reader checks whether the writer is still there.
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
    // Ctrl-C is checked between edits, so `main` returns and the name is removed.
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
        if signals.wait(PAUSE)? {
            return Ok(()); // also kills the readers, by dropping them
        }
        let version = edit(&config)?;
        say(&format!("version {version}: {what}"))?;
    }
    for reader in readers {
        reader.wait()?;
    }
    // A reader succeeds only if it has seen `shut_down`, which only the last version has.
    let last = config.version();
    say(&format!(
        "all {READERS} readers have ended after version {last}"
    ))
}

type Edit = fn(&Shm<SharedConfig>) -> Result<u64>;

const EDITS: [(&str, Edit); 5] = [
    ("move to another database", |config| {
        let upstream = ShmStr::new("db-2.local:5432")?;
        Ok(commit(config, |next| next.upstream = upstream)?)
    }),
    (
        "double the connections and the timeout in one step",
        |config| {
            Ok(commit(config, |next| {
                next.max_connections *= 2;
                next.timeout_ms *= 2;
            })?)
        },
    ),
    (
        "discard an edit because a timeout of 0 ms is invalid",
        |config| {
            let mut next = config.write()?;
            next.edit += 1;
            next.timeout_ms = 0;
            if next.timeout_ms == 0 {
                // The guard is a private copy. Dropping it would commit it.
                next.discard();
                Ok(config.version())
            } else {
                Ok(next.commit()?)
            }
        },
    ),
    ("add a connection 1000 times", |config| {
        let mut next = config.write()?;
        for _ in 0..1000 {
            next.edit += 1;
            next.max_connections += 1;
            next.publish()?;
        }
        drop(next);
        Ok(config.version())
    }),
    ("shut the service down", |config| {
        Ok(commit(config, |next| next.shut_down = true)?)
    }),
];

/// Makes one edit, which readers see as a whole.
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
        if shm.wait_newer(seen, SILENCE).is_err() {
            // The writer may just be idle. If it has ended, it has removed the name; only a killed writer leaves it.
            if shm.is_current() {
                continue;
            }
            return Err(format!(
                "the writer of {name} has ended; start it and then this reader again"
            )
            .into());
        }
        // May be even newer than the version that ended the wait.
        let (version, config) = shm.read_versioned()?;
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
                "  reader {number} ({}): ends after version {version}, having skipped {skipped}",
                id()
            )?;
            return Ok(());
        }
    }
}

fn say(text: &str) -> Result<()> {
    Ok(writeln!(io::stdout(), "writer {}: {text}", id())?)
}
