//! Values that are none of their types.

use std::fs::File;
use std::os::unix::fs::FileExt;

use shm_core::dynamic::{DynCell, DynError, DynSegment};
use shm_core::layout::{LayoutKind, ScalarKind, TypeLayout};

use super::facts::{AllFacts, Facts};
use super::{Report, Severity, sync};

/// The most values that are read at once.
const CHUNK: u64 = 4096;
/// The most values that are looked at in a segment. Some seconds.
const MOST_VALUES: u64 = 1 << 24;
/// What looking at a type of `sync` costs, in values.
const SYNC_COST: u64 = 16;
/// So many bytes of a path cost as much as a value.
const LONG_PATH: u64 = 256;
/// To look up so many fields costs as much as a value.
const FIELDS: u64 = 16;
/// The most bytes that are read for the `bool`s of a part.
const MOST_BYTES: usize = 1 << 20;

/// Checks all values and types of `sync` of a segment. `file` is the one of the segment.
pub(super) fn check(segment: &DynSegment, file: Option<&File>, report: &mut Report) {
    let raw = file.and_then(Raw::new);
    let mut walk = Walk {
        raw,
        facts: AllFacts::default(),
        left: MOST_VALUES,
        report,
    };
    let checked = segment
        .at(".")
        .and_then(|whole| walk.part(&whole, segment.layout(), Some(0)));
    if let Err(error) = checked {
        report.error(
            "unreadable",
            error.to_string(),
            "run the check again; if it stays, create the segment anew",
        );
    }
}

/// The bytes of the file, of which some values only tell what is wrong with them.
struct Raw<'a> {
    file: &'a File,
    payload: u64,
    len: u64,
}

impl<'a> Raw<'a> {
    fn new(file: &'a File) -> Option<Self> {
        const BYTE_ORDER: usize = 12;
        const PAYLOAD_OFFSET: usize = 40;

        let mut header = [0; PAYLOAD_OFFSET + 8];
        file.read_exact_at(&mut header, 0).ok()?;
        let (_, payload) = header.split_last_chunk()?;
        let payload = match header[BYTE_ORDER] {
            1 => u64::from_le_bytes(*payload),
            2 => u64::from_be_bytes(*payload),
            _ => return None,
        };
        let len = file.metadata().ok()?.len();
        Some(Self { file, payload, len })
    }

    fn read(&self, at: u64, len: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; len];
        let at = self.payload.checked_add(at)?;
        self.file.read_exact_at(&mut bytes, at).ok()?;
        Some(bytes)
    }
}

struct Walk<'a> {
    raw: Option<Raw<'a>>,
    facts: AllFacts,
    left: u64,
    report: &'a mut Report,
}

impl Walk<'_> {
    /// Checks a part of this layout. `at` is its offset in the payload, if it has one place.
    fn part(
        &mut self,
        cell: &DynCell,
        layout: &'static TypeLayout,
        at: Option<u64>,
    ) -> Result<(), DynError> {
        let facts = self.facts.of(layout);
        if facts.is_nothing() || self.is_over() {
            return Ok(());
        }
        // A part costs something even if no value of it is read, and more if its path is long.
        self.spend(1 + cell.path().len() as u64 / LONG_PATH);
        if is_sync(layout) {
            self.spend(SYNC_COST);
            sync::check(cell, self.report)?;
        }
        if facts.syncs || facts.one_by_one || facts.values > CHUNK {
            return self.parts(cell, layout, at);
        }
        self.spend(facts.values);
        self.bools(cell, layout, at, facts);
        // The `bool`s were looked at.
        if facts.fallible && self.read(cell)? {
            self.parts(cell, layout, None)?;
        }
        Ok(())
    }

    /// Reads a part. Returns `true` if something in it is wrong that a part of it has to tell.
    fn read(&mut self, cell: &DynCell) -> Result<bool, DynError> {
        match cell.get() {
            Err(DynError::Invalid(_) | DynError::TooLarge { .. }) => Ok(true),
            // A writer that is too fast, or a message that is gone: no problem of the segment.
            Ok(_) | Err(DynError::Contended { .. } | DynError::NoSuchPart { .. }) => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// Checks each part of a part.
    fn parts(
        &mut self,
        cell: &DynCell,
        layout: &'static TypeLayout,
        at: Option<u64>,
    ) -> Result<(), DynError> {
        let within = |offset: usize| at.and_then(|at| at.checked_add(offset as u64));
        match layout.kind() {
            LayoutKind::Struct { fields, .. } => {
                self.spend(fields.len() as u64 / FIELDS);
                for (before, field) in fields.iter().enumerate() {
                    if self.is_over() {
                        break;
                    }
                    if !self.facts.of(field.layout()).is_nothing() {
                        // It is found by its name.
                        self.spend(before as u64 / FIELDS);
                        let part = cell.field(field.name())?;
                        self.part(&part, field.layout(), within(field.offset()))?;
                    }
                }
                Ok(())
            }
            LayoutKind::Array { element, .. } | LayoutKind::Slice { element, .. } => {
                let len = cell.len()?.unwrap_or(0);
                self.elements(cell, element, len, at)
            }
            LayoutKind::Meaning { meaning, inner, .. } => {
                let named = |name: &str| inner.fields().iter().find(|field| field.name() == name);
                match meaning {
                    "mutex" => match named("value") {
                        Some(value) => self.held(cell, value.layout(), within(value.offset())),
                        None => Ok(()),
                    },
                    // The committed value moves.
                    "seqlock" => match super::facts::value_of_seqlock(inner) {
                        Some(value) => self.held(cell, value, None),
                        None => Ok(()),
                    },
                    "vec" => {
                        let len = match cell.len() {
                            Err(DynError::Invalid(value)) => {
                                self.invalid(cell, value.to_string());
                                return Ok(());
                            }
                            len => len?.unwrap_or(0),
                        };
                        match named("items") {
                            Some(items) => match items.layout().kind() {
                                LayoutKind::Array { element, .. } => {
                                    self.elements(cell, element, len, within(items.offset()))
                                }
                                _ => Ok(()),
                            },
                            None => Ok(()),
                        }
                    }
                    "offset" => self.offset(cell),
                    _ => Ok(()),
                }
            }
            _ => {
                if let Err(DynError::Invalid(value)) = cell.get() {
                    self.invalid(cell, value.to_string());
                }
                Ok(())
            }
        }
    }

    /// Checks the value in a lock. In paths it is the lock itself, so a lock in a lock has no path of its own.
    fn held(
        &mut self,
        cell: &DynCell,
        value: &'static TypeLayout,
        at: Option<u64>,
    ) -> Result<(), DynError> {
        let facts = self.facts.of(value);
        if facts.is_nothing() {
            return Ok(());
        }
        if facts.syncs || facts.one_by_one || facts.values > CHUNK {
            return self.parts(cell, value, at);
        }
        self.spend(facts.values);
        self.bools(cell, value, at, facts);
        if facts.fallible && self.read(cell)? {
            self.parts(cell, value, None)?;
        }
        Ok(())
    }

    fn elements(
        &mut self,
        cell: &DynCell,
        element: &'static TypeLayout,
        len: usize,
        at: Option<u64>,
    ) -> Result<(), DynError> {
        let facts = self.facts.of(element);
        if facts.is_nothing() {
            return Ok(());
        }
        let place = |index: usize| {
            let offset = (index as u64).checked_mul(element.size() as u64)?;
            at?.checked_add(offset)
        };
        let one_by_one = facts.syncs || facts.one_by_one || facts.values > CHUNK;
        let step = match one_by_one {
            true => 1,
            false => (CHUNK / facts.values.max(1)).max(1) as usize,
        };
        for first in (0..len).step_by(step) {
            if self.is_over() {
                return Ok(());
            }
            let end = (first + step).min(len);
            if one_by_one {
                self.part(&cell.index(first)?, element, place(first))?;
                continue;
            }
            let count = (end - first) as u64;
            self.spend(facts.values.saturating_mul(count));
            let chunk = match cell.at(&format!("[{first}..{end}]")) {
                // A vector has become shorter.
                Err(DynError::NoSuchPart { .. }) => return Ok(()),
                chunk => chunk?,
            };
            if facts.bools {
                let len = element.size().saturating_mul(end - first);
                if let Some(bytes) = self.bytes(place(first), len) {
                    let parts = bytes.chunks_exact(element.size());
                    for (index, bytes) in (first..end).zip(parts) {
                        self.bools_in(|| cell.index(index), element, bytes);
                    }
                }
            }
            if facts.fallible && self.read(&chunk)? {
                for index in first..end {
                    self.part(&cell.index(index)?, element, None)?;
                }
            }
        }
        Ok(())
    }

    /// An offset that leads out of the segment.
    fn offset(&mut self, cell: &DynCell) -> Result<(), DynError> {
        self.spend(1);
        let value = cell.get()?.as_int().unwrap_or(0);
        let Some(raw) = &self.raw else {
            return Ok(());
        };
        let inside = i128::from(raw.payload)..i128::from(raw.len);
        if value != 0 && !inside.contains(&value) {
            self.report.add(
                Severity::Error,
                "value",
                Some(cell.path()),
                format!(
                    "leads to byte {value}, and the payload is from {} to {}",
                    inside.start, inside.end
                ),
                "set it to 0 or to the offset of a value, in a program that knows which",
            );
        }
        Ok(())
    }

    fn bools(
        &mut self,
        cell: &DynCell,
        layout: &'static TypeLayout,
        at: Option<u64>,
        facts: Facts,
    ) {
        if facts.bools
            && let Some(bytes) = self.bytes(at, layout.size())
        {
            self.bools_in(|| Ok(cell.clone()), layout, &bytes);
        }
    }

    fn bytes(&self, at: Option<u64>, len: usize) -> Option<Vec<u8>> {
        let few = len <= MOST_BYTES;
        self.raw.as_ref().filter(|_| few)?.read(at?, len)
    }

    /// The `bool`s in a part with these bytes. Their cells read every byte but 0 as `true`.
    fn bools_in(
        &mut self,
        cell: impl FnOnce() -> Result<DynCell, DynError>,
        layout: &'static TypeLayout,
        bytes: &[u8],
    ) {
        let mut wrong = Vec::new();
        find_bools(layout, bytes, &mut String::new(), &mut wrong);
        if wrong.is_empty() {
            return;
        }
        let path = cell().map(|cell| match cell.path() {
            "." => String::new(),
            path => path.to_owned(),
        });
        for (within, byte) in wrong {
            let path = path.as_deref().unwrap_or_default();
            let path = format!("{path}{within}");
            let path = path.strip_prefix('.').unwrap_or(&path);
            self.report.add(
                Severity::Error,
                "value",
                Some(if path.is_empty() { "." } else { path }),
                format!("holds {byte}, and a `bool` is 0 or 1; this library takes it for `true`"),
                "set it, and find the program that writes it without its type",
            );
        }
    }

    fn invalid(&mut self, cell: &DynCell, message: String) {
        self.report.add(
            Severity::Error,
            "value",
            Some(cell.path()),
            // The text begins with the path.
            match message.split_once(" holds ") {
                Some((_, rest)) => format!("holds {rest}"),
                None => message,
            },
            "set it with `shm set`, and find the program that writes it without its type",
        );
    }

    const fn spend(&mut self, values: u64) {
        self.left = self.left.saturating_sub(values);
    }

    /// Whether there was enough.
    fn is_over(&mut self) -> bool {
        let over = self.left == 0 || self.report.is_full();
        if over {
            self.report.complete = false;
        }
        over
    }
}

fn is_sync(layout: &TypeLayout) -> bool {
    let LayoutKind::Meaning { meaning, .. } = layout.kind() else {
        return false;
    };
    matches!(
        meaning,
        "mutex" | "seqlock" | "ring" | "broadcast" | "barrier"
    )
}

/// Finds the bytes of `bool`s that are neither 0 nor 1, with their paths.
fn find_bools(layout: &TypeLayout, bytes: &[u8], path: &mut String, wrong: &mut Vec<(String, u8)>) {
    let len = path.len();
    match layout.kind() {
        LayoutKind::Scalar(scalar) if scalar.kind() == ScalarKind::Bool => {
            if let Some(byte @ 2..) = bytes.first() {
                wrong.push((path.clone(), *byte));
            }
        }
        LayoutKind::Array { element, .. } if element.size() > 0 => {
            for (index, bytes) in bytes.chunks_exact(element.size()).enumerate() {
                path.push_str(&format!("[{index}]"));
                find_bools(element, bytes, path, wrong);
                path.truncate(len);
            }
        }
        LayoutKind::Struct { fields, .. } => {
            for field in fields {
                let end = field.offset().saturating_add(field.layout().size());
                if let Some(bytes) = bytes.get(field.offset()..end) {
                    path.push('.');
                    path.push_str(field.name());
                    find_bools(field.layout(), bytes, path, wrong);
                    path.truncate(len);
                }
            }
        }
        _ => {}
    }
}
