//! A camera: pictures go from one process to two others, 230400 bytes each, 60 times a second.
//!
//! ```text
//! cargo run --release --example camera
//! ```
//!
//! This process is the camera. It pans over a photograph and hands on what it sees, each picture with a checksum. It starts
//! two consumers, which attach read-only: one keeps up, the other needs 50 ms for a picture and so loses most of them.
//!
//! ```text
//! camera 4711: 320 x 240 pixels, 60 pictures a second, in /shm-camera-4711
//!   quick consumer (4712):  61 of  61 pictures,   0 lost, 0 damaged so far, 60.8 pictures/s, 14.0 MB/s; number  60 has crc 2ba67bc1
//!   slow  consumer (4713):  20 of  53 pictures,  33 lost, 0 damaged so far, 18.9 pictures/s, 4.4 MB/s; number  52 has crc a44e125e
//! ```
//!
//! The last picture of each report has the checksum that the photograph's pixels have at that place.
//!
//! The pictures are in a `Broadcast`, because a camera must not wait for anybody: it overwrites the oldest of 8 slots, and a
//! consumer that is more than that behind is told how many it has lost, which a recorder wants to know. Where only the
//! newest picture matters, as on a screen, a `SeqLock` does it with half of the slots. In a `Ring` nothing is lost, because
//! the camera would wait.

#![forbid(unsafe_code)]

use std::error::Error;
use std::fmt;
use std::io::{self, Cursor, Write};
use std::process::{ExitCode, Stdio, id};
use std::time::{Duration, Instant};

use shm_core::ShmLayout;
use shm_core::sync::Broadcast;
use shm_core::sync::broadcast::RecvTimeoutError;
use shm_examples::child::{Child, exit_code, role};
use shm_examples::sysmon::signals::Signals;
use zune_jpeg::JpegDecoder;

const WIDTH: usize = 320;
const HEIGHT: usize = 240;
/// Red, green, blue.
const COLOURS: usize = 3;
const ROW: usize = WIDTH * COLOURS;

/// One picture.
#[derive(Clone, Copy, Debug, ShmLayout)]
#[repr(C)]
struct Frame {
    /// Counted from 0.
    number: u64,
    /// Of the pixels.
    crc: u32,
    _pad: u32,
    pixels: [[u8; ROW]; HEIGHT],
}

type Pictures = Broadcast<Frame, 8>;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const RATE: u64 = 60;
const FRAMES: u64 = 3 * RATE;
/// What the slow consumer does with a picture, compressing it perhaps.
const WORK: Duration = Duration::from_millis(50);
/// A consumer that sees no picture for so long takes the camera for dead: without write access it cannot find out.
const SILENCE: Duration = Duration::from_secs(5);

pub(crate) fn main() -> ExitCode {
    exit_code(run())
}

fn run() -> Result<()> {
    let Some((role, args)) = role()? else {
        return camera();
    };
    match (role.as_str(), args.as_slice()) {
        ("quick consumer", [name]) => consumer("quick", name, Duration::ZERO),
        ("slow consumer", [name]) => consumer("slow", name, WORK),
        _ => {
            Err("a consumer needs the pictures' name; start this program without arguments".into())
        }
    }
}

fn camera() -> Result<()> {
    let signals = Signals::block()?;
    let photograph = Photograph::decode()?;
    let name = format!("/shm-camera-{}", id());
    let shm = Pictures::create(&name)?;
    let mut sender = shm.sender()?;
    writeln!(
        io::stdout(),
        "camera {}: {WIDTH} x {HEIGHT} pixels, {RATE} pictures a second, in {name}",
        id()
    )?;
    let consumers =
        ["quick consumer", "slow consumer"].map(|role| Child::start(role, &[&name], Stdio::null()));

    let mut frame = empty_frame()?;
    let start = Instant::now();
    for number in 0..FRAMES {
        photograph.take(number, &mut frame);
        // Waits for nobody.
        sender.send_from(&frame)?;
        // The next one is due at a fixed time, however long this one took. Ctrl-C ends the wait, and the pictures.
        let due = Duration::from_secs(number + 1) / RATE as u32;
        if signals.wait(due.saturating_sub(start.elapsed()))? {
            return Ok(());
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    // To leave tells the consumers that nothing more comes.
    drop(sender);
    for consumer in consumers {
        consumer?.wait()?;
    }
    writeln!(
        io::stdout(),
        "camera {}: {FRAMES} pictures in {seconds:.2} s: {}",
        id(),
        rates(FRAMES, seconds)
    )?;
    Ok(())
}

fn consumer(who: &str, name: &str, work: Duration) -> Result<()> {
    let shm = Pictures::attach_read_only(name)?;
    let mut receiver = shm.receiver_from_oldest();
    let mut frame = empty_frame()?;
    let mut tally = Tally::default();
    let who = format!("  {who:<5} consumer ({}):", id());
    let mut out = io::stdout();
    let start = Instant::now();
    let mut next_report = Duration::from_secs(1);
    loop {
        match receiver.recv_timeout_into(SILENCE, &mut frame) {
            Ok(()) => {}
            Err(RecvTimeoutError::Lagged(count)) => {
                tally.lost += count;
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(error) => return Err(format!("the camera was killed, or is stuck: {error}").into()),
        }
        tally.count(&frame)?;
        // Here time passes.
        std::thread::sleep(work);
        if start.elapsed() >= next_report {
            next_report += Duration::from_secs(1);
            tally.report(&mut out, &who, "so far", start.elapsed())?;
        }
    }
    tally.report(&mut out, &who, "in all", start.elapsed())?;
    match tally.damaged {
        0 => Ok(()),
        damaged => Err(format!("{damaged} pictures were damaged").into()),
    }
}

/// What a consumer has got so far.
#[derive(Default)]
struct Tally {
    /// Pictures that were taken before it came.
    before: u64,
    received: u64,
    lost: u64,
    /// Pictures that are not what the camera has made.
    damaged: u64,
    /// The number of the last one, and the checksum of the pixels that have come.
    last: Option<(u64, u32)>,
}

impl Tally {
    fn count(&mut self, frame: &Frame) -> Result<()> {
        if self.received == 0 {
            self.before = frame.number.saturating_sub(self.lost);
        }
        // All that were lost were told of, and no picture came twice.
        let expected = self.before + self.lost + self.received;
        if frame.number != expected {
            return Err(format!("picture {} came instead of {expected}", frame.number).into());
        }
        self.received += 1;
        let crc = checksum(frame);
        self.damaged += u64::from(frame.crc != crc);
        self.last = Some((frame.number, crc));
        Ok(())
    }

    /// One line, about the time since the consumer came.
    fn report(&self, out: &mut impl Write, who: &str, when: &str, time: Duration) -> Result<()> {
        let rates = rates(self.received, time.as_secs_f64());
        write!(out, "{who} {self} {when}, {rates}")?;
        if let Some((number, crc)) = self.last {
            write!(out, "; number {number:>3} has crc {crc:08x}")?;
        }
        writeln!(out)?;
        Ok(())
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            received,
            lost,
            damaged,
            ..
        } = self;
        let sent = received + lost;
        write!(
            f,
            "{received:>3} of {sent:>3} pictures, {lost:>3} lost, {damaged} damaged"
        )
    }
}

fn rates(frames: u64, seconds: f64) -> String {
    let (frames, bytes) = (frames as f64, size_of::<Frame>() as f64);
    format!(
        "{:.1} pictures/s, {:.1} MB/s",
        frames / seconds,
        frames * bytes / seconds / 1e6
    )
}

fn checksum(frame: &Frame) -> u32 {
    crc32fast::hash(frame.pixels.as_flattened())
}

/// A black one. A frame is large, so none ever lies on the stack: this one is loaded from zeroed memory to the heap.
fn empty_frame() -> Result<Box<Frame>> {
    Ok(Frame::create_anonymous()?.load_boxed())
}

/// What the camera looks at, row by row.
struct Photograph {
    pixels: Vec<u8>,
    width: usize,
    height: usize,
}

impl Photograph {
    fn decode() -> Result<Self> {
        let file = include_bytes!("../assets/tower.jpg");
        let mut decoder = JpegDecoder::new(Cursor::new(file));
        let pixels = decoder.decode()?;
        let (width, height) = decoder.dimensions().ok_or("the photograph has no size")?;
        if width < WIDTH || height < HEIGHT || pixels.len() != width * height * COLOURS {
            return Err("the photograph is too small, or has no colours".into());
        }
        Ok(Self {
            pixels,
            width,
            height,
        })
    }

    /// Looks at a place that wanders from edge to edge.
    fn take(&self, number: u64, frame: &mut Frame) {
        let (x, y) = (
            there_and_back(3 * number, self.width - WIDTH),
            there_and_back(2 * number, self.height - HEIGHT),
        );
        let rows = self.pixels.chunks_exact(self.width * COLOURS).skip(y);
        for (row, seen) in frame.pixels.iter_mut().zip(rows) {
            row.copy_from_slice(&seen[x * COLOURS..][..ROW]);
        }
        frame.number = number;
        frame.crc = checksum(frame);
    }
}

/// Goes from 0 to `end` and back, step by step.
fn there_and_back(step: u64, end: usize) -> usize {
    let at = (step % (2 * end as u64).max(1)) as usize;
    at.min(2 * end - at)
}
