//! The second half of the demo: two slots, trial, confirmation, rollback, downgrade.

use super::rig::{Found, LED, Rig, parsed};
use super::screen::count;
use super::{Screen, WATCHED, Workshop, elf, explained, flash, led, press_button, refused_twice, says};
use anyhow::{Context, Result, ensure};
use surefoot_boards::F4_DISCOVERY_AB;
use surefoot_core::config::Slot;
use surefoot_core::decide::Reason;
use surefoot_core::journal::Event;
use surefoot_host::files::Segments;
use surefoot_host::job::{Role, Session, State};
use surefoot_host::texts;
use surefoot_images::F4_FULL;
use surefoot_sim::Nanos;

/// The board of this half.
const BOARD: &str = "boards/f4-discovery-ab.toml";
/// Its slots.
const A: u32 = 0x0800_C000;
const B: u32 = 0x0808_0000;
/// Three boots of an image that hangs, each until the slowest watchdog bites.
const PATIENCE: Nanos = Nanos::secs(200);

/// Tells it; the board's age at the end.
pub fn story(screen: &Screen, workshop: &Workshop) -> Result<Nanos> {
    let file = parsed(F4_DISCOVERY_AB)?;
    ensure!(file.slots().iter().map(|s| s.base).eq([A, B]), "the example board has other slots");
    let mut rig = Rig::with(F4_FULL, file)?;
    first_image(screen, workshop, &mut rig)?;
    an_update_that_hangs(screen, workshop, &mut rig)?;
    a_good_update(screen, workshop, &mut rig)?;
    downgrade(screen, workshop, &mut rig)?;
    rig.board.assert_no_violations(|_| false);
    Ok(rig.board.now())
}

fn first_image(screen: &Screen, workshop: &Workshop, rig: &mut Rig) -> Result<()> {
    screen.chapter("Another board, with two slots: an image has to confirm itself")?;
    ensure!(rig.power_on(Nanos::secs(1)) == Found::UpdateMode, "the board does not wait for an update");
    rig.attach()?;
    says(screen, rig, Reason::NoValidImage)?;
    let one = blinky(workshop, 500, A, "1.0.0", 1)?;
    flash(screen, rig, &one)?;
    screen.good("slot A: on trial, three boots to confirm itself in; the watchdog runs");
    led(screen, rig, 500)?;
    press_button(screen, rig)?;
    let state = look(rig)?;
    confirmed(screen, &state, 0, "1.0.0", 1)
}

fn an_update_that_hangs(screen: &Screen, workshop: &Workshop, rig: &mut Rig) -> Result<()> {
    screen.chapter("An update that hangs")?;
    let hangs = workshop.sign(elf(None, B)?, "hangs-2.0.0", BOARD, B, "2.0.0", &["--counter", "2"])?;
    flash(screen, rig, &hangs)?;
    let from = rig.board.now();
    rig.board.run_for(WATCHED);
    let changes = rig.board.pin_trace(LED).iter().filter(|edge| edge.at > from + Nanos::millis(100)).count();
    ensure!(changes == 0, "the LED of an application that hangs changes");
    screen.timeline(&rig.board.pin_trace(LED), from, WATCHED, "lit, and nothing else happens");
    screen.bad("slot B: it hangs before it could confirm itself; the watchdog bites, three times");
    let slot = rig.file.slots()[0];
    rig.board.run_until(|board| slot.contains(board.pc(), 2), PATIENCE);
    ensure!(runs(rig, slot), "the board does not go back to the image before");
    let seconds = rig.board.now().since(from).0 as f64 / 1e9;
    screen.good(&format!("by itself: after {seconds:.0} s the board runs blinky 1 again"));
    led(screen, rig, 500)?;
    press_button(screen, rig)?;
    let state = look(rig)?;
    log(screen, &state, 6)?;
    ensure!(state.slots[1].role == Role::Rejected, "slot B is {:?}", state.slots[1].role);
    ensure!(state.slots[0].role == Role::Confirmed, "slot A is {:?}", state.slots[0].role);
    count(&screen.tally.rolled_back);
    Ok(())
}

fn a_good_update(screen: &Screen, workshop: &Workshop, rig: &mut Rig) -> Result<()> {
    screen.chapter("The update, mended")?;
    let good = blinky(workshop, 250, B, "2.0.1", 2)?;
    flash(screen, rig, &good)?;
    led(screen, rig, 250)?;
    press_button(screen, rig)?;
    let state = look(rig)?;
    confirmed(screen, &state, 1, "2.0.1", 2)
}

fn downgrade(screen: &Screen, workshop: &Workshop, rig: &mut Rig) -> Result<()> {
    screen.chapter("The old image comes back, well signed")?;
    let old = blinky(workshop, 500, A, "1.0.0", 1)?;
    refused_twice(screen, rig, "counter 1, floor 2", &old)?;
    rig.board.power_off();
    ensure!(rig.power_on(Nanos::secs(1)) == Found::Application, "the board does not start");
    ensure!(runs(rig, rig.file.slots()[1]), "another image than the confirmed one runs");
    screen.good("supply off and on: the confirmed image runs");
    led(screen, rig, 250)
}

fn runs(rig: &Rig, slot: Slot) -> bool {
    rig.board.is_powered() && slot.contains(rig.board.pc(), 2)
}

fn blinky(workshop: &Workshop, period_ms: u32, slot: u32, version: &str, counter: u32) -> Result<Segments> {
    let counter = counter.to_string();
    workshop.sign(
        elf(Some(period_ms), slot)?,
        &format!("ab-{version}"),
        BOARD,
        slot,
        version,
        &["--counter", &counter],
    )
}

/// What the board's slots and journal hold, as `surefoot info` reads them.
fn look(rig: &mut Rig) -> Result<State> {
    let mut session = Session::open(rig, false).map_err(explained)?;
    session.look().map_err(explained)?;
    session.target().state.clone().context("slots and journal cannot be read")
}

/// The image in this slot has confirmed itself, and nothing below its counter is accepted any more.
fn confirmed(screen: &Screen, state: &State, number: usize, version: &str, counter: u32) -> Result<()> {
    let slot = &state.slots[number];
    ensure!(slot.role == Role::Confirmed, "{} is {:?}", state.name(number), slot.role);
    let v = slot.manifest().context("no manifest")?.version;
    ensure!(format!("{}.{}.{}", v.major, v.minor, v.patch) == version, "it is version {v:?}");
    let floor = state.journal.as_ref().map_or(0, |journal| journal.state.floor());
    ensure!(floor == counter, "the floor is {floor}");
    screen.good(&format!(
        "{}: version {version} confirmed itself; images below security counter {counter} are refused from now on",
        state.name(number)
    ));
    Ok(())
}

/// The newest entries of the boot log, oldest first, each line checked to have words.
fn log(screen: &Screen, state: &State, entries: usize) -> Result<()> {
    let journal = state.journal.as_ref().context("no journal")?;
    screen.note("the board's own log, as `surefoot info` shows it:");
    let newest: Vec<_> = journal.log.iter().take(entries).collect();
    for record in newest.into_iter().rev() {
        let event = Event::from_number(record.event()).context("an event without words")?;
        let detail = texts::event_detail(event, record.detail()).map_or(String::new(), |d| format!(": {d}"));
        let cause = texts::reset_cause(record.cause());
        screen.note(&format!("  {:>4}  {}{detail} [{cause}]", record.sequence(), texts::event(event).what));
    }
    Ok(())
}
