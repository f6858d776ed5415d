//! Compares the values of two segments.

use std::borrow::Cow;
use std::collections::HashSet;

use shm_core::dynamic::{DynCell, DynError, DynValue};

use crate::observe::{is_same, places};
use crate::output::{bare, number};

/// The most differences that are kept. All are counted.
const MOST: usize = 100;
/// The most elements that are read at once.
const CHUNK: usize = 1 << 16;
/// The values that are compared for each byte, and in any case. A schema can put any number of values into a byte, of which most
/// have no bytes.
const PER_BYTE: u64 = 8;
const LEAST: u64 = 1 << 18;
/// To look up so many fields costs as much as a value.
const FIELDS: u64 = 64;

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
    /// How many values are still compared.
    left: u64,
    /// Whether there were more.
    is_cut: bool,
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
        let of_first: HashSet<&str> = first.clone().collect();
        let of_second: HashSet<&str> = second.clone().collect();
        let firsts = first.map(|name| (name, "first"));
        let seconds = second.map(|name| (name, "second"));
        for (name, only_in) in firsts.chain(seconds) {
            let others = match only_in {
                "first" => &of_second,
                _ => &of_first,
            };
            if others.contains(name) {
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

    /// The values of two segments, with so many bytes in both.
    pub(super) fn between(first: &DynCell, second: &DynCell, bytes: u64) -> Self {
        let mut all = Self {
            left: bytes.saturating_mul(PER_BYTE).saturating_add(LEAST),
            ..Self::default()
        };
        all.cells(first, second);
        all
    }

    const fn spend(&mut self, values: u64) {
        self.left = self.left.saturating_sub(values);
    }

    /// Whether there was enough, before the part `of`. It is noted once.
    fn is_over(&mut self, of: &DynCell) -> bool {
        if self.left == 0 && !self.is_cut {
            self.is_cut = true;
            let too_many = "it and what follows have too many values for so few bytes";
            self.unread
                .push((of.path().to_owned(), too_many.to_owned()));
        }
        self.left == 0
    }

    /// Reads a part of each side.
    fn read(
        &mut self,
        first: Result<DynCell, DynError>,
        second: Result<DynCell, DynError>,
    ) -> Result<(DynValue, DynValue), DynError> {
        let values = first?.get().and_then(|a| Ok((a, second?.get()?)));
        // What was read in vain is not more than what is read instead.
        if let Ok((a, b)) = &values {
            self.spend(count(a) + count(b));
        }
        values
    }

    /// Compares two parts that have the same name.
    fn cells(&mut self, first: &DynCell, second: &DynCell) {
        if self.is_over(first) {
            return;
        }
        self.spend(1 + first.path().len() as u64 / FIELDS);
        let path = match first.path() {
            "." => String::new(),
            path => path.to_owned(),
        };
        let error = match self.read(Ok(first.clone()), Ok(second.clone())) {
            Ok((a, b)) => return self.values(&path, &a, &b),
            Err(error) => error,
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
        let others: HashSet<&str> = others.into_iter().collect();
        for (before, name) in names.into_iter().enumerate() {
            // It is found by its name.
            self.spend(1 + before as u64 / FIELDS);
            if !others.contains(name) {
                continue;
            }
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
        while next < to && !self.is_over(first) {
            self.spend(1);
            let end = to.min(next + chunk);
            let range = format!("[{next}..{end}]");
            match self.read(first.at(&range), second.at(&range)) {
                Ok((DynValue::List(a), DynValue::List(b))) => {
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
                for (number, (name, of_first)) in a.iter().enumerate() {
                    // Most types have the same fields in the same order.
                    let of_second = match b.get(number) {
                        Some((same, value)) if same == name => Some(value),
                        _ => second.field(name),
                    };
                    let Some(of_second) = of_second else {
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
                // Most are the same, and need no path.
                if is_same(&first[next], &second[next]) {
                    self.is_common |= is_something(&first[next]);
                    next += 1;
                    continue;
                }
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

/// How many values there are, counting lists and structs, and what the names in them cost.
fn count(value: &DynValue) -> u64 {
    match value {
        DynValue::List(elements) => 1 + elements.iter().map(count).sum::<u64>(),
        DynValue::Struct(fields) => {
            let fields = fields.iter();
            1 + fields
                .map(|(name, value)| name.len() as u64 / FIELDS + count(value))
                .sum::<u64>()
        }
        _ => 1,
    }
}

/// The first elements of a list.
fn some(all: &[DynValue]) -> String {
    const FEW: usize = 4;

    let shown: Vec<String> = all.iter().take(FEW).map(DynValue::to_string).collect();
    let more = if all.len() > FEW { ", .." } else { "" };
    format!("[{}{more}]", shown.join(", "))
}

/// Whether a value has fields, or is a leaf or has one.
fn is_something(value: &DynValue) -> bool {
    match value {
        DynValue::List(elements) => elements.iter().any(is_something),
        DynValue::Struct(fields) => !fields.is_empty(),
        _ => true,
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
    fn values_without_bytes_are_not_compared_without_end() {
        use shm_core::ShmLayout;
        use shm_core::dynamic::DynSegment;

        #[derive(Clone, Copy, ShmLayout)]
        #[repr(C)]
        struct Hollow {
            number: u8,
            none: [[u8; 0]; 1000],
        }
        #[derive(ShmLayout)]
        #[repr(C)]
        struct Both {
            endless: [[u16; 0]; 1 << 40],
            few: [Hollow; 10],
            many: [Hollow; 2000],
        }
        let name = format!("/cli-diff-hollow-{}", std::process::id());
        let shm = Both::create(&name).unwrap();
        let first = DynSegment::attach_read_only(&name).unwrap();
        let second = std::env::temp_dir().join(&name[1..]);
        first
            .dump_sparse(std::fs::File::create(&second).unwrap())
            .unwrap();
        shm.few[3].number.set(1);
        let dump = DynSegment::open(&second);
        std::fs::remove_file(second).unwrap();
        let dump = dump.unwrap();
        let all = Differences::between(&first.at(".").unwrap(), &dump.at(".").unwrap(), 10_000);
        assert_eq!((all.count, all.left), (1, 0));
        assert_eq!(all.kept[0].path, "few[3].number");
        // Two million values without bytes were too many, which is noted once.
        let [(path, _)] = &all.unread[..] else {
            panic!("{:?}", all.unread);
        };
        assert_eq!(path, "many");
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
