//! What takes more than one operation: put a value whether or not the secret is there, and rotate
//! it.

use keyfold::SecretBytes;

use crate::engine::{Caller, Engine};
use crate::error::{KmsErrorCode, Result};
use crate::types::{
    CreateSecretRequest, GetRandomPasswordRequest, GetSecretValueRequest, PutSecretValueRequest,
    PutSecretValueResponse, SecretText, Sensitive,
};

impl Engine {
    /// Stores a value: as a new current version of the secret, or as a new secret, for which
    /// `kms_key_id` then counts. A value that is UTF-8 is put as text. Answers the version's id.
    ///
    /// ```
    /// # use keyfold_kms::Engine;
    /// # let engine = Engine::in_memory()?;
    /// # let owner = engine.owner();
    ///
    /// # use keyfold::SecretBytes;
    /// let value = SecretBytes::from(&b"correct horse"[..]);
    /// let version = engine.put_secret(&owner, "db/password", &value, None)?;
    /// let (read, id) = engine.get_secret(&owner, "db/password", None, None)?;
    /// assert_eq!((read, id), (value, version));
    /// # Ok::<(), keyfold_kms::KmsError>(())
    /// ```
    ///
    /// # Errors
    /// Those of PutSecretValue and CreateSecret.
    pub fn put_secret(
        &self,
        caller: &Caller,
        name: &str,
        value: &SecretBytes,
        kms_key_id: Option<&str>,
    ) -> Result<String> {
        let put = || {
            let (secret_string, secret_binary) = split(value);
            let request = PutSecretValueRequest {
                secret_id: name.to_owned(),
                secret_string,
                secret_binary,
                ..PutSecretValueRequest::default()
            };
            self.call(caller, &request).map(|response| response.version_id)
        };
        match put() {
            Err(error) if error.code() == KmsErrorCode::ResourceNotFound => {}
            answer => return answer,
        }
        let (secret_string, secret_binary) = split(value);
        let request = CreateSecretRequest {
            name: name.to_owned(),
            kms_key_id: kms_key_id.map(str::to_owned),
            secret_string,
            secret_binary,
            ..CreateSecretRequest::default()
        };
        match self.call(caller, &request) {
            Ok(response) => Ok(response.version_id.unwrap_or_default()),
            // Somebody else was faster.
            Err(error) if error.code() == KmsErrorCode::ResourceExists => put(),
            Err(error) => Err(error),
        }
    }

    /// Reads a value and its version's id: by default the current one.
    ///
    /// ```
    /// # use keyfold_kms::Engine;
    /// # let engine = Engine::in_memory()?;
    /// # let owner = engine.owner();
    ///
    /// let missing = engine.get_secret(&owner, "db/password", None, None).unwrap_err();
    /// assert_eq!(missing.code(), keyfold_kms::KmsErrorCode::ResourceNotFound);
    /// # Ok::<(), keyfold_kms::KmsError>(())
    /// ```
    ///
    /// # Errors
    /// Those of GetSecretValue.
    pub fn get_secret(
        &self,
        caller: &Caller,
        name: &str,
        version: Option<&str>,
        stage: Option<&str>,
    ) -> Result<(SecretBytes, String)> {
        let response = self.call(
            caller,
            &GetSecretValueRequest {
                secret_id: name.to_owned(),
                version_id: version.map(str::to_owned),
                version_stage: stage.map(str::to_owned),
            },
        )?;
        let bytes = match (response.secret_string, response.secret_binary) {
            (Some(text), _) => text.into_bytes(),
            (None, Some(bytes)) => bytes.into_inner(),
            (None, None) => Vec::new(),
        };
        Ok((SecretBytes::new(bytes), response.version_id))
    }

    /// Gives a secret a new current value; the old one stays readable as `AWSPREVIOUS`.
    ///
    /// Without a `value` it is a random password by the rules of `password`. Nothing outside the
    /// safe is told: a database goes on to expect its old password until somebody changes it
    /// there.
    ///
    /// ```
    /// # use keyfold_kms::Engine;
    /// # let engine = Engine::in_memory()?;
    /// # let owner = engine.owner();
    ///
    /// # use keyfold_kms::types::GetRandomPasswordRequest;
    /// # let value = b"correct horse".as_slice().into();
    /// engine.put_secret(&owner, "db/password", &value, None)?;
    /// let rules = GetRandomPasswordRequest { password_length: Some(20), ..Default::default() };
    /// engine.rotate_secret(&owner, "db/password", None, &rules)?;
    ///
    /// let (current, _) = engine.get_secret(&owner, "db/password", None, None)?;
    /// let (previous, _) = engine.get_secret(&owner, "db/password", None, Some("AWSPREVIOUS"))?;
    /// assert_eq!((current.len(), previous), (20, value));
    /// # Ok::<(), keyfold_kms::KmsError>(())
    /// ```
    ///
    /// # Errors
    /// Those of GetRandomPassword and of PutSecretValue.
    pub fn rotate_secret(
        &self,
        caller: &Caller,
        secret_id: &str,
        value: Option<&SecretBytes>,
        password: &GetRandomPasswordRequest,
    ) -> Result<PutSecretValueResponse> {
        let (secret_string, secret_binary) = match value {
            Some(value) => split(value),
            None => (Some(self.call(caller, password)?.random_password), None),
        };
        let request = PutSecretValueRequest {
            secret_id: secret_id.to_owned(),
            secret_string,
            secret_binary,
            ..PutSecretValueRequest::default()
        };
        self.call(caller, &request)
    }
}

/// The members for a value: text where it is UTF-8, which other clients can show; else bytes.
fn split(value: &SecretBytes) -> (Option<SecretText>, Option<Sensitive>) {
    match std::str::from_utf8(value.expose()) {
        Ok(text) => (Some(SecretText::from(text)), None),
        Err(_) => (None, Some(Sensitive::from(value.expose()))),
    }
}
