//! The scenarios: scripts of real runs, on a board of each strategy.
//!
//! A script first prepares a board, which is not recorded, and then does what it is about.

use super::bench::{App, Bench, Recipe, Seen};
use super::checks::unique_id;
use crate::{fixtures, rig};
use anyhow::{Context, Result, bail, ensure};
use ed25519_dalek::SigningKey;
use surefoot_board::Board as BoardFile;
use surefoot_core::config::Strategy;
use surefoot_core::image::manifest::Override;
use surefoot_host::job::{Change, Level};
use surefoot_images::Image;
use surefoot_sim::Nanos;

/// What happens.
pub struct Script {
    name: &'static str,
    about: &'static str,
    prepare: fn(&mut Bench) -> Result<()>,
    run: fn(&mut Bench) -> Result<()>,
}

/// On which board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One slot, no journal.
    Plain,
    /// One slot and a journal.
    Single,
    /// A slot and a backup slot.
    Backup,
    /// Two slots that run in turn.
    Ab,
    /// The same, and images are signed.
    Signed,
    /// As `Backup`, and images are signed.
    SignedBackup,
    /// As `Ab`, with larger slots, one over several sectors, and images that fill them.
    Large,
    /// As `Backup`, with larger slots, one over several sectors, and images that fill it.
    LargeBackup,
}

impl Kind {
    /// Where images fill their slots: of the program operations there every so many-th is put on tape.
    fn full(self) -> Option<u64> {
        matches!(self, Self::Large | Self::LargeBackup).then_some(211)
    }

    /// Each start proves signatures.
    pub(super) fn is_signed(self) -> bool {
        matches!(self, Self::Signed | Self::SignedBackup)
    }

    /// What its scenarios' names begin with.
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Single => "single",
            Self::Backup => "backup",
            Self::Ab => "ab",
            Self::Signed => "signed",
            Self::SignedBackup => "signed-backup",
            Self::Large => "large",
            Self::LargeBackup => "large-backup",
        }
    }
}

/// A script on a board.
#[derive(Clone)]
pub struct Scenario {
    /// The board, then the script.
    pub name: String,
    /// What happens.
    pub about: String,
    /// The board.
    pub kind: Kind,
    /// It takes too long to try every cut of it, and every second one behind it.
    pub sampled: bool,
    script: &'static Script,
}

impl Scenario {
    /// Its part of the cuts: those that take longest get fewer.
    pub fn weight(&self) -> f64 {
        match self.kind {
            Kind::Signed | Kind::SignedBackup => 0.06,
            Kind::Large => 0.08,
            Kind::LargeBackup => 0.004,
            _ => 1.0,
        }
    }

    /// True when a host changes the option bytes in it.
    pub fn changes_option_bytes(&self) -> bool {
        std::ptr::eq(self.script, &raw const PROTECT)
    }

    /// Its board, as it comes from the factory.
    pub fn bench(&self, firmware: Image) -> Result<Bench> {
        let keys = vec![rig::example_key()?, second_key()];
        let mut bench = Bench::new(firmware, board(self.kind)?, keys).context(self.name.clone())?;
        if let Some(every) = self.kind.full() {
            (bench.full, bench.every) = (true, every);
        }
        Ok(bench)
    }

    /// Prepares it.
    pub fn prepare(&self, bench: &mut Bench) -> Result<()> {
        (self.script.prepare)(bench).with_context(|| format!("{}: preparing", self.name))
    }

    /// Runs it.
    pub fn run(&self, bench: &mut Bench) -> Result<()> {
        (self.script.run)(bench).with_context(|| self.name.clone())
    }
}

/// Every scenario.
pub fn all() -> Vec<Scenario> {
    let mut all = Vec::new();
    let mut add = |kind: Kind, sampled: bool, scripts: &[&'static Script]| {
        for script in scripts {
            let name = format!("{}-{}", kind.name(), script.name);
            let about = format!("{}: {}", board_in_words(kind), script.about);
            all.push(Scenario { name, about, kind, sampled, script });
        }
    };
    add(Kind::Plain, false, &[&FIRST_INSTALL, &PLAIN_UPDATE]);
    for kind in [Kind::Single, Kind::Backup, Kind::Ab] {
        add(kind, false, SCRIPTS);
    }
    add(Kind::Ab, false, &[&APP_UPDATE]);
    add(Kind::Signed, false, &[&UPDATE, &DOWNGRADE]);
    add(Kind::Signed, true, &[&TRIAL_UNCONFIRMED, &OVERRIDE, &REVOKED, &FORGED]);
    add(Kind::SignedBackup, true, &[&UPDATE, &TRIAL_UNCONFIRMED, &FORGED]);
    add(Kind::Large, true, &[&UPDATE]);
    add(Kind::LargeBackup, true, &[&UPDATE, &TRIAL_UNCONFIRMED]);
    all
}

/// The scenario of this name.
pub fn find(name: &str) -> Option<Scenario> {
    all().into_iter().find(|scenario| scenario.name == name)
}

const SCRIPTS: &[&Script] = &[
    &FIRST_INSTALL,
    &FIRST_CONFIRM,
    &UPDATE,
    &UPDATE_AFTER_FAILURE,
    &UPDATE_ON_TRIAL,
    &TURNOVER,
    &TRIAL_UNCONFIRMED,
    &TRIAL_HANGS,
    &TRIAL_SUPPLY,
    &CONFIRM,
    &DOWNGRADE,
    &OVERRIDE,
    &REVOKE,
    &PROTECT,
];

static FIRST_INSTALL: Script = Script {
    name: "first-install",
    about: "the first image",
    prepare: empty,
    run: |bench| {
        let one = bench.image(Recipe::new("one", App::Silent, 1))?;
        bench.send_to_run(one)
    },
};

static FIRST_CONFIRM: Script = Script {
    name: "first-confirm",
    about: "the first image, which confirms itself",
    prepare: empty,
    run: |bench| {
        let one = bench.image(Recipe::new("one", App::Confirms, 1))?;
        bench.send_to_run(one)?;
        bench.confirms(one)
    },
};

static PLAIN_UPDATE: Script = Script {
    name: "update",
    about: "another image",
    prepare: |bench| {
        empty(bench)?;
        let one = bench.image(Recipe::new("one", App::Silent, 1))?;
        bench.send_to_run(one)
    },
    run: update,
};

static UPDATE: Script = Script { name: "update", about: "another image", prepare: confirmed, run: update };

static UPDATE_AFTER_FAILURE: Script = Script {
    name: "update-after-failure",
    about: "another image, after one that was refused",
    prepare: |bench| {
        confirmed(bench)?;
        let broken = bench.image(Recipe { good: false, ..spare(bench, "broken", App::Silent, 2) })?;
        bench.damage(broken);
        bench.into_update_mode()?;
        refused(bench, broken)?;
        bench.power_cycle();
        Ok(())
    },
    run: update,
};

static UPDATE_ON_TRIAL: Script = Script {
    name: "update-on-trial",
    about: "another image while one is on trial, in its place",
    prepare: |bench| {
        confirmed(bench)?;
        update(bench)
    },
    run: |bench| {
        let three = bench.image(Recipe { counter: 2, ..spare(bench, "three", App::Silent, 3) })?;
        bench.update(three)
    },
};

static APP_UPDATE: Script = Script {
    name: "app-update",
    about: "another image, which the application takes while it runs",
    prepare: |bench| {
        empty(bench)?;
        let one = bench.image(Recipe::new("one", App::Updates, 1))?;
        bench.send_to_run(one)?;
        bench.confirms(one)
    },
    run: |bench| {
        let two = bench.image(Recipe { counter: 2, ..spare(bench, "two", App::Silent, 2) })?;
        bench.update_in_application(two)
    },
};

static TURNOVER: Script = Script {
    name: "turnover",
    about: "another image when both sectors of the journal are full, the older one of the time before",
    prepare: |bench| {
        let one = first(bench, 1)?;
        bench.fill_journal()?;
        bench.confirm_from_outside(one)?;
        bench.fill_journal()
    },
    run: update,
};

static TRIAL_UNCONFIRMED: Script = Script {
    name: "trial-unconfirmed",
    about: "an image that never confirms itself, and a reset button",
    prepare: confirmed,
    run: |bench| {
        update(bench)?;
        bench.note("the reset button, until the trial is over");
        until_trial_is_over(bench, |bench| bench.reset())
    },
};

static TRIAL_HANGS: Script = Script {
    name: "trial-hangs",
    about: "an image that hangs, until the watchdog has reset it often enough",
    prepare: confirmed,
    run: |bench| {
        let two = bench.image(spare(bench, "two", App::Hangs, 2))?;
        bench.update(two)?;
        bench.note("the watchdog bites");
        until_trial_is_over(bench, |bench| {
            bench.run_for(Nanos::secs(8));
            bench.look(super::bench::DECISION)
        })
    },
};

static TRIAL_SUPPLY: Script = Script {
    name: "trial-supply",
    about: "an image that never confirms itself, and a supply that comes and goes",
    prepare: confirmed,
    run: |bench| {
        update(bench)?;
        bench.note("the supply comes and goes, until the trial is over");
        until_trial_is_over(bench, |bench| bench.power_cycle())
    },
};

static CONFIRM: Script = Script {
    name: "confirm",
    about: "another image, which confirms itself",
    prepare: confirmed,
    run: |bench| {
        let two = bench.image(Recipe { counter: 2, ..spare(bench, "two", App::Confirms, 2) })?;
        bench.update(two)?;
        bench.confirms(two)?;
        bench.note("the supply goes off and on");
        bench.power_cycle();
        ensure!(bench.running() == Some(two), "the confirmed image does not run");
        Ok(())
    },
};

static DOWNGRADE: Script = Script {
    name: "downgrade",
    about: "an image with too low a security counter",
    prepare: high_counter,
    run: |bench| {
        let low = bench.image(Recipe { counter: 3, ..spare(bench, "low", App::Silent, 3) })?;
        bench.into_update_mode()?;
        refused(bench, low)?;
        bench.note("the supply goes off and on");
        bench.power_cycle();
        Ok(())
    },
};

static OVERRIDE: Script = Script {
    name: "override",
    about: "an image with too low a security counter and the manufacturer's leave for this device",
    prepare: high_counter,
    run: |bench| {
        let overrides = Override::Device(unique_id(bench));
        let low = bench.image(Recipe { counter: 3, overrides, ..spare(bench, "low", App::Confirms, 3) })?;
        bench.update(low)?;
        bench.confirms(low)
    },
};

static REVOKE: Script = Script {
    name: "revoke",
    about: "an image that confirms itself and revokes a key",
    prepare: confirmed,
    run: revoke,
};

static REVOKED: Script = Script {
    name: "revoke",
    about: "an image that confirms itself and revokes a key, then one signed with that key",
    prepare: confirmed,
    run: |bench| {
        revoke(bench)?;
        let slot = bench.target_slot()?;
        let recipe = Recipe { slot, key: Some(1), counter: 9, ..Recipe::new("three", App::Silent, 3) };
        let three = bench.image(recipe)?;
        refused(bench, three)?;
        bench.note("the supply goes off and on");
        bench.power_cycle();
        Ok(())
    },
};

static FORGED: Script = Script {
    name: "forged",
    about: "a host without a key, which sends an image with the confirmed one's id and with right checksums",
    prepare: confirmed,
    run: |bench| {
        let forged =
            bench.image(Recipe { good: false, counter: 2, ..spare(bench, "forged", App::Silent, 2) })?;
        bench.forge(forged, bench.images[0].id)?;
        bench.into_update_mode()?;
        refused(bench, forged)?;
        bench.note("the supply goes off and on");
        bench.power_cycle();
        ensure!(bench.running() == Some(0), "the confirmed image does not run");
        Ok(())
    },
};

static PROTECT: Script = Script {
    name: "protect",
    about: "the option bytes protect the bootloader",
    prepare: confirmed,
    run: |bench| {
        bench.into_update_mode()?;
        let change = Change { bootloader: true, level: Some(Level::Protected), ..Change::default() };
        bench.protect(change)?;
        bench.note("the supply goes off and on");
        bench.power_cycle();
        Ok(())
    },
};

fn empty(bench: &mut Bench) -> Result<()> {
    ensure!(bench.power_on() == Seen::UpdateMode, "an empty board waits");
    bench.rig.attach()
}

/// Image one runs and has confirmed itself.
fn confirmed(bench: &mut Bench) -> Result<()> {
    confirmed_with(bench, 1)
}

fn high_counter(bench: &mut Bench) -> Result<()> {
    confirmed_with(bench, 5)
}

fn confirmed_with(bench: &mut Bench, counter: u32) -> Result<()> {
    let one = first(bench, counter)?;
    bench.confirm_from_outside(one)
}

/// Image one runs.
fn first(bench: &mut Bench, counter: u32) -> Result<usize> {
    empty(bench)?;
    // As small as can be, or as large as the board's others.
    let filler = usize::from(bench.full);
    let one = bench.image(Recipe { counter, filler, ..Recipe::new("one", App::Silent, 1) })?;
    bench.send_to_run(one)?;
    Ok(one)
}

/// An image for the slot that an update goes to while image one is confirmed.
fn spare(bench: &Bench, name: &'static str, app: App, version: u16) -> Recipe {
    Recipe { slot: usize::from(bench.strategy() == Strategy::Ab), ..Recipe::new(name, app, version) }
}

fn update(bench: &mut Bench) -> Result<()> {
    let two = bench.image(Recipe { counter: 2, ..spare(bench, "two", App::Silent, 2) })?;
    bench.update(two)
}

fn revoke(bench: &mut Bench) -> Result<()> {
    let two = bench.image(Recipe { revokes: 0b10, ..spare(bench, "two", App::Confirms, 2) })?;
    bench.update(two)?;
    bench.confirms(two)
}

fn refused(bench: &mut Bench, image: usize) -> Result<()> {
    if let Ok(finish) = bench.send(image)? {
        bail!("{} was not refused: {finish:?}", bench.images[image].recipe.name);
    }
    Ok(())
}

/// Starts the board until image two does not run any more.
fn until_trial_is_over(bench: &mut Bench, mut start: impl FnMut(&mut Bench) -> Seen) -> Result<()> {
    for _ in 0..40 {
        let seen = start(bench);
        let name = bench.running().map(|image| bench.images[image].recipe.name);
        match (seen, name) {
            (Seen::Application(_), Some("two")) => {}
            (Seen::Application(_), Some("one")) => return Ok(()),
            (Seen::UpdateMode, _) if bench.strategy() == Strategy::Single => return Ok(()),
            other => bail!("after a trial: {other:?}"),
        }
    }
    bail!("the trial does not end")
}

/// The second key that the boards know.
fn second_key() -> SigningKey {
    SigningKey::from_bytes(&[2; 32])
}

fn board_in_words(kind: Kind) -> &'static str {
    match kind {
        Kind::Plain => "one slot without a journal",
        Kind::Single => "one slot",
        Kind::Backup => "a backup slot",
        Kind::Ab => "two slots",
        Kind::Signed => "two slots, signed images",
        Kind::SignedBackup => "a backup slot, signed images",
        Kind::Large => "two large slots",
        Kind::LargeBackup => "a large backup slot",
    }
}

/// The example board with small slots, without a watchdog where no trial asks for one, and with few trial
/// boots, which are all alike.
fn board(kind: Kind) -> Result<BoardFile> {
    let layout = match kind {
        Kind::Plain => "application = \"0x0800C000 + 16K\"",
        Kind::Single => "journal = \"0x08004000\"\napplication = \"0x0800C000 + 16K\"",
        Kind::Backup | Kind::SignedBackup => {
            "strategy = \"backup\"\njournal = \"0x08004000\"\napplication = \"0x0800C000 + 16K\"\n\
             backup = \"0x08010000 + 64K\""
        }
        Kind::Ab | Kind::Signed => {
            "strategy = \"ab\"\njournal = \"0x08004000\"\napplication = \"0x0800C000 + 16K\"\n\
             application-b = \"0x08010000 + 64K\""
        }
        Kind::LargeBackup => {
            "strategy = \"backup\"\njournal = \"0x08004000\"\napplication = \"0x0800C000 + 80K\"\n\
             backup = \"0x08020000 + 128K\""
        }
        Kind::Large => {
            "strategy = \"ab\"\njournal = \"0x08004000\"\napplication = \"0x0800C000 + 80K\"\n\
             application-b = \"0x08020000 + 128K\""
        }
    };
    let trials = if kind == Kind::Plain { "" } else { "trial-boots = 2\n" };
    let signed = matches!(kind, Kind::Signed | Kind::SignedBackup);
    let policy = if signed { "signature" } else { "crc" };
    let second: String = second_key().verifying_key().to_bytes().iter().map(|b| format!("{b:02x}")).collect();
    let text = format!(
        "name = \"sweep\"\nchip = \"STM32F407VG\"\nvoltage = \"2.7V-3.6V\"\n\
         [layout]\nbootloader = \"16K\"\n{layout}\n\
         [clock]\nhse = \"8 MHz\"\nsysclk = \"168 MHz\"\n\
         [led]\npin = \"PD12\"\nactive = \"high\"\n\
         [button]\npin = \"PA0\"\nactive = \"high\"\npull = \"down\"\n\
         [boot]\nwatchdog = false\n{trials}magic = 0xDEADBEEF\ndouble-tap = \"0 ms\"\n\
         [validation]\npolicy = \"{policy}\"\nkeys = [\"keys/example.pub.pem\", \"{second}\"]\n"
    );
    Ok(BoardFile::parse(&text, &fixtures::root().join("boards"))?)
}
