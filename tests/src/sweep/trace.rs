//! A case as a timeline for people: operations with their meaning, the cut, the starts, what runs.

use super::bench::{Bench, FLASH, Seen, Tape};
use super::case::CutAt;
use super::checks::{State, image_in};
use std::fmt::Write;
use surefoot_core::journal::{Event, RECORD_LEN, Record};
use surefoot_sim::{Nanos, Remains, Started};

/// The lines of a timeline.
#[derive(Debug, Default)]
pub struct Trace(Vec<String>);

impl Trace {
    /// One more line.
    pub fn say(&mut self, line: impl Into<String>) {
        self.0.push(line.into());
    }

    /// The lines.
    pub fn lines(&self) -> &[String] {
        &self.0
    }

    /// What the board is, and the images.
    pub fn introduce(&mut self, bench: &Bench) {
        for (number, slot) in bench.slots.iter().enumerate() {
            self.say(format!("slot {number}: {:#010x}, {} KiB", slot.base, slot.length >> 10));
        }
        for (base, length) in &bench.journal {
            self.say(format!("journal: {base:#010x}, {} KiB", length >> 10));
        }
        for image in &bench.images {
            let recipe = &image.recipe;
            let (name, app, slot) = (recipe.name, recipe.app, recipe.slot);
            let line = format!(
                "image {name}: id {:08x}, slot {slot}, {app:?}, version {}, counter {}, {} bytes",
                image.id,
                recipe.version,
                recipe.counter,
                image.bytes.len()
            );
            self.say(line);
        }
    }

    /// The operations of a tape up to the one numbered `last`; equal neighbours on one line.
    pub fn tape(&mut self, bench: &Bench, tape: &Tape, last: usize) {
        let mut notes = tape.notes.iter().filter(|(at, _)| *at < last.max(1)).peekable();
        let mut at = 0;
        while at < last.min(tape.forks.len()) {
            while let Some((_, note)) = notes.next_if(|(before, _)| *before <= at) {
                self.say(format!("            {note}"));
            }
            let next_note = notes.peek().map_or(usize::MAX, |(before, _)| *before);
            let mut end = at + 1;
            while end < last.min(next_note).min(tape.forks.len()) && follows(bench, &tape.forks, end) {
                end += 1;
            }
            self.group(bench, &tape.forks, at..end);
            at = end;
        }
        notes.for_each(|(_, note)| self.0.push(format!("            {note}")));
    }

    fn group(&mut self, bench: &Bench, forks: &[Remains], range: std::ops::Range<usize>) {
        let first = &forks[range.start];
        let Some(started) = first.operation() else { return };
        let mut line = format!("{:>11} ", time(first.now()));
        let count = range.len();
        let _ = match count {
            1 => write!(line, "#{:<9} ", range.start + 1),
            _ => write!(line, "#{:<9} ", format!("{}-{}", range.start + 1, range.end)),
        };
        let _ = match started {
            Started::Erase { address, length } => {
                write!(line, "erase {address:#010x}, {} KiB: {}", length >> 10, place(bench, address))
            }
            Started::Options { value } => write!(line, "option bytes {value:#010x}"),
            Started::Program { address, bytes, value } if count == 1 => {
                write!(
                    line,
                    "program {address:#010x} {value:#0w$x}: {}",
                    place(bench, address),
                    w = 2 + 2 * bytes as usize
                )
            }
            Started::Program { address, .. } => {
                write!(line, "program {address:#010x} and on, {count} times: {}", place(bench, address))
            }
        };
        if let Started::Program { address, .. } = started
            && bench.in_journal(address)
        {
            let home = address & !(RECORD_LEN - 1);
            let bytes = match forks.get(range.end) {
                Some(later) => later.flash(home, RECORD_LEN as usize).map(<[u8]>::to_vec),
                None => bench.rig.board.read_memory(home, RECORD_LEN as usize).map(<[u8]>::to_vec),
            };
            let record = bytes.as_deref().and_then(Record::check);
            let _ = write!(line, ": {}", record.map_or("no record yet".into(), |r| tell(bench, &r)));
        }
        self.say(line);
    }

    /// The cut of a tape's operation.
    pub fn cut(&mut self, bench: &Bench, cut: CutAt) {
        let unstable = bench.rig.board.unstable_bits(FLASH, bench.rig.board.chip().flash_length());
        let mut line = format!("            THE SUPPLY FAILS: {} operation {}", cut.how, cut.operation);
        if unstable > 0 {
            let _ = write!(line, "; {unstable} bits are unstable now");
        }
        self.say(line);
        self.state(bench);
    }

    /// What the journal says.
    pub fn state(&mut self, bench: &Bench) {
        if bench.journal.is_empty() {
            return;
        }
        let state = State::of(&bench.rig.board, &bench.journal);
        let told = |record: Option<Record>| record.map_or("none".into(), |r| tell(bench, &r));
        self.say(format!("            newest record: {}", told(state.newest)));
        if state.newest != state.solid {
            self.say(format!("            newest that was written twice: {}", told(state.solid)));
        }
    }

    /// What a start led to.
    pub fn seen(&mut self, bench: &Bench, seen: Seen) {
        let now = time(bench.rig.board.now());
        let what = match seen {
            Seen::UpdateMode => "update mode".into(),
            Seen::Nothing => format!("nothing, pc {:#010x}", bench.rig.board.pc()),
            Seen::Application(slot) => match image_in(bench, slot) {
                Some(image) => format!("image {} runs in slot {slot}", bench.images[image].recipe.name),
                None => format!("what nobody made runs in slot {slot}"),
            },
        };
        self.say(format!("{now:>11} => {what}"));
    }
}

/// True when the operation at `at` belongs on one line with the one before it.
fn follows(bench: &Bench, forks: &[Remains], at: usize) -> bool {
    let (Some(Started::Program { address: a, .. }), Some(Started::Program { address: b, .. })) =
        (forks[at - 1].operation(), forks[at].operation())
    else {
        return false;
    };
    let same_record = a / RECORD_LEN == b / RECORD_LEN;
    // What is blank in an image is not programmed.
    let near = b > a && b - a <= 4096;
    if bench.in_journal(a) || bench.in_journal(b) {
        same_record
    } else {
        near && place(bench, a) == place(bench, b)
    }
}

fn place(bench: &Bench, address: u32) -> String {
    if bench.in_journal(address) {
        return "journal".into();
    }
    let slot = bench.slots.iter().position(|slot| slot.contains(address, 1));
    slot.map_or("NOBODY'S".into(), |number| format!("slot {number}"))
}

/// A record in words.
pub fn tell(bench: &Bench, record: &Record) -> String {
    let name = |id: u32| match bench.images.iter().find(|image| image.id == id) {
        _ if id == 0 => "none".to_owned(),
        Some(image) => image.recipe.name.to_owned(),
        None => format!("{id:08x}"),
    };
    let event = Event::from_number(record.event()).map_or("?".into(), |event| format!("{event:?}"));
    let mut line = format!("{} {event}", record.sequence());
    if record.detail() != 0 {
        let _ = write!(line, "({})", record.detail());
    }
    let _ = write!(line, ", floor {}, confirmed {}", record.floor(), name(record.confirmed()));
    if record.candidate() != 0 {
        let _ = match record.given_up() {
            true => write!(line, ", {} given up", name(record.candidate())),
            false => {
                write!(line, ", {} on trial, charged {}", name(record.candidate()), record.tries())
            }
        };
    }
    if record.revoked() != 0 {
        let _ = write!(line, ", revoked keys {:#b}", record.revoked());
    }
    if record.backup() != 0 {
        let _ = write!(line, ", backup {}", name(record.backup()));
    }
    let _ = write!(line, ", reset cause {:#04x}", record.cause());
    line
}

fn time(at: Nanos) -> String {
    format!("{:.3} ms", at.0 as f64 / 1e6)
}
