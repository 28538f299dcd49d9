//! A case's name: which scenario, and where the supply fails in it. One line of text replays it.
//!
//! - `backup-update/200:restless:5f/4:after:0`: in scenario `backup-update` the supply fails inside
//!   operation 200, which leaves bits that read differently each time, by seed 0x5f; then, in the start
//!   that follows, after operation 4.
//! - `ab-update/123:torn:5f/update/40:before:0`: after the start that follows a host comes with another
//!   update, and the supply fails once more, in that.
//! - `ab-update/123:once:5f`: the part of the flash that operation 123 works on fails once, in a way that
//!   the seed decides; `always`: for good.
//! - `ab-update/123:ages:5f`: the supply is off before operation 123, or, by the number behind the last one,
//!   after the run, and somewhere in the flash a word has bits that change from then on, with each read or
//!   with each reset.

use anyhow::{Context, Result, bail};
use std::fmt;
use std::str::FromStr;
use surefoot_sim::{Bits, When};

/// How the supply fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct How {
    /// Before, inside or after the operation.
    pub when: When,
    /// What a cut inside leaves.
    pub left: Bits,
}

impl How {
    /// Before the operation.
    pub const BEFORE: Self = Self { when: When::Before, left: Bits::Solid };
    /// Inside it, leaving solid bits.
    pub const TORN: Self = Self { when: When::Inside, left: Bits::Solid };
    /// Inside it, leaving bits that change with each reset.
    pub const DRIFTING: Self = Self { when: When::Inside, left: Bits::Drifting };
    /// Inside it, leaving bits that change with each read.
    pub const RESTLESS: Self = Self { when: When::Inside, left: Bits::Restless };
    /// After it.
    pub const AFTER: Self = Self { when: When::After, left: Bits::Solid };

    const NAMES: [(Self, &'static str); 5] = [
        (Self::BEFORE, "before"),
        (Self::TORN, "torn"),
        (Self::DRIFTING, "drifting"),
        (Self::RESTLESS, "restless"),
        (Self::AFTER, "after"),
    ];
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES.iter().find(|(how, _)| how == self).map_or("?", |(_, name)| name);
        f.write_str(name)
    }
}

/// A cut of the supply in a recorded run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CutAt {
    /// Number of the operation in that run; the first is 1.
    pub operation: usize,
    /// Where in it, and what that leaves.
    pub how: How,
    /// Decides all that is random from there on.
    pub seed: u64,
}

impl fmt::Display for CutAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{:x}", self.operation, self.how, self.seed)
    }
}

/// How flash fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// What an operation works on, once.
    Once,
    /// The same, for good.
    Always,
    /// What stands somewhere, without an operation.
    Ages,
}

impl Fault {
    const NAMES: [(Self, &'static str); 3] =
        [(Self::Once, "once"), (Self::Always, "always"), (Self::Ages, "ages")];
}

/// A part of the flash that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FaultAt {
    /// Number of an operation in a recorded run: what it works on is what fails, or what stands there before it.
    pub operation: usize,
    /// What kind it is.
    pub fault: Fault,
    /// Decides the rest.
    pub seed: u64,
}

impl fmt::Display for FaultAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Fault::NAMES.iter().find(|(fault, _)| *fault == self.fault).map_or("?", |(_, name)| name);
        write!(f, "{}:{name}:{:x}", self.operation, self.seed)
    }
}

/// What happens to the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blow {
    /// The supply fails.
    Cut(CutAt),
    /// Some flash fails.
    Fault(FaultAt),
}

impl fmt::Display for Blow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut(cut) => cut.fmt(f),
            Self::Fault(fault) => fault.fmt(f),
        }
    }
}

impl FromStr for Blow {
    type Err = anyhow::Error;
    fn from_str(text: &str) -> Result<Self> {
        let mut parts = text.split(':');
        let (operation, what, seed) = (parts.next(), parts.next(), parts.next());
        let (Some(operation), Some(what), None) = (operation, what, parts.next()) else {
            bail!("{text:?}: write it as 17:torn:5f");
        };
        let operation =
            operation.parse().with_context(|| format!("{operation:?} is no operation's number"))?;
        let seed =
            seed.map_or(Ok(0), |s| u64::from_str_radix(s, 16)).context("a seed is a hexadecimal number")?;
        if let Some((how, _)) = How::NAMES.iter().find(|(_, name)| *name == what) {
            return Ok(Self::Cut(CutAt { operation, how: *how, seed }));
        }
        match Fault::NAMES.iter().find(|(_, name)| *name == what) {
            Some(&(fault, _)) => Ok(Self::Fault(FaultAt { operation, fault, seed })),
            None => bail!("{what:?} is none of before, torn, drifting, restless, after, once, always, ages"),
        }
    }
}

/// What happens after a cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Second {
    /// In the start after it.
    Start(Blow),
    /// In an update after that start.
    Update(CutAt),
}

/// A case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Case {
    /// The scenario's name.
    pub scenario: String,
    /// What happens in the scenario.
    pub first: Blow,
    /// What happens after that, if it was a cut.
    pub second: Option<Second>,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.scenario, self.first)?;
        match self.second {
            None => Ok(()),
            Some(Second::Start(blow)) => write!(f, "/{blow}"),
            Some(Second::Update(cut)) => write!(f, "/update/{cut}"),
        }
    }
}

impl FromStr for Case {
    type Err = anyhow::Error;
    fn from_str(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        let (scenario, first, update, second) = match parts[..] {
            [scenario, first] => (scenario, first, false, None),
            [scenario, first, second] => (scenario, first, false, Some(second)),
            [scenario, first, "update", second] => (scenario, first, true, Some(second)),
            _ => bail!("{text:?}: write a case as ab-update/17:torn:5f"),
        };
        let (first, second) = (first.parse()?, second.map(str::parse).transpose()?);
        let second = match (first, second) {
            (_, None) => None,
            (Blow::Fault(_), Some(_)) => bail!("{text:?}: a fault has nothing behind it"),
            (_, Some(Blow::Cut(cut))) if update => Some(Second::Update(cut)),
            (_, Some(Blow::Fault(FaultAt { fault: Fault::Ages, .. }))) => {
                bail!("{text:?}: ages stands first")
            }
            (_, Some(Blow::Fault(_))) if update => {
                bail!("{text:?}: in an update after a cut there are only cuts")
            }
            (_, Some(blow)) => Some(Second::Start(blow)),
        };
        Ok(Self { scenario: scenario.to_owned(), first, second })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_read_back_from_its_name() {
        for text in [
            "single-update/1:before:0",
            "ab-update/123:restless:5f/4:after:ffffffffffffffff",
            "ab-update/123:drifting:5f/4:always:7",
            "ab-update/1:once:0",
            "ab-update/1:torn:0/update/7:before:3",
            "ab-update/1:ages:9",
        ] {
            assert_eq!(text.parse::<Case>().expect("a case").to_string(), text);
        }
        assert_eq!("a/7:torn".parse::<Case>().expect("seed 0").to_string(), "a/7:torn:0");
    }

    #[test]
    fn what_is_no_case_is_refused() {
        for text in [
            "",
            "a",
            "a/1",
            "a/1:inside",
            "a/x:torn",
            "a/1:torn:g",
            "a/1:torn:1:1",
            "a/1:torn/2:torn/3:torn",
            "a/1:once/2:torn",
            "a/1:once/update/2:torn",
            "a/1:torn/update/2:once",
            "a/1:torn/update",
            "a/1:torn/start/2:torn",
            "a/1:torn/2:ages",
            "a/1:ages/2:torn",
        ] {
            assert!(text.parse::<Case>().is_err(), "{text}");
        }
    }
}
