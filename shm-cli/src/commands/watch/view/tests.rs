//! Snapshots of the view in terminals of several sizes.

use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::{Color, Modifier};
use shm_core::dynamic::DynSegment;
use shm_core::sync::{Broadcast, Event, Mutex, Ring, SeqLock};
use shm_core::{Shm, ShmLayout, ShmStr};

use super::super::model::{Health, Input, Model, Status};
use super::*;

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Pose {
    frame: u64,
    xyz: [f64; 3],
}

#[derive(Clone, Copy, ShmLayout)]
#[repr(C)]
struct Cell {
    load: f32,
    temperature: f32,
}

#[derive(ShmLayout)]
#[shm(padding)]
#[repr(C)]
struct Robot {
    name: ShmStr<32>,
    pose: SeqLock<Pose>,
    jobs: Ring<u64, 16>,
    ticks: Broadcast<Pose, 8>,
    budget: Mutex<u64>,
    stop: Event,
    battery: [f32; 32],
    cells: [Cell; 3],
    speed: f64,
}

const PLAIN: Theme = Theme {
    has_colors: false,
    is_ascii: false,
};
const ASCII: Theme = Theme {
    has_colors: false,
    is_ascii: true,
};

struct Fixture {
    shm: Shm<Robot>,
    model: Model,
    begin: Instant,
    samples: u32,
}

impl Fixture {
    fn new(tag: &str) -> Self {
        let name = format!("/cli-view-{tag}-{}", std::process::id());
        let shm = Robot::create_with(&name, |robot| {
            let _ = robot.name.set("größe \u{202e}9");
        })
        .unwrap();
        let segment = DynSegment::attach_read_only(&name).unwrap();
        let paths = [".".to_owned()];
        let mut model = Model::new(&segment, &paths, Duration::from_millis(250)).unwrap();
        model.status = Status {
            name: "/robot".to_owned(),
            type_name: "Robot".to_owned(),
            state: "live".to_owned(),
            health: Health::Good,
            attached: vec!["4711".to_owned(), "4712".to_owned()],
        };
        let mut fixture = Self {
            shm,
            model,
            begin: Instant::now(),
            samples: 0,
        };
        // Without senders and writers, whose pids would be in the snapshots.
        for number in 0..16_u32 {
            fixture.shm.speed.set(f64::from(number % 8) * 0.25);
            fixture.shm.pose.store(pose(number)).unwrap();
            fixture
                .shm
                .jobs
                .sender()
                .unwrap()
                .send(number.into())
                .unwrap();
            fixture
                .shm
                .ticks
                .sender()
                .unwrap()
                .send(pose(number))
                .unwrap();
            if number % 4 == 0 {
                fixture.shm.stop.notify_all();
            }
            fixture.sample(40);
        }
        fixture
    }

    fn sample(&mut self, rows: usize) {
        self.samples += 1;
        let now = self.begin + self.samples * Duration::from_millis(250);
        self.model.sample(rows, now, true);
    }

    fn typed(&mut self, text: &str) {
        for char in text.chars() {
            self.model.input(Input::Char(char));
        }
    }

    /// The screen after one more sample.
    fn terminal(&mut self, width: u16, height: u16, theme: Theme) -> Terminal<TestBackend> {
        self.sample(rows_in(height));
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let model = &self.model;
        terminal
            .draw(|frame| draw(model, theme, frame.area(), frame.buffer_mut()))
            .unwrap();
        terminal
    }

    fn screen(&mut self, width: u16, height: u16, theme: Theme) -> String {
        self.terminal(width, height, theme).backend().to_string()
    }
}

fn pose(number: u32) -> Pose {
    Pose {
        frame: number.into(),
        xyz: [0.5, f64::from(number), -1.0],
    }
}

#[test]
fn screen_of_80_by_24() {
    let mut fixture = Fixture::new("80x24");
    insta::assert_snapshot!(fixture.screen(80, 24, PLAIN));
}

#[test]
fn screen_of_40_by_10() {
    let mut fixture = Fixture::new("40x10");
    insta::assert_snapshot!(fixture.screen(40, 10, PLAIN));
}

#[test]
fn screen_of_200_by_60() {
    let mut fixture = Fixture::new("200x60");
    insta::assert_snapshot!(fixture.screen(200, 60, PLAIN));
}

#[test]
fn screen_in_ascii() {
    let mut fixture = Fixture::new("ascii");
    let screen = fixture.screen(80, 24, ASCII);
    // The backend itself adds quotes only.
    assert!(screen.is_ascii(), "{screen}");
    insta::assert_snapshot!(screen);
}

#[test]
fn screen_with_a_filter() {
    let mut fixture = Fixture::new("filter");
    fixture.typed("/load");
    insta::assert_snapshot!(fixture.screen(80, 10, PLAIN));
    fixture.typed("?");
    insta::assert_snapshot!(
        "screen_with_a_filter_that_hides_all",
        fixture.screen(80, 6, PLAIN)
    );
}

#[test]
fn screen_with_the_help() {
    let mut fixture = Fixture::new("help");
    fixture.typed("?");
    insta::assert_snapshot!(fixture.screen(80, 24, PLAIN));
    insta::assert_snapshot!(
        "screen_with_the_help_in_40_by_10",
        fixture.screen(40, 10, PLAIN)
    );
}

#[test]
fn screen_while_paused_and_with_a_notice() {
    let mut fixture = Fixture::new("paused");
    fixture.typed(" s");
    fixture.model.status.state = "removed, waiting for a new one".to_owned();
    fixture.model.status.health = Health::Bad;
    fixture.model.status.attached.clear();
    insta::assert_snapshot!(fixture.screen(80, 8, PLAIN));
}

/// The style of a row's value.
fn value_style(terminal: &Terminal<TestBackend>, row: u16, text: &str) -> (Color, Modifier) {
    let buffer = terminal.backend().buffer();
    let line: Vec<_> = (0..buffer.area.width)
        .map(|x| buffer[(x, row)].symbol().to_owned())
        .collect();
    let joined = line.concat();
    let at = joined
        .find(text)
        .unwrap_or_else(|| panic!("{text}: {joined}"));
    let x = joined[..at].chars().count() as u16;
    let cell = &buffer[(x, row)];
    (cell.fg, cell.modifier)
}

#[test]
fn a_change_is_highlighted_and_fades() {
    let mut fixture = Fixture::new("fade");
    fixture.typed("/speed");
    let colors = Theme {
        has_colors: true,
        is_ascii: false,
    };
    fixture.shm.speed.set(0.125);
    let terminal = fixture.terminal(80, 10, colors);
    let fresh = value_style(&terminal, 2, "0.125");
    assert_eq!(fresh, (Color::Yellow, Modifier::BOLD));
    for _ in 0..2 {
        fixture.terminal(80, 10, colors);
    }
    let terminal = fixture.terminal(80, 10, colors);
    assert_eq!(
        value_style(&terminal, 2, "0.125"),
        (Color::Yellow, Modifier::empty())
    );
    let terminal = fixture.terminal(80, 10, PLAIN);
    let (color, modifier) = value_style(&terminal, 2, "0.125");
    assert_eq!((color, modifier), (Color::Reset, Modifier::BOLD));
    for _ in 0..8 {
        fixture.terminal(80, 10, colors);
    }
    let terminal = fixture.terminal(80, 10, colors);
    assert_eq!(
        value_style(&terminal, 2, "0.125"),
        (Color::Reset, Modifier::empty())
    );
}

#[test]
fn no_size_is_too_small() {
    let mut fixture = Fixture::new("sizes");
    for mode in ["", "?", " /battery[3"] {
        fixture.typed(mode);
        for width in [0, 1, 2, 3, 7, 19, 39, 55, 100, 300] {
            for height in [0, 1, 2, 3, 4, 5, 8, 30] {
                fixture.sample(rows_in(height));
                let area = Rect::new(0, 0, width, height);
                for theme in [PLAIN, ASCII] {
                    let mut buffer = Buffer::empty(area);
                    draw(&fixture.model, theme, area, &mut buffer);
                }
            }
        }
    }
}

#[test]
fn no_text_of_a_segment_controls_the_terminal() {
    let mut fixture = Fixture::new("escape");
    fixture
        .shm
        .name
        .set("\u{1b}]0;owned\u{7}\u{202e}\u{9b}2J")
        .unwrap();
    for theme in [PLAIN, ASCII] {
        let screen = fixture.screen(120, 24, theme);
        let is_safe = |char: char| char == '\n' || !(char.is_control() || char == '\u{202e}');
        assert!(screen.chars().all(is_safe), "{screen:?}");
    }
}

#[test]
fn texts_are_cut_at_columns() {
    assert_eq!(cut("abcdef", 6, "…"), "abcdef");
    assert_eq!(cut("abcdef", 5, "…"), "abcd…");
    assert_eq!(cut("日本語", 5, "…"), "日本…");
    assert_eq!(cut("日本語", 4, "…"), "日…");
    assert_eq!(cut("abc", 0, "…"), "…");
    assert_eq!(ascii("größe"), "gr\\u{f6}\\u{df}e");
}

#[test]
fn rates_have_units() {
    for (rate, wanted) in [
        (0.0, "0.00/s"),
        (12.34, "12.3/s"),
        (999.9, "1.00k/s"),
        (123_456.0, "123k/s"),
        (1.5e6, "1.50M/s"),
        (2e9, "2.00G/s"),
    ] {
        assert_eq!(per_second(rate), wanted);
    }
}
