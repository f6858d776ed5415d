//! In which way the layout of a segment does not suit a program.

/// In which way the layout of a segment does not suit a program, for [`LayoutMismatch`](crate::ShmError::LayoutMismatch).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mismatch {
    /// The segment holds another type, or another version of it. For a struct that has grown, its level 0 differs.
    Type,
    /// The slice at the end has another number of elements than the program requires.
    Length,
    /// Two programs have appended different fields to the struct.
    #[non_exhaustive]
    Level {
        /// The lowest level at which the fields differ.
        level: u32,
    },
    /// The segment has no room for all fields of the program.
    #[non_exhaustive]
    Room {
        /// The bytes that are lacking, for the fields and for their description.
        lacking: u64,
    },
}
