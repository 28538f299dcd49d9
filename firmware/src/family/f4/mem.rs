//! The memory routines that the compiler calls, byte by byte: 40 bytes of code in place of the 1,000
//! of the toolchain's, which are fast. Nothing here copies more than a packet on a hot path.

// SAFETY: the run-time ABI for the Arm architecture (RTABI32, 4.3.4) and C's string functions: the
// arguments in r0-r2, the result in r0, only r0-r3 and flags changed.
core::arch::global_asm!(
    ".syntax unified",
    ".section .text.mem, \"ax\"",
    ".thumb",
    ".global memcpy, __aeabi_memcpy, __aeabi_memcpy4, __aeabi_memcpy8",
    ".thumb_func",
    "memcpy:",
    ".thumb_func",
    "__aeabi_memcpy:",
    ".thumb_func",
    "__aeabi_memcpy4:",
    ".thumb_func",
    "__aeabi_memcpy8:",
    "0: subs r2, #1",
    "bcc 9f",
    "ldrb r3, [r1, r2]",
    "strb r3, [r0, r2]",
    "b 0b",
    // The length comes before the value in the ABI's memset, behind it in C's.
    ".global memset",
    ".thumb_func",
    "memset:",
    "mov r3, r1",
    "mov r1, r2",
    "mov r2, r3",
    "b 1f",
    ".global __aeabi_memclr, __aeabi_memclr4, __aeabi_memclr8",
    ".thumb_func",
    "__aeabi_memclr:",
    ".thumb_func",
    "__aeabi_memclr4:",
    ".thumb_func",
    "__aeabi_memclr8:",
    "movs r2, #0",
    ".global __aeabi_memset, __aeabi_memset4, __aeabi_memset8",
    ".thumb_func",
    "__aeabi_memset:",
    ".thumb_func",
    "__aeabi_memset4:",
    ".thumb_func",
    "__aeabi_memset8:",
    "1: subs r1, #1",
    "bcc 9f",
    "strb r2, [r0, r1]",
    "b 1b",
    // Only equality is asked for.
    ".global memcmp, bcmp",
    ".thumb_func",
    "memcmp:",
    ".thumb_func",
    "bcmp:",
    "push {{r4, lr}}",
    "2: subs r2, #1",
    "bcc 3f",
    // From the start, where a slot and its copy differ: their ends are blank.
    "ldrb r3, [r0], #1",
    "ldrb r4, [r1], #1",
    "subs r3, r4",
    "beq 2b",
    "mov r0, r3",
    "pop {{r4, pc}}",
    "3: movs r0, #0",
    "pop {{r4, pc}}",
    "9: bx lr",
);

/// An address of which the compiler knows nothing, so that it is in one register and not put together at each
/// use; and a second read of it is none of the first one's.
#[inline(always)]
pub fn apart<T>(mut address: *const T) -> *const T {
    // SAFETY: no instruction.
    unsafe {
        core::arch::asm!("/* {0} */", inout(reg) address, options(pure, readonly, nostack, preserves_flags))
    };
    address
}
