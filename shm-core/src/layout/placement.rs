//! Where a payload begins in its segment, which follows from its layout alone.

/// The length of a segment's header in bytes.
pub(crate) const HEADER_LEN: usize = 256;
/// The size of a cache line on the processors that this crate runs on. A payload begins at one.
pub(crate) const CACHE_LINE: usize = 64;

/// The offset of a payload with this alignment: after the header and the schema, and at a cache line. `None` if no address space
/// is that large.
pub(crate) const fn payload_offset(schema_len: usize, align: usize) -> Option<usize> {
    let Some(end) = HEADER_LEN.checked_add(schema_len) else {
        return None;
    };
    round_up(
        end,
        if align > CACHE_LINE {
            align
        } else {
            CACHE_LINE
        },
    )
}

/// `to` is a power of two.
pub(crate) const fn round_up(value: usize, to: usize) -> Option<usize> {
    match value.checked_add(to - 1) {
        Some(sum) => Some(sum & !(to - 1)),
        None => None,
    }
}
