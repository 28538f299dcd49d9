//! The other end of the serial line over which the blinkies take an update while they run
//! (examples/README.md has the protocol).

use surefoot_sim::{Line, Nanos, Parity};

use crate::rig::Rig;

const USART2: usize = 2;
const LINE: Line = Line { baud: 115_200, data_bits: 8, parity: Parity::None };
/// Milliseconds between two changes of a blinky's LED.
pub const PERIOD_MS: u32 = 50;
/// The blinkies trust themselves after four changes of the LED.
pub const PROOF: Nanos = Nanos::millis(4 * PERIOD_MS as u64 + 20);
/// In place of an error's number: no answer.
pub const SILENCE: u32 = u32::MAX;

/// Asks for an update; the address that the board wants the image for.
///
/// # Errors
/// The error's number, or [`SILENCE`].
pub fn ask(rig: &mut Rig) -> Result<u32, u32> {
    send(rig, b"U");
    let answer = answer(rig, 5, Nanos::secs(2));
    let [first, word @ ..] = &answer[..] else { return Err(SILENCE) };
    let word = word.as_array().map_or(SILENCE, |word| u32::from_le_bytes(*word));
    if *first == b'k' { Ok(word) } else { Err(word) }
}

/// Sends the pieces of an image and the end of it.
///
/// # Errors
/// The error's number, or [`SILENCE`].
pub fn upload(rig: &mut Rig, image: &[u8]) -> Result<(), u32> {
    for piece in image.chunks(255).chain([&[][..]]) {
        send(rig, &[piece.len() as u8]);
        send(rig, piece);
        match answer(rig, 1, Nanos::secs(10))[..] {
            [b'k'] => {}
            [b'e'] => {
                let number = answer(rig, 4, Nanos::secs(1));
                return Err(number.as_array().map_or(SILENCE, |number| u32::from_le_bytes(*number)));
            }
            _ => return Err(SILENCE),
        }
    }
    Ok(())
}

/// The board's answer within `limit`, once it has so many bytes or stops sending.
fn answer(rig: &mut Rig, length: usize, limit: Nanos) -> Vec<u8> {
    let mut got = Vec::new();
    let end = rig.board.now() + limit;
    while got.len() < length && rig.board.now() < end && rig.board.is_powered() {
        // Less than a frame, so that no byte too many comes along.
        rig.board.run_for(Nanos::micros(50));
        // What is no frame of this line is no answer.
        got.extend(rig.board.uart_tx(USART2).iter().filter_map(|sent| sent.seen_by(LINE)));
    }
    got
}

fn send(rig: &mut Rig, bytes: &[u8]) {
    rig.board.uart_rx(USART2, LINE, bytes);
}
