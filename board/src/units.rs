//! How people write sizes, addresses, frequencies and times, and how they are shown.
//!
//! Plain numbers are bytes, hertz or milliseconds.

/// Bytes: "16K", "1 MB", "0x4000", "512".
pub fn size(text: &str) -> Option<u32> {
    let (number, unit) = split(text);
    let factor: u64 = match unit.to_ascii_uppercase().as_str() {
        "" | "B" => 1,
        "K" | "KB" | "KIB" => 1024,
        "M" | "MB" | "MIB" => 1024 * 1024,
        _ => return None,
    };
    u32::try_from(integer(number)?.checked_mul(factor)?).ok()
}

/// An address: "0x08010000", with `_` allowed.
pub fn address(text: &str) -> Option<u32> {
    u32::try_from(integer(text.trim())?).ok()
}

/// Hertz: "8 MHz", "32768 Hz", "12.5 MHz".
pub fn frequency(text: &str) -> Option<u32> {
    let (number, unit) = split(text);
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "hz" => 1,
        "khz" => 1_000,
        "mhz" => 1_000_000,
        _ => return None,
    };
    scaled(number, factor)
}

/// Milliseconds: "30 s", "500 ms", "2 min".
pub fn duration(text: &str) -> Option<u32> {
    let (number, unit) = split(text);
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        _ => return None,
    };
    scaled(number, factor)
}

/// Bytes as people say them: "960K", "2M", "300 bytes".
pub fn show_size(bytes: u32) -> String {
    match bytes {
        b if b != 0 && b.is_multiple_of(1024 * 1024) => format!("{}M", b / (1024 * 1024)),
        b if b != 0 && b.is_multiple_of(1024) => format!("{}K", b / 1024),
        b => format!("{b} bytes"),
    }
}

/// Hertz as people say them: "168 MHz", "12.5 MHz".
pub fn show_frequency(hertz: u32) -> String {
    format!("{} MHz", f64::from(hertz) / 1e6)
}

/// Number and unit.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let hex = text.starts_with("0x") || text.starts_with("0X");
    let is_number = |c: char| {
        c == '.' || c == '_' || c.is_ascii_digit() || hex && (c == 'x' || c == 'X' || c.is_ascii_hexdigit())
    };
    let end = text.find(|c| !is_number(c)).unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

fn integer(text: &str) -> Option<u64> {
    let digits = text.replace('_', "");
    let hex = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    // A sign is no digit, though `from_str_radix` takes one.
    if digits.contains(['+', '-']) {
        return None;
    }
    match hex {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => digits.parse().ok(),
    }
}

/// A decimal number times `factor`, exact or not at all.
fn scaled(number: &str, factor: u64) -> Option<u32> {
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let mut value = integer(whole)?.checked_mul(factor)?;
    let mut place = factor;
    for digit in part.chars() {
        let digit = u64::from(digit.to_digit(10)?);
        if !place.is_multiple_of(10) {
            if digit != 0 {
                return None;
            }
            continue;
        }
        place /= 10;
        value = value.checked_add(digit * place)?;
    }
    u32::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_addresses_frequencies_and_times_as_people_write_them() {
        for (text, bytes) in [
            ("16K", Some(16384)),
            ("16 kb", Some(16384)),
            ("1M", Some(1 << 20)),
            ("0x4000", Some(0x4000)),
            ("512", Some(512)),
            ("4096M", None),
            ("-1", None),
            ("+1", None),
            ("16Q", None),
            ("", None),
            ("1.5K", None),
        ] {
            assert_eq!(size(text), bytes, "{text}");
        }
        for (text, value) in [
            ("0x0801_0000", Some(0x0801_0000)),
            ("134217728", Some(0x0800_0000)),
            ("8010000h", None),
            ("0x1_0000_0000", None),
        ] {
            assert_eq!(address(text), value, "{text}");
        }
        for (text, hertz) in [
            ("8 MHz", Some(8_000_000)),
            ("12.5MHz", Some(12_500_000)),
            ("32768", Some(32768)),
            ("32.768 kHz", Some(32768)),
            ("0.0000001 MHz", None),
            ("5 GHz", None),
        ] {
            assert_eq!(frequency(text), hertz, "{text}");
        }
        for (text, ms) in [
            ("30 s", Some(30_000)),
            ("500ms", Some(500)),
            ("2 min", Some(120_000)),
            ("1.5 s", Some(1500)),
            ("1 h", None),
        ] {
            assert_eq!(duration(text), ms, "{text}");
        }
        assert_eq!(show_size(960 * 1024), "960K");
        assert_eq!(show_size(2 << 20), "2M");
        assert_eq!(show_size(300), "300 bytes");
        assert_eq!(show_frequency(12_500_000), "12.5 MHz");
    }
}
