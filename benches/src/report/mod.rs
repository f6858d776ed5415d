//! Tables as text and as Markdown, and plots.

mod format;
pub(crate) mod machine;
pub(crate) mod markdown;
pub(crate) mod svg;
pub(crate) mod text;
