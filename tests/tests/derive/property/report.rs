// The part of a generated program that compares. It prints a line for each disagreement, and how many it compared.

use std::fmt::Write;

use shm_core::layout::{LayoutKind, TypeLayout};

use std::os::fd::AsFd;

use shm_core::dynamic::{DynCell, DynSegment, DynValue};
use shm_core::sync::Mutex;
use shm_core::{Shm, ShmLayout};

/// The number of types that are written as headers.
const HEADERS: u32 = 60;

#[derive(Default)]
pub struct Report {
    compared: u32,
    leaves: u32,
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
    let mut word = || {
        *seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        *seed ^ (*seed >> 29)
    };
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
                write!(into, ",{}@{}:", field.name(), field.offset()).unwrap();
                render(field.layout(), into);
            }
            into.push('}');
        }
        _ => into.push_str("unknown kind"),
    }
}

fn main() {
    let mut report = Report::default();
    check_all(&mut report);
    println!("COMPARED {}", report.compared);
    println!("LEAVES {}", report.leaves);
}
