//! Peers that ignore every rule: forged files, random words, and a segment that is overwritten while others use it.

mod files;
mod scribble;
mod words;
