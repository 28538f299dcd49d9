//! One virtual board: a core, its bus, and the loop that moves time.
//!
//! The core runs until the next event of a model, of SysTick, or the caller's limit; while it
//! sleeps, or stands still because its flash is busy, time jumps there; so it does, as an option,
//! while it waits in a loop for a register. Any number of boards live in a process, each on whatever
//! thread it is moved to.
//!
//! What is outside the chip and has its own life (a USB host, a serial peer) drives the board from
//! outside: it runs the board up to an instant and then acts on it.

mod inspect;
mod jump;
#[cfg(test)]
mod noise;
mod outside;
mod program;
mod remains;
mod snapshot;

use crate::bus::{Bus, LINES, STRETCH};
use crate::chip::ChipModel;
use crate::clock::CycleClock;
use crate::cpu::{Core, Cpu, Exit, Order};
use crate::device::{Clocks, Effects, Pin, Pins, ResetCause};
use crate::fault::{Bits, Cut};
use crate::memory::{BootMemory, FLASH, Memory};
use crate::models::Models;
use crate::polling::Polling;
use crate::random::Random;
use crate::rcc::{HSE_START, HSI_HZ, Hse, Oscillators};
use crate::time::Nanos;
use crate::violation::Kind;

/// DS8626 section 5.3.5: reset temporisation after power-on, typical.
const POWER_ON_DELAY: Nanos = Nanos::micros(1_500);
/// RM0090 section 7.1.1: a reset pulse lasts at least 20 us.
const RESET_DELAY: Nanos = Nanos::micros(20);

pub use inspect::Faults;
pub use program::LoadError;
pub use remains::Remains;
pub use snapshot::Snapshot;

/// What is fitted to the chip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoardOptions {
    /// The chip.
    pub chip: ChipModel,
    /// On the HSE pins.
    pub hse: Hse,
    /// How long a crystal on the HSE pins takes to start; typically 2 ms (DS8626 section 5.3.8), and less for
    /// many.
    pub hse_start: Nanos,
    /// A 32.768 kHz crystal is fitted.
    pub lse: bool,
    /// The LSI of this specimen, 17-47 kHz (DS8626 section 5.3.9; typically 32 kHz).
    pub lsi_hz: u32,
    /// A battery on VBAT keeps the backup domain while the supply is off.
    pub battery: bool,
    /// What RAM holds after power-on, and what an operation that a reset tears leaves.
    pub seed: u64,
    /// The turns of a loop that waits for a register are jumped over up to the next event, with the same results
    /// in less time. Off, so that each instruction that counts is one that ran.
    pub jump_polls: bool,
    /// The core has its memory protection unit. Without it the registers read as zero and take no write, as in a
    /// core that was made without (ARM DDI 0403E, B3.5.4); so code that switches it on and off starts in a
    /// hundredth of the time, because the translator drops what it has translated at each change.
    pub mpu: bool,
}

impl BoardOptions {
    /// An 8 MHz crystal, no LSE, no battery.
    pub fn new(chip: ChipModel) -> Self {
        Self {
            chip,
            hse: Hse::Crystal(8_000_000),
            hse_start: HSE_START,
            lse: false,
            lsi_hz: 32_000,
            battery: false,
            seed: 1,
            jump_polls: false,
            mpu: true,
        }
    }

    fn oscillators(&self) -> Oscillators {
        let Self { hse, hse_start, lse, lsi_hz, .. } = *self;
        Oscillators { hse, hse_start, lse, lsi_hz }
    }
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The time was over.
    Limit,
    /// The condition holds.
    Condition,
    /// The supply failed where [`Board::cut`] said.
    PowerCut,
    /// The core locked up. Told once; only a reset helps, which a watchdog may still bring.
    Lockup,
    /// The board has no supply; time passed.
    Off,
    /// The core is about to run an instruction at an address of [`Board::stop_at`].
    Address,
    /// The core retired the instructions of [`Board::run_instructions`].
    Instructions,
}

/// A board. See the module's head.
pub struct Board {
    // Before `bus`, so that it is dropped before the memory that is mapped into it.
    cpu: Box<dyn Cpu>,
    cold: Vec<u8>,
    bus: Bus,
    options: BoardOptions,
    powered: bool,
    boot0: bool,
    lockup_told: bool,
    deep_sleep_told: bool,
    last_reset: ResetCause,
    resets: u64,
    random: Random,
    watcher: Option<remains::Watcher>,
    /// Addresses before which the core stops.
    stops: Vec<u32>,
    stopped: bool,
}

impl Board {
    /// A board with an 8 MHz crystal and no supply yet.
    pub fn new(chip: ChipModel) -> Self {
        Self::with(BoardOptions::new(chip))
    }

    /// A board with these parts and no supply yet.
    pub fn with(options: BoardOptions) -> Self {
        let chip = options.chip.clone();
        let mut cpu: Box<dyn Cpu> = Box::new(Core::new(chip.interrupts, options.mpu));
        let memory = Memory::new(&chip, &mut *cpu);
        let models = Models::new(&chip, options.oscillators());
        let clocks = models.rcc.clocks();
        let random = Random::new(options.seed);
        let bus = Bus {
            chip,
            clock: CycleClock::start(Nanos(0), HSI_HZ),
            memory,
            models,
            clocks,
            pins: Pins::default(),
            effects: Effects::default(),
            lines: [0; LINES],
            orders: Vec::new(),
            next_event: Nanos::NEVER,
            models_event: Nanos::NEVER,
            settled: false,
            deadline: 0,
            limit: Nanos(0),
            held_until: Nanos(0),
            operations: 0,
            begun: false,
            flash_time: Nanos(0),
            cut: None,
            failure: None,
            last: u64::MAX,
            polling: Polling::new(options.jump_polls),
        };
        let cold = cpu.save();
        let mut board = Self {
            cpu,
            cold,
            bus,
            options,
            powered: false,
            boot0: false,
            lockup_told: false,
            deep_sleep_told: false,
            last_reset: ResetCause::PowerOn,
            resets: 0,
            random,
            watcher: None,
            stops: Vec::new(),
            stopped: false,
        };
        let seed = board.random.bits();
        board.bus.memory.scramble_rams(seed, &mut *board.cpu);
        board
    }

    /// The present.
    pub fn now(&self) -> Nanos {
        self.bus.clock.nanos(self.cycles())
    }

    /// The clock tree.
    pub fn clocks(&self) -> Clocks {
        self.bus.clocks
    }

    /// The chip.
    pub fn chip(&self) -> &ChipModel {
        &self.bus.chip
    }

    /// What is fitted.
    pub fn options(&self) -> &BoardOptions {
        &self.options
    }

    /// Instructions retired since the core's last reset, with those of [`Board::jumped`].
    pub fn instructions(&self) -> u64 {
        self.cpu.retired() + self.bus.clock.jumped()
    }

    fn cycles(&self) -> u64 {
        self.bus.clock.cycles(self.cpu.retired())
    }

    // ---- supply and resets ----

    /// Switches the supply on. Nothing happens when it is on.
    pub fn power_on(&mut self) {
        if self.powered {
            return;
        }
        self.powered = true;
        self.start(ResetCause::PowerOn);
    }

    /// Switches the supply off: a flash operation under way is torn, RAM is lost.
    pub fn power_off(&mut self) {
        if self.powered {
            let seed = self.random.bits();
            self.lose_power(Bits::Solid, seed);
        }
    }

    /// True while the supply is on.
    pub fn is_powered(&self) -> bool {
        self.powered
    }

    /// A pulse on NRST.
    pub fn reset_pin(&mut self) {
        if self.powered {
            self.start(ResetCause::Pin);
        }
    }

    /// Levels of BOOT0 and of BOOT1 (PB2), sampled at the next reset (RM0090 section 2.4).
    pub fn set_boot_pins(&mut self, boot0: bool, boot1: bool) {
        self.boot0 = boot0;
        self.set_pin(Pin::new('B', 2), Some(boot1));
    }

    /// Changes what is on the HSE pins, from the oscillator's next start on.
    pub fn fit_hse(&mut self, hse: Hse) {
        self.options.hse = hse;
        self.bus.models.rcc.fit(self.options.oscillators());
    }

    /// How long a crystal takes from its next start on.
    pub fn set_hse_start(&mut self, time: Nanos) {
        self.options.hse_start = time;
        self.bus.models.rcc.fit(self.options.oscillators());
    }

    /// Fits or takes out the battery.
    pub fn fit_battery(&mut self, battery: bool) {
        self.options.battery = battery;
    }

    /// Why the chip was reset last.
    pub fn reset_cause(&self) -> ResetCause {
        self.last_reset
    }

    /// The reset flags, bits 25-31 of RCC_CSR.
    pub fn reset_flags(&self) -> u32 {
        self.bus.models.rcc.reset_flags()
    }

    /// Resets since the board was made, power-ons included.
    pub fn resets(&self) -> u64 {
        self.resets
    }

    /// Plans a power cut; it replaces one planned before.
    pub fn cut(&mut self, cut: Cut) {
        self.bus.cut = Some(cut);
    }

    /// Forgets a planned power cut.
    pub fn no_cut(&mut self) {
        self.bus.cut = None;
        self.bus.failure = None;
    }

    /// Flash operations started since the board was made.
    pub fn operations(&self) -> u64 {
        self.bus.operations
    }

    /// How long the flash was busy since the board was made: what an update takes at least.
    pub fn flash_time(&self) -> Nanos {
        self.bus.flash_time
    }

    fn start(&mut self, cause: ResetCause) {
        let now = self.now();
        self.resets += 1;
        self.last_reset = cause;
        (self.lockup_told, self.deep_sleep_told) = (false, false);
        let Bus { models, memory, orders, .. } = &mut self.bus;
        models.flash.interrupt_operation(Bits::Solid, &mut self.random, memory, orders);
        memory.flash.redraw(self.random.bits(), orders);
        models.flash.load_options(self.random.bits());
        self.bus.with(now, |models, ctx| {
            models.reset(ctx);
            models.rcc.flag_reset(cause);
            if models.flash.hardware_watchdog() {
                models.iwdg.start(ctx.now);
            }
        });
        let boot1 = self.bus.pins.level(Pin::new('B', 2));
        let (mode, shown) = match (self.boot0, boot1) {
            (false, _) => (0, BootMemory::Flash),
            (true, false) => (1, BootMemory::System),
            (true, true) => (3, BootMemory::Sram),
        };
        self.bus.models.syscfg.set_memory_mode(mode);
        self.bus.memory.show_at_zero(shown, &mut *self.cpu);
        self.bus.lines = [0; LINES];
        self.flush_orders();
        self.cpu.load(&self.cold);
        let delay = if cause == ResetCause::PowerOn { POWER_ON_DELAY } else { RESET_DELAY };
        self.bus.held_until = now + delay;
        self.bus.clock = CycleClock::start(now, HSI_HZ);
        self.bus.clocks = self.bus.models.rcc.clocks();
        self.bus.schedule();
        let base = match shown {
            BootMemory::Flash => FLASH,
            BootMemory::System => crate::memory::SYSTEM_MEMORY,
            BootMemory::Sram => crate::memory::SRAM,
        };
        let word = |at| self.bus.memory.bytes(base + at, 4).map_or(0, crate::memory::little);
        self.cpu.boot(word(0), word(4));
    }

    /// Orders that change translations are carried out; lines are lost with the core's state.
    fn flush_orders(&mut self) {
        for order in std::mem::take(&mut self.bus.orders) {
            if let Order::Invalidate(..) | Order::Route(..) = order {
                self.cpu.order(order);
            }
        }
    }

    fn lose_power(&mut self, left: Bits, seed: u64) {
        let now = self.now();
        let mut random = Random::new(seed);
        let Bus { models, memory, orders, .. } = &mut self.bus;
        models.flash.interrupt_operation(left, &mut random, memory, orders);
        self.powered = false;
        self.bus.failure = None;
        self.bus.memory.scramble_rams(random.bits(), &mut *self.cpu);
        let battery = self.options.battery;
        self.bus.with(now, |models, ctx| {
            models.gpio.power_lost(ctx.now);
            models.reset(ctx);
            models.rcc.power_lost(battery);
            models.pwr.power_lost();
            models.debug.power_lost();
            if !battery {
                models.backup.clear(true);
            }
        });
        // A core state without SysTick and without interrupts, so that only time passes.
        self.bus.lines = [0; LINES];
        self.flush_orders();
        self.cpu.load(&self.cold);
        self.bus.clock = CycleClock::start(now, HSI_HZ);
        self.bus.effects.reset = None;
        self.bus.schedule();
    }

    // ---- time ----

    /// Runs for a span of time.
    pub fn run_for(&mut self, span: Nanos) -> Stop {
        self.run_to(self.now() + span)
    }

    /// Runs up to an instant; the board stops at the first cycle that is not before it.
    pub fn run_to(&mut self, instant: Nanos) -> Stop {
        self.run(instant, &mut |_| false)
    }

    /// Runs until `condition` holds, for at most `span`. The condition is looked at when something
    /// that the outside can see has changed: a pin, a byte on a serial line, an answer ready on
    /// USB, a flash operation begun or over, a backup register written, a reset.
    pub fn run_until(&mut self, mut condition: impl FnMut(&Self) -> bool, span: Nanos) -> Stop {
        if condition(self) {
            return Stop::Condition;
        }
        self.run(self.now() + span, &mut condition)
    }

    /// Runs until the core has retired `count` more instructions, for at most `span`. A reset starts the
    /// core's count again.
    pub fn run_instructions(&mut self, count: u64, span: Nanos) -> Stop {
        self.bus.last = self.cpu.retired() + count;
        let stop = self.run_for(span);
        self.bus.last = u64::MAX;
        stop
    }

    fn run(&mut self, limit: Nanos, condition: &mut dyn FnMut(&Self) -> bool) -> Stop {
        self.bus.limit = limit;
        self.bus.polling.disturbed();
        if self.stops.contains(&self.cpu.pc()) {
            self.cpu.pass();
        }
        loop {
            if self.bus.begun {
                self.show_operation();
            }
            let now = self.now();
            self.bus.effects.stop = false;
            self.bus.advance(now);
            if !self.powered {
                if now < limit {
                    self.skip_to(limit);
                }
                return Stop::Off;
            }
            if let Some(failure) = self.bus.failure.filter(|f| f.at <= now) {
                self.lose_power(failure.left, failure.seed);
                return Stop::PowerCut;
            }
            if let Some(cause) = self.bus.effects.reset.take() {
                self.start(cause);
                self.bus.effects.attention = true;
            }
            if self.bus.models.syscfg.remapped() {
                self.remap();
            }
            if std::mem::take(&mut self.bus.effects.attention) && condition(self) {
                return Stop::Condition;
            }
            if std::mem::take(&mut self.stopped) {
                return Stop::Address;
            }
            if self.cpu.retired() >= self.bus.last {
                return Stop::Instructions;
            }
            if self.now() >= limit {
                return Stop::Limit;
            }
            if self.step(limit) && !std::mem::replace(&mut self.lockup_told, true) {
                return Stop::Lockup;
            }
        }
    }

    /// One stretch of the core, or one jump in time. True when the core is locked up.
    fn step(&mut self, limit: Nanos) -> bool {
        let (cycles, now) = (self.cycles(), self.now());
        while self.cpu.next_event().is_some_and(|at| at <= cycles) {
            self.cpu.on_event(cycles);
            self.bus.polling.disturbed();
        }
        let next = self.bus.next_event.min(limit);
        if now < self.bus.held_until {
            self.skip_to(self.bus.held_until.min(next));
            return false;
        }
        let mut most = STRETCH;
        if let Some(end) = self.bus.models.flash.busy_until() {
            // RM0090 section 3.6: while an operation runs, a fetch from the one bank stalls. Code
            // in RAM goes on, and stalls when it comes to an instruction in flash.
            if !self.cpu.asleep() && self.bus.fetches_flash(self.cpu.pc()) {
                self.bus.held_until = end;
                return false;
            }
            most = 1;
        }
        self.bus.deadline = self.bus.clock.cycles_at(next);
        let end = self.bus.deadline.min(self.cpu.next_event().unwrap_or(u64::MAX));
        let budget = end.saturating_sub(cycles).clamp(1, most).min(self.bus.last - self.cpu.retired());
        self.bus.polling.stretch();
        let (exit, ran) = self.cpu.run(budget as u32, &mut self.bus);
        if self.cpu.take_reset_request() {
            self.bus.effects.reset = Some(ResetCause::Software);
            return false;
        }
        if self.bus.polling.take_due() && exit == Exit::Ran && !self.bus.effects.stop {
            self.look_at_poll(limit);
        }
        match exit {
            Exit::Stopped => self.stopped = true,
            Exit::Asleep if ran == 0 => self.sleep(next),
            Exit::Lockup if ran == 0 => {
                if self.lockup_told {
                    self.skip_to(next);
                }
                return true;
            }
            _ => {}
        }
        false
    }

    /// Passes the time until something may wake the core.
    fn sleep(&mut self, next: Nanos) {
        const SCR: u32 = 0xE000_ED10;
        const SLEEPDEEP: u32 = 1 << 2;
        let cycles = self.cycles();
        let deep = self.cpu.debug_read(SCR, cycles).unwrap_or(0) & SLEEPDEEP != 0;
        if deep && !std::mem::replace(&mut self.deep_sleep_told, true) {
            let (now, pc) = (self.now(), Some(self.cpu.pc()));
            let what = "STOP or STANDBY is not modelled: the clocks go on".to_owned();
            self.bus.violation(now, pc, Kind::Unmodelled, "RM0090 5.3", what);
        }
        let own = self.cpu.next_event().map_or(Nanos::NEVER, |at| self.bus.clock.nanos(at));
        self.skip_to(next.min(own));
    }

    /// Jumps to an instant, by a cycle at least, so that the loop always gets on.
    fn skip_to(&mut self, instant: Nanos) {
        let cycles = self.bus.clock.cycles_at(instant).saturating_sub(self.cycles());
        self.bus.clock.skip(cycles.max(1));
        self.bus.polling.disturbed();
    }

    fn remap(&mut self) {
        self.bus.models.syscfg.remap_done();
        let shown = match self.bus.models.syscfg.memory_mode() {
            1 => BootMemory::System,
            3 => BootMemory::Sram,
            _ => BootMemory::Flash,
        };
        self.bus.memory.show_at_zero(shown, &mut *self.cpu);
    }
}

impl std::fmt::Debug for Board {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let chip = &self.bus.chip.name;
        write!(f, "Board({chip}, {}, pc {:#010x}, powered {})", self.now(), self.pc(), self.powered)
    }
}
