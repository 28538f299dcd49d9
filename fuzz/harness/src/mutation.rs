//! Plain mutations for the stable test; libFuzzer has its own.

use crate::Random;

/// An input from a seed, or from nothing: some bytes changed, cut, doubled or replaced.
pub fn mutate(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut input = match random.below(8) {
        0 => {
            let length = random.below(400) as usize;
            random.bytes(length)
        }
        _ if seeds.is_empty() => Vec::new(),
        _ => seeds[random.below(seeds.len() as u32) as usize].clone(),
    };
    for _ in 0..random.below(6) {
        let at = random.below(input.len().max(1) as u32) as usize;
        match random.below(7) {
            0 if at < input.len() => input[at] ^= 1 << random.below(8),
            1 if at < input.len() => input[at] = random.word() as u8,
            2 if at < input.len() => input[at] = [0, 1, 0x7F, 0x80, 0xFF][random.below(5) as usize],
            3 => input.truncate(at),
            4 => {
                let end = (at + random.below(40) as usize).min(input.len());
                let part = input[at.min(end)..end].to_vec();
                input.splice(at.min(input.len())..at.min(input.len()), part);
            }
            5 => {
                let end = (at + 1 + random.below(8) as usize).min(input.len());
                input.drain(at.min(end)..end);
            }
            _ => {
                let length = 1 + random.below(12) as usize;
                let part = random.bytes(length);
                input.splice(at.min(input.len())..at.min(input.len()), part);
            }
        }
    }
    input
}
