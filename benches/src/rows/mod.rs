//! The rows, a module each.

mod beside;
mod broadcast;
mod build;
mod bulk;
mod cells;
mod debug;
mod large;
mod list;
mod many;
mod mutex;
mod participants;
mod readers;
mod recovery;
mod resolve;
mod ring;
mod segments;
mod seqlock;
mod sleep;
mod stopped;
mod structs;
mod sum;
mod text;
mod types;
mod uncontended;
mod wait;
mod waiters;

use crate::harness::{Result, Row};

/// All rows, in the order in which they run.
pub(crate) static ALL: &[Row] = &[
    cells::FIELD,
    cells::LOAD,
    sum::ROW,
    bulk::ROW,
    structs::ROW,
    text::STR,
    text::DEBUG,
    resolve::ROW,
    segments::CREATE,
    segments::ATTACH,
    wait::ROW,
    participants::ROW,
    many::ROW,
    list::ROW,
    seqlock::ROW,
    beside::SEQLOCK,
    stopped::ROW,
    large::ROW,
    mutex::ROW,
    mutex::TRY_LOCK,
    participants::DEATH,
    recovery::ROW,
    uncontended::ROW,
    waiters::ROW,
    sleep::ROW,
    ring::ONE_THREAD,
    ring::STREAM,
    ring::EXCHANGE,
    ring::SLOW,
    broadcast::ROW,
    beside::BROADCAST,
    readers::ROW,
    types::ROW,
    debug::ROW,
    build::DERIVE,
    build::USED,
];

/// The row of that name.
pub(crate) fn find(name: &str) -> Result<&'static Row> {
    let found = ALL.iter().find(|row| row.name == name);
    Ok(found.ok_or_else(|| format!("no row `{name}`; --list prints them"))?)
}
