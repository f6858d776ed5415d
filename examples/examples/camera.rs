//! Streams camera frames of 230400 bytes to two other processes, 60 times per second, through a `Broadcast`.
//!
//! ```text
//! cargo run --release --example camera
//! ```
//!
//! This process is the camera. It pans over a photograph and sends each frame with a checksum. It starts two consumers,
//! which attach read-only: one keeps up; the other needs 50 ms for each frame, so it loses most of them.
//!
//! ```text
//! camera 4711: 320 x 240 pixels, 60 frames per second, in /shm-camera-4711
//!   fast consumer (4712):  61 of  61 frames,   0 lost, 0 damaged so far, 60.8 frames/s, 14.0 MB/s; frame  60 has CRC 2ba67bc1
//!   slow consumer (4713):  20 of  53 frames,  33 lost, 0 damaged so far, 18.9 frames/s, 4.4 MB/s; frame  52 has CRC a44e125e
//! ```
//!
//! A camera must not wait for consumers. With a `Broadcast` it overwrites the oldest of 8 slots, and a consumer that falls
//! further behind learns how many frames it has lost, which a recorder needs to know. If only the newest frame matters, as
//! on a screen, use a `SeqLock`, which needs half as many slots. A `Ring` loses nothing, but the camera would wait.

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

/// One frame.
#[derive(Clone, Copy, Debug, ShmLayout)]
#[repr(C)]
struct Frame {
    /// Counted from 0.
    number: u64,
    /// The CRC-32 of the pixels.
    crc: u32,
    _pad: u32,
    pixels: [[u8; ROW]; HEIGHT],
}

type Frames = Broadcast<Frame, 8>;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const RATE: u64 = 60;
const FRAMES: u64 = 3 * RATE;
/// How long the slow consumer works on a frame, for instance to compress it.
const WORK: Duration = Duration::from_millis(50);
/// Without a frame for this long, a consumer assumes that the camera is dead. Without write access it cannot check.
const SILENCE: Duration = Duration::from_secs(5);

pub(crate) fn main() -> ExitCode {
    exit_code(run())
}

fn run() -> Result<()> {
    let Some((role, args)) = role()? else {
        return camera();
    };
    match (role.as_str(), args.as_slice()) {
        ("fast consumer", [name]) => consumer("fast", name, Duration::ZERO),
        ("slow consumer", [name]) => consumer("slow", name, WORK),
        _ => {
            Err("a consumer needs the segment's name; start this program without arguments".into())
        }
    }
}

fn camera() -> Result<()> {
    let signals = Signals::block()?;
    let photograph = Photograph::decode()?;
    let name = format!("/shm-camera-{}", id());
    let shm = Frames::create(&name)?;
    let mut sender = shm.sender()?;
    writeln!(
        io::stdout(),
        "camera {}: {WIDTH} x {HEIGHT} pixels, {RATE} frames per second, in {name}",
        id()
    )?;
    let consumers =
        ["fast consumer", "slow consumer"].map(|role| Child::start(role, &[&name], Stdio::null()));

    let mut frame = empty_frame()?;
    let start = Instant::now();
    for number in 0..FRAMES {
        photograph.take(number, &mut frame);
        // Never waits.
        sender.send_from(&frame)?;
        // Frames are due at fixed times, however long the previous one took. Ctrl-C ends the wait and the program.
        let due = Duration::from_secs(number + 1) / RATE as u32;
        if signals.wait(due.saturating_sub(start.elapsed()))? {
            return Ok(());
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    // Disconnects the consumers.
    drop(sender);
    for consumer in consumers {
        consumer?.wait()?;
    }
    writeln!(
        io::stdout(),
        "camera {}: {FRAMES} frames in {seconds:.2} s: {}",
        id(),
        rates(FRAMES, seconds)
    )?;
    Ok(())
}

fn consumer(speed: &str, name: &str, work: Duration) -> Result<()> {
    let shm = Frames::attach_read_only(name)?;
    let mut receiver = shm.receiver_from_oldest();
    let mut frame = empty_frame()?;
    let mut tally = Tally::default();
    let label = format!("  {speed} consumer ({}):", id());
    let mut out = io::stdout();
    let start = Instant::now();
    let mut next_report = Duration::from_secs(1);
    loop {
        match receiver.recv_into_timeout(&mut frame, SILENCE) {
            Ok(()) => {}
            Err(RecvTimeoutError::Lagged(count)) => {
                tally.lost += count;
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(error) => return Err(format!("no frame from the camera: {error}").into()),
        }
        tally.count(&frame)?;
        // Simulates the work.
        std::thread::sleep(work);
        if start.elapsed() >= next_report {
            next_report += Duration::from_secs(1);
            tally.report(&mut out, &label, "so far", start.elapsed())?;
        }
    }
    tally.report(&mut out, &label, "in total", start.elapsed())?;
    match tally.damaged {
        0 => Ok(()),
        damaged => Err(format!("{damaged} frames were damaged").into()),
    }
}

/// What a consumer has received so far.
#[derive(Default)]
struct Tally {
    /// Frames sent before the consumer attached.
    before: u64,
    received: u64,
    lost: u64,
    /// Frames whose pixels do not match their checksum.
    damaged: u64,
    /// The number of the last frame, and the checksum of the pixels received.
    last: Option<(u64, u32)>,
}

impl Tally {
    fn count(&mut self, frame: &Frame) -> Result<()> {
        if self.received == 0 {
            self.before = frame.number.saturating_sub(self.lost);
        }
        // Every lost frame was reported, and no frame arrives twice.
        let expected = self.before + self.lost + self.received;
        if frame.number != expected {
            return Err(format!("received frame {} instead of {expected}", frame.number).into());
        }
        self.received += 1;
        let crc = checksum(frame);
        self.damaged += u64::from(frame.crc != crc);
        self.last = Some((frame.number, crc));
        Ok(())
    }

    /// Prints one line about the `time` since the consumer attached.
    fn report(&self, out: &mut impl Write, label: &str, when: &str, time: Duration) -> Result<()> {
        let rates = rates(self.received, time.as_secs_f64());
        write!(out, "{label} {self} {when}, {rates}")?;
        if let Some((number, crc)) = self.last {
            write!(out, "; frame {number:>3} has CRC {crc:08x}")?;
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
            "{received:>3} of {sent:>3} frames, {lost:>3} lost, {damaged} damaged"
        )
    }
}

fn rates(frames: u64, seconds: f64) -> String {
    let (frames, bytes) = (frames as f64, size_of::<Frame>() as f64);
    format!(
        "{:.1} frames/s, {:.1} MB/s",
        frames / seconds,
        frames * bytes / seconds / 1e6
    )
}

fn checksum(frame: &Frame) -> u32 {
    crc32fast::hash(frame.pixels.as_flattened())
}

/// Returns a black frame. Frames are too large for the stack, so this one is loaded from zeroed memory to the heap.
fn empty_frame() -> Result<Box<Frame>> {
    Ok(Frame::create_anonymous()?.load_boxed())
}

/// The photograph that the camera pans over, row by row.
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
            return Err("the photograph is too small or has no colours".into());
        }
        Ok(Self {
            pixels,
            width,
            height,
        })
    }

    /// Fills `frame` with the part of the photograph at position `number` of the pan.
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

/// The position after `step` steps from 0 to `end` and back, repeated.
fn there_and_back(step: u64, end: usize) -> usize {
    let at = (step % (2 * end as u64).max(1)) as usize;
    at.min(2 * end - at)
}
