//! What `surefoot new` gives somebody who asks for nothing in particular.

use crate::bench::{Bench, application};
use serde_json::{Value, json};

fn text(bench: &Bench, file: &str) -> String {
    std::fs::read_to_string(bench.path(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

#[test]
fn a_new_board_can_go_back_to_its_old_image_and_trusts_two_keys() {
    let bench = Bench::new("new-default");
    let made = bench.ok("new mine");
    assert_eq!((&made["strategy"], &made["journal"]), (&"backup".into(), &true.into()));
    assert_eq!(
        (&made["private_key"], &made["spare_private_key"]),
        (&json!("mine/keys/mine.pem"), &json!("mine/keys/mine-next.pem"))
    );
    assert_eq!(made["public_keys"], json!(["mine/keys/mine.pub.pem", "mine/keys/mine-next.pub.pem"]));
    let layout = bench.ok("layout --board mine/board.toml");
    assert_eq!((&layout["trial_boots"], &layout["warnings"]), (&3.into(), &json!([])));
    let keys = bench.ok("image keys --board mine/board.toml");
    let ids: Vec<&Value> = keys["keys"].as_array().unwrap().iter().map(|key| &key["id"]).collect();
    assert!(ids.len() == 2 && ids[0] != ids[1], "{ids:?}");

    // The second key signs for the same board, and may revoke the first.
    bench.write("app.bin", application(0x0800_C000, 3000));
    let sign = "image sign app.bin --board mine/board.toml --out app.dfu";
    let signed =
        bench.ok(&format!("{sign} --key mine/keys/mine-next.pem --version 1.0.0 --revoke 0 --counter 2"));
    assert_eq!((&signed["checked"], &signed["warnings"]), (&true.into(), &json!([])));
}

#[test]
fn private_keys_and_virtual_boards_stay_out_of_the_repository() {
    let bench = Bench::new("new-git");
    bench.ok("new mine");
    let ignored = text(&bench, "mine/.gitignore");
    for line in ["*.pem", "!*.pub.pem", "*.password", "*.state", "*.state.lock"] {
        assert!(ignored.lines().any(|l| l == line), "{line}: {ignored}");
    }
    // What is there already is kept, and nothing is said twice.
    bench.write("here/.gitignore", "/target");
    bench.ok("new here --folder here --policy crc");
    let ignored = text(&bench, "here/.gitignore");
    assert!(ignored.starts_with("/target\n#") && ignored.contains("\n*.pem\n"), "{ignored}");
    std::fs::remove_file(bench.path("here/board.toml")).unwrap();
    bench.ok("new here --folder here --policy crc");
    assert_eq!(text(&bench, "here/.gitignore"), ignored);
    // Git's own verdict, where there is one.
    let git = |words: &[&str]| {
        std::process::Command::new("git").current_dir(bench.path("mine")).args(words).output()
    };
    if let Ok(out) = git(&["init", "-q"])
        && out.status.success()
    {
        bench.write("mine/board.state", "");
        bench.write("mine/release.password", "");
        let added = git(&["ls-files", "--others", "--exclude-standard"]).unwrap();
        let added = String::from_utf8(added.stdout).unwrap();
        let mut added: Vec<&str> = added.lines().collect();
        added.sort();
        let wanted =
            [".cargo/config.toml", ".gitignore", "board.toml", "keys/mine-next.pub.pem", "keys/mine.pub.pem"];
        assert_eq!(added, wanted);
    }
}

#[test]
fn cargo_run_is_set_up_unless_the_crate_has_a_configuration_of_its_own() {
    let bench = Bench::new("new-cargo");
    bench.ok("new mine");
    let config = text(&bench, "mine/.cargo/config.toml");
    assert!(config.contains("\nrunner = \"surefoot run\"\n") && config.contains("keys/mine.pem"), "{config}");
    // The application's build.rs finds what `layout --out link` writes, wherever cargo is called.
    let memory =
        |file: &str| format!("\nSUREFOOT_MEMORY_X = {{ value = \"link/{file}\", relative = true }}\n");
    assert!(config.contains(&memory("memory.x")), "{config}");
    bench.ok("layout --board mine/board.toml --out mine/link");
    assert!(bench.path("mine/link/memory.x").exists());
    bench.ok("new twice --strategy ab");
    assert!(text(&bench, "twice/.cargo/config.toml").contains(&memory("memory-a.x")));
    bench.write("theirs/.cargo/config.toml", "[build]\n");
    let made = bench.ok("new theirs --folder theirs");
    assert_eq!(text(&bench, "theirs/.cargo/config.toml"), "[build]\n");
    assert!(made["notes"][0].as_str().is_some_and(|n| n.contains("runner = \"surefoot run\"")), "{made:#}");
}

/// The commands of the numbered steps, typed in a shell one after the other.
#[cfg(unix)]
#[test]
fn the_next_steps_work_as_they_are_printed_and_end_in_the_boards_folder() {
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_surefoot")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    for (at, new, key) in [
        ("next-steps", "new mine", "mine.pem"),
        ("next-steps-in", "new mine --folder my/board", "mine.pem"),
        ("next-steps-here", "new mine --folder .", "mine.pem"),
    ] {
        let bench = Bench::new(at);
        let said = bench.raw(new);
        let said = String::from_utf8(said.stdout).unwrap();
        let steps: Vec<&str> = said
            .lines()
            .filter_map(|line| line.trim_start().split_once(". ")?.1.split("      (").next())
            .filter(|step| step.contains("surefoot "))
            .collect();
        assert_eq!(steps.len(), 4, "{said}");
        assert!(steps[2].contains(&format!(" --key keys/{key} ")), "{said}");
        let folder = bench.path(new.split_once("--folder ").map_or("mine", |(_, folder)| folder));
        // Where cargo finds it: SUREFOOT_MEMORY_X of .cargo/config.toml. The application comes from there.
        let script = format!(
            "set -e\n{}\ncp \"$APP\" app.bin\n{}\n{}\npwd -P\n",
            steps[0],
            steps[1],
            steps[2].replace("APP.elf", "app.bin")
        );
        bench.write("app-elsewhere.bin", application(0x0800_C000, 3000));
        let out = std::process::Command::new("sh")
            .args(["-c", &script])
            .current_dir(bench.path("."))
            .env("PATH", &path)
            .env("APP", bench.path("app-elsewhere.bin").canonicalize().unwrap())
            .output()
            .unwrap();
        let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert!(out.status.success(), "{script}\n{stdout}{stderr}");
        assert_eq!(stdout.lines().last().unwrap(), folder.canonicalize().unwrap().to_str().unwrap());
        for file in ["link/memory.x", "bootloader.hex", "app.dfu"] {
            assert!(folder.join(file).exists(), "{file}");
        }
    }
}

#[test]
fn every_example_board_is_an_example_and_a_chip_names_its_boards() {
    let bench = Bench::new("new-examples");
    let table = [
        ("f4-discovery", "STM32F407VG", "backup"),
        ("f4-discovery-ab", "STM32F407VG", "ab"),
        ("f4-discovery-backup", "STM32F407VG", "backup"),
        ("f4-small", "STM32F407VG", "backup"),
        ("blackpill-f411ce", "STM32F411CE", "backup"),
        ("fmu-v2", "STM32F427VI", "backup"),
        ("nucleo-f429zi", "STM32F429ZI", "backup"),
        ("nucleo-f446re", "STM32F446RE", "backup"),
    ];
    for (example, chip, strategy) in table {
        let made = bench.ok(&format!("new {example} --example {example}"));
        let seen = (&made["chip"], &made["strategy"], &made["journal"]);
        assert_eq!(seen, (&chip.into(), &strategy.into(), &true.into()), "{example}");
        let said = made["warnings"].as_array().expect("warnings");
        assert_eq!(said.len(), usize::from(chip.starts_with("STM32F42")), "{example}: {said:?}");
        bench.ok(&format!("layout --board {example}/board.toml"));
    }
    // The pixhawk has no button.
    assert!(text(&bench, "fmu-v2/board.toml").contains("double-tap = \"500 ms\""));
    let made = bench.ok("new pill --chip STM32F411CE");
    assert!(made["notes"][0].as_str().is_some_and(|n| n.contains("--example blackpill-f411ce")), "{made:#}");
    assert!(text(&bench, "pill/board.toml").contains("double-tap = \"500 ms\""), "a bare chip has no button");
}

#[test]
fn where_two_slots_do_not_fit_one_has_a_journal() {
    let bench = Bench::new("new-small-chip");
    let made = bench.ok("new big --chip STM32F401CB --application 60K");
    assert_eq!((&made["strategy"], &made["journal"]), (&"single".into(), &true.into()));
    assert!(
        made["notes"][0].as_str().is_some_and(|n| n.starts_with("one slot, since two do not fit")),
        "{made:#}"
    );
    // Asked for, it is refused instead.
    bench.fails("new other --chip STM32F401CB --application 60K --strategy backup", 3, "layout.impossible");
    bench.fails("new other --no-journal --strategy ab", 2, "new.no-journal");
}

#[test]
fn what_a_board_does_not_keep_is_said_by_everybody_who_prepares_for_it() {
    let bench = Bench::new("new-keeps");
    bench.ok("new mine --folder . --strategy single --no-journal");
    bench.write("app.bin", application(0x0801_0000, 3000));
    let told = |report: &Value, what: &str| {
        let warnings = report["warnings"].as_array().expect("warnings").clone();
        assert!(warnings.iter().any(|w| w.as_str().is_some_and(|w| w.contains(what))), "{what}: {report:#}");
    };
    let shown = |words: &str| String::from_utf8_lossy(&bench.raw(words).stdout).into_owned();
    let sign = "image sign app.bin --key keys/mine.pem --counter 5 --out app.dfu";
    let signed = bench.ok(sign);
    told(&signed, "no journal");
    told(&signed, "counter 5 has no effect");
    told(&bench.ok("bootloader"), "no rollback");
    told(&bench.ok("flash app.dfu --link sim:board.state --dry-run"), "revoked keys");
    // The connected board says so itself, without a file.
    std::fs::rename(bench.path("board.toml"), bench.path("away.toml")).unwrap();
    told(&bench.ok("flash app.dfu --link sim:board.state --dry-run"), "no journal");
    assert!(shown("flash app.dfu --link sim:board.state --dry-run").contains("no trial boots"));
    std::fs::rename(bench.path("away.toml"), bench.path("board.toml")).unwrap();
    for words in [sign, "bootloader"] {
        assert!(shown(words).contains("no journal: the board has no trial boots"), "{words}");
    }

    let file = text(&bench, "board.toml");
    let start = file.find("[button]").expect("a button");
    let end = start + file[start..].find("[boot]").expect("a section behind it");
    bench.write("board.toml", format!("{}{}", &file[..start], &file[end..]));
    for words in ["bootloader", sign, "layout"] {
        told(&bench.ok(words), "no way into update mode");
    }
    bench.write("board.toml", file);
    assert!(!shown("bootloader").contains("no way into update mode"));
}

#[test]
fn a_chip_that_the_bootloader_never_ran_on_is_said_to_be_one() {
    let bench = Bench::new("new-untried");
    let said = |report: &Value| report["warnings"].to_string().contains("has not run on this chip");
    for (chip, base, is_untried) in [("STM32F412CE", 0x0800_4000, true), ("STM32F411CE", 0x0800_4000, false)]
    {
        let made = bench.ok(&format!("new {chip} --chip {chip} --strategy single --no-journal"));
        assert_eq!(said(&made), is_untried, "{made:#}");
        let board = format!("--board {chip}/board.toml");
        assert_eq!(said(&bench.ok(&format!("bootloader {board} --out {chip}.hex"))), is_untried);
        bench.write("app.bin", application(base, 3000));
        bench.ok(&format!("image sign app.bin {board} --key {chip}/keys/{chip}.pem --out app.dfu"));
        for from in [board, format!("--bootloader {chip}.hex")] {
            let merged = bench.ok(&format!("merge app.dfu {from} --out factory.hex"));
            assert_eq!(said(&merged), is_untried, "{merged:#}");
            let text = bench.raw(&format!("merge app.dfu {from} --out factory.hex"));
            let text = String::from_utf8_lossy(&text.stdout).into_owned();
            assert_eq!(text.contains("has not run on this chip"), is_untried, "{text}");
        }
    }
    assert!(!said(&bench.ok("new pill --example blackpill-f411ce")));
}

#[test]
fn keys_of_ones_own_are_taken_in_their_order() {
    let bench = Bench::new("new-keys");
    bench.ok("image keygen a.pem");
    bench.ok("image keygen b.pem");
    let one = bench.ok("new one --key a.pub.pem");
    assert!(one["notes"][0].as_str().is_some_and(|n| n.contains("one key only")), "{one:#}");
    let two = bench.ok("new two --key a.pub.pem --key b.pub.pem");
    assert_eq!(two["public_keys"], json!(["two/keys/two.pub.pem", "two/keys/two-next.pub.pem"]));
    assert_eq!(text(&bench, "two/keys/two-next.pub.pem"), text(&bench, "b.pub.pem"));
    assert_eq!((&two["notes"], &two["private_key"]), (&json!([]), &Value::Null));
    bench.fails("new three --key a.pub.pem --key a.pub.pem", 2, "new.keys");
    assert!(!bench.path("three").exists());
}
