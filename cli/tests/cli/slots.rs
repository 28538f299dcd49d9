//! Two slots from outside: which build an update takes, what `info` tells, and what is refused.

use crate::bench::{Bench, application};
use serde_json::Value;
use surefoot_core::config::{Config, FAMILY_F4, Sector, Slot};
use surefoot_core::journal::Journal;
use surefoot_core::port::{Flash, FlashFault, Memory};
use surefoot_core::slot;

const A: Slot = Slot { base: 0x0800_C000, length: 0x7_4000 };
const B: Slot = Slot { base: 0x0808_0000, length: 0x8_0000 };
const FLASH: u32 = 0x0800_0000;
const LINK: &str = "--link sim:board.state";
const HELD: &str = "--link sim:board.state,button";

/// A board with two slots, and applications for both.
fn ready(name: &str) -> Bench {
    let bench = Bench::new(name);
    bench.ok("new mine --folder . --strategy ab");
    for (slot, name) in [(A, "a.bin"), (B, "b.bin")] {
        let mut bytes = application(slot.base, 3000);
        // `wfi`, `b .-2`: it sleeps until the watchdog bites.
        bytes[0x40..0x44].copy_from_slice(&[0x30, 0xBF, 0xFD, 0xE7]);
        bench.write(name, bytes);
    }
    bench
}

/// A version of both builds.
fn sign(bench: &Bench, version: &str, words: &str) {
    for name in ["a", "b"] {
        let out = format!("{name}-{version}.dfu");
        let sign = format!("image sign {name}.bin --key keys/mine.pem --version {version} --out {out}");
        bench.ok(&format!("{sign} {words}"));
    }
}

/// Flashes whichever build fits.
fn flash(bench: &Bench, version: &str) -> Value {
    bench.ok(&format!("flash a-{version}.dfu b-{version}.dfu {HELD}"))
}

/// What the board keeps, changed as an application changes it.
struct Keeps(Vec<u8>);

impl Memory for Keeps {
    fn bytes(&self, address: u32, length: u32) -> Option<&[u8]> {
        let start = address.checked_sub(FLASH)? as usize;
        self.0.get(start..start + length as usize)
    }
}

impl Flash for Keeps {
    fn erase(&mut self, _config: Config, sector: &Sector) -> Result<(), FlashFault> {
        self.0[(sector.base - FLASH) as usize..][..sector.size as usize].fill(0xFF);
        Ok(())
    }

    fn program(&mut self, _config: Config, address: u32, data: &[u8]) -> Result<(), FlashFault> {
        self.0[(address - FLASH) as usize..][..data.len()].copy_from_slice(data);
        Ok(())
    }
}

/// The image on trial confirms itself: with the code of the application library, on the board's state.
fn confirm(bench: &Bench, slot: Slot) {
    let state = std::fs::read(bench.path("board.state")).unwrap();
    let (head, flash) = state.split_at(state.iter().position(|b| *b == b'\n').unwrap() + 1);
    let board = surefoot_board::Board::load(&bench.path("board.toml")).unwrap();
    let block = board.block();
    let config = Config::parse(&block, FAMILY_F4).unwrap();
    let mut flash = Keeps(flash.to_vec());
    let mut journal = Journal::load(config, &flash);
    assert_eq!(slot::confirm(&mut journal, &mut flash, slot), Ok(true));
    bench.write("board.state", [head, &flash.0].concat());
}

fn events(info: &Value) -> Vec<&str> {
    info["state"]["log"].as_array().expect("a log").iter().filter_map(|e| e["event"].as_str()).collect()
}

#[test]
fn a_first_update_goes_to_slot_a_and_is_on_trial() {
    let bench = ready("ab-first");
    sign(&bench, "1.0.0", "--counter 5");
    let info = bench.ok(&format!("info {LINK}"));
    let state = &info["state"];
    assert_eq!(
        (&state["strategy"], &state["trial_boots"], &state["floor"]),
        (&"ab".into(), &3.into(), &0.into())
    );
    for (index, name) in ["slot A", "slot B"].iter().enumerate() {
        let slot = &state["slots"][index];
        assert_eq!(
            (&slot["name"], &slot["content"], &slot["role"]),
            (&(*name).into(), &"erased".into(), &"spare".into())
        );
        assert_eq!(slot["open"], index == 0);
    }
    let dry = bench.ok(&format!("flash b-1.0.0.dfu a-1.0.0.dfu {LINK} --dry-run"));
    assert_eq!((&dry["update"]["file"], &dry["update"]["on_trial"]), (&"a-1.0.0.dfu".into(), &false.into()));
    let done = bench.ok(&format!("flash b-1.0.0.dfu a-1.0.0.dfu {LINK}"));
    let update = &done["update"];
    assert_eq!((&update["file"], &update["slot"]), (&"a-1.0.0.dfu".into(), &"slot A".into()));
    assert_eq!((&update["on_trial"], &update["falls_back_to"]), (&true.into(), &Value::Null));
    assert_eq!(done["board"], "application");
    assert_eq!(done["remarks"], Value::Null, "the bootloader broke no rule of the manual");

    let info = bench.ok(&format!("info {HELD}"));
    let slot = &info["state"]["slots"][0];
    assert_eq!((&slot["role"], &slot["boots"]), (&"trial".into(), &0.125.into()));
    let image = &slot["image"];
    assert_eq!(
        (&image["version"], &image["security_counter"], &image["key"]),
        (&"1.0.0".into(), &5.into(), &0.into())
    );
    assert_eq!(events(&info), ["trial", "installed", "update-begun"], "each state once, newest first");
    assert_eq!(info["state"]["log"][0]["candidate"], image["id"]);
    assert_eq!(
        info["state"]["log"][0]["sequence"], 8,
        "of a state's records the last one; the first state since a reset has three"
    );
    assert_eq!(info["state"]["floor"], 0, "nothing is confirmed yet");
    let short = bench.ok(&format!("info {HELD} --log 1"));
    assert_eq!((events(&short), &short["state"]["log_length"]), (vec!["trial"], &3.into()));
    let text = String::from_utf8_lossy(&bench.raw(&format!("info {HELD} --log 2")).stdout).into_owned();
    for part in [
        "version 1.0.0, counter 5",
        "on trial, 1/8 of 3 boots used (one after power was off counts as 1/8); an update goes here",
        "and 1 older ones",
        "a new image has 3 boots to confirm itself in",
        "| slot B ",
        "| journal ",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn an_update_that_never_confirms_is_rolled_back_and_the_log_tells_it() {
    let bench = ready("ab-back");
    sign(&bench, "1.0.0", "--counter 5");
    sign(&bench, "2.0.0", "--counter 6");
    flash(&bench, "1.0.0");
    confirm(&bench, A);
    let info = bench.ok(&format!("info {HELD}"));
    assert_eq!(
        (&info["state"]["slots"][0]["role"], &info["state"]["floor"]),
        (&"confirmed".into(), &5.into())
    );
    assert_eq!(info["state"]["slots"][1]["open"], true);

    let error = bench.fails(&format!("flash a-2.0.0.dfu {HELD}"), 4, "plan.other-slot");
    for (part, words) in
        [("what", "slot B at 0x08080000"), ("why", "goes back to"), ("remedy", "VECT_TAB_OFFSET = 0x80000")]
    {
        assert!(error[part].as_str().unwrap().contains(words), "{words}: {error:#}");
    }
    let error = bench.fails(&format!("flash a.bin {HELD}"), 4, "plan.other-slot");
    assert!(error["what"].as_str().unwrap().contains("a.bin"), "a BIN by its reset vector: {error:#}");
    bench.fails(&format!("flash a-2.0.0.dfu a-1.0.0.dfu {HELD}"), 4, "plan.none-fits");
    bench.fails(&format!("flash b-2.0.0.dfu b-1.0.0.dfu {HELD}"), 3, "plan.ambiguous");

    let done = flash(&bench, "2.0.0");
    assert_eq!(
        (&done["update"]["slot"], &done["update"]["falls_back_to"]),
        (&"slot B".into(), &"1.0.0".into())
    );
    bench.ok(&format!("verify b-2.0.0.dfu {HELD}"));
    bench.ok(&format!("verify a-1.0.0.dfu {HELD}"));
    // It sleeps and feeds nothing: three boots end by the watchdog.
    let ran = bench.ok("sim run --state board.state --for 200s");
    assert_eq!(ran["in_application"], true, "the old one runs");
    let starts = ran["starts"].as_array().unwrap().iter();
    let starts: Vec<&str> = starts.map(|start| start["bootloader"].as_str().unwrap()).collect();
    let trials = [1, 2, 3].map(|number| format!("trial {number} of 3 of 2.0.0"));
    assert_eq!(starts[..3], trials);
    assert_eq!(starts[3..5], ["2.0.0 was rejected, rolled back to 1.0.0", "started 1.0.0"]);
    let info = bench.ok(&format!("info {HELD}"));
    let slots = &info["state"]["slots"];
    assert_eq!((&slots[0]["role"], &slots[1]["role"]), (&"confirmed".into(), &"rejected".into()));
    assert!(events(&info).contains(&"rejected"), "{:#}", info["state"]["log"]);
    let text = info["state"]["log"].as_array().unwrap().iter().find(|e| e["event"] == "rejected").unwrap();
    assert_eq!(text["detail"], "it did not confirm itself in time");
    assert!(text["reset_cause"].as_u64().unwrap() >> 4 & 1 == 1, "the watchdog's: {text:#}");
    let boot = bench.ok(&format!("boot {HELD}"));
    assert_eq!((&boot["image"]["slot"], &boot["image"]["on_trial"]), (&"slot A".into(), &false.into()));

    let again = bench.ok(&format!("flash b-2.0.0.dfu {HELD} --dry-run"));
    assert_eq!(again["update"]["rejected_before"], true);
}

#[test]
fn a_downgrade_is_refused_before_the_transfer_and_by_the_board_itself() {
    let bench = ready("ab-downgrade");
    sign(&bench, "3.0.0", "--counter 7");
    sign(&bench, "2.0.0", "--counter 6");
    sign(&bench, "2.0.1", "--counter 6 --allow-downgrade");
    sign(&bench, "2.0.2", "--counter 6 --allow-downgrade-on 000000000000000000000001");
    flash(&bench, "3.0.0");
    confirm(&bench, A);
    let error = bench.fails(&format!("flash b-2.0.0.dfu {HELD}"), 4, "image.downgrade");
    assert!(error["remedy"].as_str().unwrap().contains("override"), "{error:#}");
    let both = "security counter is 6, and the board accepts 7 and higher";
    assert!(error["what"].as_str().unwrap().contains(both), "{error:#}");
    bench.fails(&format!("flash b-2.0.2.dfu {HELD}"), 4, "image.downgrade");
    let info = bench.ok(&format!("info {HELD}"));
    assert_eq!(info["state"]["slots"][1]["content"], "erased", "nothing was transferred");
    let error = bench.fails(&format!("flash b-2.0.0.dfu {HELD} --unchecked"), 4, "image.downgrade");
    let what = error["what"].as_str().unwrap();
    assert!(what.starts_with("the board refused the image") && what.contains(both), "{error:#}");
    let info = bench.ok(&format!("info {HELD}"));
    assert_eq!(info["state"]["log"][0]["event"], "refused");
    assert_eq!(info["state"]["slots"][0]["role"], "confirmed");

    // Another chip whose unique id makes the same serial number: told apart by the id, before anything is sent.
    let serial = info["serial"].as_str().unwrap();
    let number = u64::from_str_radix(serial, 16).unwrap();
    let id = [0, (number as u32) << 16, (number >> 16) as u32].map(u32::to_le_bytes).concat();
    let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    sign(&bench, "2.0.3", &format!("--counter 6 --allow-downgrade-on {id}"));
    bench.fails(&format!("flash b-2.0.3.dfu {HELD} --dry-run"), 4, "image.downgrade");
    bench.fails(&format!("flash b-2.0.3.dfu {HELD} --unchecked"), 4, "image.downgrade");

    // The virtual chip's own id (sim/src/chip/mod.rs), and one bit beside it.
    sign(&bench, "2.0.4", "--counter 6 --allow-downgrade-on 250038000e47353139343731");
    bench.fails(&format!("flash b-2.0.4.dfu {HELD} --unchecked"), 4, "image.downgrade");
    sign(&bench, "2.0.5", "--counter 6 --allow-downgrade-on 250038000e47353139343730");
    let flashed = flash(&bench, "2.0.5");
    assert_eq!(
        (&flashed["update"]["on_trial"], &flashed["unproved"]),
        (&true.into(), &serde_json::json!([]))
    );
    // For production's records: which device got which image.
    assert_eq!(
        (&flashed["serial"], &flashed["unique_id"]),
        (&info["serial"], &"250038000e47353139343730".into())
    );
    assert_eq!(flashed["sha256"], bench.ok("image inspect b-2.0.5.dfu")["manifest"]["sha256"]);

    assert_eq!(flash(&bench, "2.0.1")["update"]["on_trial"], true);
    confirm(&bench, B);
    assert_eq!(bench.ok(&format!("info {HELD}"))["state"]["floor"], 7, "an override lowers nothing");
    bench.ok(&format!("read --address 0x08000000 --length 1M -o all.bin {HELD}"));
    assert_eq!(bench.ok("image inspect all.bin --address 0x08000000")["journal"]["floor"], 7);
}

#[test]
fn an_update_without_a_start_says_when_it_is_installed() {
    let bench = ready("ab-stay");
    sign(&bench, "1.0.0", "");
    let text = shown(&bench, &format!("flash a-1.0.0.dfu {LINK} --stay"));
    let next = "installed when the board leaves update mode: `surefoot boot`, or its time-out";
    assert!(text.contains(next), "{text}");
    let text = shown(&bench, &format!("flash a-1.0.0.dfu {HELD}"));
    assert!(!text.contains(next), "{text}");
}

#[test]
fn after_an_update_that_was_cut_short_everything_is_written_anew() {
    let bench = ready("ab-cut");
    sign(&bench, "1.0.0", "");
    // The supply goes off with everything written, and before the board was told to leave.
    let first = bench.ok(&format!("flash a-1.0.0.dfu {LINK} --stay"));
    assert_eq!(
        (&first["update"]["after_a_cut"], &first["update"]["on_trial"]),
        (&false.into(), &false.into())
    );
    let info = bench.ok(&format!("info {HELD}"));
    assert_eq!(info["state"]["update_was_cut"], true);
    let again = bench.ok(&format!("flash a-1.0.0.dfu {HELD}"));
    assert_eq!((&again["update"]["after_a_cut"], &again["erase"]), (&true.into(), &first["erase"]));
    assert_eq!(bench.ok(&format!("info {HELD}"))["state"]["update_was_cut"], false);
}

#[test]
fn an_image_signed_with_a_key_that_was_revoked_is_refused() {
    let bench = Bench::new("ab-revoked");
    bench.ok("new mine --folder . --strategy ab");
    bench.write("a.bin", application(A.base, 3000));
    bench.write("b.bin", application(B.base, 3000));
    bench.ok("image sign a.bin --key keys/mine-next.pem --version 1.0.0 --revoke 0 --out a.dfu");
    bench.ok("image sign b.bin --key keys/mine.pem --version 1.1.0 --out old.dfu");
    bench.ok("image sign b.bin --key keys/mine-next.pem --version 1.1.0 --out new.dfu");
    bench.ok(&format!("flash a.dfu {LINK}"));
    let before = bench.ok(&format!("flash old.dfu a.dfu {HELD} --dry-run"));
    assert_eq!(before["update"]["file"], "a.dfu", "revoked only once it is confirmed: slot A is still open");
    confirm(&bench, A);
    let info = bench.ok(&format!("info {HELD}"));
    assert_eq!(info["state"]["revoked_keys"], serde_json::json!([0]));
    let id = bench.ok("image keys keys/mine.pub.pem")["files"][0]["id"].clone();
    assert_eq!(info["state"]["revoked_key_ids"], serde_json::json!([id]));
    let text = shown(&bench, &format!("info {HELD}"));
    assert!(text.contains(&format!("key 0 ({})", id.as_str().unwrap())), "{text}");
    // So does a dump of its flash, by the journal in it; without the journal only the sealed keys are known.
    bench.ok(&format!("read --address 0x08000000 --length 1M -o all.bin {HELD}"));
    let seen = bench.ok("image inspect all.bin --address 0x08000000");
    assert_eq!(seen["journal"], serde_json::json!({ "floor": 0, "revoked_keys": [0] }));
    let revoked = |seen: &Value| seen["bootloader"]["sealed_for"]["keys"][0]["revoked"].clone();
    assert_eq!((revoked(&seen), &seen["images"][0]["refused"]), (true.into(), &Value::Null));
    let text = shown(&bench, "image inspect all.bin --address 0x08000000");
    assert!(text.contains(&format!("{}, revoked by a confirmed image", id.as_str().unwrap())), "{text}");
    let mut all = std::fs::read(bench.path("all.bin")).unwrap();
    bench.write("part.bin", &all[..0x4000]);
    let seen = bench.ok("image inspect part.bin --address 0x08000000");
    assert_eq!((revoked(&seen), &seen["journal"]), (false.into(), &Value::Null));
    let text = shown(&bench, "image inspect part.bin --address 0x08000000");
    assert!(text.contains("sealed keys; the journal is not in this file"), "{text}");
    // An image of the revoked key in the other slot is judged as the board judges it.
    bench.ok("image sign b.bin --key keys/mine.pem --version 1.1.0 --out old.bin");
    let old = std::fs::read(bench.path("old.bin")).unwrap();
    all[(B.base - FLASH) as usize..][..old.len()].copy_from_slice(&old);
    bench.write("all.bin", &all);
    let out = bench.raw("image inspect all.bin --address 0x08000000 --json");
    let seen: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(
        (out.status.code(), &seen["images"][1]["refused"]),
        (Some(9), &"revoked-key".into()),
        "{seen:#}"
    );
    bench.fails(&format!("flash old.dfu {HELD}"), 4, "image.revoked-key");
    // The board says so itself when the host does not.
    bench.fails(&format!("flash old.dfu {HELD} --unchecked"), 4, "image.revoked-key");
    let info = bench.ok(&format!("info {HELD}"));
    assert_eq!(info["state"]["log"][0]["event"], "refused");
    assert_eq!(info["state"]["slots"][0]["role"], "confirmed", "the image that revoked it still boots");
    assert_eq!(bench.ok(&format!("flash new.dfu {HELD}"))["board"], "application");
}

#[test]
fn a_board_whose_only_image_was_given_up_says_so_when_it_is_told_to_boot() {
    let bench = ready("ab-given-up");
    sign(&bench, "1.0.0", "");
    flash(&bench, "1.0.0");
    let ran = bench.ok("sim run --state board.state --for 200s");
    assert_eq!(ran["in_application"], false);
    bench.fails(&format!("boot {LINK}"), 4, "image.rejected");
    let error = bench.fails(&format!("flash b-1.0.0.dfu {LINK}"), 4, "plan.other-slot");
    assert!(error["remedy"].as_str().unwrap().contains("slot A"), "{error:#}");
    let again = bench.ok(&format!("flash a-1.0.0.dfu {LINK}"));
    assert_eq!(
        (&again["update"]["rejected_before"], &again["update"]["on_trial"]),
        (&true.into(), &true.into())
    );
}

#[test]
fn with_a_backup_slot_the_old_image_is_copied_away_and_back() {
    let bench = Bench::new("backup");
    bench.ok("new mine --folder . --strategy backup");
    for version in ["1.0.0", "2.0.0"] {
        let mut bytes = application(A.base, 3000 + version.len());
        bytes[0x40..0x44].copy_from_slice(&[0x30, 0xBF, 0xFD, 0xE7]);
        bench.write("app.bin", bytes);
        let sign = "image sign app.bin --key keys/mine.pem --counter 1";
        bench.ok(&format!("{sign} --version {version} --out {version}.dfu"));
    }
    let first = bench.ok(&format!("flash 1.0.0.dfu {LINK}"));
    assert_eq!((&first["update"]["slot"], &first["update"]["falls_back_to"]), (&"slot".into(), &Value::Null));
    confirm(&bench, A);
    // Update mode begins with the copy.
    let info = bench.ok(&format!("info {HELD}"));
    let slots = &info["state"]["slots"];
    assert_eq!((&slots[0]["role"], &slots[1]["role"]), (&"confirmed".into(), &"copy".into()));
    assert_eq!((&slots[1]["name"], &slots[1]["open"]), (&"backup slot".into(), &false.into()));
    assert_eq!(events(&info)[..2], ["backed-up", "backed-up"], "begun and done");
    assert_eq!(info["state"]["lacks_backup"], false);

    let second = bench.ok(&format!("flash 2.0.0.dfu {HELD}"));
    assert_eq!(second["update"]["falls_back_to"], "1.0.0");
    let ran = bench.ok("sim run --state board.state --for 200s");
    // Each once, and by its version although the copy back has written over the image.
    let told: Vec<_> = ran["starts"].as_array().unwrap().iter().map(|start| &start["bootloader"]).collect();
    assert!(
        told.contains(&&"2.0.0 was rejected, the old image was copied back, rolled back to 1.0.0".into()),
        "{told:#?}"
    );
    let info = bench.ok(&format!("info {HELD}"));
    let slots = &info["state"]["slots"];
    assert_eq!((&slots[0]["role"], &slots[0]["image"]["version"]), (&"confirmed".into(), &"1.0.0".into()));
    // The board writes the state of the rejection once more before it copies back: no second rejection.
    let since = events(&info).into_iter().take_while(|event| *event != "trial");
    let told: Vec<_> = since.filter(|event| *event != "boot").collect();
    assert_eq!(told, ["restored", "rejected"], "{:#}", info["state"]["log"]);
    // Whoever erases the slot here does not get rid of the image, and is told so.
    let error = bench.fails(&format!("erase {HELD}"), 8, "unconfirmed");
    assert!(
        error["what"]
            .as_str()
            .unwrap()
            .contains("the confirmed image (the board copies the confirmed image back"),
        "{error:#}"
    );
    bench.ok(&format!("erase {HELD} --yes"));
    let ran = bench.ok("sim run --state board.state --for 20s");
    assert_eq!(ran["in_application"], true, "{ran:#}");
}

fn shown(bench: &Bench, words: &str) -> String {
    String::from_utf8_lossy(&bench.raw(words).stdout).into_owned()
}

#[test]
fn info_names_versions_causes_and_what_is_closed() {
    let bench = ready("ab-words");
    sign(&bench, "1.0.0", "--counter 3");
    sign(&bench, "2.0.0", "--counter 4");
    flash(&bench, "1.0.0");
    confirm(&bench, A);
    flash(&bench, "2.0.0");
    let text = shown(&bench, &format!("info {HELD}"));
    for words in [
        "a new image was verified and goes on trial (2.0.0) [reset by: power-on]",
        "an image on trial was started (1.0.0) [reset by: power-on]",
        "the image on trial confirmed itself (1.0.0)",
        "images with a security counter below 3 are refused",
        "revoked keys      none",
        "| bootloader   |     16K | 1 sector       | read  ",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(!text.contains("brown-out,") && !text.contains("unknown"), "{text}");
    let info = bench.ok(&format!("info {HELD}"));
    let row = |label: &str| {
        let rows = info["map"].as_array().unwrap().clone();
        rows.into_iter().find(|row| row["label"] == label).unwrap_or_else(|| panic!("no {label}: {info:#}"))
    };
    assert_eq!(
        (&row("slot A")["access"], &row("slot B")["access"]),
        (&"read".into(), &"read, erase, write".into())
    );
    let newest = &info["state"]["log"][0];
    assert_eq!((&newest["event"], &newest["version"]), (&"trial".into(), &"2.0.0".into()), "{newest:#}");

    // What is erased is named, and the confirmed image is kept with a reason.
    let text = shown(&bench, &format!("erase --dry-run {HELD}"));
    assert!(text.contains("slot B with version 2.0.0, the image on trial"), "{text}");
    let error =
        bench.fails(&format!("erase --yes --address 0x0800C000 --length 16K {HELD}"), 3, "erase.not-offered");
    let (why, remedy) = (error["why"].as_str().unwrap(), error["remedy"].as_str().unwrap());
    assert!(
        why.contains("slot A keeps the image that the board goes back to, the confirmed image"),
        "{error:#}"
    );
    assert!(remedy.contains("becomes free once it is confirmed") && remedy.contains("slot B"), "{error:#}");
    let error =
        bench.fails(&format!("erase --yes --address 0x08004000 --length 16K {HELD}"), 3, "erase.not-offered");
    assert!(error["why"].as_str().unwrap().contains("journal"), "{error:#}");
    let erased = bench.ok(&format!("erase --yes {HELD}"));
    assert_eq!(erased["slot"], serde_json::json!({ "name": "slot B", "version": "2.0.0" }));
    assert!(shown(&bench, &format!("erase --dry-run {HELD}")).contains("slot B, which is erased"));
}
