//! What is counted is told: in the manual and on the dashboard.

use std::collections::BTreeSet;
use std::fs;

use keyfold_kms::server::observe;

/// The names that a file of the project has.
fn names_in(path: &str) -> BTreeSet<String> {
    let path = format!("{}/../{path}", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(path).expect("a file of the project");
    let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
    let names = text.split(|c| !is_name(c)).filter(|name| name.starts_with("keyfold_"));
    // Prometheus adds the parts of a histogram.
    names.map(|name| name.strip_suffix("_bucket").unwrap_or(name).to_owned()).collect()
}

#[test]
fn the_manual_and_the_dashboard_name_every_metric() {
    let metrics: BTreeSet<String> = observe::ALL.iter().map(|&name| name.to_owned()).collect();
    assert_eq!(names_in("deploy/grafana.json"), metrics);
    let told = names_in("docs/server.md");
    assert!(told.is_superset(&metrics), "{:?} are not told", metrics.difference(&told));
}
