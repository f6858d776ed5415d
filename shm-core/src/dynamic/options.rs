//! Options for segments whose type is a value.

use std::os::fd::OwnedFd;

use super::schema::DynSchema;
use super::segment::{DynSegment, Memory, attached};
use crate::error::ShmError;
use crate::segment::{Failure, InitResult, ShmOptions, uninitialized};

impl ShmOptions<DynSegment> {
    /// Sets the number of elements of the slice that the type ends in, for a new segment. Without this it has none.
    ///
    /// A segment that is attached to must have as many: any other length is a
    /// [`LayoutMismatch`](ShmError::LayoutMismatch). Without this, attaching accepts any length.
    pub fn len(self, len: usize) -> ShmOptions<DynSegment, true> {
        self.with_len(len)
    }
}

/// Segments without their Rust type: see [`DynSegment::options`].
impl<const LEN: bool> ShmOptions<DynSegment, LEN> {
    /// Attaches to the segment with this name, of any type: see [`DynSegment::attach`].
    ///
    /// # Errors
    ///
    /// Those of [`DynSegment::attach`].
    pub fn attach(&self, name: &str) -> Result<DynSegment, ShmError> {
        attached(|layout_of| self.untyped().attach(name, true, layout_of))
    }

    /// Attaches for reading only: see [`DynSegment::attach_read_only`].
    ///
    /// # Errors
    ///
    /// Those of [`DynSegment::attach`].
    pub fn attach_read_only(&self, name: &str) -> Result<DynSegment, ShmError> {
        attached(|layout_of| self.untyped().attach(name, false, layout_of))
    }

    /// Attaches to the anonymous segment behind a descriptor: see [`DynSegment::from_fd`].
    ///
    /// # Errors
    ///
    /// Those of [`DynSegment::from_fd`].
    pub fn from_fd(&self, fd: impl Into<OwnedFd>) -> Result<DynSegment, ShmError> {
        attached(|layout_of| self.untyped().attach_fd(fd.into(), true, layout_of))
    }

    /// [`from_fd`](Self::from_fd) for reading only.
    ///
    /// # Errors
    ///
    /// Those of [`DynSegment::from_fd`].
    pub fn from_fd_read_only(&self, fd: impl Into<OwnedFd>) -> Result<DynSegment, ShmError> {
        attached(|layout_of| self.untyped().attach_fd(fd.into(), false, layout_of))
    }

    /// Creates a segment of a type, all of whose bytes are zero, and owns its name: when the handle and all cells are dropped, the
    /// name is removed. Programs that have the type attach as to a segment of their own.
    ///
    /// The segment has the levels of the schema, and as much room for later ones as the segment from which the schema was read.
    ///
    /// ```
    /// use shm_core::ShmLayout;
    /// use shm_core::dynamic::{DynSchema, DynSegment};
    ///
    /// #[derive(ShmLayout)]
    /// #[repr(C)]
    /// struct Image { width: u32, height: u32, pixels: [u8] }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = format!("/doc-dyn-create-{}", std::process::id());
    /// # let exported = DynSchema::of_layout(Image::LAYOUT)?.to_bytes();
    /// let schema = DynSchema::from_bytes(&exported)?;
    /// let segment = DynSegment::options().len(640 * 480).create(&name, &schema)?;
    /// segment.at("width")?.set(&640.into())?;
    /// assert_eq!(Image::attach(&name)?.pixels.len(), 640 * 480);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [creating](crate::ShmOptions::create) a typed segment; [`Uninitialized`](ShmError::Uninitialized) if zero is not a
    /// value of one of its enums, which [`create_with`](Self::create_with) can set; [`UnsupportedFormat`](ShmError::UnsupportedFormat)
    /// for a schema of a machine of the other byte order; [`TooLarge`](ShmError::TooLarge), as for [`DynSegment::attach`].
    pub fn create(&self, name: &str, schema: &DynSchema) -> Result<DynSegment, ShmError> {
        self.create_with(name, schema, |_| {})
    }

    /// [`create`](Self::create)s a segment whose first contents `init` writes before the name appears.
    ///
    /// # Errors
    ///
    /// Those of [`create`](Self::create), and that of `init`.
    pub fn create_with<R: InitResult>(
        &self,
        name: &str,
        schema: &DynSchema,
        init: impl FnOnce(&DynSegment) -> R,
    ) -> Result<DynSegment, R::Error> {
        self.create_checked(name, schema, |segment| {
            init(segment).into_result().map_err(Failure::Init)?;
            segment.handle().validate().map_err(uninitialized)?;
            Ok(())
        })
    }

    fn create_checked<E: From<ShmError>>(
        &self,
        name: &str,
        schema: &DynSchema,
        init: impl FnOnce(&DynSegment) -> Result<(), Failure<E>>,
    ) -> Result<DynSegment, E> {
        let layout = schema
            .intern_with_room()
            .map_err(|error| error.named(name))?;
        self.untyped().create(
            name,
            layout,
            |made| {
                let name = made.name().to_owned();
                let segment = DynSegment::new(layout, Memory::Mapped(made), name);
                init(&segment)?;
                Ok(segment)
            },
            |segment| segment.handle().segment(),
        )
    }
}
