//! The check that every dependency's licence is one of `deny.toml`.
//!
//! `cargo deny check` does this and more, and takes longer to install than all the rest of the
//! tests to run; this reads the same list.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::run::{Workspace, capture};

pub(super) fn check(workspace: &Workspace) -> Result<()> {
    let list = std::fs::read_to_string(workspace.root.join("deny.toml"))?;
    let list: toml::Table = list.parse().context("deny.toml")?;
    let allowed: Vec<&str> = list["licenses"]["allow"]
        .as_array()
        .context("deny.toml has no list of licences")?
        .iter()
        .filter_map(toml::Value::as_str)
        .collect();

    let mut command = workspace.cargo();
    command.args(["metadata", "--locked", "--all-features", "--format-version", "1"]);
    let metadata: Value = serde_json::from_slice(&capture(&mut command)?)?;
    let packages = metadata["packages"].as_array().context("cargo names no packages")?;
    let mut refused = Vec::new();
    for package in packages {
        let licence = package["license"].as_str().unwrap_or("none");
        // Some old manifests write `MIT/Apache-2.0`.
        let parsed = spdx::Expression::parse_mode(licence, spdx::ParseMode::LAX);
        let fits = parsed.is_ok_and(|expression| {
            expression
                .evaluate(|wanted| wanted.license.id().is_some_and(|id| allowed.contains(&id.name)))
        });
        if !fits {
            refused.push(format!("{} ({licence})", package["name"]));
        }
    }
    println!("{} packages, {} licences allowed", packages.len(), allowed.len());
    if refused.is_empty() {
        return Ok(());
    }
    bail!("licences that deny.toml does not have: {}", refused.join(", "))
}
