//! Peers that ignore every rule: forged files, random words, and a segment that is overwritten while others use it.

mod files;
mod scribble;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod truncation;
mod untyped;
mod words;
