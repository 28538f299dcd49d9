//! The solver's answers in words: the section of a board file, the proof that nothing fits.

use super::{Impossible, Plan, Task, effort};
use crate::layout::{Area, Span, Use, sector_noun};
use crate::units::show_size;
use std::fmt;
use surefoot_chips::{Banks, Flash, Sector};
use surefoot_core::config::Strategy;
use surefoot_core::image::manifest;

/// The word of board files.
pub const fn strategy(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Single => "single",
        Strategy::Backup => "backup",
        Strategy::Ab => "ab",
    }
}

impl Plan {
    /// The section `[layout]` of a board file.
    pub fn section(&self) -> String {
        let request = &self.request;
        let mut text = format!(
            "[layout]\nstrategy = \"{}\"\nbootloader = \"{}\"\n",
            strategy(self.task.strategy),
            show_size(request.bootloader)
        );
        let line = |what: Use, span: Span| {
            let size = span.size.map_or(String::new(), |s| format!(" + {}", show_size(s)));
            let area = Area { what, base: span.base, size: span.size.unwrap_or(0) };
            let said = format!("{} = \"0x{:08X}{size}\"", what.name(), span.base);
            format!("{said:<36}# {}\n", self.layout.sector_names(&area))
        };
        for (what, span) in [
            (Use::Journal, request.journal),
            (Use::Application, Some(request.application)),
            (Use::Second, request.second),
            (Use::Backup, request.backup),
        ] {
            text.push_str(&span.map_or(String::new(), |span| line(what, span)));
        }
        if let Some(banks) = request.banks {
            text.push_str(&format!("dual-bank = {}\n", banks == Banks::Dual));
        }
        text
    }
}

impl fmt::Display for Impossible {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Arrangement(error) => error.fmt(f),
            Self::NoSectors { task, flash } => no_sectors(f, task, flash),
            Self::TooBig { best } => too_big(f, best),
        }
    }
}

impl std::error::Error for Impossible {}

fn no_sectors(f: &mut fmt::Formatter, task: &Task, flash: &Flash) -> fmt::Result {
    let noun = sector_noun(flash);
    let mut taken = 0;
    let mut count = 0;
    for sector in flash.sectors().take_while(|s| s.base - flash.base() < task.bootloader) {
        taken += sector.size;
        count += 1;
    }
    let left = flash.sectors().count() - count;
    let wanted = match (task.slots(), task.has_journal()) {
        (1, false) => "an application",
        (1, true) => "a journal of two and an application",
        _ => "a journal of two and two slots",
    };
    let plural = |n: usize| if n == 1 { "" } else { "s" };
    write!(
        f,
        "the bootloader takes {} of {} ({count} {noun}{}), and {left} {noun}{} left cannot hold {wanted}",
        show_size(taken),
        show_size(flash.size()),
        plural(count),
        plural(left),
    )
}

fn too_big(f: &mut fmt::Formatter, best: &Plan) -> fmt::Result {
    let (layout, task) = (&best.layout, &best.task);
    let noun = sector_noun(&layout.flash);
    let taken: Vec<Area> =
        layout.areas.iter().filter(|a| matches!(a.what, Use::Bootloader | Use::Journal)).copied().collect();
    let sectors: Vec<Sector> = taken.iter().flat_map(|area| layout.sectors_of(area)).collect();
    let bytes: u32 = taken.iter().map(|a| a.size).sum();
    let places = match task.strategy {
        Strategy::Single => "",
        Strategy::Backup => " in its slot and in the backup slot",
        Strategy::Ab => " in each of two slots",
    };
    let whose = if task.has_journal() { "the bootloader and the journal" } else { "the bootloader" };
    let verb = if task.has_journal() { "go" } else { "goes" };
    write!(
        f,
        "the application needs {} and {} bytes for its manifest{places}; of {}, {} {verb} to {whose} ({noun}{} {}), and ",
        show_size(task.application.unwrap_or(0)),
        manifest::LEN,
        show_size(layout.flash.size()),
        show_size(bytes),
        if sectors.len() == 1 { "" } else { "s" },
        ranges(&sectors),
    )?;
    let named = |area: Area| format!("{} ({})", show_size(area.size), layout.sector_names(&area));
    match layout.slots().collect::<Vec<_>>()[..] {
        [a, b] => {
            write!(
                f,
                "the {noun}s left, which cannot be divided, split at best into {} and {}",
                named(a),
                named(b)
            )?;
        }
        [only] => write!(f, "the longest run of {noun}s left is {}", named(only))?,
        _ => {}
    }
    write!(f, ": the application can have {} bytes at most", best.room())
}

/// "0-2", "0, 12-13".
fn ranges(sectors: &[Sector]) -> String {
    let mut runs: Vec<(u16, u16)> = Vec::new();
    for sector in sectors {
        match runs.last_mut().filter(|(_, last)| *last + 1 == sector.sector) {
            Some((_, last)) => *last = sector.sector,
            None => runs.push((sector.sector, sector.sector)),
        }
    }
    let words = runs.iter().map(|&(a, b)| if a == b { a.to_string() } else { format!("{a}-{b}") });
    words.collect::<Vec<_>>().join(", ")
}

/// Seconds as people say them: "0.5 s", "12.4 s", rounded up.
pub fn seconds(ms: u64) -> String {
    let tenths = ms.div_ceil(100);
    format!("{}.{} s", tenths / 10, tenths % 10)
}

impl effort::Effort {
    /// One line for each figure: label and value.
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let took = |t: &effort::Took| format!("{} typically, {} at most", seconds(t.typical), seconds(t.max));
        let mut lines = vec![("update", format!("{}, image of {} bytes", took(&self.update), self.image))];
        if let Some(copy) = &self.copy {
            lines.push(("of it the copy", took(copy)));
        }
        lines.push((
            "way back",
            match &self.way_back {
                None => "none: a failed update is repeated".to_string(),
                Some(t) if t.max == 0 => "at once, nothing is copied".to_string(),
                Some(t) => took(t),
            },
        ));
        let count = |(what, sectors): &(Use, usize)| {
            let place = match what {
                Use::Application if self.updates_per_erase == 2 => "slot A",
                Use::Second => "slot B",
                Use::Backup => "the backup slot",
                _ => "the slot",
            };
            format!("{sectors} sector{} of {place}", if *sectors == 1 { "" } else { "s" })
        };
        let counts: Vec<String> = self.erased.iter().map(count).collect();
        lines.push(("erases", counts.join(if self.updates_per_erase == 2 { " or " } else { " and " })));
        let often = match self.updates_per_erase {
            1 => "update".to_string(),
            n => format!("{n} updates"),
        };
        let enough = self.updates_per_erase * effort::ENDURANCE;
        lines.push(("", format!("each of them once per {often}, which is enough for {enough} updates")));
        if let Some(updates) = self.journal_updates {
            lines.push(("", format!("each sector of the journal once per {updates} updates")));
        }
        lines
    }
}
