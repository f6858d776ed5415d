//! The live view: samples, draws and obeys keys.

use std::io;
use std::time::{Duration, Instant};

use shm_core::{SegmentInfo, SegmentState};

use super::Watch;
use super::model::{Health, Model, Outcome, Status};
use super::terminal::{Happened, Screen};
use super::view::{self, Theme};
use crate::attached::{Mappings, Process, users_of_descriptor};
use crate::failure::{Exit, Failure};
use crate::observe::{Attachment, Standing};
use crate::output::{Context, escaped, type_name};
use crate::sigbus;
use crate::target::Target;

/// The time between two samples.
const INTERVAL: Duration = Duration::from_millis(250);
/// The shortest time between two samples. No terminal shows more.
const SHORTEST: Duration = Duration::from_millis(5);
/// The time between two looks at the name and at the processes.
const LOOKS: Duration = Duration::from_secs(2);
/// The time between two looks where the name leads: one system call.
const QUICK_LOOKS: Duration = Duration::from_millis(250);
/// The time between two drawings while highlights fade.
const FADING: Duration = Duration::from_millis(250);

pub(super) fn run(watch: &Watch, context: &mut Context) -> Result<Exit, Failure> {
    if !context.terminal {
        return Err(Failure::usage(
            "standard output is not a terminal, so there is nothing to draw on; add `--csv` or `--json` to get lines for a file or \
             another program, or run `shm show` to print all values once",
        ));
    }
    if std::env::var_os("TERM").is_some_and(|term| term == "dumb") {
        return Err(Failure::usage(
            "this terminal cannot move its cursor (TERM is `dumb`); add `--csv` to get lines",
        ));
    }
    let mut watched = Watched::new(watch)?;
    let theme = theme();
    crossterm::style::force_color_output(theme.has_colors);
    let mut screen = Screen::new()?;
    let mut next_sample = Instant::now();
    let mut next_look = next_sample;
    let mut next_quick_look = next_sample;
    let mut drawn = next_sample;
    loop {
        let now = Instant::now();
        if now >= next_look {
            watched.look();
            next_look = now + LOOKS;
        }
        if now >= next_quick_look {
            if watched.follow_name() {
                watched.look();
            }
            next_quick_look = now + QUICK_LOOKS;
        }
        let height = screen.height()?;
        let model = &mut watched.model;
        if now >= next_sample {
            if !model.is_paused {
                model.sample(view::rows_in(height), now, true);
            }
            next_sample = now + model.interval();
        } else {
            model.grow_older(now - drawn);
        }
        drawn = now;
        watched.report_truncation();
        let model = &watched.model;
        screen.draw(|frame| view::draw(model, theme, frame.area(), frame.buffer_mut()))?;

        let mut wake = next_sample.min(next_look).min(next_quick_look);
        if watched.model.is_fading() {
            wake = wake.min(now + FADING);
        }
        match screen.wait(wake.saturating_duration_since(Instant::now()))? {
            Happened::Nothing => {}
            Happened::Redraw => {
                let rows = view::rows_in(screen.height()?);
                watched.model.sample(rows, Instant::now(), false);
            }
            Happened::Key(input) => {
                if watched.model.input(input) == Outcome::Quit {
                    return Ok(Exit::Ok);
                }
                // Other rows may be visible now.
                let (now, rows) = (Instant::now(), view::rows_in(screen.height()?));
                watched.model.sample(rows, now, false);
                next_sample = next_sample.min(now + watched.model.interval());
                drawn = now;
            }
        }
    }
}

/// The terminal's abilities, as the environment tells them.
fn theme() -> Theme {
    let choice = anstream::AutoStream::choice(&io::stdout());
    // In the order in which the C library looks.
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    Theme {
        has_colors: choice != anstream::ColorChoice::Never,
        is_ascii: !locale.is_some_and(|locale| is_utf8(&locale)),
    }
}

fn is_utf8(locale: &str) -> bool {
    let locale = locale.to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

/// A segment, and the model of its view.
struct Watched {
    attachment: Attachment,
    model: Model,
    standing: Standing,
    /// Whether a process is attached that this user does not see.
    has_unseen: bool,
    /// Why the file cannot be trusted any more.
    truncated: Option<String>,
}

impl Watched {
    fn new(watch: &Watch) -> Result<Self, Failure> {
        let attachment = Attachment::new(&watch.target)?;
        let interval = watch.interval.unwrap_or(INTERVAL).max(SHORTEST);
        let model = Model::new(attachment.segment(), &watch.paths, interval)?;
        Ok(Self {
            attachment,
            model,
            standing: Standing::Current,
            has_unseen: false,
            truncated: None,
        })
    }

    /// Attaches to the segment to which the name leads. Returns `true` if that has changed.
    fn follow_name(&mut self) -> bool {
        let found = self.attachment.standing();
        let is_new = found != self.standing || found == Standing::Superseded;
        self.standing = found;
        if found == Standing::Superseded {
            self.attach_again("attached to the segment that has the name now");
        }
        is_new
    }

    fn attach_again(&mut self, notice: &str) {
        let attached = self.attachment.again().and_then(|attachment| {
            self.model.attach(attachment.segment())?;
            self.attachment = attachment;
            Ok(())
        });
        match attached {
            Ok(()) => {
                self.standing = Standing::Current;
                self.truncated = None;
                self.model.notice = Some(notice.to_owned());
            }
            // Another process may be replacing it, or it has other fields.
            Err(failure) => {
                self.model.notice = Some(escaped(&failure.to_string()).to_string());
            }
        }
    }

    /// Looks at the processes of the segment.
    fn look(&mut self) {
        let segment = self.attachment.segment();
        let mut status = Status {
            name: escaped(segment.name()).to_string(),
            type_name: escaped(&type_name(segment.layout())).to_string(),
            ..Status::default()
        };
        match self.standing {
            Standing::Removed => {
                status.state = "removed, waiting for a new one".to_owned();
                status.health = Health::Bad;
            }
            Standing::Superseded => {
                status.state = "superseded".to_owned();
                status.health = Health::Bad;
            }
            Standing::Current => match self.attachment.info() {
                None => match self.attachment.target() {
                    Target::Descriptor(path) => {
                        status.state = "anonymous".to_owned();
                        status.attached = pids(&users_of_descriptor(path));
                    }
                    _ => status.state = "a file".to_owned(),
                },
                Some(Ok(info)) => {
                    (status.state, status.health) = state_of(&info);
                    let others = Mappings::of_segments().users(&info);
                    status.attached = pids(&others);
                    self.settle(&info, others.is_empty(), &mut status);
                }
                Some(Err(failure)) => {
                    status.state = escaped(&failure.to_string()).to_string();
                    status.health = Health::Bad;
                }
            },
        }
        if let Err(failure) = self.attachment.check_length() {
            self.keep_truncation(&failure);
        }
        if self.truncated.is_some() {
            status.state = "the file was truncated".to_owned();
            status.health = Health::Bad;
        }
        self.model.status = status;
    }

    /// Detaches from a segment that all other processes have left, so that it can be replaced and swept as if nobody looked, and
    /// reads its file instead. Attaches again if a process does.
    fn settle(&mut self, info: &SegmentInfo, is_alone: bool, status: &mut Status) {
        let is_held = info.contents.as_ref().is_some_and(|of| of.attached);
        if self.attachment.is_released() {
            if is_held {
                self.attach_again("a process has attached again");
            } else {
                status.state = "abandoned: no process is attached".to_owned();
                status.health = Health::Warn;
            }
            return;
        }
        let is_owned = info.contents.as_ref().is_some_and(|of| of.owned);
        if info.state != SegmentState::Live || is_owned || !is_alone || self.has_unseen {
            return;
        }
        let released = self.attachment.release();
        if released
            .and_then(|()| self.model.attach(self.attachment.segment()))
            .is_err()
        {
            // It is being replaced. The next look follows the name.
            return;
        }
        // The cells of the old tree are gone, and with them the lock.
        let is_held = self
            .attachment
            .info()
            .is_some_and(|info| info.is_ok_and(|info| info.contents.is_some_and(|of| of.attached)));
        if is_held {
            // By a process that this user does not see.
            self.has_unseen = true;
            self.attach_again("");
            self.model.notice = None;
        } else {
            status.state = "abandoned: no process is attached".to_owned();
            status.health = Health::Warn;
        }
    }

    fn report_truncation(&mut self) {
        if let Some(failure) = sigbus::take() {
            self.keep_truncation(&failure);
            self.look();
        }
    }

    fn keep_truncation(&mut self, failure: &Failure) {
        let text = escaped(&failure.to_string()).to_string();
        self.model.notice = Some(text.clone());
        self.truncated = Some(text);
    }
}

fn pids(processes: &[Process]) -> Vec<String> {
    let pids = processes.iter().map(|process| process.pid.to_string());
    pids.collect()
}

fn state_of(info: &SegmentInfo) -> (String, Health) {
    let (text, health) = match info.state {
        SegmentState::Live if info.contents.as_ref().is_some_and(|of| of.owned) => {
            ("live", Health::Good)
        }
        SegmentState::Live => ("owner gone", Health::Warn),
        SegmentState::Persistent => ("persistent", Health::Good),
        SegmentState::Orphaned => ("abandoned", Health::Warn),
        SegmentState::Damaged => ("damaged", Health::Bad),
        _ => ("not a segment any more", Health::Bad),
    };
    match &info.reason {
        Some(reason) => (format!("{text}: {}", escaped(reason)), health),
        None => (text.to_owned(), health),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shm_core::ShmLayout;

    #[test]
    fn locales_with_utf8_are_found() {
        for (locale, wanted) in [
            ("C.UTF-8", true),
            ("de_DE.utf8", true),
            ("C", false),
            ("de_DE.ISO-8859-1", false),
        ] {
            assert_eq!(is_utf8(locale), wanted, "{locale}");
        }
    }

    fn watched(name: &str) -> Watched {
        let watch = Watch {
            target: Target::Name(name.to_owned()),
            paths: vec![".".to_owned()],
            interval: None,
            csv: false,
            changes: false,
            count: None,
        };
        Watched::new(&watch).unwrap()
    }

    #[test]
    fn a_segment_that_is_created_again_is_attached_again() {
        let name = format!("/cli-live-again-{}", std::process::id());
        let shm = u64::create(&name).unwrap();
        let mut watched = watched(&name);
        watched.look();
        assert_eq!(watched.model.status.state, "live");
        assert_eq!(watched.model.status.type_name, "u64");
        assert!(!watched.follow_name());
        drop(shm);
        assert!(watched.follow_name());
        watched.look();
        assert!(watched.model.status.state.contains("removed"));
        let shm = <[u64; 2]>::create(&name).unwrap();
        assert!(watched.follow_name());
        watched.look();
        assert_eq!(watched.model.status.state, "live");
        assert_eq!(watched.model.status.type_name, "[u64; 2]");
        let notice = watched.model.notice.clone().unwrap();
        assert!(notice.contains("attached to the segment"), "{notice}");
        drop(shm);
    }

    #[test]
    fn a_cut_within_a_page_is_noticed_without_a_name() {
        let name = format!("/cli-live-cut-{}", std::process::id());
        let shm = u64::create(&name).unwrap();
        let path = format!("/dev/shm{name}");
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        let mut watched = watched(&name);
        std::fs::remove_file(path).unwrap();
        assert!(watched.follow_name());
        watched.look();
        let state = &watched.model.status.state;
        assert!(state.contains("removed"), "{state}");
        file.set_len(file.metadata().unwrap().len() - 1).unwrap();
        watched.look();
        assert_eq!(watched.model.status.state, "the file was truncated");
        let notice = watched.model.notice.clone().unwrap();
        assert!(notice.contains(&name), "{notice}");
        drop(shm);
    }

    #[test]
    fn an_abandoned_segment_is_not_kept_alive() {
        let name = format!("/cli-live-orphan-{}", std::process::id());
        let other = format!("{name}-live");
        let shm = u64::create(&other).unwrap();
        shm.set(7);
        // As if its owner had been killed: the bytes without the locks.
        std::fs::copy(format!("/dev/shm{other}"), format!("/dev/shm{name}")).unwrap();
        let mut watched = watched(&name);
        watched.look();
        let state = &watched.model.status.state;
        assert!(state.contains("abandoned"), "{state}");
        watched.model.sample(5, Instant::now(), true);
        assert_eq!(watched.model.views()[0].text, "7");
        let info = SegmentInfo::of(&name).unwrap();
        assert_eq!(info.state, SegmentState::Orphaned);
        // A process replaces it, as if nobody looked.
        let shm = u64::create(&name).unwrap();
        shm.set(8);
        assert!(watched.follow_name());
        watched.model.sample(5, Instant::now(), true);
        assert_eq!(watched.model.views()[0].text, "8");
        drop(shm);
    }
}
