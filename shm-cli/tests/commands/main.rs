//! The command as a user or a script calls it: what it prints, and its exit codes.

mod check;
mod common;
mod completions;
mod exit_codes;
mod external;
mod hz;
mod removing;
mod truncation;
