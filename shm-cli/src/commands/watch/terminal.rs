//! The terminal: its modes, its keys, and the signals that concern it.
//!
//! However the command ends, the terminal is as it was before: after a panic, after SIGTERM, SIGHUP, SIGINT and SIGQUIT, and while it
//! is stopped. A thread of its own waits for signals, so this also holds while the other one waits for the terminal.

use std::io::{self, Stdout, stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError, mpsc};
use std::time::{Duration, Instant};

use crossterm::cursor::{Hide, Show};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen};
use crossterm::{event, execute, terminal};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Frame, Terminal};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
use signal_hook::iterator::Signals;
use signal_hook::low_level;

use super::model::Input;
use crate::failure::Failure;

/// Locked while something is written to the terminal.
static DRAWING: Mutex<()> = Mutex::new(());
/// Whether the terminal has the modes of the view.
static IS_ON: AtomicBool = AtomicBool::new(false);
/// Whether the terminal may show something else than what was drawn last.
static IS_STALE: AtomicBool = AtomicBool::new(false);

/// How long a signal waits for the end of a drawing, which lasts forever if the terminal takes nothing.
const PATIENCE: Duration = Duration::from_millis(500);

/// The terminal with the modes of the view. Dropping this restores it.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Happened {
    Key(Input),
    /// The size is another one, or the terminal was used by other programs.
    Redraw,
    /// The time has passed.
    Nothing,
}

impl Screen {
    pub(super) fn new() -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::file("use the terminal", &error);
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let drawing = lock_patiently();
            leave();
            drop(drawing);
            hook(info);
        }));
        let signals = [SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGTSTP, SIGCONT];
        let mut signals = Signals::new(signals).map_err(failed)?;
        std::thread::spawn(move || {
            for signal in signals.forever() {
                on_signal(signal);
            }
        });
        let drawing = lock();
        enter().map_err(failed)?;
        let terminal = Terminal::new(CrosstermBackend::new(stdout()));
        drop(drawing);
        match terminal {
            Ok(terminal) => Ok(Self { terminal }),
            Err(error) => {
                leave();
                Err(failed(error))
            }
        }
    }

    /// The number of lines.
    pub(super) fn height(&self) -> Result<u16, Failure> {
        Ok(self.terminal.size()?.height)
    }

    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> Result<(), Failure> {
        let _drawing = lock();
        if IS_STALE.swap(false, Ordering::Relaxed) {
            // Clears, and draws all again. Unlike `clear`, it does not ask the terminal where its cursor is, and wait for an answer.
            let area = Rect::from(self.terminal.size()?);
            self.terminal.resize(area)?;
        }
        self.terminal.draw(draw)?;
        Ok(())
    }

    /// Waits for a key, at most so long.
    pub(super) fn wait(&mut self, timeout: Duration) -> Result<Happened, Failure> {
        /// A signal does not end the wait.
        const LONGEST: Duration = Duration::from_millis(200);

        let end = Instant::now() + timeout;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if event::poll(left.min(LONGEST))? {
                match event::read()? {
                    Event::Key(key) if key.kind != KeyEventKind::Release => {
                        if let Some(happened) = key_of(key) {
                            return Ok(happened);
                        }
                    }
                    Event::Resize(..) => return Ok(Happened::Redraw),
                    _ => {}
                }
            }
            if IS_STALE.load(Ordering::Relaxed) {
                return Ok(Happened::Redraw);
            }
            if Instant::now() >= end {
                return Ok(Happened::Nothing);
            }
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _drawing = lock();
        leave();
    }
}

fn lock() -> MutexGuard<'static, ()> {
    DRAWING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The lock; or `None` if it is not free for long, because the terminal takes no output or this thread has panicked while it drew.
fn lock_patiently() -> Option<MutexGuard<'static, ()>> {
    let end = Instant::now() + PATIENCE;
    loop {
        match DRAWING.try_lock() {
            Ok(guard) => return Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) if Instant::now() >= end => return None,
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

fn enter() -> io::Result<()> {
    terminal::enable_raw_mode()?;
    IS_ON.store(true, Ordering::Relaxed);
    IS_STALE.store(true, Ordering::Relaxed);
    let entered = execute!(stdout(), EnterAlternateScreen, Hide);
    if entered.is_err() {
        leave();
    }
    entered
}

/// Restores the terminal, if that was not done yet.
fn leave() {
    if IS_ON.swap(false, Ordering::Relaxed) {
        // The modes first: they are set also if the terminal takes no output.
        let _ = terminal::disable_raw_mode();
        let _ = execute!(stdout(), LeaveAlternateScreen, Show);
    }
}

/// Does what the signal does by default, with the terminal restored.
fn on_signal(signal: i32) {
    let _drawing = lock_patiently();
    match signal {
        SIGCONT => {
            // After a SIGSTOP, other programs may have changed its modes.
            if IS_ON.load(Ordering::Relaxed) {
                let _ = terminal::disable_raw_mode();
                let _ = enter();
            }
        }
        SIGTSTP => {
            let was_on = IS_ON.load(Ordering::Relaxed);
            leave();
            // Returns when the process goes on.
            let _ = low_level::emulate_default_handler(signal);
            if was_on {
                let _ = enter();
            }
        }
        _ => {
            // If the terminal takes no output, this never returns.
            let (done, is_done) = mpsc::channel::<()>();
            std::thread::spawn(move || {
                leave();
                drop(done);
            });
            let _ = is_done.recv_timeout(PATIENCE);
            let _ = low_level::emulate_default_handler(signal);
        }
    }
}

fn key_of(key: KeyEvent) -> Option<Happened> {
    let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
    let input = match key.code {
        KeyCode::Char('c') if is_control => Input::Interrupt,
        KeyCode::Char('f') if is_control => Input::PageDown,
        KeyCode::Char('b') if is_control => Input::PageUp,
        KeyCode::Char('l') if is_control => {
            IS_STALE.store(true, Ordering::Relaxed);
            return Some(Happened::Redraw);
        }
        KeyCode::Char('z') if is_control => {
            // In raw mode the terminal does not send it.
            let _ = low_level::raise(SIGTSTP);
            return None;
        }
        KeyCode::Char(_) if is_control || key.modifiers.contains(KeyModifiers::ALT) => return None,
        KeyCode::Char(char) => Input::Char(char),
        KeyCode::Up => Input::Up,
        KeyCode::Down => Input::Down,
        KeyCode::Left => Input::Left,
        KeyCode::Right => Input::Right,
        KeyCode::PageUp => Input::PageUp,
        KeyCode::PageDown => Input::PageDown,
        KeyCode::Home => Input::Home,
        KeyCode::End => Input::End,
        KeyCode::Enter | KeyCode::Tab => Input::Enter,
        KeyCode::Backspace => Input::Backspace,
        KeyCode::Esc => Input::Escape,
        _ => return None,
    };
    Some(Happened::Key(input))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_that_the_help_names() {
        let of = |code, modifiers| key_of(KeyEvent::new(code, modifiers));
        let none = KeyModifiers::NONE;
        for (code, modifiers, wanted) in [
            (
                KeyCode::Char('c'),
                KeyModifiers::CONTROL,
                Some(Input::Interrupt),
            ),
            (KeyCode::Char('c'), none, Some(Input::Char('c'))),
            (KeyCode::Char('x'), KeyModifiers::CONTROL, None),
            (KeyCode::Char('x'), KeyModifiers::ALT, None),
            (
                KeyCode::Char('G'),
                KeyModifiers::SHIFT,
                Some(Input::Char('G')),
            ),
            (KeyCode::Tab, none, Some(Input::Enter)),
            (KeyCode::Esc, none, Some(Input::Escape)),
            (KeyCode::F(1), none, None),
        ] {
            let wanted = wanted.map(Happened::Key);
            assert_eq!(of(code, modifiers), wanted, "{code:?}");
        }
    }
}
