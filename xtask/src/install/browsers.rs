//! Browsers that tests drive.

use std::path::PathBuf;

use anyhow::{Result, bail};

use super::apt;
use crate::run::find_program;

struct Browser {
    name: &'static str,
    /// Names a program, whatever the search path has.
    variable: &'static str,
    programs: &'static [&'static str],
    debian: &'static str,
}

const CHROMIUM: Browser = Browser {
    name: "Chromium",
    variable: "KEYFOLD_CHROMIUM",
    programs: &["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"],
    debian: "chromium",
};

const FIREFOX: Browser = Browser {
    name: "Firefox",
    variable: "KEYFOLD_FIREFOX",
    programs: &["firefox-esr", "firefox"],
    debian: "firefox-esr",
};

/// Chromium, or Chrome, which is the same to tests.
pub(crate) fn chromium() -> Result<PathBuf> {
    CHROMIUM.find()
}

/// Firefox, the current one or the one with extended support.
pub(crate) fn firefox() -> Result<PathBuf> {
    FIREFOX.find()
}

impl Browser {
    fn find(&self) -> Result<PathBuf> {
        if let Some(path) = std::env::var_os(self.variable) {
            return Ok(path.into());
        }
        let found = || self.programs.iter().find_map(|known| find_program(|name| name == *known));
        if let Some(path) = found() {
            return Ok(path);
        }
        let otherwise = format!("install {}, or name its program in {}", self.name, self.variable);
        apt(self.name, &[self.debian], &otherwise)?;
        match found() {
            Some(path) => Ok(path),
            None => bail!("{} is missing: {otherwise}", self.name),
        }
    }
}
