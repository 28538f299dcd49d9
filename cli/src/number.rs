//! Numbers on the command line.

use std::time::Duration;

/// An address or size: hexadecimal with 0x, else decimal, `_` allowed, K and M for sizes.
pub fn address(text: &str) -> Result<u32, String> {
    let clean = text.replace('_', "");
    let (digits, factor) = match clean.strip_suffix(['K', 'k']) {
        Some(rest) => (rest, 1 << 10),
        None => clean.strip_suffix(['M', 'm']).map_or((clean.as_str(), 1), |rest| (rest, 1 << 20)),
    };
    let parsed = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => digits.parse(),
    };
    let number = parsed.map_err(|_| "a number such as 0x08010000, 65536 or 64K is expected".to_owned())?;
    number.checked_mul(factor).ok_or_else(|| "more than 32 bits".to_owned())
}

/// Bytes of something that there is, written like an address.
pub fn size(text: &str) -> Result<u32, String> {
    match address(text)? {
        0 => Err("at least one byte is expected, as in 16K".to_owned()),
        bytes => Ok(bytes),
    }
}

/// A 16-bit id in hexadecimal, with or without 0x.
pub fn id(text: &str) -> Result<u16, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    u16::from_str_radix(digits, 16).map_err(|_| "a 16-bit hexadecimal id such as 0483 is expected".to_owned())
}

/// A time: `500ms`, `2s`, `1.5s`, `1m`.
pub fn time(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" | "min" => 60.0,
        _ => return Err("a time such as 500ms, 2s or 1min is expected".to_owned()),
    };
    let seconds = number.trim().parse::<f64>().map_err(|_| "a time such as 500ms is expected".to_owned())?;
    Duration::try_from_secs_f64(seconds * factor).map_err(|_| "the time is out of range".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        assert_eq!(address("0x0801_0000"), Ok(0x0801_0000));
        assert_eq!(address("64K"), Ok(65536));
        assert_eq!(address("1M"), Ok(1 << 20));
        assert!(address("0xZZ").is_err() && address("").is_err() && address("5000M").is_err());
        assert_eq!(id("df11"), Ok(0xDF11));
        assert!(id("10483").is_err());
        assert_eq!(time("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(time("1.5s"), Ok(Duration::from_millis(1500)));
        assert!(time("5").is_err() && time("-1s").is_err());
    }
}
