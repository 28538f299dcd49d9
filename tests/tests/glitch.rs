//! Skipped instructions on the shipped binary, and on one that was weakened so that some of them boot.

use std::ops::Range;
use surefoot_core::config::{Policy, at};
use surefoot_images::{F4_FULL, Image};
use surefoot_sim::Nanos;
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
    let call = call(named("ed255198expected"), named("surefoot_sha512_block").start);
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

/// The half-words of a function for which this holds.
fn places(function: &str, wanted: impl Fn(u16, u16) -> bool) -> Vec<u32> {
    let code = named(function);
    let wanted = |at: &u32| wanted(half(F4_FULL.binary, *at), half(F4_FULL.binary, at + 2));
    code.step_by(2).filter(wanted).collect()
}

/// Each of these, in each of its executions and for good.
fn skips(refusal: &str, places: &[u32], firmware: Option<Image>) -> glitch::Figures {
    let mut all = glitch::Figures::default();
    for &at in places {
        let addresses = Some(at..at + 2);
        let options =
            Options { effort: Effort::Full, each: 4_000, addresses, firmware, ..Options::sample(0, refusal) };
        let part = glitch::sum(&glitch::run(&options, 1, &|_| {}).expect("runs"));
        (all.skips, all.booted) = (all.skips + part.skips, all.booted + part.booted);
        all.failures.extend(part.failures);
    }
    all
}

/// The shipped bootloader with no-operations in place of short instructions.
fn without(places: &[u32]) -> Image {
    let mut binary = F4_FULL.binary.to_vec();
    for at in places {
        binary[(at - 0x0800_0000) as usize..][..2].copy_from_slice(&[0x00, 0xBF]);
    }
    Image { binary: binary.leak(), ..F4_FULL }
}

/// Each conditional branch of SHA-256, with an image that is made for one that leaves the rounds early.
fn rounds(firmware: Option<Image>) -> glitch::Figures {
    // BNE, in two bytes and in four (ARMv7-M, A7.7.12).
    let branches = places("surefoot_sha256_blocks", |first, second| {
        first >> 8 == 0xD1 || first & 0xFBC0 == 0xF040 && second & 0xD000 == 0x8000
    });
    assert!(branches.len() >= 5, "{branches:x?}");
    skips("plain-rounds-boot", &branches, firmware)
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
    let end = *places("surefoot_sha256_blocks", |first, _| first == 0xDE00).last().expect("udf");
    let branches = places("surefoot_sha256_blocks", |first, _| first >> 8 == 0xD1);
    let leads = |at: &u32| {
        let offset = i32::from(half(F4_FULL.binary, *at) as i8) << 1;
        at.wrapping_add(4).wrapping_add_signed(offset) == end
    };
    let branches: Vec<u32> = branches.into_iter().filter(leads).collect();
    assert_eq!(branches.len(), 1, "{branches:x?}");
    let all = rounds(Some(without(&branches)));
    assert!(all.booted > 0, "none of {} skips boots", all.skips);
}

/// REV of a word of the block, with an image in which one is not what was signed, but that was the same as the one
/// before it in its register.
fn words(firmware: Option<Image>) -> glitch::Figures {
    // REV, in two bytes and in four (ARMv7-M, A7.7.113).
    let turns = places("surefoot_sha256_blocks", |first, second| {
        first & 0xFFC0 == 0xBA00 || first & 0xFFF0 == 0xFA90 && second & 0xF0F0 == 0xF080
    });
    assert_eq!(turns.len(), 8, "{turns:x?}");
    skips("plain-word-boot", &turns, firmware)
}

#[test]
fn a_word_that_is_not_taken_into_the_hash_boots_nothing() {
    let all = words(None);
    assert!(all.skips >= 100, "{} skips", all.skips);
    assert_eq!(all.booted, 0, "{:?}", all.failures);
}

#[test]
fn where_the_words_before_are_left_one_that_is_not_taken_boots_and_is_seen() {
    // LDM r3, {r4-r11}
    let clears = places("surefoot_sha256_blocks", |first, second| first == 0xE893 && second == 0x0FF0);
    let [clear] = clears[..] else { panic!("{clears:x?}") };
    let all = words(Some(without(&[clear, clear + 2])));
    assert!(all.booted > 0, "none of {} skips boots", all.skips);
}

/// The store of memcpy.
fn store() -> Vec<u32> {
    // STRB r3, [r0, r2]
    let stores = places("memcpy", |first, _| first == 0x5483);
    assert_eq!(stores.len(), 1, "{stores:x?}");
    stores
}

/// With an image that has a byte that was zero when it was signed, in its vector table or in its last block.
const BYTES: [&str; 2] = ["plain-vector-boot", "plain-tail-boot"];

#[test]
fn a_byte_that_is_not_copied_to_where_it_is_hashed_boots_nothing() {
    for refusal in BYTES {
        let all = skips(refusal, &store(), None);
        assert!(all.skips >= 500, "{refusal}: {} skips", all.skips);
        assert_eq!(all.booted, 0, "{:?}", all.failures);
    }
}

#[test]
fn without_a_second_look_a_byte_that_is_not_copied_to_where_it_is_hashed_boots_and_is_seen() {
    for refusal in BYTES {
        let all = skips(refusal, &store(), Some(weakened()));
        assert!(all.booted > 0, "{refusal}: none of {} skips boots", all.skips);
    }
}

/// Each instruction of a function, skipped for the whole run.
fn always(refusal: &str, function: &str, firmware: Option<Image>) -> glitch::Figures {
    let functions = vec![function.to_owned()];
    let options =
        Options { effort: Effort::Full, always: true, functions, firmware, ..Options::sample(0, refusal) };
    glitch::sum(&glitch::run(&options, 1, &|_| {}).expect("runs"))
}

/// Images that somebody made for a skip, and the functions in which there was one for them.
const CRAFTED: [(&str, &str); 7] = [
    ("plain-length-boot", "manifest"),
    ("plain-copyatid-boot", "5slots5prove"),
    ("plain-copies-boot", "5slots5prove"),
    ("big-mappedhead-boot", "5slots5prove"),
    ("plain-keyisr-boot", "6crypto8expected"),
    ("plain-keyisr-silence", "6crypto8expected"),
    ("ab-mapped-boot", "6sha2564hash"),
];

#[test]
fn images_that_were_made_for_a_skip_of_what_is_read_boot_nothing() {
    for (refusal, function) in CRAFTED {
        let all = always(refusal, function, None);
        assert!(all.skips >= 20, "{refusal}: {} skips", all.skips);
        assert_eq!(all.booted, 0, "{:?}", all.failures);
    }
}

#[test]
fn without_a_second_look_images_that_were_made_for_a_skip_boot_and_are_seen() {
    // For the others the first look has no such skip, or the second one never ends where nothing stops it.
    for (refusal, function) in &CRAFTED[..4] {
        let all = always(refusal, function, Some(weakened()));
        assert!(all.booted > 0, "{refusal}: none of {} skips boots", all.skips);
    }
}

#[test]
fn no_skip_of_what_finds_a_sector_opens_the_journal_to_a_host() {
    let all = always("single-counter-erase", "6Config11sector_from", None);
    assert!(all.skips >= 20, "{} skips", all.skips);
    assert_eq!(all.booted, 0, "{:?}", all.failures);
}

#[test]
fn each_refusal_has_a_name_of_its_own() {
    let mut names: Vec<String> = glitch::refusals::all().iter().map(|refusal| refusal.name()).collect();
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
}

/// Both looks obey the copy of the block, so it is compared with the block in flash right before the jump.
#[test]
fn a_block_that_was_written_over_in_ram_starts_nothing() {
    let copy = glitch::variable(F4_FULL, "sealed4COPY").expect("the block's copy");
    let refusal = glitch::refusals::all().into_iter().find(|r| r.name() == "plain-body-silence");
    for policy in [Policy::None, Policy::Crc] {
        let mut scene = refusal.expect("a refusal").scene(None).expect("a board");
        let board = &mut scene.rig.board;
        assert_eq!(board.read_memory(copy + at::POLICY as u32, 1), Some(&[Policy::Signature as u8][..]));
        assert!(board.write_memory(copy + at::POLICY as u32, &[policy as u8]));
        let resets = board.resets();
        board.run_for(Nanos::millis(500));
        assert!(board.resets() > resets, "{policy:?}: the second look saw nothing");
        assert!(
            (0x0800_0000..0x0800_4000).contains(&board.pc()),
            "{policy:?}: it runs at 0x{:08x}",
            board.pc()
        );
    }
}
