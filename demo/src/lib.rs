//! `surefoot demo`: the main job on the virtual board, told as a story; then [`slots`], on a board with two.
//!
//! What `surefoot` does with files is done by the command itself, in a folder of its own; the board is in this
//! process, so that its LED, its button and its supply can be seen and touched. Every line that claims
//! something was checked first: the demo fails where the story does not hold. It needs neither the
//! repository nor a toolchain, since bootloader, applications and board files are embedded.
#![forbid(unsafe_code)]

pub mod rig;
mod screen;
mod slots;

pub use screen::Screen;

use anyhow::{Context, Result, bail, ensure};
use rig::{BUTTON, Found, LED, Rig, example_key};
use screen::{Bars, count};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;
use surefoot_core::config::Policy;
use surefoot_core::decide::Reason;
use surefoot_core::image::ImageFault;
use surefoot_host::explain::Explain;
use surefoot_host::files::{self, Format, Segments};
use surefoot_host::job::{Finish, JobError, Plan};
use surefoot_host::texts;
use surefoot_images::{APPLICATIONS, F4_FULL};
use surefoot_sim::{Cut, Nanos, When};
use tempfile::TempDir;

/// The board of the story.
const BOARD: &str = "boards/f4-discovery.toml";
/// How much of the LED is drawn.
const WATCHED: Nanos = Nanos::secs(3);
/// The slot of [`BOARD`], and where an application is linked that knows of no bootloader.
const SLOT: u32 = 0x0801_0000;
const RESET: u32 = 0x0800_0000;

/// What happened.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// Updates that went in.
    pub updates: u32,
    /// Images that host and device refused.
    pub refused: u32,
    /// Power cuts that were survived.
    pub cuts: u32,
    /// Updates that the board took back.
    pub rolled_back: u32,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// How long it took the boards, in seconds of their own.
    pub board_seconds: f64,
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "demo: {} updates, {} images refused, {} power cut survived, {} update rolled back; \
             {:.1} s here, {:.1} s on the boards",
            self.updates, self.refused, self.cuts, self.rolled_back, self.seconds, self.board_seconds
        )
    }
}

/// Tells the story, with `command` as the `surefoot` that works on files.
///
/// # Errors
/// Where it does not hold.
pub fn run(command: &Path, screen: &Screen) -> Result<Told> {
    let workshop = Workshop::new(screen, command)?;
    let start = Instant::now();
    let mut rig = first_power_on(screen, &workshop)?;
    let one = first_update(screen, &workshop, &mut rig)?;
    second_update(screen, &workshop, &mut rig)?;
    refusals(screen, &workshop, &mut rig, &one)?;
    power_cut(screen, &mut rig, &one)?;
    rig.board.assert_no_violations(|_| false);
    let two_slots = slots::story(screen, &workshop)?;
    let tally = &screen.tally;
    Ok(Told {
        updates: tally.updates.get(),
        refused: tally.refused.get(),
        cuts: tally.cuts.get(),
        rolled_back: tally.rolled_back.get(),
        seconds: start.elapsed().as_secs_f64(),
        board_seconds: (rig.board.now().0 + two_slots.0) as f64 / 1e9,
    })
}

/// An application of the demo, as an ELF file.
fn elf(period_ms: Option<u32>, base: u32) -> Result<&'static [u8]> {
    let found = APPLICATIONS.iter().find(|a| (a.period_ms, a.base) == (period_ms, base));
    Ok(found.context("there is no such application")?.elf)
}

/// The `surefoot` command and a folder for what it makes.
struct Workshop<'s> {
    screen: &'s Screen,
    folder: TempDir,
    command: PathBuf,
}

impl<'s> Workshop<'s> {
    fn new(screen: &'s Screen, command: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("surefoot-demo-").tempdir()?;
        rig::fill(&folder.path().join("boards"))?;
        Ok(Self { screen, folder, command: command.to_owned() })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The command in that folder. What the user has set for his own boards does not count here.
    fn command(&self, arguments: &[&str]) -> Result<Output> {
        let mut command = Command::new(&self.command);
        for (name, _) in std::env::vars_os().filter(|(n, _)| n.to_string_lossy().starts_with("SUREFOOT_")) {
            command.env_remove(name);
        }
        let output = command.current_dir(self.folder.path()).args(arguments).output();
        output.with_context(|| self.command.display().to_string())
    }

    /// Runs `surefoot` and shows its command line.
    fn surefoot(&self, arguments: &[&str]) -> Result<()> {
        self.screen.command(arguments);
        let output = self.command(arguments)?;
        if !output.status.success() {
            bail!("surefoot {}:\n{}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    /// A signed blinky as a file, and what is in it.
    fn signed(&self, period_ms: u32, version: &str) -> Result<Segments> {
        self.sign(elf(Some(period_ms), SLOT)?, &format!("blinky-{version}"), BOARD, SLOT, version, &[])
    }

    /// A program signed for a board's slot, as a file and what is in it.
    fn sign(
        &self,
        elf: &[u8],
        name: &str,
        board: &str,
        slot: u32,
        version: &str,
        more: &[&str],
    ) -> Result<Segments> {
        let (local, out) = (format!("{name}.elf"), format!("{name}.bin"));
        std::fs::write(self.path(&local), elf)?;
        let key = "boards/keys/example.key.pem";
        let sign =
            ["image", "sign", &local, "--board", board, "--key", key, "--version", version, "--out", &out];
        self.surefoot(&[&sign[..], more].concat())?;
        Ok(files::read(&self.path(&out), Some(slot))?.segments)
    }
}

fn first_power_on(screen: &Screen, workshop: &Workshop) -> Result<Rig> {
    screen.chapter("A virtual STM32F407 without an application")?;
    workshop.surefoot(&["bootloader", "--board", BOARD, "--out", "bootloader.bin"])?;
    let sealed = std::fs::read(workshop.path("bootloader.bin"))?;
    let mut rig = Rig::new(F4_FULL, Policy::Signature)?;
    ensure!(sealed == rig.sealed, "the command seals another bootloader than the library");
    ensure!(rig.power_on(Nanos::secs(1)) == Found::UpdateMode, "the board does not wait for an update");
    rig.attach()?;
    screen.good(&format!("bootloader sealed for f4-discovery: {} bytes, in sector 0", sealed.len()));
    says(screen, &mut rig, Reason::NoValidImage)?;
    rig.board.run_for(Nanos::secs(2));
    led(screen, &mut rig, 100)?;
    Ok(rig)
}

fn first_update(screen: &Screen, workshop: &Workshop, rig: &mut Rig) -> Result<Segments> {
    screen.chapter("Blinky 1 over USB DFU")?;
    let one = workshop.signed(500, "1.0.0")?;
    flash(screen, rig, &one)?;
    led(screen, rig, 500)?;
    Ok(one)
}

fn second_update(screen: &Screen, workshop: &Workshop, rig: &mut Rig) -> Result<()> {
    screen.chapter("Blinky 1 asks for its successor")?;
    let two = workshop.signed(250, "2.0.0")?;
    press_button(screen, rig)?;
    flash(screen, rig, &two)?;
    led(screen, rig, 250)
}

fn refusals(screen: &Screen, workshop: &Workshop, rig: &mut Rig, good: &Segments) -> Result<()> {
    screen.chapter("Images that must not run")?;
    press_button(screen, rig)?;
    let mut flipped = good.flat(SLOT, good.end());
    flipped[0x123] ^= 0x04;
    let flipped = Segments::one(SLOT, flipped)?;
    let own = files::parse(Format::Elf, elf(Some(500), SLOT)?, None)?.segments;
    let own = own.flat(own.start(), own.end());
    let stranger = rig.manifest(own, [1, 0, 0], Some(&ed25519_dalek::SigningKey::from_bytes(&[7; 32])))?;
    // Signed with the right key, so that nothing but its address is wrong.
    let low = files::parse(Format::Elf, elf(Some(500), RESET)?, None)?.segments;
    let misplaced = rig.manifest(low.flat(low.start(), low.end()), [1, 0, 0], Some(&example_key()?))?;
    let table = [
        ("one flipped bit", flipped),
        ("signed with another key", stranger),
        ("linked for 0x08000000", misplaced),
    ];
    for (what, image) in table {
        refused_twice(screen, rig, what, &image)?;
    }
    not_even_signed(screen, workshop)
}

/// By the host before the transfer; and, when nobody asks the host, by the device after it.
fn refused_twice(screen: &Screen, rig: &mut Rig, what: &str, image: &Segments) -> Result<()> {
    match rig.plan(image) {
        Err(error @ JobError::Refused(_)) => screen.refused(what, "host", &error.to_string()),
        other => bail!("{what}: the host does not refuse it: {other:?}"),
    }
    let plan = rig.blind_plan(image)?;
    let fault = match rig.update(&plan) {
        Err(JobError::NotBooted(Some(fault))) => fault,
        Err(JobError::Downgrade { .. }) => ImageFault::Downgrade,
        other => bail!("{what}: the device does not refuse it: {other:?}"),
    };
    screen.refused(what, "device", texts::image_fault(fault).what);
    ensure!(rig.info()?.reason == Reason::Refused as u8, "the device does not say that it refused");
    count(&screen.tally.refused);
    Ok(())
}

/// The most common mistake is told before anything is signed, with what to set.
fn not_even_signed(screen: &Screen, workshop: &Workshop) -> Result<()> {
    std::fs::write(workshop.path("misplaced.elf"), elf(Some(500), RESET)?)?;
    let sign = ["image", "sign", "misplaced.elf", "--board", BOARD, "--out", "misplaced.bin"];
    let output = workshop.command(&[&sign[..], &["--json"]].concat())?;
    let written = workshop.path("misplaced.bin").exists();
    ensure!(!output.status.success() && !written, "an application for 0x08000000 was signed");
    let text = [output.stdout, output.stderr].concat();
    let error: serde_json::Value = serde_json::from_slice(&text).context("the command's JSON")?;
    let part =
        |name| error.pointer(name).and_then(serde_json::Value::as_str).context("an error in three parts");
    screen.command(&sign);
    for name in ["/error/what", "/error/remedy"] {
        screen.note(part(name)?);
    }
    Ok(())
}

fn power_cut(screen: &Screen, rig: &mut Rig, image: &Segments) -> Result<()> {
    screen.chapter("The supply fails in the middle of a download")?;
    let plan = rig.plan(image)?;
    let operation = rig.board.operations() + 300;
    rig.board.cut(Cut::new(operation, When::Inside, 4));
    ensure!(rig.update(&plan).is_err() && !rig.board.is_powered(), "the supply did not fail");
    screen.bad("cut inside the 300th flash operation: a word is torn, the slot half written");
    ensure!(rig.power_on(Nanos::secs(1)) == Found::UpdateMode, "the board does not come back");
    rig.attach()?;
    says(screen, rig, Reason::NoValidImage)?;
    flash(screen, rig, image)?;
    count(&screen.tally.cuts);
    led(screen, rig, 500)
}

/// The button is the application's cue to write the magic word and reset.
fn press_button(screen: &Screen, rig: &mut Rig) -> Result<()> {
    rig.board.set_pin(BUTTON, Some(true));
    rig.board.run_for(Nanos::millis(100));
    rig.board.set_pin(BUTTON, Some(false));
    rig.attach()?;
    screen.good("button pressed: the application writes the magic word and resets");
    says(screen, rig, Reason::MagicWord)
}

/// What the board says of itself, which must be `expected`.
fn says(screen: &Screen, rig: &mut Rig, expected: Reason) -> Result<()> {
    let info = rig.info()?;
    ensure!(info.reason == expected as u8, "update mode for reason {}, not {expected:?}", info.reason);
    let mut text = format!("update mode: {}", texts::reason(expected).what);
    if let Some(fault) =
        texts::image_fault_by_number(info.image_fault).filter(|_| expected == Reason::NoValidImage)
    {
        text += &format!("; {}", texts::image_fault(fault).what);
    }
    screen.good(&text);
    Ok(())
}

fn flash(screen: &Screen, rig: &mut Rig, image: &Segments) -> Result<()> {
    let plan: Plan = rig.plan(image).map_err(explained)?;
    let start = rig.board.now();
    let finish = rig.update_watched(&plan, &mut Bars::new(screen)).map_err(explained)?;
    ensure!(finish == Finish::Application, "after the update: {finish:?}");
    let seconds = rig.board.now().since(start).0 as f64 / 1e9;
    count(&screen.tally.updates);
    screen.good(&format!("proved by the board and booted, {seconds:.2} s of the board's time"));
    Ok(())
}

fn explained(error: JobError) -> anyhow::Error {
    anyhow::anyhow!("{error}. {} {}", error.why(), error.remedy())
}

/// Draws the LED and checks its period, in milliseconds.
fn led(screen: &Screen, rig: &mut Rig, period_ms: u64) -> Result<()> {
    let from = rig.board.now();
    let changes = rig.blinks(WATCHED);
    let trace = rig.board.pin_trace(LED);
    screen.timeline(&trace, from, WATCHED, &format!("changes every {period_ms} ms"));
    ensure!(changes.len() >= 3, "the LED does not blink");
    let tolerance = period_ms * 10; // one per cent, in microseconds
    ensure!(
        changes.iter().all(|c| c.abs_diff(period_ms * 1000) <= tolerance),
        "the LED blinks at {changes:?} us"
    );
    Ok(())
}
