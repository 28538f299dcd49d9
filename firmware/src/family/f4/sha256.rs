//! SHA-256's compression in assembly for Cortex-M4: the boot delay under policy `signature`.
//!
//! 28 instructions a byte, where compiled Rust takes 50 and more: an operand turned by the barrel
//! shifter costs nothing, but the compiler turns values in instructions of their own.
//! Padding and the constants are `surefoot-sha256`'s, whose portable compression is the reference.
//! (FIPS 180-4, section 6.2.2.)

use super::memory;
use core::arch::global_asm;
use surefoot_sha256::{State, Work};

unsafe extern "C" {
    /// `state` is a [`State`], whose sum gets the address of the blocks; of the `length` bytes, at any alignment,
    /// the whole blocks of 64 are hashed.
    fn surefoot_sha256_blocks(state: *mut State, bytes: *const u8, length: usize);
}

/// What a hash works with, and what it leaves.
pub fn work() -> *mut Work {
    (&raw mut memory::SCRATCH).cast()
}

/// SHA-256 of `head`, which is whole blocks of 64 bytes, and `message` behind it; it is left in [`work`].
#[inline(never)]
pub fn hash(head: &[u8], message: &[u8]) {
    const { assert!(size_of::<Work>() <= size_of::<memory::Scratch>()) };
    // SAFETY: one thread, and nothing else is in there now.
    let work = unsafe { &mut *work() };
    surefoot_sha256::digest_with(head, message, work, |state, bytes| {
        // SAFETY: live Rust objects, of these lengths. Of `K` the function reads the upper halves of the first 64,
        // which are the second words, Cortex-M4 being little-endian here.
        unsafe {
            surefoot_sha256_blocks(state, bytes.as_ptr(), bytes.len());
        }
    })
}

global_asm!(
    "
    .syntax unified
    .section .text.surefoot_sha256_blocks, \"ax\", %progbits
    .global surefoot_sha256_blocks
    .type surefoot_sha256_blocks, %function
    .thumb_func

@ One word of the message schedule: into y goes base + s0(x) + middle + s1(y).
.macro SCHEDULE base x middle y
    eor r2, \\x, \\x, ror #11
    lsr r3, \\x, #3
    eor r3, r3, r2, ror #7
    add \\base, \\base, r3
    add \\base, \\base, \\middle
    eor r2, \\y, \\y, ror #2
    lsr r3, \\y, #10
    eor r3, r3, r2, ror #17
    add \\y, \\base, r3
.endm

@ One round; the caller turns the names instead of moving the values. ab becomes a ^ b, which is
@ the next round's bc = b ^ c: maj(a, b, c) = b ^ ((a ^ b) & (b ^ c)).
.macro ROUND a b c d e f g h ab bc
    ldr r2, [r0], #4
    add \\h, \\h, r2
    ldr r2, [r1], #8
    add \\h, \\h, r2
    eor r2, \\e, \\e, ror #5
    eor r2, r2, \\e, ror #19
    add \\h, \\h, r2, ror #6
    eor r2, \\f, \\g
    and r2, r2, \\e
    eor r2, r2, \\g
    add \\h, \\h, r2
    add \\d, \\d, \\h
    eor r2, \\a, \\a, ror #11
    eor r2, r2, \\a, ror #20
    add \\h, \\h, r2, ror #2
    eor \\ab, \\a, \\b
    and \\bc, \\bc, \\ab
    eor \\bc, \\bc, \\b
    add \\h, \\h, \\bc
.endm

.macro LOAD register
    ldr r2, [r1], #4
    rev \\register, r2
.endm

@ On the stack: the four arguments, addresses all, and five more words that no stranger has a say in; then the
@ schedule's 64 words, which are the image's. A core that skips the `add` at the end takes a stack address for its
@ return address.
surefoot_sha256_blocks:
    push {{r4-r11, lr}}
    sub sp, sp, #292
    bic r2, r2, #63
    add r2, r2, r1
    mov r12, sp
    stm r12, {{r0-r7, r12}}
@ Where it was hashed is not in the hash: the second look asks for it.
    ldr r4, [r0, #32]
    add r4, r4, r1
    str r4, [r0, #32]
1:  ldrd r1, r2, [sp, #4]
    cmp r1, r2
    beq 6f
    add r0, sp, #36
    mov r12, #2
@ Where a rev is skipped, the state is left, which no word of the block is, and not one of its words.
2:  ldr r3, [sp]
    ldm r3, {{r4-r11}}
    LOAD r4
    LOAD r5
    LOAD r6
    LOAD r7
    LOAD r8
    LOAD r9
    LOAD r10
    LOAD r11
    stm r0!, {{r4-r11}}
    subs r12, r12, #1
    bne 2b
    str r1, [sp, #4]

@ With fewer words than sixteen this end is another one, and so is the hash.
    add lr, r0, #128
    add r0, sp, #36
    mov r6, r10
    mov r7, r11
    ldrd r4, r5, [r0]
3:  ldrd r8, r9, [r0, #36]
    ldrd r10, r11, [r0, #8]!
    SCHEDULE r4 r5 r8 r6
    SCHEDULE r5 r10 r9 r7
    strd r6, r7, [r0, #56]
    ldrd r8, r9, [r0, #36]
    ldrd r4, r5, [r0, #8]!
    SCHEDULE r10 r11 r8 r6
    SCHEDULE r11 r4 r9 r7
    strd r6, r7, [r0, #56]
    cmp r0, lr
    bne 3b
@ Once more, for a processor that skipped one of them.
    cmp r0, lr
    bne 3b

    ldr r0, [sp]
    ldm r0, {{r4-r11}}
    add r0, sp, #36
    ldr r1, 7f
    add lr, sp, #292
    eor r12, r5, r6
4:  ROUND r4 r5 r6 r7 r8 r9 r10 r11 r3 r12
    ROUND r11 r4 r5 r6 r7 r8 r9 r10 r12 r3
    ROUND r10 r11 r4 r5 r6 r7 r8 r9 r3 r12
    ROUND r9 r10 r11 r4 r5 r6 r7 r8 r12 r3
    ROUND r8 r9 r10 r11 r4 r5 r6 r7 r3 r12
    ROUND r7 r8 r9 r10 r11 r4 r5 r6 r12 r3
    ROUND r6 r7 r8 r9 r10 r11 r4 r5 r3 r12
    ROUND r5 r6 r7 r8 r9 r10 r11 r4 r12 r3
    cmp r0, lr
    bne 4b
@ With fewer rounds, or with other constants, a block could be made for any hash.
    ldr r3, 7f
    add r3, r3, #512
    cmp r1, r3
    bne 5f

    ldr lr, [sp]
    ldm lr, {{r0-r3}}
    add r4, r4, r0
    add r5, r5, r1
    add r6, r6, r2
    add r7, r7, r3
    stm lr!, {{r4-r7}}
    ldm lr, {{r0-r3}}
    add r8, r8, r0
    add r9, r9, r1
    add r10, r10, r2
    add r11, r11, r3
    stm lr, {{r8-r11}}
    b 1b
6:  add sp, sp, #292
    pop {{r4-r11, pc}}
5:  udf #0
    .balign 4
@ Upper halves are the second words.
7:  .word {constants} + 4
    .size surefoot_sha256_blocks, . - surefoot_sha256_blocks
",
    constants = sym surefoot_sha256::K,
);
