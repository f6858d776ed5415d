//! [`Shm::level`]: which levels a segment has by now.

use super::{Capacity, Conflict, check, corrupt};
use crate::access::Access;
use crate::error::ShmError;
use crate::layout::TypeLayout;
use crate::segment::geometry::Expected;
use crate::segment::header::LEVELS_OFFSET;
use crate::segment::refused::Refused;
use crate::segment::{Segment, Shm};
use crate::shm_layout::ShmLayout;
use crate::sys::file;

impl<T: ShmLayout + ?Sized, A: Access> Shm<T, A> {
    /// The newest level of the struct that a program has announced in this segment: by creating it, or by attaching with a writable
    /// handle. It is 0 for a struct to which no field was ever appended, and for other types.
    ///
    /// It may be higher than this program's own [`LEVEL`](ShmLayout::LEVEL): a newer program uses the segment too. For a read-only
    /// handle it may be lower. The fields of the levels above it are zeros then, because no program that knows them can have
    /// written to the segment. There is one exception: if a process was killed while it announced, the last of them may have
    /// bytes of what it was writing, until another program announces the level.
    ///
    /// This makes two system calls, and one more for each level.
    ///
    /// # Errors
    ///
    /// [`LayoutMismatch`](ShmError::LayoutMismatch) if a program with other fields at one of this program's levels has attached since
    /// this read-only handle did. The bytes of this program's newer fields are then another program's; see also
    /// [`SegmentStatus::Diverged`](crate::segment::SegmentStatus::Diverged). It cannot happen to a writable handle, whose levels are
    /// announced. [`Corrupt`](ShmError::Corrupt) if the file was cut or its records are damaged; [`Os`](ShmError::Os).
    ///
    /// # Examples
    ///
    /// ```
    /// use shm_core::ShmLayout;
    ///
    /// mod old {
    ///     #[derive(shm_core::ShmLayout)]
    ///     #[repr(C)]
    ///     pub struct Status { pub beat: u64 }
    /// }
    /// #[derive(ShmLayout)]
    /// #[repr(C)]
    /// struct Status {
    ///     beat: u64,
    ///     #[shm(since = 1)]
    ///     load: f64,
    /// }
    ///
    /// # fn main() -> Result<(), shm_core::ShmError> {
    /// # let name = format!("/doc-level-{}", std::process::id());
    /// let old = old::Status::create(&name)?;
    /// let monitor = Status::attach_read_only(&name)?;
    /// assert_eq!((monitor.level()?, monitor.load.get()), (0, 0.0));
    ///
    /// let new = Status::attach(&name)?;
    /// new.load.set(0.5);
    /// assert_eq!((monitor.level()?, monitor.load.get()), (1, 0.5));
    /// assert_eq!(old.level()?, 1);
    /// # Ok(()) }
    /// ```
    pub fn level(&self) -> Result<u32, ShmError> {
        self.segment()
            .level(T::LAYOUT)
            .map_err(|error| error.named(self.name()))
    }
}

impl Segment {
    pub(super) fn level(&self, layout: &'static TypeLayout) -> Result<u32, ShmError> {
        self.look_at_levels(layout)
            .map_err(|conflict| Refused::by(self).conflict(layout, conflict))
    }

    /// Whether another program has announced other fields at a level that this read-only handle knows.
    pub(in crate::segment) fn has_diverged(&self, layout: &'static TypeLayout) -> bool {
        self.recorded_levels < layout.level()
            && matches!(self.look_at_levels(layout), Err(Conflict::Level { .. }))
    }

    fn look_at_levels(&self, layout: &'static TypeLayout) -> Result<u32, Conflict> {
        let expected = Expected::of(layout);
        if !expected.grows {
            return Ok(0);
        }
        // The program may have closed the descriptor, and its number may lead to another file.
        self.check_descriptor()?;
        let mut count = [0; 4];
        if file::read_at(&self.file, &mut count, LEVELS_OFFSET as u64)? < count.len() {
            return corrupt("another process has cut the file");
        }
        let count = u32::from_ne_bytes(count);
        let capacity = Capacity {
            start: self.payload_offset as u64,
            base_end: (self.payload_offset + expected.base_size) as u64,
            end: self.mapped_len() as u64,
        };
        if !capacity.can_hold(count) {
            return Err(Conflict::Corrupt(format!("it cannot have {count} levels")));
        }
        check(&self.file, capacity, count, layout)?;
        Ok(count)
    }
}
