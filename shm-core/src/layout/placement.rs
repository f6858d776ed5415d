//! Where a payload begins in its segment, which follows from its layout alone.

/// The length of a segment's header in bytes.
pub(crate) const HEADER_LEN: usize = 256;
/// The size of a cache line on the processors that this crate runs on.
pub(crate) const CACHE_LINE: usize = 64;
/// The offset of a payload is a multiple of this, whatever the alignment of the type is, so that fields of this alignment can be
/// appended to it later. Types of this library keep words of two processes this far apart.
pub(crate) const PAYLOAD_ALIGN: usize = 128;

/// The offset of a payload with this alignment, after the header and the schema. `None` if no address space is that large.
pub(crate) const fn payload_offset(schema_len: usize, align: usize) -> Option<usize> {
    let Some(end) = HEADER_LEN.checked_add(schema_len) else {
        return None;
    };
    round_up(
        end,
        if align > PAYLOAD_ALIGN {
            align
        } else {
            PAYLOAD_ALIGN
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
