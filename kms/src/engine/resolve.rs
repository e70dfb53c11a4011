//! From the name that a caller gives to the key, and what its state allows.

use uuid::Uuid;

use super::Call;
use crate::arn::Arn;
use crate::error::{KmsError, KmsErrorCode, Result};
use crate::rows::{self, AliasRow, KeyRow, TombstoneRow};
use crate::types::{KeySpec, KeyState};

/// Which names an operation takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Names {
    /// Key id and key ARN: operations that manage a key.
    Keys,
    /// Alias name and alias ARN too: operations that use a key.
    KeysAndAliases,
}

/// What the caller's text names.
enum Name<'a> {
    Key(Uuid),
    Alias(&'a str),
    /// Something that cannot be here: another realm, another form.
    Nothing,
}

/// The text of a key id is exactly its canonical form.
pub(crate) fn parse_key_id(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text).ok().filter(|id| id.to_string() == text)
}

impl Call<'_> {
    /// The key under a name; `None` where there is none.
    ///
    /// # Errors
    /// `InvalidArnException` for an ARN that cannot name a key here.
    pub(crate) fn find_key(&mut self, name: &str, names: Names) -> Result<Option<KeyRow>> {
        let parsed = self.parse_name(name, names)?;
        if let Name::Alias(alias) = parsed {
            self.trail.alias = Some(alias.to_owned());
        }
        match self.id_of(&parsed)? {
            Some(id) => self.load_key(id),
            None => self.require_no_limit().map(|()| None),
        }
    }

    /// The id of the key under any of its names, whether or not there still is one.
    pub(crate) fn key_id_of(&mut self, name: &str) -> Result<Option<Uuid>> {
        match self.parse_name(name, Names::KeysAndAliases) {
            Ok(name) => self.id_of(&name),
            Err(_) => Ok(None),
        }
    }

    fn id_of(&mut self, name: &Name<'_>) -> Result<Option<Uuid>> {
        match name {
            Name::Key(id) => Ok(Some(*id)),
            Name::Nothing => Ok(None),
            Name::Alias(alias) => {
                Ok(self.txn.kept::<AliasRow>(alias.as_bytes())?.map(|row| row.target))
            }
        }
    }

    /// The key under a name.
    ///
    /// # Errors
    /// `NotFoundException`, `InvalidArnException`.
    pub(crate) fn key(&mut self, name: &str, names: Names) -> Result<KeyRow> {
        match self.find_key(name, names)? {
            Some(key) => Ok(key),
            None => Err(self.absent(name)),
        }
    }

    /// The key with an id, as it is now: one whose time has come is gone, and one that is due
    /// rotates first.
    pub(crate) fn load_key(&mut self, id: Uuid) -> Result<Option<KeyRow>> {
        let found = self.txn.kept::<KeyRow>(id.as_bytes())?;
        let Some(key) = found.filter(|key| !key.is_gone(self.now)) else {
            return self.require_no_limit().map(|()| None);
        };
        if key.id != id {
            return Err(crate::hierarchy::damaged(<KeyRow as rows::Row>::NAME));
        }
        let mut key = KeyRow::clone(&key);
        self.trail.resource(self.realm().key(id));
        self.require_reach(&key)?;
        self.rotate_if_due(&mut key)?;
        Ok(Some(key))
    }

    fn parse_name<'n>(&self, name: &'n str, names: Names) -> Result<Name<'n>> {
        let takes_aliases = names == Names::KeysAndAliases;
        if name.starts_with("arn:") {
            let invalid =
                || KmsError::new(KmsErrorCode::InvalidArn, "the ARN does not name a key here");
            let arn = Arn::parse(name).filter(|arn| arn.service == "kms").ok_or_else(invalid)?;
            if let Some(id) = arn.resource.strip_prefix("key/") {
                let id = parse_key_id(id).filter(|_| arn.is_in(self.realm()));
                return Ok(id.map_or(Name::Nothing, Name::Key));
            }
            if !arn.resource.starts_with("alias/") || !takes_aliases {
                return Err(invalid());
            }
            return Ok(if arn.is_in(self.realm()) {
                Name::Alias(arn.resource)
            } else {
                Name::Nothing
            });
        }
        if name.starts_with("alias/") && takes_aliases {
            return Ok(Name::Alias(name));
        }
        Ok(parse_key_id(name).map_or(Name::Nothing, Name::Key))
    }

    /// Says that there is no such key; people of the account learn of one that was deleted.
    pub(crate) fn absent(&mut self, name: &str) -> KmsError {
        let not_found = |message: String| KmsError::new(KmsErrorCode::NotFound, message);
        let Ok(Name::Key(id)) = self.parse_name(name, Names::Keys) else {
            let name = name.escape_debug();
            return not_found(format!("'{name}' does not name a key or alias that exists here"));
        };
        let arn = self.realm().key(id);
        match rows::get::<TombstoneRow>(&mut self.txn, id.as_bytes()) {
            Err(error) => error,
            Ok(Some(row)) if self.caller.account() == self.realm().account => {
                not_found(format!("Key '{arn}' was deleted on {}.", row.deleted))
            }
            Ok(_) => not_found(format!("Key '{arn}' does not exist")),
        }
    }

    /// Allows a key that is `Enabled`.
    pub(crate) fn require_enabled(&self, key: &KeyRow) -> Result<()> {
        if key.state == KeyState::Disabled {
            let message = format!("{} is disabled.", self.realm().key(key.id));
            return Err(KmsError::new(KmsErrorCode::Disabled, message));
        }
        self.require_staying(key)
    }

    /// Allows a key that is not pending deletion.
    pub(crate) fn require_staying(&self, key: &KeyRow) -> Result<()> {
        if key.state == KeyState::PendingDeletion {
            let message = format!("{} is pending deletion.", self.realm().key(key.id));
            return Err(KmsError::new(KmsErrorCode::InvalidState, message));
        }
        Ok(())
    }

    /// Allows a symmetric key.
    pub(crate) fn require_symmetric(&self, key: &KeyRow) -> Result<()> {
        if key.spec == KeySpec::SymmetricDefault {
            return Ok(());
        }
        let message = format!(
            "{} has key spec {} which is not valid for this operation.",
            self.realm().key(key.id),
            key.spec
        );
        Err(KmsError::unsupported(message))
    }
}

impl KeyRow {
    /// Whether the key's waiting period is over.
    pub(crate) fn is_gone(&self, now: crate::clock::Timestamp) -> bool {
        self.state == KeyState::PendingDeletion
            && self.deletion_date.is_some_and(|date| date <= now)
    }
}
