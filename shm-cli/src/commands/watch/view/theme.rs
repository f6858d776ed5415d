//! Colors and characters, as far as the terminal has them.

use std::time::Duration;

use ratatui::style::{Color, Modifier, Style};

use super::super::model::{Health, Kind};
use super::FADE;

/// What the terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Theme {
    pub(in super::super) has_colors: bool,
    /// Only ASCII, for locales without Unicode.
    pub(in super::super) is_ascii: bool,
}

impl Theme {
    fn color(self, color: Color) -> Style {
        match self.has_colors {
            true => Style::new().fg(color),
            false => Style::new(),
        }
    }

    pub(super) fn name(self) -> Style {
        self.color(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    pub(super) fn type_name(self) -> Style {
        self.color(Color::LightBlue)
    }

    pub(super) fn head(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED)
    }

    pub(super) fn dim(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    pub(super) fn curve(self) -> Style {
        self.color(Color::Green)
    }

    pub(super) fn notice(self) -> Style {
        self.color(Color::Yellow).add_modifier(Modifier::BOLD)
    }

    pub(super) fn health(self, health: Health) -> Style {
        match health {
            Health::Good => self.color(Color::Green),
            Health::Warn => self.color(Color::Yellow).add_modifier(Modifier::BOLD),
            Health::Bad => self.color(Color::Red).add_modifier(Modifier::BOLD),
        }
    }

    pub(super) fn label(self, has_cursor: bool) -> Style {
        match has_cursor {
            true => Style::new().add_modifier(Modifier::BOLD),
            false => Style::new(),
        }
    }

    /// Of a value that changed so long ago. The highlight fades in three steps.
    pub(super) fn value(self, kind: Kind, age: Option<Duration>) -> Style {
        let plain = match kind {
            Kind::Value => Style::new(),
            Kind::State => self.dim(),
            Kind::Problem => return self.color(Color::Red),
        };
        let Some(age) = age.filter(|age| *age < FADE) else {
            return plain;
        };
        let step = age.as_millis() * 4 / FADE.as_millis();
        match (self.has_colors, step) {
            (true, 0) => self.notice(),
            (true, 1) => self.color(Color::Yellow),
            (true, _) => self.color(Color::Yellow).add_modifier(Modifier::DIM),
            (false, 0) => Style::new().add_modifier(Modifier::REVERSED),
            (false, 1) => Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
            (false, _) => Style::new().add_modifier(Modifier::BOLD),
        }
    }

    pub(super) const fn cursor(self) -> &'static str {
        if self.is_ascii { ">" } else { "❯" }
    }

    pub(super) const fn closed(self) -> &'static str {
        if self.is_ascii { "+" } else { "▸" }
    }

    pub(super) const fn open(self) -> &'static str {
        if self.is_ascii { "-" } else { "▾" }
    }

    /// The end of a text that was cut.
    pub(super) const fn ellipsis(self) -> &'static str {
        if self.is_ascii { "~" } else { "…" }
    }

    /// Bars of a curve, the lowest first.
    const fn bars(self) -> [char; 8] {
        match self.is_ascii {
            true => ['_', '.', ':', '-', '=', '+', '*', '#'],
            false => ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'],
        }
    }

    /// The last `width` points as bars, from the least of them to the greatest. `least` is less than all of them.
    pub(super) fn bars_of(self, curve: &[Option<f64>], width: usize, least: Option<f64>) -> String {
        let points = &curve[curve.len().saturating_sub(width)..];
        let of = |fold: fn(f64, f64) -> f64| points.iter().flatten().copied().reduce(fold);
        let (Some(least_point), Some(most)) = (of(f64::min), of(f64::max)) else {
            return String::new();
        };
        let least = least.unwrap_or(least_point);
        let bars = self.bars();
        // The difference itself might be infinite.
        let span = most / 2.0 - least / 2.0;
        let bar = |point: &Option<f64>| match point {
            None => ' ',
            Some(point) if span > 0.0 => {
                let part = (point / 2.0 - least / 2.0) / span;
                bars[((part * 8.0) as usize).min(7)]
            }
            Some(_) => bars[0],
        };
        points.iter().map(bar).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASCII: Theme = Theme {
        has_colors: false,
        is_ascii: true,
    };

    #[test]
    fn bars_span_the_least_to_the_greatest() {
        let curve: Vec<_> = (0..8).map(|point| Some(f64::from(point))).collect();
        assert_eq!(ASCII.bars_of(&curve, 20, None), "_.:-=+*#");
        assert_eq!(ASCII.bars_of(&curve, 2, None), "_#");
        assert_eq!(ASCII.bars_of(&[Some(5.0), None, Some(5.0)], 8, None), "_ _");
        assert_eq!(ASCII.bars_of(&[None, None], 8, None), "");
        assert_eq!(
            ASCII.bars_of(&[Some(f64::MIN), Some(f64::MAX), Some(0.0)], 8, None),
            "_#="
        );
        assert_eq!(ASCII.bars_of(&[], 8, None), "");
        assert_eq!(ASCII.bars_of(&[Some(8.0), Some(10.0)], 8, Some(0.0)), "*#");
        assert_eq!(ASCII.bars_of(&[Some(0.0), None], 8, Some(0.0)), "_ ");
    }

    #[test]
    fn highlights_fade() {
        for has_colors in [false, true] {
            let theme = Theme {
                has_colors,
                is_ascii: false,
            };
            let style =
                |milliseconds| theme.value(Kind::Value, Some(Duration::from_millis(milliseconds)));
            let steps = [0, 600, 1500, 2500].map(style);
            for pair in steps.windows(2) {
                assert_ne!(pair[0], pair[1]);
            }
            assert_eq!(steps[3], Style::new());
            assert_eq!(theme.value(Kind::Value, None), Style::new());
            let uses_color = steps.iter().any(|style| style.fg.is_some());
            assert_eq!(uses_color, has_colors);
        }
    }
}
