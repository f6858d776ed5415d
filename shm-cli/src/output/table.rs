//! Columns.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write};

use anstyle::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::style;

/// Where the text of a column begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// Spaces between columns.
const GAP: usize = 2;

/// Rows of cells, in columns as wide as their widest cell, unless they are made to [`fit`](Table::fit).
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<(&'static str, Align)>,
    /// The cells of all rows, one row after the other.
    cells: Vec<Cell>,
    fit: Option<Fit>,
}

#[derive(Debug)]
struct Cell {
    text: String,
    style: Style,
    width: usize,
}

impl Cell {
    fn new(text: String, style: Style) -> Self {
        let width = width(&text);
        Self { text, style, width }
    }
}

/// What is cut if the lines are too long.
#[derive(Debug)]
struct Fit {
    width: usize,
    /// The columns to make narrower, in this order, and the least width of each.
    columns: Vec<(usize, usize)>,
}

impl Table {
    pub(crate) const fn new(columns: Vec<(&'static str, Align)>) -> Self {
        Self {
            columns,
            cells: Vec::new(),
            fit: None,
        }
    }

    /// Cuts the text in `columns` where lines would be longer than `width`: that of the first to its least width, then that of
    /// the next.
    pub(crate) fn fit(&mut self, width: usize, columns: Vec<(usize, usize)>) {
        self.fit = Some(Fit { width, columns });
    }

    /// The length of the longest line if the text in `columns` is cut to their least widths.
    pub(crate) fn least_width(&self, columns: &[(usize, usize)]) -> usize {
        let widths = self.widths();
        let less = columns
            .iter()
            .map(|(column, least)| widths[*column].saturating_sub(*least));
        self.width() - less.sum::<usize>()
    }

    /// The length of the longest line, uncut.
    fn width(&self) -> usize {
        let widths = self.widths();
        widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1)
    }

    /// Adds a row, with a cell for each column.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = (String, Style)>) {
        let cells = cells
            .into_iter()
            .map(|(text, style)| Cell::new(text, style));
        self.cells.extend(cells);
        debug_assert!(self.cells.len().is_multiple_of(self.columns.len()));
    }

    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut widths = self.widths();
        if let Some(fit) = &self.fit {
            let mut excess = self.width().saturating_sub(fit.width);
            for (column, least) in &fit.columns {
                let less = widths[*column].saturating_sub(*least).min(excess);
                widths[*column] -= less;
                excess -= less;
            }
        }
        let titles = self.columns.iter();
        let head: Vec<Cell> = titles
            .map(|(title, _)| Cell::new((*title).to_owned(), style::HEAD))
            .collect();
        let mut line = String::new();
        for row in std::iter::once(&head[..]).chain(self.cells.chunks(self.columns.len())) {
            line.clear();
            self.add_line(&mut line, &widths, row);
            out.write_all(line.as_bytes())?;
        }
        Ok(())
    }

    fn widths(&self) -> Vec<usize> {
        let titles = self.columns.iter();
        let mut widths: Vec<usize> = titles.map(|(title, _)| width(title)).collect();
        for row in self.cells.chunks(widths.len()) {
            for (cell, width) in row.iter().zip(&mut widths) {
                *width = cell.width.max(*width);
            }
        }
        widths
    }

    fn add_line(&self, line: &mut String, widths: &[usize], cells: &[Cell]) {
        let last = widths.len().saturating_sub(1);
        for (column, cell) in cells.iter().enumerate() {
            let text = match cell.width > widths[column] {
                true => cut(&cell.text, widths[column]),
                false => Cow::Borrowed(cell.text.as_str()),
            };
            let gap = widths[column].saturating_sub(match text {
                Cow::Borrowed(_) => cell.width,
                Cow::Owned(ref text) => width(text),
            });
            let spaces = |count| std::iter::repeat_n(' ', count);
            let align = self.columns[column].1;
            if align == Align::Right {
                line.extend(spaces(gap));
            }
            if cell.style.is_plain() {
                line.push_str(&text);
            } else {
                let style = cell.style;
                // A `String` takes any text.
                let _ = write!(line, "{style}{text}{style:#}");
            }
            if column != last {
                let after = if align == Align::Left { gap } else { 0 };
                line.extend(spaces(after + GAP));
            }
        }
        line.push('\n');
    }
}

/// Columns that a text takes on a terminal.
fn width(text: &str) -> usize {
    // Most text is of characters that take a column each.
    match text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        true => text.len(),
        false => text.width(),
    }
}

/// The beginning of a text, with `…` if it is longer than `width` columns.
pub(crate) fn cut(text: &str, width: usize) -> Cow<'_, str> {
    if self::width(text) <= width {
        return text.into();
    }
    let mut out = String::new();
    let mut columns = 0;
    for character in text.chars() {
        columns += character.width().unwrap_or(0);
        // One is for the mark.
        if columns >= width {
            break;
        }
        out.push(character);
    }
    if width > 0 {
        out.push('…');
    }
    out.into()
}

/// [`cut`] for a line with styles, which take no columns.
pub(crate) fn cut_styled(line: &str, width: usize) -> Cow<'_, str> {
    let plain = anstream::adapter::strip_str(line).to_string();
    if plain.width() <= width {
        return line.into();
    }
    let kept = cut(&plain, width);
    let mut kept = kept.strip_suffix('…').unwrap_or(&kept).chars();
    let mut out = String::new();
    let mut rest = line.chars();
    let mut is_cut = false;
    while let Some(character) = rest.next() {
        if character == '\u{1b}' {
            // Styles are kept to the end of the line, so that none stays on.
            out.push(character);
            for of_style in rest.by_ref() {
                out.push(of_style);
                if of_style == 'm' {
                    break;
                }
            }
        } else if !is_cut {
            match kept.next() {
                Some(_) => out.push(character),
                None => {
                    out.push('…');
                    is_cut = true;
                }
            }
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(table: &Table) -> String {
        let mut out = Vec::new();
        table.write(&mut out).unwrap();
        anstream::adapter::strip_bytes(&out)
            .into_vec()
            .try_into()
            .unwrap()
    }

    #[test]
    fn columns_are_cut_in_their_order_to_fit() {
        let mut table = Table::new(vec![
            ("NAME", Align::Left),
            ("SIZE", Align::Right),
            ("TYPE", Align::Left),
        ]);
        let cell = |text: &str| (text.to_owned(), Style::new());
        table.row([cell("/long_name"), cell("4 KiB"), cell("Telemetry")]);
        table.row([cell("/x"), cell("123 KiB"), cell("T")]);
        let uncut = "\
NAME           SIZE  TYPE
/long_name    4 KiB  Telemetry
/x          123 KiB  T
";
        assert_eq!(written(&table), uncut);
        assert_eq!(table.width(), 30);
        table.fit(30, vec![(2, 4), (0, 6)]);
        assert_eq!(written(&table), uncut);
        table.fit(22, vec![(2, 4), (0, 6)]);
        assert_eq!(
            written(&table),
            "\
NAME        SIZE  TYPE
/long_…    4 KiB  Tel…
/x       123 KiB  T
"
        );
    }

    #[test]
    fn text_is_cut_at_its_width_on_the_terminal() {
        for (text, width, wanted) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("🦀🦀🦀", 5, "🦀🦀…"),
            ("🦀🦀🦀", 4, "🦀…"),
            ("ab", 1, "…"),
            ("ab", 0, ""),
        ] {
            assert_eq!(cut(text, width), wanted, "{text} {width}");
        }
    }

    #[test]
    fn styles_take_no_columns_and_end_after_a_cut() {
        let bold = style::HEAD;
        let line = format!("{bold}abc{bold:#} {bold}def{bold:#}");
        assert_eq!(cut_styled(&line, 7), line);
        assert_eq!(
            cut_styled(&line, 6),
            format!("{bold}abc{bold:#} {bold}d…{bold:#}")
        );
        assert_eq!(
            cut_styled(&line, 2),
            format!("{bold}a…{bold:#}{bold}{bold:#}")
        );
    }
}
