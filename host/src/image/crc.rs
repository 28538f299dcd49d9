//! A bare CRC-32 for plain images under the policy `crc`: in the image's last word or the region's.
//!
//! The board takes the last word that is not erased as the CRC-32 of everything before it, which
//! reads both placements; so a CRC-32 of 0xFFFFFFFF cannot be stored.

use super::ImageError;
use crate::files::{Part, Place, SegmentError, Segments};
use surefoot_core::config::Slot;
use surefoot_core::image::crc32;

/// Where the CRC-32 goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrcPlace {
    /// Behind the image's last byte.
    Image,
    /// In the last word of the slot; the gap stays erased.
    Region,
}

/// `image` (flat, for `slot`) with its CRC-32.
///
/// # Errors
/// [`ImageError::CrcErased`], [`ImageError::TooBig`], [`ImageError::LastWordUsed`].
pub fn with_crc(mut image: Vec<u8>, slot: Slot, place: CrcPlace) -> Result<Segments, ImageError> {
    image.resize(image.len().next_multiple_of(4), 0xFF);
    let room = slot.length as usize - 4;
    let segments = match place {
        CrcPlace::Image => {
            if image.len() > room {
                let wanted = image.len() as u64 + 4;
                return Err(ImageError::TooBig { wanted, room: slot.length, slot: slot.base });
            }
            let crc = stored(&image)?;
            image.extend_from_slice(&crc);
            Segments::one(slot.base, image)
        }
        CrcPlace::Region => {
            if image.len() == room + 4 && image[room..] == [0xFF; 4] {
                image.truncate(room);
            }
            if image.len() > room {
                return Err(ImageError::LastWordUsed(slot.end() - 4));
            }
            let mut region = image.clone();
            region.resize(room, 0xFF);
            let crc = stored(&region)?.to_vec();
            let place = Place::Offset(0);
            Segments::new([
                Part { address: slot.base, bytes: image, place },
                Part { address: slot.end() - 4, bytes: crc, place },
            ])
        }
    };
    segments.map_err(|e| match e {
        SegmentError::Nothing => ImageError::TooShort(0),
        // The slot's base is a multiple of four, and both parts were measured above.
        _ => ImageError::LastWordUsed(slot.end() - 4),
    })
}

fn stored(body: &[u8]) -> Result<[u8; 4], ImageError> {
    match crc32(body) {
        u32::MAX => Err(ImageError::CrcErased),
        crc => Ok(crc.to_le_bytes()),
    }
}
