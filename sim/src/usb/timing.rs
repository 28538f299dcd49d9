//! Full-speed bus time: how long packets take at 12 Mb/s (USB 2.0 chapters 7 and 8).
//!
//! Counts sync, PID, CRC, end of packet, stuffed bits of the payload and turnarounds; not the cable's delay.

use crate::time::Nanos;

/// SYNC 8, PID 8, address and endpoint 11, CRC5 5, EOP 3.
pub const TOKEN: Nanos = bits(35);
/// SYNC 8, PID 8, EOP 3.
pub const HANDSHAKE: Nanos = bits(19);
/// Between two packets: at most 6.5 bit times at the device (7.1.18.1), taken for both ends.
pub const TURNAROUND: Nanos = bits(7);
/// How long a host waits for an answer (7.1.19.1: 16 to 18 bit times).
pub const NO_ANSWER: Nanos = bits(18);
/// A frame.
pub const FRAME: Nanos = Nanos::millis(1);
/// Nothing may be on the bus this long before the end of a frame (11.2.5: EOF1 at 32 bit times, and a margin).
pub const END_OF_FRAME: Nanos = bits(42);
/// The SOF packet and the gap behind it.
pub const START_OF_FRAME: Nanos = bits(35 + 7);

/// Duration of `count` bits at 12 Mb/s, rounded up.
pub const fn bits(count: u64) -> Nanos {
    Nanos((count * 250).div_ceil(3))
}

/// A data packet: SYNC 8, PID 8, payload with stuffed bits, CRC16 16, EOP 3.
pub fn data(payload: &[u8]) -> Nanos {
    bits(35 + 8 * payload.len() as u64 + stuffed(payload))
}

/// Zeros that the sender puts after six ones in a row (7.1.9), within the payload.
fn stuffed(payload: &[u8]) -> u64 {
    let mut ones = 0;
    let mut count = 0;
    for byte in payload {
        for bit in 0..8 {
            ones = if byte >> bit & 1 == 1 { ones + 1 } else { 0 };
            if ones == 6 {
                count += 1;
                ones = 0;
            }
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_of_64_zero_bytes_takes_547_bits() {
        assert_eq!(data(&[0; 64]), bits(547));
    }

    #[test]
    fn every_sixth_one_is_followed_by_a_stuffed_zero() {
        assert_eq!(data(&[0xFF; 3]), bits(35 + 24 + 4));
        assert_eq!(stuffed(&[0x1F, 0xE0]), 0);
        assert_eq!(stuffed(&[0xF0, 0x03]), 1);
    }

    #[test]
    fn a_frame_has_12000_bits() {
        assert_eq!(bits(12_000), FRAME);
    }
}
