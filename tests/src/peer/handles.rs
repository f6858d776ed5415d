//! Commands that open handles and use them.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use shm_core::{ReadOnly, Shm, ShmError, ShmLayout, ShmOptions};

use super::loops::until;
use super::process::{in_child, reap, start_child};
use super::socket::take;
use super::{Answer, Failure, Program, Words, line, other};
use crate::segments::{Gate, Huge, Large, Samples, Telemetry, TelemetryWide};

/// Smaller than any value that threads with this stack work on.
const SMALL_STACK: usize = 64 << 10;

pub(super) enum Handle {
    Writer(Shm<Telemetry>),
    Reader(Shm<Telemetry, ReadOnly>),
    Wide(Shm<TelemetryWide>),
    Samples(Shm<Samples>),
}

/// What the closure of `create_with` does besides writing the value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum During {
    Nothing,
    Panic,
    /// Prints "inside" and waits for a line.
    Hold,
}

struct Request<'a> {
    how: &'a str,
    name: &'a str,
    wide: bool,
    /// The number of samples, if the segment holds samples.
    samples: Option<usize>,
    /// Whether pages stay unreserved.
    sparse: bool,
    frame: u16,
    during: During,
    supersede: bool,
    options: ShmOptions<Telemetry>,
}

impl<'a> Request<'a> {
    fn parse(words: &mut Words<'a>) -> Result<Self, Failure> {
        let (how, name) = (words.next()?, words.next()?);
        let mut request = Self {
            how,
            name,
            wide: false,
            samples: None,
            sparse: false,
            frame: 1,
            during: During::Nothing,
            supersede: false,
            options: Telemetry::options(),
        };
        while let Ok(word) = words.next() {
            let (key, value) = word
                .split_once('=')
                .ok_or_else(|| other("an option has a value"))?;
            let options = request.options.clone();
            match (key, value) {
                ("type", "wide") => request.wide = true,
                ("samples", _) => request.samples = Some(value.parse().map_err(other)?),
                ("sparse", "yes") => request.sparse = true,
                ("frame", _) => request.frame = value.parse().map_err(other)?,
                ("during", "panic") => request.during = During::Panic,
                ("during", "hold") => request.during = During::Hold,
                ("mode", _) => {
                    let mode = u32::from_str_radix(value, 8).map_err(other)?;
                    request.options = options.mode(mode);
                }
                ("group", _) => request.options = options.group(value.parse().map_err(other)?),
                ("owner", "any") => request.options = options.any_owner(),
                ("owner", _) => {
                    request.options = options.allowed_owner(value.parse().map_err(other)?);
                }
                ("locked", "yes") => request.options = options.lock_in_memory(true),
                ("supersede", "yes") => {
                    request.supersede = true;
                    request.options = options.supersede(true);
                }
                ("timeout", _) => {
                    let span = Duration::from_millis(value.parse().map_err(other)?);
                    request.options = options.timeout(span);
                }
                ("wait", "ever") => request.options = options.wait(Duration::MAX),
                ("wait", _) => {
                    let span = Duration::from_millis(value.parse().map_err(other)?);
                    request.options = options.wait(span);
                }
                _ => return Err(other(format!("there is no option `{word}`"))),
            }
        }
        Ok(request)
    }

    fn open(&self) -> Result<Handle, Failure> {
        let init = |shm: &Shm<Telemetry>| {
            shm.store(Telemetry::numbered(self.frame));
            match self.during {
                During::Nothing => {}
                // Not `panic!`, which would clutter the tests' output.
                During::Panic => resume_unwind(Box::new("on purpose")),
                During::Hold => {
                    println!("inside");
                    line();
                }
            }
        };
        let (name, options) = (self.name, &self.options);
        if let Some(len) = self.samples {
            let options = Samples::options().sparse(self.sparse);
            return Ok(Handle::Samples(match self.how {
                "create" => options.len(len).create(name)?,
                "join" => options.len(len).open_or_create(name)?,
                // Attaching finds the number of samples.
                "attach" => options.attach(name)?,
                how => return Err(other(format!("samples cannot be opened by `{how}`"))),
            }));
        }
        let opened = match self.how {
            "create" if self.wide => {
                let options = TelemetryWide::options().supersede(self.supersede);
                Handle::Wide(options.create(name)?)
            }
            "attach" if self.wide => Handle::Wide(TelemetryWide::attach(name)?),
            "create" => Handle::Writer(options.create_with(name, init)?),
            "join" => Handle::Writer(options.open_or_create_with(name, init)?),
            "attach" => Handle::Writer(options.attach(name)?),
            "read" => Handle::Reader(options.attach_read_only(name)?),
            "anonymous" => Handle::Writer(options.create_anonymous_with(init)?),
            "fd" => Handle::Writer(options.from_fd(inherited(name)?)?),
            "fd-read" => Handle::Reader(options.from_fd_read_only(inherited(name)?)?),
            // A descriptor offered at a socket address.
            "socket" => Handle::Writer(options.from_fd(take(name)?)?),
            "socket-read" => Handle::Reader(options.from_fd_read_only(take(name)?)?),
            // By the path of another process's descriptor.
            "file" => {
                let file = File::options().read(true).write(true).open(name);
                Handle::Writer(options.from_fd(file.map_err(other)?)?)
            }
            "file-read" => {
                let file = File::open(name).map_err(other)?;
                Handle::Reader(options.from_fd_read_only(file)?)
            }
            how => return Err(other(format!("there is no call `{how}`"))),
        };
        Ok(opened)
    }
}

/// A descriptor that this process inherited.
fn inherited(number: &str) -> Result<OwnedFd, Failure> {
    let number: RawFd = number.parse().map_err(other)?;
    // SAFETY: the test has put a descriptor there for this program, which opens none by itself; the command uses each number
    // once.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

impl Program {
    /// `open SLOT HOW NAME [KEY=VALUE]..`
    pub(super) fn open(&mut self, words: &mut Words<'_>) -> Answer {
        let slot = words.next()?.to_owned();
        let request = Request::parse(words)?;
        let opened = catch_unwind(AssertUnwindSafe(|| request.open()));
        let Ok(opened) = opened else {
            return Err(other("panicked"));
        };
        self.handles.insert(slot, opened?);
        Ok(String::new())
    }

    /// `race GATE ROUND SLOT HOW NAME [KEY=VALUE]..`: opens when the gate opens.
    pub(super) fn race(&mut self, words: &mut Words<'_>) -> Answer {
        let gate = Gate::attach_read_only(words.next()?)?;
        let round: u64 = words.number()?;
        let slot = words.next()?.to_owned();
        let request = Request::parse(words)?;
        println!("ready");
        until(|| gate.open.load(Ordering::Acquire) >= round)?;
        let opened = request.open()?;
        self.handles.insert(slot, opened);
        Ok(String::new())
    }

    /// `replace-descriptor SLOT PATH`: from now on the number of the handle's descriptor leads to another file.
    pub(super) fn replace_descriptor(&mut self, words: &mut Words<'_>) -> Answer {
        let handle = self.at(words)?;
        let file = File::options().read(true).write(true).open(words.next()?);
        let file = file.map_err(other)?;
        // SAFETY: the number stays the handle's and stays open. What it leads to is what the test is about.
        match unsafe { libc::dup2(file.as_raw_fd(), handle.fd()) } {
            -1 => Err(other(std::io::Error::last_os_error())),
            _ => Ok(String::new()),
        }
    }

    /// `fork-drop SLOT`: a fork child drops its copy of the handle and exits.
    pub(super) fn fork_drop(&mut self, words: &mut Words<'_>) -> Answer {
        let slot = words.next()?;
        let handles = &mut self.handles;
        in_child(|| i32::from(handles.remove(slot).is_none()))
    }
}

impl Program {
    /// `fork-outlive SLOT`: this process drops the handle, and then a fork child still uses its copy.
    pub(super) fn fork_outlive(&mut self, words: &mut Words<'_>) -> Answer {
        let slot = words.next()?;
        let handle = self
            .handles
            .get(slot)
            .ok_or_else(|| other("nothing is there"))?;
        let child = start_child(|| {
            let gone = until(|| !handle.is_current()).is_ok();
            let kept = handle.load().is_ok() && handle.store(99).is_ok();
            let same = matches!(handle.load().as_deref(), Ok("99"));
            // Its copy is that of an owner that gave up ownership.
            i32::from(!(gone && kept && same) || handle.has_owner())
        })?;
        self.handles.remove(slot);
        reap(child)?;
        Ok(String::new())
    }
}

impl Program {
    /// `fork-adopters SLOT HAND`: two fork children adopt the handle. With `hand`=`over` this process has handed it over, and with
    /// `keep` it stays an owner. The first child ends, then the second one, then this process. Each time the name must stay
    /// until the last owner has dropped its handle.
    pub(super) fn fork_adopters(&mut self, words: &mut Words<'_>) -> Answer {
        let slot = words.next()?;
        let handed_over = words.next()? == "over";
        let Some(Handle::Writer(shm)) = self.handles.remove(slot) else {
            return Err(other("no writer is there"));
        };
        let observer = Telemetry::attach(shm.name())?;
        if handed_over {
            shm.hand_over();
        }
        let step = |number: u64| until(|| observer.frame.get() == number).is_ok();
        observer.frame.set(0);
        let mut shm = Some(shm);
        let mut adopter = |adopts: u64, ends: u64| {
            start_child(|| {
                let in_turn = step(adopts);
                let adopted = shm.as_ref().is_some_and(|shm| shm.adopt().is_ok());
                observer.frame.set(adopts + 1);
                let ended = step(ends);
                drop(shm.take());
                i32::from(!(in_turn && adopted && ended))
            })
        };
        let children = [adopter(0, 3)?, adopter(1, 4)?];
        if !step(2) {
            return Err(other("they did not adopt it"));
        }
        if handed_over {
            drop(shm.take());
        }
        for (number, child) in (3..).zip(children) {
            observer.frame.set(number);
            reap(child)?;
            let owned = observer.is_current() && observer.has_owner();
            let last = handed_over && number == 4;
            if owned == last {
                return Err(other(format!("owned after step {number}: {owned}")));
            }
        }
        drop(shm.take());
        if observer.is_current() {
            return Err(other("the last owner left the name"));
        }
        Ok(String::new())
    }
}

impl Handle {
    pub(super) fn store(&self, frame: u16) -> Answer {
        match self {
            Self::Writer(shm) => shm.store(Telemetry::numbered(frame)),
            Self::Wide(shm) => shm.frame.set(u64::from(frame)),
            Self::Samples(shm) => {
                shm.values.fill(u32::from(frame));
                shm.count.set(shm.values.len() as u64);
            }
            Self::Reader(_) => return Err(other("this handle cannot write")),
        }
        Ok(String::new())
    }

    /// The number, if the whole value follows from it.
    pub(super) fn load(&self) -> Answer {
        let value = match self {
            Self::Writer(shm) => shm.load(),
            Self::Reader(shm) => shm.load(),
            Self::Wide(shm) => return Ok(shm.frame.get().to_string()),
            Self::Samples(shm) => {
                let sum: u64 = shm.values.to_vec().into_iter().map(u64::from).sum();
                return Ok(format!("{} {sum}", shm.values.len()));
            }
        };
        if value.is_whole() {
            Ok(value.frame.to_string())
        } else {
            Err(other(format!("not a whole value: {value:?}")))
        }
    }

    /// Writes 7 to the first field without regard to its type, as a program with a bug might.
    pub(super) fn raw_write(&self) -> Answer {
        let place = match self {
            Self::Writer(shm) => shm.as_ptr(),
            Self::Reader(shm) => shm.as_ptr(),
            Self::Wide(shm) => shm.as_ptr(),
            Self::Samples(shm) => shm.as_ptr(),
        };
        // SAFETY: the place is mapped, aligned and only accessed atomically. If it is mapped read-only, the store kills this
        // process, as the test expects.
        let word = unsafe { AtomicU64::from_ptr(place.cast_mut().cast()) };
        word.store(7, Ordering::Relaxed);
        Ok(String::new())
    }

    pub(super) fn is_current(&self) -> bool {
        match self {
            Self::Writer(shm) => shm.is_current(),
            Self::Reader(shm) => shm.is_current(),
            Self::Wide(shm) => shm.is_current(),
            Self::Samples(shm) => shm.is_current(),
        }
    }

    pub(super) fn has_owner(&self) -> bool {
        match self {
            Self::Writer(shm) => shm.has_owner(),
            Self::Reader(shm) => shm.has_owner(),
            Self::Wide(shm) => shm.has_owner(),
            Self::Samples(shm) => shm.has_owner(),
        }
    }

    pub(super) fn persist(&self) -> Answer {
        match self {
            Self::Writer(shm) => shm.persist()?,
            Self::Wide(shm) => shm.persist()?,
            Self::Samples(shm) => shm.persist()?,
            Self::Reader(_) => return Err(other("this handle cannot write")),
        }
        Ok(String::new())
    }

    pub(super) fn adopt(&self) -> Answer {
        match self {
            Self::Writer(shm) => shm.adopt()?,
            Self::Wide(shm) => shm.adopt()?,
            Self::Samples(shm) => shm.adopt()?,
            Self::Reader(_) => return Err(other("this handle cannot write")),
        }
        Ok(String::new())
    }

    pub(super) fn unlink(&self) -> Answer {
        match self {
            Self::Writer(shm) => shm.unlink()?,
            Self::Reader(shm) => shm.unlink()?,
            Self::Wide(shm) => shm.unlink()?,
            Self::Samples(shm) => shm.unlink()?,
        }
        Ok(String::new())
    }

    fn borrow(&self) -> BorrowedFd<'_> {
        match self {
            Self::Writer(shm) => shm.as_fd(),
            Self::Reader(shm) => shm.as_fd(),
            Self::Wide(shm) => shm.as_fd(),
            Self::Samples(shm) => shm.as_fd(),
        }
    }

    pub(super) fn fd(&self) -> RawFd {
        self.borrow().as_raw_fd()
    }

    pub(super) fn duplicate(&self) -> Result<OwnedFd, Failure> {
        self.borrow().try_clone_to_owned().map_err(other)
    }

    /// A fork child waits for a value that this process writes, and answers through the segment.
    pub(super) fn fork_exchange(&self) -> Answer {
        let Self::Writer(shm) = self else {
            return Err(other("this handle cannot write"));
        };
        shm.frame.set(0);
        let child = start_child(|| {
            if until(|| shm.frame.get() == 1000).is_err() {
                return 1;
            }
            shm.store(Telemetry::numbered(1001));
            0
        })?;
        shm.frame.set(1000);
        reap(child)?;
        self.load()
    }
}

/// Runs `work` on a thread with a small stack.
fn on_small_stack(work: impl FnOnce() -> Result<(), ShmError> + Send) -> Answer {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .stack_size(SMALL_STACK)
            .spawn_scoped(scope, work)
            .map_err(other)?;
        thread.join().map_err(|_| other("panicked"))??;
        Ok(String::new())
    })
}

/// `huge NAME`: creates, attaches to and uses 1 GiB of unreserved memory.
pub(super) fn huge(name: &str) -> Answer {
    on_small_stack(|| {
        let made = Huge::options()
            .sparse(true)
            .create_with(name, |shm| shm.words[0].set(11))?;
        let last = made.words.len() - 1;
        let other = Huge::attach(name)?;
        let reader = Huge::attach_read_only(name)?;
        other.words[last].set(12);
        assert_eq!((reader.words[0].get(), reader.words[last].get()), (11, 12));
        assert_eq!(reader.words[last / 2].get(), 0);
        let joined = Huge::open_or_create(name)?;
        assert_eq!(joined.words[last].get(), 12);
        let anonymous = Huge::options().sparse(true).create_anonymous()?;
        anonymous.words[last].set(13);
        assert_eq!(anonymous.words[last].get(), 13);
        Ok(())
    })
}

/// `large NAME`: copies 64 MiB in and out without using the stack.
pub(super) fn large(name: &str) -> Answer {
    on_small_stack(|| {
        let shm = Large::create(name)?;
        let last = shm.words.len() - 1;
        let mut value = shm.load_boxed();
        assert!(value.words.iter().all(|word| *word == 0));
        for (number, word) in (1..).zip(value.words.iter_mut()) {
            *word = number;
        }
        shm.store_from(&value);
        assert_eq!(shm.words[last].get(), value.words[last]);
        shm.words[last].set(5);
        Large::attach_read_only(name)?.load_into(&mut value);
        assert_eq!((value.words[0], value.words[last]), (1, 5));
        assert_eq!(shm.load_boxed().words, value.words);
        Ok(())
    })
}

/// `huge-pages NAME`: asks for huge pages and says how many bytes they are, with `none` for a segment without a name.
pub(super) fn huge_pages(name: &str) -> Answer {
    let options = Large::options().huge_pages(true).populate(true);
    let shm = match name {
        "none" => options.create_anonymous()?,
        name => options.create(name)?,
    };
    let bytes = shm.huge_page_bytes()?;
    let small = Telemetry::options().huge_pages(true).create_anonymous()?;
    assert_eq!(small.huge_page_bytes()?, 0);
    Ok(bytes.to_string())
}

/// `populate NAME`: 64 MiB that are not reserved but populated.
pub(super) fn populate(name: &str) -> Answer {
    let options = Large::options().sparse(true).populate(true);
    Ok(options.create(name).map(|_| String::new())?)
}
