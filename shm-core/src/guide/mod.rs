// The pages of `docs/` as modules: the crate's documentation shows them, links to them, and runs their programs.
//
// Pages link to each other by reference. Each ends with targets for readers of the files. Of two definitions of a reference
// the first counts, so the ones in `links.md`, included before each page, lead to the modules instead. Tests leave them out,
// and so have the names and lines of the pages.

#![cfg_attr(not(doctest), doc = include_str!("links.md"))]
#![doc = include_str!("../../docs/guide.md")]

#[cfg_attr(not(doctest), doc = include_str!("links.md"))]
#[doc = include_str!("../../docs/choosing.md")]
pub mod choosing {}

#[cfg_attr(not(doctest), doc = include_str!("links.md"))]
#[doc = include_str!("../../docs/crash-model.md")]
pub mod crash_model {}

#[cfg_attr(not(doctest), doc = include_str!("links.md"))]
#[doc = include_str!("../../docs/format.md")]
pub mod format {}

#[cfg_attr(not(doctest), doc = include_str!("links.md"))]
#[doc = include_str!("../../docs/patterns.md")]
pub mod patterns {}

#[cfg_attr(not(doctest), doc = include_str!("links.md"))]
#[doc = include_str!("../../docs/performance.md")]
pub mod performance {}

#[cfg_attr(not(doctest), doc = include_str!("links.md"))]
#[doc = include_str!("../../docs/recovery.md")]
pub mod recovery {}
