//! Columns.

use std::io::{self, Write};

use anstyle::Style;
use unicode_width::UnicodeWidthStr;

use super::style;

/// Where the text of a column begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// Rows of cells, in columns as wide as their widest cell. The last column may be wider than the terminal.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<(String, Style)>>,
}

impl Table {
    pub(crate) const fn new(columns: Vec<(&'static str, Align)>) -> Self {
        Self {
            columns,
            rows: Vec::new(),
        }
    }

    /// Adds a row, with a cell for each column.
    pub(crate) fn row(&mut self, cells: Vec<(String, Style)>) {
        debug_assert_eq!(cells.len(), self.columns.len());
        self.rows.push(cells);
    }

    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|column| {
                let cells = self.rows.iter().map(|row| row[column].0.width());
                cells
                    .chain([self.columns[column].0.width()])
                    .max()
                    .unwrap_or(0)
            })
            .collect();
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

    fn line<'a>(
        &self,
        out: &mut dyn Write,
        widths: &[usize],
        cells: impl Iterator<Item = (&'a str, Style)>,
    ) -> io::Result<()> {
        let last = widths.len().saturating_sub(1);
        for (column, (text, style)) in cells.enumerate() {
            let gap = " ".repeat(widths[column] - text.width());
            let styled = format!("{style}{text}{style:#}");
            match (self.columns[column].1, column == last) {
                (Align::Right, _) => write!(out, "{gap}{styled}")?,
                (Align::Left, true) => write!(out, "{styled}")?,
                (Align::Left, false) => write!(out, "{styled}{gap}")?,
            }
            if column != last {
                write!(out, "  ")?;
            }
        }
        writeln!(out)
    }
}
