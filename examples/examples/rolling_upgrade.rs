//! Replaces writers and readers of three versions of one struct, one after the other, while values flow.
//!
//! ```text
//! cargo run --example rolling_upgrade
//! ```
//!
//! The segment is created by version 1 of the program and stays for the whole run. No process waits for another one to
//! be upgraded, none is ever refused, and a field that a reader does not have costs it nothing.
//!
//! ```text
//! operator 4711: version 1 creates /shm-rolling-upgrade-4711
//! operator 4711: version 1 writes, version 1 reads
//!   version 1 reads at level 0: beat  10, 20.2 °C
//! operator 4711: version 1 writes, version 2 reads (readers are replaced first)
//!   version 2 reads at level 0: beat  30, 20.6 °C, humidity not known yet
//! operator 4711: version 2 writes, version 2 reads
//!   version 2 reads at level 1: beat  51, 21.0 °C, humidity 56 %
//! ```
//!
//! In the end a program tries to attach whose authors have appended another field. It gets an error that names the field.

#![forbid(unsafe_code)]

use std::error::Error;
use std::io::{self, Write};
use std::process::{ExitCode, Stdio, id};
use std::thread::sleep;
use std::time::Duration;

use shm_core::segment::SegmentStatus;
use shm_core::{Access, Shm, ShmLayout};
use shm_examples::child::{Child, exit_code, role};

/// As it was released first. Nothing in it prepares for what comes.
mod v1 {
    use shm_core::ShmLayout;

    #[derive(ShmLayout)]
    #[repr(C)]
    pub(crate) struct Climate {
        pub(crate) beat: u64,
        pub(crate) temperature: f64,
    }
}

/// A year later there is another sensor.
mod v2 {
    use shm_core::ShmLayout;

    #[derive(ShmLayout)]
    #[repr(C)]
    pub(crate) struct Climate {
        pub(crate) beat: u64,
        pub(crate) temperature: f64,
        #[shm(since = 1)]
        pub(crate) humidity: f64,
    }
}

/// Then two values that belong together, so they are appended as one `SeqLock`.
mod v3 {
    use shm_core::ShmLayout;
    use shm_core::sync::SeqLock;

    #[derive(Clone, Copy, ShmLayout)]
    #[repr(C)]
    pub(crate) struct Air {
        pub(crate) co2: u32,
        pub(crate) dust: u32,
    }

    #[derive(ShmLayout)]
    #[repr(C)]
    #[shm(padding)] // the lock is aligned to cache lines
    pub(crate) struct Climate {
        pub(crate) beat: u64,
        pub(crate) temperature: f64,
        #[shm(since = 1)]
        pub(crate) humidity: f64,
        #[shm(since = 2)]
        pub(crate) air: SeqLock<Air>,
    }
}

/// Elsewhere, others have appended something else to version 1.
mod branch {
    use shm_core::ShmLayout;

    #[derive(ShmLayout)]
    #[repr(C)]
    pub(crate) struct Climate {
        pub(crate) beat: u64,
        pub(crate) temperature: f64,
        #[shm(since = 1)]
        pub(crate) wind: f64,
    }
}

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Which version writes and which one reads, and what is remarkable about it.
const STAGES: [(&str, &str, &str); 7] = [
    ("1", "1", ""),
    ("1", "2", " (readers are replaced first)"),
    ("2", "2", ""),
    ("2", "1", " (not all readers are replaced yet)"),
    ("3", "2", ""),
    ("3", "3", ""),
    (
        "1",
        "3",
        " (the upgrade is taken back; newer fields keep their values)",
    ),
];

/// The time between two beats.
const PAUSE: Duration = Duration::from_millis(5);
/// A reader prints every so many beats.
const BEATS: u64 = 10;
/// And ends after this many lines.
const LINES: usize = 2;

pub(crate) fn main() -> ExitCode {
    exit_code(run())
}

fn run() -> Result<()> {
    let Some((role, args)) = role()? else {
        return operator();
    };
    let [version, name] = args.as_slice() else {
        return Err("start this program without arguments".into());
    };
    match (role.as_str(), version.as_str()) {
        ("writer", "1") => write_1(name),
        ("writer", "2") => write_2(name),
        ("writer", "3") => write_3(name),
        ("reader", "1") => read_1(name),
        ("reader", "2") => read_2(name),
        ("reader", "3") => read_3(name),
        _ => Err(format!("there is no {role} of version {version}").into()),
    }
}

/// Replaces the processes, and keeps the segment meanwhile.
fn operator() -> Result<()> {
    let name = format!("/shm-rolling-upgrade-{}", id());
    let climate = v1::Climate::create(&name)?;
    say(&format!("version 1 creates {name}"))?;

    for (writes, reads, remark) in STAGES {
        say(&format!(
            "version {writes} writes, version {reads} reads{remark}"
        ))?;
        let _writer = Child::start("writer", &[writes, &name], Stdio::null())?;
        Child::start("reader", &[reads, &name], Stdio::null())?.wait()?;
        // Dropping the writer kills it: even that leaves nothing to clean up.
    }

    say("a program whose authors have appended another field is refused:")?;
    match branch::Climate::attach(&name) {
        Err(error) => writeln!(io::stdout(), "  {error}")?,
        Ok(_) => return Err("two programs would use the same bytes for different fields".into()),
    }
    say(&format!(
        "{} beats in one segment, which is at level {} now",
        climate.beat.get(),
        climate.level()?
    ))
}

fn write_1(name: &str) -> Result<()> {
    let climate = v1::Climate::attach(name)?;
    loop {
        let beat = climate.beat.get() + 1;
        climate.temperature.set(temperature(beat));
        climate.beat.set(beat);
        sleep(PAUSE);
    }
}

fn write_2(name: &str) -> Result<()> {
    let climate = v2::Climate::attach(name)?; // from here on the segment is at level 1
    loop {
        let beat = climate.beat.get() + 1;
        climate.temperature.set(temperature(beat));
        climate.humidity.set(humidity(beat));
        climate.beat.set(beat);
        sleep(PAUSE);
    }
}

fn write_3(name: &str) -> Result<()> {
    let climate = v3::Climate::attach(name)?;
    loop {
        let beat = climate.beat.get() + 1;
        climate.temperature.set(temperature(beat));
        climate.humidity.set(humidity(beat));
        climate.air.update(|air| {
            air.co2 = 400 + beat as u32;
            air.dust = beat as u32 % 7;
        })?;
        climate.beat.set(beat);
        sleep(PAUSE);
    }
}

fn read_1(name: &str) -> Result<()> {
    let climate = v1::Climate::attach_read_only(name)?;
    follow(
        1,
        &climate,
        || climate.beat.get(),
        |_| Ok(format!("{:.1} °C", climate.temperature.get())),
    )
}

fn read_2(name: &str) -> Result<()> {
    let climate = v2::Climate::attach_read_only(name)?;
    follow(
        2,
        &climate,
        || climate.beat.get(),
        |level| {
            let temperature = climate.temperature.get();
            let humidity = humidity_at(level, climate.humidity.get());
            Ok(format!("{temperature:.1} °C, humidity {humidity}"))
        },
    )
}

fn read_3(name: &str) -> Result<()> {
    let climate = v3::Climate::attach_read_only(name)?;
    follow(
        3,
        &climate,
        || climate.beat.get(),
        |level| {
            let temperature = climate.temperature.get();
            let humidity = humidity_at(level, climate.humidity.get());
            let v3::Air { co2, dust } = climate.air.read()?;
            Ok(format!(
                "{temperature:.1} °C, humidity {humidity}, {co2} ppm CO2, {dust} µg dust"
            ))
        },
    )
}

/// Zero would be a humidity like any other, so the level decides.
fn humidity_at(level: u32, value: f64) -> String {
    if level < 1 {
        "not known yet".to_owned()
    } else {
        format!("{value:.0} %")
    }
}

/// Prints what a reader sees, until it has printed enough.
fn follow<T: ShmLayout, A: Access>(
    version: u32,
    climate: &Shm<T, A>,
    beat: impl Fn() -> u64,
    text: impl Fn(u32) -> Result<String>,
) -> Result<()> {
    let mut next = beat() + BEATS;
    for _ in 0..LINES {
        while beat() < next {
            // Whoever follows for long looks at this now and then.
            if climate.status() != SegmentStatus::Live {
                return Err(format!("the segment is {:?}", climate.status()).into());
            }
            sleep(PAUSE);
        }
        let level = climate.level()?;
        writeln!(
            io::stdout(),
            "  version {version} reads at level {level}: beat {:3}, {}",
            beat(),
            text(level)?
        )?;
        next += BEATS;
    }
    Ok(())
}

/// What the sensors measure.
fn temperature(beat: u64) -> f64 {
    20.0 + (beat % 100) as f64 / 50.0
}

fn humidity(beat: u64) -> f64 {
    50.0 + (beat % 20) as f64 / 2.0
}

fn say(text: &str) -> Result<()> {
    Ok(writeln!(io::stdout(), "operator {}: {text}", id())?)
}
