//! The key registers (RM0090 sections 3.6.1 and 3.7.2).

use crate::device::Ctx;
use crate::violation::Kind;

pub(super) const KEYS: [u32; 2] = [0x4567_0123, 0xCDEF_89AB];
pub(super) const OPTION_KEYS: [u32; 2] = [0x0819_2A3B, 0x4C5D_6E7F];

/// A key register's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lock {
    /// So many keys of the sequence were right.
    Locked(u8),
    Open,
    /// A wrong key: locked until the next reset.
    Dead,
}

/// One key of an unlock sequence. RM0090 section 3.6.1: a wrong one returns a bus error and locks
/// the register until the next reset. Chips do so for FLASH_OPTKEYR, too (RM0402 section 3.6.2, whose flash
/// interface is the same).
///
/// A word that is none of the keys is how a program locks it on purpose: no violation, but the bus error.
pub(super) fn key(
    lock: Lock,
    value: u32,
    keys: [u32; 2],
    register: &str,
    section: &'static str,
    ctx: &mut Ctx,
) -> Lock {
    match lock {
        Lock::Locked(n) if keys[usize::from(n)] == value => {
            if n == 0 {
                Lock::Locked(1)
            } else {
                Lock::Open
            }
        }
        Lock::Open => {
            ctx.violation(Kind::Sequence, section, format!("{register} written while unlocked"));
            Lock::Open
        }
        Lock::Locked(0) if !KEYS.contains(&value) && !OPTION_KEYS.contains(&value) => {
            ctx.bus_error();
            Lock::Dead
        }
        Lock::Locked(_) | Lock::Dead => {
            ctx.violation(Kind::Locked, section, format!("wrong key {value:#010x} in {register}"));
            ctx.bus_error();
            Lock::Dead
        }
    }
}
