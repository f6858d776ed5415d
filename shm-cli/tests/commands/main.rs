//! The command as a user or a script calls it: what it prints, and its exit codes.

mod check;
mod common;
mod completions;
mod dump;
mod exit_codes;
mod exit_table;
mod external;
mod hz;
mod later;
mod ls;
mod refusals;
mod removing;
mod robot;
mod set;
mod show;
mod truncation;
mod undisturbed;
mod users;
#[cfg(feature = "watch")]
mod watch;
