//! The seam of administration: keys and secrets of any cloud, in typed requests and answers.
//!
//! [`Kms`](super::Kms) is what envelopes, signatures and secrets need; this is what the people do
//! who look after the keys. What a service does not have is `invalid_argument` with
//! [`Unsupported`](super::cloud::Unsupported) as its source, and nothing is sent.

use std::time::Duration;

use crate::error::Result;
use crate::keys::KeyUri;
use crate::maybe_send::{BoxFuture, MaybeSendSync};
use crate::sign::named;

named! {
    /// What kind of KMS key, named as the AWS KMS API names it.
    ///
    /// ```
    /// use keyfold::kms::admin::KeyKind;
    ///
    /// assert_eq!("SYMMETRIC_DEFAULT".parse::<KeyKind>()?, KeyKind::Symmetric);
    /// # Ok::<(), keyfold::Error>(())
    /// ```
    KeyKind, "kind of key";
    /// A key for data keys and small data: AES-256, or SM4 where the region has that instead.
    Symmetric = "SYMMETRIC_DEFAULT",
    /// SM4, where the service lets one choose.
    Sm4 = "SM4",
    /// RSA with a modulus of 2048 bits.
    Rsa2048 = "RSA_2048",
    /// RSA with a modulus of 3072 bits.
    Rsa3072 = "RSA_3072",
    /// RSA with a modulus of 4096 bits.
    Rsa4096 = "RSA_4096",
    /// The curve P-256.
    EccNistP256 = "ECC_NIST_P256",
    /// The curve P-384.
    EccNistP384 = "ECC_NIST_P384",
    /// The curve P-521.
    EccNistP521 = "ECC_NIST_P521",
    /// The curve secp256k1.
    EccSecgP256k1 = "ECC_SECG_P256K1",
    /// Ed25519.
    Ed25519 = "ECC_NIST_EDWARDS25519",
    /// The curve of SM2.
    Sm2 = "SM2",
}

named! {
    /// What a key is for.
    ///
    /// ```
    /// assert_eq!(keyfold::kms::admin::KeyUse::SignVerify.as_str(), "SIGN_VERIFY");
    /// ```
    KeyUse, "use of a key";
    /// Data keys and small data.
    EncryptDecrypt = "ENCRYPT_DECRYPT",
    /// Signatures.
    SignVerify = "SIGN_VERIFY",
}

named! {
    /// What a key can be used for at present.
    ///
    /// ```
    /// assert_eq!(keyfold::kms::admin::KeyState::PendingDeletion.as_str(), "PendingDeletion");
    /// ```
    KeyState, "state of a key";
    /// It can be used.
    Enabled = "Enabled",
    /// It cannot, until somebody enables it.
    Disabled = "Disabled",
    /// It will be gone.
    PendingDeletion = "PendingDeletion",
    /// Its material has not been imported yet.
    PendingImport = "PendingImport",
    /// It decrypts, and encrypts nothing.
    Archived = "Archived",
    /// Anything else, such as a key that is being made.
    Unavailable = "Unavailable",
}

/// What is known of a KMS key. What a service does not tell is `None`.
///
/// ```
/// use keyfold::kms::admin::{KeyInfo, KeyState};
///
/// let mut key = KeyInfo::new("tencent://ap-guangzhou/23e80852-1e38".parse()?);
/// key.state = Some(KeyState::Enabled);
/// assert_eq!(key.alias, None);
/// # Ok::<(), keyfold::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyInfo {
    /// Its full name.
    pub key: KeyUri,
    /// What it can be used for at present; `None` in lists of services that name keys only.
    pub state: Option<KeyState>,
    /// The service's own word for its state.
    pub raw_state: Option<String>,
    /// What kind it is; `None` for one that keyfold has no name for.
    pub kind: Option<KeyKind>,
    /// The service's own word for the kind.
    pub raw_kind: Option<String>,
    /// What it is for.
    pub usage: Option<KeyUse>,
    /// The name that people gave it. Whether a key can be asked for by it is in the
    /// [capabilities](super::cloud::Capabilities).
    pub alias: Option<String>,
    /// What people should know about it.
    pub description: Option<String>,
    /// Its present version, where versions have names.
    pub version: Option<String>,
    /// When it was made, counted from 1970.
    pub created: Option<Duration>,
    /// When it will be gone, counted from 1970.
    pub deletion: Option<Duration>,
    /// Whether it rotates by itself.
    pub rotates: Option<bool>,
    /// Where its material came from, in the service's own word.
    pub origin: Option<String>,
}

impl KeyInfo {
    /// A key of which nothing else is known.
    pub fn new(key: KeyUri) -> Self {
        KeyInfo {
            key,
            state: None,
            raw_state: None,
            kind: None,
            raw_kind: None,
            usage: None,
            alias: None,
            description: None,
            version: None,
            created: None,
            deletion: None,
            rotates: None,
            origin: None,
        }
    }

    /// The service's own name of the key, which its URI ends with.
    ///
    /// ```
    /// use keyfold::kms::admin::KeyInfo;
    ///
    /// let key = KeyInfo::new("tencent://ap-guangzhou/23e80852-1e38".parse()?);
    /// assert_eq!(key.id(), "23e80852-1e38");
    /// # Ok::<(), keyfold::Error>(())
    /// ```
    pub fn id(&self) -> &str {
        let rest = self.key.rest().trim_start_matches('/');
        rest.split_once('/').map_or(rest, |(_place, name)| name)
    }

    /// The kind of the key, in keyfold's word or else in the service's.
    ///
    /// ```
    /// use keyfold::kms::admin::KeyInfo;
    ///
    /// let mut key = KeyInfo::new("tencent://ap-guangzhou/23e80852-1e38".parse()?);
    /// key.raw_kind = Some("ASYMMETRIC_DECRYPT_SM2".into());
    /// assert_eq!(key.spec(), Some("ASYMMETRIC_DECRYPT_SM2"));
    /// # Ok::<(), keyfold::Error>(())
    /// ```
    pub fn spec(&self) -> Option<&str> {
        self.kind.map(KeyKind::as_str).or(self.raw_kind.as_deref())
    }
}

/// What is known of a secret, which is not its value.
///
/// ```
/// let secret = keyfold::kms::admin::SecretInfo::new("db/password");
/// assert!(!secret.deleted);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SecretInfo {
    /// Its name.
    pub name: String,
    /// What people should know about it.
    pub description: Option<String>,
    /// The KMS key that protects it; `None` for the service's own.
    pub key: Option<KeyUri>,
    /// When it was made, counted from 1970.
    pub created: Option<Duration>,
    /// Whether it waits for its deletion.
    pub deleted: bool,
    /// When it will be gone, counted from 1970.
    pub deletion: Option<Duration>,
    /// The service's own word for its state.
    pub raw_state: Option<String>,
}

impl SecretInfo {
    /// A secret of which nothing else is known.
    pub fn new(name: impl Into<String>) -> Self {
        SecretInfo {
            name: name.into(),
            description: None,
            key: None,
            created: None,
            deleted: false,
            deletion: None,
            raw_state: None,
        }
    }
}

/// A version of a secret.
///
/// ```
/// use keyfold::kms::admin::SecretVersionInfo;
///
/// let version = SecretVersionInfo { id: "v1".into(), created: None, stages: vec![] };
/// assert!(version.stages.is_empty());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretVersionInfo {
    /// Its id.
    pub id: String,
    /// When it was made, counted from 1970.
    pub created: Option<Duration>,
    /// Its stages: `AWSCURRENT`, `AWSPREVIOUS`, or the service's own.
    pub stages: Vec<String>,
}

/// One operation of administration.
///
/// ```
/// use keyfold::kms::admin::{AdminRequest, KeyKind, KeyUse};
///
/// let create = AdminRequest::CreateKey {
///     kind: KeyKind::EccNistP256,
///     usage: KeyUse::SignVerify,
///     alias: Some("releases".into()),
///     description: None,
/// };
/// assert!(matches!(create, AdminRequest::CreateKey { .. }));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AdminRequest {
    /// Make a key. Answer: [`AdminResponse::Key`].
    CreateKey {
        /// What kind.
        kind: KeyKind,
        /// What for.
        usage: KeyUse,
        /// A name for it; some services demand one.
        alias: Option<String>,
        /// What people should know about it.
        description: Option<String>,
    },
    /// What is known of a key. Answer: [`AdminResponse::Key`].
    DescribeKey {
        /// The key, by any of its names.
        key: KeyUri,
    },
    /// A page of the keys. Answer: [`AdminResponse::Keys`].
    ListKeys {
        /// What the page before named as `next`; `None` for the first page.
        page: Option<String>,
    },
    /// Make a key usable again. Answer: [`AdminResponse::Done`].
    EnableKey {
        /// The key, by its full name.
        key: KeyUri,
    },
    /// Make a key unusable until it is enabled. Answer: [`AdminResponse::Done`].
    DisableKey {
        /// The key, by its full name.
        key: KeyUri,
    },
    /// End a key after a waiting period. Answer: [`AdminResponse::Deletion`].
    ScheduleKeyDeletion {
        /// The key, by its full name.
        key: KeyUri,
        /// The waiting period; its bounds are in the capabilities.
        days: u32,
    },
    /// Keep a key after all; it may be disabled afterwards. Answer: [`AdminResponse::Done`].
    CancelKeyDeletion {
        /// The key, by its full name.
        key: KeyUri,
    },
    /// How a key rotates by itself. Answer: [`AdminResponse::Rotation`].
    GetRotation {
        /// The key, by its full name.
        key: KeyUri,
    },
    /// Let a key rotate by itself, or no longer. Answer: [`AdminResponse::Done`].
    SetRotation {
        /// The key, by its full name.
        key: KeyUri,
        /// Every so many days; `None` for never.
        every_days: Option<u32>,
    },
    /// Give a key a new version now. Answer: [`AdminResponse::Done`].
    RotateKey {
        /// The key, by its full name.
        key: KeyUri,
    },
    /// Give a key a name, which another one may have had. Answer: [`AdminResponse::Done`].
    SetAlias {
        /// The key, by its full name.
        key: KeyUri,
        /// The name.
        alias: String,
    },
    /// Take a name away. Answer: [`AdminResponse::Done`].
    DeleteAlias {
        /// The key, by its full name.
        key: KeyUri,
        /// The name.
        alias: String,
    },
    /// Random bytes of the service. Answer: [`AdminResponse::Random`].
    Random {
        /// How many, 1 to 1024.
        len: usize,
    },
    /// What is known of a secret. Answer: [`AdminResponse::Secret`].
    DescribeSecret {
        /// Its name.
        name: String,
    },
    /// A page of the secrets. Answer: [`AdminResponse::Secrets`].
    ListSecrets {
        /// What the page before named as `next`; `None` for the first page.
        page: Option<String>,
    },
    /// The versions of a secret. Answer: [`AdminResponse::SecretVersions`].
    ListSecretVersions {
        /// Its name.
        name: String,
        /// What the page before named as `next`; `None` for the first page.
        page: Option<String>,
    },
    /// End a secret. Answer: [`AdminResponse::Deletion`].
    DeleteSecret {
        /// Its name.
        name: String,
        /// The waiting period in days; 0 for at once.
        days: u32,
    },
    /// Keep a secret after all. Answer: [`AdminResponse::Done`].
    RestoreSecret {
        /// Its name.
        name: String,
    },
}

/// The answer to an [`AdminRequest`].
///
/// ```
/// use keyfold::kms::admin::AdminResponse;
///
/// let done = AdminResponse::Done;
/// assert!(matches!(done, AdminResponse::Done));
/// ```
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AdminResponse {
    /// A key.
    Key(Box<KeyInfo>),
    /// Keys.
    Keys {
        /// In the order of the service.
        keys: Vec<KeyInfo>,
        /// Names the next page; `None` after the last.
        next: Option<String>,
    },
    /// It is done.
    Done,
    /// Something will be gone.
    Deletion {
        /// When, counted from 1970; `None` where the service does not tell.
        at: Option<Duration>,
    },
    /// How a key rotates by itself.
    Rotation {
        /// Whether it does.
        on: bool,
        /// Every so many days, where the service tells.
        every_days: Option<u32>,
        /// The next time, counted from 1970, where the service tells.
        next: Option<Duration>,
    },
    /// Random bytes.
    Random(crate::keys::SecretBytes),
    /// A secret.
    Secret(Box<SecretInfo>),
    /// Secrets.
    Secrets {
        /// In the order of the service.
        secrets: Vec<SecretInfo>,
        /// Names the next page; `None` after the last.
        next: Option<String>,
    },
    /// Versions of a secret.
    SecretVersions {
        /// In the order of the service.
        versions: Vec<SecretVersionInfo>,
        /// Names the next page; `None` after the last.
        next: Option<String>,
    },
}

/// Looks after keys and secrets of a service.
///
/// ```
/// use keyfold::kms::admin::{AdminRequest, AdminResponse, KeyInfo, KmsAdmin};
///
/// /// All keys, page after page.
/// async fn all_keys(kms: &dyn KmsAdmin) -> keyfold::Result<Vec<KeyInfo>> {
///     let (mut all, mut page) = (Vec::new(), None);
///     loop {
///         let request = AdminRequest::ListKeys { page };
///         let AdminResponse::Keys { keys, next } = kms.administer(&request).await? else {
///             unreachable!("each request names the kind of its answer")
///         };
///         all.extend(keys);
///         page = next;
///         if page.is_none() {
///             return Ok(all);
///         }
///     }
/// }
/// ```
pub trait KmsAdmin: MaybeSendSync {
    /// Performs one operation, once: nobody knows here what repeating it does.
    ///
    /// # Errors
    /// The codes of [`Kms::call`](super::Kms::call), and `version_conflict` where a name is taken
    /// or a state forbids the change.
    fn administer<'a>(&'a self, request: &'a AdminRequest) -> BoxFuture<'a, Result<AdminResponse>>;
}
