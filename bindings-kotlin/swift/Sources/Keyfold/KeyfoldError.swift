import Foundation

/// Every failure of keyfold.
///
/// One type with a stable ``code``, the same in every language, so that a `switch` over it is
/// exhaustive. What a KMS, a network or a file of the caller's threw is the ``cause``. A task that
/// is cancelled gets Swift's own `CancellationError` instead.
///
/// ```swift
/// do {
///     plaintext = try await client.decrypt(envelope)
/// } catch let error as KeyfoldError where error.code == .contextMismatch {
///     // another object's envelope
/// }
/// ```
public struct KeyfoldError: Error, Sendable {
    /// What kind of failure: those of
    /// [docs/spec/errors.md](https://github.com/keyfold/keyfold/blob/main/docs/spec/errors.md).
    public enum Code: String, CaseIterable, Sendable {
        /// A call was made with values that can never be right.
        case invalidArgument = "invalid_argument"
        /// The bytes are not an envelope of a known form.
        case malformedEnvelope = "malformed_envelope"
        /// The envelope's version is not 1.
        case unsupportedVersion = "unsupported_version"
        /// The suite is unknown, reserved, or not among those the caller accepts.
        case unsupportedSuite = "unsupported_suite"
        /// A size or count is above a documented limit.
        case limitExceeded = "limit_exceeded"
        /// The input ended before the envelope did.
        case truncated = "truncated"
        /// The encryption context is not the one the caller demands.
        case contextMismatch = "context_mismatch"
        /// No recipient of the envelope could be unwrapped by the keyring.
        case noUsableKey = "no_usable_key"
        /// Wrong key or altered data; deliberately without more detail.
        case authenticationFailed = "authentication_failed"
        /// A signature is missing, wrong, or by a signer that is not accepted.
        case signatureInvalid = "signature_invalid"
        /// The KMS refuses this caller.
        case kmsDenied = "kms_denied"
        /// The KMS key is unknown, disabled, pending deletion or of another usage.
        case kmsKeyUnavailable = "kms_key_unavailable"
        /// The KMS asks to slow down.
        case kmsThrottled = "kms_throttled"
        /// The KMS cannot be reached or cannot answer now.
        case kmsUnavailable = "kms_unavailable"
        /// The KMS answered something that its protocol does not allow.
        case kmsProtocol = "kms_protocol"
        /// No such secret, version or stage.
        case secretNotFound = "secret_not_found"
        /// Something changed meanwhile, or exists already.
        case versionConflict = "version_conflict"
        /// A KMS, a network or a source of the caller's gave up.
        case cancelled = "cancelled"
        /// Reading or writing failed outside keyfold.
        case io = "io"
        /// A defect of keyfold itself; please report it.
        case `internal` = "internal"
    }

    /// Whether the same call may succeed another time.
    public enum Retry: Equatable, Sendable {
        /// It fails again.
        case never
        /// It may succeed later; after so many seconds, where that is known.
        case later(after: TimeInterval?)
        /// Somebody has to change a policy, a credential, a key or a state first.
        case afterChange
    }

    /// The stable code.
    public let code: Code
    /// What happened, without any secret.
    public let detail: String
    /// Whether the same call may succeed another time.
    public let retry: Retry
    /// What a remote KMS said, where it said anything: for people, not for programs or logs.
    public let serviceMessage: String?
    /// What code of the caller's threw, where that was the reason.
    public let cause: (any Error)?
    /// Whether the KMS does not have what was asked for; then nothing was sent, and the code is
    /// `invalidArgument`. ``Capabilities`` tells beforehand.
    public let isUnsupported: Bool

    /// An error to throw in a KMS, a network or a root sealer of one's own.
    ///
    /// - Parameters:
    ///   - code: What kind of failure.
    ///   - detail: What happened. It reaches logs: no secret belongs in it.
    ///   - retry: Whether to try again; what is usual for the code where absent.
    ///   - cause: Why.
    ///   - isUnsupported: Whether this KMS does not have what was asked for.
    public init(
        _ code: Code, _ detail: String, retry: Retry? = nil, cause: (any Error)? = nil,
        isUnsupported: Bool = false
    ) {
        self.init(
            code, detail, retry: retry ?? code.retry, serviceMessage: nil, cause: cause,
            isUnsupported: isUnsupported)
    }

    init(
        _ code: Code, _ detail: String, retry: Retry, serviceMessage: String?,
        cause: (any Error)?, isUnsupported: Bool
    ) {
        self.code = code
        self.detail = detail
        self.retry = retry
        self.serviceMessage = serviceMessage
        self.cause = cause
        self.isUnsupported = isUnsupported
    }

    /// Whether the same call may succeed later without anybody doing anything.
    public var isRetryable: Bool {
        if case .later = retry { return true }
        return false
    }
}

extension KeyfoldError.Code {
    /// What is usual for the code: the second column of docs/spec/errors.md.
    public var retry: KeyfoldError.Retry {
        switch self {
        case .noUsableKey, .kmsDenied, .kmsKeyUnavailable, .versionConflict:
            return .afterChange
        case .kmsThrottled, .kmsUnavailable:
            return .later(after: nil)
        case .invalidArgument, .malformedEnvelope, .unsupportedVersion, .unsupportedSuite,
            .limitExceeded, .truncated, .contextMismatch, .authenticationFailed,
            .signatureInvalid, .kmsProtocol, .secretNotFound, .cancelled, .io, .internal:
            return .never
        }
    }
}

extension KeyfoldError: CustomStringConvertible, LocalizedError {
    /// The code and what happened.
    public var description: String { "\(code.rawValue): \(detail)" }

    /// The same: `localizedDescription` shows it.
    public var errorDescription: String? { description }
}
