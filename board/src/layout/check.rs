//! The checks of a layout: every boundary on a sector's edge, nothing overlaps, each region fits its job.

use super::error::Nearest;
use super::{Area, Edge, LayoutError, Request, Span, Use, sector_noun};
use surefoot_chips::{Flash, Sector};
use surefoot_core::journal::{MIN_RECORDS, RECORD_LEN};

/// One takes records while the other is erased.
const JOURNAL_SECTORS: usize = 2;

/// One check's inputs.
pub struct Check<'a> {
    pub flash: &'a Flash,
    pub request: &'a Request,
}

impl Check<'_> {
    pub fn bootloader(&self) -> Result<Area, LayoutError> {
        let (base, flash_end) = (self.flash.base(), self.flash.end());
        let (what, edge) = (Use::Bootloader, Edge::End);
        let size = self.request.bootloader;
        let end = u64::from(base) + u64::from(size);
        // Regions that stand well further up bound the bootloader too.
        let limit = self
            .request
            .spans()
            .map(|(_, s)| s.base)
            .filter(|&b| b > base && b < flash_end && self.is_start(b))
            .min()
            .unwrap_or(flash_end - 1);
        let nearest =
            || Nearest { sizes_from: Some(base), ..self.nearest(end, |a| a > base && a <= limit, Edge::End) };
        if end > u64::from(flash_end) {
            let (base, size) = (base, self.flash.size());
            return Err(LayoutError::Outside { what, edge, address: end, base, size, nearest: nearest() });
        }
        let end = end as u32;
        if size == 0 {
            return Err(LayoutError::NoRoom { what, moves: what, nearest: nearest() });
        }
        if end == flash_end {
            return Err(LayoutError::NoRoom { what: Use::Application, moves: what, nearest: nearest() });
        }
        if let Some(sector) = self.around(end) {
            return Err(LayoutError::Boundary {
                what,
                edge,
                address: end,
                sector,
                noun: sector_noun(self.flash),
                nearest: nearest(),
            });
        }
        Ok(Area { what, base, size })
    }

    pub fn span(&self, what: Use, span: Span, boot: &Area) -> Result<Area, LayoutError> {
        let (base, size) = (self.flash.base(), self.flash.size());
        let start = span.base;
        let nearest_start = || self.nearest(u64::from(start), |a| a >= boot.end(), Edge::Start);
        if self.flash.sector_at(start).is_none() {
            let (edge, nearest) = (Edge::Start, nearest_start());
            return Err(if start == self.flash.end() {
                LayoutError::NoRoom { what, moves: what, nearest }
            } else {
                LayoutError::Outside { what, edge, address: start.into(), base, size, nearest }
            });
        }
        if let Some(sector) = self.around(start) {
            let (edge, nearest) = (Edge::Start, nearest_start());
            return Err(LayoutError::Boundary {
                what,
                edge,
                address: start,
                sector,
                noun: sector_noun(self.flash),
                nearest,
            });
        }
        if what == Use::Journal && span.size.is_none() {
            // The next region is no limit here: what is in the way is told as such.
            let two = self.flash.sectors().filter(|s| s.base >= start && s.end() <= self.run_end(start));
            let size = two.take(JOURNAL_SECTORS).map(|s| s.size).sum();
            return Ok(Area { what, base: start, size });
        }
        // Up to the next region, a gap between banks, or the end.
        let open_end = self
            .request
            .spans()
            .map(|(_, s)| s.base)
            .filter(|&b| b > start)
            .chain([self.run_end(start)])
            .min()
            .unwrap_or(start);
        let Some(bytes) = span.size else { return Ok(Area { what, base: start, size: open_end - start }) };
        let end = u64::from(start) + u64::from(bytes);
        let nearest = self.nearest(end, |a| a > start && a <= self.run_end(start), Edge::End);
        let nearest = Nearest { sizes_from: Some(start), ..nearest };
        let edge = Edge::End;
        if end > u64::from(self.run_end(start)) {
            return Err(LayoutError::Outside { what, edge, address: end, base, size, nearest });
        }
        if bytes == 0 {
            return Err(LayoutError::NoRoom { what, moves: what, nearest });
        }
        if let Some(sector) = self.around(end as u32) {
            return Err(LayoutError::Boundary {
                what,
                edge,
                address: end as u32,
                sector,
                noun: sector_noun(self.flash),
                nearest,
            });
        }
        Ok(Area { what, base: start, size: bytes })
    }

    /// `area` stands in `other`: where it could begin instead.
    pub fn overlap(&self, area: &Area, other: &Area) -> LayoutError {
        // The one that begins later is the one that has to move.
        let (moves, stays) = if area.base >= other.base { (area, other) } else { (other, area) };
        let nearest = self.nearest(moves.base.into(), |a| a >= stays.end(), Edge::Start);
        LayoutError::Overlap {
            what: moves.what,
            other: stays.what,
            address: moves.base,
            from: stays.base,
            to: stays.end(),
            nearest,
        }
    }

    /// A journal is two sectors with room for records.
    pub fn journal(&self, areas: &[Area]) -> Result<(), LayoutError> {
        let Some(area) = areas.iter().find(|a| a.what == Use::Journal) else { return Ok(()) };
        let inside = |s: &Sector| (area.base..area.end()).contains(&s.base);
        let sectors: Vec<Sector> = self.flash.sectors().filter(inside).collect();
        let noun = sector_noun(self.flash);
        if sectors.len() != JOURNAL_SECTORS {
            // The end of two sectors, or where two begin.
            let run_end = self.run_end(area.base);
            let ends = self.flash.sectors().filter(|s| s.base >= area.base && s.end() <= run_end);
            let nearest = match ends.map(|s| s.end()).nth(JOURNAL_SECTORS - 1) {
                Some(end) => Nearest { addresses: vec![end], sizes_from: Some(area.base) },
                None => {
                    let two = |a| self.flash.sector_at(a).is_some_and(|s| s.end() < self.run_end(a));
                    let first = areas[0].end();
                    self.nearest(area.base.into(), |a| a >= first && two(a), Edge::Start)
                }
            };
            return Err(LayoutError::Journal { count: sectors.len(), noun, nearest });
        }
        let needed = MIN_RECORDS * RECORD_LEN;
        match sectors.iter().map(|s| s.size).find(|size| *size < needed) {
            Some(size) => Err(LayoutError::SmallSectors { size, needed, noun }),
            None => Ok(()),
        }
    }

    /// A backup slot has room for what the application's slot holds.
    pub fn backup(&self, areas: &[Area]) -> Result<(), LayoutError> {
        let area = |what| areas.iter().find(|a| a.what == what);
        let (Some(runs), Some(backup)) = (area(Use::Application), area(Use::Backup)) else { return Ok(()) };
        if backup.size >= runs.size {
            return Ok(());
        }
        let others = |end: u32, of: &Area| {
            end <= self.run_end(of.base) && areas.iter().all(|a| a.base <= of.base || a.base >= end)
        };
        let ends = |of: &Area, legal: &dyn Fn(u32) -> bool| Nearest {
            sizes_from: Some(of.base),
            ..self.nearest(of.end().into(), |a| a > of.base && others(a, of) && legal(a - of.base), Edge::End)
        };
        let longer = ends(backup, &|size| size >= runs.size);
        let (moves, nearest) = match longer.addresses.is_empty() {
            false => (Use::Backup, longer),
            true => (Use::Application, ends(runs, &|size| size <= backup.size)),
        };
        Err(LayoutError::SmallBackup { backup: backup.size, application: runs.size, moves, nearest })
    }

    /// The sector that has `address` inside, not on its edge.
    fn around(&self, address: u32) -> Option<Sector> {
        self.flash.sector_at(address).filter(|s| s.base != address)
    }

    fn is_start(&self, address: u32) -> bool {
        self.flash.sector_at(address).is_some_and(|s| s.base == address)
    }

    /// The end of the gapless run of sectors around `address`.
    fn run_end(&self, address: u32) -> u32 {
        let mut end = address;
        for sector in self.flash.sectors().filter(|s| s.end() > address) {
            if end > address && sector.base != end {
                break;
            }
            end = sector.end();
        }
        end
    }

    /// The two legal edges nearest to `wanted`: one on each side, or two on one side.
    fn nearest(&self, wanted: u64, legal: impl Fn(u32) -> bool, edge: Edge) -> Nearest {
        let edges: Vec<u32> = self
            .flash
            .sectors()
            .map(|s| if edge == Edge::Start { s.base } else { s.end() })
            .filter(|&a| legal(a))
            .collect();
        let split = edges.partition_point(|&a| u64::from(a) < wanted);
        let first = split.saturating_sub(1).min(edges.len().saturating_sub(2));
        Nearest { addresses: edges.into_iter().skip(first).take(2).collect(), sizes_from: None }
    }
}
