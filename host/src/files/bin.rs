//! Raw bytes: the address comes from elsewhere.

use super::segments::{Part, Place, SegmentError, Segments};

/// `bytes` as one segment at `address`. Their first byte is a vector table's or nothing's, so an address
/// inside a word is a mistake and is not filled up to.
pub(super) fn read(bytes: &[u8], address: u32) -> Result<Segments, SegmentError> {
    if !address.is_multiple_of(4) {
        return Err(SegmentError::Unaligned { address });
    }
    Segments::new([Part { address, bytes: bytes.to_vec(), place: Place::Offset(0) }])
}
