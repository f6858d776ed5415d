//! Columns.

use std::borrow::Cow;
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
    rows: Vec<Vec<(String, Style)>>,
    fit: Option<Fit>,
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
            rows: Vec::new(),
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
    pub(crate) fn row(&mut self, cells: Vec<(String, Style)>) {
        debug_assert_eq!(cells.len(), self.columns.len());
        self.rows.push(cells);
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
        let head = self.columns.iter().map(|(title, _)| (*title, style::HEAD));
        self.line(out, &widths, head)?;
        for row in &self.rows {
            self.line(
                out,
                &widths,
                row.iter().map(|(text, style)| (text.as_str(), *style)),
            )?;
        }
        Ok(())
    }

    fn widths(&self) -> Vec<usize> {
        let of_column = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].0.width());
            let head = self.columns[column].0.width();
            cells.max().unwrap_or(0).max(head)
        };
        (0..self.columns.len()).map(of_column).collect()
    }

    fn line<'a>(
        &self,
        out: &mut dyn Write,
        widths: &[usize],
        cells: impl Iterator<Item = (&'a str, Style)>,
    ) -> io::Result<()> {
        let last = widths.len().saturating_sub(1);
        for (column, (text, style)) in cells.enumerate() {
            let text = cut(text, widths[column]);
            let gap = " ".repeat(widths[column] - text.width());
            let styled = format!("{style}{text}{style:#}");
            match (self.columns[column].1, column == last) {
                (Align::Right, _) => write!(out, "{gap}{styled}")?,
                (Align::Left, true) => write!(out, "{styled}")?,
                (Align::Left, false) => write!(out, "{styled}{gap}")?,
            }
            if column != last {
                write!(out, "{:GAP$}", "")?;
            }
        }
        writeln!(out)
    }
}

/// The beginning of a text, with `…` if it is longer than `width` columns.
pub(crate) fn cut(text: &str, width: usize) -> Cow<'_, str> {
    if text.width() <= width {
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
        table.row(vec![cell("/long_name"), cell("4 KiB"), cell("Telemetry")]);
        table.row(vec![cell("/x"), cell("123 KiB"), cell("T")]);
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
