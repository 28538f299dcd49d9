//! Flash that is at fault once: a sector, a unit or a bit that does at the next try what it should.
//!
//! What may not come of it: a start that ends in update mode although the confirmed image can be
//! copied back.

use super::board::{Board, Kind, Started, cause};
use super::family::{FAMILIES, Family, SMALLEST};
use super::scenario::{self, Act};
use surefoot_core::config::{Policy, Strategy};

/// A board after these acts, with power on.
fn after(family: &'static Family, strategy: Strategy, acts: &[Act]) -> Board {
    let mut board = Board::new(Kind::new(family, strategy, Policy::Crc));
    scenario::act(&mut board, acts);
    assert!(board.broken.is_empty(), "{:?}", board.broken);
    board.power_on(None, 1);
    board
}

/// A board whose confirmed image is in its backup slot only.
fn overwritten(family: &'static Family) -> Board {
    after(family, Strategy::Backup, &[Act::Update("old"), Act::Rest, Act::Broken("new")])
}

/// The start ends in this image.
fn starts(board: &mut Board, name: &str, case: &str) {
    let started = board.boot(cause::PIN);
    assert!(board.broken.is_empty(), "{case}: {:?}", board.broken);
    let runs = matches!(started, Started::Image(i) if board.kind.images[i].recipe().name == name);
    assert!(runs, "{case}: {started:?}");
}

/// Addresses of all that tells an image's id in this slot, and of some of its code.
fn addresses(board: &Board, slot: usize) -> impl Iterator<Item = u32> + use<> {
    let base = board.kind.family.slot(slot).base;
    let manifest = base + board.kind.family.body;
    (base..base + 0x2C).chain((base + 0x2C..manifest).step_by(16)).chain(manifest..manifest + 0xC0)
}

/// Runs `act` on copies of the board with a misread of each of these addresses, at its first read, at
/// its second, and so on until there are no more reads of it. The number of misreads.
fn misread(board: &Board, slots: &[usize], mut act: impl FnMut(&mut Board, &str)) -> usize {
    let mut misreads = 0;
    for address in slots.iter().flat_map(|slot| addresses(board, *slot)) {
        for read in 0..u128::BITS {
            let mut board = board.clone();
            board.flash.slip(address, 1 << (address % 8), 1 << read);
            act(&mut board, &format!("{address:x} read wrong after {read} reads"));
            if !board.flash.has_slipped() {
                break;
            }
            misreads += 1;
            assert!(read + 1 < u128::BITS, "more reads than can be tried");
        }
    }
    misreads
}

#[test]
fn an_operation_that_fails_once_while_the_backup_is_copied_back_does_not_keep_it_from_running() {
    let start = overwritten(&FAMILIES[0]);
    let mut whole = start.clone();
    starts(&mut whole, "old", "without a fault");
    let sectors = whole.flash.done.iter().filter(|operation| operation.erase).count();
    assert!(sectors == 2 && whole.flash.done.len() > 100, "nothing was copied");
    for operation in &whole.flash.done {
        let mut board = start.clone();
        board.flash.passing = true;
        let place = if operation.erase { &mut board.flash.stuck_sector } else { &mut board.flash.stuck_unit };
        *place = Some(operation.address);
        starts(&mut board, "old", &format!("{operation:x?} fails once"));
        starts(&mut board, "old", &format!("the start after {operation:x?} failed once"));
    }
}

#[test]
fn a_bit_that_reads_wrong_once_while_the_backup_is_copied_back_does_not_keep_it_from_running() {
    let start = overwritten(&SMALLEST);
    let misreads = misread(&start, &[0, 1], |board, case| starts(board, "old", case));
    assert!(misreads > 2000, "{misreads} misreads");
}
