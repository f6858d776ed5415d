//! The parts of a part: what each step of a path leads to.

use super::DynCell;
use crate::dynamic::error::DynError;
use crate::dynamic::name::Name;
use crate::dynamic::path::{Step, elements};
use crate::dynamic::segment::Handle;
use crate::error::InvalidValue;
use crate::layout::{
    FieldLayout, LayoutKind, QueueLayout, SeqLockLayout, TypeLayout, TypeName, meaning,
};
use crate::shm_layout::ShmLayout;

/// A part of the payload.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// The layout, or that of an element if `len` is set.
    pub(super) layout: &'static TypeLayout,
    /// The offset from the base.
    pub(super) offset: usize,
    /// The number of elements, if the part is several elements of an array, a slice or a vector.
    pub(super) len: Option<usize>,
    pub(super) base: Base,
    /// Whose words it is among, if it is among the words of a type of this library.
    pub(super) words_of: Option<&'static TypeLayout>,
    /// The offsets of the mutexes around it, the outermost first.
    pub(super) mutexes: Vec<usize>,
}

/// What an offset counts from.
#[derive(Clone, Copy)]
pub(super) enum Base {
    Payload,
    /// The committed value of a sequence lock at an offset in the payload.
    SeqLock {
        at: usize,
        of: &'static TypeLayout,
        lock: SeqLockLayout,
    },
    /// A message of the queue at an offset in the payload.
    Message {
        at: usize,
        of: &'static TypeLayout,
        queue: QueueLayout,
        number: u64,
    },
}

impl std::fmt::Debug for Base {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Payload => f.write_str("Payload"),
            Self::SeqLock { at, .. } => write!(f, "SeqLock({at})"),
            Self::Message { at, number, .. } => write!(f, "Message({at}, {number})"),
        }
    }
}

/// Why a step leads nowhere.
pub(super) enum Missing {
    /// There is no such part, but what the text says.
    Part(String),
    /// The length of the vector that the step leads into is invalid, or was not read.
    Bytes(DynError),
}

impl From<DynError> for Missing {
    fn from(error: DynError) -> Self {
        Self::Bytes(error)
    }
}

impl Part {
    pub(super) fn whole(layout: &'static TypeLayout) -> Self {
        Self {
            layout,
            offset: 0,
            len: None,
            base: Base::Payload,
            words_of: None,
            mutexes: Vec::new(),
        }
    }

    /// Elements of the trailing slice, if the part has one: only the payload and the slice itself do.
    pub(super) fn tail(&self, handle: &Handle) -> usize {
        match self.layout.tail_stride() {
            Some(_) => handle.tail(),
            None => 0,
        }
    }

    fn inside(&self, offset: usize, layout: &'static TypeLayout) -> Self {
        Self {
            layout,
            offset: self.offset + offset,
            len: None,
            ..self.clone()
        }
    }

    /// The value in a `Mutex` or a `SeqLock`, or the parts of a type that this library does not know.
    fn held(&self) -> Option<Self> {
        let LayoutKind::Meaning { meaning, inner, .. } = self.layout.kind() else {
            return None;
        };
        if self.len.is_some() {
            return None;
        }
        match (meaning, inner.fields()) {
            (meaning::MUTEX, [.., value]) => {
                let mut part = self.inside(value.offset(), value.layout());
                part.mutexes.push(self.offset);
                Some(part)
            }
            (meaning::SEQLOCK, _) => {
                let lock = self.layout.as_seqlock()?;
                let base = Base::SeqLock {
                    at: self.offset,
                    of: self.layout,
                    lock,
                };
                Some(Self {
                    layout: lock.value,
                    offset: 0,
                    base,
                    ..self.clone()
                })
            }
            (
                meaning::STR
                | meaning::OFFSET
                | meaning::VEC
                | meaning::RING
                | meaning::BROADCAST
                | meaning::SEMAPHORE
                | meaning::EVENT
                | meaning::BARRIER,
                _,
            ) => None,
            _ => {
                let mut part = self.inside(0, inner);
                part.words_of = Some(self.layout);
                Some(part)
            }
        }
    }

    /// This part, and what it holds, and what that holds.
    fn all_held(&self) -> impl Iterator<Item = Self> {
        std::iter::successors(Some(self.clone()), Self::held)
    }

    /// What the part holds in the end.
    pub(super) fn innermost(&self) -> Self {
        self.all_held().last().unwrap_or_else(|| self.clone())
    }

    /// The words of a type of this library: all of its fields but a value or the slots.
    fn words(&self) -> &'static [FieldLayout] {
        let LayoutKind::Meaning { meaning, inner, .. } = self.layout.kind() else {
            return &[];
        };
        match (meaning, inner.fields()) {
            _ if self.len.is_some() => &[],
            (
                meaning::MUTEX
                | meaning::SEQLOCK
                | meaning::RING
                | meaning::BROADCAST
                | meaning::VEC,
                [words @ .., _],
            ) => words,
            (meaning::SEMAPHORE | meaning::EVENT | meaning::BARRIER, words) => words,
            _ => &[],
        }
    }

    /// The fields that paths lead to, without those that a value's own fields hide.
    pub(super) fn fields(&self) -> &'static [FieldLayout] {
        let innermost = self.innermost();
        match innermost.layout.kind() {
            LayoutKind::Struct { fields, .. } if innermost.len.is_none() => fields,
            _ if self.layout.as_vec().is_some() => &[],
            _ => innermost.words(),
        }
    }

    /// Follows a step. `cell` is this part's.
    pub(super) fn step(&self, step: &Step, cell: &DynCell) -> Result<Self, Missing> {
        match step {
            Step::Field(name) => self.field(name, cell),
            Step::Index(index) => {
                let (first, len) = self.indexed(cell)?;
                match usize::try_from(*index) {
                    Ok(index) if index < len => {
                        Ok(first.inside(index * first.layout.size(), first.layout))
                    }
                    _ => Err(Missing::Part(count(len))),
                }
            }
            Step::Range(start, end) => {
                let (first, len) = self.indexed(cell)?;
                let Some(range) = elements(*start, *end, len) else {
                    return Err(Missing::Part(count(len)));
                };
                let part = first.inside(range.start * first.layout.size(), first.layout);
                Ok(Self {
                    len: Some(range.len()),
                    ..part
                })
            }
            Step::Message(number) => {
                let at = self.innermost();
                match at.queue() {
                    Some(queue) => Ok(Self {
                        layout: queue.element,
                        offset: 0,
                        base: Base::Message {
                            at: at.offset,
                            of: at.layout,
                            queue,
                            number: *number,
                        },
                        ..at
                    }),
                    None => Err(Missing::Part(format!(
                        "{}, which has no messages",
                        self.description(cell)
                    ))),
                }
            }
        }
    }

    /// The parts of a queue that is in the payload itself, as all are.
    pub(super) fn queue(&self) -> Option<QueueLayout> {
        let is_one = self.len.is_none() && matches!(self.base, Base::Payload);
        self.layout.as_queue().filter(|_| is_one)
    }

    fn field(&self, name: &str, cell: &DynCell) -> Result<Self, Missing> {
        let find = |fields: &'static [FieldLayout]| fields.iter().find(|of| of.name() == name);
        let innermost = self.innermost();
        if innermost.len.is_none()
            && let LayoutKind::Struct { fields, .. } = innermost.layout.kind()
            && let Some(field) = find(fields)
        {
            return Ok(innermost.inside(field.offset(), field.layout()));
        }
        for part in self.all_held() {
            if let Some(word) = find(part.words()) {
                let mut word = part.inside(word.offset(), word.layout());
                word.words_of = Some(part.layout);
                return Ok(word);
            }
        }
        let mut names: Vec<&str> = innermost
            .layout
            .fields()
            .iter()
            .map(FieldLayout::name)
            .collect();
        if innermost.len.is_some() {
            names.clear();
        }
        if names.is_empty() {
            names.extend(
                self.all_held()
                    .flat_map(|part| part.words())
                    .map(FieldLayout::name),
            );
        }
        Err(Missing::Part(format!(
            "{}{}",
            self.description(cell),
            suggestions(name, &names)
        )))
    }

    /// The first element and the number of elements, if the part has elements.
    pub(super) fn elements(&self, cell: &DynCell) -> Result<Option<(Self, usize)>, DynError> {
        let innermost = self.innermost();
        if let Some(len) = innermost.len {
            return Ok(Some((innermost, len)));
        }
        Ok(match innermost.layout.kind() {
            LayoutKind::Array { element, len } => Some((innermost.inside(0, element), len)),
            LayoutKind::Slice { element } => {
                let len = innermost.tail(&cell.handle);
                Some((innermost.inside(0, element), len))
            }
            _ => match innermost.layout.as_vec() {
                Some(vec) => {
                    let len = cell.word(innermost.offset, u64::LAYOUT)?;
                    let Some(len) = vec.checked_len(len) else {
                        let value = InvalidValue::new(innermost.layout, len);
                        return Err(DynError::Invalid(cell.invalid(value)));
                    };
                    Some((innermost.inside(vec.items, vec.element), len))
                }
                None => None,
            },
        })
    }

    fn indexed(&self, cell: &DynCell) -> Result<(Self, usize), Missing> {
        self.elements(cell)?.ok_or_else(|| {
            let names: Vec<&str> = self.fields().iter().map(FieldLayout::name).collect();
            let fields = match names.as_slice() {
                [] => String::new(),
                names => suggestions("", names),
            };
            Missing::Part(format!(
                "{}, which has no elements{fields}",
                self.description(cell)
            ))
        })
    }

    /// What the part is, for a message.
    fn description(&self, cell: &DynCell) -> String {
        let type_name = TypeName(self.layout).to_string();
        let short: String = type_name.chars().take(100).collect();
        let type_name = short.escape_debug();
        let part = match cell.path() {
            "." => "the payload".to_owned(),
            path => format!("`{path}`"),
        };
        match self.len {
            None => format!("{part} is a `{type_name}`"),
            Some(len) => format!("{part} is a list of {len} `{type_name}`"),
        }
    }
}

fn count(len: usize) -> String {
    match len {
        0 => "it has no elements".to_owned(),
        1 => "it has one element, `[0]`".to_owned(),
        len => format!("it has {len} elements, `[0]` to `[{}]`", len - 1),
    }
}

/// The longest name that is shown or compared.
const LONGEST: usize = 64;

fn is_short(name: &&&str) -> bool {
    name.chars().count() <= LONGEST
}

/// The name that is probably meant, if one is near.
pub(super) fn nearest<'a>(wanted: &str, names: &[&'a str]) -> Option<&'a str> {
    let wanted: Vec<char> = wanted.chars().take(LONGEST).collect();
    names
        .iter()
        .take(1000)
        .filter(is_short)
        .map(|name| (distance(&wanted, name), *name))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, name)| {
            // A third of the letters may be wrong.
            !wanted.is_empty() && 3 * distance <= wanted.len().max(name.chars().count())
        })
        .map(|(_, name)| name)
}

/// The names that there are, the nearest first if one is meant probably.
fn suggestions(wanted: &str, names: &[&str]) -> String {
    /// The most names of a list.
    const MOST: usize = 8;

    if names.is_empty() {
        return ", which has no fields".to_owned();
    }
    let mut text = match nearest(wanted, names) {
        Some(name) => format!("; did you mean `{}`? Its fields are ", Name(name)),
        None => "; its fields are ".to_owned(),
    };
    for (number, name) in names.iter().filter(is_short).take(MOST).enumerate() {
        let comma = if number > 0 { ", " } else { "" };
        text.push_str(&format!("{comma}`{}`", Name(name)));
    }
    if names.len() > MOST {
        text.push_str(&format!(" and {} more", names.len() - MOST));
    }
    text
}

/// The number of letters to insert, remove or replace to make one name of the other. Cases do not count.
fn distance(a: &[char], b: &str) -> usize {
    let lower = |char: char| char.to_lowercase().next().unwrap_or(char);
    let mut row: Vec<usize> = (0..=a.len()).collect();
    for (i, of_b) in b.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, of_a) in a.iter().enumerate() {
            let replaced = diagonal + usize::from(lower(*of_a) != lower(of_b));
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[a.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_changed_letters() {
        for (a, b, wanted) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("abc", "ABC", 0),
            ("abc", "abd", 1),
            ("nxt", "next", 1),
            ("positoin", "position", 2),
            ("", "abc", 3),
        ] {
            let chars: Vec<char> = a.chars().collect();
            assert_eq!(distance(&chars, b), wanted, "{a} {b}");
        }
    }

    #[test]
    fn the_nearest_name_is_suggested() {
        assert_eq!(
            suggestions("postion", &["frame", "position"]),
            "; did you mean `position`? Its fields are `frame`, `position`"
        );
        assert_eq!(
            suggestions("xyz", &["frame", "position"]),
            "; its fields are `frame`, `position`"
        );
        assert_eq!(suggestions("x", &[]), ", which has no fields");
        let many = ["a"; 20];
        assert!(suggestions("b", &many).ends_with("`a` and 12 more"));
    }
}
