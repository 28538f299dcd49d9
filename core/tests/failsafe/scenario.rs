//! What happens to a board in its life, as tables, and how it comes to rest afterwards.

use super::board::{Board, Kind, Started, TRIAL_BOOTS, cause};
use super::image::{Behaviour, RECIPES, recipe};
use surefoot_core::config::{OWNER_JOURNAL, Policy, Strategy};
use surefoot_core::journal::{Event, Journal, RECORD_LEN, history};
use surefoot_core::port::Memory;

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    /// A host writes this image whole and leaves; the board starts.
    Update(&'static str),
    /// The same, and the board has to refuse it.
    Refused(&'static str),
    /// The same, but the host vanishes half-way, and the board is reset.
    Broken(&'static str),
    /// A host without a key sends this image with the confirmed one's id, and the board refuses it.
    Forged(&'static str),
    /// The application writes this image itself and resets (A/B only).
    Itself(&'static str),
    /// A programmer writes this image, linked for the one slot, to the other slot.
    Programmed(&'static str, usize, usize),
    /// So many starts from power-on, too short for the application to confirm itself.
    Flickers(usize),
    /// A reset with this cause, and the application does nothing before the next.
    Reset(u8),
    /// Applications do what they do, until the board is at rest.
    Rest,
    /// The journal has so many free places left (or one more) before it turns over.
    Fill(u32),
}
use Act::*;

/// A story and its end.
#[derive(Debug)]
pub struct Scenario {
    pub name: &'static str,
    pub policy: Policy,
    pub strategies: &'static [Strategy],
    /// What was before, without a cut.
    pub before: &'static [Act],
    /// What is cut.
    pub acts: &'static [Act],
    /// The image that is confirmed when nothing is cut; empty: none.
    pub end: &'static str,
}

const ALL: &[Strategy] = &[Strategy::Single, Strategy::Backup, Strategy::Ab];
const TWO_SLOTS: &[Strategy] = &[Strategy::Backup, Strategy::Ab];
const AB: &[Strategy] = &[Strategy::Ab];

const STORY: Scenario = Scenario {
    name: "",
    policy: Policy::Crc,
    strategies: ALL,
    before: &[Update("old"), Rest],
    acts: &[],
    end: "new",
};

/// The story with this name.
pub fn named(name: &str) -> &'static Scenario {
    SCENARIOS.iter().find(|scenario| scenario.name == name).unwrap_or_else(|| panic!("no story {name:?}"))
}

/// Every story.
pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "first install", before: &[], acts: &[Update("old"), Rest], end: "old", ..STORY },
    Scenario {
        name: "first install by a programmer",
        before: &[Programmed("old", 0, 0)],
        acts: &[Reset(cause::POWER_ON), Rest],
        end: "old",
        ..STORY
    },
    Scenario { name: "update", acts: &[Update("new"), Rest], ..STORY },
    Scenario {
        name: "update twice",
        before: &[Update("old"), Rest, Update("new"), Rest],
        acts: &[Update("next"), Rest],
        end: "next",
        ..STORY
    },
    Scenario {
        name: "update after a broken one",
        before: &[Update("old"), Rest, Broken("next")],
        acts: &[Reset(cause::PIN), Update("new"), Rest],
        ..STORY
    },
    Scenario { name: "update with the same image", acts: &[Update("old"), Rest], end: "old", ..STORY },
    Scenario { name: "trial that hangs", acts: &[Update("hangs"), Rest], end: "old", ..STORY },
    Scenario {
        name: "update after a rollback",
        before: &[Update("old"), Rest, Update("hangs"), Rest],
        acts: &[Update("new"), Rest],
        ..STORY
    },
    Scenario {
        name: "first install that hangs",
        before: &[],
        acts: &[Update("hangs too"), Rest, Update("old"), Rest],
        end: "old",
        ..STORY
    },
    Scenario {
        name: "update during a trial",
        before: &[Update("old"), Rest, Update("hangs")],
        acts: &[Update("new"), Rest],
        ..STORY
    },
    Scenario { name: "power cycles during a trial", acts: &[Update("new"), Flickers(7), Rest], ..STORY },
    Scenario {
        name: "supply that never lasts",
        acts: &[Update("new"), Flickers(8 * TRIAL_BOOTS as usize), Rest],
        end: "old",
        strategies: TWO_SLOTS,
        ..STORY
    },
    Scenario {
        name: "downgrade",
        before: &[Update("old"), Rest, Update("new"), Rest],
        acts: &[Refused("downgrade"), Rest],
        ..STORY
    },
    Scenario {
        name: "downgrade by leave",
        before: &[Update("new"), Rest],
        acts: &[Update("downgrade by leave"), Rest, Refused("old"), Rest],
        end: "downgrade by leave",
        strategies: TWO_SLOTS,
        ..STORY
    },
    Scenario {
        name: "downgrade here and elsewhere",
        before: &[Update("new"), Rest],
        acts: &[Refused("downgrade elsewhere"), Update("downgrade here"), Rest],
        end: "downgrade here",
        ..STORY
    },
    Scenario {
        name: "key revocation",
        policy: Policy::Signature,
        acts: &[Update("revokes key 0"), Rest, Refused("of key 0"), Rest],
        end: "revokes key 0",
        strategies: TWO_SLOTS,
        ..STORY
    },
    Scenario {
        name: "forged id",
        policy: Policy::Signature,
        acts: &[Forged("next"), Rest, Update("new"), Rest],
        strategies: TWO_SLOTS,
        ..STORY
    },
    Scenario { name: "update by the application", acts: &[Itself("new"), Rest], strategies: AB, ..STORY },
    Scenario {
        name: "two programmed images that hang",
        before: &[Programmed("hangs", 0, 0), Programmed("hangs too", 1, 1)],
        acts: &[Reset(cause::POWER_ON), Rest, Update("old"), Rest],
        end: "old",
        strategies: AB,
        ..STORY
    },
    Scenario {
        name: "image in the wrong slot",
        before: &[Update("old"), Rest, Update("new"), Rest, Programmed("new", 1, 0)],
        acts: &[Update("next"), Rest],
        end: "next",
        strategies: AB,
        ..STORY
    },
    Scenario {
        name: "resets of all causes",
        before: &[Update("old"), Rest, Fill(3)],
        acts: &[
            Reset(cause::WATCHDOG),
            Reset(cause::POWER_ON),
            Reset(cause::PIN),
            Reset(cause::WATCHDOG),
            Reset(cause::WATCHDOG),
            Reset(cause::BROWN_OUT),
            Rest,
        ],
        end: "old",
        ..STORY
    },
    Scenario {
        name: "turnover as an update begins",
        before: &[Update("old"), Rest, Fill(0)],
        acts: &[Update("new"), Rest],
        ..STORY
    },
    Scenario {
        name: "turnover inside a state",
        before: &[Update("old"), Rest, Fill(1)],
        acts: &[Update("new"), Rest],
        ..STORY
    },
    Scenario {
        name: "turnover at the end of an update",
        before: &[Update("old"), Rest, Fill(2)],
        acts: &[Update("new"), Rest],
        ..STORY
    },
    Scenario {
        name: "turnover at the start of a trial",
        before: &[Update("old"), Rest, Fill(4)],
        acts: &[Update("hangs"), Rest],
        end: "old",
        strategies: TWO_SLOTS,
        ..STORY
    },
    Scenario {
        name: "turnover at the confirmation",
        before: &[Update("old"), Rest, Fill(6)],
        acts: &[Update("new"), Rest],
        ..STORY
    },
];

/// Does `acts` until they are done or the supply is cut.
pub fn act(board: &mut Board, acts: &[Act]) {
    for &act in acts {
        if board.flash.off {
            return;
        }
        one(board, act);
    }
}

fn one(board: &mut Board, act: Act) {
    match act {
        Update(name) => {
            let started = board.update(recipe(name), 100);
            if board.flash.off || board.known.faulty {
                return;
            }
            let runs =
                matches!(started, Some(Started::Image(i)) if board.kind.images[i].recipe().name == name);
            if !runs {
                board.breaks(format!("after an update to {name:?} {started:?} starts"));
            }
        }
        Refused(name) => {
            let started = board.update(recipe(name), 100);
            if !board.flash.off && !board.known.faulty && !matches!(started, Some(Started::Update(_))) {
                board.breaks(format!("{name:?} is not refused: {started:?}"));
            }
        }
        Forged(name) => {
            let started = board.update_forged(recipe(name));
            if !board.flash.off && !board.known.faulty && !matches!(started, Some(Started::Update(_))) {
                board.breaks(format!("{name:?} with a forged id is not refused: {started:?}"));
            }
        }
        Broken(name) => {
            board.update(recipe(name), 50);
        }
        Itself(name) => {
            let done = board.update_itself(recipe(name));
            if !board.flash.off && !board.known.faulty && done != Some(Ok(())) {
                board.breaks(format!("the application's update ends with {done:?}"));
            }
            // Its reset comes with the rest.
        }
        Programmed(name, linked, slot) => programmed(board, name, linked, slot),
        Flickers(times) => {
            for _ in 0..times {
                board.boot(cause::POWER_ON);
            }
        }
        Reset(cause) => {
            board.boot(cause);
        }
        Rest => rest(board, cause::SOFTWARE),
        Fill(left) => fill(board, left),
    }
}

/// A programmer writes an image to a slot, be it linked for that or for another one.
fn programmed(board: &mut Board, name: &str, linked: usize, slot: usize) {
    let kind = board.kind;
    let image = kind.image(recipe(name), linked);
    let base = kind.family.slot(slot).base;
    board.flash.put(base, &image.bytes);
    board.known.candidate = (board.known.confirmed != 0).then_some(0);
}

/// Starts the board until the same happens three times; applications do what they do.
pub fn rest(board: &mut Board, first: u8) {
    let mut cause = first;
    let mut last = (Started::Off, 0);
    for _ in 0..16 * usize::from(TRIAL_BOOTS) {
        let started = board.boot(cause);
        cause = cause::PIN;
        if let Started::Image(number) = started {
            let image = &board.kind.images[number];
            if image.recipe().behaviour == Behaviour::Hangs {
                cause = cause::WATCHDOG;
            } else if board.confirm(number) == Some(false) && !board.known.faulty && board.is_solid(number) {
                board.breaks(format!("{:?} runs and cannot confirm itself", image.recipe().name));
            }
        }
        if board.flash.off {
            return;
        }
        last = if last.0 == started { (started, last.1 + 1) } else { (started, 1) };
        let done = match started {
            Started::Image(number) => board.kind.images[number].id == board.known.confirmed,
            Started::Update(_) => true,
            Started::Off => return,
        };
        if done && last.1 == 3 {
            return;
        }
    }
}

/// The last word: whatever happened, a host can bring the board to the newest image.
pub fn rescue(board: &mut Board) {
    let started = board.update(recipe("rescue"), 100);
    rest(board, cause::PIN);
    if board.flash.off {
        return;
    }
    let id = board.known.confirmed;
    let rescued = board.kind.images.iter().any(|i| i.id == id && i.recipe().name == "rescue");
    if !rescued {
        board.breaks(format!("the board cannot be updated any more: {started:?}"));
    }
}

/// Name of the confirmed image, as the board was heard to say.
pub fn confirmed(board: &Board) -> &'static str {
    let image = board.kind.images.iter().find(|i| i.id == board.known.confirmed);
    image.map_or("", |image| RECIPES[image.recipe].name)
}

/// Fills the journal's sector until so many places are left.
pub fn fill(board: &mut Board, left: u32) {
    let mut journal = Journal::load(board.kind.config, &board.flash);
    let places = board.kind.family.records();
    // At most once through the sector and back to where so many are left.
    for _ in 0..places {
        if (left..left + 2).contains(&free(board.kind, board)) {
            break;
        }
        journal.commit(board, Event::Boot, 0).expect("the flash is good");
    }
    let fits = free(board.kind, board);
    assert!(fits == left || fits == left + 1, "{fits} places left, not {left}");
    if fits != left {
        // A torn record takes one.
        let at = newest_sector(board.kind, board).1 - fits * RECORD_LEN;
        board.flash.scribble(at, RECORD_LEN);
    }
}

/// First and last address of the sector that holds the newest record.
fn newest_sector(kind: &Kind, memory: &impl Memory) -> (u32, u32) {
    let config = kind.config.with_open(OWNER_JOURNAL);
    let first = config.sector_from(0).expect("a journal");
    let second = config.sector_from(first.end()).expect("two sectors");
    let newest = |sector: &surefoot_core::config::Sector| {
        let bytes = memory.bytes(sector.base, sector.size).expect("solid");
        history(bytes).map(|record| record.sequence()).max()
    };
    let sector = if newest(&second) > newest(&first) { second } else { first };
    (sector.base, sector.end())
}

/// Free places in that sector.
fn free(kind: &Kind, memory: &impl Memory) -> u32 {
    let (base, end) = newest_sector(kind, memory);
    let bytes = memory.bytes(base, end - base).expect("solid");
    bytes.rchunks(RECORD_LEN as usize).take_while(|place| place.iter().all(|b| *b == 0xFF)).count() as u32
}
