//! The bus: decodes an access, checks the peripheral's clock, calls the model, and carries out
//! what the model caused.
//!
//! Everything that a snapshot of the registers needs is in [`Models`]. Time between accesses is
//! the board's business ([`crate::board`]).

use std::mem;

use crate::chip::ChipModel;
use crate::clock::CycleClock;
use crate::cpu::{Access, CpuBus, Order};
use crate::decode::{BusOf, Id, Place, decode};
use crate::device::{Clocks, Ctx, Effects, Peripheral, Pins, Width, lane};
use crate::fault::{Bits, Cut};
use crate::flash::Target;
use crate::memory::{BootMemory, FLASH, Memory, little};
use crate::models::Models;
use crate::polling::{Poll, Polling};
use crate::time::Nanos;
use crate::violation::{Kind, Violation};

/// Most interrupt lines of the chips modelled.
pub(crate) const LINES: usize = 97;

/// Most instructions the core runs in one go, so that nothing is far from the board's loop.
pub(crate) const STRETCH: u64 = 1 << 26;

/// The data register of the CRC unit.
const CRC_DR: u32 = 0x4002_3000;

/// When and how the supply fails.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PowerFailure {
    pub(crate) at: Nanos,
    pub(crate) left: Bits,
    pub(crate) seed: u64,
}

/// All of the board but the core.
pub(crate) struct Bus {
    pub(crate) chip: ChipModel,
    pub(crate) clock: CycleClock,
    pub(crate) memory: Memory,
    pub(crate) models: Models,
    pub(crate) clocks: Clocks,
    pub(crate) pins: Pins,
    pub(crate) effects: Effects,
    /// The sources of each interrupt line that are high, a bit each.
    pub(crate) lines: [u8; LINES],
    pub(crate) orders: Vec<Order>,
    /// The next event.
    pub(crate) next_event: Nanos,
    /// That of the models without the flash.
    pub(crate) models_event: Nanos,
    /// Nothing is left to carry out.
    pub(crate) settled: bool,
    /// Where the present stretch of the core ends: the next event or the run's limit.
    pub(crate) deadline: u64,
    /// The run's limit.
    pub(crate) limit: Nanos,
    /// The core stands still until then.
    pub(crate) held_until: Nanos,
    /// Flash operations started since the board was made.
    pub(crate) operations: u64,
    /// One has started that the board's loop has not seen yet.
    pub(crate) begun: bool,
    /// Time they took, together.
    pub(crate) flash_time: Nanos,
    pub(crate) cut: Option<Cut>,
    pub(crate) failure: Option<PowerFailure>,
    /// Instructions retired at which the core comes back.
    pub(crate) last: u64,
    /// The loop that the program may be waiting in.
    pub(crate) polling: Polling,
}

/// Builds a [`Ctx`] from the bus's fields beside a borrowed model.
macro_rules! ctx {
    ($bus:expr, $now:expr, $pc:expr) => {
        Ctx { now: $now, pc: $pc, clocks: &$bus.clocks, pins: &$bus.pins, effects: &mut $bus.effects }
    };
}

impl Bus {
    /// Calls `f` with the models and a context at `now`, then carries out what it caused.
    pub(crate) fn with<R>(&mut self, now: Nanos, f: impl FnOnce(&mut Models, &mut Ctx) -> R) -> R {
        self.polling.disturbed();
        let result = f(&mut self.models, &mut ctx!(self, now, None));
        let cycles = self.clock.cycles_at(now);
        self.carry_out(now, cycles);
        result
    }

    /// Everything the models had to do by `now`.
    pub(crate) fn advance(&mut self, now: Nanos) {
        if now < self.next_event {
            return;
        }
        self.polling.disturbed();
        // A model's event may make another due at the same instant; two rounds settle a chain
        // (oscillator, PLL), and what is still due is due again at once in the board's loop.
        for _ in 0..2 {
            let Self { chip, memory, orders, .. } = self;
            self.models.flash.finish(&mut ctx!(self, now, None), chip, memory, orders);
            for model in self.models.each() {
                if model.next_event().is_some_and(|at| at <= now) {
                    model.advance(&mut ctx!(self, now, None));
                }
            }
            let cycles = self.clock.cycles_at(now);
            self.carry_out(now, cycles);
            if now < self.next_event {
                break;
            }
        }
    }

    /// Carries out what models caused: lines to the core, pins, clocks, flash operations.
    pub(crate) fn carry_out(&mut self, now: Nanos, cycles: u64) {
        if let Some(ends) = self.models.flash.take_started() {
            self.flash_started(now, ends);
        }
        for (pin, level) in mem::take(&mut self.effects.driven) {
            self.models.gpio.drive_function(pin, level);
        }
        if self.models.syscfg.take_changed() | self.models.gpio.take_changed() {
            self.models.gpio.settle(&mut self.pins, now, &mut self.effects);
            self.models.exti.pins(&self.models.syscfg, &self.pins, &mut ctx!(self, now, None));
        }
        for (line, level) in mem::take(&mut self.effects.exti) {
            self.models.exti.drive(line, level, &mut ctx!(self, now, None));
        }
        if self.models.iwdg.running() {
            self.models.rcc.force_lsi(now);
        }
        let clocks = self.models.rcc.take_changed();
        if clocks {
            self.rcc_changed(now, cycles);
        }
        let open = self.models.pwr.backup_open();
        (self.models.rcc.backup_open, self.models.backup.open) = (open, open);
        if self.models.syscfg.remapped() {
            self.effects.stop = true;
        }
        for (line, source, high) in self.effects.lines.drain(..) {
            let sources = &mut self.lines[usize::from(line)];
            let before = *sources != 0;
            *sources = *sources & !(1 << source) | u8::from(high) << source;
            if before != (*sources != 0) {
                self.orders.push(Order::Line(line, !before));
            }
        }
        self.schedule();
        // What resets by the RCC move is carried out with the next access.
        self.settled = !clocks;
    }

    /// Carries out what an access has caused, and for those that programs make most often no more than they can
    /// have caused.
    fn carry_out_access(&mut self, place: Place, written: bool, now: Nanos, cycles: u64) {
        use Id::{Crc, Exti, Flash, Gpio, Iwdg, Pwr, Rcc, Syscfg, Timers};
        match place {
            // Causes nothing outside itself, and is fed whole images.
            Place::Peripheral(Crc, _) => {}
            _ if !self.settled => self.carry_out(now, cycles),
            // Memory, and registers that only answer.
            Place::Flash(_) | Place::Otp(_) | Place::Signature(_) | Place::OptionBytes(_) if !written => {}
            Place::Peripheral(Exti | Flash | Gpio | Iwdg | Pwr | Rcc | Syscfg, _) if !written => {}
            // Had no flag to set.
            Place::Peripheral(Timers, _) if !written && self.effects.lines.is_empty() => {}
            // Starts operations, and moves its interrupt line.
            Place::Peripheral(Flash, _) | Place::Flash(_) => {
                if let Some(ends) = self.models.flash.take_started() {
                    self.flash_started(now, ends);
                }
                match self.effects.lines.is_empty() {
                    true => self.schedule_flash(),
                    false => self.carry_out(now, cycles),
                }
            }
            _ => self.carry_out(now, cycles),
        }
    }

    /// Finds the next event anew.
    pub(crate) fn schedule(&mut self) {
        self.settled = false;
        let next = self.models.each_ref().into_iter().filter_map(Peripheral::next_event).min();
        self.models_event = next.unwrap_or(Nanos::NEVER);
        self.schedule_flash();
    }

    /// The same where only the flash can have another one than before.
    fn schedule_flash(&mut self) {
        let failure = self.failure.map_or(Nanos::NEVER, |f| f.at);
        let busy = self.models.flash.busy_until().unwrap_or(Nanos::NEVER);
        let event = self.models_event.min(busy).min(failure);
        if event != self.next_event {
            self.next_event = event;
            self.deadline = self.clock.cycles_at(event.min(self.limit));
        }
    }

    /// The RCC changed: resets it asks for, and the clock tree.
    fn rcc_changed(&mut self, now: Nanos, cycles: u64) {
        if let Some(bits) = self.models.rcc.take_resets() {
            self.models.reset_bits(bits, &mut ctx!(self, now, None));
        }
        if self.models.rcc.take_backup_reset() {
            self.models.backup.clear(false);
        }
        let before = self.clocks;
        self.clocks = self.models.rcc.clocks();
        if self.clocks == before {
            return;
        }
        if self.clocks.hclk != before.hclk {
            self.clock.change(cycles, self.clocks.hclk);
            self.deadline = self.clock.cycles_at(self.next_event.min(self.limit));
        }
        self.models.timers.clock_changed(&mut ctx!(self, now, None));
        self.models.backup.clock_changed(&mut ctx!(self, now, None));
        let speeds = self.models.pwr.speeds();
        self.models.rcc.check_limits(speeds, &mut ctx!(self, now, None));
        let chip = &self.chip;
        self.models.flash.check_latency(chip, &mut ctx!(self, now, None));
    }

    /// A flash operation has started: counts it, and looks whether the supply is to fail here. The
    /// board's loop holds the core if it fetches from flash.
    fn flash_started(&mut self, now: Nanos, ends: Nanos) {
        self.operations += 1;
        self.begun = true;
        self.flash_time += ends.since(now);
        if let Some(cut) = self.cut.filter(|c| c.operation == self.operations) {
            let failure = cut.failure(now, ends);
            self.failure = Some(failure);
            if failure.at == now {
                self.models.flash.forget_operation();
            }
            self.cut = None;
        }
        self.effects.attention = true;
        self.effects.stop = true;
    }

    /// True when an instruction at `pc` comes out of the flash array.
    pub(crate) fn fetches_flash(&self, pc: u32) -> bool {
        self.memory.flash_offset(pc).is_some()
            || (pc < self.memory.flash.bytes().len() as u32 && self.memory.at_zero() == BootMemory::Flash)
    }

    pub(crate) fn violation(
        &mut self,
        now: Nanos,
        pc: Option<u32>,
        kind: Kind,
        section: &'static str,
        what: String,
    ) {
        self.effects.violations.push(Violation::new(now, pc, kind, section, what));
    }

    /// Cycles that an access takes beyond the one that its instruction counts for.
    ///
    /// A load or store has an address and a data phase (Cortex-M4 TRM 100166 section 3.3.1: two cycles; RM0090
    /// section 8.2: a GPIO toggles every two clock cycles). An APB transfer takes two cycles of that bus (ARM
    /// IHI 0024 section 3.1), during which the AHB waits. Write buffers are left out: a store waits like a load.
    fn bus_cycles(&self, place: Place) -> u64 {
        let apb = |pclk: u32| 1 + 2 * u64::from(self.clocks.hclk / pclk.max(1));
        match place.bus() {
            BusOf::Core => 0,
            BusOf::Ahb => 1,
            BusOf::Apb1 => apb(self.clocks.pclk1),
            BusOf::Apb2 => apb(self.clocks.pclk2),
        }
    }

    /// What [`Bus::access`] comes to where nothing but the access itself is due and no rule is broken, in less time:
    /// for words that the CRC unit is fed, whole images of them, and for reads of flash that has unstable bits.
    fn access_quickly(&mut self, a: Access, cycles: u64) -> Option<u32> {
        // No event is due before the deadline.
        if cycles >= self.deadline {
            return None;
        }
        let answer = match a.write {
            Some(word) if a.address == CRC_DR && a.width == Width::Word => {
                let place = Place::Peripheral(Id::Crc, 0);
                let (enable, _) = place.gate()?;
                self.models.rcc.enabled_since(enable).filter(|since| cycles > since + 1)?;
                self.models.crc.feed(word);
                self.clock.skip(self.bus_cycles(place));
                0
            }
            None if self.settled => {
                let offset = self.memory.flash_offset(a.address)? as usize;
                let width = a.width.bytes() as usize;
                (offset + width <= self.memory.flash.bytes().len())
                    .then(|| self.memory.flash.sense(offset, width))?
            }
            _ => return None,
        };
        if self.polling.on() {
            self.polling.answers();
            self.polling.disturbed();
        }
        Some(answer)
    }

    fn dispatch(&mut self, place: Place, a: Access, now: Nanos, cycles: u64) -> Option<u32> {
        if let Some((enable, name)) = place.gate() {
            match self.models.rcc.enabled_since(enable) {
                None => {
                    let what = format!("{name} accessed with its clock off");
                    self.violation(now, Some(a.pc), Kind::Unclocked, "RM0090 7.3.10-7.3.14", what);
                    return Some(0);
                }
                // ES0182, "delay after an RCC peripheral clock enabling": two AHB cycles after the enable; the very next instruction is
                // too early.
                Some(since) if cycles <= since + 1 => {
                    let what = format!("{name} accessed right after its clock was enabled");
                    self.violation(
                        now,
                        Some(a.pc),
                        Kind::Sequence,
                        "ES0182, delay after an RCC peripheral clock enabling",
                        what,
                    );
                }
                Some(_) => {}
            }
        }
        let Place::Peripheral(id, offset) = place else {
            return self.dispatch_rest(place, a, now);
        };
        self.models.debug.cycles = cycles;
        let mut ctx = ctx!(self, now, Some(a.pc));
        let value = match (self.models.get(id), a.write) {
            (Some(model), Some(value)) => {
                model.write(offset, a.width, value, &mut ctx);
                0
            }
            (Some(model), None) => model.read(offset, a.width, &mut ctx),
            (None, Some(value)) => {
                self.models.flash.write_register(offset, a.width, value, &mut ctx, &self.chip);
                0
            }
            (None, None) => self.models.flash.read_register(offset, a.width, &mut ctx),
        };
        (!mem::take(&mut self.effects.bus_error)).then_some(value)
    }

    fn dispatch_rest(&mut self, place: Place, a: Access, now: Nanos) -> Option<u32> {
        let mut ctx = ctx!(self, now, Some(a.pc));
        match (place, a.write) {
            (Place::Flash(offset), None) => self.read_array(offset, a, now),
            (Place::Flash(offset), Some(value)) => {
                if self.memory.flash_offset(FLASH + offset).is_none() {
                    return self.unmapped(a, now);
                }
                let target = Target::Main(offset);
                self.models.flash.store(target, a.width, value, &mut ctx, &self.chip, &self.memory);
                Some(0)
            }
            (Place::Otp(offset), None) => {
                let at = offset as usize;
                Some(little(&self.memory.otp()[at..at + a.width.bytes() as usize]))
            }
            (Place::Otp(offset), Some(value)) => {
                let target = Target::Otp(offset);
                self.models.flash.store(target, a.width, value, &mut ctx, &self.chip, &self.memory);
                Some(0)
            }
            (Place::Signature(offset), None) => {
                Some(lane(self.chip.information(offset & !3), offset, a.width))
            }
            (Place::OptionBytes(offset), None) => {
                Some(lane(self.models.flash.option_word(offset & !3), offset, a.width))
            }
            (Place::BackupSram(offset), _) => Some(self.models.backup.sram(offset, a, &mut ctx)),
            (Place::Unmodelled(name, _), _) => {
                let what = format!("{name} is not modelled");
                self.violation(now, Some(a.pc), Kind::Unmodelled, "surefoot-sim", what);
                Some(0)
            }
            _ => self.plain_or_unmapped(a, now),
        }
    }

    /// A read of flash that the core did not make in place: address 0 remapped, or routed.
    fn read_array(&mut self, offset: u32, a: Access, now: Nanos) -> Option<u32> {
        let width = a.width.bytes() as usize;
        if offset as usize + width > self.memory.flash.bytes().len() {
            return self.unmapped(a, now);
        }
        Some(self.memory.flash.sense(offset as usize, width))
    }

    /// RAM that the core reaches through the bus, or nothing.
    fn plain_or_unmapped(&mut self, a: Access, now: Nanos) -> Option<u32> {
        let width = a.width.bytes() as usize;
        if let Some(ram) = self.memory.ram_mut(a.address) {
            let at = (a.address - ram.base) as usize;
            let bytes = &mut ram.bytes_mut()[at..at + width];
            if let Some(value) = a.write {
                bytes.copy_from_slice(&value.to_le_bytes()[..width]);
            }
            return Some(little(bytes));
        }
        if a.write.is_none()
            && let Some(bytes) = self.memory.bytes(a.address, width)
        {
            return Some(little(bytes));
        }
        self.unmapped(a, now)
    }

    /// Tells [`Polling`] of an access, and of its answer where it broke no rule.
    fn note_poll(&mut self, a: Access, place: Place, answer: Option<u32>, now: Nanos) {
        self.polling.answers();
        if now >= self.polling.until() {
            self.polling.disturbed();
        }
        let steady = match place {
            _ if a.write.is_some() => None,
            Place::Peripheral(Id::Flash, _) => Some(Nanos::NEVER),
            Place::Peripheral(id, offset) => self.models.get(id).and_then(|m| m.steady_until(offset)),
            _ => None,
        };
        match (answer, steady) {
            (Some(value), Some(until)) if until > now => {
                self.polling.read(Poll { pc: a.pc, address: a.address, value }, until);
            }
            _ => self.polling.disturbed(),
        }
    }

    /// Nothing answers: a violation, and a bus fault for the core (RM0090 section 2.3).
    fn unmapped(&mut self, a: Access, now: Nanos) -> Option<u32> {
        let doing = if a.write.is_some() { "write to" } else { "read of" };
        let what = format!("{doing} {:#010x}, where there is nothing", a.address);
        self.violation(now, Some(a.pc), Kind::Unmapped, "RM0090 2.3", what);
        None
    }
}

impl CpuBus for Bus {
    fn access(&mut self, a: Access) -> Option<u32> {
        let cycles = self.clock.cycles(a.retired);
        if let Some(answer) = self.access_quickly(a, cycles) {
            return Some(answer);
        }
        let now = self.clock.nanos(cycles);
        self.advance(now);
        let broken = self.effects.violations.all();
        let place = decode(a.address, self.chip.blocks.rcc);
        let on_the_bus = self.bus_cycles(place);
        let answer = self.dispatch(place, a, now, cycles);
        self.models.rcc.note_cycles(cycles + on_the_bus);
        self.carry_out_access(place, a.write.is_some(), now, cycles);
        self.clock.skip(on_the_bus);
        if self.polling.on() {
            self.note_poll(a, place, answer.filter(|_| self.effects.violations.all() == broken), now);
        }
        answer
    }

    fn cycles(&self, retired: u64) -> u64 {
        self.clock.cycles(retired)
    }

    fn orders(&mut self) -> Vec<Order> {
        if self.orders.is_empty() {
            return Vec::new();
        }
        mem::take(&mut self.orders)
    }

    fn carry_on(&mut self, retired: u64, event: Option<u64>) -> Option<u32> {
        if self.polling.on() {
            self.polling.asked();
        }
        if self.polling.due() || self.effects.stop || self.models.flash.is_busy() {
            return None;
        }
        let end = self.deadline.min(event.unwrap_or(u64::MAX));
        let left = end.saturating_sub(self.clock.cycles(retired)).min(STRETCH);
        let left = left.min(self.last.saturating_sub(retired));
        (left > 0).then_some(left as u32)
    }
}
