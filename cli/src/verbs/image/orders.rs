//! What a signed manifest orders a board to do besides running the image: to revoke keys, and to
//! take an image whose security counter is too low.

use super::keygen::hex;
use crate::exit::Exit;
use crate::problem::Problem;
use clap::Args;
use surefoot_board::Board;
use surefoot_core::config::{MAX_KEYS, Policy};
use surefoot_core::image::manifest::Override;
use surefoot_host::image::{ManifestView, Unsigned, keys};

/// The options.
#[derive(Debug, Args)]
pub struct Orders {
    /// Let this image run although a higher security counter is recorded, on every device
    #[arg(long, conflicts_with = "allow_downgrade_on")]
    allow_downgrade: bool,
    /// The same on one device only: its unique id, 24 hexadecimal digits in the order of its memory
    #[arg(long, value_name = "ID", value_parser = unique_id)]
    allow_downgrade_on: Option<[u8; 12]>,
    /// Revoke this key of the board for good, once the image is confirmed: its number or its id
    /// (`surefoot image keys`); may be repeated
    #[arg(long, value_name = "KEY", value_parser = key_name)]
    revoke: Vec<KeyName>,
}

/// A key of the board, as the command line names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyName {
    Number(usize),
    Id([u8; 4]),
}

fn unique_id(text: &str) -> Result<[u8; 12], String> {
    digits(text)
        .ok_or_else(|| "a unique id is 24 hexadecimal digits, as in 310029001547383335373930".to_owned())
}

fn key_name(text: &str) -> Result<KeyName, String> {
    let number = text.parse().ok().filter(|number| *number < MAX_KEYS && text.len() == 1);
    number.map(KeyName::Number).or_else(|| digits(text).map(KeyName::Id)).ok_or_else(|| {
        format!("a key is named by its number, 0 to {}, or by its id, 8 hexadecimal digits", MAX_KEYS - 1)
    })
}

/// `2 * N` hexadecimal digits.
fn digits<const N: usize>(text: &str) -> Option<[u8; N]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes: Option<Vec<u8>> = pairs
        .iter()
        .map(|pair| {
            let pair = std::str::from_utf8(pair).ok().filter(|p| p.bytes().all(|b| b.is_ascii_hexdigit()))?;
            u8::from_str_radix(pair, 16).ok()
        })
        .collect();
    bytes.filter(|_| rest.is_empty())?.try_into().ok()
}

impl Orders {
    /// Puts the orders into the manifest, when the board can follow them.
    pub fn put_into(
        &self,
        unsigned: Unsigned,
        board: &Board,
        signer: Option<&[u8; 32]>,
    ) -> Result<Unsigned, Problem> {
        let leave = match self.allow_downgrade_on {
            Some(id) => Override::Device(id),
            None if self.allow_downgrade => Override::Image,
            None => Override::None,
        };
        if leave == Override::None && self.revoke.is_empty() {
            return Ok(unsigned);
        }
        if !board.has_journal() {
            return Err(Problem::new(
                Exit::Input,
                "orders.no-journal",
                format!("board {} records no security counter and no revoked keys", board.name),
                "Its layout has no journal, so it could not follow the order.",
                "Leave the option out, or give the board a journal: strategy \"backup\" or \"ab\".",
            ));
        }
        if signer.is_none() {
            return Err(Problem::new(
                Exit::Input,
                "orders.not-signed",
                "an order to the board needs a signature, and no key was given",
                "Anybody could give it otherwise.",
                "Add --key PRIVATE.pem or --sign-with COMMAND.",
            ));
        }
        let revoked = self.revoked(board, signer)?;
        Ok(unsigned.overriding(leave).revoking(revoked))
    }

    /// The mask of the keys to revoke.
    fn revoked(&self, board: &Board, signer: Option<&[u8; 32]>) -> Result<u8, Problem> {
        let refuse = |code: &str, what: String, why: &str, remedy: &str| {
            Err(Problem::new(Exit::Input, code, what, why, remedy))
        };
        let mut mask = 0;
        for name in &self.revoke {
            if board.policy != Policy::Signature {
                return refuse(
                    "orders.no-keys",
                    format!("board {} has no keys to revoke", board.name),
                    "Its policy asks for no signatures.",
                    "Leave --revoke out.",
                );
            }
            let known = match *name {
                KeyName::Number(number) => board.keys.get(number).map(|key| (number, key)),
                KeyName::Id(id) => board.keys.iter().enumerate().find(|(_, key)| keys::id(&key.bytes) == id),
            };
            let Some((number, key)) = known else {
                return refuse(
                    "orders.unknown-key",
                    format!("board {} has no key {}", board.name, shown(*name)),
                    "What a board does not know it need not revoke.",
                    "`surefoot image keys` lists the board's keys.",
                );
            };
            let id = hex(&keys::id(&key.bytes));
            if signer == Some(&key.bytes) {
                return refuse(
                    "orders.revokes-signer",
                    format!("the image would revoke key {id}, which signs it"),
                    "The board refuses such an image: once confirmed it could never boot again.",
                    "Sign with another key of the board, one that stays.",
                );
            }
            if key.revoked {
                return refuse(
                    "orders.revoked-already",
                    format!("key {id} is revoked in the board file already"),
                    "A board sealed with this file never trusts it.",
                    "Leave --revoke out.",
                );
            }
            mask |= 1 << number;
        }
        Ok(mask)
    }
}

fn shown(name: KeyName) -> String {
    match name {
        KeyName::Number(number) => number.to_string(),
        KeyName::Id(id) => hex(&id),
    }
}

/// The numbers of the keys that an image revokes.
pub fn revokes(view: &ManifestView) -> Vec<usize> {
    (0..8).filter(|number| view.manifest.revokes >> number & 1 != 0).collect()
}

/// An override in words, when there is one.
pub fn leave(view: &ManifestView) -> Option<String> {
    match view.manifest.overrides {
        Override::None => None,
        Override::Image => Some("allowed, on every device".to_owned()),
        Override::Device(id) => Some(format!("allowed on the device {}", hex(&id))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_they_are_shown_and_nothing_else_is() {
        let id = [0x31, 0, 0x2A, 0, 0x0C, 0x47, 0x38, 0x33, 0x35, 0x37, 0x39, 0xFE];
        assert_eq!(unique_id(&hex(&id)), Ok(id));
        assert_eq!(unique_id(&hex(&id).to_uppercase()), Ok(id));
        for wrong in
            ["", "31", "31002a000c473833353739f", "31002a000c473833353739fe0", "+1002a000c473833353739fe"]
        {
            assert!(unique_id(wrong).is_err(), "{wrong}");
        }
        assert_eq!(key_name("3"), Ok(KeyName::Number(3)));
        assert_eq!(key_name("a93F57b3"), Ok(KeyName::Id([0xA9, 0x3F, 0x57, 0xB3])));
        assert_eq!(key_name("00000001"), Ok(KeyName::Id([0, 0, 0, 1])));
        for wrong in ["", "4", "03", "-1", "a93f57b", "a93f57b3f", "é93f57b"] {
            assert!(key_name(wrong).is_err(), "{wrong}");
        }
    }
}
