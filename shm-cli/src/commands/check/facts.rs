//! What there is to check in a type, so that the rest is left out.

use std::collections::HashMap;

use shm_core::layout::{LayoutKind, ScalarKind, TypeLayout};

/// What a value of a type can have that is wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// An enum, a `char` or the length of a vector.
    pub(super) fallible: bool,
    /// A `bool`, of which only the byte tells.
    pub(super) bools: bool,
    /// Something that only a look at each part of it finds: an offset, or a `bool` in a vector.
    pub(super) one_by_one: bool,
    /// A type of `sync`.
    pub(super) syncs: bool,
    /// How many values are read with it, counting lists and structs: those without bytes are no leaves, and take time as well.
    pub(super) values: u64,
}

impl Facts {
    pub(super) const fn is_nothing(self) -> bool {
        !(self.fallible || self.bools || self.one_by_one || self.syncs)
    }

    fn and(self, other: Self) -> Self {
        Self {
            fallible: self.fallible || other.fallible,
            bools: self.bools || other.bools,
            one_by_one: self.one_by_one || other.one_by_one,
            syncs: self.syncs || other.syncs,
            values: self.values.saturating_add(other.values),
        }
    }

    /// Those of a list of so many.
    fn times(self, len: u64) -> Self {
        let values = self.values.saturating_mul(len).saturating_add(1);
        match len {
            0 => Self {
                values,
                ..Self::default()
            },
            _ => Self { values, ..self },
        }
    }
}

/// The facts about types that were looked up. Layouts are never freed.
#[derive(Debug, Default)]
pub(super) struct AllFacts(HashMap<*const TypeLayout, Facts>);

impl AllFacts {
    pub(super) fn of(&mut self, layout: &'static TypeLayout) -> Facts {
        if let Some(facts) = self.0.get(&std::ptr::from_ref(layout)) {
            return *facts;
        }
        let facts = self.find(layout);
        self.0.insert(layout, facts);
        facts
    }

    fn find(&mut self, layout: &'static TypeLayout) -> Facts {
        let leaf = Facts {
            values: 1,
            ..Facts::default()
        };
        match layout.kind() {
            LayoutKind::Scalar(scalar) => Facts {
                fallible: scalar.kind() == ScalarKind::Char,
                bools: scalar.kind() == ScalarKind::Bool,
                ..leaf
            },
            LayoutKind::Enum { .. } => Facts {
                fallible: true,
                ..leaf
            },
            LayoutKind::Array { element, len, .. } => self.of(element).times(len as u64),
            // Too many to be read at once: how many, the segment says.
            LayoutKind::Slice { element, .. } => self.of(element).times(u64::MAX),
            LayoutKind::Struct { .. } => self.fields(layout),
            LayoutKind::Meaning { meaning, inner, .. } => match meaning {
                "offset" => Facts {
                    one_by_one: true,
                    ..leaf
                },
                "vec" => {
                    let facts = self.fields(inner);
                    Facts {
                        fallible: true,
                        one_by_one: facts.one_by_one || facts.bools,
                        ..facts
                    }
                }
                "mutex" => Facts {
                    syncs: true,
                    ..self.fields(inner)
                },
                "seqlock" => Facts {
                    syncs: true,
                    // Of the committed value, not of all slots.
                    ..value_of_seqlock(inner).map_or(leaf, |value| self.of(value))
                },
                "ring" | "broadcast" | "barrier" => Facts {
                    syncs: true,
                    ..leaf
                },
                _ => leaf,
            },
            _ => leaf,
        }
    }

    fn fields(&mut self, of: &'static TypeLayout) -> Facts {
        let fields = of.fields().iter();
        let itself = Facts {
            values: 1,
            ..Facts::default()
        };
        fields.fold(itself, |facts, field| facts.and(self.of(field.layout())))
    }
}

/// The type of the value in the slots of a `SeqLock`.
pub(super) fn value_of_seqlock(inner: &'static TypeLayout) -> Option<&'static TypeLayout> {
    let slots = inner
        .fields()
        .iter()
        .find(|field| field.name() == "slots")?;
    let LayoutKind::Array { element, .. } = slots.layout().kind() else {
        return None;
    };
    let LayoutKind::Meaning { inner: slot, .. } = element.kind() else {
        return None;
    };
    slot.fields().first().map(|value| value.layout())
}

#[cfg(test)]
mod tests {
    use super::*;
    use shm_core::ShmLayout;

    #[derive(Clone, Copy, ShmLayout)]
    #[repr(C)]
    struct Hollow {
        flag: bool,
        none: [[u8; 0]; 5000],
    }

    #[test]
    fn values_without_bytes_are_counted() {
        let mut all = AllFacts::default();
        let facts = all.of(Hollow::LAYOUT);
        // The struct, the flag, the list, and each list in it.
        assert_eq!(facts.values, 1 + 1 + 1 + 5000);
        assert!(facts.bools && !facts.is_nothing());
        let facts = all.of(<[Hollow; 3]>::LAYOUT);
        assert_eq!(facts.values, 1 + 3 * 5003);
        let facts = all.of(<[[bool; 0]; 1 << 40]>::LAYOUT);
        assert_eq!(facts.values, 1 + (1 << 40));
        assert!(facts.is_nothing());
    }
}
