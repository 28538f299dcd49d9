//! Thumb instructions, as far as they are skipped: how long they are, and which branch on a condition.

/// What stands at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// It takes two half-words.
    pub wide: bool,
    /// It branches on a condition: B<c>, CBZ, CBNZ.
    pub conditional: bool,
    /// It moves the stack pointer, or names it.
    pub stack: bool,
}

impl Instruction {
    /// A no-operation of the same length: of two short ones the second would use up a place in an IT block
    /// (ARM DDI 0403E, A7.7.88).
    pub fn nop(self) -> &'static [u8] {
        if self.wide { &[0xAF, 0xF3, 0x00, 0x80] } else { &[0x00, 0xBF] }
    }
}

/// The instruction in these bytes (ARM DDI 0403E, A5.1, A5.2.6, A5.3.4).
pub fn decode(bytes: &[u8]) -> Instruction {
    let half = |at: usize| bytes.get(at..at + 2).map_or(0, |b| u16::from_le_bytes([b[0], b[1]]));
    let (first, second) = (half(0), half(2));
    let wide = first >= 0xE800;
    let conditional = if wide {
        // B<c>.W, encoding T3; conditions 14 and 15 are other instructions.
        first & 0xF800 == 0xF000 && second & 0xD000 == 0x8000 && first >> 7 & 7 != 7
    } else {
        let short = first & 0xF000 == 0xD000 && first >> 8 & 15 < 14;
        short || first & 0xF500 == 0xB100
    };
    let stack = if wide {
        // LDM and STM (A5.3.5), LDRD and STRD, loads and stores (A5.3.6 to 10), ADD and SUB (A5.3.3): Rn is the SP.
        matches!(first >> 9, 0x74 | 0x78..=0x7C) && first & 15 == 13
    } else {
        // PUSH and POP, ADD and SUB of the SP (A5.2.5), loads and stores relative to it (A5.2.4).
        matches!(first >> 9, 0x5A | 0x5E) || first >> 8 == 0xB0 || first >> 12 == 9
    };
    Instruction { wide, conditional, stack }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_conditions_are_told_apart() {
        let seen = |first: u16, second: u16| {
            let bytes = [first.to_le_bytes(), second.to_le_bytes()].concat();
            let Instruction { wide, conditional, .. } = decode(&bytes);
            (wide, conditional)
        };
        assert_eq!(seen(0xD0FE, 0), (false, true), "beq");
        assert_eq!(seen(0xDF00, 0), (false, false), "svc");
        assert_eq!(seen(0xB100, 0), (false, true), "cbz");
        assert_eq!(seen(0xB900, 0), (false, true), "cbnz");
        assert_eq!(seen(0xBF00, 0), (false, false), "nop");
        assert_eq!(seen(0xE7FE, 0), (false, false), "b");
        assert_eq!(seen(0xF000, 0x8001), (true, true), "beq.w");
        assert_eq!(seen(0xF000, 0xB801), (true, false), "b.w");
        assert_eq!(seen(0xF000, 0xF801), (true, false), "bl");
        assert_eq!(seen(0xF3AF, 0x8000), (true, false), "nop.w");
        assert_eq!(seen(0xE92D, 0x4FF0), (true, false), "push.w");
    }

    #[test]
    fn what_names_the_stack_pointer_is_told() {
        let seen =
            |first: u16, second: u16| decode(&[first.to_le_bytes(), second.to_le_bytes()].concat()).stack;
        for (first, second, name) in [
            (0xB5F0, 0, "push {r4-r7, lr}"),
            (0xBDF0, 0, "pop {r4-r7, pc}"),
            (0xB033, 0, "add sp, #204"),
            (0xB0B3, 0, "sub sp, #204"),
            (0x9008, 0, "str r0, [sp, #32]"),
            (0xE92D, 0x0F00, "push.w {r8-r11}"),
            (0xE8BD, 0x0F00, "pop.w {r8-r11}"),
            (0xE9CD, 0x0106, "strd r0, r1, [sp, #24]"),
            (0xF5AD, 0x7D92, "sub.w sp, sp, #292"),
            (0xF20D, 0x4D54, "addw sp, sp, #1108"),
            (0xF84D, 0x8D04, "str r8, [sp, #-4]!"),
        ] {
            assert!(seen(first, second), "{name}");
        }
        assert!(!seen(0x6008, 0) && !seen(0xF000, 0xF801) && !seen(0xBF00, 0) && !seen(0xE8B1, 0x0F00));
    }
}
