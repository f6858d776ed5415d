//! Where the bytes of a dump go.

use std::io::{self, Seek, SeekFrom, Write};

/// Zeros of fewer bytes are written: a hole begins and ends with a page.
const SHORT: usize = 4096;

/// Takes bytes from the first to the last. Most of a large segment may be zeros, for which there is a call of its own: they may take
/// no time, however many they are.
pub(super) trait Sink {
    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()>;
    fn zeros(&mut self, count: usize) -> io::Result<()>;
}

/// Writes zeros like other bytes.
pub(super) struct Stream<W>(pub(super) W);

impl<W: Write> Sink for Stream<W> {
    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn zeros(&mut self, mut count: usize) -> io::Result<()> {
        static ZEROS: [u8; 16 << 10] = [0; 16 << 10];
        while count > 0 {
            let now = count.min(ZEROS.len());
            self.0.write_all(&ZEROS[..now])?;
            count -= now;
        }
        Ok(())
    }
}

/// Seeks over zeros, in a file that has none of these bytes yet.
pub(super) struct Sparse<W> {
    to: Stream<W>,
    /// Whether the last bytes were sought over.
    is_open: bool,
}

impl<W: Write + Seek> Sparse<W> {
    pub(super) const fn new(to: W) -> Self {
        Self {
            to: Stream(to),
            is_open: false,
        }
    }

    /// Gives the file its length.
    pub(super) fn finish(mut self) -> io::Result<()> {
        if self.is_open {
            self.to.0.seek(SeekFrom::Current(-1))?;
            self.to.0.write_all(&[0])?;
        }
        self.to.0.flush()
    }
}

impl<W: Write + Seek> Sink for Sparse<W> {
    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.is_open &= bytes.is_empty();
        self.to.bytes(bytes)
    }

    fn zeros(&mut self, count: usize) -> io::Result<()> {
        if count < SHORT {
            self.is_open &= count == 0;
            return self.to.zeros(count);
        }
        // No object is larger.
        let count = i64::try_from(count).map_err(io::Error::other)?;
        self.to.0.seek(SeekFrom::Current(count))?;
        self.is_open = true;
        Ok(())
    }
}
