//! Skipped instructions on the shipped binary.

use surefoot_images::F4_FULL;
use surefoot_tests::glitch::{self, Effort, Options};

/// The first look at an image compares its digest byte by byte, and nothing looks a second time yet: a skip at
/// the end of the comparison boots a changed body, which has to be seen.
#[test]
fn a_skipped_end_of_the_comparison_boots_a_changed_body_and_is_seen() {
    let bcmp = glitch::functions(F4_FULL, |name| name == "bcmp").expect("an ELF file");
    let [range] = &bcmp[..] else { panic!("not one comparison of bytes: {bcmp:x?}") };
    let addresses = Some(range.clone());
    let sample = Options::sample(0, "plain-body-boot");
    let options = Options { effort: Effort::Full, addresses, always: true, ..sample };
    let all = glitch::sum(&glitch::run(&options, 1, &|_| {}).expect("runs"));
    assert!(all.skips >= 6, "{} skips", all.skips);
    assert!((1..all.skips).contains(&all.booted), "{} of {} boot", all.booted, all.skips);
}

#[test]
fn each_refusal_has_a_name_of_its_own() {
    let mut names: Vec<String> = glitch::refusals::all().iter().map(|refusal| refusal.name()).collect();
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count);
}
