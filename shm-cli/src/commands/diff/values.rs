//! Compares the values of two segments.

use std::borrow::Cow;

use shm_core::dynamic::{DynCell, DynError, DynValue};

use crate::observe::places;
use crate::output::{bare, number};

/// The most differences that are kept. All are counted.
const MOST: usize = 100;
/// The most elements that are read at once.
const CHUNK: usize = 1 << 16;

/// Parts whose values differ.
#[derive(Debug, Default)]
pub(super) struct Differences {
    pub(super) kept: Vec<Difference>,
    /// The number of values that differ.
    pub(super) count: u64,
    /// Parts that could not be compared, and why.
    pub(super) unread: Vec<(String, String)>,
    /// Fields that one side does not have. The elements of an array are one field.
    pub(super) left_out: Vec<LeftOut>,
    /// Whether there was anything to compare.
    is_common: bool,
}

/// A field of one side only.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LeftOut {
    pub(super) path: String,
    /// `first` or `second`.
    pub(super) only_in: &'static str,
}

/// A part, or several elements of an array, whose values differ.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) path: String,
    pub(super) first: String,
    pub(super) second: String,
}

impl Differences {
    /// Whether the sides have fields, and none of them is on both.
    pub(super) fn nothing_common(&self) -> bool {
        !self.is_common && !self.left_out.is_empty() && self.unread.is_empty()
    }

    /// Notes the fields that are on one side only.
    fn left_out<'a>(
        &mut self,
        path: &str,
        first: impl Iterator<Item = &'a str> + Clone,
        second: impl Iterator<Item = &'a str> + Clone,
    ) {
        let firsts = first.clone().map(|name| (name, "first"));
        let seconds = second.clone().map(|name| (name, "second"));
        for (name, only_in) in firsts.chain(seconds) {
            let mut others: Box<dyn Iterator<Item = &str>> = match only_in {
                "first" => Box::new(second.clone()),
                _ => Box::new(first.clone()),
            };
            if others.any(|other| other == name) {
                self.is_common = true;
                continue;
            }
            let path = field_of(&of_all_elements(path), name);
            let left_out = LeftOut { path, only_in };
            if self.left_out.len() < MOST && !self.left_out.contains(&left_out) {
                self.left_out.push(left_out);
            }
        }
    }

    fn add(&mut self, path: &str, first: &DynValue, second: &DynValue) {
        self.push(path.to_owned(), 1, first.to_string(), second.to_string());
    }

    fn push(&mut self, path: String, count: u64, first: String, second: String) {
        self.count += count;
        if self.kept.len() < MOST {
            self.kept.push(Difference {
                path: match path.as_str() {
                    "" => ".".to_owned(),
                    _ => path,
                },
                first,
                second,
            });
        }
    }

    /// Compares two parts that have the same name.
    pub(super) fn cells(&mut self, first: &DynCell, second: &DynCell) {
        let path = match first.path() {
            "." => String::new(),
            path => path.to_owned(),
        };
        let error = match (first.get(), second.get()) {
            (Ok(a), Ok(b)) => return self.values(&path, &a, &b),
            (Err(error), _) | (_, Err(error)) => error,
        };
        // A part that is too large, or has a value that is not valid, has smaller parts.
        if self.split(first, second).is_none() {
            self.unread(path, &error);
        }
    }

    fn unread(&mut self, path: String, error: &DynError) {
        let path = match path.as_str() {
            "" => ".".to_owned(),
            _ => path,
        };
        if self.unread.len() < MOST {
            self.unread.push((path, error.to_string()));
        }
    }

    /// Compares the parts of two parts. `None` if they have none.
    fn split(&mut self, first: &DynCell, second: &DynCell) -> Option<()> {
        if let (Ok(Some(a)), Ok(Some(b))) = (first.len(), second.len()) {
            if a != b {
                self.lengths(first.path().to_owned(), a, b);
            }
            let mut len = a.min(b);
            if len > 1 {
                let of = |cell: &DynCell| Some(places(cell.index(0).ok()?.layout(), len));
                len = of(first)?.max(of(second)?);
            }
            return self.elements(first, second, 0, len, CHUNK);
        }
        let names = first.field_names();
        let others = second.field_names();
        let path = match first.path() {
            "." => "",
            path => path,
        };
        self.left_out(path, names.iter().copied(), others.iter().copied());
        // What two structs have in common may be nothing.
        let mut is_split = (!names.is_empty() && !others.is_empty()).then_some(());
        for name in names.into_iter().filter(|name| others.contains(name)) {
            if let (Ok(a), Ok(b)) = (first.field(name), second.field(name)) {
                self.cells(&a, &b);
                is_split = Some(());
            }
        }
        is_split
    }

    /// Compares the elements `from..to`, at most `chunk` of them at once.
    fn elements(
        &mut self,
        first: &DynCell,
        second: &DynCell,
        from: usize,
        to: usize,
        chunk: usize,
    ) -> Option<()> {
        let mut next = from;
        while next < to {
            let end = to.min(next + chunk);
            let range = format!("[{next}..{end}]");
            let read = |cell: &DynCell| cell.at(&range).and_then(|part| part.get());
            match (read(first), read(second)) {
                (Ok(DynValue::List(a)), Ok(DynValue::List(b))) => {
                    let path = match first.path() {
                        "." => "",
                        path => path,
                    };
                    self.lists(path, next, &a, &b);
                }
                _ if end - next > 1 => {
                    self.elements(first, second, next, end, (end - next).div_ceil(16))?;
                }
                _ => self.cells(&first.index(next).ok()?, &second.index(next).ok()?),
            }
            next = end;
        }
        Some(())
    }

    fn lengths(&mut self, path: String, first: usize, second: usize) {
        self.push(path, 1, number::elements(first), number::elements(second));
    }

    fn values(&mut self, path: &str, first: &DynValue, second: &DynValue) {
        match (first, second) {
            (DynValue::Struct(a), DynValue::Struct(b)) => {
                let mut common = 0;
                for (name, of_first) in a {
                    let Some(of_second) = second.field(name) else {
                        continue;
                    };
                    common += 1;
                    self.is_common = true;
                    self.values(&field_of(path, name), of_first, of_second);
                }
                if common < a.len().max(b.len()) {
                    self.left_out(path, names_of(a), names_of(b));
                }
            }
            (DynValue::List(a), DynValue::List(b)) => {
                if a.len() != b.len() {
                    self.lengths(path.to_owned(), a.len(), b.len());
                }
                self.lists(path, 0, a, b);
            }
            _ => {
                self.is_common = true;
                if !is_same(first, second) {
                    self.add(path, first, second);
                }
            }
        }
    }

    /// Compares elements from number `from` on. Neighbors that differ are one difference.
    fn lists(&mut self, path: &str, from: usize, first: &[DynValue], second: &[DynValue]) {
        let mut next = 0;
        let len = first.len().min(second.len());
        while next < len {
            let is_leaf =
                |value: &DynValue| !matches!(value, DynValue::Struct(_) | DynValue::List(_));
            if !is_leaf(&first[next]) || !is_leaf(&second[next]) {
                let path = format!("{path}[{}]", from + next);
                self.values(&path, &first[next], &second[next]);
                next += 1;
                continue;
            }
            self.is_common = true;
            let run = (next..len)
                .take_while(|at| is_leaf(&first[*at]) && !is_same(&first[*at], &second[*at]));
            let run = run.count();
            match run {
                0 => next += 1,
                1 => {
                    let path = format!("{path}[{}]", from + next);
                    self.add(&path, &first[next], &second[next]);
                    next += 1;
                }
                _ => {
                    let path = format!("{path}[{}..{}]", from + next, from + next + run);
                    let text = |all: &[DynValue]| some(&all[next..next + run]);
                    self.push(path, run as u64, text(first), text(second));
                    next += run;
                }
            }
        }
    }
}

fn names_of<'a>(
    fields: &'a [(Cow<'static, str>, DynValue)],
) -> impl Iterator<Item = &'a str> + Clone {
    fields.iter().map(|(name, _)| name.as_ref())
}

/// The path of a field of a part.
fn field_of(path: &str, name: &str) -> String {
    let name = bare(name);
    match path {
        "" => name,
        path => format!("{path}.{name}"),
    }
}

/// `path` with `[..]` for the number of each element.
fn of_all_elements(path: &str) -> String {
    let mut out = String::new();
    let mut is_quoted = false;
    let mut characters = path.chars().peekable();
    while let Some(character) = characters.next() {
        out.push(character);
        match character {
            '\\' if is_quoted => out.extend(characters.next()),
            '`' => is_quoted = !is_quoted,
            '[' if !is_quoted => {
                while characters.next_if(|of| *of != ']').is_some() {}
                out.push_str("..");
            }
            _ => {}
        }
    }
    out
}

/// The first elements of a list.
fn some(all: &[DynValue]) -> String {
    const FEW: usize = 4;

    let shown: Vec<String> = all.iter().take(FEW).map(DynValue::to_string).collect();
    let more = if all.len() > FEW { ", .." } else { "" };
    format!("[{}{more}]", shown.join(", "))
}

/// Whether two leaves are the same, as bits.
fn is_same(first: &DynValue, second: &DynValue) -> bool {
    match (first, second) {
        (DynValue::F32(a), DynValue::F32(b)) => a.to_bits() == b.to_bits(),
        (DynValue::F64(a), DynValue::F64(b)) => a.to_bits() == b.to_bits(),
        _ => first == second,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(first: &str, second: &str) -> (u64, Vec<[String; 3]>) {
        let mut all = Differences::default();
        all.values("", &first.parse().unwrap(), &second.parse().unwrap());
        let kept = all.kept.into_iter();
        let kept = kept.map(|found| [found.path, found.first, found.second]);
        (all.count, kept.collect())
    }

    fn rows(all: &[[&str; 3]]) -> Vec<[String; 3]> {
        all.iter().map(|row| row.map(str::to_owned)).collect()
    }

    #[test]
    fn leaves_that_differ_are_listed_by_path() {
        let (count, found) = compared(
            "{a: 1, p: {x: 0.5, y: NaN}, m: Fast, only: 1}",
            "{a: 1, p: {x: -0.5, y: NaN}, m: Slow, other: 2}",
        );
        assert_eq!(count, 2);
        assert_eq!(
            found,
            rows(&[["p.x", "0.5", "-0.5"], ["m", "Fast", "Slow"]])
        );
        assert_eq!(compared("0.0", "-0.0").1, rows(&[[".", "0.0", "-0.0"]]));
    }

    #[test]
    fn elements_are_one_path_in_what_is_left_out() {
        let mut all = Differences::default();
        let [first, second] = ["[{x: 1, y: 2}, {x: 1, y: 2}]", "[{x: 1}, {x: 1}]"];
        all.values("p[3]", &first.parse().unwrap(), &second.parse().unwrap());
        assert_eq!(all.count, 0);
        let [left_out] = &all.left_out[..] else {
            panic!("{all:?}");
        };
        assert_eq!(left_out.path, "p[..][..].y");
        assert_eq!(left_out.only_in, "first");
        assert_eq!(of_all_elements("`a[1]`[12].b[#3]"), "`a[1]`[..].b[..]");
    }

    #[test]
    fn neighboring_elements_are_one_difference() {
        let (count, found) = compared(
            "{xs: [1, 2, 3, 4, 5, 6, 7, 8, 9], ps: [{x: 1}, {x: 2}]}",
            "{xs: [1, 0, 0, 0, 0, 0, 0, 8, 0], ps: [{x: 1}, {x: 3}]}",
        );
        assert_eq!(count, 8);
        assert_eq!(
            found,
            rows(&[
                ["xs[1..7]", "[2, 3, 4, 5, ..]", "[0, 0, 0, 0, ..]"],
                ["xs[8]", "9", "0"],
                ["ps[1].x", "2", "3"],
            ])
        );
    }

    #[test]
    fn lists_of_different_lengths_are_compared_as_far_as_they_go() {
        let (count, found) = compared("[1, 2, 3]", "[1, 5]");
        assert_eq!(count, 2);
        assert_eq!(
            found,
            rows(&[[".", "3 elements", "2 elements"], ["[1]", "2", "5"]])
        );
    }

    #[test]
    fn all_differences_are_counted_and_some_are_kept() {
        let list = |value: u32| {
            let all: Vec<String> = (0..1000).map(|_| format!("{{x: {value}}}")).collect();
            format!("[{}]", all.join(", "))
        };
        let (count, found) = compared(&list(1), &list(2));
        assert_eq!((count, found.len()), (1000, MOST));
    }
}
