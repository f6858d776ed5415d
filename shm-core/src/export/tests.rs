//! What headers say. That compilers accept them is tested in the repository's `shm-cli/tests/layouts`.

use crate::ShmLayout;
use crate::layout::test_layouts::{U8, U32, U64, array};
use crate::layout::{FieldLayout, TypeLayout, Variant, with_offsets};
use crate::sync::{Mutex, SeqLock};

fn leaked<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

fn structure(
    name: &'static str,
    size: usize,
    fields: &[(&'static str, &'static TypeLayout)],
) -> &'static TypeLayout {
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, layout)| FieldLayout::new(name, layout))
        .collect();
    let mut end: usize = 0;
    let fields: Vec<FieldLayout> = fields
        .into_iter()
        .map(|field| {
            let offset = end.next_multiple_of(field.layout().align());
            end = offset + field.layout().size();
            FieldLayout::at(field.name(), offset, field.layout())
        })
        .collect();
    let align = fields.iter().map(|field| field.layout().align()).max();
    leaked(TypeLayout::structure(
        name,
        0,
        size,
        align.unwrap_or(1),
        fields.leak(),
    ))
}

/// The elements begin where the fields end, and C rounds the size of the struct up.
#[test]
fn a_struct_may_end_in_elements_before_its_alignment() {
    let pair = leaked(TypeLayout::slice(structure(
        "Pair",
        8,
        &[("a", U32), ("b", U32)],
    )));
    let layout = structure("Log", 12, &[("frame", U64), ("len", U32), ("pairs", pair)]);
    let assert = "(sizeof(log_segment) == 16u, \"log_segment has another size\");";
    assert!(layout.to_c().contains(assert), "{}", layout.to_c());
    assert!(layout.to_cpp().contains("== 16u, "), "{}", layout.to_cpp());
}

#[test]
fn a_header_declares_asserts_and_accesses_every_field() {
    let layout = structure(
        "MotorState",
        16,
        &[("speed", U64), ("bytes", array![U8; 8])],
    );
    let header = layout.to_c();
    for line in [
        "#ifndef MOTOR_STATE_LAYOUT_H",
        "    _Alignas(8) _Atomic(uint64_t) speed;",
        "    _Atomic(uint8_t) bytes[8];",
        "_Static_assert(sizeof(motor_state) == 16u, \"motor_state has another size\");",
        "_Static_assert(offsetof(motor_state, bytes) == 8u, \"motor_state.bytes is elsewhere\");",
        "static inline uint64_t motor_state_get_speed(const motor_state *at)",
        "static inline void motor_state_set_bytes(motor_state *at, size_t i0, uint8_t value)",
        "static inline void motor_state_load(const motor_state *at, motor_state_value *value)",
    ] {
        assert!(header.lines().any(|of| of == line), "{line}\n{header}");
    }
    let fingerprint = format!("UINT64_C(0x{:016x})", layout.fingerprint());
    assert!(header.contains(&fingerprint));
    let header = layout.to_cpp();
    for line in [
        "namespace motor_state {",
        "    alignas(8) tshm_layout::cell<std::uint64_t> speed;",
        "    tshm_layout::cell<std::uint8_t> bytes[8];",
        "static_assert(offsetof(MotorState, bytes) == 8u, \"MotorState::bytes is elsewhere\");",
        "inline void load(const MotorState &at, MotorStateValue &value) noexcept",
    ] {
        assert!(header.lines().any(|of| of == line), "{line}\n{header}");
    }
}

#[test]
fn claims_are_read_and_never_written() {
    let header = Mutex::<u64>::LAYOUT.to_c();
    assert!(header.contains("payload_mutex_u64_get_claim("), "{header}");
    assert!(!header.contains("payload_mutex_u64_set_claim("), "{header}");
    assert!(header.contains("payload_mutex_u64_set_value("), "{header}");
    let header = SeqLock::<[u32; 3]>::LAYOUT.to_c();
    assert!(
        header.contains("_read(const payload_seq_lock_u32_3_4 *at, uint32_t value[3])"),
        "{header}"
    );
    assert!(!header.contains("_set_version("), "{header}");
    // No function of a library is called that may not be there.
    assert!(!header.replace("libtshm", "").contains("tshm"), "{header}");
}

#[test]
fn hostile_names_stay_in_comments() {
    static VARIANTS: [Variant; 2] = [Variant::new("*/ int", 0), Variant::new("*/ int\n", 1)];
    let of_enum = leaked(TypeLayout::enumeration(
        "??/\n#include \"x\"",
        crate::layout::ScalarKind::U32,
        &VARIANTS,
    ));
    let layout = structure(
        "*/ #error\n/*",
        24,
        &[
            ("int", U32),
            ("int ", U32),
            ("a */ b", U32),
            ("a\\\nb", U32),
            ("\u{202e}\u{1b}[m", U32),
            ("e", of_enum),
        ],
    );
    for header in [layout.to_c(), layout.to_cpp()] {
        assert!(header.is_ascii());
        for line in header.lines() {
            assert!(!line.contains('\u{1b}') && !line.contains("??/"), "{line}");
            assert!(!line.ends_with('\\'), "{line}");
        }
        let opened = header.matches("/*").count();
        assert_eq!(opened, header.matches("*/").count(), "{header}");
    }
    let header = layout.to_c();
    for member in ["int_;", "int_2;", "a_b;", "a_b_2;"] {
        assert!(
            header.contains(&format!("_Atomic(uint32_t) {member}")),
            "{member}\n{header}"
        );
    }
}

#[test]
fn an_empty_payload_and_offsets_are_no_problem() {
    const FIELDS: &[FieldLayout] = &with_offsets([FieldLayout::new("none", U64)]);
    let empty = structure("Empty", 0, &[("nothing", array![U64; 0])]);
    for header in [empty.to_c(), empty.to_cpp()] {
        assert!(header.contains("mpty"), "{header}");
    }
    let one = leaked(TypeLayout::structure("One", 0, 8, 8, FIELDS));
    assert_eq!(one.to_c().matches("typedef struct one {").count(), 1);
}
