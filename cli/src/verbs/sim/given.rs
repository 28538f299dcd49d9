//! What `sim run` is told on the command line: pins, levels, instants, lines, crystals.

use crate::number;
use std::path::PathBuf;
use std::time::Duration;
use surefoot_sim::{Hse, Nanos, Pin};

/// How long a press lasts unless it says so.
const PRESS: Nanos = Nanos::millis(100);

/// Somebody presses a button, or puts a level on a pin for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Press {
    pub pin: Pin,
    /// Without one: the button's own, or high.
    pub level: Option<bool>,
    pub at: Nanos,
    pub lasts: Nanos,
}

/// A file whose bytes come in on a serial line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    pub number: usize,
    pub file: PathBuf,
}

pub fn pin(text: &str) -> Result<Pin, String> {
    let expected = || "a pin such as PD12 is expected".to_owned();
    let mut chars = text.strip_prefix(['P', 'p']).ok_or_else(expected)?.chars();
    let port = chars.next().map(|c| c.to_ascii_uppercase()).filter(|c| ('A'..='I').contains(c));
    let number = chars.as_str().parse::<u8>().ok().filter(|n| *n < 16);
    port.zip(number).map(|(port, number)| Pin::new(port, number)).ok_or_else(expected)
}

fn level(text: &str) -> Option<bool> {
    match text {
        "1" | "high" => Some(true),
        "0" | "low" => Some(false),
        _ => None,
    }
}

pub fn held(text: &str) -> Result<(Pin, bool), String> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let level = level(value).ok_or("a pin and a level such as PA0=1 are expected")?;
    Ok((pin(name)?, level))
}

/// `PA0@1.5s`, `PA0=0@1.5s`, `PA0@1.5s+200ms`.
pub fn press(text: &str) -> Result<Press, String> {
    let (what, when) = text.split_once('@').ok_or("a pin and a time such as PA0@1.5s are expected")?;
    let (name, value) = what.split_once('=').map_or((what, None), |(name, value)| (name, Some(value)));
    let level = match value {
        Some(value) => Some(level(value).ok_or("the level of a pin is 0 or 1")?),
        None => None,
    };
    let (at, lasts) = match when.split_once('+') {
        Some((at, lasts)) => (instant(at)?, instant(lasts)?),
        None => (instant(when)?, PRESS),
    };
    Ok(Press { pin: pin(name)?, level, at, lasts })
}

/// A time of the board, from its power-on.
pub fn instant(text: &str) -> Result<Nanos, String> {
    number::time(text).map(nanos)
}

pub fn nanos(time: Duration) -> Nanos {
    Nanos(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / 4))
}

/// `2=commands.txt`.
pub fn feed(text: &str) -> Result<Feed, String> {
    let expected = "a USART's number and a file such as 2=commands.txt are expected";
    let (number, file) = text.split_once('=').ok_or(expected)?;
    let number =
        number.parse().ok().filter(|n| (1..=surefoot_sim::usart::COUNT).contains(n)).ok_or(expected)?;
    Ok(Feed { number, file: PathBuf::from(file) })
}

/// `25MHz`, `8M`, `12000000`; `none`, `dead`.
pub fn crystal(text: &str) -> Result<Hse, String> {
    const MOST: f64 = 50e6;
    let expected = "a frequency such as 25MHz (4 to 50 MHz), none or dead is expected";
    match text {
        "none" => return Ok(Hse::None),
        "dead" => return Ok(Hse::DeadCrystal),
        _ => {}
    }
    let digits = text.trim_end_matches("Hz").trim_end_matches("hz");
    let (digits, factor) = match digits.strip_suffix(['M', 'm']) {
        Some(rest) => (rest, 1e6),
        None => digits.strip_suffix(['k', 'K']).map_or((digits, 1.0), |rest| (rest, 1e3)),
    };
    let hz = digits.trim().parse::<f64>().map_err(|_| expected)? * factor;
    (4e6..=MOST).contains(&hz).then_some(Hse::Crystal(hz as u32)).ok_or_else(|| expected.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_named_as_on_the_schematic() {
        assert_eq!(pin("PD12"), Ok(Pin::new('D', 12)));
        assert_eq!(held("pa0=high"), Ok((Pin::new('A', 0), true)));
        assert!(pin("D12").is_err() && pin("PJ1").is_err() && pin("PA16").is_err() && held("PA0").is_err());
    }

    #[test]
    fn a_press_has_a_pin_a_time_and_perhaps_a_level_and_a_length() {
        let pressed = |level, at, lasts| {
            Ok(Press { pin: Pin::new('A', 0), level, at: Nanos::millis(at), lasts: Nanos::millis(lasts) })
        };
        assert_eq!(press("PA0@1.5s"), pressed(None, 1_500, 100));
        assert_eq!(press("PA0=0@20ms+2s"), pressed(Some(false), 20, 2_000));
        for wrong in ["PA0", "PA0@", "@1s", "PA0=2@1s", "PA0@1", "PA0@1s+"] {
            assert!(press(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn crystals_and_lines_are_read_as_people_write_them() {
        for text in ["25MHz", "25M", "25000000", "25000kHz"] {
            assert_eq!(crystal(text), Ok(Hse::Crystal(25_000_000)), "{text}");
        }
        assert_eq!((crystal("none"), crystal("dead")), (Ok(Hse::None), Ok(Hse::DeadCrystal)));
        for wrong in ["", "25", "1GHz", "100MHz", "-8MHz", "NaN"] {
            assert!(crystal(wrong).is_err(), "{wrong}");
        }
        assert_eq!(feed("2=a=b").map(|f| (f.number, f.file)), Ok((2, "a=b".into())));
        assert!(feed("0=a").is_err() && feed("9=a").is_err() && feed("a").is_err());
    }
}
