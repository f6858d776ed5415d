//! What a header declares, before it is written in a language.

use std::collections::HashMap;

use super::names::{Scope, member};
use crate::layout::schema;
use crate::layout::{LayoutKind, ScalarKind, TypeLayout, TypeName, Variant, meaning};

/// All types of a header, each after those that it consists of. The last one is that of the payload.
pub(super) struct Unit {
    pub(super) types: Vec<Type>,
}

pub(super) enum Type {
    Struct(Struct),
    Enum(Enum),
}

pub(super) struct Enum {
    /// The name in the layout.
    pub(super) name: String,
    pub(super) repr: ScalarKind,
    pub(super) variants: &'static [Variant],
}

pub(super) struct Struct {
    /// The name in the layout.
    pub(super) name: String,
    pub(super) size: usize,
    pub(super) align: usize,
    /// In the order of their offsets. They have all bytes of the struct.
    pub(super) members: Vec<Member>,
    pub(super) role: Role,
    /// The elements after the struct: their type, a struct, and where they begin.
    pub(super) tail: Option<Tail>,
    /// Whether it is copied as a whole: all of it are numbers that programs may read and write at any time.
    pub(super) is_value: bool,
}

impl Struct {
    /// The size that C gives it. A struct with elements after it may end before a multiple of its alignment; there, the first of
    /// them begins.
    pub(super) const fn padded_size(&self) -> usize {
        self.size.next_multiple_of(self.align)
    }
}

pub(super) struct Tail {
    pub(super) name: String,
    pub(super) element: usize,
    pub(super) offset: usize,
    pub(super) stride: usize,
}

/// What a struct is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// One of the program.
    Plain,
    /// A length and elements.
    Vec { capacity: usize },
    /// A slot of a `SeqLock`.
    Slot,
    /// A `SeqLock` with so many slots.
    SeqLock { slots: usize },
    /// Another type of `sync`, by its name.
    Sync(&'static str),
}

pub(super) struct Member {
    /// The identifier, which is unique in its struct.
    pub(super) ident: String,
    /// The name in the layout; empty for bytes of no field.
    pub(super) name: String,
    pub(super) offset: usize,
    pub(super) size: usize,
    pub(super) shape: Shape,
    /// The lengths of the arrays around it, the outermost first.
    pub(super) dims: Vec<usize>,
    pub(super) since: u32,
}

/// The innermost type of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Bytes of no field.
    Gap,
    Leaf(Leaf),
    /// A text of at most so many bytes.
    Text(usize),
    /// The type with this number.
    Struct(usize),
    /// So many bytes of a type of a later format.
    Unknown(usize),
}

/// A number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leaf {
    pub(super) kind: ScalarKind,
    pub(super) order: Order,
    /// The enum with this number.
    pub(super) of_enum: Option<usize>,
}

/// How a leaf is accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Read and written relaxed.
    Relaxed,
    /// Read with acquire and written with release ordering.
    Ordered,
    /// Read with acquire ordering, and written by a protocol only.
    Word,
}

/// Makes the types of a payload.
pub(super) fn unit(layout: &'static TypeLayout) -> Unit {
    let mut maker = Maker {
        types: Vec::new(),
        known: HashMap::new(),
    };
    match layout.kind() {
        LayoutKind::Struct { .. } => {
            maker.structure(layout);
        }
        _ => maker.wrapped("Payload", "value", layout),
    }
    Unit { types: maker.types }
}

struct Maker {
    types: Vec<Type>,
    /// The numbers of the types, by their schemas. These have the names of the types as well.
    known: HashMap<Vec<u8>, usize>,
}

impl Maker {
    /// Adds a struct with one field.
    fn wrapped(&mut self, name: &str, field: &str, layout: &'static TypeLayout) {
        let mut scope = Scope::default();
        let tail = self.tail(field, 0, layout);
        let members: Vec<Member> = match tail {
            Some(_) => Vec::new(),
            None => self
                .member(&mut scope, field, 0, layout, Order::Relaxed)
                .into_iter()
                .collect(),
        };
        let structure = Struct {
            name: name.to_owned(),
            size: layout.size(),
            align: layout.align(),
            is_value: self.all_values(&members),
            members,
            role: Role::Plain,
            tail,
        };
        self.types.push(Type::Struct(structure));
    }

    /// Adds a struct of the program, and returns its number.
    fn structure(&mut self, layout: &'static TypeLayout) -> usize {
        self.of_fields(layout, layout, layout.name().to_owned(), Role::Plain)
    }

    /// Adds the struct `inner`, which is all of the type `layout`.
    fn of_fields(
        &mut self,
        layout: &'static TypeLayout,
        inner: &'static TypeLayout,
        name: String,
        role: Role,
    ) -> usize {
        let key = schema::encode_level(layout, layout.level());
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        let mut scope = Scope::default();
        let mut fields: Vec<_> = inner.fields().iter().collect();
        fields.sort_by_key(|field| field.offset());
        let mut members = Vec::new();
        let (mut end, mut tail) = (0, None);
        for field in fields {
            if let Some(found) = self.tail(field.name(), field.offset(), field.layout()) {
                tail = Some(found);
                continue;
            }
            let order = match (role, field.name()) {
                (Role::Vec { .. }, "len") => Order::Ordered,
                // What a lock or a queue holds is no word of it.
                (_, "value" | "slots") => Order::Relaxed,
                (Role::SeqLock { .. } | Role::Sync(_), _) => Order::Word,
                _ => Order::Relaxed,
            };
            let made = self.member(
                &mut scope,
                field.name(),
                field.offset(),
                field.layout(),
                order,
            );
            if let Some(mut member) = made {
                gap(&mut members, &mut scope, end, member.offset);
                end = member.offset + member.size;
                member.since = field.since();
                members.push(member);
            }
        }
        gap(&mut members, &mut scope, end, layout.size());
        let structure = Struct {
            name,
            size: layout.size(),
            align: layout.align(),
            is_value: matches!(role, Role::Plain | Role::Vec { .. }) && self.all_values(&members),
            members,
            role,
            tail,
        };
        self.types.push(Type::Struct(structure));
        let number = self.types.len() - 1;
        self.known.insert(key, number);
        number
    }

    fn tail(&mut self, name: &str, offset: usize, layout: &'static TypeLayout) -> Option<Tail> {
        let LayoutKind::Slice { element } = layout.kind() else {
            return None;
        };
        if element.size() == 0 {
            return None;
        }
        let number = match element.kind() {
            LayoutKind::Struct { .. } => self.structure(element),
            _ => {
                self.wrapped("Element", "value", element);
                self.types.len() - 1
            }
        };
        Some(Tail {
            name: name.to_owned(),
            element: number,
            offset,
            stride: element.size(),
        })
    }

    /// Makes a member. `None` for one without bytes.
    fn member(
        &mut self,
        scope: &mut Scope,
        name: &str,
        offset: usize,
        layout: &'static TypeLayout,
        order: Order,
    ) -> Option<Member> {
        if layout.size() == 0 {
            return None;
        }
        let (mut innermost, mut dims) = (layout, Vec::new());
        while let LayoutKind::Array { element, len } = innermost.kind() {
            dims.push(len);
            innermost = element;
        }
        let shape = self.shape(innermost, order)?;
        Some(Member {
            ident: scope.unique(member(name)),
            name: name.to_owned(),
            offset,
            size: layout.size(),
            shape,
            dims,
            since: 0,
        })
    }

    fn shape(&mut self, layout: &'static TypeLayout, order: Order) -> Option<Shape> {
        let leaf = |kind, order, of_enum| {
            Some(Shape::Leaf(Leaf {
                kind,
                order,
                of_enum,
            }))
        };
        match layout.kind() {
            LayoutKind::Scalar(scalar) => {
                let order = match order {
                    Order::Relaxed if scalar.is_atomic() => Order::Ordered,
                    order => order,
                };
                leaf(scalar.kind(), order, None)
            }
            LayoutKind::Enum { repr, variants } => {
                let key = schema::encode(layout);
                let number = match self.known.get(&key) {
                    Some(known) => *known,
                    None => {
                        self.types.push(Type::Enum(Enum {
                            name: layout.name().to_owned(),
                            repr,
                            variants,
                        }));
                        self.known.insert(key, self.types.len() - 1);
                        self.types.len() - 1
                    }
                };
                leaf(repr, Order::Relaxed, Some(number))
            }
            // A seat of a barrier.
            LayoutKind::Struct { .. } if order == Order::Word => {
                let role = Role::Sync("Barrier");
                let name = "Seat".to_owned();
                Some(Shape::Struct(self.of_fields(layout, layout, name, role)))
            }
            LayoutKind::Struct { .. } => Some(Shape::Struct(self.structure(layout))),
            LayoutKind::Meaning { meaning, inner, .. } => {
                let len_of_last = || match inner.fields().last().map(|last| last.layout().kind()) {
                    Some(LayoutKind::Array { len, .. }) => len,
                    _ => 0,
                };
                let role = match meaning {
                    meaning::STR => return Some(Shape::Text(inner.size())),
                    meaning::OFFSET => return self.shape(inner, order),
                    meaning::VEC => Role::Vec {
                        capacity: len_of_last(),
                    },
                    meaning::SLOT => Role::Slot,
                    meaning::SEQLOCK => Role::SeqLock {
                        slots: len_of_last(),
                    },
                    meaning::MUTEX => Role::Sync("Mutex"),
                    meaning::RING => Role::Sync("Ring"),
                    meaning::BROADCAST => Role::Sync("Broadcast"),
                    meaning::SEMAPHORE => Role::Sync("Semaphore"),
                    meaning::EVENT => Role::Sync("Event"),
                    meaning::BARRIER => Role::Sync("Barrier"),
                    _ => return self.shape(inner, order),
                };
                let mut name = TypeName(layout).to_string();
                if let Some(rest) = name.strip_prefix("Shm") {
                    // POSIX has names with `shm_`.
                    name = rest.to_owned();
                }
                if role == Role::Slot {
                    name.push_str(" slot");
                }
                Some(Shape::Struct(self.of_fields(layout, inner, name, role)))
            }
            LayoutKind::Unknown { .. } => Some(Shape::Unknown(layout.size())),
            LayoutKind::Array { .. } | LayoutKind::Slice { .. } => None,
        }
    }

    fn all_values(&self, members: &[Member]) -> bool {
        !members.is_empty()
            && members.iter().all(|member| match member.shape {
                Shape::Gap | Shape::Unknown(_) => false,
                Shape::Leaf(leaf) => leaf.order == Order::Relaxed,
                Shape::Text(_) => true,
                Shape::Struct(number) => self.is_value(number),
            })
    }

    fn is_value(&self, number: usize) -> bool {
        matches!(&self.types[number], Type::Struct(of) if of.is_value)
    }
}

/// Adds the bytes from `start` to `end`.
fn gap(members: &mut Vec<Member>, scope: &mut Scope, start: usize, end: usize) {
    if end > start {
        members.push(Member {
            ident: scope.unique(format!("padding_at_{start}")),
            name: String::new(),
            offset: start,
            size: end - start,
            shape: Shape::Gap,
            dims: Vec::new(),
            since: 0,
        });
    }
}
