//! What bytes are by their first ones, whatever their file is called.
//!
//! Raw bytes show nothing. A vector table begins with a stack pointer in RAM, a multiple of eight below
//! 0x40000000, so none is taken for one of the formats here.

use super::{Format, uf2};

/// A kind of file that is not an image, and what to do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Foreign {
    /// With its article.
    pub what: &'static str,
    /// As one sentence.
    pub remedy: &'static str,
}

const UNPACK: &str = "Unpack it, and give the file that is in it.";
const PLAIN: &str = "Save it as plain ASCII text, or build it again.";
const KEY: &str = "Give the application; a key is named with --key.";
const PROGRAM: &str =
    "Build for the chip: for Rust --target thumbv7em-none-eabi(hf), for C arm-none-eabi-gcc.";

/// The format that the first bytes show beyond doubt.
pub(super) fn format(bytes: &[u8]) -> Option<Format> {
    match bytes {
        [0x7F, b'E', b'L', b'F', ..] => Some(Format::Elf),
        [b'D', b'f', b'u', b'S', b'e', ..] => Some(Format::Dfu),
        _ if bytes.starts_with(&uf2::MAGIC[0].to_le_bytes())
            && bytes[4..].starts_with(&uf2::MAGIC[1].to_le_bytes()) =>
        {
            Some(Format::Uf2)
        }
        _ if is_hex_line(first_line(bytes)) => Some(Format::Hex),
        _ if is_s_record(first_line(bytes)) => Some(Format::Srec),
        _ => None,
    }
}

/// What bytes are that no image is.
pub(super) fn foreign(bytes: &[u8]) -> Option<Foreign> {
    let packed = |what| Some(Foreign { what, remedy: UNPACK });
    match bytes {
        // The flags' upper three bits are reserved (RFC 1952, 2.3.1).
        [0x1F, 0x8B, 8, flags, ..] if flags & 0xE0 == 0 => packed("a gzip file"),
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => packed("a zip archive"),
        [0xFD, b'7', b'z', b'X', b'Z', 0, ..] => packed("an xz file"),
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, ..] => packed("a bzip2 file"),
        [0x28, 0xB5, 0x2F, 0xFD, ..] => packed("a zstd file"),
        [b'7', b'z', 0xBC, 0xAF, 0x27, 0x1C, ..] => packed("a 7z archive"),
        _ if bytes.get(257..262) == Some(b"ustar") => packed("a tar archive"),
        _ if bytes.starts_with(b"-----BEGIN ") => {
            Some(Foreign { what: "a key or certificate in PEM", remedy: KEY })
        }
        _ if bytes.starts_with(b"!<arch>\n") => {
            Some(Foreign { what: "a static library", remedy: "Give the ELF that the linker wrote." })
        }
        [0xEF, 0xBB, 0xBF, ..] => Some(Foreign {
            what: "text with a byte order mark in front, as some editors save it",
            remedy: PLAIN,
        }),
        [0xFF, 0xFE, b, ..] | [0xFE, 0xFF, _, b, ..] if b.is_ascii_graphic() => {
            Some(Foreign { what: "text in UTF-16, as some editors save it", remedy: PLAIN })
        }
        [0xCF, 0xFA, 0xED, 0xFE, ..] => Some(Foreign { what: "a program for macOS", remedy: PROGRAM }),
        [b'M', b'Z', ..] if is_windows(bytes) => {
            Some(Foreign { what: "a program for Windows", remedy: PROGRAM })
        }
        _ => None,
    }
}

fn first_line(bytes: &[u8]) -> &[u8] {
    bytes.split(|&b| b == b'\n').next().unwrap_or(&[])
}

fn is_hex_line(line: &[u8]) -> bool {
    line.len() >= 11 && line[0] == b':' && line[1..11].iter().all(u8::is_ascii_hexdigit)
}

fn is_s_record(line: &[u8]) -> bool {
    let line = line.trim_ascii_end();
    line.len() >= 10
        && line[0] == b'S'
        && line[1].is_ascii_digit()
        && line[2..10].iter().all(u8::is_ascii_hexdigit)
}

fn is_windows(bytes: &[u8]) -> bool {
    let at = bytes.get(0x3C..0x40).and_then(|b| b.first_chunk()).map(|b| u32::from_le_bytes(*b) as usize);
    at.and_then(|at| bytes.get(at..at.checked_add(4)?)).is_some_and(|head| head == b"PE\0\0")
}
