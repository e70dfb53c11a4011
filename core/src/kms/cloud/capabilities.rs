//! What a provider can, as data: to be asked before a call is made.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::error::{Error, Result};
use crate::kms::admin::AdminRequest;
use crate::kms::{Request, SignInput};

macro_rules! capabilities {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)+) => {
        /// Something that a KMS or password safe may be able to do: a request of either seam.
        ///
        /// ```
        /// use keyfold::kms::cloud::Capability;
        ///
        /// assert_eq!(Capability::GenerateDataKey.as_str(), "generate data key");
        /// assert!(Capability::ALL.contains(&Capability::RestoreSecret));
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Capability {
            $($(#[$doc])* $name,)+
        }

        impl Capability {
            /// Every one there is.
            pub const ALL: &[Capability] = &[$(Capability::$name,)+];

            /// What it is called in tables.
            pub const fn as_str(self) -> &'static str {
                match self { $(Capability::$name => $text,)+ }
            }
        }
    };
}

capabilities! {
    /// [`Request::GenerateDataKey`].
    GenerateDataKey = "generate data key",
    /// [`Request::Wrap`].
    Wrap = "wrap",
    /// [`Request::Unwrap`].
    Unwrap = "unwrap",
    /// [`Request::Rewrap`].
    Rewrap = "rewrap",
    /// [`Request::GenerateSealedDataKey`] and [`Request::UnwrapSealed`].
    SealReply = "seal data keys",
    /// [`Request::Encrypt`].
    Encrypt = "encrypt",
    /// [`Request::Decrypt`].
    Decrypt = "decrypt",
    /// [`Request::Sign`] with a message.
    SignMessage = "sign a message",
    /// [`Request::Sign`] with a digest.
    SignDigest = "sign a digest",
    /// [`Request::Verify`].
    Verify = "verify",
    /// [`Request::GetPublicKey`].
    GetPublicKey = "get public key",
    /// [`Request::ResolveKey`].
    ResolveKey = "resolve key",
    /// [`Request::PutSecret`].
    PutSecret = "put secret",
    /// [`Request::GetSecret`].
    GetSecret = "get secret",
    /// [`AdminRequest::CreateKey`].
    CreateKey = "create key",
    /// [`AdminRequest::DescribeKey`].
    DescribeKey = "describe key",
    /// [`AdminRequest::ListKeys`].
    ListKeys = "list keys",
    /// [`AdminRequest::EnableKey`].
    EnableKey = "enable key",
    /// [`AdminRequest::DisableKey`].
    DisableKey = "disable key",
    /// [`AdminRequest::ScheduleKeyDeletion`].
    ScheduleKeyDeletion = "schedule key deletion",
    /// [`AdminRequest::CancelKeyDeletion`].
    CancelKeyDeletion = "cancel key deletion",
    /// [`AdminRequest::GetRotation`].
    GetRotation = "get rotation",
    /// [`AdminRequest::SetRotation`].
    SetRotation = "set rotation",
    /// [`AdminRequest::RotateKey`].
    RotateKey = "rotate key",
    /// [`AdminRequest::SetAlias`].
    SetAlias = "set alias",
    /// [`AdminRequest::DeleteAlias`].
    DeleteAlias = "delete alias",
    /// [`AdminRequest::Random`].
    Random = "random",
    /// [`AdminRequest::DescribeSecret`].
    DescribeSecret = "describe secret",
    /// [`AdminRequest::ListSecrets`].
    ListSecrets = "list secrets",
    /// [`AdminRequest::ListSecretVersions`].
    ListSecretVersions = "list secret versions",
    /// [`AdminRequest::DeleteSecret`].
    DeleteSecret = "delete secret",
    /// [`AdminRequest::RestoreSecret`].
    RestoreSecret = "restore secret",
}

impl Capability {
    /// What a request needs.
    ///
    /// ```
    /// use keyfold::kms::{Request, cloud::Capability};
    ///
    /// let request = Request::GetPublicKey { key: "tencent://ap-guangzhou/k".parse()? };
    /// assert_eq!(Capability::of(&request), Capability::GetPublicKey);
    /// # Ok::<(), keyfold::Error>(())
    /// ```
    pub fn of(request: &Request) -> Self {
        match request {
            Request::GenerateDataKey { .. } => Capability::GenerateDataKey,
            Request::Wrap { .. } => Capability::Wrap,
            Request::Unwrap { .. } => Capability::Unwrap,
            Request::Rewrap { .. } => Capability::Rewrap,
            Request::GenerateSealedDataKey { .. } | Request::UnwrapSealed { .. } => {
                Capability::SealReply
            }
            Request::Encrypt { .. } => Capability::Encrypt,
            Request::Decrypt { .. } => Capability::Decrypt,
            Request::Sign { input: SignInput::Message(_), .. } => Capability::SignMessage,
            Request::Sign { input: SignInput::Digest(_), .. } => Capability::SignDigest,
            Request::Verify { .. } => Capability::Verify,
            Request::GetPublicKey { .. } => Capability::GetPublicKey,
            Request::ResolveKey { .. } => Capability::ResolveKey,
            Request::PutSecret { .. } => Capability::PutSecret,
            Request::GetSecret { .. } => Capability::GetSecret,
        }
    }

    /// What a request of administration needs.
    pub fn of_admin(request: &AdminRequest) -> Self {
        match request {
            AdminRequest::CreateKey { .. } => Capability::CreateKey,
            AdminRequest::DescribeKey { .. } => Capability::DescribeKey,
            AdminRequest::ListKeys { .. } => Capability::ListKeys,
            AdminRequest::EnableKey { .. } => Capability::EnableKey,
            AdminRequest::DisableKey { .. } => Capability::DisableKey,
            AdminRequest::ScheduleKeyDeletion { .. } => Capability::ScheduleKeyDeletion,
            AdminRequest::CancelKeyDeletion { .. } => Capability::CancelKeyDeletion,
            AdminRequest::GetRotation { .. } => Capability::GetRotation,
            AdminRequest::SetRotation { .. } => Capability::SetRotation,
            AdminRequest::RotateKey { .. } => Capability::RotateKey,
            AdminRequest::SetAlias { .. } => Capability::SetAlias,
            AdminRequest::DeleteAlias { .. } => Capability::DeleteAlias,
            AdminRequest::Random { .. } => Capability::Random,
            AdminRequest::DescribeSecret { .. } => Capability::DescribeSecret,
            AdminRequest::ListSecrets { .. } => Capability::ListSecrets,
            AdminRequest::ListSecretVersions { .. } => Capability::ListSecretVersions,
            AdminRequest::DeleteSecret { .. } => Capability::DeleteSecret,
            AdminRequest::RestoreSecret { .. } => Capability::RestoreSecret,
        }
    }
}

/// How a provider offers something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Support {
    /// The service has it.
    Native,
    /// Keyfold makes it of what the service has.
    Composed,
    /// Not at all: it is refused, and nothing is sent.
    Absent,
}

impl Support {
    /// `native`, `composed` or `absent`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Support::Native => "native",
            Support::Composed => "composed",
            Support::Absent => "absent",
        }
    }
}

/// How a provider binds the encryption context, beside the envelope, which binds it in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContextForm {
    /// As pairs of text.
    Map,
    /// As one text of at most so many bytes; what is longer goes as its digest.
    Text {
        /// The most bytes.
        max: usize,
    },
    /// As bytes, whole.
    Bytes,
    /// Not at all.
    Never,
}

/// What a provider can, and within which limits.
///
/// ```
/// use keyfold::kms::cloud::{Capability, Support};
/// use keyfold::kms::tencent;
///
/// let tencent = tencent::CAPABILITIES;
/// assert_eq!(tencent.support(Capability::GenerateDataKey), Support::Native);
/// assert_eq!(tencent.support(Capability::DeleteAlias), Support::Absent);
/// for capability in Capability::ALL {
///     println!("{:<24} {:?}", capability.as_str(), tencent.support(*capability));
/// }
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Capabilities {
    /// The scheme of its URIs.
    pub scheme: &'static str,
    /// The service's name, for people.
    pub title: &'static str,
    /// What keyfold makes of what the service has.
    pub composed: &'static [Capability],
    /// What there is not.
    pub absent: &'static [Capability],
    /// How the context is bound.
    pub context: ContextForm,
    /// The longest small plaintext, in bytes.
    pub max_plaintext: usize,
    /// The longest value of a secret, in bytes; 0 where there is no safe.
    pub max_secret: usize,
    /// The bounds of the waiting period before a key is gone, in days.
    pub key_deletion_days: (u32, u32),
    /// Whether a key can be asked for by its alias.
    pub alias_is_a_name: bool,
    /// Calls for one new envelope without a data-key cache, and for opening one.
    pub calls: (u32, u32),
}

impl Capabilities {
    /// How it offers something.
    pub fn support(&self, capability: Capability) -> Support {
        if self.absent.contains(&capability) {
            Support::Absent
        } else if self.composed.contains(&capability) {
            Support::Composed
        } else {
            Support::Native
        }
    }

    /// # Errors
    /// `invalid_argument`, with [`Unsupported`] as its source, for what there is not.
    pub(crate) fn check(&self, capability: Capability) -> Result<()> {
        if self.support(capability) == Support::Absent {
            let (provider, what) = (self.scheme, capability.as_str());
            return Err(Unsupported { provider, what, capability: Some(capability) }.into());
        }
        Ok(())
    }
}

impl Serialize for Capabilities {
    /// As JSON has it: `operations` by name, each `native`, `composed` or `absent`; `context` with
    /// its `form` (`pairs`, `text`, `bytes`, `never`) and `max`; the limits; `calls` to `seal` and
    /// to `open`.
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        struct Operations<'a>(&'a Capabilities);
        impl Serialize for Operations<'_> {
            fn serialize<S: Serializer>(
                &self,
                serializer: S,
            ) -> std::result::Result<S::Ok, S::Error> {
                serializer.collect_map(
                    Capability::ALL.iter().map(|capability| {
                        (capability.as_str(), self.0.support(*capability).as_str())
                    }),
                )
            }
        }
        #[derive(Serialize)]
        struct Context {
            form: &'static str,
            max: Option<usize>,
        }
        #[derive(Serialize)]
        struct Calls {
            seal: u32,
            open: u32,
        }
        let (form, max) = match self.context {
            ContextForm::Map => ("pairs", None),
            ContextForm::Text { max } => ("text", Some(max)),
            ContextForm::Bytes => ("bytes", None),
            ContextForm::Never => ("never", None),
        };
        let (seal, open) = self.calls;
        let mut object = serializer.serialize_struct("Capabilities", 9)?;
        object.serialize_field("scheme", self.scheme)?;
        object.serialize_field("title", self.title)?;
        object.serialize_field("operations", &Operations(self))?;
        object.serialize_field("context", &Context { form, max })?;
        object.serialize_field("max_plaintext", &self.max_plaintext)?;
        object.serialize_field("max_secret", &self.max_secret)?;
        object.serialize_field("key_deletion_days", &self.key_deletion_days)?;
        object.serialize_field("alias_is_a_name", &self.alias_is_a_name)?;
        object.serialize_field("calls", &Calls { seal, open })?;
        object.end()
    }
}

/// The service does not have what was asked for; nothing was sent. It is the `source` of an
/// `invalid_argument`.
///
/// ```
/// use std::error::Error as _;
/// use keyfold::kms::cloud::Unsupported;
///
/// /// Whether another provider might do it.
/// fn is_unsupported(error: &keyfold::Error) -> bool {
///     error.source().is_some_and(|source| source.is::<Unsupported>())
/// }
/// assert!(!is_unsupported(&keyfold::Error::new(keyfold::ErrorCode::Io, "a file")));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsupported {
    provider: &'static str,
    what: &'static str,
    capability: Option<Capability>,
}

impl Unsupported {
    /// The scheme of the provider.
    pub fn provider(&self) -> &'static str {
        self.provider
    }

    /// What it lacks; `None` for what keyfold does at no cloud, such as tags.
    pub fn capability(&self) -> Option<Capability> {
        self.capability
    }

    /// What keyfold does at no cloud, in the words of [`Capability::as_str`].
    pub(crate) fn anywhere(provider: &'static str, what: &'static str) -> Self {
        Unsupported { provider, what, capability: None }
    }
}

impl std::fmt::Display for Unsupported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "unsupported: {} cannot {}", self.provider, self.what)
    }
}

impl std::error::Error for Unsupported {}

impl From<Unsupported> for Error {
    fn from(unsupported: Unsupported) -> Self {
        Error::invalid(unsupported.to_string()).with_source(unsupported)
    }
}
