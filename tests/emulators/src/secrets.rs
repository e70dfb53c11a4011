//! The secrets of a service, as its users see them. Their values are in the engine's password safe.

use crate::backend::{Backend, Failure, Result};
use crate::keys::State;

/// One value of a secret.
#[derive(Clone, Debug)]
pub(crate) struct SecretVersion {
    pub(crate) id: String,
    /// The name of the value in the engine.
    pub(crate) value: String,
    /// It was given as bytes, not as text.
    pub(crate) binary: bool,
    pub(crate) stages: Vec<String>,
    /// Seconds since the epoch.
    pub(crate) created: i64,
    pub(crate) state: State,
}

/// A secret.
#[derive(Clone, Debug)]
pub(crate) struct Secret {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) kms_key: Option<String>,
    /// Seconds since the epoch.
    pub(crate) created: i64,
    pub(crate) updated: i64,
    pub(crate) state: State,
    /// When it ends, while that is pending.
    pub(crate) deletion: Option<i64>,
    /// The oldest first.
    pub(crate) versions: Vec<SecretVersion>,
}

impl Secret {
    pub(crate) fn new(name: &str, now: i64) -> Self {
        Secret {
            name: name.to_owned(),
            description: String::new(),
            kms_key: None,
            created: now,
            updated: now,
            state: State::Enabled,
            deletion: None,
            versions: Vec::new(),
        }
    }

    /// Whether its values may be read and added to.
    pub(crate) fn usable(&self) -> Result<()> {
        match self.state {
            State::Enabled => Ok(()),
            State::PendingDeletion => Err(Failure::SecretDeleted),
            _ => Err(Failure::SecretDisabled),
        }
    }

    pub(crate) fn version(&self, id: &str) -> Result<&SecretVersion> {
        self.versions.iter().find(|version| version.id == id).ok_or(Failure::SecretNotFound)
    }

    /// The version that has a stage.
    pub(crate) fn staged(&self, stage: &str) -> Result<&SecretVersion> {
        let has = |version: &&SecretVersion| version.stages.iter().any(|found| found == stage);
        self.versions.iter().find(has).ok_or(Failure::SecretNotFound)
    }

    /// Adds a version and gives it stages, which no other version has then. Where one of them is
    /// `current`, the version that had it becomes `previous`.
    pub(crate) fn add(
        &mut self,
        backend: &Backend,
        id: &str,
        (value, binary): (&[u8], bool),
        (stages, current, previous): (&[String], &str, &str),
        now: i64,
    ) -> Result<()> {
        if self.versions.iter().any(|version| version.id == id) {
            return Err(Failure::Exists("the version exists already"));
        }
        let value = backend.put_value(value)?;
        let version = SecretVersion {
            id: id.to_owned(),
            value,
            binary,
            stages: Vec::new(),
            created: now,
            state: State::Enabled,
        };
        self.versions.push(version);
        for stage in stages {
            self.move_stage(stage, id, current, previous)?;
        }
        self.updated = now;
        Ok(())
    }

    /// Moves a stage to a version.
    pub(crate) fn move_stage(
        &mut self,
        stage: &str,
        to: &str,
        current: &str,
        previous: &str,
    ) -> Result<()> {
        let had = self.staged(stage).ok().map(|version| version.id.clone());
        self.version(to)?;
        for version in &mut self.versions {
            version.stages.retain(|found| found != stage);
            if stage == current {
                version.stages.retain(|found| had.is_none() || found != previous);
            }
        }
        for version in &mut self.versions {
            if version.id == to {
                version.stages.push(stage.to_owned());
            } else if stage == current && Some(&version.id) == had.as_ref() {
                version.stages.push(previous.to_owned());
            }
        }
        Ok(())
    }
}
