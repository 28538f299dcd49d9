//! SHA-512's compression in assembly for Cortex-M4, for size: its speed is that of two blocks a boot.
#![allow(unsafe_code)]

use super::Word;
use crate::Block;
use core::arch::global_asm;
use surefoot_sha256::K;

unsafe extern "C" {
    /// `constants` are the eighty of the hash.
    fn surefoot_sha512_block(state: *mut Word, block: *const Block, constants: *const Word);
}

/// The hash computation (FIPS 180-4, 6.4.2) over one block.
pub fn compress(state: &mut [Word; 8], block: &Block) {
    // SAFETY: the three pointers are to live Rust objects of the lengths that the function reads.
    unsafe { surefoot_sha512_block(state.as_mut_ptr(), block, K.as_ptr()) }
}

global_asm!(
    "
    .syntax unified
    .section .text.surefoot_sha512_block, \"ax\", %progbits
    .global surefoot_sha512_block
    .type surefoot_sha512_block, %function
    .thumb_func

@ On the stack, eight bytes each: 0 the next a, 8 to 64 the variables a to h, 72 the next word of the
@ schedule, 80 to 200 its last sixteen, latest first; then the state's address. A round fills in
@ both next ones and moves everything up. r8: the next constant, r9: behind the last.
surefoot_sha512_block:
    push {r0, r4-r9, lr}
    sub sp, #208
    mov r8, r2
    add r9, r2, #640
    add r4, sp, #208
    movs r5, #16
1:  ldr r2, [r1], #4
    ldr r3, [r1], #4
    rev r2, r2
    rev r3, r3
    strd r3, r2, [r4, #-8]!
    subs r5, #1
    bne 1b
    add r1, sp, #8
    movs r5, #16
2:  ldm r0!, {r2}
    stm r1!, {r2}
    subs r5, #1
    bne 2b

3:  ldrd r0, r1, [sp, #64]
    ldrd r2, r3, [sp, #40]
    ldr r4, =0x17040e40
    bl 7f
    ldrd r2, r3, [sp, #40]
    ldrd r5, r6, [sp, #48]
    ldrd r7, r12, [sp, #56]
    bl 6f
    ldrd r2, r3, [r8], #8
    adds r0, r2
    adcs r1, r3
    ldrd r2, r3, [sp, #200]
    adds r0, r2
    adcs r1, r3
    ldrd r2, r3, [sp, #32]
    adds r2, r0
    adcs r3, r1
    strd r2, r3, [sp, #32]
    ldrd r2, r3, [sp, #8]
    ldr r4, =0x05061c40
    bl 7f
@ maj(a, b, c) = ch(a ^ c, b, c)
    ldrd r2, r3, [sp, #8]
    ldrd r5, r6, [sp, #16]
    ldrd r7, r12, [sp, #24]
    eors r2, r7
    eor r3, r3, r12
    bl 6f
    strd r0, r1, [sp]

    ldrd r0, r1, [sp, #200]
    ldrd r2, r3, [sp, #192]
    ldr r4, =0x01060119
    bl 7f
    ldrd r2, r3, [sp, #128]
    adds r0, r2
    adcs r1, r3
    ldrd r2, r3, [sp, #88]
    ldr r4, =0x2a0d061a
    bl 7f
    strd r0, r1, [sp, #72]

    add r4, sp, #200
4:  ldrd r2, r3, [r4, #-8]!
    strd r2, r3, [r4, #8]
    cmp r4, sp
    bne 4b
    cmp r8, r9
    bne 3b

    ldr r4, [sp, #208]
    add r6, sp, #8
    movs r5, #8
5:  ldrd r0, r1, [r4]
    ldrd r2, r3, [r6], #8
    adds r0, r2
    adcs r1, r3
    strd r0, r1, [r4], #8
    subs r5, #1
    bne 5b
    add sp, #212
    pop {r4-r9, pc}

@ r1:r0 += ch(r3:r2, r6:r5, r12:r7)
6:  eors r5, r7
    eor r6, r6, r12
    ands r5, r2
    ands r6, r3
    eors r5, r7
    eor r6, r6, r12
    b 10f

@ r1:r0 += a sigma of r3:r2. r4's upper bytes are its rotations, each from the one before and the
@ first one lowest. Where one is a shift, the lowest byte moves the bits that leave it to where they
@ come in again: so they are gone. Elsewhere it moves all bits out.
7:  movs r5, #0
    mov r6, r2
    lsls r6, r4
8:  lsrs r4, r4, #8
    beq 10f
    uxtb r7, r4
9:  lsrs r12, r2, #1
    rrxs r3, r3
    rrx r2, r2
    subs r7, #1
    bne 9b
    eors r5, r2
    eors r6, r3
    b 8b
10: adds r0, r5
    adcs r1, r6
    bx lr
    .ltorg
    .size surefoot_sha512_block, . - surefoot_sha512_block
",
    options(raw)
);
