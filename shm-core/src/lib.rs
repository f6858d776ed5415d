//! Typed POSIX shared memory.
