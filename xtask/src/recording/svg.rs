//! Screens of a terminal as one animated SVG file, without a script, so that it plays wherever pictures are shown.
//!
//! The frames lie one above the other on a strip that a CSS animation moves past a window. A row that several
//! frames show is drawn once and referred to.

use std::collections::HashMap;
use std::fmt::Write;
use vt100::{Color, Screen};

/// A screen: its rows as SVG text without a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    rows: Vec<String>,
    columns: u16,
}

/// Size of a character cell in the picture's units.
const CELL: (f64, f64) = (8.4, 18.0);
const MARGIN: f64 = 16.0;
/// Height of the bar with the command's name.
const TITLE: f64 = 32.0;
const TEXT: &str = "#e6edf3";

impl Frame {
    pub fn of(screen: &Screen) -> Self {
        let (rows, columns) = screen.size();
        let (rows, columns) = (rows.get(), columns.get());
        Self { rows: (0..rows).map(|row| line(screen, row, columns)).collect(), columns }
    }
}

/// One row: a `tspan` for each run of cells that look alike.
fn line(screen: &Screen, row: u16, columns: u16) -> String {
    let mut runs: Vec<(String, u16, String)> = Vec::new();
    for column in 0..columns {
        let Some(cell) = screen.cell(row, column) else { continue };
        if cell.contents().trim().is_empty() && runs.last().is_none_or(|run| run.0.is_empty()) {
            if runs.last().is_none() {
                runs.push((String::new(), column, String::new()));
            }
            if let Some(run) = runs.last_mut() {
                run.2.push(' ');
            }
            continue;
        }
        let style = style(cell);
        let contents = if cell.contents().is_empty() { " " } else { cell.contents() };
        match runs.last_mut() {
            Some(run) if run.0 == style => run.2.push_str(contents),
            _ => runs.push((style, column, contents.to_owned())),
        }
    }
    let mut out = String::new();
    for (style, column, text) in runs {
        if !text.trim().is_empty() {
            let x = MARGIN + f64::from(column) * CELL.0;
            let length = text.trim_end().chars().count() as f64 * CELL.0;
            let _ = write!(
                out,
                r#"<tspan x="{x:.1}" textLength="{length:.1}"{style}>{}</tspan>"#,
                escaped(text.trim_end())
            );
        }
    }
    out
}

/// Attributes of a cell; a fixed form, so that runs can be compared.
fn style(cell: &vt100::Cell) -> String {
    let colour = match cell.fgcolor() {
        Color::Default if cell.dim() => "#8b949e",
        Color::Default => TEXT,
        Color::Idx(1 | 9) => "#ff7b72",
        Color::Idx(2 | 10) => "#3fb950",
        Color::Idx(3 | 11) => "#d29922",
        Color::Idx(4 | 12) => "#79c0ff",
        Color::Idx(5 | 13) => "#d2a8ff",
        Color::Idx(6 | 14) => "#56d4dd",
        Color::Idx(8) => "#8b949e",
        Color::Idx(_) | Color::Rgb(..) => TEXT,
    };
    let weight = if cell.bold() { " font-weight=\"bold\"" } else { "" };
    format!(" fill=\"{colour}\"{weight}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The picture of `frames`, each with its seconds, which add up to `seconds`.
pub fn draw(frames: &[(f64, Frame)], title: &str, seconds: f64) -> String {
    let (rows, columns) = frames.first().map_or((0, 0), |(_, frame)| (frame.rows.len(), frame.columns));
    let width = f64::from(columns) * CELL.0 + 2.0 * MARGIN;
    let height = rows as f64 * CELL.1 + MARGIN;
    let whole = height + TITLE;
    let mut keys = String::new();
    let mut at = 0.0;
    for (number, (shown, _)) in frames.iter().enumerate() {
        let _ = write!(
            keys,
            "{:.3}%{{transform:translateY(-{}px)}}",
            at / seconds * 100.0,
            number as f64 * height
        );
        at += shown;
    }
    let last = (frames.len().saturating_sub(1)) as f64 * height;
    let mut out = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0} {whole:.0}" font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, DejaVu Sans Mono, monospace" font-size="14">
<title>{title}, recorded</title>
<style>.s{{transform:translateY(-{last}px);animation:play {seconds}s steps(1,end) infinite}}@keyframes play{{{keys}100%{{transform:translateY(-{last}px)}}}}@media(prefers-reduced-motion:reduce){{.s{{animation:none}}}}text{{white-space:pre}}</style>
<rect width="{width:.0}" height="{whole:.0}" rx="10" fill="#0d1117"/>
<circle cx="20" cy="17" r="6" fill="#ff5f57"/><circle cx="40" cy="17" r="6" fill="#febc2e"/><circle cx="60" cy="17" r="6" fill="#28c840"/>
<text x="{:.0}" y="22" fill="#8b949e" text-anchor="middle">{}</text>
"##,
        width / 2.0,
        escaped(title)
    );
    // Each different row once.
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    let mut places = String::new();
    out.push_str("<defs>\n");
    for (number, (_, frame)) in frames.iter().enumerate() {
        for (row, text) in frame.rows.iter().enumerate().filter(|(_, text)| !text.is_empty()) {
            let next = numbers.len();
            let id = *numbers.entry(text).or_insert_with(|| {
                let _ = writeln!(out, r#"<text id="r{next}">{text}</text>"#);
                next
            });
            let y = number as f64 * height + (row as f64 + 1.0) * CELL.1;
            let _ = write!(places, r##"<use href="#r{id}" y="{y}"/>"##);
        }
    }
    let _ = write!(
        out,
        "</defs>\n<svg y=\"{TITLE}\" width=\"{width:.0}\" height=\"{height:.0}\"><g class=\"s\">{places}</g></svg>\n</svg>\n"
    );
    out
}
