//! The machine in assembly for Cortex-M4, whose UMAAL adds two words to a product of two.
#![allow(unsafe_code)]

use super::{Marked, Registers};
use core::arch::global_asm;
use core::ops::{Deref, DerefMut};

/// The one machine's: at an address that the code knows, and not on the stack, where a core that skips an
/// instruction may take what is computed for a return address.
#[unsafe(export_name = "surefoot_ed25519_registers")]
static mut REGISTERS: Registers = [[0; 8]; 16];

unsafe extern "C" {
    /// `program` ends with an operation marked last.
    fn surefoot_ed25519_run(program: *const u16);
}

/// The registers and what works on them.
pub struct Machine(());

impl Machine {
    /// The machine.
    ///
    /// # Safety
    ///
    /// There is only one: no other value of this type may be in use.
    pub const unsafe fn new() -> Self {
        Self(())
    }

    /// Runs `program` up to its marked operation.
    #[inline(always)]
    pub fn run(&mut self, program: Marked) {
        // SAFETY: an operation's three fields have four bits each, so all addresses are in the registers; the last
        // operation is marked.
        unsafe { surefoot_ed25519_run(program.0.as_ptr()) }
    }
}

impl Deref for Machine {
    type Target = Registers;
    #[inline(always)]
    fn deref(&self) -> &Registers {
        // SAFETY: this is the only one, and borrowed.
        unsafe { (&raw const REGISTERS).as_ref_unchecked() }
    }
}

impl DerefMut for Machine {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut Registers {
        // SAFETY: as above.
        unsafe { (&raw mut REGISTERS).as_mut_unchecked() }
    }
}

global_asm!(
    "
    .syntax unified
    .section .text.surefoot_ed25519_run, \"ax\", %progbits
    .global surefoot_ed25519_run
    .type surefoot_ed25519_run, %function
    .thumb_func

@ r4: the registers, r5: the next operation, r8: this one.
surefoot_ed25519_run:
    push {r4-r8, lr}
    ldr r4, =surefoot_ed25519_registers
    mov r5, r0
1:  ldrsh r8, [r5], #2
    ubfx r0, r8, #8, #4
    add r0, r4, r0, lsl #5
    ubfx r1, r8, #4, #4
    add r1, r4, r1, lsl #5
    and r2, r8, #15
    add r2, r4, r2, lsl #5
    lsls r3, r8, #19
    bcs 2f
    bl 7f
    b 5f

@ r3 is 0 to add and -1 to subtract, which is adding the complement and one; r12 is a ninth word.
2:  asrs r3, r3, #31
    mov r12, #0
3:  add lr, r1, #32
    adds r7, r3, r3
4:  ldm r1!, {r7}
    ldm r2!, {r6}
    eors r6, r3
    adcs r7, r6
    stm r0!, {r7}
    ldm r1!, {r7}
    ldm r2!, {r6}
    eors r6, r3
    adcs r7, r6
    stm r0!, {r7}
    teq r1, lr
    bne 4b
    adcs r12, r12, r3
    beq 5f
@ The modulus off what is too big, or onto what is negative.
    rsb r3, r12, #0
    asrs r3, r3, #31
    subs r0, #32
    mov r1, r0
    add r2, r4, #480
    b 3b

5:  cmp r8, #0
    bge 1b
    pop {r4-r8, pc}

@ The product of r1 and r2 to r0. r4-r11 are the sum's upper words; each row of products moves them
@ down by one word, and the word that falls out goes on the stack.
7:  push {r0, r4-r11, lr}
    movs r0, #8
    movs r4, #0
    mov r5, r4
    mov r6, r4
    mov r7, r4
    mov r8, r4
    mov r9, r4
    mov r10, r4
    mov r11, r4
8:  ldr lr, [r1], #4
    mov r12, #0
    ldr r3, [r2]
    umaal r12, r4, lr, r3
    ldr r3, [r2, #4]
    umaal r4, r5, lr, r3
    ldr r3, [r2, #8]
    umaal r5, r6, lr, r3
    ldr r3, [r2, #12]
    umaal r6, r7, lr, r3
    ldr r3, [r2, #16]
    umaal r7, r8, lr, r3
    ldr r3, [r2, #20]
    umaal r8, r9, lr, r3
    ldr r3, [r2, #24]
    umaal r9, r10, lr, r3
    ldr r3, [r2, #28]
    umaal r10, r11, lr, r3
    push {r12}
    subs r0, #1
    bne 8b
@ 2^256 is 38: first the uppermost words, then what is above bit 254 counts 19 a piece.
    movs r2, #38
    pop {r3}
    push {r4-r10}
    umaal r3, r0, r11, r2
    lsls r3, r3, #1
    adcs r0, r0
    lsrs r6, r3, #1
    movs r3, #19
    muls r0, r3, r0
@ The lower words are behind the upper ones on the stack, most significant first.
    add r1, sp, #56
    ldr r4, [r1]
9:  pop {r5}
    ldr r3, [r1, #-4]!
    umaal r3, r0, r5, r2
    stm r4!, {r3}
    cmp r1, sp
    bne 9b
    adds r6, r6, r0
    str r6, [r4]
    add sp, #32
    pop {r4-r11, pc}
    .ltorg
    .size surefoot_ed25519_run, . - surefoot_ed25519_run
",
    options(raw)
);
