//! The smallest binary that serves a board, and why no smaller one does.

use crate::table::{Binary, Feature};
use crate::{IMAGES, Image};
use std::fmt;

/// Why a binary does not serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// It is for other chips.
    Family,
    /// It has not all that is asked for; these are missing.
    Features(Vec<Feature>),
    /// It does not fit.
    Room {
        /// Its bytes.
        size: usize,
        /// The bytes that there are for it.
        room: usize,
    },
}

/// A binary that does not serve, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// The binary.
    pub binary: &'static Binary,
    /// Why.
    pub lack: Lack,
}

/// The choice.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// Which one.
    pub binary: &'static Binary,
    /// It.
    pub image: &'static Image,
    /// The smaller ones of the family, of which none serves.
    pub smaller: Vec<Unfit>,
}

/// No binary serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoneServes(pub Vec<Unfit>);

/// The smallest binary for the chips of `family` that has `asked` and fits into `room` bytes.
///
/// # Errors
/// [`NoneServes`], with what is missing in each.
pub fn choose(family: u16, asked: &[Feature], room: usize) -> Result<Chosen, NoneServes> {
    let mut all: Vec<_> = IMAGES.iter().collect();
    all.sort_by_key(|(_, image)| image.binary.len());
    let mut unfit = Vec::new();
    for (binary, image) in all {
        match lack(binary, image.binary.len(), family, asked, room) {
            None => {
                unfit.retain(|unfit: &Unfit| unfit.lack != Lack::Family);
                return Ok(Chosen { binary, image, smaller: unfit });
            }
            Some(lack) => unfit.push(Unfit { binary, lack }),
        }
    }
    Err(NoneServes(unfit))
}

fn lack(binary: &Binary, size: usize, family: u16, asked: &[Feature], room: usize) -> Option<Lack> {
    if binary.family != family {
        return Some(Lack::Family);
    }
    let missing: Vec<_> = asked.iter().copied().filter(|f| !binary.features.contains(f)).collect();
    if !missing.is_empty() {
        return Some(Lack::Features(missing));
    }
    (size > room).then_some(Lack::Room { size, room })
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} ", self.binary.name)?;
        match &self.lack {
            Lack::Family => f.write_str("is for other chips"),
            Lack::Room { size, room } => write!(f, "has {size} bytes, and there is room for {room}"),
            Lack::Features(missing) => {
                let words: Vec<_> = missing.iter().map(|feature| feature.lacking()).collect();
                f.write_str(&words.join(", "))
            }
        }
    }
}

impl fmt::Display for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let smaller: Vec<_> = self.smaller.iter().map(ToString::to_string).collect();
        match smaller[..] {
            [] => write!(f, "{}, the smallest: the board file asks for no more", self.binary.name),
            _ => write!(f, "{}, the smallest that serves: {}", self.binary.name, smaller.join("; ")),
        }
    }
}

impl fmt::Display for NoneServes {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let all: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        write!(f, "no bootloader binary serves this board: {}", all.join("; "))
    }
}

impl std::error::Error for NoneServes {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{F4_CRC, F4_FULL};

    const F4: u16 = F4_FULL.family;

    #[test]
    fn the_smallest_that_has_what_is_asked_for_is_taken_and_the_reason_is_told() {
        for feature in F4_FULL.features {
            let chosen = choose(F4, &[*feature], 0x4000).expect("the full build");
            assert_eq!(*chosen.binary, F4_FULL);
            let told = chosen.to_string();
            let why = format!("surefoot-f4, the smallest that serves: surefoot-f4-crc {}", feature.lacking());
            assert_eq!(told, why);
        }
        let chosen = choose(F4, &[], 0x4000).expect("the CRC build");
        assert_eq!(*chosen.binary, F4_CRC);
        assert_eq!(chosen.image.binary, crate::F4_CRC.binary);
        assert_eq!(chosen.to_string(), "surefoot-f4-crc, the smallest: the board file asks for no more");
    }

    #[test]
    fn where_none_serves_each_is_named_with_what_is_missing_in_it() {
        let asked = [Feature::Signature, Feature::Failsafe];
        let size = crate::F4_FULL.binary.len();
        assert_eq!(
            choose(F4, &asked, 0x2000).expect_err("none").to_string(),
            format!(
                "no bootloader binary serves this board: surefoot-f4-crc verifies no signatures, keeps no journal; \
                 surefoot-f4 has {size} bytes, and there is room for 8192"
            )
        );
        let other = choose(0x00F1, &[], 0x4000).expect_err("none");
        assert!(other.0.iter().all(|unfit| unfit.lack == Lack::Family), "{other}");
    }
}
