//! The picture of the README: the segment of the example `sysmon`.

use std::fmt::Write;
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};
use shm_core::ShmLayout;
use shm_core::dynamic::DynSegment;
use shm_examples::sysmon::segment::Sysmon;
use snapbox::{Data, assert_data_eq, file};

use super::super::model::{Health, Model, Status};
use super::{Theme, draw, rows_in};

#[path = "../../../../tests/documents/sysmon.rs"]
mod sysmon;

const SIZE: (u16, u16) = (80, 24);
const INTERVAL: Duration = Duration::from_millis(250);

#[test]
fn the_picture_of_watch_is_current() {
    let name = format!("/cli-picture-{}", std::process::id());
    let shm = Sysmon::create(&name).unwrap();
    let segment = DynSegment::attach_read_only(&name).unwrap();
    let paths = [
        "published",
        "halves[0].load",
        "halves[0].cpus.sum",
        "halves[0].memory",
    ];
    let mut model = Model::new(&segment, &paths.map(str::to_owned), INTERVAL).unwrap();
    model.status = Status {
        name: "/shm-sysmon".to_owned(),
        type_name: "Sysmon".to_owned(),
        state: "live".to_owned(),
        health: Health::Good,
        attached: vec!["2541".to_owned()],
    };
    let begin = Instant::now();
    // Two samples in 250 ms, so that one of them is in the half that is watched.
    for step in 0..20 {
        sysmon::publish(&shm, 1235 + 3 * step);
        sysmon::publish(&shm, 1236 + 3 * step);
        model.sample(rows_in(SIZE.1), begin + INTERVAL * step as u32, true);
    }
    let mut terminal = Terminal::new(TestBackend::new(SIZE.0, SIZE.1)).unwrap();
    let theme = Theme {
        has_colors: true,
        is_ascii: false,
    };
    terminal
        .draw(|frame| draw(&model, theme, frame.area(), frame.buffer_mut()))
        .unwrap();
    assert_data_eq!(
        Data::text(ansi(terminal.backend().buffer())),
        file!["../../../../docs/watch.svg": TermSvg]
    );
}

/// The text of a screen, with escape sequences for its styles.
fn ansi(buffer: &Buffer) -> String {
    let mut out = String::new();
    for y in 0..buffer.area.height {
        let mut skipped = 0;
        for x in 0..buffer.area.width {
            let cell = &buffer[(x, y)];
            // The second column of a wide character.
            if skipped > 0 {
                skipped -= 1;
                continue;
            }
            skipped = unicode_width::UnicodeWidthStr::width(cell.symbol()).saturating_sub(1);
            let mut codes = "0".to_owned();
            let modifiers = [
                (Modifier::BOLD, 1),
                (Modifier::DIM, 2),
                (Modifier::UNDERLINED, 4),
                (Modifier::REVERSED, 7),
            ];
            for (modifier, code) in modifiers {
                if cell.modifier.contains(modifier) {
                    let _ = write!(codes, ";{code}");
                }
            }
            if let Some(code) = color(cell.fg) {
                let _ = write!(codes, ";{code}");
            }
            if let Some(code) = color(cell.bg) {
                let _ = write!(codes, ";{}", code + 10);
            }
            let _ = write!(out, "\x1b[{codes}m{}", cell.symbol());
        }
        out.push_str("\x1b[0m\n");
    }
    out
}

/// The code of a color in the foreground. `None` for that of the terminal.
fn color(color: Color) -> Option<u8> {
    Some(match color {
        Color::Reset => return None,
        Color::Red => 31,
        Color::Green => 32,
        Color::Yellow => 33,
        Color::Blue => 34,
        Color::Cyan => 36,
        Color::LightBlue => 94,
        other => panic!("the view uses {other:?}, which the picture lacks"),
    })
}
