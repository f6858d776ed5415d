//! Segments without their Rust type: layouts from schemas, paths, values, dumps.

mod cells;
mod create;
mod dumps;
mod later;
mod layouts;
mod levels;
mod restore;
mod schemas;
mod sync;
mod values;
