//! The live view, drawn into a buffer of any size.

mod theme;

#[cfg(test)]
mod picture;
#[cfg(test)]
mod tests;

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::model::{Fold, Mode, Model, RowView};
use crate::observe::three_digits;

pub(super) use theme::Theme;

/// The time after which a change is not highlighted any more.
pub(super) const FADE: Duration = Duration::from_secs(2);

/// Keys, for the help.
const KEYS: [(&str, &str); 13] = [
    ("up, down, k, j", "move by a row"),
    ("PgUp, PgDn, Home, End", "move by a page, or to an end"),
    ("right, l", "open a struct or an array, or move into it"),
    ("left, h", "close it, or move out of it"),
    ("Enter", "open or close it"),
    ("/", "show only paths that contain a text"),
    ("Esc", "show all paths again, or quit"),
    ("s", "sort the array around the row by the row's"),
    ("", "value: down, up, and by index again"),
    ("space, p", "pause, and go on"),
    ("+, -", "sample more often, or less often"),
    ("?", "this help"),
    ("q, Ctrl-C", "quit"),
];

/// The lines around the rows: above, and below.
const fn frame(height: u16) -> (u16, u16) {
    match height {
        0..=1 => (0, 0),
        2..=3 => (1, 0),
        4..=7 => (1, 1),
        _ => (2, 1),
    }
}

/// The number of rows that a view of this height shows.
pub(super) const fn rows_in(height: u16) -> usize {
    let (above, below) = frame(height);
    (height - above - below) as usize
}

/// Draws everything.
pub(super) fn draw(model: &Model, theme: Theme, area: Rect, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let mut painter = Painter {
        theme,
        area,
        buffer,
    };
    let (above, below) = frame(area.height);
    let columns = Columns::of(area.width, model.views());
    if above > 0 {
        painter.title(model);
    }
    if above > 1 {
        painter.heads(&columns);
    }
    let (_, top, cursor) = model.position();
    for (number, view) in model.views().iter().enumerate() {
        let Ok(line) = u16::try_from(number) else {
            break;
        };
        if line >= area.height - above - below {
            break;
        }
        painter.row(above + line, view, &columns, top + number == cursor);
    }
    if model.views().is_empty() && area.height > above + below {
        let text = match model.filter.as_str() {
            "" => "There is nothing to show.",
            _ => "No path contains the text. Esc shows all paths again.",
        };
        painter.text(0, above, text, area.width, theme.dim());
    }
    if below > 0 {
        painter.foot(model);
    }
    if model.mode == Mode::Help {
        painter.help();
    }
}

/// Where columns begin, and how wide they are. 0 leaves one out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Columns {
    label: u16,
    value: u16,
    curve: u16,
    rate: u16,
    type_name: u16,
}

impl Columns {
    fn of(width: u16, views: &[RowView]) -> Self {
        let curve = match width {
            0..56 => 0,
            56..100 => 12,
            _ => 24,
        };
        let rate = if width < 40 { 0 } else { 9 };
        let longest = |of: fn(&RowView) -> usize| views.iter().map(of).max().unwrap_or(0);
        let type_name = match width {
            ..100 => 0,
            _ => longest(|view| view.type_name.width()).clamp(8, 32) as u16,
        };
        // In steps, so that columns rarely move.
        let label = longest(|view| 4 + 2 * view.depth + view.label.width());
        let label = (label.div_ceil(4) * 4).clamp(12, usize::from(width / 5 * 2).max(12)) as u16;
        let others = [label, curve, rate, type_name];
        let gaps = others.iter().filter(|width| **width > 0).count() as u16;
        let value = width.saturating_sub(others.iter().sum::<u16>() + gaps);
        Self {
            label,
            value,
            curve,
            rate,
            type_name,
        }
    }
}

struct Painter<'a> {
    theme: Theme,
    area: Rect,
    buffer: &'a mut Buffer,
}

impl Painter<'_> {
    /// Draws text into one line, cut to `width` columns. Returns the columns that it takes.
    fn text(&mut self, x: u16, y: u16, text: &str, width: u16, style: Style) -> u16 {
        let width = width.min(self.area.width.saturating_sub(x));
        if width == 0 || y >= self.area.height {
            return 0;
        }
        let text = match self.theme.is_ascii {
            true => ascii(text),
            false => text.to_owned(),
        };
        let text = cut(&text, usize::from(width), self.theme.ellipsis());
        let (x, y) = (self.area.x + x, self.area.y + y);
        let (end, _) = self
            .buffer
            .set_stringn(x, y, &text, usize::from(width), style);
        end - x
    }

    /// Draws text that ends at the column `end`. Returns where it begins.
    fn text_before(&mut self, end: u16, y: u16, text: &str, style: Style) -> u16 {
        let x = end.saturating_sub(text.width() as u16);
        self.text(x, y, text, end - x, style);
        x
    }

    /// The name and type, how the segment is doing, and its processes.
    fn title(&mut self, model: &Model) {
        let (status, width) = (&model.status, self.area.width);
        let attached = match status.attached.len() {
            0 => String::new(),
            _ => format!("attached: {}", status.attached.join(" ")),
        };
        let count = match status.attached.len() {
            0 => String::new(),
            1 => "1 attached".to_owned(),
            count => format!("{count} attached"),
        };
        let name = status.name.width() + 1;
        let room = usize::from(width).saturating_sub(name + 1);
        let with = |processes: &str| match processes {
            "" => status.state.clone(),
            _ => format!("{}, {processes}", status.state),
        };
        // The longest that leaves room for a part of the type.
        let right = [with(&attached), with(&count), status.state.clone()]
            .into_iter()
            .find(|text| text.width() + status.type_name.width().min(8) < room)
            .unwrap_or_else(|| status.state.clone());
        let end = self.text_before(width, 0, &right, self.theme.health(status.health));
        let end = end.saturating_sub(1);
        let x = self.text(0, 0, &status.name, end, self.theme.name()) + 1;
        let style = self.theme.type_name();
        self.text(x, 0, &status.type_name, end.saturating_sub(x), style);
    }

    fn heads(&mut self, columns: &Columns) {
        let mut x = 0;
        for (title, width) in [
            ("    part", columns.label),
            ("value", columns.value),
            ("last samples", columns.curve),
            ("     rate", columns.rate),
            ("type", columns.type_name),
        ] {
            if width > 0 {
                let title = format!("{title:<width$}", width = usize::from(width));
                self.text(x, 1, &title, width, self.theme.head());
                x += width + 1;
            }
        }
    }

    fn row(&mut self, y: u16, view: &RowView, columns: &Columns, has_cursor: bool) {
        let theme = self.theme;
        let label = theme.label(has_cursor);
        if has_cursor {
            self.text(0, y, theme.cursor(), 1, theme.name());
        }
        let indent = 2 + 2 * view.depth as u16;
        // Deep inside, the beginning of the label counts more than where it is.
        let indent = indent.min((columns.label / 2).max(2));
        let fold = match view.fold {
            Fold::Leaf => " ",
            Fold::Closed => theme.closed(),
            Fold::Open => theme.open(),
        };
        self.text(indent, y, fold, 1, theme.dim());
        let width = columns.label.saturating_sub(indent + 2);
        self.text(indent + 2, y, &view.label, width, label);

        let mut x = columns.label + 1;
        self.text(
            x,
            y,
            &view.text,
            columns.value,
            theme.value(view.kind, view.age),
        );
        x += columns.value + 1;
        if columns.curve > 0 {
            // Rates are from 0 on, so that a small change of one looks small.
            let least = view.rate.map(|_| 0.0);
            let bars = theme.bars_of(&view.curve, usize::from(columns.curve), least);
            // The newest is always in the last column.
            self.text_before(x + columns.curve, y, &bars, theme.curve());
            x += columns.curve + 1;
        }
        if columns.rate > 0 {
            if let Some(rate) = view.rate {
                self.text_before(x + columns.rate, y, &per_second(rate), Style::new());
            }
            x += columns.rate + 1;
        }
        if columns.type_name > 0 {
            self.text(x, y, &view.type_name, columns.type_name, theme.type_name());
        }
    }

    /// What keys do, or what is typed; and where the view is.
    fn foot(&mut self, model: &Model) {
        let (theme, y, width) = (self.theme, self.area.height - 1, self.area.width);
        let (rows, _, cursor) = model.position();
        let mut right = format!(
            "{}  {}/{rows}",
            interval(model.interval()),
            (cursor + 1).min(rows)
        );
        if model.is_paused {
            right.insert_str(0, "paused  ");
        }
        let style = if model.is_paused {
            theme.notice()
        } else {
            theme.dim()
        };
        let end = match right.width() + 8 < usize::from(width) {
            true => self.text_before(width, y, &right, style).saturating_sub(2),
            false => width,
        };
        let (left, style) = match (&model.mode, &model.notice) {
            (Mode::Filter(_), _) => (
                format!("/{}_   Enter keeps, Esc cancels", model.filter),
                theme.notice(),
            ),
            (_, Some(notice)) => (notice.clone(), theme.notice()),
            _ if !model.filter.is_empty() && model.is_partial() => (
                format!("/{}  open an array to search in all of it", model.filter),
                theme.notice(),
            ),
            _ if !model.filter.is_empty() => {
                (format!("/{}  Esc shows all", model.filter), theme.notice())
            }
            _ => (
                "q quit  ? help  / filter  space pause  +- interval  s sort".to_owned(),
                theme.dim(),
            ),
        };
        self.text(0, y, &left, end, style);
    }

    fn help(&mut self) {
        let keys = KEYS.iter().map(|(key, _)| key.len()).max().unwrap_or(0);
        let texts = KEYS.iter().map(|(_, text)| text.len()).max().unwrap_or(0);
        let (width, height) = ((keys + texts + 6) as u16, KEYS.len() as u16 + 2);
        let area = self.area;
        let (width, height) = (width.min(area.width), height.min(area.height));
        let (left, top) = ((area.width - width) / 2, (area.height - height) / 2);
        let theme = self.theme;
        let blank = " ".repeat(usize::from(width));
        for y in top..top + height {
            // A text is drawn over what is there, with its style.
            let line = Rect::new(area.x + left, area.y + y, width, 1);
            self.buffer.set_style(line, Style::reset());
            self.text(left, y, &blank, width, Style::new());
        }
        let title = format!("{:<width$}", "  Keys", width = usize::from(width));
        self.text(left, top, &title, width, theme.head());
        let narrow = usize::from(width) < keys + texts + 6;
        for (line, (key, text)) in KEYS.iter().enumerate() {
            let y = top + 1 + line as u16;
            if y + 1 > top + height {
                break;
            }
            let inside = width.saturating_sub(2);
            let x = left + if narrow { 0 } else { 2 };
            self.text(x, y, key, inside, theme.name());
            let x = x + keys as u16 + if narrow { 1 } else { 2 };
            self.text(x, y, text, (left + width).saturating_sub(x), Style::new());
        }
    }
}

/// `text` in at most `width` columns, with an ellipsis at its end if it was longer.
fn cut(text: &str, width: usize, ellipsis: &str) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let room = width.saturating_sub(ellipsis.width());
    let mut used = 0;
    let mut out = String::new();
    for char in text.chars() {
        used += char.width().unwrap_or(0);
        if used > room {
            break;
        }
        out.push(char);
    }
    out.push_str(ellipsis);
    out
}

/// `text` with escapes for all other characters.
fn ascii(text: &str) -> String {
    let mut out = String::new();
    for char in text.chars() {
        match char.is_ascii() {
            true => out.push(char),
            false => out.extend(char.escape_unicode()),
        }
    }
    out
}

fn interval(interval: Duration) -> String {
    match interval.as_millis() {
        ..1000 => format!("{} ms", interval.as_millis()),
        _ => format!("{} s", interval.as_secs_f64()),
    }
}

/// `998/s`, `1.25k/s`.
fn per_second(rate: f64) -> String {
    let (scaled, unit) = match rate {
        ..999.5 => (rate, ""),
        ..999_500.0 => (rate / 1e3, "k"),
        ..999_500_000.0 => (rate / 1e6, "M"),
        _ => (rate / 1e9, "G"),
    };
    format!("{}{unit}/s", three_digits(scaled))
}
