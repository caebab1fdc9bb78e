//! A record's header.
/// Bytes of a record's header.
pub(super) const HEADER_BYTES: u32 = 40;
/// Records begin at multiples of this many bytes.
pub(super) const ALIGN: u32 = 8;
