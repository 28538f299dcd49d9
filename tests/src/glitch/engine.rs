//! One refusal, run again and again, each time with one instruction skipped or one bit of a register flipped.
//!
//! A skipped instruction is a no-operation of the same length in flash, so what is conditional around it (IT
//! blocks) stays as it is. It counts as booted when the core runs anything but the bootloader: an image's
//! code, or bytes in RAM. What hangs, faults, resets or comes to update mode has not booted; but where the
//! flash was operated otherwise than in the clean run, or the chip was reset, the board is switched off and on,
//! and that start counts too. So does a state with a lower floor, or without a revoked key: the next start would take what
//! this one refuses.

use super::refusals::{Refusal, Scene, Way, Wrong};
use super::session::{self, Watch};
use super::thumb::{self, Instruction};
use crate::sweep::checks::journal_sectors;
use anyhow::{Context, Result, ensure};
use object::{Object, ObjectSymbol};
use std::collections::BTreeMap;
use surefoot_images::Image;
use surefoot_sim::random::Random;
use surefoot_sim::usb::Wire;
use surefoot_sim::usb::host::UsbHost;
use surefoot_sim::{Board, Nanos, Snapshot, Stop};

/// Executions of an address that are known one by one, where nothing else is asked for.
pub const EACH: usize = 1_000;
/// As many more of those behind them, drawn by the seed.
const DRAWN: usize = 16;
/// How long a run goes on behind the time of the clean one.
const MORE: Nanos = Nanos::millis(30);
/// How long a board is watched that waits for its time-out, or for the end of a session.
const WATCHED: Nanos = Nanos::millis(300);
/// So long a run goes on between two looks at the registers, and so often in a row they are the same where it
/// hangs. No device of the boot takes longer to answer: HSE starts within 2 ms.
const SLICE: Nanos = Nanos::millis(1);
const STILL: u32 = 3;
/// Fewer instructions than these has a core in a slice that sleeps from one event to the next.
const BUSY: u64 = 2_000;
/// So often a signature is made for what the chip came to the time before.
const MADE: usize = 2;
/// So many instructions later at most an instruction comes where the signature is another one.
const NEAR: usize = 2_000;
/// Most instructions of a clean run.
const MOST: u64 = 50_000_000;
/// xPSR.T (ARM DDI 0403E, B1.4.2).
const THUMB: u32 = 1 << 24;
const RAM: u32 = 0x2000_0000;
const RAM_LENGTH: u32 = 0x2_0000;

/// What is done to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glitch {
    /// The instruction at this address is a no-operation from the start on.
    Always(u32),
    /// One execution of an instruction is: its number in the clean run, and its address.
    Once(u64, u32),
    /// Right before one execution: this register, this bit.
    Flip(u64, u32, u8, u8),
    /// One execution is while the host tries to erase the journal: which one, and its address.
    Session(u64, u32),
}

impl std::fmt::Display for Glitch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Always(pc) => write!(f, "always 0x{pc:08x}"),
            Self::Once(number, pc) => write!(f, "once 0x{pc:08x} at {number}"),
            Self::Session(number, pc) => write!(f, "once 0x{pc:08x}, execution {number} of a session"),
            Self::Flip(number, pc, register, bit) => {
                write!(f, "bit {bit} of r{register} before 0x{pc:08x} at {number}")
            }
        }
    }
}

/// What came of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Something else than the bootloader ran.
    Booted,
    /// The state allows more than before.
    Lowered,
    /// It waits for an update.
    UpdateMode,
    /// Neither, within the time that it has.
    Nothing,
}

impl Outcome {
    /// True where the policy is broken, now or at the next start.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Booted | Self::Lowered)
    }
}

/// The executions of one address.
#[derive(Clone, Debug)]
pub struct Executed {
    /// What stands there.
    pub instruction: Instruction,
    /// How often it was executed.
    pub count: u64,
    /// The numbers of the first ones, and of some drawn from the others.
    pub at: Vec<u64>,
}

/// A refusal with its clean run.
pub struct Engine {
    /// The refusal.
    pub refusal: Refusal,
    scene: Scene,
    start: Snapshot,
    /// When it was taken.
    began: Nanos,
    span: Nanos,
    resets: u64,
    /// Flash operations of the clean run, and the journal behind it.
    operations: u64,
    journal: Vec<u8>,
    /// The journal's sectors.
    sectors: Vec<(u32, u32)>,
    /// Where a session begins.
    session: Option<(Snapshot, UsbHost)>,
    /// What it executed, by address, and how often.
    pub in_session: BTreeMap<u32, (Instruction, u64)>,
    /// What it executed, by address.
    pub executed: BTreeMap<u32, Executed>,
    fault_handler: u32,
    made: Made,
}

/// What of the image is made for each glitch.
enum Made {
    /// Nothing.
    Nothing,
    /// The signature's R; here is the one that was computed last.
    Signature(u32),
    /// A frame for the end of the jump: these words, one after the other.
    Frame(Vec<Vec<u32>>),
}

impl Engine {
    /// Makes the board and does the clean run, which has to refuse. The first `each` executions of an address are
    /// known one by one.
    pub fn new(refusal: Refusal, firmware: Option<Image>, seed: u64, each: usize) -> Result<Self> {
        let mut scene = refusal.scene(firmware)?;
        let handler = scene.rig.sealed.get(12..16).and_then(|b| b.try_into().ok()).context("vectors")?;
        let fault_handler = u32::from_le_bytes(handler) & !1;
        scene.rig.board.stop_at(&[fault_handler, scene.entry]);
        let start = scene.rig.board.snapshot();
        let began = scene.rig.board.now();
        let (resets, operations) = (scene.rig.board.resets(), scene.rig.board.operations());
        let sectors = journal_sectors(scene.rig.config());
        let span = if refusal.way.is_start() { Nanos::secs(3) } else { WATCHED };
        let mut engine = Self {
            refusal,
            scene,
            start,
            began,
            span,
            resets,
            operations,
            journal: Vec::new(),
            sectors,
            session: None,
            in_session: BTreeMap::new(),
            executed: BTreeMap::new(),
            fault_handler,
            made: Made::Nothing,
        };
        engine.trace(seed, each)?;
        if refusal.way.is_start() {
            engine.span = engine.board().now().since(began);
        }
        engine.operations = engine.board().operations();
        engine.journal = engine.record();
        engine.begin()?;
        let clean = engine.finish();
        ensure!(clean == Outcome::UpdateMode, "{}: the clean run ends in {clean:?}", refusal.name());
        if refusal.way == Way::Erase {
            let host = session::attach(engine.board())?;
            engine.session = Some((engine.board().snapshot(), host));
            let mut seen = BTreeMap::new();
            engine.erase(Watch::Count(&mut seen))?;
            engine.in_session = seen;
            ensure!(engine.record() == engine.journal, "{}: the host may erase the journal", refusal.name());
        }
        ensure!(!refusal.is_lower(&mut engine.scene.rig), "{}: the floor is not kept", refusal.name());
        let image = firmware.unwrap_or(refusal.build());
        engine.made = match refusal.wrong {
            Wrong::Made => Made::Signature(computed(image)?),
            Wrong::Frame | Wrong::FrameInBody => {
                // Another frame fits an instruction that moves the stack, and what lies on it.
                engine.executed.retain(|_, executed| executed.instruction.stack);
                Made::Frame(frames(image, &engine.scene)?)
            }
            _ => Made::Nothing,
        };
        Ok(engine)
    }

    /// As [`Scene::entry`].
    fn board(&mut self) -> &mut Board {
        &mut self.scene.rig.board
    }

    fn begin(&mut self) -> Result<()> {
        self.scene.rig.board.restore(&self.start);
        match self.made {
            Made::Nothing => Ok(()),
            Made::Signature(_) => self.scene.sign(&self.scene.r()),
            Made::Frame(_) => self.scene.replace(self.scene.image.clone()),
        }
    }

    /// The clean run, instruction by instruction.
    fn trace(&mut self, seed: u64, each: usize) -> Result<()> {
        let mut random = Random::new(seed);
        let end = self.board().now() + self.span;
        let mut number = 0;
        let mut executed = BTreeMap::<u32, Executed>::new();
        while self.board().now() < end {
            ensure!(number < MOST, "the clean run comes to no end");
            if self.refusal.way.is_start() && self.board().usb_ref().pulled_up() {
                break;
            }
            // Of a core that sleeps this is where it goes on.
            let pc = self.board().pc();
            let before = self.board().instructions();
            self.board().run_instructions(1, Nanos::millis(5));
            if self.board().instructions() == before {
                continue;
            }
            let one = match executed.get_mut(&pc) {
                Some(one) => one,
                None => {
                    let bytes = self.board().read_memory(pc, 4).context("the core is nowhere")?;
                    let instruction = thumb::decode(bytes);
                    executed.entry(pc).or_insert(Executed { instruction, count: 0, at: Vec::new() })
                }
            };
            one.count += 1;
            if one.at.len() < each + DRAWN {
                one.at.push(number);
            } else {
                // Each of those behind the first has the same chance (reservoir sampling).
                let place = random.below(one.count - each as u64) as usize;
                if place < DRAWN {
                    one.at[each + place] = number;
                }
            }
            number += 1;
        }
        self.executed = executed;
        Ok(())
    }

    /// So many images are tried with each glitch, or nearly.
    pub fn images(&self) -> usize {
        match &self.made {
            Made::Nothing => 1,
            Made::Signature(_) => 1 + MADE,
            Made::Frame(frames) => frames.len(),
        }
    }

    /// The bytes of the journal.
    fn record(&mut self) -> Vec<u8> {
        let board = &self.scene.rig.board;
        let bytes =
            |&(base, length): &(u32, u32)| board.read_memory(base, length as usize).unwrap_or_default();
        self.sectors.iter().flat_map(bytes).copied().collect()
    }

    /// A host that tries to erase the journal, from the begin of the session.
    fn erase(&mut self, watch: Watch) -> Result<()> {
        let (start, mut host) = self.session.clone().context("no session")?;
        self.board().restore(&start);
        self.tries_to_erase(&mut host, watch);
        Ok(())
    }

    fn tries_to_erase(&mut self, host: &mut UsbHost, watch: Watch) {
        let sectors: Vec<u32> = self.sectors.iter().map(|sector| sector.0).collect();
        let stops = [self.fault_handler, self.scene.entry];
        let stop = if let Watch::Skip(pc, ..) = watch { vec![pc] } else { Vec::new() };
        self.board().stop_at(&stop);
        session::erase(self.board(), host, &sectors, watch);
        self.board().stop_at(&stops);
    }

    /// What this comes to.
    pub fn boots(&mut self, glitch: Glitch) -> Result<Outcome> {
        match &self.made {
            Made::Nothing => self.tries(glitch),
            &Made::Signature(computed) => self.tries_signatures(glitch, computed),
            Made::Frame(frames) => {
                for frame in frames.clone() {
                    let image = self.refusal.image(&self.scene.rig.file, self.scene.slot, &frame)?;
                    self.scene.replace(image)?;
                    let outcome = self.tries(glitch)?;
                    if outcome.is_failure() {
                        return Ok(outcome);
                    }
                }
                Ok(Outcome::Nothing)
            }
        }
    }

    fn tries_signatures(&mut self, glitch: Glitch, computed: u32) -> Result<Outcome> {
        let mut boots = self.tries(glitch)?;
        // What the chip came to with the glitch becomes the signature's R; it fits if the chip comes to it again.
        let first = self.scene.r();
        for _ in 0..MADE {
            let r = self.board().read_memory(computed, 32).and_then(|r| r.first_chunk().copied());
            let r = r.context("no RAM")?;
            if boots.is_failure() || r == self.scene.r() {
                break;
            }
            self.scene.sign(&r)?;
            boots = self.tries(glitch)?;
        }
        self.scene.sign(&first)?;
        Ok(boots)
    }

    fn tries(&mut self, glitch: Glitch) -> Result<Outcome> {
        match glitch {
            Glitch::Always(pc) => {
                self.begin()?;
                let here = self.executed.get(&pc).map(|executed| executed.instruction);
                let here = here.or_else(|| self.in_session.get(&pc).map(|seen| seen.0));
                let nop = here.context("never executed")?.nop();
                let kept = self.board().read_memory(pc, nop.len()).context("no code")?.to_vec();
                self.board().write_flash(pc, nop);
                let outcome = self.finish();
                if outcome != Outcome::Booted {
                    self.board().write_flash(pc, &kept);
                }
                Ok(self.judged(outcome))
            }
            Glitch::Session(number, pc) => {
                let instruction = self.in_session.get(&pc).context("never executed")?.0;
                self.erase(Watch::Skip(pc, number, instruction))?;
                Ok(self.judged(Outcome::UpdateMode))
            }
            Glitch::Once(..) | Glitch::Flip(..) => {
                self.begin()?;
                let mut at = 0;
                self.forward(&mut at, glitch)?;
                self.once(glitch)
            }
        }
    }

    /// As [`Self::boots`] for each of these, which are in order of their numbers; `each` hears of it.
    pub fn all_once(
        &mut self,
        glitches: &[Glitch],
        each: &mut dyn FnMut(Glitch, Outcome) -> bool,
    ) -> Result<()> {
        if !matches!(self.made, Made::Nothing) {
            for &glitch in glitches {
                let boots = self.boots(glitch)?;
                if !each(glitch, boots) {
                    break;
                }
            }
            return Ok(());
        }
        self.begin()?;
        let mut at = 0;
        for &glitch in glitches {
            self.forward(&mut at, glitch)?;
            let here = self.board().snapshot();
            let boots = self.once(glitch)?;
            if !each(glitch, boots) {
                break;
            }
            self.scene.rig.board.restore(&here);
        }
        Ok(())
    }

    /// On to the execution that a glitch is about.
    fn forward(&mut self, at: &mut u64, glitch: Glitch) -> Result<()> {
        let (Glitch::Once(number, pc) | Glitch::Flip(number, pc, ..)) = glitch else { return Ok(()) };
        while *at < number {
            let before = self.board().instructions();
            self.board().run_instructions(number - *at, Nanos::millis(5));
            *at += self.board().instructions() - before;
        }
        // Another image takes a carry more or less.
        let near = if matches!(self.made, Made::Nothing) { 0 } else { NEAR };
        for _ in 0..near {
            if self.board().pc() != pc {
                self.board().run_instructions(1, Nanos::millis(5));
            }
        }
        ensure!(near != 0 || self.board().pc() == pc, "0x{:08x} instead of {glitch}", self.board().pc());
        Ok(())
    }

    fn once(&mut self, glitch: Glitch) -> Result<Outcome> {
        match glitch {
            Glitch::Once(_, pc) => {
                let nop = self.executed.get(&pc).context("never executed")?.instruction.nop();
                session::skip(self.board(), pc, nop);
            }
            Glitch::Flip(_, _, register, bit) => {
                let value = self.board().register(register.into());
                self.board().set_register(register.into(), value ^ 1 << bit);
            }
            Glitch::Always(_) | Glitch::Session(..) => {}
        }
        let outcome = self.finish();
        Ok(self.judged(outcome))
    }

    /// What a run comes to that ended like this, with all that is behind it.
    fn judged(&mut self, outcome: Outcome) -> Outcome {
        let outcome = if outcome == Outcome::Booted { outcome } else { self.afterwards() };
        let lower = outcome != Outcome::Booted && self.refusal.is_lower(&mut self.scene.rig);
        if lower { Outcome::Lowered } else { outcome }
    }

    /// On to what comes of it.
    fn finish(&mut self) -> Outcome {
        let end = self.began + self.span + MORE;
        let outcome = self.run(end, self.refusal.way.is_start());
        if self.refusal.way == Way::Erase && self.session.is_some() && outcome == Outcome::UpdateMode {
            // Without an answer there is nothing to be had from the board.
            if let Ok(mut host) = session::attach(self.board()) {
                self.tries_to_erase(&mut host, Watch::Nothing);
            }
        }
        outcome
    }

    /// Runs up to an instant, or until something else than the bootloader runs; where `decides`, also until the
    /// board waits for an update.
    fn run(&mut self, end: Nanos, decides: bool) -> Outcome {
        let most = self.resets + 4;
        let slots = [Some(self.scene.slot), self.scene.decoy.as_ref().map(|decoy| decoy.0)];
        let inside = move |pc| slots.iter().flatten().any(|slot| slot.contains(pc, 2));
        let (mut registers, mut before, mut still) = ([0; 17], 0, 0);
        loop {
            let left = end.since(self.board().now()).min(SLICE);
            if left == Nanos(0) {
                break;
            }
            let seen = |board: &Board| {
                decides && board.usb_ref().pulled_up()
                    || board.resets() > most
                    || inside(board.pc())
                    || in_ram(board.pc())
            };
            let stop = self.board().run_until(seen, left);
            if self.foreign(stop) {
                return Outcome::Booted;
            }
            // Another image, and a good one.
            if inside(self.board().pc()) {
                return Outcome::Nothing;
            }
            if decides && self.board().usb_ref().pulled_up() {
                return Outcome::UpdateMode;
            }
            if self.board().resets() > most {
                return Outcome::Nothing;
            }
            // A core that goes round in the same place with the same registers goes nowhere.
            let now = std::array::from_fn(|number| self.scene.rig.board.register(number));
            let instructions = self.board().instructions();
            let busy = instructions.wrapping_sub(before) > BUSY;
            still = if now == registers && busy { still + 1 } else { 0 };
            (registers, before) = (now, instructions);
            if still == STILL {
                return Outcome::Nothing;
            }
        }
        if self.board().usb_ref().pulled_up() { Outcome::UpdateMode } else { Outcome::Nothing }
    }

    /// True when the core runs, or ran up to a fault, what is not the bootloader.
    fn foreign(&mut self, stop: Stop) -> bool {
        let mut pc = self.board().pc();
        if stop == Stop::Address && pc == self.fault_handler {
            // The return address and the xPSR of the exception's frame (ARM DDI 0403E, B1.5.6). Where the
            // Thumb bit is clear, nothing was run there: that was the fault.
            let stack = self.board().register(13);
            let word = |at: u32| self.scene.rig.board.read_word(stack.wrapping_add(at)).unwrap_or(0);
            if word(28) & THUMB == 0 {
                return false;
            }
            pc = word(24) & !1;
        }
        let scene = &self.scene;
        let decoy = scene.decoy.as_ref().map(|(slot, image)| (*slot, image));
        let mut refused = [Some((scene.slot, &scene.image)), decoy].into_iter().flatten();
        if let Some((slot, image)) = refused.find(|(slot, _)| slot.contains(pc, 2)) {
            // What was copied back is another image, and a good one.
            return scene.rig.board.read_memory(slot.base, image.len()).is_some_and(|bytes| bytes == image);
        }
        in_ram(pc)
    }

    /// What a clean start finds after all that.
    fn afterwards(&mut self) -> Outcome {
        let (operations, resets) = (self.operations, self.resets);
        let same = self.record() == self.journal;
        if same && self.board().operations() == operations && self.board().resets() == resets {
            return Outcome::Nothing;
        }
        self.board().power_off();
        self.board().power_on();
        let end = self.board().now() + Nanos::secs(3);
        self.resets = self.board().resets();
        let outcome = self.run(end, true);
        self.resets = resets;
        outcome
    }
}

/// Where the verifier leaves the R that it came to: the second of its registers.
fn computed(image: Image) -> Result<u32> {
    let elf = object::File::parse(image.elf)?;
    let symbol = elf.symbols().find(|symbol| symbol.name() == Ok("surefoot_ed25519_registers"));
    Ok(symbol.context("no registers of the verifier")?.address() as u32 + 32)
}

/// Frames that lead behind the second look, with the registers that the end of the jump takes: r8, r9 and r10 for
/// entry, vectors and stack. They are right in front of the return address, or four words farther; or a function's
/// end loads them first. Each begins at each of its words.
fn frames(image: Image, scene: &Scene) -> Result<Vec<Vec<u32>>> {
    let binary = image.binary;
    let at = |bytes: &[u8]| binary.windows(bytes.len()).step_by(2).position(|window| window == bytes);
    let address = |place: usize| (0x0800_0000 + 2 * place as u32) | 1;
    // The watchdog's key is the first thing behind the look: movw r1, #0xAAAA, behind the load of its address.
    let behind = address(at(&[0x4A, 0xF6, 0xAA, 0x21]).context("no feeding of the watchdog")?) - 2;
    let registers = [scene.entry | 1, scene.slot.base, 0x2002_0000, 0];
    let mut frames = vec![[&registers[..], &registers, &[behind]].concat()];
    // pop.w {r8-r11}; pop {r4-r7, pc}
    if let Some(loads) = at(&[0xBD, 0xE8, 0x00, 0x0F, 0xF0, 0xBD]) {
        frames.push([&[address(loads)][..], &registers, &[0; 4], &[behind]].concat());
    }
    let turned = |frame: &Vec<u32>| {
        let frame = frame.clone();
        (0..frame.len()).map(move |by| {
            let mut frame = frame.clone();
            frame.rotate_left(by);
            frame
        })
    };
    Ok(frames.iter().flat_map(turned).collect())
}

/// True for an address in the RAM.
fn in_ram(pc: u32) -> bool {
    pc.wrapping_sub(RAM) < RAM_LENGTH
}
