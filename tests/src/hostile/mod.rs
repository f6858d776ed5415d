//! Forged files, and readers that must not trust them.

mod batches;
mod counting;
mod everything;
mod forgery;
mod untyped;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use shm_core::{Access, ReadOnly, SegmentState, Shm, ShmError, ShmLayout};

pub use batches::{in_batches, number_after};
pub use counting::{Counting, Which, allocated_by};
pub use everything::{
    Color, Everything, Leaves, Part, read_everything, read_only_everything, write_everything,
};
pub use forgery::{Forgery, forge_later};
pub use untyped::{Hollow, Shade, Synced};

use crate::names::Names;
use crate::segments::versions::{V2, V3, X2};
use crate::segments::{Samples, Telemetry};
use crate::variant;

/// How often each result occurred.
pub type Tally = BTreeMap<String, u64>;

/// A segment name that leads to one forgery after the other.
#[derive(Debug)]
pub struct Scratch {
    name: String,
    file: File,
    originals: Vec<Vec<u8>>,
    /// The results of attaching.
    pub tally: Tally,
}

impl Scratch {
    /// Takes the name, which is removed on drop.
    ///
    /// # Panics
    ///
    /// If the system refuses.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let bytes = || fs::read(Names::path(name)).expect("a segment can be read");
        let mut originals = Vec::new();
        {
            let _shm = Everything::create_with_len(name, 50).expect("a segment");
            originals.push(bytes());
        }
        {
            let _shm = Samples::create_with_len(name, 20).expect("a segment");
            originals.push(bytes());
        }
        {
            let _shm = Telemetry::create(name).expect("a segment");
            originals.push(bytes());
        }
        {
            let _shm = Synced::create(name).expect("a segment");
            originals.push(bytes());
        }
        {
            let _shm = V2::create(name).expect("a segment");
            originals.push(bytes());
        }
        {
            let _shm = Hollow::create(name).expect("a segment");
            originals.push(bytes());
        }
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(Names::path(name))
            .expect("the name is free");
        Self {
            name: name.to_owned(),
            file,
            originals,
            tally: Tally::new(),
        }
    }

    /// A segment as this library wrote it.
    #[must_use]
    pub fn original(&self, number: usize) -> Forgery {
        Forgery::of(self.originals[number % self.originals.len()].clone())
    }

    /// Puts the forgery under the name, attaches to it as every type and in every way, and uses all that it finds.
    ///
    /// # Panics
    ///
    /// If the library accepts what it must refuse.
    pub fn check(&mut self, forgery: &Forgery) {
        self.put(forgery);
        self.check_attaching(forgery.len.max(forgery.bytes.len() as u64));
    }

    /// Puts the forgery under the name.
    ///
    /// # Panics
    ///
    /// If the system refuses.
    pub fn put(&mut self, forgery: &Forgery) {
        self.file.set_len(0).expect("the file can be emptied");
        self.file
            .set_len(forgery.len)
            .expect("the file can be that long");
        self.file
            .write_all_at(&forgery.bytes, 0)
            .expect("the file can be written");
    }

    fn check_attaching(&mut self, len: u64) {
        let everything = Everything::attach(&self.name);
        if let Some(shm) = self.judge(everything, len) {
            let slice = shm.tail.len() * size_of::<Part>();
            assert!(Everything::SIZE + slice <= shm.mapped_len());
            let _ = read_everything(&shm);
            // What a writer writes through the slice, the next reader reads.
            write_everything(&shm, 77);
            assert!(read_everything(&shm).is_ok());
        }
        let everything = Everything::attach_read_only(&self.name);
        if let Some(shm) = self.judge::<_, ReadOnly>(everything, len) {
            let _ = read_only_everything(&shm);
        }
        let samples = Samples::attach(&self.name);
        if let Some(shm) = self.judge(samples, len) {
            assert!(Samples::SIZE + shm.values.len() * 4 <= shm.mapped_len());
            shm.values.fill(5);
            assert!(shm.values.to_vec().iter().all(|value| *value == 5));
            shm.count.set(shm.count.get() ^ 1);
        }
        let telemetry = Telemetry::options().attach_read_only(&self.name);
        if let Some(shm) = self.judge(telemetry, len) {
            let _ = shm.load().is_whole();
        }
        let newer = V3::attach(&self.name);
        if let Some(shm) = self.judge(newer, len) {
            shm.d.set(shm.a.get());
            let _ = (shm.level(), shm.status());
            shm.e.set(3);
            assert_eq!(shm.e.get(), 3);
        }
        let branch = X2::attach_read_only(&self.name);
        if let Some(shm) = self.judge::<_, ReadOnly>(branch, len) {
            let _ = (shm.x.get(), shm.level(), shm.status());
        }
        // `create` does not trust it either: damaged files and other files keep the name.
        if let Err(error) = Telemetry::create(&self.name).map(drop) {
            self.count(&format!("create: {}", variant(&error)));
        } else {
            self.count("create: replaced");
            self.renew();
        }
    }

    /// Checks the entry of the name in `list`.
    ///
    /// # Panics
    ///
    /// If there is no entry, or its state contradicts its contents.
    pub fn check_list(&mut self) {
        let entry = shm_core::list()
            .expect("the names can be read")
            .map(|info| info.expect("the entry can be read"))
            .find(|info| info.name == self.name)
            .expect("the name is listed");
        let valid = matches!(
            entry.state,
            SegmentState::Live | SegmentState::Orphaned | SegmentState::Persistent
        );
        assert_eq!(valid, entry.contents.is_some(), "{entry:?}");
        assert_eq!(valid, entry.reason.is_none(), "{entry:?}");
        self.count(&format!("list: {:?}", entry.state));
    }

    /// An orphaned segment was replaced and its successor dropped: the name is free again.
    fn renew(&mut self) {
        self.file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(Names::path(&self.name))
            .expect("the name is free");
    }

    fn judge<T: ShmLayout + ?Sized, A: Access>(
        &mut self,
        result: Result<Shm<T, A>, ShmError>,
        file_len: u64,
    ) -> Option<Shm<T, A>> {
        match result {
            Ok(shm) => {
                // Nothing beyond the file is mapped, and the payload is inside.
                assert_eq!(shm.mapped_len() as u64, file_len);
                assert!((shm.as_ptr() as usize).is_multiple_of(T::ALIGN));
                let inside = shm.as_ptr() as usize % 4096 + T::SIZE;
                assert!(inside <= shm.mapped_len());
                self.count("attached");
                Some(shm)
            }
            Err(error) => {
                // The message can be printed, however long the names in the forgery are.
                assert!(error.to_string().contains(&self.name));
                self.count(&variant(&error));
                None
            }
        }
    }

    fn count(&mut self, what: &str) {
        match self.tally.get_mut(what) {
            Some(count) => *count += 1,
            None => {
                self.tally.insert(what.to_owned(), 1);
            }
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(Names::path(&self.name));
    }
}

/// Interprets a fuzzer's bytes: which original, whether to correct the checksum, the length, and then bytes to overwrite
/// at the beginning or at the end, or a schema to insert.
#[must_use]
pub fn interpret(scratch: &Scratch, data: &[u8]) -> Forgery {
    let Some(([first, how], mut rest)) = data.split_first_chunk::<2>() else {
        return Forgery::of(data.to_vec());
    };
    if *first == 0xff {
        return Forgery::of(rest.to_vec());
    }
    let mut forgery = scratch.original(usize::from(*first));
    if how & 1 != 0
        && let Some((len, more)) = rest.split_first_chunk()
    {
        forgery.len = u64::from(u32::from_ne_bytes(*len) & 0xff_ffff);
        forgery.bytes.truncate(forgery.len as usize);
        rest = more;
    }
    if how & 2 != 0 {
        forgery.replace_schema(rest);
    } else {
        while let Some(([low, high, value], more)) = rest.split_first_chunk::<3>() {
            let mut at = usize::from(u16::from_ne_bytes([*low, *high])) % 1024;
            if how & 8 != 0 {
                // The records of levels are at the end.
                at = forgery.bytes.len().saturating_sub(1 + at);
            }
            if let Some(place) = forgery.bytes.get_mut(at) {
                *place = *value;
            }
            rest = more;
        }
    }
    if how & 4 == 0 {
        forgery.fix_checksum();
    }
    forgery
}
