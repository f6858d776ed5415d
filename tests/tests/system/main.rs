//! What depends on the operating system: descriptors, limits, full file systems, namespaces, users, system calls, timers,
//! and missing features.

mod descriptors;
mod fallback;
mod full;
mod limits;
mod memory_limit;
mod namespaces;
mod system_calls;
mod timers;
mod users;
