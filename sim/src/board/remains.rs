//! What a board keeps without supply, to go on from there as often as wanted.
//!
//! A sweep runs a scenario forward once. Just before each flash or option byte operation it takes
//! [`Board::remains`], and later has another board [`Board::revive`] them with the supply cut
//! before, inside or after that operation. That is what [`Board::cut`] in a run from the start
//! would lead to, without the run.
//!
//! Leaves out: the backup domain's clock settings, which are as new; what is on the pins, the cable
//! and BOOT0, which stay the reviving board's own.

use std::hash::BuildHasher;

use rustc_hash::FxBuildHasher;

use super::Board;
use crate::backup::Backup;
use crate::bus::Bus;
use crate::clock::CycleClock;
use crate::cpu::Order;
use crate::fault::{Bits, Defect, When};
use crate::flash::{OptionCells, Pending, Started};
use crate::memory::{FLASH, OTP_LENGTH, SavedFlash};
use crate::models::Models;
use crate::random::Random;
use crate::rcc::HSI_HZ;
use crate::time::Nanos;
use crate::usb::Wire;

/// Sees each operation just before it begins.
pub(super) type Watcher = Box<dyn FnMut(&mut Board, Started) + Send>;

/// What the loss of the supply leaves, with the operation that was about to begin.
#[derive(Clone, Debug)]
pub struct Remains {
    flash: SavedFlash,
    otp: [u8; OTP_LENGTH],
    options: OptionCells,
    defects: Vec<Defect>,
    pending: Option<Pending>,
    backup: Option<Backup>,
    now: Nanos,
    operations: u64,
    print: u64,
}

impl Remains {
    /// The operation that was about to begin.
    pub fn operation(&self) -> Option<Started> {
        self.pending.map(Pending::started)
    }

    /// Its number, counted as [`Board::operations`] counts.
    pub fn number(&self) -> u64 {
        self.operations
    }

    /// When that was.
    pub fn now(&self) -> Nanos {
        self.now
    }

    /// A hash of all that counts for what comes after, the operation with it, but not when it was nor its
    /// number. What is revived from two remains with the same one goes on alike, by the same seed.
    pub fn print(&self) -> u64 {
        self.print
    }

    /// Bytes of flash before the operation, which lie in one 4 KB page; `None` where they do not.
    pub fn flash(&self, address: u32, length: usize) -> Option<&[u8]> {
        self.flash.read(address.checked_sub(FLASH)? as usize, length)
    }

    /// Which bits of the byte of flash at an address were unstable before the operation.
    pub fn unstable_mask(&self, address: u32) -> u8 {
        address.checked_sub(FLASH).map_or(0, |at| self.flash.unstable(at as usize))
    }
}

impl Board {
    /// Calls `watcher` just before each flash or option byte operation begins, with the board and
    /// what begins; or nobody any more.
    pub fn watch_operations<F>(&mut self, watcher: Option<F>)
    where
        F: FnMut(&mut Self, Started) + Send + 'static,
    {
        self.watcher = watcher.map(|w| Box::new(w) as Watcher);
    }

    /// The flash or option byte operation under way.
    pub fn operation(&self) -> Option<Started> {
        self.bus.models.flash.pending().map(Pending::started)
    }

    /// Tells the watcher of an operation that has just begun.
    pub(super) fn show_operation(&mut self) {
        self.bus.begun = false;
        if let (Some(started), Some(mut watcher)) = (self.operation(), self.watcher.take()) {
            watcher(self, started);
            self.watcher.get_or_insert(watcher);
        }
    }

    /// A hash of all that the flash holds now, with which of its bits are unstable.
    pub fn flash_print(&mut self) -> u64 {
        self.bus.memory.flash.print()
    }

    /// What the board would keep if the supply failed now, before the operation under way did
    /// anything.
    pub fn remains(&mut self) -> Remains {
        let now = self.now();
        let bus = &mut self.bus;
        let backup = self.options.battery.then(|| bus.models.backup.clone());
        let (otp, flash) = (*bus.memory.otp(), &mut bus.memory.flash);
        let (options, pending) = (bus.models.flash.option_cells(), bus.models.flash.pending());
        let defects = bus.models.flash.defects().to_vec();
        let print = FxBuildHasher.hash_one((flash.print(), otp, options, &defects, pending, &backup));
        let flash = flash.save();
        Remains { flash, otp, options, defects, pending, backup, now, operations: bus.operations, print }
    }

    /// A board without supply that has these remains, the operation among them cut at `when`. The
    /// seed decides what a cut inside leaves and everything random from here on: RAM, and what
    /// unstable bits read as. Violations and the trace of the pins start anew.
    pub fn revive(&mut self, remains: &Remains, when: When, left: Bits, seed: u64) {
        self.random = Random::new(seed);
        self.flush_orders();
        let Self { bus, cpu, options, .. } = self;
        (bus.cut, bus.failure, bus.begun) = (None, None, false);
        // Fresh models: the instants that the old ones remember may lie in the future now.
        let (gpio, plugged) = (bus.models.gpio.anew(), bus.models.otg.plugged());
        bus.models = Models::new(&bus.chip, options.oscillators());
        bus.models.gpio = gpio;
        bus.models.flash.set_cells(remains.options, remains.defects.clone());
        bus.memory.flash.restore(&remains.flash, &mut **cpu);
        bus.memory.restore_otp(&remains.otp, &mut **cpu);
        let Bus { models, memory, orders, chip, .. } = bus;
        match (remains.pending, when) {
            (None, _) | (_, When::Before) => {}
            (Some(pending), When::Inside) => {
                models.flash.tear(pending, left, &mut self.random, memory, orders);
            }
            (Some(pending), When::After) => {
                models.flash.complete(pending, chip, memory, orders);
            }
        }
        bus.clock = CycleClock::start(remains.now, HSI_HZ);
        cpu.load(&self.cold);
        bus.with(remains.now, |models, ctx| models.otg.set_vbus(plugged, ctx));
        let seed = self.random.bits();
        self.lose_power(Bits::Solid, seed);
        let bus = &mut self.bus;
        if let Some(backup) = &remains.backup {
            bus.models.backup.clone_from(backup);
        }
        bus.held_until = remains.now;
        bus.operations = remains.operations;
        bus.effects.violations.clear();
        bus.schedule();
    }

    /// Something of the flash fails from now on.
    ///
    /// # Panics
    ///
    /// When there is no such sector or word in this chip's flash.
    pub fn add_defect(&mut self, defect: Defect) {
        use crate::fault::Failing;
        let there = match defect.what {
            Failing::Erase { sector, .. } | Failing::Program { sector } => {
                sector < self.bus.chip.sector_count()
            }
            Failing::Word { address, .. } | Failing::Weak { address, .. } => {
                address.is_multiple_of(4) && self.bus.memory.flash_offset(address).is_some()
            }
        };
        assert!(there, "{:?} is not in this chip's flash", defect.what);
        self.bus.models.flash.add_defect(defect);
    }

    /// What fails and has not yet failed as often as it is to.
    pub fn defects(&self) -> &[Defect] {
        self.bus.models.flash.defects()
    }

    /// The flash is whole again; what it holds stays.
    pub fn clear_defects(&mut self) {
        self.bus.models.flash.clear_defects();
    }

    /// From now on these bits of a byte of flash are unstable in this way, as those of a cell that was hardly
    /// programmed, or has aged. False outside of flash.
    pub fn weaken(&mut self, address: u32, bits: u8, left: Bits) -> bool {
        let Bus { memory, orders, .. } = &mut self.bus;
        let Some(offset) = memory.flash_offset(address) else { return false };
        memory.flash.weaken(offset as usize, bits, left);
        orders.push(Order::Invalidate(address & !3, (address & !3) + 4));
        memory.flash.route(&mut |order| orders.push(order));
        true
    }

    /// Which bits of the byte at an address are unstable; none outside of flash.
    pub fn unstable_mask(&self, address: u32) -> u8 {
        self.bus
            .memory
            .flash_offset(address)
            .map_or(0, |at| self.bus.memory.flash.unstable(at as usize, 1) as u8)
    }

    /// How many of the bits at an address are unstable; 0 outside of flash.
    pub fn unstable_bits(&self, address: u32, length: u32) -> u64 {
        let Some(offset) = self.bus.memory.flash_offset(address) else { return 0 };
        let end = (offset + length).min(self.bus.chip.flash_length());
        self.bus.memory.flash.count_unstable(offset as usize..end as usize)
    }
}
