//! Skipped instructions on the shipped binary, and on one that was weakened so that some of them boot.

use std::ops::Range;
use surefoot_images::{F4_FULL, Image};
use surefoot_tests::glitch::{self, Effort, Options};

/// Everything that can be skipped in the comparison of bytes, while a changed body is refused.
fn comparison(firmware: Option<Image>) -> Options {
    let bcmp = glitch::functions(F4_FULL, |name| name == "bcmp").expect("an ELF file");
    let [range] = &bcmp[..] else { panic!("not one comparison of bytes: {bcmp:x?}") };
    let addresses = Some(range.clone());
    let effort = Effort::Full;
    Options { effort, addresses, firmware, always: true, ..Options::sample(0, "plain-body-boot") }
}

/// Where this function is.
fn named(name: &str) -> Range<u32> {
    let found = glitch::functions(F4_FULL, |symbol| symbol.contains(name)).expect("an ELF file");
    let [range] = &found[..] else { panic!("not one {name}: {found:x?}") };
    range.clone()
}

fn half(binary: &[u8], at: u32) -> u16 {
    let at = (at - 0x0800_0000) as usize;
    u16::from_le_bytes([binary[at], binary[at + 1]])
}

/// Where the code calls the function at `target`.
fn call(code: Range<u32>, target: u32) -> u32 {
    let binary = F4_FULL.binary;
    let call = (code.start..code.end - 4).step_by(2).find(|&at| {
        let (first, second) = (half(binary, at), half(binary, at + 2));
        // BL, with the offset of this short distance (ARMv7-M, A7.7.18).
        first & 0xF800 == 0xF000 && second & 0xD000 == 0xD000 && {
            let offset = i32::from((first as i16) << 5 >> 5) << 12 | i32::from(second & 0x7FF) << 1;
            at.wrapping_add(4).wrapping_add_signed(offset) == target
        }
    });
    call.expect("it is called")
}

/// The shipped bootloader, which takes its second look and starts the image whatever that finds: in `boot::start`
/// each branch to the call of `boot::reset` is a no-operation.
fn weakened() -> Image {
    let start = named("4boot5start");
    let call = call(start.clone(), named("4boot5reset").start);
    let mut binary = F4_FULL.binary.to_vec();
    let mut branches = 0;
    for at in (start.start..start.end - 4).step_by(2) {
        let (first, second) = (half(&binary, at), half(&binary, at + 2));
        // B, conditional and not, in two bytes and in four, CBZ and CBNZ (ARMv7-M, A7.7.12 and A7.7.21).
        let (offset, nop): (i32, &[u8]) = match first >> 12 {
            0b1101 if first >> 9 != 0b110_1111 => (i32::from(first as i8) << 1, &[0x00, 0xBF]),
            0b1110 if first >> 11 == 0b11100 => (i32::from((first << 5) as i16 >> 5) << 1, &[0x00, 0xBF]),
            0b1011 if first & 0xF500 == 0xB100 => {
                (i32::from(first >> 3 & 0x1F | first >> 4 & 0x20) << 1, &[0x00, 0xBF])
            }
            // None of them is farther than 4 KB from the call: the sign, then the lowest twelve bits.
            0b1111 if first >> 11 == 0b11110 && second & 0xD000 == 0x8000 => {
                let sign = if first >> 10 & 1 == 0 { 0 } else { -1 << 12 };
                (sign | i32::from(second & 0x7FF) << 1, &[0xAF, 0xF3, 0x00, 0x80])
            }
            _ => continue,
        };
        if at.wrapping_add(4).wrapping_add_signed(offset) == call {
            binary[(at - 0x0800_0000) as usize..][..nop.len()].copy_from_slice(nop);
            branches += 1;
        }
    }
    assert!(branches > 8, "{branches} ways out of the second look");
    Image { binary: binary.leak(), ..F4_FULL }
}

#[test]
fn a_skipped_end_of_the_comparison_boots_nothing() {
    let all = glitch::sum(&glitch::run(&comparison(None), 1, &|_| {}).expect("runs"));
    assert!(all.skips >= 6, "{} skips", all.skips);
    assert_eq!(all.booted, 0, "{:?}", all.failures);
}

#[test]
fn without_a_second_look_a_skipped_end_of_the_comparison_boots_and_is_seen() {
    let all = glitch::sum(&glitch::run(&comparison(Some(weakened())), 1, &|_| {}).expect("runs"));
    assert!(all.booted > 0, "none of {} skips boots", all.skips);
}

/// The call that hashes R, in each of its executions and for good, with a signature that is made for that.
fn hash(firmware: Option<Image>) -> Options {
    let call = call(named("expected"), named("surefoot_sha512_block").start);
    let addresses = Some(call..call + 2);
    Options { effort: Effort::Full, addresses, firmware, ..Options::sample(0, "plain-made-boot") }
}

#[test]
fn a_signature_that_is_made_for_a_skip_of_its_hash_boots_nothing() {
    let all = glitch::sum(&glitch::run(&hash(None), 1, &|_| {}).expect("runs"));
    assert!(all.skips >= 5, "{} skips", all.skips);
    assert_eq!(all.booted, 0, "{:?}", all.failures);
}

#[test]
fn without_a_second_look_a_signature_that_is_made_for_a_skip_boots_and_is_seen() {
    let all = glitch::sum(&glitch::run(&hash(Some(weakened())), 1, &|_| {}).expect("runs"));
    assert!(all.booted > 0, "none of {} skips boots", all.skips);
}

/// Each conditional branch of SHA-256, in each of its executions and for good, with an image that is made for one
/// that leaves the rounds early.
fn rounds(firmware: Option<Image>) -> glitch::Figures {
    let code = named("surefoot_sha256_blocks");
    // BNE, in two bytes and in four (ARMv7-M, A7.7.12).
    let leads = |at: u32| {
        let (first, second) = (half(F4_FULL.binary, at), half(F4_FULL.binary, at + 2));
        first >> 8 == 0xD1 || first & 0xFBC0 == 0xF040 && second & 0xD000 == 0x8000
    };
    let branches: Vec<u32> = code.step_by(2).filter(|at| leads(*at)).collect();
    assert!(branches.len() >= 5, "{branches:x?}");
    let mut all = glitch::Figures::default();
    for at in branches {
        let addresses = Some(at..at + 2);
        let options =
            Options { effort: Effort::Full, addresses, firmware, ..Options::sample(0, "plain-rounds-boot") };
        let part = glitch::sum(&glitch::run(&options, 1, &|_| {}).expect("runs"));
        (all.skips, all.booted) = (all.skips + part.skips, all.booted + part.booted);
        all.failures.extend(part.failures);
    }
    all
}

#[test]
fn a_block_that_is_made_for_eight_rounds_of_its_hash_boots_nothing() {
    let all = rounds(None);
    assert!(all.skips >= 200, "{} skips", all.skips);
    assert_eq!(all.booted, 0, "{:?}", all.failures);
}

#[test]
fn without_a_look_at_the_end_of_the_rounds_a_block_that_is_made_for_eight_boots_and_is_seen() {
    // `bne` to the `udf` behind the function is a no-operation.
    let code = named("surefoot_sha256_blocks");
    let mut binary = F4_FULL.binary.to_vec();
    let end = code.clone().step_by(2).rfind(|at| half(&binary, *at) == 0xDE00).expect("udf");
    let leads = |at: u32| {
        let half = half(F4_FULL.binary, at);
        half >> 8 == 0xD1 && at.wrapping_add(4).wrapping_add_signed(i32::from(half as i8) << 1) == end
    };
    let branches: Vec<u32> = code.step_by(2).filter(|at| leads(*at)).collect();
    let [branch] = branches[..] else { panic!("{branches:x?}") };
    binary[(branch - 0x0800_0000) as usize..][..2].copy_from_slice(&[0x00, 0xBF]);
    let all = rounds(Some(Image { binary: binary.leak(), ..F4_FULL }));
    assert!(all.booted > 0, "none of {} skips boots", all.skips);
}

#[test]
fn each_refusal_has_a_name_of_its_own() {
    let mut names: Vec<String> = glitch::refusals::all().iter().map(|refusal| refusal.name()).collect();
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
}
