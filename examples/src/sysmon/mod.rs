//! A system monitor in two processes: one samples the machine, others watch.
//!
//! Two parts are to be read first: [`segment`] is the struct that the processes share,
//! [`exchange`] the rules by which one writes it while others read. The rest is what any
//! monitor needs: [`procfs`] parses the kernel's texts, [`sampler`] reads them, [`usage`]
//! turns counters into percentages, [`render`] makes a table or a line of them,
//! [`writer`] and [`reader`] are the two loops, and [`both`] runs them together.

pub mod both;
pub mod cli;
pub mod error;
pub mod exchange;
pub mod procfs;
pub mod reader;
pub mod render;
pub mod sampler;
pub mod segment;
pub mod signals;
pub mod terminal;
pub mod usage;
pub mod writer;

pub use error::Error;
