//! Output that is updated in place.

use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;

use super::render::Size;

/// A terminal on which each text replaces the previous one. The cursor is hidden until this is dropped, so it reappears
/// after errors too.
pub struct Screen<W: Write> {
    out: W,
    lines: usize,
    size: Option<Size>,
}

impl<W: Write> Screen<W> {
    /// Writes nothing until the first [`show`](Self::show).
    pub fn new(out: W) -> Self {
        Self {
            out,
            lines: 0,
            size: None,
        }
    }

    /// Shows `text`, whose lines fit `size` and end in `\n`.
    ///
    /// # Errors
    ///
    /// Returns an error if writing to the terminal fails.
    pub fn show(&mut self, text: &str, size: Size) -> io::Result<()> {
        let mut frame = String::new();
        match self.size {
            None => frame.push_str("\x1b[?25l"),
            // The terminal has rearranged the old lines, so they cannot be overwritten in place.
            Some(before) if before != size => frame.push_str("\x1b[2J\x1b[H"),
            Some(_) if self.lines > 0 => frame.push_str(&format!("\x1b[{}A\r", self.lines)),
            Some(_) => {}
        }
        // Cleared line by line, because clearing everything first flickers.
        for line in text.lines() {
            frame.push_str(line);
            frame.push_str("\x1b[K\r\n");
        }
        frame.push_str("\x1b[J");
        self.size = Some(size);
        self.lines = text.lines().count();
        self.out.write_all(frame.as_bytes())?;
        self.out.flush()
    }
}

impl<W: Write> Drop for Screen<W> {
    fn drop(&mut self) {
        if self.size.is_some() {
            // An error means that the terminal is gone.
            let _ = self.out.write_all(b"\x1b[?25h");
            let _ = self.out.flush();
        }
    }
}

/// Returns the size of the terminal at standard output, or `None` if it is not a terminal.
#[must_use]
pub fn stdout_size() -> Option<Size> {
    let stdout = io::stdout();
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    if dumb || !stdout.is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(stdout.as_fd()).ok();
    // Serial lines and some emulators report 0 for an unknown size.
    let known = |value: u16, usual| if value == 0 { usual } else { value.into() };
    Some(Size {
        columns: known(size.map_or(0, |size| size.ws_col), 80),
        rows: known(size.map_or(0, |size| size.ws_row), 24),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size {
        columns: 80,
        rows: 24,
    };

    #[test]
    fn the_second_text_replaces_the_first() {
        let mut out = Vec::new();
        let mut screen = Screen::new(&mut out);
        screen.show("a\nb\n", SIZE).unwrap();
        screen.show("c\n", SIZE).unwrap();
        drop(screen);
        let expected = "\x1b[?25la\x1b[K\r\nb\x1b[K\r\n\x1b[J\x1b[2A\rc\x1b[K\r\n\x1b[J\x1b[?25h";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn a_new_size_clears_everything() {
        let mut out = Vec::new();
        let mut screen = Screen::new(&mut out);
        screen.show("a\n", SIZE).unwrap();
        screen
            .show(
                "b\n",
                Size {
                    columns: 40,
                    ..SIZE
                },
            )
            .unwrap();
        drop(screen);
        assert!(
            String::from_utf8(out)
                .unwrap()
                .contains("\x1b[2J\x1b[Hb\x1b[K")
        );
    }

    #[test]
    fn nothing_shown_is_nothing_written() {
        let mut out = Vec::new();
        drop(Screen::new(&mut out));
        assert!(out.is_empty());
    }
}
