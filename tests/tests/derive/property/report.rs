// The part of a generated program that compares. It prints a line for each disagreement, and how many it compared.

use std::fmt::Write;

use shm_core::layout::{LayoutKind, TypeLayout};

#[derive(Default)]
pub struct Report {
    compared: u32,
}

impl Report {
    fn equal<T: PartialEq + std::fmt::Debug>(name: &str, what: &str, found: T, reference: T) {
        if found != reference {
            println!("DISAGREEMENT {name}: {what} is {found:?}, and the reference says {reference:?}");
        }
    }

    /// What holds for every struct and enum: the layout as the reference has it.
    fn layout(&mut self, name: &str, layout: &TypeLayout, extent: [usize; 2], offsets: &[usize], text: &str) {
        self.compared += 1;
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
        layout: &TypeLayout,
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
        layout: &TypeLayout,
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
}
