//! Which of several images goes to a board: the one that is linked for the slot that is open.

use super::state::slot_name;
use super::{JobError, Kind, Refusal, Target};
use crate::files::Segments;
use crate::image;
use surefoot_core::config::{Slot, Strategy};

/// The number of the image in `images` that goes to this board: builds for slot A and slot B are given
/// together, and the slot that is open decides. A single image that is linked for no slot at all is
/// chosen, so that the plan tells what is wrong with it.
///
/// # Errors
/// [`Refusal::OtherSlot`], [`Refusal::NoneFits`], [`Refusal::Ambiguous`].
pub fn choose(target: &Target, images: &[Segments]) -> Result<usize, JobError> {
    let Some(open) = target.slot().filter(|_| target.device.kind != Kind::Rom) else {
        return if images.len() == 1 {
            Ok(0)
        } else {
            Err(Refusal::Ambiguous { count: images.len() }.into())
        };
    };
    let fitting: Vec<usize> = (0..images.len()).filter(|i| is_linked_for(&images[*i], open)).collect();
    let open_name = name_of(target, open);
    match (fitting[..].as_ref(), images) {
        ([one], _) => Ok(*one),
        ([_, ..], _) => Err(Refusal::Ambiguous { count: fitting.len() }.into()),
        ([], [image]) => match other_slot(target, image, open) {
            Some((linked, linked_name)) => {
                Err(Refusal::OtherSlot { linked, linked_name, open, open_name }.into())
            }
            None => Ok(0),
        },
        ([], _) => Err(Refusal::NoneFits { open, open_name }.into()),
    }
}

/// Begins at the slot and starts inside it.
fn is_linked_for(image: &Segments, slot: Slot) -> bool {
    image.start() == slot.base && starts_in(image, slot)
}

fn starts_in(image: &Segments, slot: Slot) -> bool {
    image::inspect(image).reset_vector.is_some_and(|reset| slot.contains(reset & !1, 2))
}

/// The slot that runs and is not open, for which an image is linked. Raw bytes have no address of their
/// own: theirs is told by the reset vector.
fn other_slot(target: &Target, image: &Segments, open: Slot) -> Option<(Slot, &'static str)> {
    let config = target.config().filter(|config| config.strategy() == Strategy::Ab)?;
    let linked = |slot: &Slot| *slot != open && starts_in(image, *slot);
    let slot = config.slots().find(linked)?;
    Some((slot, name_of(target, slot)))
}

fn name_of(target: &Target, slot: Slot) -> &'static str {
    let Some(config) = target.config() else { return "the slot" };
    let number = config.slots().position(|s| s == slot).unwrap_or_default();
    slot_name(config.strategy(), number)
}
