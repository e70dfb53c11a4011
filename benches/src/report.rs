//! What a suite found out: rows, and the three forms they are published in.

mod plot;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

/// One figure. The names are those of `target/bench/<suite>.json`.
#[derive(Clone, Serialize)]
pub(crate) struct Row {
    /// What was done, such as `stream`.
    pub(crate) case: String,
    /// Who did it, such as `keyfold 0x0001`.
    pub(crate) subject: String,
    /// Bytes of plaintext or message.
    pub(crate) size: u64,
    pub(crate) threads: usize,
    /// `encrypt`, `decrypt`, `sign`, `verify` or `call`.
    pub(crate) direction: &'static str,
    /// `throughput`, `latency`, `calls` or `peak memory`.
    pub(crate) metric: &'static str,
    /// A median.
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// How many times as fast as `ratio_to` in the same run: more is better. Of memory, how many
    /// times as much.
    pub(crate) ratio: Option<f64>,
    pub(crate) ratio_to: Option<String>,
}

/// Prints the table and writes the JSON and the plot.
pub(crate) fn publish(suite: &str, rows: &[Row], folder: &Path) -> Result<()> {
    print_table(rows);
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let json = folder.join(format!("{suite}.json"));
    fs::write(&json, serde_json::to_string_pretty(rows)? + "\n")?;
    let svg = folder.join(format!("{suite}.svg"));
    plot::draw(suite, rows, &svg)?;
    println!("\nwritten: {} and {}", json.display(), svg.display());
    Ok(())
}

fn print_table(rows: &[Row]) {
    println!(
        "\n{:<10} {:<9} {:>8} {:>2} {:<30} {:>10} {:<5} {:>6}  to",
        "case", "direction", "size", "t", "subject", "median", "", "ratio"
    );
    for row in rows {
        let ratio = row.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        println!(
            "{:<10} {:<9} {:>8} {:>2} {:<30} {:>10} {:<5} {ratio:>6}  {}",
            row.case,
            row.direction,
            human(row.size),
            row.threads,
            row.subject,
            figure(row.value),
            row.unit,
            row.ratio_to.as_deref().unwrap_or_default(),
        );
    }
}

/// `64 MiB` for 67108864.
pub(crate) fn human(bytes: u64) -> String {
    for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
        let whole = bytes >> shift;
        if whole > 0 && whole << shift == bytes {
            return format!("{whole} {unit}");
        }
    }
    format!("{bytes} B")
}

/// Three digits that count.
fn figure(value: f64) -> String {
    let places = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.places$}")
}
