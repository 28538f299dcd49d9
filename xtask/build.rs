//! Tells which machine this is built on.

fn main() {
    println!("cargo::rustc-env=SUREFOOT_HOST={}", std::env::var("TARGET").expect("cargo sets TARGET"));
    println!("cargo::rerun-if-changed=build.rs");
}
