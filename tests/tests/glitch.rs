//! Skipped instructions on the shipped binary, and on one that was weakened so that some of them boot.

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

/// The shipped bootloader, which takes its second look and starts the image whatever that finds: in `boot::start`
/// each branch to the call of `boot::reset` is a no-operation.
fn weakened() -> Image {
    let named = |name: &'static str| {
        let found = glitch::functions(F4_FULL, |symbol| symbol.contains(name)).expect("an ELF file");
        let [range] = &found[..] else { panic!("not one {name}: {found:x?}") };
        range.clone()
    };
    let (start, reset) = (named("4boot5start"), named("4boot5reset"));
    let mut binary = F4_FULL.binary.to_vec();
    let half = |binary: &[u8], at: u32| {
        let at = (at - 0x0800_0000) as usize;
        u16::from_le_bytes([binary[at], binary[at + 1]])
    };
    let code: Vec<u32> = (start.start..start.end - 4).step_by(2).collect();
    let call = code.iter().copied().find(|&at| {
        let (first, second) = (half(&binary, at), half(&binary, at + 2));
        // BL, with the offset of this short distance (ARMv7-M, A7.7.18).
        first & 0xF800 == 0xF000 && second & 0xD000 == 0xD000 && {
            let offset = i32::from((first as i16) << 5 >> 5) << 12 | i32::from(second & 0x7FF) << 1;
            at.wrapping_add(4).wrapping_add_signed(offset) == reset.start
        }
    });
    let call = call.expect("the second look has a way out");
    let mut branches = 0;
    for at in code {
        let half = half(&binary, at);
        // B, conditional and not, CBZ and CBNZ (ARMv7-M, A7.7.12 and A7.7.21).
        let offset = match half >> 12 {
            0b1101 if half >> 9 != 0b110_1111 => i32::from(half as i8) << 1,
            0b1110 if half >> 11 == 0b11100 => i32::from((half << 5) as i16 >> 5) << 1,
            0b1011 if half & 0xF500 == 0xB100 => i32::from(half >> 3 & 0x1F | half >> 4 & 0x20) << 1,
            _ => continue,
        };
        if at.wrapping_add(4).wrapping_add_signed(offset) == call {
            binary[(at - 0x0800_0000) as usize..][..2].copy_from_slice(&[0x00, 0xBF]);
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

#[test]
fn each_refusal_has_a_name_of_its_own() {
    let mut names: Vec<String> = glitch::refusals::all().iter().map(|refusal| refusal.name()).collect();
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
}
