//! The versions of the core that the F4 has: what software reads of itself, and how a session becomes valid.

use super::regs::{gccfg, gint, gotgctl, gusbcfg};

/// A version of the block.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// Where its registers are described.
    pub(super) manual: &'static str,
    /// CID after reset.
    pub(super) cid: u32,
    /// GSNPSID and GHWCFG1 to GHWCFG4, which the manual leaves out and drivers for several versions read.
    pub(super) identity: [u32; 5],
    /// Endpoints in each direction; those above [`super::ENDPOINTS`] have no model.
    pub(super) endpoints: usize,
    /// Registers after reset.
    pub(super) gusbcfg_reset: u32,
    pub(super) dctl_reset: u32,
    /// Bits that there are.
    pub(super) gusbcfg: u32,
    pub(super) gccfg: u32,
    pub(super) gintmsk: u32,
    pub(super) gotgctl: u32,
    /// ... and those of them that software writes.
    pub(super) gotgctl_written: u32,
    /// Software gives the session's validity in GOTGCTL and switches sensing on with VBDEN; else NOVBUSSENS and
    /// VBUSBSEN do both.
    pub(super) overrides: bool,
}

/// Core 1.2, of F405/407, F42x and F411 (RM0090 section 34.16, RM0383 section 22.16). The identity is as read out
/// of F405/F407 parts (TinyUSB's table of DWC2 cores).
pub(crate) static V1: Version = Version {
    manual: "RM0090 34.16.2",
    cid: 0x1200,
    identity: [0x4F54_281A, 0, 0x229D_CD20, 0x0200_01E8, 0x0FF0_8030],
    endpoints: 4,
    gusbcfg_reset: 0x0000_0A00,
    dctl_reset: 0,
    gusbcfg: gusbcfg::DEFINED,
    gccfg: gccfg::DEFINED_V1,
    gintmsk: gint::MASK_DEFINED,
    gotgctl: gotgctl::DEFINED_V1,
    gotgctl_written: gotgctl::WRITABLE_V1,
    overrides: false,
};

/// Core 2.0, of F446 (RM0390 section 31.15): six endpoints, disconnected after reset, no NOVBUSSENS.
///
/// Doubtful: the identity, which is that of F76x parts with the same CID, and the value of GUSBCFG after reset.
pub(crate) static V2: Version = Version {
    manual: "RM0390 31.15",
    cid: 0x2000,
    identity: [0x4F54_320A, 0, 0x229E_D520, 0x0200_D1E8, 0x17F0_8030],
    endpoints: 6,
    gusbcfg_reset: 0x0000_1400,
    dctl_reset: 0b10,
    // There is no CTXPKT.
    gusbcfg: gusbcfg::DEFINED & !gusbcfg::CTXPKT,
    gccfg: gccfg::DEFINED_V2,
    // RSTDET and LPMINT.
    gintmsk: gint::MASK_DEFINED | 1 << 23 | 1 << 27,
    gotgctl: gotgctl::DEFINED_V2,
    gotgctl_written: gotgctl::WRITABLE_V2,
    overrides: true,
};
