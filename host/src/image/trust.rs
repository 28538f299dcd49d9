//! Holding an image against public keys alone: no board, no board file.
//!
//! For a release that is archived, a download, a build server. Whether a certain board takes the image is more
//! ([`super::check`]): its chip, its slot, its counter, its revoked keys.

use super::{ImageError, ManifestView, inspect, keys, nothing_behind_manifest};
use crate::files::Segments;
use ed25519_dalek::VerifyingKey;
use surefoot_core::image::ImageFault;
use surefoot_core::image::manifest::{Algorithm, ManifestFault};

/// Why an image is not to be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// As a board would see it.
    #[error("the image is not to be trusted: {}", untrue(*.0))]
    Fault(ImageFault),
    /// It has no signature.
    #[error("the image is not signed")]
    NotSigned,
    /// Another key signed it.
    #[error("the image was signed by key {}, which is none of those given", hex::encode(.0))]
    OtherKey([u8; 4]),
    /// The signature does not match.
    #[error("the signature was not made by key {} for these bytes", hex::encode(.0))]
    Signature([u8; 4]),
    /// Bytes that nothing covers.
    #[error(transparent)]
    Image(#[from] ImageError),
}

/// A board's policy is not known here.
fn untrue(fault: ImageFault) -> &'static str {
    match fault {
        ImageFault::NoManifest => "it has no manifest, so it was never signed",
        _ => crate::texts::image_fault(fault).what,
    }
}

/// The manifest of `segments`, when it is signed by one of `trusted` and everything in it is true of the bytes.
///
/// # Errors
/// [`Distrust`], the plainest cause first.
pub fn trusted(segments: &Segments, trusted: &[VerifyingKey]) -> Result<ManifestView, Distrust> {
    let fault = |fault| Err(Distrust::Fault(fault));
    let seen = inspect(segments);
    let view = match seen.manifest {
        Some(Ok(view)) => view,
        Some(Err(ManifestFault::Checksum)) => return fault(ImageFault::ManifestChecksum),
        Some(Err(ManifestFault::Format | ManifestFault::Field)) => return fault(ImageFault::ManifestFormat),
        Some(Err(ManifestFault::Missing)) | None => return fault(ImageFault::NoManifest),
    };
    let reset = seen.reset_vector.unwrap_or(0);
    let inside = reset >= seen.base && reset - seen.base < view.offset;
    let table = [
        (!view.length_matches, ImageFault::Length),
        (view.manifest.load_address != seen.base, ImageFault::LoadAddress),
        (!inside, ImageFault::ResetOutside),
        (reset & 1 == 0, ImageFault::ResetThumb),
        (!view.crc_matches, ImageFault::Crc),
        (!view.hash_matches, ImageFault::Hash),
    ];
    if let Some((_, found)) = table.into_iter().find(|(bad, _)| *bad) {
        return fault(found);
    }
    nothing_behind_manifest(segments)?;
    if view.manifest.algorithm == Algorithm::None {
        return Err(Distrust::NotSigned);
    }
    let id = view.manifest.key_id;
    let mut named = trusted.iter().filter(|key| keys::id(key.as_bytes()) == id).peekable();
    if named.peek().is_none() {
        return Err(Distrust::OtherKey(id));
    }
    if !named.any(|key| view.signed_by(key.as_bytes())) {
        return Err(Distrust::Signature(id));
    }
    Ok(view)
}
