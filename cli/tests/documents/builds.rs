//! The builds of the bootloader, as the pages tell them, against the table that they are built from.

use crate::pages;
use surefoot_images::{BINARIES, IMAGES};

/// "16,384".
fn with_comma(number: usize) -> String {
    format!("{},{:03}", number / 1000, number % 1000)
}

#[test]
fn the_page_on_board_files_has_each_build_with_its_features_and_its_limit() {
    let page = pages::page("docs/board-file.md");
    let wanted: Vec<Vec<String>> = BINARIES
        .iter()
        .map(|binary| {
            let features: Vec<_> = binary.features.iter().map(|feature| feature.name()).collect();
            let has =
                if features.is_empty() { "USB DFU, CRC-32 and one slot".into() } else { features.join(", ") };
            vec![format!("`{}`", binary.name), has, format!("{} bytes", with_comma(binary.limit as usize))]
        })
        .collect();
    assert_eq!(page.rows("Which build")[1..], wanted);
}

#[test]
fn the_readme_has_the_size_of_each_build_beside_its_limit() {
    let page = pages::page("README.md");
    for (binary, image) in IMAGES {
        let (size, limit) = (with_comma(image.binary.len()), with_comma(binary.limit as usize));
        assert!(
            page.text.contains(&format!("| {size} bytes | {limit} |")),
            "{}: {size}, {limit}",
            binary.name
        );
    }
}
