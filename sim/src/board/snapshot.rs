//! Snapshots: all of a board's state, to come back to as often as wanted.
//!
//! Flash pages that did not change are shared between snapshots, and a restore writes only pages
//! that differ, so both take microseconds. A snapshot belongs to the board it was taken of, or to
//! one made with the same options. Planned power cuts are not part of it.

use super::Board;
use crate::clock::CycleClock;
use crate::device::{Clocks, Pins, ResetCause};
use crate::memory::SavedMemory;
use crate::models::Models;
use crate::random::Random;
use crate::time::Nanos;
use crate::violation::Violations;

/// A board's state at an instant.
#[derive(Clone)]
pub struct Snapshot {
    core: Vec<u8>,
    memory: SavedMemory,
    models: Models,
    clock: CycleClock,
    clocks: Clocks,
    pins: Pins,
    violations: Violations,
    lines: [u8; crate::bus::LINES],
    held_until: Nanos,
    operations: u64,
    flash_time: Nanos,
    flags: Flags,
    random: Random,
}

/// What the board itself remembers.
#[derive(Clone, Copy)]
struct Flags {
    powered: bool,
    boot0: bool,
    battery: bool,
    lockup_told: bool,
    deep_sleep_told: bool,
    last_reset: ResetCause,
    resets: u64,
}

impl Board {
    /// The state now.
    pub fn snapshot(&mut self) -> Snapshot {
        for order in std::mem::take(&mut self.bus.orders) {
            self.cpu.order(order);
        }
        Snapshot {
            core: self.cpu.save(),
            memory: self.bus.memory.save(),
            models: self.bus.models.clone(),
            clock: self.bus.clock,
            clocks: self.bus.clocks,
            pins: self.bus.pins,
            violations: self.bus.effects.violations.clone(),
            lines: self.bus.lines,
            held_until: self.bus.held_until,
            operations: self.bus.operations,
            flash_time: self.bus.flash_time,
            flags: Flags {
                powered: self.powered,
                boot0: self.boot0,
                battery: self.options.battery,
                lockup_told: self.lockup_told,
                deep_sleep_told: self.deep_sleep_told,
                last_reset: self.last_reset,
                resets: self.resets,
            },
            random: self.random.clone(),
        }
    }

    /// Back to a snapshot.
    ///
    /// # Panics
    ///
    /// When the snapshot is of another kind of chip.
    pub fn restore(&mut self, snapshot: &Snapshot) {
        self.flush_orders();
        self.cpu.load(&snapshot.core);
        let bus = &mut self.bus;
        bus.memory.restore(&snapshot.memory, &mut *self.cpu);
        bus.models.clone_from(&snapshot.models);
        bus.clock = snapshot.clock;
        bus.clocks = snapshot.clocks;
        bus.pins = snapshot.pins;
        bus.effects = crate::device::Effects {
            violations: snapshot.violations.clone(),
            ..crate::device::Effects::default()
        };
        bus.lines = snapshot.lines;
        bus.held_until = snapshot.held_until;
        bus.operations = snapshot.operations;
        bus.flash_time = snapshot.flash_time;
        (bus.cut, bus.failure, bus.begun) = (None, None, false);
        bus.next_event = Nanos(0);
        bus.schedule();
        let flags = snapshot.flags;
        self.powered = flags.powered;
        self.boot0 = flags.boot0;
        self.options.battery = flags.battery;
        self.lockup_told = flags.lockup_told;
        self.deep_sleep_told = flags.deep_sleep_told;
        self.last_reset = flags.last_reset;
        self.resets = flags.resets;
        self.random = snapshot.random.clone();
    }
}
