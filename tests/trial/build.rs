//! Links the program for the slot that `TRIAL_SLOT` names, an address.

fn main() {
    println!("cargo::rerun-if-changed=trial.ld");
    println!("cargo::rerun-if-env-changed=TRIAL_SLOT");
    let slot = std::env::var("TRIAL_SLOT").unwrap_or_else(|_| "0x08010000".into());
    println!("cargo::rustc-link-arg-bins=-Ttrial.ld");
    println!("cargo::rustc-link-arg-bins=--defsym=SLOT={slot}");
    println!("cargo::rustc-link-arg-bins=--nmagic");
}
