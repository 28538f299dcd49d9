//! From what a user writes to a chip: names, order codes, any case; the nearest names on a miss.

use crate::{Chip, names, table};
use std::fmt;

/// There is no such chip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotFound {
    /// What was asked for.
    pub asked: String,
    /// The nearest names, best first, at most four.
    pub nearest: Vec<&'static str>,
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "no chip is called \"{}\"", self.asked)?;
        match self.nearest.split_first() {
            None => Ok(()),
            Some((first, rest)) => {
                write!(f, "; did you mean {first}")?;
                rest.iter().try_for_each(|name| write!(f, ", {name}"))?;
                f.write_str("?")
            }
        }
    }
}

impl std::error::Error for NotFound {}

/// The chip called `name`: its name ("STM32F407VG"), a full order code ("STM32F407VGT6TR",
/// "STM32F407VGTx"), with or without "STM32", in any case.
pub fn find(name: &str) -> Result<Chip, NotFound> {
    let wanted = normal(name);
    let longest = table::GROUPS
        .iter()
        .flat_map(|g| g.chips.iter().map(move |(name, pins)| (g, *name, *pins)))
        .filter(|(_, name, _)| {
            wanted.strip_prefix(name).is_some_and(|rest| rest.is_empty() || is_suffix(rest))
        })
        .max_by_key(|(_, name, _)| name.len());
    match longest {
        Some((group, name, pins)) => Ok(Chip::new(group, name, pins)),
        None => Err(NotFound { asked: name.trim().to_string(), nearest: nearest(&wanted) }),
    }
}

fn normal(name: &str) -> String {
    let upper = name.trim().to_ascii_uppercase();
    if upper.starts_with("STM32") { upper } else { format!("STM32{upper}") }
}

/// What follows the chip's name in an order code: package letter, temperature range (or X for
/// any), options and packing ("T6", "H6U", "T6TR", "TX", "YI6").
fn is_suffix(rest: &str) -> bool {
    let bytes = rest.as_bytes();
    (2..=7).contains(&bytes.len())
        && bytes[0].is_ascii_uppercase()
        && bytes.iter().all(u8::is_ascii_alphanumeric)
        && bytes[1..].iter().any(|b| b.is_ascii_digit() || *b == b'X')
}

/// Names that begin with what was asked for, else those that differ least.
fn nearest(wanted: &str) -> Vec<&'static str> {
    let begins: Vec<_> = names().filter(|n| wanted.len() > 5 && n.starts_with(wanted)).take(4).collect();
    if !begins.is_empty() {
        return begins;
    }
    // An order code is compared by as much of it as a name is long.
    let distance = |name: &str| {
        let head = wanted.get(..name.len()).unwrap_or(wanted);
        strsim::damerau_levenshtein(head, name)
    };
    let mut all: Vec<_> = names().map(|n| (distance(n), n)).filter(|(d, _)| *d <= 3).collect();
    all.sort();
    let best = all.first().map_or(0, |(d, _)| *d);
    all.into_iter().filter(|(d, _)| *d == best).map(|(_, n)| n).take(4).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chip_is_found_by_its_name_its_order_code_and_without_stm32() {
        for (asked, name) in [
            ("STM32F407VG", "STM32F407VG"),
            ("stm32f407vg", "STM32F407VG"),
            (" F407VG ", "STM32F407VG"),
            ("f407vgt6", "STM32F407VG"),
            ("STM32F407VGT6", "STM32F407VG"),
            ("STM32F407VGT6TR", "STM32F407VG"),
            ("STM32F407VGTx", "STM32F407VG"),
            ("STM32F103C8T6", "STM32F103C8"),
            ("STM32H743ZIT6U", "STM32H743ZI"),
            ("STM32L151CB-A", "STM32L151CB-A"),
            ("STM32WBA52CGU6", "STM32WBA52CG"),
        ] {
            assert_eq!(find(asked).expect(asked).name, name, "{asked}");
        }
    }

    #[test]
    fn a_miss_names_the_nearest_chips() {
        for (asked, message) in [
            ("STM32F407VH", "no chip is called \"STM32F407VH\"; did you mean STM32F407VE, STM32F407VG?"),
            ("STM32F470VG", "no chip is called \"STM32F470VG\"; did you mean STM32F407VG, STM32F479VG?"),
            ("STM32F407V", "no chip is called \"STM32F407V\"; did you mean STM32F407VE, STM32F407VG?"),
            ("ATMEGA328P", "no chip is called \"ATMEGA328P\""),
            ("", "no chip is called \"\""),
            ("STM32", "no chip is called \"STM32\""),
            ("STM32F407VG6", "no chip is called \"STM32F407VG6\"; did you mean STM32F407VG?"),
            ("STM32F407VGé", "no chip is called \"STM32F407VGé\"; did you mean STM32F407VG?"),
        ] {
            let miss = find(asked).expect_err(asked);
            assert_eq!(miss.to_string(), message);
        }
    }
}
