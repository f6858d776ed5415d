//! A system monitor: one process samples the machine, others display the samples.
//!
//! Start with two modules: [`segment`] has the struct that the processes share, and [`exchange`] the protocol by which one
//! process writes it while others read. The rest is what any monitor needs: [`procfs`] parses the files of the kernel,
//! [`sampler`] reads them, [`usage`] turns counters into percentages, [`render`] formats a table or a line, [`writer`] and
//! [`reader`] are the two loops, and [`both`] runs them together.

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
