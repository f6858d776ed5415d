//! What a header says of the type as a whole: the schema, the fingerprints, and how its payload is found in a segment.

use std::fmt::Write;

use crate::dynamic::DynSchema;
use crate::layout::{ScalarKind, TypeLayout};

/// Bytes as an initializer, in lines.
pub(super) fn bytes(all: &[u8]) -> String {
    let mut out = String::new();
    for line in all.chunks(20) {
        out.push_str("    ");
        for byte in line {
            // Writing to a `String` does not fail.
            let _ = write!(out, "{byte}, ");
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
    }
    out
}

/// The schema with the records of its levels.
pub(super) fn schema(layout: &TypeLayout) -> Vec<u8> {
    // Only the layout of a type that no segment can have is refused.
    DynSchema::of_layout(layout).map_or_else(|_| Vec::new(), |schema| schema.to_bytes())
}

/// The fingerprints of all levels.
pub(super) fn fingerprints(layout: &TypeLayout) -> Vec<u64> {
    (0..=layout.level())
        .map(|level| layout.level_fingerprint(level))
        .collect()
}

/// A literal of an enum's integer with 64 bits, as C and C++ write it.
pub(super) fn integer(kind: ScalarKind, bits: u64) -> String {
    match kind.is_signed() {
        false => format!("UINT64_C({bits})"),
        true => match bits.cast_signed() {
            // The digits alone are above the largest number.
            i64::MIN => format!("(-INT64_C({}) - 1)", i64::MAX),
            number @ ..0 => format!("(-INT64_C({}))", number.unsigned_abs()),
            number => format!("INT64_C({number})"),
        },
    }
}

/// The statements of the function that finds a payload, from the header and the mapping, which are `header`, `map` and `len`.
/// `fail` is a statement for another segment.
pub(super) fn find(layout: &TypeLayout, names: &Names<'_>) -> String {
    let Names {
        fingerprints,
        null,
        cast,
    } = names;
    let mut magic = vec![0x89, b'S', b'H', b'M', 0x0d, 0x0a, 0x1a, 0x0a];
    magic.extend(2_u16.to_ne_bytes());
    magic.extend(256_u16.to_ne_bytes());
    magic.push(if cfg!(target_endian = "big") { 2 } else { 1 });
    let start: Vec<String> = magic.iter().map(u8::to_string).collect();
    let (size, base) = (layout.size(), layout.level_size(0));
    let align = layout.align().max(128);
    let mut out = format!(
        "    static const unsigned char start[13] = {{{}}};
    uint64_t hash = UINT64_C(0xcbf29ce484222325), checksum, total, offset, extent, fingerprint, flags;
    if (memcmp(header, start, sizeof start) != 0) return {null};
    for (size_t i = 0; i < 120; i++) hash = (hash ^ header[i]) * UINT64_C(0x100000001b3);
    memcpy(&total, header + 16, 8);
    memcpy(&offset, header + 40, 8);
    memcpy(&extent, header + 48, 8);
    memcpy(&fingerprint, header + 80, 8);
    memcpy(&flags, header + 88, 8);
    memcpy(&checksum, header + 120, 8);
    if (hash != checksum || (flags & UINT64_C(0xfffffff8)) != 0) return {null};
    if (fingerprint != {fingerprints}[0] || total != len || offset % {align}u != 0 || offset > total) return {null};
    if (extent > total - offset) return {null};
",
        start.join(", ")
    );
    // A comparison with 0 is a warning.
    if base > 0 {
        let _ = writeln!(
            out,
            "    if (extent < {base}u || total - offset < {size}u) return {null};"
        );
    }
    // There is no room that elements without bytes could exceed, and no division by their size.
    if let Some(stride @ 1..) = layout.tail_stride() {
        let _ = write!(
            out,
            "    uint64_t elements, stride;
    memcpy(&elements, header + 64, 8);
    memcpy(&stride, header + 72, 8);
    if (stride != {stride}u || elements > (extent - {base}u) / {stride}u) return {null};
"
        );
    }
    if layout.level() > 0 {
        let level = layout.level();
        let _ = write!(
            out,
            "    /* The records of the levels begin at the end. All levels of this header must have been announced. */
    const unsigned char *bytes = {};
    uint64_t end = total;
    uint32_t levels;
    memcpy(&levels, header + 208, 4);
    if (levels < {level}u || levels > 1000u) return {null};
    for (uint32_t level = 1; level <= levels; level++) {{
        uint32_t length;
        uint64_t taken;
        if (end - offset < 16) return {null};
        memcpy(&length, bytes + end - 16, 4);
        memcpy(&fingerprint, bytes + end - 8, 8);
        if (level <= {level}u && fingerprint != {fingerprints}[level]) return {null};
        taken = 16 + ((uint64_t)length + 7) / 8 * 8;
        if (taken > end - offset) return {null};
        end -= taken;
    }}
    if (end - offset < {size}u) return {null};
",
            cast("const unsigned char *", "map")
        );
    }
    out
}

/// What [`find`] refers to.
pub(super) struct Names<'a> {
    pub(super) fingerprints: &'a str,
    pub(super) null: &'a str,
    pub(super) cast: fn(&str, &str) -> String,
}
