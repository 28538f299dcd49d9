//! The memory protection unit: nothing is executed but this program.
//!
//! A core that skips an instruction may take a word that a stranger has chosen, or tried until it fitted, for a
//! return address. It may lead into an image or into RAM, and is a fault there, which resets the chip.

use cortex_m::peripheral::MPU;

/// RASR: full access (PM0214, 4.2.6), write-through like flash by default (4.2.1), enabled; of 2 to so many bytes.
const fn region(bits: u32) -> u32 {
    0b011 << 24 | 1 << 17 | (bits - 1) << 1 | 1
}

/// RASR: no instruction may be fetched.
const NEVER: u32 = 1 << 28;

/// Allows the bootloader's sector alone, of all below the peripherals, which allow none by themselves.
pub fn init() {
    // SAFETY: a region with a higher number counts where two overlap, the default map where there is none
    // (PM0214, 4.2): what this program reads, writes and runs, it still may.
    unsafe {
        let mpu = &*MPU::PTR;
        // RBAR: the address, that the number is valid, and it.
        mpu.rbar.write(1 << 4);
        mpu.rasr.write(NEVER | region(30));
        mpu.rbar_a1.write(0x0800_0000 | 1 << 4 | 1);
        mpu.rasr_a1.write(region(14));
        // PRIVDEFENA, ENABLE.
        mpu.ctrl.write(1 << 2 | 1);
    }
}

/// As after reset: off, and without regions, which an application that sets up one of its own does not expect.
#[inline(always)]
pub fn off() {
    // SAFETY: what is executed from here on is the caller's affair.
    unsafe {
        let mpu = &*MPU::PTR;
        mpu.ctrl.write(0);
        // The region with the number that was written last, then the other one.
        mpu.rasr.write(0);
        mpu.rnr.write(0);
        mpu.rasr.write(0);
        mpu.rbar.write(0);
    }
}
