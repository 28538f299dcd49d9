//! Register offsets, bits and reset values of OTG_FS as the model uses them (RM0090 Rev 19, 34.16); what differs is
//! put together in `version`.
//!
//! Only the device side and the global registers: host registers (offset 0x400) do not exist for the model.

pub const GOTGCTL: u32 = 0x000;
pub const GOTGINT: u32 = 0x004;
pub const GAHBCFG: u32 = 0x008;
pub const GUSBCFG: u32 = 0x00C;
pub const GRSTCTL: u32 = 0x010;
pub const GINTSTS: u32 = 0x014;
pub const GINTMSK: u32 = 0x018;
pub const GRXSTSR: u32 = 0x01C;
pub const GRXSTSP: u32 = 0x020;
pub const GRXFSIZ: u32 = 0x024;
pub const DIEPTXF0: u32 = 0x028;
pub const GNPTXSTS: u32 = 0x02C;
pub const GCCFG: u32 = 0x038;
pub const CID: u32 = 0x03C;
/// The core's own identification, which the manual leaves out and drivers for several versions of the core read.
/// First and last word of the block.
pub const HWCFG: std::ops::RangeInclusive<u32> = 0x040..=0x0FC;
pub const HPTXFSIZ: u32 = 0x100;
pub const DIEPTXF1: u32 = 0x104;
pub const DIEPTXF3: u32 = 0x10C;
pub const HOST: std::ops::RangeInclusive<u32> = 0x400..=0x7FC;
pub const DCFG: u32 = 0x800;
pub const DCTL: u32 = 0x804;
pub const DSTS: u32 = 0x808;
pub const DIEPMSK: u32 = 0x810;
pub const DOEPMSK: u32 = 0x814;
pub const DAINT: u32 = 0x818;
pub const DAINTMSK: u32 = 0x81C;
pub const DVBUSDIS: u32 = 0x828;
pub const DVBUSPULSE: u32 = 0x82C;
pub const DIEPEMPMSK: u32 = 0x834;
pub const IN_ENDPOINTS: std::ops::RangeInclusive<u32> = 0x900..=0xAFC;
pub const OUT_ENDPOINTS: std::ops::RangeInclusive<u32> = 0xB00..=0xCFC;
pub const PCGCCTL: u32 = 0xE00;
pub const FIFO: std::ops::RangeInclusive<u32> = 0x1000..=0x10FFC;

/// Offsets inside one endpoint's block of 0x20 bytes.
pub const EP_CTL: u32 = 0x00;
pub const EP_INT: u32 = 0x08;
pub const EP_TSIZ: u32 = 0x10;
pub const EP_TXFSTS: u32 = 0x18;

pub mod gahbcfg {
    pub const GINT: u32 = 1 << 0;
    pub const TXFELVL: u32 = 1 << 7;
    pub const DEFINED: u32 = GINT | TXFELVL | 1 << 8;
}

pub mod gusbcfg {
    pub const PHYSEL: u32 = 1 << 6;
    pub const FHMOD: u32 = 1 << 29;
    pub const FDMOD: u32 = 1 << 30;
    pub const CTXPKT: u32 = 1 << 31;
    pub const DEFINED: u32 = 0b111 | PHYSEL | 1 << 8 | 1 << 9 | 0xF << 10 | FHMOD | FDMOD | CTXPKT;
    /// Turnaround time in PHY clocks.
    pub fn trdt(value: u32) -> u32 {
        value >> 10 & 0xF
    }
}

pub mod grstctl {
    pub const CSRST: u32 = 1 << 0;
    pub const HSRST: u32 = 1 << 1;
    pub const FCRST: u32 = 1 << 2;
    pub const RXFFLSH: u32 = 1 << 4;
    pub const TXFFLSH: u32 = 1 << 5;
    pub const TXFNUM: u32 = 0x1F << 6;
    pub const AHBIDL: u32 = 1 << 31;
    pub const DEFINED: u32 = CSRST | HSRST | FCRST | RXFFLSH | TXFFLSH | TXFNUM | AHBIDL;
    /// TXFNUM that means every transmit FIFO.
    pub const ALL: u32 = 0x10;
}

/// Bits of GINTSTS and GINTMSK.
pub mod gint {
    pub const OTGINT: u32 = 1 << 2;
    pub const SOF: u32 = 1 << 3;
    pub const RXFLVL: u32 = 1 << 4;
    pub const NPTXFE: u32 = 1 << 5;
    pub const GINAKEFF: u32 = 1 << 6;
    pub const GONAKEFF: u32 = 1 << 7;
    pub const ESUSP: u32 = 1 << 10;
    pub const USBSUSP: u32 = 1 << 11;
    pub const USBRST: u32 = 1 << 12;
    pub const ENUMDNE: u32 = 1 << 13;
    pub const IEPINT: u32 = 1 << 18;
    pub const OEPINT: u32 = 1 << 19;
    pub const PTXFE: u32 = 1 << 26;
    pub const SRQINT: u32 = 1 << 30;
    pub const WKUPINT: u32 = 1 << 31;
    /// Bits that software clears by writing one.
    pub const CLEARED_BY_ONE: u32 = SOF
        | ESUSP
        | USBSUSP
        | USBRST
        | ENUMDNE
        | 1 << 14
        | 1 << 15
        | 1 << 20
        | 1 << 21
        | 1 << 28
        | SRQINT
        | WKUPINT;
    /// Bits which GINTMSK has. Bit 17 (EPMISM) is drawn in the register map and ignored.
    pub const MASK_DEFINED: u32 = 0xF73E_FCFE;
}

pub mod grxsts {
    pub const GLOBAL_OUT_NAK: u32 = 0b0001;
    pub const OUT_DATA: u32 = 0b0010;
    pub const OUT_DONE: u32 = 0b0011;
    pub const SETUP_DONE: u32 = 0b0100;
    pub const SETUP_DATA: u32 = 0b0110;
}

pub mod gccfg {
    pub const PWRDWN: u32 = 1 << 16;
    pub const VBUSASEN: u32 = 1 << 18;
    pub const VBUSBSEN: u32 = 1 << 19;
    pub const SOFOUTEN: u32 = 1 << 20;
    pub const NOVBUSSENS: u32 = 1 << 21;
    /// Core 2.0 and later: VBUS is sensed.
    pub const VBDEN: u32 = 1 << 21;
    pub const DEFINED_V1: u32 = PWRDWN | VBUSASEN | VBUSBSEN | SOFOUTEN | NOVBUSSENS;
    pub const DEFINED_V2: u32 = PWRDWN | VBDEN;
}

pub mod gotgctl {
    pub const CIDSTS: u32 = 1 << 16;
    pub const BSVLD: u32 = 1 << 19;
    /// Core 2.0 and later: software says whether the session of a B device is valid, and which way.
    pub const BVALOEN: u32 = 1 << 6;
    pub const BVALOVAL: u32 = 1 << 7;
    pub const WRITABLE_V1: u32 = 1 << 1 | 1 << 9 | 1 << 10 | 1 << 11;
    pub const DEFINED_V1: u32 = WRITABLE_V1 | 1 << 0 | 1 << 8 | 0xF << 16;
    /// VBVALOEN to BVALOVAL, EHEN, OTGVER too.
    pub const WRITABLE_V2: u32 = WRITABLE_V1 | 0xFC | 1 << 12 | 1 << 20;
    /// CURMOD too.
    pub const DEFINED_V2: u32 = DEFINED_V1 | WRITABLE_V2 | 1 << 21;
}

pub mod gotgint {
    pub const SEDET: u32 = 1 << 2;
}

pub mod dcfg {
    pub const RESET: u32 = 0x0220_0000;
    pub const DSPD: u32 = 0b11;
    pub const NZLSOHSK: u32 = 1 << 2;
    pub const DAD: u32 = 0x7F << 4;
    pub const PFIVL: u32 = 0b11 << 11;
    pub const DEFINED: u32 = DSPD | NZLSOHSK | DAD | PFIVL;
}

pub mod dctl {
    pub const RWUSIG: u32 = 1 << 0;
    pub const SDIS: u32 = 1 << 1;
    pub const GINSTS: u32 = 1 << 2;
    pub const GONSTS: u32 = 1 << 3;
    pub const TCTL: u32 = 0b111 << 4;
    pub const SGINAK: u32 = 1 << 7;
    pub const CGINAK: u32 = 1 << 8;
    pub const SGONAK: u32 = 1 << 9;
    pub const CGONAK: u32 = 1 << 10;
    pub const POPRGDNE: u32 = 1 << 11;
    pub const DEFINED: u32 = 0xFFF;
    pub const STORED: u32 = RWUSIG | SDIS | TCTL | POPRGDNE;
}

pub mod dsts {
    pub const SUSPSTS: u32 = 1 << 0;
    pub const FULL_SPEED: u32 = 0b11 << 1;
}

pub mod epctl {
    pub const USBAEP: u32 = 1 << 15;
    pub const DPID: u32 = 1 << 16;
    pub const NAKSTS: u32 = 1 << 17;
    pub const EPTYP: u32 = 0b11 << 18;
    pub const SNPM: u32 = 1 << 20;
    pub const STALL: u32 = 1 << 21;
    pub const TXFNUM: u32 = 0xF << 22;
    pub const CNAK: u32 = 1 << 26;
    pub const SNAK: u32 = 1 << 27;
    pub const SD0PID: u32 = 1 << 28;
    pub const SD1PID: u32 = 1 << 29;
    pub const EPDIS: u32 = 1 << 30;
    pub const EPENA: u32 = 1 << 31;
    pub const IN_DEFINED: u32 = 0xFFEF_87FF;
    pub const OUT_DEFINED: u32 = 0xFC3F_87FF;
    /// Endpoint 0: a two-bit packet size, no PID selection.
    pub const IN0_DEFINED: u32 = 0xCFEE_8003;
    pub const OUT0_DEFINED: u32 = 0xCC3E_8003;
}

/// Bits of DIEPINTx, DOEPINTx and their masks.
pub mod epint {
    pub const XFRC: u32 = 1 << 0;
    pub const EPDISD: u32 = 1 << 1;
    pub const STUP: u32 = 1 << 3;
    pub const ITTXFE: u32 = 1 << 4;
    pub const OTEPDIS: u32 = 1 << 4;
    pub const INEPNE: u32 = 1 << 6;
    pub const B2BSTUP: u32 = 1 << 6;
    pub const TXFE: u32 = 1 << 7;
    /// DIEPMSK: XFRC, EPDISD, TOC, ITTXFE, INEPNM, INEPNE.
    pub const IN_MASK: u32 = 0x7B;
    /// DOEPMSK: XFRC, EPDISD, STUP, OTEPDIS, STSPHSRX, B2BSTUP.
    pub const OUT_MASK: u32 = 0x7B;
}

/// DIEPTSIZx, DOEPTSIZx.
pub mod eptsiz {
    pub const DEFINED: u32 = 0x7FFF_FFFF;
    pub const IN0_DEFINED: u32 = 0x0018_007F;
    pub const OUT0_DEFINED: u32 = 0x6008_007F;
}
