//! Looking for what is wrong in a payload.

use std::collections::HashMap;
use std::fmt::{self, Write};
use std::sync::Arc;

use super::resolve::{Base, Part};
use super::{DynCell, SyncState};
use crate::dynamic::error::DynError;
use crate::dynamic::name::Name;
use crate::dynamic::value::DynValue;
use crate::layout::{FieldLayout, LayoutKind, ScalarKind, TypeLayout, meaning};
use crate::shm_layout::ShmLayout;
use crate::sync::Owner;

/// The most problems that are reported.
const MOST: usize = 1000;

/// Something in a segment that is not as it should be, from [`DynSegment::problems`](super::super::DynSegment::problems).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The path of the part.
    pub path: String,
    /// What is wrong there, and what follows from it.
    pub reason: String,
    /// Whether bytes are wrong, so that reading the part, or using it, fails. Otherwise a process has died that held something, which
    /// its next user notices and goes on from.
    pub is_damage: bool,
}

/// The path and the reason.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.path, self.reason)
    }
}

impl DynCell {
    /// The problems of the whole payload. This cell is the whole payload.
    pub(in crate::dynamic) fn find_problems(&self) -> Result<Vec<Problem>, DynError> {
        let mut search = Search {
            whole: self,
            path: String::new(),
            found: Vec::new(),
            concerns: HashMap::new(),
        };
        search.part(0, self.part.layout)?;
        Ok(search.found)
    }
}

struct Search<'a> {
    whole: &'a DynCell,
    /// The path of the part that is looked at.
    path: String,
    found: Vec<Problem>,
    /// Whether there is anything to look for in a layout.
    concerns: HashMap<*const TypeLayout, bool>,
}

type Result<T = (), E = DynError> = std::result::Result<T, E>;

impl Search<'_> {
    fn is_full(&self) -> bool {
        self.found.len() >= MOST
    }

    fn report(&mut self, is_damage: bool, reason: impl Into<String>) {
        if !self.is_full() {
            let path = self.path.strip_prefix('.').unwrap_or(&self.path);
            self.found.push(Problem {
                path: if path.is_empty() { "." } else { path }.to_owned(),
                reason: reason.into(),
                is_damage,
            });
        }
    }

    /// Whether anything in a layout can be wrong.
    fn concerns(&mut self, layout: &'static TypeLayout) -> bool {
        if let Some(known) = self.concerns.get(&std::ptr::from_ref(layout)) {
            return *known;
        }
        let concerns = match layout.kind() {
            LayoutKind::Scalar(scalar) => scalar.kind() == ScalarKind::Char,
            LayoutKind::Enum { .. } => true,
            LayoutKind::Array { element, len } => len > 0 && self.concerns(element),
            LayoutKind::Slice { element } => self.concerns(element),
            LayoutKind::Struct { fields, .. } => {
                fields.iter().any(|field| self.concerns(field.layout()))
            }
            LayoutKind::Meaning { meaning, inner, .. } => match meaning {
                meaning::SEMAPHORE | meaning::EVENT => false,
                meaning::STR
                | meaning::VEC
                | meaning::OFFSET
                | meaning::MUTEX
                | meaning::SEQLOCK
                | meaning::RING
                | meaning::BROADCAST
                | meaning::BARRIER => true,
                _ => self.concerns(inner),
            },
        };
        self.concerns.insert(layout, concerns);
        concerns
    }

    fn within(
        &mut self,
        part: fmt::Arguments<'_>,
        look: impl FnOnce(&mut Self) -> Result,
    ) -> Result {
        let len = self.path.len();
        // Writing to a `String` does not fail.
        let _ = self.path.write_fmt(part);
        look(self)?;
        self.path.truncate(len);
        Ok(())
    }

    /// The part at an offset in the payload, as a cell.
    fn cell(&self, offset: usize, layout: &'static TypeLayout) -> DynCell {
        DynCell {
            handle: Arc::clone(&self.whole.handle),
            path: self.path.strip_prefix('.').unwrap_or(&self.path).to_owned(),
            part: Part {
                offset,
                ..Part::whole(layout)
            },
        }
    }

    /// Reads a part, and reports if it has no value.
    fn value(&mut self, cell: &DynCell) -> Result<Option<DynValue>> {
        match cell.get() {
            Ok(value) => Ok(Some(value)),
            Err(DynError::Invalid(value)) => {
                self.report(true, format!("is invalid: {value}"));
                Ok(None)
            }
            Err(error @ DynError::Os { .. }) => Err(error),
            // It changes all the time, or is too large to be read at once.
            Err(_) => Ok(None),
        }
    }

    fn elements(&mut self, offset: usize, element: &'static TypeLayout, len: usize) -> Result {
        if !self.concerns(element) {
            return Ok(());
        }
        for number in 0..len {
            if self.is_full() {
                break;
            }
            let at = offset + number * element.size();
            self.within(format_args!("[{number}]"), |search| {
                search.part(at, element)
            })?;
        }
        Ok(())
    }

    fn field(&mut self, offset: usize, field: &FieldLayout) -> Result {
        let name = Name(field.name());
        self.within(format_args!(".{name}"), |search| {
            search.part(offset + field.offset(), field.layout())
        })
    }

    fn part(&mut self, offset: usize, layout: &'static TypeLayout) -> Result {
        if self.is_full() || !self.concerns(layout) {
            return Ok(());
        }
        match layout.kind() {
            LayoutKind::Scalar(_) | LayoutKind::Enum { .. } => {
                self.value(&self.cell(offset, layout)).map(drop)
            }
            LayoutKind::Array { element, len } => self.elements(offset, element, len),
            LayoutKind::Slice { element } => {
                let len = self.whole.handle.tail();
                self.elements(offset, element, len)
            }
            LayoutKind::Struct { fields, .. } => fields
                .iter()
                .try_for_each(|field| self.field(offset, field)),
            LayoutKind::Meaning { meaning, inner, .. } => {
                self.meaning(offset, layout, meaning, inner)
            }
        }
    }

    fn meaning(
        &mut self,
        offset: usize,
        layout: &'static TypeLayout,
        meaning: &str,
        inner: &'static TypeLayout,
    ) -> Result {
        let cell = self.cell(offset, layout);
        if let Some(state) = cell.sync_state()? {
            self.state(&state);
        }
        match meaning {
            meaning::STR => {
                if let Some(DynValue::Bytes(_)) = self.value(&cell)? {
                    self.report(true, "is not UTF-8");
                }
            }
            meaning::OFFSET => {
                let to = self.whole.word(offset, u64::LAYOUT)?;
                let end = self.whole.payload_len();
                if to >= end as u64 {
                    self.report(
                        true,
                        format!("leads to byte {to}, and the payload has {end} bytes"),
                    );
                }
            }
            meaning::VEC => match layout.as_vec() {
                Some(vec) => {
                    let len = self.whole.word(offset, u64::LAYOUT)?;
                    match vec.checked_len(len) {
                        Some(len) => self.elements(offset + vec.items, vec.element, len)?,
                        None => {
                            let capacity = vec.capacity;
                            self.report(
                                true,
                                format!("has a length of {len}, and room for {capacity} elements"),
                            );
                        }
                    }
                }
                None => self.part(offset, inner)?,
            },
            meaning::SEQLOCK => {
                if layout
                    .as_seqlock()
                    .is_some_and(|lock| self.concerns(lock.value))
                {
                    self.value(&cell)?;
                }
            }
            meaning::MUTEX => {
                if let [_, value] = inner.fields() {
                    self.part(offset + value.offset(), value.layout())?;
                }
            }
            meaning::RING | meaning::BROADCAST => self.messages(offset, layout)?,
            meaning::BARRIER => {}
            _ => self.part(offset, inner)?,
        }
        Ok(())
    }

    /// Looks at the messages of a queue.
    fn messages(&mut self, offset: usize, layout: &'static TypeLayout) -> Result {
        let cell = self.cell(offset, layout);
        let (Some(queue), Some(messages)) = (layout.as_queue(), cell.messages()?) else {
            return Ok(());
        };
        if !queue.is_ring {
            // In this order, as a sender stores them.
            let word = |name| {
                let word = layout.word_offset(name).unwrap_or(0);
                self.whole.word(offset + word, u64::LAYOUT)
            };
            let (reserved, tail) = (word("reserved")?, word("tail")?);
            if reserved > tail.saturating_add(1) {
                self.report(
                    true,
                    format!("has {reserved} messages begun and {tail} sent, of which one at most is being sent"),
                );
                return Ok(());
            }
        }
        if !self.concerns(queue.element) {
            return Ok(());
        }
        for number in messages {
            if self.is_full() {
                break;
            }
            self.within(format_args!("[#{number}]"), |search| {
                let mut cell = search.cell(0, queue.element);
                cell.part.base = Base::Message {
                    at: offset,
                    of: layout,
                    queue,
                    number,
                };
                search.value(&cell).map(drop)
            })?;
        }
        Ok(())
    }

    /// Reports what is wrong with the words of a type of `sync`.
    fn state(&mut self, state: &SyncState) {
        let takes_over = "the next one goes on from what it left";
        match state {
            SyncState::MutexState { owner, poisoned } => {
                self.dead(
                    owner.as_ref(),
                    "owner",
                    "the next one to lock it gets `OwnerDied`",
                );
                if *poisoned {
                    let text = "is free, and an owner that died or panicked may have left its value half changed; the next one to lock it \
                                gets `OwnerDied`";
                    self.report(false, text);
                }
            }
            SyncState::SeqLockState { writer, .. } => {
                self.dead(
                    writer.as_ref(),
                    "writer",
                    "readers get the value that was committed last",
                );
            }
            SyncState::RingState {
                sender,
                receiver,
                sent,
                received,
                capacity,
            } => {
                self.dead(sender.as_ref(), "sender", takes_over);
                self.dead(receiver.as_ref(), "receiver", takes_over);
                if sent
                    .checked_sub(*received)
                    .is_none_or(|there| there > *capacity as u64)
                {
                    self.report(
                        true,
                        format!(
                            "has {sent} messages sent, {received} received, and room for {capacity}"
                        ),
                    );
                }
            }
            SyncState::BroadcastState { sender, .. } => {
                self.dead(sender.as_ref(), "sender", takes_over);
            }
            SyncState::BarrierState { seats, .. } => {
                for (number, seat) in seats.iter().enumerate() {
                    let seat_name = format!("participant in seat {number}");
                    self.dead(seat.as_ref(), &seat_name, "a new one can take the seat");
                }
            }
            SyncState::SemaphoreState { .. } | SyncState::EventState { .. } => {}
        }
    }

    fn dead(&mut self, owner: Option<&Owner>, role: &str, then: &str) {
        if let Some(owner) = owner.filter(|owner| !owner.is_alive()) {
            self.report(false, format!("has a {role} that died, {owner}; {then}"));
        }
    }
}
