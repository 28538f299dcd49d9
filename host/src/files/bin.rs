//! Raw bytes: the address comes from elsewhere.

use super::segments::{Part, Place, SegmentError, Segments};

/// `bytes` as one segment at `address`.
pub(super) fn read(bytes: &[u8], address: u32) -> Result<Segments, SegmentError> {
    Segments::new([Part { address, bytes: bytes.to_vec(), place: Place::Offset(0) }])
}
