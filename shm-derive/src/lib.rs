//! `#[derive(ShmLayout)]`: see the `shm-core` crate.
