//! The one error type of the engine, under the names that the AWS APIs give their exceptions.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// What every fallible operation of the engine returns.
pub type Result<T, E = KmsError> = std::result::Result<T, E>;

macro_rules! error_codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $status:literal;)+) => {
        /// The name of a failure, as `__type` carries it on the wire.
        ///
        /// ```
        /// use keyfold_kms::KmsErrorCode;
        ///
        /// assert_eq!(KmsErrorCode::NotFound.as_str(), "NotFoundException");
        /// assert_eq!(KmsErrorCode::NotFound.status(), 400);
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum KmsErrorCode {
            $($(#[$doc])* $variant,)+
        }

        impl KmsErrorCode {
            /// Every code.
            pub const ALL: &[KmsErrorCode] = &[$(KmsErrorCode::$variant,)+];

            /// The exception's name.
            pub const fn as_str(self) -> &'static str {
                match self { $(KmsErrorCode::$variant => $name,)+ }
            }

            /// The HTTP status: 400 for every fault of the client, 500 or 503 for the server's.
            pub const fn status(self) -> u16 {
                match self { $(KmsErrorCode::$variant => $status,)+ }
            }
        }
    };
}

error_codes! {
    /// A member violates its documented shape or limit.
    Validation = "ValidationException", 400;
    /// The caller may not do this, or the key is not there for it to see.
    AccessDenied = "AccessDeniedException", 400;
    /// No such key, alias or grant.
    NotFound = "NotFoundException", 400;
    /// The key is disabled.
    Disabled = "DisabledException", 400;
    /// The key's state forbids the operation.
    InvalidState = "KMSInvalidStateException", 400;
    /// The alias exists already.
    AlreadyExists = "AlreadyExistsException", 400;
    /// Another change of the same thing is under way.
    Conflict = "ConflictException", 400;
    /// Not an ARN of this service.
    InvalidArn = "InvalidArnException", 400;
    /// Not a name that an alias can have.
    InvalidAliasName = "InvalidAliasNameException", 400;
    /// The marker is not one that this operation gave out, or it is too old.
    InvalidMarker = "InvalidMarkerException", 400;
    /// Not a grant id.
    InvalidGrantId = "InvalidGrantIdException", 400;
    /// Not a grant token of this store.
    InvalidGrantToken = "InvalidGrantTokenException", 400;
    /// The key's usage, or the algorithm, does not fit the operation.
    InvalidKeyUsage = "InvalidKeyUsageException", 400;
    /// The ciphertext, its context or its key do not fit together. One text for every cause.
    InvalidCiphertext = "InvalidCiphertextException", 400;
    /// The ciphertext is of another key than the one named.
    IncorrectKey = "IncorrectKeyException", 400;
    /// The signature does not hold.
    InvalidSignature = "KMSInvalidSignatureException", 400;
    /// The policy document is not understood completely.
    MalformedPolicyDocument = "MalformedPolicyDocumentException", 400;
    /// A tag is not valid.
    Tag = "TagException", 400;
    /// A documented count is exhausted.
    LimitExceeded = "LimitExceededException", 400;
    /// The key's kind, or this service, does not offer the operation.
    UnsupportedOperation = "UnsupportedOperationException", 400;
    /// The call would have succeeded.
    DryRun = "DryRunOperationException", 400;
    /// The caller asks too often.
    Throttling = "ThrottlingException", 400;
    /// The body is not what the protocol allows.
    Serialization = "SerializationException", 400;
    /// No such operation.
    UnknownOperation = "UnknownOperationException", 400;
    /// The request carries no credentials.
    MissingAuthentication = "MissingAuthenticationTokenException", 400;
    /// The request's credentials are not of a form that can be checked.
    IncompleteSignature = "IncompleteSignatureException", 400;
    /// Nobody is known by these credentials.
    UnrecognizedClient = "UnrecognizedClientException", 400;
    /// The signature of the request is not the one that its access key makes, or its time is over.
    InvalidRequestSignature = "InvalidSignatureException", 400;
    /// The token's time is over.
    ExpiredToken = "ExpiredTokenException", 400;
    /// A defect, or a store that is damaged.
    Internal = "KMSInternalException", 500;
    /// The root key is sealed.
    KeyUnavailable = "KeyUnavailableException", 500;
    /// The store does not answer in time.
    DependencyTimeout = "DependencyTimeoutException", 503;
    /// No such secret, version or stage.
    ResourceNotFound = "ResourceNotFoundException", 400;
    /// The secret or version exists already, with other content.
    ResourceExists = "ResourceExistsException", 400;
    /// A member of a secrets operation is not valid.
    InvalidParameter = "InvalidParameterException", 400;
    /// The state of the secret forbids the operation.
    InvalidRequest = "InvalidRequestException", 400;
    /// The token is not one that this operation gave out, or it is too old.
    InvalidNextToken = "InvalidNextTokenException", 400;
    /// A secret's value cannot be decrypted under its KMS key.
    DecryptionFailure = "DecryptionFailure", 400;
    /// A secret's value cannot be encrypted under its KMS key.
    EncryptionFailure = "EncryptionFailure", 400;
    /// A condition of the request does not hold.
    PreconditionNotMet = "PreconditionNotMetException", 400;
    /// A defect met by a secrets operation.
    InternalService = "InternalServiceError", 500;
}

impl fmt::Display for KmsErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failure, safe to log: the message never holds a plaintext, a message to sign, a context
/// value, a token or key material.
///
/// ```
/// # use keyfold_kms::types::DescribeKeyRequest;
/// # use keyfold_kms::Engine;
/// # let engine = Engine::in_memory()?;
/// # let owner = engine.owner();
/// use keyfold_kms::KmsErrorCode;
///
/// let request = DescribeKeyRequest { key_id: "alias/none".into(), ..Default::default() };
/// let error = engine.call(&owner, &request).unwrap_err();
/// assert_eq!(error.code(), KmsErrorCode::NotFound);
/// // In the core's terms:
/// assert_eq!(keyfold::Error::from(error).code(), keyfold::ErrorCode::KmsKeyUnavailable);
/// # Ok::<(), keyfold_kms::KmsError>(())
/// ```
#[derive(Clone)]
pub struct KmsError {
    code: KmsErrorCode,
    message: Cow<'static, str>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl KmsError {
    /// An error of this code, with a text for people.
    pub fn new(code: KmsErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        KmsError { code, message: message.into(), source: None }
    }

    /// Keeps the cause, for `source()`.
    #[must_use]
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// The code.
    pub fn code(&self) -> KmsErrorCode {
        self.code
    }

    /// What happened, in words.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// A member violates its constraint, in the words that AWS uses.
    pub(crate) fn validation(member: &str, constraint: &str) -> Self {
        KmsError::new(
            KmsErrorCode::Validation,
            format!(
                "1 validation error detected: Value at '{member}' failed to satisfy constraint: \
                 {constraint}"
            ),
        )
    }

    /// The one answer to whatever is wrong with a ciphertext, its context or its key.
    pub(crate) fn invalid_ciphertext() -> Self {
        KmsError::new(
            KmsErrorCode::InvalidCiphertext,
            "the ciphertext, its encryption context or its key do not fit together",
        )
    }

    pub(crate) fn internal(message: impl Into<Cow<'static, str>>) -> Self {
        KmsError::new(KmsErrorCode::Internal, message)
    }

    pub(crate) fn unsupported(message: impl Into<Cow<'static, str>>) -> Self {
        KmsError::new(KmsErrorCode::UnsupportedOperation, message)
    }
}

impl fmt::Display for KmsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl fmt::Debug for KmsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KmsError")
            .field("code", &self.code.as_str())
            .field("message", &self.message)
            .finish_non_exhaustive()
    }
}

impl StdError for KmsError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// A failure of the core below the engine: a limit is the caller's, everything else is ours.
impl From<keyfold::Error> for KmsError {
    fn from(error: keyfold::Error) -> Self {
        use keyfold::ErrorCode;
        match error.code() {
            ErrorCode::InvalidArgument | ErrorCode::LimitExceeded => {
                KmsError::new(KmsErrorCode::Validation, error.detail().to_owned())
            }
            _ => KmsError::internal("the core refused what the engine made").with_source(error),
        }
    }
}
