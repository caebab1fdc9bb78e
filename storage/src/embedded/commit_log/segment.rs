//! A segment file.
/// Bytes of a segment's header.
pub(super) const HEADER_BYTES: u32 = 4096;
