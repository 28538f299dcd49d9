//! The layout solver: its answers for every F4, that they are legal, and that nothing better exists.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use surefoot_board::Board;
use surefoot_board::layout::{Layout, Request, Span, Use};
use surefoot_board::solve::file::{Sheet, instead};
use surefoot_board::solve::{Impossible, Plan, Task, effort, solve, words};
use surefoot_chips::{Banks, Chip, Flash, Sector, Timing, find};
use surefoot_core::config::{Config, FAMILY_F4, Policy, Strategy};

const STRATEGIES: [Strategy; 3] = [Strategy::Single, Strategy::Backup, Strategy::Ab];

/// Set to write the table anew: SUREFOOT_ANSWERS=write cargo test -p surefoot-board --test solver
const WRITE: &str = "SUREFOOT_ANSWERS";

/// Figures at 2.7 V to 3.6 V.
fn timing(chip: &Chip) -> &'static Timing {
    chip.timing(4).expect("figures for words")
}

/// The names of chips that are alike, one of them, and how its flash is arranged.
type Arrangement = (Vec<&'static str>, Chip, Option<Banks>);

/// Every arrangement of the flash of every F4.
fn arrangements() -> Vec<Arrangement> {
    let mut known: BTreeMap<(u32, String), Arrangement> = BTreeMap::new();
    for chip in surefoot_chips::all().filter(|c| c.family == "STM32F4") {
        for flash in chip.flash.clone() {
            let banks = (flash != *chip.default_flash()).then_some(flash.banks);
            let key = (flash.size(), format!("{} {banks:?}", show(&flash)));
            known.entry(key).or_insert_with(|| (Vec::new(), chip.clone(), banks)).0.push(chip.name);
        }
    }
    known.into_values().collect()
}

/// "4x16K 1x64K 7x128K".
fn show(flash: &Flash) -> String {
    let group = |g: &surefoot_chips::SectorGroup| format!("{}x{}K", g.count, g.sector_size / 1024);
    let mut text = String::new();
    for (i, g) in flash.groups.iter().enumerate() {
        let bank = i > 0 && flash.groups[i - 1].bank != g.bank;
        let _ = write!(
            text,
            "{}{}",
            if i == 0 {
                ""
            } else if bank {
                " | "
            } else {
                " "
            },
            group(g)
        );
    }
    text
}

fn flash_of(chip: &Chip, banks: Option<Banks>) -> &Flash {
    banks.map_or(chip.default_flash(), |b| chip.flash_with(b).expect("an arrangement"))
}

fn solved(chip: &Chip, task: &Task) -> Plan {
    solve(chip, task, Some(timing(chip))).unwrap_or_else(|e| panic!("{} {task:?}: {e}", chip.name))
}

/// One answer as lines of the table.
fn answer(chip: &Chip, task: &Task) -> String {
    let name = words::strategy(task.strategy);
    let plan = match solve(chip, task, Some(timing(chip))) {
        Ok(plan) => plan,
        Err(error) => return format!("  {name:<7} {error}\n"),
    };
    let mut text = format!("  {name:<7} application {} bytes\n", plan.room());
    for row in plan.layout.map() {
        let _ = writeln!(
            text,
            "          0x{:08X} {:>7} bytes {:<11} {}",
            row.base, row.size, row.label, row.sectors
        );
    }
    for (label, value) in effort::effort(&plan, timing(chip), 3).lines() {
        let _ = writeln!(text, "          {label}: {value}");
    }
    text.replace("          : ", "          ")
}

fn table() -> String {
    let mut text = String::from(
        "The layout solver's answers for every STM32F4: bootloader of 16K, a journal, the biggest application,\n\
         times at 2.7 V to 3.6 V, three trial boots. Written by `SUREFOOT_ANSWERS=write cargo test -p\n\
         surefoot-board --test solver`; the test compares it byte by byte. The F410 has no USB, so no\n\
         bootloader either; its flash is solved like the others.\n",
    );
    for (names, chip, banks) in arrangements() {
        let flash = flash_of(&chip, banks);
        let set = match banks {
            Some(Banks::Dual) => ", dual-bank = true",
            Some(Banks::Single) => ", dual-bank = false",
            None => "",
        };
        let _ = write!(text, "\n{}K: {}{set}\n", flash.size() / 1024, show(flash));
        for line in names.chunks(8) {
            let _ = writeln!(text, "  {}", line.join(" "));
        }
        for strategy in STRATEGIES {
            text.push_str(&answer(&chip, &Task { banks, ..Task::new(strategy) }));
        }
    }
    text
}

#[test]
fn the_answers_for_every_f4_are_the_ones_in_the_table() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/answers.txt");
    let table = table();
    if std::env::var(WRITE).is_ok_and(|v| v == "write") {
        std::fs::write(&path, &table).expect("tests/answers.txt");
    }
    let committed = std::fs::read_to_string(&path).expect("tests/answers.txt");
    let differs = committed.lines().zip(table.lines()).find(|(old, new)| old != new);
    assert!(committed == table, "{differs:?}; if it is meant, {WRITE}=write writes the table");
    for chip in surefoot_chips::all().filter(|c| c.family == "STM32F4") {
        assert!(table.split_whitespace().any(|word| word == chip.name), "{} is in the table", chip.name);
    }
}

/// What counts, in this order: more room, no slot over both banks, less taken.
type Worth = (u32, i32, i64);

/// A candidate of the brute force: sector numbers from, to.
type Runs = [Option<(usize, usize)>; 3];

fn bytes(sectors: &[Sector], run: (usize, usize)) -> u32 {
    (run.0..run.1).map(|i| sectors[i].size).sum()
}

/// Journal, slot 0, slot 1.
fn worth(sectors: &[Sector], runs: &Runs) -> Worth {
    let slots = || runs[1..].iter().flatten();
    let bank = |i: usize| sectors[i].bank;
    let over = slots().filter(|r| bank(r.0) != bank(r.1 - 1)).count() as i32;
    let taken: i64 = runs.iter().flatten().map(|r| i64::from(bytes(sectors, *r))).sum();
    (slots().map(|r| bytes(sectors, *r)).min().unwrap_or(0), -over, -taken)
}

/// Regions of the flash map: a change of size, of owner, of numbering begins a new one.
fn regions(sectors: &[Sector], runs: &Runs) -> usize {
    let whose = |i: usize| runs.iter().position(|r| r.is_some_and(|(from, to)| (from..to).contains(&i)));
    let changes = (1..sectors.len()).filter(|&i| {
        whose(i) != whose(i - 1)
            || sectors[i].size != sectors[i - 1].size
            || sectors[i].number != sectors[i - 1].number + 1
    });
    1 + changes.count()
}

/// Calls `each` with every journal of two neighbours and every one or two slots behind the bootloader.
fn every_arrangement(sectors: &[Sector], first: usize, strategy: Strategy, mut each: impl FnMut(Runs)) {
    let n = sectors.len();
    let all: Vec<(usize, usize)> =
        (first..n).flat_map(|from| (from + 1..=n).map(move |to| (from, to))).collect();
    let apart = |a: (usize, usize), b: (usize, usize)| a.1 <= b.0 || b.1 <= a.0;
    for journal in (first..n.saturating_sub(1)).map(|j| (j, j + 2)) {
        for &a in all.iter().filter(|a| apart(**a, journal)) {
            if strategy == Strategy::Single {
                each([Some(journal), Some(a), None]);
                continue;
            }
            for &b in all.iter().filter(|b| apart(**b, journal) && apart(**b, a)) {
                let fits = strategy == Strategy::Ab || bytes(sectors, b) >= bytes(sectors, a);
                if fits {
                    each([Some(journal), Some(a), Some(b)]);
                }
            }
        }
    }
}

fn runs_of(plan: &Plan, sectors: &[Sector]) -> Runs {
    let run = |what: Use| {
        let area = plan.layout.area(what)?;
        let inside = |s: &Sector| (area.base..area.end()).contains(&s.base);
        let from = sectors.iter().position(inside)?;
        Some((from, from + sectors.iter().filter(|s| inside(s)).count()))
    };
    [run(Use::Journal), run(Use::Application), run(Use::Second).or(run(Use::Backup))]
}

#[test]
fn every_answer_is_legal_and_no_other_arrangement_of_sectors_is_better() {
    for (_, chip, banks) in arrangements() {
        let sectors: Vec<Sector> = flash_of(&chip, banks).sectors().collect();
        // Sectors of 16K, 64K, 128K.
        let bootloaders = [(16, 1), (20, 2), (48, 3), (64, 4), (65, 5), (256, 6)];
        for (strategy, (kib, first)) in STRATEGIES.into_iter().flat_map(|s| bootloaders.map(|b| (s, b))) {
            let task = Task { banks, bootloader: kib * 1024, ..Task::new(strategy) };
            let what = format!("{} {banks:?} {strategy:?} bootloader {kib}K", chip.name);
            let mut best: Option<(Worth, Runs)> = None;
            every_arrangement(&sectors, first, strategy, |runs| {
                let worth = worth(&sectors, &runs);
                if best.is_none_or(|(known, _)| worth > known) && regions(&sectors, &runs) <= 8 {
                    best = Some((worth, runs));
                }
            });
            // The order of preference holds without flash times, and for a small application, too.
            let small = Task { application: Some(1000), ..task };
            for (task, timing) in [(task, Some(timing(&chip))), (task, None), (small, Some(timing(&chip)))] {
                match (solve(&chip, &task, timing), best) {
                    (Ok(plan), Some((best, runs))) => {
                        assert_eq!(Layout::check(&chip, &plan.request).as_ref(), Ok(&plan.layout), "{what}");
                        let found = runs_of(&plan, &sectors);
                        assert_eq!(worth(&sectors, &found), best, "{what}: {found:?} or {runs:?}");
                        assert_eq!(plan.capacity, best.0, "{what}");
                        assert!(regions(&sectors, &found) <= 8, "{what}");
                    }
                    (Err(Impossible::NoSectors { .. }), None) => {}
                    (answer, best) => panic!("{what}: {answer:?} but {best:?}"),
                }
            }
        }
    }
}

#[test]
fn the_answers_for_the_parts_people_use() {
    let open = |base: u32, kib: u32| Span { base, size: Some(kib * 1024) };
    for (chip, banks, journal, a, b) in [
        ("STM32F401CC", None, 0x0800_4000, open(0x0800_C000, 80), open(0x0802_0000, 128)),
        ("STM32F401CE", None, 0x0800_4000, open(0x0800_C000, 208), open(0x0804_0000, 256)),
        ("STM32F407VG", None, 0x0800_4000, open(0x0800_C000, 464), open(0x0808_0000, 512)),
        ("STM32F411CE", None, 0x0800_4000, open(0x0800_C000, 208), open(0x0804_0000, 256)),
        ("STM32F446RE", None, 0x0800_4000, open(0x0800_C000, 208), open(0x0804_0000, 256)),
        // Two banks: the journal in the second one leaves the slots nearly equal, one in each.
        ("STM32F427VI", None, 0x0810_0000, open(0x0800_8000, 992), open(0x0810_8000, 992)),
        ("STM32F427VG", Some(Banks::Dual), 0x0808_0000, open(0x0800_8000, 480), open(0x0808_8000, 480)),
    ] {
        let chip = find(chip).expect(chip);
        let plan = solved(&chip, &Task { banks, ..Task::new(Strategy::Ab) });
        let request =
            Request { banks, journal: Some(open(journal, 32)), second: Some(b), ..Request::new(0x4000, a) };
        assert_eq!(plan.request, request, "{}", chip.name);
        assert_eq!(plan.room(), a.size.min(b.size).expect("a size") - 192, "{}", chip.name);
    }
}

#[test]
fn what_fits_exactly_is_taken_and_one_byte_more_is_refused() {
    for strategy in STRATEGIES {
        let chip = find("STM32F411CE").expect("a chip");
        let most = solved(&chip, &Task::new(strategy)).room();
        let with =
            |application| solve(&chip, &Task { application, ..Task::new(strategy) }, Some(timing(&chip)));
        assert!(with(Some(most)).is_ok() && with(Some(1)).is_ok() && with(Some(0)).is_ok(), "{strategy:?}");
        for more in [most + 1, 512 * 1024, u32::MAX] {
            let Err(Impossible::TooBig { best }) = with(Some(more)) else { panic!("{strategy:?} {more}") };
            assert_eq!(best.room(), most, "{strategy:?}");
        }
    }
}

#[test]
fn a_proof_that_nothing_fits_says_where_the_flash_goes() {
    let k = |kib: u32| Some(kib * 1024);
    for (chip, task, message) in [
        (
            "STM32F401CE",
            Task { application: k(300), ..Task::new(Strategy::Ab) },
            "the application needs 300K and 192 bytes for its manifest in each of two slots; of 512K, 48K go to the \
             bootloader and the journal (sectors 0-2), and the sectors left, which cannot be divided, split at best \
             into 208K (sectors 3-5) and 256K (sectors 6-7): the application can have 212800 bytes at most",
        ),
        (
            "STM32F427VI",
            Task { application: k(992), ..Task::new(Strategy::Backup) },
            "the application needs 992K and 192 bytes for its manifest in its slot and in the backup slot; of 2M, 48K \
             go to the bootloader and the journal (sectors 0, 12-13), and the sectors left, which cannot be divided, \
             split at best into 992K (sectors 2-11) and 992K (sectors 14-23): the application can have 1015616 bytes \
             at most",
        ),
        (
            "STM32F407VG",
            Task { application: k(1024), journal: false, ..Task::new(Strategy::Single) },
            "the application needs 1M and 192 bytes for its manifest; of 1M, 16K goes to the bootloader (sector 0), \
             and the longest run of sectors left is 1008K (sectors 1-11): the application can have 1032000 bytes at \
             most",
        ),
        (
            "STM32F401CB",
            Task { bootloader: 64 * 1024, ..Task::new(Strategy::Ab) },
            "the bootloader takes 64K of 128K (4 sectors), and 1 sector left cannot hold a journal of two and two slots",
        ),
        (
            "STM32F401CB",
            Task { bootloader: u32::MAX, ..Task::new(Strategy::Single) },
            "the bootloader takes 128K of 128K (5 sectors), and 0 sectors left cannot hold a journal of two and an \
             application",
        ),
        (
            "STM32F407VG",
            Task { banks: Some(Banks::Dual), ..Task::new(Strategy::Ab) },
            "STM32F407VG has no dual-bank arrangement of its flash; leave `dual-bank` out",
        ),
    ] {
        let chip = find(chip).expect(chip);
        let error = solve(&chip, &task, Some(timing(&chip))).expect_err(message);
        assert_eq!(error.to_string(), message);
    }
}

/// By hand, from DS8626's figures for words: 16 us typically and 100 us at most for each, 250/500 ms for
/// 16K, 550/1100 ms for 64K, 1000/2000 ms for 128K.
#[test]
fn times_and_erases_of_an_update_are_the_data_sheets() {
    let chip = find("STM32F407VG").expect("a chip");
    let took = |typical, max| effort::Took { typical, max };
    let application = Some(120 * 1024 - 192);
    let of = |strategy| {
        let plan = solved(&chip, &Task { application, ..Task::new(strategy) });
        effort::effort(&plan, timing(&chip), 3)
    };
    // Words of 120K: 30,720, so 491.52 ms and 3,072 ms. Records: 7 states, 21 records of 8 words, 2.7 and
    // 16.8 ms; one erase of a journal's sector, 250 and 500 ms.
    let ab = of(Strategy::Ab);
    // Slot A: sectors 3, 4 and 5 are 208K, 1800 and 3600 ms.
    assert_eq!(ab.image, 120 * 1024);
    assert_eq!(ab.update, took(1800 + 250 + 495, 3600 + 500 + 3089));
    assert_eq!(ab.erased, [(Use::Application, 3), (Use::Second, 1)]);
    assert_eq!((ab.way_back, ab.copy), (Some(took(0, 0)), None));
    assert_eq!((ab.updates_per_erase, ab.journal_updates), (2, Some(1024 / 21)));
    let single = of(Strategy::Single);
    // Sectors 3 to 5 here, too.
    assert_eq!((single.update, single.way_back), (ab.update, None));
    assert_eq!((single.updates_per_erase, single.erased), (1, vec![(Use::Application, 3)]));
    // The copy: four sectors of 128K, 464K of words (118,784: 1,900.544 and 11,878.4 ms). Nine states.
    let backup = of(Strategy::Backup);
    assert_eq!(backup.copy, Some(took(4000 + 1901, 8000 + 11_879)));
    assert_eq!(backup.update, took(4000 + 1800 + 250 + 2396, 8000 + 3600 + 500 + 14_972));
    assert_eq!(backup.erased, [(Use::Application, 3), (Use::Backup, 4)]);
    // Back: sectors 3 to 7 and the same words.
    assert_eq!(backup.way_back, Some(took(250 + 550 + 3000 + 1901, 500 + 1100 + 6000 + 11_879)));
    assert_eq!((backup.updates_per_erase, backup.journal_updates), (1, Some(1024 / 27)));
}

#[test]
fn a_byte_at_a_time_takes_four_times_the_words() {
    let chip = find("STM32F407VG").expect("a chip");
    let plan = solved(&chip, &Task::new(Strategy::Ab));
    let by = |unit| effort::effort(&plan, chip.timing(unit).expect("figures"), 3).update.max;
    assert!(by(1) > by(2) && by(2) > by(4));
    // 464K of bytes: 47.5 s of programming, sectors 3-7 or 8-11 for 16 s.
    assert_eq!(by(1) / 1000, (475_136 * 100 / 1000 + 4 * 4000 + 800) / 1000);
}

#[test]
fn a_journal_of_two_sectors_apart_would_win_nothing() {
    for (_, chip, banks) in arrangements() {
        let sectors: Vec<Sector> = flash_of(&chip, banks).sectors().collect();
        let n = sectors.len();
        for strategy in STRATEGIES {
            let task = Task { banks, ..Task::new(strategy) };
            let Ok(plan) = solve(&chip, &task, None) else { continue };
            let mut most = 0;
            for (i, j) in (1..n).flat_map(|i| (i + 1..n).map(move |j| (i, j))) {
                let free = |run: (usize, usize)| ![i, j].iter().any(|s| (run.0..run.1).contains(s));
                let runs: Vec<(usize, usize)> = (1..n)
                    .flat_map(|from| (from + 1..=n).map(move |to| (from, to)))
                    .filter(|run| free(*run))
                    .collect();
                for &a in &runs {
                    let others = runs.iter().filter(|b| a.1 <= b.0 || b.1 <= a.0);
                    let other = others.map(|b| bytes(&sectors, *b)).max().unwrap_or(0);
                    most = most.max(match strategy {
                        Strategy::Single => bytes(&sectors, a),
                        _ => bytes(&sectors, a).min(other),
                    });
                }
            }
            assert_eq!(plan.capacity, most, "{} {banks:?} {strategy:?}", chip.name);
        }
    }
}

#[test]
fn every_answer_makes_a_board_file_whose_block_has_the_same_slots() {
    for (_, chip, banks) in arrangements().into_iter().filter(|(_, c, _)| c.binary_family.is_some()) {
        for (strategy, journal) in
            STRATEGIES.map(|s| (s, true)).into_iter().chain([(Strategy::Single, false)])
        {
            let plan = solved(&chip, &Task { banks, journal, ..Task::new(strategy) });
            for (supply, hse) in [(3, Some(8_000_000)), (0, None), (2, Some(25_000_000))] {
                let supply = &chip.supplies[supply];
                let sheet = Sheet { name: "probe", chip: &chip, supply, hse, policy: Policy::Crc, keys: &[] };
                let text = plan.board_file(&sheet);
                let what = format!("{} {banks:?} {strategy:?} {hse:?}", chip.name);
                let board =
                    Board::parse(&text, ".".as_ref()).unwrap_or_else(|e| panic!("{what}: {e}\n{text}"));
                assert_eq!(board.layout, plan.layout, "{what}");
                assert_eq!((board.strategy, board.has_journal()), (strategy, journal), "{what}");
                let block = board.block();
                let config = Config::parse(&block, FAMILY_F4).expect(&what);
                let slots: Vec<u32> = config.slots().map(|s| s.length).collect();
                assert_eq!(slots.iter().min(), Some(&plan.capacity), "{what}");
                assert_eq!(config.trial_boots(), if journal { 3 } else { 0 }, "{what}");
            }
        }
    }
}

#[test]
fn the_clock_of_a_new_board_file_is_the_fastest_that_goes_with_usb() {
    for (chip, hse, sysclk) in [
        ("STM32F407VG", Some(8_000_000), "168 MHz"),
        ("STM32F411CE", Some(25_000_000), "96 MHz"),
        ("STM32F401CE", Some(25_000_000), "84 MHz"),
        ("STM32F446RE", None, "168 MHz"),
    ] {
        let chip = find(chip).expect(chip);
        let supply = &chip.supplies[3];
        let sheet = Sheet { name: "probe", chip: &chip, supply, hse, policy: Policy::Crc, keys: &[] };
        let text = solved(&chip, &Task::new(Strategy::Single)).board_file(&sheet);
        assert!(text.contains(&format!("sysclk = \"{sysclk}\"")), "{}: {text}", chip.name);
    }
}

#[test]
fn what_would_do_instead_is_named() {
    for (chip, application, strategy, ways) in [
        ("STM32F401CC", 120, Strategy::Ab, vec!["strategy \"single\"", "STM32F401CD with the same pins"]),
        ("STM32F401CC", 200, Strategy::Ab, vec!["strategy \"single\"", "STM32F401CE with the same pins"]),
        ("STM32F407VG", 500, Strategy::Ab, vec!["strategy \"single\""]),
        ("STM32F407VE", 500, Strategy::Single, vec!["STM32F407VG with the same pins"]),
        ("STM32F407VG", 2000, Strategy::Backup, vec![]),
    ] {
        let task = Task { application: Some(application * 1024), ..Task::new(strategy) };
        let chip = find(chip).expect(chip);
        assert!(solve(&chip, &task, None).is_err(), "{}", chip.name);
        assert_eq!(instead(&chip, &task), ways, "{} {application}K", chip.name);
    }
}
