//! What stands in the private peripheral bus beside the core's own: DBGMCU (RM0090 section 38.16),
//! the cycle counter of the DWT (ARM DDI 0403E section C1.8) and SysTick's calibration value.
//!
//! Leaves out everything else of the debug units. Offsets are from 0xE0000000.

use crate::chip::ChipModel;
use crate::device::{Ctx, Peripheral, Width, lane, merged};

const CYCCNTENA: u32 = 1;

/// The model.
#[derive(Clone, Debug)]
pub struct Debug {
    id: u32,
    cr: u32,
    freeze: [u32; 2],
    counting: bool,
    /// The counter less the core's cycles.
    offset: u32,
    held: u32,
    /// The core's cycles, which the bus sets before an access.
    pub(crate) cycles: u64,
}

impl Debug {
    pub(crate) fn new(chip: &ChipModel) -> Self {
        let id = u32::from(chip.revision) << 16 | u32::from(chip.device_id);
        Self { id, cr: 0, freeze: [0; 2], counting: false, offset: 0, held: 0, cycles: 0 }
    }

    /// The supply is gone: what a system reset keeps goes too.
    pub(crate) fn power_lost(&mut self) {
        (self.cr, self.freeze) = (0, [0; 2]);
    }

    fn count(&self) -> u32 {
        if self.counting { (self.cycles as u32).wrapping_add(self.offset) } else { self.held }
    }

    fn set_count(&mut self, value: u32) {
        self.held = value;
        self.offset = value.wrapping_sub(self.cycles as u32);
    }
}

impl Peripheral for Debug {
    fn read(&mut self, offset: u32, width: Width, ctx: &mut Ctx) -> u32 {
        let value = match offset & !3 {
            // Four comparators, as the Cortex-M4 TRM (100166) table 9-1 has the reset value.
            0x1000 => 0x4000_0000 | u32::from(self.counting),
            0x1004 => self.count(),
            // RM0090 section 12.1.2: 18750.
            0xE01C => 18_750,
            0x4_2000 => self.id,
            0x4_2004 => self.cr,
            0x4_2008 => self.freeze[0],
            0x4_200C => self.freeze[1],
            _ => return ctx.nothing("debug unit", offset, "RM0090 38.16"),
        };
        lane(value, offset, width)
    }

    fn write(&mut self, offset: u32, width: Width, value: u32, ctx: &mut Ctx) {
        match offset & !3 {
            0x1000 => {
                let count = self.count();
                self.counting = value & CYCCNTENA != 0;
                self.set_count(count);
            }
            0x1004 => self.set_count(value),
            0x4_2004 => {
                let value = merged(self.cr, offset, width, value);
                ctx.reserved(value, 0xE7, "RM0090 38.16.3", "DBGMCU_CR");
                self.cr = value & 0xE7;
            }
            0x4_2008 => self.freeze[0] = merged(self.freeze[0], offset, width, value),
            0x4_200C => self.freeze[1] = merged(self.freeze[1], offset, width, value),
            _ => ctx.read_only("RM0090 38.6.1", "debug unit register"),
        }
    }

    /// DBGMCU is reset by power only (section 38.16.3); the counter starts with the core.
    fn reset(&mut self, _ctx: &mut Ctx) {
        (self.counting, self.offset, self.held, self.cycles) = (false, 0, 0, 0);
    }
}
