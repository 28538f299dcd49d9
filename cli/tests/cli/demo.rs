//! The demo, as an installed command tells it.

use std::process::Command;

#[test]
fn the_demo_is_told_anywhere_without_the_repository() {
    let folder = tempfile::tempdir().expect("a folder");
    let demo = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_surefoot"))
            .current_dir(folder.path())
            // What a user has set for his own boards changes nothing.
            .env("SUREFOOT_KEY_PASSWORD", "secret")
            .env("PATH", "")
            .arg("demo")
            .args(arguments)
            .output()
            .expect("it starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    let text = demo(&[]);
    let last = text.lines().last().expect("a line");
    let told = "demo: 6 updates, 4 images refused, 1 power cut survived, 1 update rolled back; ";
    assert!(last.starts_with(told), "{last}");
    assert!(text.contains("$ surefoot image sign blinky-1.0.0.elf"), "{text}");
    let told: serde_json::Value = serde_json::from_str(&demo(&["--json"])).expect("one object");
    assert_eq!((&told["updates"], &told["refused"]), (&6.into(), &4.into()));
    assert_eq!((&told["cuts_survived"], &told["rolled_back"]), (&1.into(), &1.into()));
    assert!(std::fs::read_dir(folder.path()).expect("the folder").next().is_none(), "it leaves nothing here");
}
