// The part of a generated program that compares. It prints a line for each disagreement, and how many it compared.

use std::fmt::Write;

use shm_core::layout::{LayoutKind, TypeLayout};

use std::os::fd::AsFd;

use shm_core::dynamic::{DynCell, DynSegment, DynValue};
use shm_core::sync::{Broadcast, Mutex, Ring, SeqLock};
use shm_core::{Shm, ShmLayout, ShmOffset, ShmStr, ShmVec};

/// The number of types that are written as headers.
const HEADERS: u32 = 60;

#[derive(Default)]
pub struct Report {
    compared: u32,
    leaves: u32,
    /// Types whose values were held in a `SeqLock`, a queue and a vector.
    held: u32,
    /// Types with levels, and those of them with more than one above the first.
    grown: u32,
    grown_twice: u32,
}

impl Report {
    fn equal<T: PartialEq + std::fmt::Debug>(name: &str, what: &str, found: T, reference: T) {
        if found != reference {
            println!("DISAGREEMENT {name}: {what} is {found:?}, and the reference says {reference:?}");
        }
    }

    /// What holds for every struct and enum: the layout as the reference has it.
    fn layout(&mut self, name: &str, layout: &'static TypeLayout, extent: [usize; 2], offsets: &[usize], text: &str) {
        self.compared += 1;
        // The test compiles these.
        if self.compared <= HEADERS {
            std::fs::create_dir_all("headers").unwrap();
            let path = |end| format!("headers/{}.{end}", self.compared);
            std::fs::write(path("h"), layout.to_c()).unwrap();
            std::fs::write(path("hpp"), layout.to_cpp()).unwrap();
        }
        Self::equal(name, "the derive's extent", [layout.size(), layout.align()], extent);
        let derived: Vec<usize> = layout.fields().iter().map(|field| field.offset()).collect();
        Self::equal(name, "the derive's offsets", &*derived, offsets);
        let mut rendered = String::new();
        render(layout, &mut rendered);
        Self::equal(name, "the derive's layout", &*rendered, text);
    }

    #[allow(clippy::too_many_arguments)]
    pub fn sized(
        &mut self,
        name: &str,
        layout: &'static TypeLayout,
        compiler: [usize; 2],
        view: [usize; 2],
        offsets: &[usize],
        view_offsets: &[usize],
        extent: [usize; 2],
        reference: &[usize],
        text: &str,
    ) {
        self.layout(name, layout, extent, reference, text);
        Self::equal(name, "the compiler's extent", compiler, extent);
        Self::equal(name, "the compiler's offsets", offsets, reference);
        Self::equal(name, "the view's extent", view, extent);
        Self::equal(name, "the view's offsets", view_offsets, reference);
    }

    #[allow(clippy::too_many_arguments)]
    pub fn tail<V: ?Sized>(
        &mut self,
        name: &str,
        layout: &'static TypeLayout,
        view_at: fn(*const (), usize) -> *const V,
        tail: impl Fn(&V) -> usize,
        twin: [usize; 2],
        offsets: &[usize],
        view_offsets: &[usize],
        extent: [usize; 2],
        reference: &[usize],
        text: &str,
    ) {
        self.layout(name, layout, extent, reference, text);
        // Memory for the view of two elements, aligned to what any generated type asks for.
        let memory = vec![0_u8; twin[0] + 4096];
        let start = memory.as_ptr().map_addr(|at| at.next_multiple_of(4096));
        // SAFETY: a view is valid for any bytes, and there are as many as the twin has, at an aligned address.
        let view = unsafe { &*view_at(start.cast(), 2) };
        Self::equal(name, "the twin's extent", twin, [size_of_val(view), align_of_val(view)]);
        Self::equal(name, "the twin's alignment", twin[1], extent[1]);
        Self::equal(name, "the compiler's offsets", offsets, reference);
        let mut all = view_offsets.to_vec();
        all.push(tail(view) - start.addr());
        Self::equal(name, "the view's offsets", &*all, reference);
    }
}

impl Report {
    /// Reads and writes every leaf of a segment without its type, and compares that with the bytes of the typed view.
    pub fn dynamic<T: ShmLayout + ?Sized>(&mut self, name: &str, shm: Shm<T>, tail: usize) {
        let fd = shm.as_fd().try_clone_to_owned().unwrap();
        let segment = DynSegment::from_fd(fd).unwrap();
        let [mut found, mut typed] = [String::new(), String::new()];
        render(segment.layout(), &mut found);
        render(T::LAYOUT, &mut typed);
        Self::equal(name, "the layout of the schema", found, typed);
        let mut seed = u64::from(self.compared);
        let whole = segment.at(".").unwrap();
        let before = self.leaves;
        self.leaves(name, &segment, &whole, shm.as_ptr(), T::LAYOUT, tail, &mut seed);
        assert!(self.leaves > before || T::LAYOUT.size() == 0, "{name} has no leaf");
        // All at once: what is read is what is there after it was written again.
        let value = whole.get().unwrap();
        fill(shm.as_ptr(), T::LAYOUT, tail, &mut seed);
        let again: DynValue = value.to_string().parse().unwrap();
        whole.set(&again).unwrap();
        Self::equal(name, "the whole value", whole.get().unwrap().to_string(), value.to_string());
    }

    /// The same for a value that a mutex protects: its paths lead through the lock, and it is set under the lock.
    pub fn locked<T: ShmLayout>(&mut self, name: &str) {
        let LayoutKind::Meaning { inner, .. } = <Mutex<T>>::LAYOUT.kind() else {
            panic!("a mutex has parts");
        };
        let offset = inner.fields().last().unwrap().offset();
        let value = |shm: &Shm<Mutex<T>>| shm.as_ptr().wrapping_add(offset);
        let mut seed = u64::from(self.compared);
        let options = <Mutex<T>>::options();
        let shm = options.create_anonymous_with(|shm| fill(value(shm), T::LAYOUT, 0, &mut seed)).unwrap();
        let segment = DynSegment::from_fd(shm.as_fd().try_clone_to_owned().unwrap()).unwrap();
        let whole = segment.at(".").unwrap();
        self.leaves(name, &segment, &whole, value(&shm), T::LAYOUT, 0, &mut seed);
    }

    /// The same for values in the types that hold copies of them: written with the type and read without it, and, but for
    /// messages, the other way round.
    pub fn held<T: ShmLayout + Copy>(&mut self, name: &str) {
        let mut seed = u64::from(self.compared) ^ 0x5eed;
        self.held += 1;
        self.committed::<T>(&format!("{name} SeqLock"), &mut seed);
        self.sent::<T>(&format!("{name} queue"), &mut seed);
        self.pushed::<T>(&format!("{name} ShmVec"), &mut seed);
    }

    fn committed<T: ShmLayout + Copy>(&mut self, name: &str, seed: &mut u64) {
        let first = Value::<T>::random(seed);
        let lock = <SeqLock<T>>::options().create_anonymous_with(|lock| {
            lock.store(first.0).unwrap();
        });
        let lock = lock.unwrap();
        let segment = DynSegment::from_fd(lock.as_fd().try_clone_to_owned().unwrap()).unwrap();
        let whole = segment.at(".").unwrap();
        self.parts(name, &segment, &whole, &first);
        let mut value = Value::<T>::random(seed);
        whole.set(&value.text()).unwrap();
        let mut commits = 2;
        let mut compare = |value: &Value<T>| {
            let (version, read) = lock.read_versioned().unwrap();
            Self::equal(name, "the version", version, commits);
            Self::equal(name, "the committed value", Value(read).bytes(), value.bytes());
            commits += 1;
        };
        compare(&value);
        each_leaf(&whole, T::LAYOUT, 0, &mut |cell, offset, layout| {
            value.change(offset, layout, seed);
            cell.set(&value.leaf(offset, layout).to_string().parse().unwrap()).unwrap();
            compare(&value);
        });
    }

    fn sent<T: ShmLayout + Copy>(&mut self, name: &str, seed: &mut u64) {
        let values: Vec<Value<T>> = (0..3).map(|_| Value::random(seed)).collect();
        let ring = <Ring<T, 3>>::create_anonymous().unwrap();
        let news = <Broadcast<T, 3>>::create_anonymous().unwrap();
        let (mut sender, mut announcer) = (ring.sender().unwrap(), news.sender().unwrap());
        let (mut receiver, mut listener) = (ring.receiver().unwrap(), news.receiver());
        for value in &values {
            sender.send(value.0).unwrap();
            announcer.send(value.0).unwrap();
        }
        receiver.recv_with(|_, _| ()).unwrap();
        listener.recv().unwrap();
        for (fd, from) in [(ring.as_fd(), 1), (news.as_fd(), 0)] {
            let segment = DynSegment::from_fd(fd.try_clone_to_owned().unwrap()).unwrap();
            let messages = segment.at(".").unwrap().messages().unwrap();
            Self::equal(name, "the messages", messages, Some(from as u64..3));
            for (number, value) in values.iter().enumerate().skip(from) {
                let message = segment.at(&format!("[#{number}]")).unwrap();
                self.parts(name, &segment, &message, value);
                assert!(message.set(&value.text()).is_err(), "{name}: a message was set");
            }
        }
        for value in &values[1..] {
            let mut received = vec![0; T::LAYOUT.size()];
            receiver.recv_with(|message, _| read(message.as_ptr().cast(), &mut received)).unwrap();
            Self::equal(name, "what a ring's receiver gets", received, value.bytes());
            let received = Value(listener.recv().unwrap()).bytes();
            Self::equal(name, "what a broadcast's receiver gets", received, value.bytes());
        }
    }

    fn pushed<T: ShmLayout + Copy>(&mut self, name: &str, seed: &mut u64) {
        let vec = <ShmVec<T, 3>>::create_anonymous().unwrap();
        let segment = DynSegment::from_fd(vec.as_fd().try_clone_to_owned().unwrap()).unwrap();
        let whole = segment.at(".").unwrap();
        let mut values: Vec<Value<T>> = (0..2).map(|_| Value::random(seed)).collect();
        let list = |values: &[Value<T>]| DynValue::List(values.iter().map(Value::expected).collect());
        for value in &values {
            vec.push(value.0).unwrap();
        }
        Self::equal(name, "the vector", whole.get().unwrap(), list(&values));
        for (number, value) in values.iter().enumerate() {
            self.parts(name, &segment, &whole.index(number).unwrap(), value);
        }
        values = (0..3).map(|_| Value::random(seed)).collect();
        whole.set(&list(&values).to_string().parse().unwrap()).unwrap();
        let last = values.last_mut().unwrap();
        each_leaf(&whole.index(2).unwrap(), T::LAYOUT, 0, &mut |cell, offset, layout| {
            last.change(offset, layout, seed);
            cell.set(&last.leaf(offset, layout).to_string().parse().unwrap()).unwrap();
        });
        Self::equal(name, "the length", vec.len(), values.len());
        for (number, value) in values.iter().enumerate() {
            let mut found = vec![0; T::LAYOUT.size()];
            read(vec.get(number).unwrap().as_ptr().cast(), &mut found);
            Self::equal(name, "the element", found, value.bytes());
        }
    }

    /// Reads a value that is held somewhere, and each leaf of it by its cell and by its path.
    fn parts<T: ShmLayout + Copy>(&mut self, name: &str, segment: &DynSegment, cell: &DynCell, value: &Value<T>) {
        let label = format!("`{}`", cell.path());
        Self::equal(name, &label, cell.get().unwrap(), value.expected());
        each_leaf(cell, T::LAYOUT, 0, &mut |cell, offset, layout| {
            self.leaves += 1;
            let label = format!("`{}`", cell.path());
            let wanted = value.leaf(offset, layout);
            let by_path = segment.at(cell.path()).unwrap();
            Self::equal(name, &label, [cell.get().unwrap(), by_path.get().unwrap()], [wanted.clone(), wanted]);
        });
    }

    /// Texts and offsets.
    fn linked(&mut self) {
        let shm = Linked::create_anonymous().unwrap();
        let segment = DynSegment::from_fd(shm.as_fd().try_clone_to_owned().unwrap()).unwrap();
        let [text, link] = ["text", "link"].map(|path| segment.at(path).unwrap());
        let mut seed = 7;
        for round in 0..300 {
            let name = format!("text and link {round}");
            let written = random_text(&mut seed, 13);
            shm.text.set(&written).unwrap();
            Self::equal(&name, "the text", text.get().unwrap(), DynValue::Str(written));
            let written = random_text(&mut seed, 13);
            let value: DynValue = DynValue::Str(written.clone()).to_string().parse().unwrap();
            text.set(&value).unwrap();
            Self::equal(&name, "the text", shm.text.get().unwrap(), written);

            let target = |seed: &mut u64| &shm.targets[random_word(seed) as usize % 5];
            let place = target(&mut seed);
            let offset = shm.offset_of(place);
            shm.link.set(offset);
            let raw = link.get().unwrap();
            let distance = place.as_ptr().addr() - shm.targets[0].as_ptr().addr();
            let first = shm.offset_of(&shm.targets[0]);
            shm.link.set(first);
            let base = link.get().unwrap().as_int().unwrap();
            Self::equal(&name, "the link", raw.as_int(), Some(base + distance as i128));
            link.set(&raw.to_string().parse().unwrap()).unwrap();
            let found = shm.resolve(shm.link.get()).unwrap();
            Self::equal(&name, "the target", found.as_ptr(), place.as_ptr());
        }
    }

    /// A struct that has grown: programs of its first level and of its newest use one segment, and so do handles without the type
    /// from before and after.
    pub fn grown<Old: ShmLayout, New: ShmLayout>(&mut self, name: &str, levels: &[[usize; 2]]) {
        self.grown += 1;
        self.grown_twice += u32::from(levels.len() > 2);
        let found: Vec<[usize; 2]> = (0..=New::LAYOUT.level())
            .map(|level| [New::LAYOUT.level_size(level), New::LAYOUT.level_align(level)])
            .collect();
        Self::equal(name, "the extent of each level", &*found, levels);
        Self::equal(name, "the fingerprint of level 0", Old::FINGERPRINT, New::FINGERPRINT);
        let mut seed = u64::from(self.compared);
        let old = Old::options()
            .create_anonymous_with(|shm| fill(shm.as_ptr(), Old::LAYOUT, 0, &mut seed))
            .unwrap();
        let fd = || old.as_fd().try_clone_to_owned().unwrap();
        let before = DynSegment::from_fd(fd()).unwrap();
        let new = New::from_fd(fd()).unwrap();
        let after = DynSegment::from_fd(fd()).unwrap();
        for (segment, layout) in [(&before, Old::LAYOUT), (&after, New::LAYOUT)] {
            let [mut found, mut typed] = [String::new(), String::new()];
            render(segment.layout(), &mut found);
            render(layout, &mut typed);
            Self::equal(name, "the layout of the schema", found, typed);
            for level in 0..=layout.level() {
                let fingerprint = segment.layout().level_fingerprint(level);
                Self::equal(name, "the fingerprint of a level", fingerprint, layout.level_fingerprint(level));
            }
        }
        self.leaves(name, &after, &after.at(".").unwrap(), new.as_ptr(), New::LAYOUT, 0, &mut seed);
        self.leaves(name, &before, &before.at(".").unwrap(), old.as_ptr(), Old::LAYOUT, 0, &mut seed);
        self.leaves(name, &after, &after.at(".").unwrap(), new.as_ptr(), New::LAYOUT, 0, &mut seed);
    }

    #[allow(clippy::too_many_arguments)]
    fn leaves(
        &mut self,
        name: &str,
        segment: &DynSegment,
        cell: &DynCell,
        at: *const u8,
        layout: &TypeLayout,
        tail: usize,
        seed: &mut u64,
    ) {
        let place = |offset: usize| at.wrapping_add(offset);
        let label = || format!("`{}`", cell.path());
        match layout.kind() {
            LayoutKind::Array { element, len, .. } => {
                Self::equal(name, &label(), cell.len().unwrap(), Some(len));
                for index in 0..len.min(20) {
                    self.leaves(name, segment, &cell.index(index).unwrap(), place(index * element.size()), element, 0, seed);
                }
            }
            LayoutKind::Slice { element, .. } => {
                Self::equal(name, &label(), cell.len().unwrap(), Some(tail));
                for index in 0..tail {
                    self.leaves(name, segment, &cell.index(index).unwrap(), place(index * element.size()), element, 0, seed);
                }
            }
            LayoutKind::Struct { fields, .. } => {
                let names: Vec<&str> = fields.iter().map(|field| field.name()).collect();
                Self::equal(name, &label(), cell.field_names(), names);
                for field in fields {
                    let inside = cell.field(field.name()).unwrap();
                    self.leaves(name, segment, &inside, place(field.offset()), field.layout(), tail, seed);
                }
            }
            _ => {
                self.leaves += 1;
                Self::equal(name, &label(), cell.get().unwrap(), value(at, layout));
                random_leaf(at, layout, seed);
                Self::equal(name, &label(), cell.get().unwrap(), value(at, layout));
                // The other direction: the value that is there now, written by its text after the bytes have changed.
                let wanted = value(at, layout);
                let mut before = [0; 16];
                let before = &mut before[..layout.size()];
                read(at, before);
                random_leaf(at, layout, seed);
                cell.set(&wanted.to_string().parse().unwrap()).unwrap();
                let mut after = [0; 16];
                read(at, &mut after[..layout.size()]);
                Self::equal(name, &label(), &after[..layout.size()], &*before);
                // The path as text leads there too.
                let by_path = segment.at(cell.path()).unwrap();
                Self::equal(name, &label(), by_path.get().unwrap(), wanted);
            }
        }
    }
}

#[derive(ShmLayout)]
#[repr(C)]
struct Linked {
    text: ShmStr<13>,
    _pad: [u8; 3],
    link: ShmOffset<u64>,
    targets: [u64; 5],
}

/// A value outside shared memory, without padding.
struct Value<T>(T);

impl<T: ShmLayout + Copy> Value<T> {
    fn random(seed: &mut u64) -> Self {
        let mut value = std::mem::MaybeUninit::<T>::zeroed();
        fill(value.as_mut_ptr().cast(), T::LAYOUT, 0, seed);
        // SAFETY: each leaf was written with a value of its type, and there is nothing but leaves.
        Self(unsafe { value.assume_init() })
    }

    fn at(&self) -> *const u8 {
        (&raw const self.0).cast()
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; size_of::<T>()];
        read(self.at(), &mut bytes);
        bytes
    }

    fn expected(&self) -> DynValue {
        all(self.at(), T::LAYOUT)
    }

    /// The value as it is read from its text.
    fn text(&self) -> DynValue {
        self.expected().to_string().parse().unwrap()
    }

    fn leaf(&self, offset: usize, layout: &TypeLayout) -> DynValue {
        value(self.at().wrapping_add(offset), layout)
    }

    /// Gives a leaf a random value.
    fn change(&mut self, offset: usize, layout: &TypeLayout, seed: &mut u64) {
        let at: *mut u8 = (&raw mut self.0).cast();
        random_leaf(at.wrapping_add(offset), layout, seed);
    }
}

/// A value with all its parts.
fn all(at: *const u8, layout: &'static TypeLayout) -> DynValue {
    match layout.kind() {
        LayoutKind::Array { element, len, .. } => {
            (0..len).map(|index| all(at.wrapping_add(index * element.size()), element)).collect()
        }
        LayoutKind::Struct { fields, .. } => {
            let field = |field: &shm_core::layout::FieldLayout| {
                (field.name().to_owned().into(), all(at.wrapping_add(field.offset()), field.layout()))
            };
            DynValue::Struct(fields.iter().map(field).collect())
        }
        _ => value(at, layout),
    }
}

/// Visits leaves of a value, with their offsets: of an array, those of its first and its last element.
fn each_leaf(
    cell: &DynCell,
    layout: &'static TypeLayout,
    offset: usize,
    visit: &mut dyn FnMut(&DynCell, usize, &'static TypeLayout),
) {
    match layout.kind() {
        LayoutKind::Array { element, len, .. } => {
            for index in std::collections::BTreeSet::from([0, len.saturating_sub(1)]) {
                if index < len {
                    let offset = offset + index * element.size();
                    each_leaf(&cell.index(index).unwrap(), element, offset, visit);
                }
            }
        }
        LayoutKind::Struct { fields, .. } => {
            for field in fields {
                let inside = cell.field(field.name()).unwrap();
                each_leaf(&inside, field.layout(), offset + field.offset(), visit);
            }
        }
        _ => visit(cell, offset, layout),
    }
}

fn random_word(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
    *seed ^ (*seed >> 29)
}

/// A text of at most so many bytes, with characters that have to be escaped.
fn random_text(seed: &mut u64, most: usize) -> String {
    let mut text = String::new();
    for _ in 0..random_word(seed) % 14 {
        let choices = ['a', '"', '\\', '\n', '\u{1b}', '\'', 'ß', '€', '𝄞', ' '];
        let next = choices[random_word(seed) as usize % choices.len()];
        if text.len() + next.len_utf8() <= most {
            text.push(next);
        }
    }
    text
}

fn read(at: *const u8, out: &mut [u8]) {
    // SAFETY: the leaf has as many bytes, and nobody else accesses them at the same time.
    unsafe { at.copy_to_nonoverlapping(out.as_mut_ptr(), out.len()) };
}

/// The value of a leaf, decoded from its bytes by its type's name.
fn value(at: *const u8, layout: &TypeLayout) -> DynValue {
    let mut bytes = [0; 16];
    read(at, &mut bytes[..layout.size()]);
    macro_rules! number {
        ($ty:ty) => {
            <$ty>::from_ne_bytes(bytes[..size_of::<$ty>()].try_into().unwrap())
        };
    }
    if let LayoutKind::Enum { repr, variants, .. } = layout.kind() {
        let bits = match repr.name() {
            "u8" => u64::from(bytes[0]),
            "i8" => bytes[0] as i8 as u64,
            "u16" => u64::from(number!(u16)),
            "i16" => number!(i16) as u64,
            "u32" => u64::from(number!(u32)),
            "i32" => number!(i32) as u64,
            _ => number!(u64),
        };
        let variant = variants.iter().find(|variant| variant.bits() == bits).unwrap();
        return DynValue::Name(variant.name().into());
    }
    let LayoutKind::Scalar(scalar) = layout.kind() else {
        panic!("no leaf");
    };
    match scalar.kind().name() {
        "u8" => number!(u8).into(),
        "i8" => number!(i8).into(),
        "u16" => number!(u16).into(),
        "i16" => number!(i16).into(),
        "u32" => number!(u32).into(),
        "i32" => number!(i32).into(),
        "u64" => number!(u64).into(),
        "i64" => number!(i64).into(),
        "u128" => number!(u128).into(),
        "i128" => number!(i128).into(),
        "f32" => number!(f32).into(),
        "f64" => number!(f64).into(),
        "bool" => (bytes[0] != 0).into(),
        "char" => char::from_u32(number!(u32)).unwrap().into(),
        other => panic!("{other}"),
    }
}

/// Writes a random value of the leaf's type.
fn random_leaf(at: *const u8, layout: &TypeLayout, seed: &mut u64) {
    let mut word = || random_word(seed);
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&word().to_ne_bytes());
    bytes[8..].copy_from_slice(&word().to_ne_bytes());
    if let LayoutKind::Enum { variants, .. } = layout.kind() {
        let variant = variants[word() as usize % variants.len()];
        let bits = variant.bits().to_ne_bytes();
        let start = if cfg!(target_endian = "big") { 8 - layout.size() } else { 0 };
        bytes[..layout.size()].copy_from_slice(&bits[start..start + layout.size()]);
    }
    if let LayoutKind::Scalar(scalar) = layout.kind() {
        match scalar.kind().name() {
            "bool" => bytes[0] &= 1,
            "char" => {
                let code = char::from_u32(word() as u32 % 0x11_0000).unwrap_or('x') as u32;
                bytes[..4].copy_from_slice(&code.to_ne_bytes());
            }
            // The text of a NaN does not have its bits.
            "f32" if f32::from_ne_bytes(bytes[..4].try_into().unwrap()).is_nan() => bytes.fill(0),
            "f64" if f64::from_ne_bytes(bytes[..8].try_into().unwrap()).is_nan() => bytes.fill(0),
            _ => {}
        }
    }
    // SAFETY: the leaf has as many bytes, and nobody else accesses them at the same time.
    unsafe { at.cast_mut().copy_from_nonoverlapping(bytes.as_ptr(), layout.size()) };
}

/// Writes a random value of each leaf.
pub fn fill(at: *const u8, layout: &TypeLayout, tail: usize, seed: &mut u64) {
    match layout.kind() {
        LayoutKind::Array { element, len, .. } => {
            for index in 0..len {
                fill(at.wrapping_add(index * element.size()), element, 0, seed);
            }
        }
        LayoutKind::Slice { element, .. } => {
            for index in 0..tail {
                fill(at.wrapping_add(index * element.size()), element, 0, seed);
            }
        }
        LayoutKind::Struct { fields, .. } => {
            for field in fields {
                fill(at.wrapping_add(field.offset()), field.layout(), tail, seed);
            }
        }
        _ => random_leaf(at, layout, seed),
    }
}

fn render(layout: &TypeLayout, into: &mut String) {
    match layout.kind() {
        LayoutKind::Scalar(scalar) => into.push_str(scalar.name()),
        LayoutKind::Array { element, len, .. } => {
            into.push('[');
            render(element, into);
            write!(into, ";{len}]").unwrap();
        }
        LayoutKind::Slice { element, .. } => {
            into.push('[');
            render(element, into);
            into.push(']');
        }
        LayoutKind::Enum { repr, variants, .. } => {
            into.push_str(repr.name());
            for variant in variants {
                write!(into, "|{}={}", variant.name(), variant.bits()).unwrap();
            }
        }
        LayoutKind::Struct { version, fields, .. } => {
            write!(into, "{{{}/{}/v{version}", layout.size(), layout.align()).unwrap();
            for field in fields {
                write!(into, ",{}@{}^{}:", field.name(), field.offset(), field.since()).unwrap();
                render(field.layout(), into);
            }
            into.push('}');
        }
        _ => into.push_str("unknown kind"),
    }
}

fn main() {
    let mut report = Report::default();
    report.linked();
    check_all(&mut report);
    println!("COMPARED {}", report.compared);
    println!("LEAVES {}", report.leaves);
    println!("HELD {}", report.held);
    println!("GROWN {}", report.grown);
    println!("TWICE {}", report.grown_twice);
}
