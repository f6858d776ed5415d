//! Options for segments whose type is a value.

use std::io;
use std::os::fd::OwnedFd;

use super::schema::DynSchema;
use super::segment::{DynSegment, Memory, attached};
use super::sink::Sink;
use crate::error::{ShmError, UNNAMED};
use crate::layout::TypeLayout;
use crate::segment::{Failure, InitResult, Segment, ShmOptions, Untyped, uninitialized};

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
    /// for a schema of a machine of the other byte order, or with types of a later format; [`TooLarge`](ShmError::TooLarge), as for [`DynSegment::attach`].
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

    /// Creates a segment with the type and the values of another one, usually a [dump](DynSegment::dump). The name appears when all
    /// values are there. The handle owns the name; [`persist`](DynSegment::persist) gives it up.
    ///
    /// The new segment is a dump of the other one: see [`DynSegment::dump`]. [`len`](Self::len) has no effect.
    ///
    /// # Errors
    ///
    /// Those of [`create`](Self::create), but for `Uninitialized`: values of enums are copied as they are; and those of
    /// [`DynSegment::dump`] as [`Os`](ShmError::Os).
    pub fn restore(&self, name: &str, from: &DynSegment) -> Result<DynSegment, ShmError> {
        let mut untyped = self.untyped();
        untyped.len = Some(from.handle().tail());
        let layout = from.layout_with_room();
        create_with(&untyped, name, layout, |segment| {
            let copied = from.write_image(&mut Filler::new(segment));
            copied.map_err(|source| {
                Failure::Segment(ShmError::Os {
                    name: UNNAMED,
                    call: "restore",
                    source,
                })
            })
        })
    }

    fn create_checked<E: From<ShmError>>(
        &self,
        name: &str,
        schema: &DynSchema,
        init: impl FnOnce(&DynSegment) -> Result<(), Failure<E>>,
    ) -> Result<DynSegment, E> {
        create_with(&self.untyped(), name, schema.intern_with_room(), init)
    }
}

fn create_with<E: From<ShmError>>(
    options: &Untyped,
    name: &str,
    layout: Result<&'static TypeLayout, ShmError>,
    init: impl FnOnce(&DynSegment) -> Result<(), Failure<E>>,
) -> Result<DynSegment, E> {
    let layout = layout.map_err(|error| error.named(name))?;
    let make = |made: Segment| {
        let name = made.name().to_owned();
        let segment = DynSegment::new(layout, Memory::Mapped(made), name);
        init(&segment)?;
        Ok(segment)
    };
    options.create(name, layout, make, |segment| segment.handle().segment())
}

/// Writes to the payload of a new segment, which is zero.
struct Filler<'a> {
    segment: &'a DynSegment,
    at: usize,
}

impl<'a> Filler<'a> {
    const fn new(segment: &'a DynSegment) -> Self {
        Self { segment, at: 0 }
    }
}

impl Sink for Filler<'_> {
    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        // Zeros are there already, and a page that is never written takes no memory in a sparse segment.
        if let Some(segment) = self.segment.handle().segment()
            && bytes.iter().any(|byte| *byte != 0)
        {
            segment.fill(bytes, self.at).map_err(|error| error.io())?;
        }
        self.at += bytes.len();
        Ok(())
    }

    fn zeros(&mut self, count: usize) -> io::Result<()> {
        self.at += count;
        Ok(())
    }
}
