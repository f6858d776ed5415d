//! What the operating system has to do with it: descriptors, limits, full file systems, namespaces, users, system calls,
//! timers, and systems that lack something.

mod descriptors;
mod fallback;
mod full;
mod limits;
mod namespaces;
mod system_calls;
mod timers;
mod users;
