//! Reads the kernel's files into a sample.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::error::Error;
use super::exchange::{now_ns, real_ns};
use super::procfs;
use super::segment::{Pressure, Sample};

/// An open file of the kernel. Reading it again from the start returns new contents.
struct Source {
    path: &'static str,
    file: File,
}

impl Source {
    fn open(path: &'static str) -> Result<Self, Error> {
        match File::open(path) {
            Ok(file) => Ok(Self { path, file }),
            Err(error) => Err(Error::io(format!("opening {path}"), error)),
        }
    }

    /// Reads the whole file into `buffer`, which is reused.
    fn read<'a>(&self, buffer: &'a mut Vec<u8>) -> Result<&'a str, Error> {
        let failed = |error| Error::io(format!("reading {}", self.path), error);
        let mut end = 0;
        loop {
            // At least a page of room: the contents of one read are consistent.
            if buffer.len() < end + 4096 {
                buffer.resize((2 * buffer.len()).max(1 << 14), 0);
            }
            match self.file.read_at(&mut buffer[end..], end as u64) {
                Ok(0) => break,
                Ok(read) => end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
        }
        std::str::from_utf8(&buffer[..end])
            .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidData, error)))
    }
}

/// Takes samples of the machine.
pub struct Sampler {
    stat: Source,
    meminfo: Source,
    loadavg: Source,
    // `None` if the kernel does not report pressure.
    pressure: [Option<Source>; 3],
    buffer: Vec<u8>,
}

const PRESSURE: [&str; 3] = [
    "/proc/pressure/cpu",
    "/proc/pressure/memory",
    "/proc/pressure/io",
];

impl Sampler {
    /// Opens the files of the kernel.
    ///
    /// # Errors
    ///
    /// Returns an error if a file other than the pressure files cannot be opened.
    pub fn new() -> Result<Self, Error> {
        Ok(Self {
            stat: Source::open("/proc/stat")?,
            meminfo: Source::open("/proc/meminfo")?,
            loadavg: Source::open("/proc/loadavg")?,
            pressure: PRESSURE.map(|path| Source::open(path).ok()),
            buffer: Vec::new(),
        })
    }

    /// Fills `sample`, except for its number.
    ///
    /// # Errors
    ///
    /// Returns an error if a file cannot be read or parsed.
    pub fn take(&mut self, sample: &mut Sample) -> Result<(), Error> {
        let buffer = &mut self.buffer;
        sample.taken_ns = now_ns();
        sample.taken_real_ns = real_ns();
        procfs::cpus(self.stat.read(buffer)?, &mut sample.cpus)?;
        sample.memory = procfs::memory(self.meminfo.read(buffer)?)?;
        sample.load = procfs::load(self.loadavg.read(buffer)?)?;
        let files = &mut sample.pressure;
        let places = [&mut files.cpu, &mut files.memory, &mut files.io];
        for (place, source) in places.into_iter().zip(&self.pressure) {
            // Kernels booted with `psi=0` have the files, but reading them fails.
            let text = source.as_ref().map(|file| (file.path, file.read(buffer)));
            *place = match text {
                Some((path, Ok(text))) => procfs::pressure(path, text)?,
                Some((_, Err(_))) | None => Pressure::ABSENT,
            };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_can_be_sampled() {
        let mut sampler = Sampler::new().unwrap();
        let (mut first, mut second) = (Box::new(Sample::ZERO), Box::new(Sample::ZERO));
        sampler.take(&mut first).unwrap();
        sampler.take(&mut second).unwrap();
        for sample in [&first, &second] {
            assert!(sample.cpus.online > 0);
            assert!(sample.cpus.sum.idle > 0);
            assert!(sample.memory.total > sample.memory.free);
            assert!(sample.load.tasks > 0);
        }
        assert!(second.taken_ns > first.taken_ns);
        // The second read returns new contents.
        assert!(second.cpus.sum.idle >= first.cpus.sum.idle);
    }
}
