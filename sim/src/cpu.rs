//! The processor core behind a small trait, so that the core's maker can be changed.
//!
//! [`Core`] is `rigless`' ARMv7-M (Cortex-M4F): NVIC, SysTick and the system control block are its
//! own. It translates to host code and counts one instruction as one cycle: taken branches, loads from
//! memory, divisions and flash wait states cost nothing more. The bus adds what an access to a register
//! takes. All its times are *cycles* here: the board maps them to nanoseconds.
//!
//! Left out: sleep-on-deep-sleep (STOP, STANDBY), events from EXTI's event mask, execution from
//! the CCM being refused.

use std::num::{NonZeroU32, NonZeroU64};

use rigless::cpu::armv7m::{self, Window};
use rigless::device::Level;
use rigless::emulator::{self as rig, AccessKind, CoreBus, InterruptLine, Processor, Queued};
use rigless::machine::armv7m::{Config, Core as CoreConfig, MpuRegions, Variant};
use rigless::soc::Endian;
use rigless::time::VirtualNanos;

use crate::device::Width;

/// Bytes of a page: mappings and invalidations are in whole pages or parts of them.
pub const PAGE: usize = 4096;
/// Bytes that data accesses are made to over the bus or not: the smallest pages of `rigless`.
pub const ROUTED: usize = 1024;

/// An access that plain memory did not answer.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    /// The address, aligned to the width.
    pub address: u32,
    /// The width.
    pub width: Width,
    /// The value of a write; `None` for a read.
    pub write: Option<u32>,
    /// The instruction making it, or the one about to run when the core itself does (stacking).
    pub pc: u32,
    /// Instructions retired, this one among them.
    pub retired: u64,
}

/// What the board asks of the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Interrupt line to a level.
    Line(u16, bool),
    /// Drop what was translated from these addresses (start, end).
    Invalidate(u32, u32),
    /// Make every data access to the [`ROUTED`] bytes at this address over the bus, or stop that.
    Route(u32, bool),
    /// Come back before the next instruction.
    Return,
}

/// What the core reaches while it runs.
pub trait CpuBus {
    /// Answers an access, or `None` for a bus fault.
    fn access(&mut self, access: Access) -> Option<u32>;
    /// The cycle count after `retired` instructions.
    fn cycles(&self, retired: u64) -> u64;
    /// Orders since the last call, oldest first.
    fn orders(&mut self) -> Vec<Order>;
    /// After an access: how many more instructions may run, given the core's own next event in
    /// cycles; `None` to come back.
    fn carry_on(&mut self, retired: u64, event: Option<u64>) -> Option<u32>;
}

/// Why the core came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Budget used up, an order to return, or an access that the board wanted to see.
    Ran,
    /// Asleep in WFI, WFE or a branch to itself.
    Asleep,
    /// Locked up (fault in a fault handler); only a reset ends it.
    Lockup,
    /// Right before an instruction that [`Cpu::stop_at`] named.
    Stopped,
}

/// A core as the board drives it.
pub trait Cpu: Send {
    /// Maps plain memory.
    ///
    /// # Safety
    ///
    /// `start` and `length` are multiples of [`ROUTED`], `host` is page-aligned and valid for `length` bytes
    /// until the core is dropped, writable when `writable` is, and no reference to those bytes
    /// lives while a method of the core runs.
    unsafe fn map(&mut self, start: u32, length: u32, host: *mut u8, writable: bool);
    /// Runs up to `budget` instructions and says why it stopped and how many it retired.
    fn run(&mut self, budget: u32, bus: &mut dyn CpuBus) -> (Exit, u64);
    /// Stops before the instruction at an address from now on, or not any more.
    fn stop_at(&mut self, address: u32, stop: bool);
    /// The next run does not stop where the core is.
    fn pass(&mut self);
    /// Does what the board asks, between two runs.
    fn order(&mut self, order: Order);
    /// Instructions retired since the state that was loaded last.
    fn retired(&self) -> u64;
    /// The next instruction.
    fn pc(&self) -> u32;
    /// True while asleep.
    fn asleep(&self) -> bool;
    /// SysTick's next zero, in cycles.
    fn next_event(&self) -> Option<u64>;
    /// SysTick's zero was reached.
    fn on_event(&mut self, cycles: u64);
    /// Starts at a vector table whose first two words are given.
    fn boot(&mut self, stack: u32, reset: u32);
    /// True once after SYSRESETREQ.
    fn take_reset_request(&mut self) -> bool;
    /// r0-r15, then xPSR as 16.
    fn register(&self, number: usize) -> u32;
    /// Sets r0-r15 or xPSR.
    fn set_register(&mut self, number: usize, value: u32);
    /// Reads a word of the system control space, as a debugger does.
    fn debug_read(&mut self, address: u32, cycles: u64) -> Option<u32>;
    /// All of the core's state but its count of instructions: what it does next follows from that and from memory.
    fn state(&self) -> Vec<u8>;
    /// All of the core's state.
    fn save(&self) -> Vec<u8>;
    /// Puts a saved state of the same core back. Translations stay; invalidate changed memory.
    fn load(&mut self, state: &[u8]);
}

/// Addresses inside the private peripheral bus that the board answers: the rest is the core's.
/// SYST_CALIB, DWT_CTRL and DWT_CYCCNT, DBGMCU.
const WINDOWS: [Window; 3] = [
    Window { base: 0xE000_E01C, size: 4 },
    Window { base: 0xE000_1000, size: 8 },
    Window { base: 0xE004_2000, size: 16 },
];

/// A unit of the core's clock is one cycle: at this rate `VirtualNanos` are cycles.
const CYCLE_RATE: u64 = 1_000_000_000;

/// The Cortex-M4F of `rigless`.
pub struct Core(Box<dyn Processor>);

impl Core {
    /// A core with `lines` interrupt lines, 4 priority bits (RM0090 section 12.1.1), its memory protection unit
    /// if `mpu`, and nothing mapped.
    ///
    /// # Panics
    ///
    /// When the host has no code generator for the core.
    pub fn new(lines: u32, mpu: bool) -> Self {
        let rate = NonZeroU64::new(CYCLE_RATE).expect("not zero");
        let core = CoreConfig {
            variant: Variant::M4,
            clock_hz: rate,
            interrupt_lines: NonZeroU32::new(lines).expect("a chip has interrupts"),
            priority_bits: 4,
            refclk_divider: NonZeroU32::new(8).expect("not zero"),
            instructions_per_second: rate,
            boot: "flash",
        };
        let mut config = Config::new(core, &WINDOWS);
        config.mpu_regions = if mpu { MpuRegions::Eight } else { MpuRegions::None };
        let core = armv7m::processor(&config, Endian::Little);
        Self(core.expect("rigless makes a Cortex-M4 on this host"))
    }
}

impl Cpu for Core {
    unsafe fn map(&mut self, start: u32, length: u32, host: *mut u8, writable: bool) {
        // SAFETY: the caller's promise is the one that rigless asks for.
        unsafe { self.0.map(u64::from(start), u64::from(length), host, writable) }
    }

    fn run(&mut self, budget: u32, bus: &mut dyn CpuBus) -> (Exit, u64) {
        let page = self.0.page_size();
        let (exit, ran) = self.0.run(budget, &mut Adapter { bus, page });
        let exit = match exit {
            rig::Exit::Waiting => Exit::Asleep,
            rig::Exit::Lockup => Exit::Lockup,
            rig::Exit::Breakpoint => Exit::Stopped,
            _ => Exit::Ran,
        };
        (exit, ran)
    }

    fn stop_at(&mut self, address: u32, stop: bool) {
        if stop {
            self.0.add_breakpoint(u64::from(address));
        } else {
            self.0.remove_breakpoint(u64::from(address));
        }
    }
    fn pass(&mut self) {
        let pc = self.0.pc();
        self.0.pass_breakpoint(pc);
    }
    fn order(&mut self, order: Order) {
        let page = self.0.page_size();
        queued(order, page, &mut |queued| self.0.ask(queued));
    }
    fn retired(&self) -> u64 {
        self.0.retired()
    }
    fn pc(&self) -> u32 {
        self.0.pc() as u32
    }
    fn asleep(&self) -> bool {
        self.0.waiting()
    }
    fn next_event(&self) -> Option<u64> {
        self.0.next_event().map(|at| at.0)
    }
    fn on_event(&mut self, cycles: u64) {
        self.0.on_event(VirtualNanos(cycles));
    }
    fn boot(&mut self, stack: u32, reset: u32) {
        self.0.boot(0, &|address, _| Some(u64::from(if address == 0 { stack } else { reset })));
    }
    fn take_reset_request(&mut self) -> bool {
        self.0.take_reset_request()
    }
    fn register(&self, number: usize) -> u32 {
        let bytes = self.0.gdb_register(number).and_then(|b| b.try_into().ok());
        bytes.map_or(0, u32::from_le_bytes)
    }
    fn set_register(&mut self, number: usize, value: u32) {
        self.0.set_gdb_register(number, &value.to_le_bytes());
    }
    fn debug_read(&mut self, address: u32, cycles: u64) -> Option<u32> {
        let width = rigless::soc::Width::W32;
        let value = self.0.debugger_access(None, u64::from(address), width, VirtualNanos(cycles));
        value.map(|v| v as u32)
    }
    fn state(&self) -> Vec<u8> {
        let mut state = self.0.save();
        // The count is the last of what rigless saves, as postcard writes a number: seven bits a byte.
        let bits = u64::BITS - self.0.retired().leading_zeros();
        state.truncate(state.len() - bits.div_ceil(7).max(1) as usize);
        state
    }
    fn save(&self) -> Vec<u8> {
        self.0.save()
    }
    fn load(&mut self, state: &[u8]) {
        self.0.load(state).expect("a state that this kind of core saved");
    }
}

/// An order as rigless takes it, which sends smaller pages over the bus than ours.
fn queued(order: Order, page: u64, each: &mut dyn FnMut(Queued)) {
    each(match order {
        Order::Line(line, high) => {
            let line = InterruptLine::new(line).expect("a chip has fewer than 1024 lines");
            Queued::Line(line, if high { Level::High } else { Level::Low })
        }
        Order::Invalidate(start, end) => Queued::Invalidate(u64::from(start), u64::from(end)),
        Order::Route(address, routed) => {
            let start = u64::from(address);
            let kind = if routed { Queued::Route } else { Queued::Unroute };
            return (start..start + ROUTED as u64).step_by(page as usize).map(kind).for_each(each);
        }
        Order::Return => Queued::Return,
    });
}

/// Our bus as rigless wants it.
struct Adapter<'a> {
    bus: &'a mut dyn CpuBus,
    page: u64,
}

impl CoreBus for Adapter<'_> {
    fn access(&mut self, access: rig::Access, _from_code: bool) -> Option<u64> {
        let width = match access.width.bytes() {
            1 => Width::Byte,
            2 => Width::Half,
            _ => Width::Word,
        };
        let write = (access.kind == AccessKind::Write).then_some(access.value as u32);
        let access = Access {
            address: access.address as u32,
            width,
            write,
            pc: access.program_counter.unwrap_or(0) as u32,
            retired: access.instruction_count,
        };
        self.bus.access(access).map(u64::from)
    }
    fn time(&self, instructions: u64) -> VirtualNanos {
        VirtualNanos(self.bus.cycles(instructions))
    }
    fn queued(&mut self) -> Vec<Queued> {
        let orders = self.bus.orders();
        if orders.is_empty() {
            return Vec::new();
        }
        let mut all = Vec::new();
        orders.into_iter().for_each(|order| queued(order, self.page, &mut |queued| all.push(queued)));
        all
    }
    fn carry_on(&mut self, instructions: u64, event: Option<VirtualNanos>) -> Option<u32> {
        self.bus.carry_on(instructions, event.map(|e| e.0))
    }
}
