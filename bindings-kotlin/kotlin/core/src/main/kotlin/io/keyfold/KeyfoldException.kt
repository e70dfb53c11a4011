package io.keyfold

import kotlinx.coroutines.CopyableThrowable
import kotlinx.coroutines.ExperimentalCoroutinesApi
import java.time.Duration

/** Whether the same call may succeed another time. */
public sealed class Retry {
    /** It fails again. */
    public object Never : Retry() {
        override fun toString(): String = "Never"
    }

    /**
     * It may succeed later.
     *
     * @property after how long to wait at least, where that is known.
     */
    public data class Later(val after: Duration?) : Retry()

    /** Somebody has to change a policy, a credential, a key or a state first. */
    public object AfterChange : Retry() {
        override fun toString(): String = "AfterChange"
    }
}

/**
 * Every failure of keyfold, one class for each code of
 * [docs/spec/errors.md](https://github.com/keyfold/keyfold/blob/main/docs/spec/errors.md). What a KMS,
 * a network or a file of the caller's threw is the [cause].
 *
 * @property code the stable code, the same in every language.
 * @property detail what happened, without any secret.
 * @property retry whether the same call may succeed another time.
 * @property serviceMessage what a remote service said about it, if anything.
 */
@OptIn(ExperimentalCoroutinesApi::class)
public sealed class KeyfoldException(
    public val code: String,
    public val detail: String,
    public val retry: Retry,
    public val serviceMessage: String?,
    cause: Throwable?,
) : RuntimeException("$code: $detail", cause), CopyableThrowable<KeyfoldException> {
    /** Coroutines throw it as it is: a copy would lose what it says. */
    override fun createCopy(): KeyfoldException? = null

    /** Whether the same call may succeed later without anybody doing anything. */
    public val retryable: Boolean get() = retry is Retry.Later

    /** A call was made with values that can never be right. */
    public open class InvalidArgument @JvmOverloads constructor(
        detail: String, retry: Retry = Retry.Never, serviceMessage: String? = null, cause: Throwable? = null,
    ) : KeyfoldException("invalid_argument", detail, retry, serviceMessage, cause)

    /** The KMS does not have what was asked for: nothing was sent. [Capabilities] tells beforehand. */
    public class Unsupported @JvmOverloads constructor(
        detail: String, retry: Retry = Retry.Never, serviceMessage: String? = null, cause: Throwable? = null,
    ) : InvalidArgument(detail, retry, serviceMessage, cause)

    /** The bytes are not an envelope of a known form. */
    public class MalformedEnvelope @JvmOverloads constructor(
        detail: String, retry: Retry = Retry.Never, serviceMessage: String? = null, cause: Throwable? = null,
    ) : KeyfoldException("malformed_envelope", detail, retry, serviceMessage, cause)

    /** The envelope's version is not 1. */
    public class UnsupportedVersion @JvmOverloads constructor(
        detail: String, retry: Retry = Retry.Never, serviceMessage: String? = null, cause: Throwable? = null,
    ) : KeyfoldException("unsupported_version", detail, retry, serviceMessage, cause)

    /** The suite is unknown, reserved, or not among those the caller accepts. */
    public class UnsupportedSuite @JvmOverloads constructor(
        detail: String, retry: Retry = Retry.Never, serviceMessage: String? = null, cause: Throwable? = null,
    ) : KeyfoldException("unsupported_suite", detail, retry, serviceMessage, cause)

    /** A size or count is above a documented limit. */
    public class LimitExceeded @JvmOverloads constructor(
        detail: String, retry: Retry = Retry.Never, serviceMessage: String? = null, cause: Throwable? = null,
    ) : KeyfoldException("limit_exceeded", detail, retry, serviceMessage, cause)

    /** The input ended before the envelope did. */
    public class Truncated @JvmOverloads constructor(
        detail: String, retry: Retry = Retry.Never, serviceMessage: String? = null, cause: Throwable? = null,
    ) : KeyfoldException("truncated", detail, retry, serviceMessage, cause)

    /** The encryption context is not the one the caller demands. */
    public class ContextMismatch @JvmOverloads constructor(
        detail: String, retry: Retry = Retry.Never, serviceMessage: String? = null, cause: Throwable? = null,
    ) : KeyfoldException("context_mismatch", detail, retry, serviceMessage, cause)

    /** No recipient of the envelope could be unwrapped by the keyring. */
    public class NoUsableKey @JvmOverloads constructor(
        detail: String, retry: Retry = Retry.AfterChange, serviceMessage: String? = null, cause: Throwable? = null,
    ) : KeyfoldException("no_usable_key", detail, retry, serviceMessage, cause)

    /** Something decided with a key did not hold: wrong key or altered data. */
    public class AuthenticationFailed @JvmOverloads constructor(
        detail: String, retry: Retry = Retry.Never, serviceMessage: String? = null, cause: Throwable? = null,
    ) : KeyfoldException("authentication_failed", detail, retry, serviceMessage, cause)

    /** A signature is missing, wrong, or by a signer that is not accepted. */
    public class SignatureInvalid @JvmOverloads constructor(
        detail: String, retry: Retry = Retry.Never, serviceMessage: String? = null, cause: Throwable? = null,
    ) : KeyfoldException("signature_invalid", detail, retry, serviceMessage, cause)

    /** The KMS refuses this caller. */
    public class KmsDenied @JvmOverloads constructor(
        detail: String, retry: Retry = Retry.AfterChange, serviceMessage: String? = null, cause: Throwable? = null,
    ) : KeyfoldException("kms_denied", detail, retry, serviceMessage, cause)

    /** The KMS key is unknown, disabled, pending deletion or of another usage. */
    public class KmsKeyUnavailable @JvmOverloads constructor(
        detail: String, retry: Retry = Retry.AfterChange, serviceMessage: String? = null, cause: Throwable? = null,
    ) : KeyfoldException("kms_key_unavailable", detail, retry, serviceMessage, cause)

    /** The KMS asks to slow down. */
    public class KmsThrottled @JvmOverloads constructor(
        detail: String, retry: Retry = Retry.Later(null), serviceMessage: String? = null, cause: Throwable? = null,
    ) : KeyfoldException("kms_throttled", detail, retry, serviceMessage, cause)

    /** The KMS cannot be reached or cannot answer now. */
    public class KmsUnavailable @JvmOverloads constructor(
        detail: String, retry: Retry = Retry.Later(null), serviceMessage: String? = null, cause: Throwable? = null,
    ) : KeyfoldException("kms_unavailable", detail, retry, serviceMessage, cause)

    /** The KMS answered something that its protocol does not allow. */
    public class KmsProtocol @JvmOverloads constructor(
        detail: String, retry: Retry = Retry.Never, serviceMessage: String? = null, cause: Throwable? = null,
    ) : KeyfoldException("kms_protocol", detail, retry, serviceMessage, cause)

    /** No such secret, version or stage. */
    public class SecretNotFound @JvmOverloads constructor(
        detail: String, retry: Retry = Retry.Never, serviceMessage: String? = null, cause: Throwable? = null,
    ) : KeyfoldException("secret_not_found", detail, retry, serviceMessage, cause)

    /** Something changed meanwhile, or exists already. */
    public class VersionConflict @JvmOverloads constructor(
        detail: String, retry: Retry = Retry.AfterChange, serviceMessage: String? = null, cause: Throwable? = null,
    ) : KeyfoldException("version_conflict", detail, retry, serviceMessage, cause)

    /** The caller cancelled the operation. */
    public class Cancelled @JvmOverloads constructor(
        detail: String, retry: Retry = Retry.Never, serviceMessage: String? = null, cause: Throwable? = null,
    ) : KeyfoldException("cancelled", detail, retry, serviceMessage, cause)

    /** Reading or writing failed outside keyfold. */
    public class Io @JvmOverloads constructor(
        detail: String, retry: Retry = Retry.Never, serviceMessage: String? = null, cause: Throwable? = null,
    ) : KeyfoldException("io", detail, retry, serviceMessage, cause)

    /** A defect of keyfold itself; please report it. */
    public class Internal @JvmOverloads constructor(
        detail: String, retry: Retry = Retry.Never, serviceMessage: String? = null, cause: Throwable? = null,
    ) : KeyfoldException("internal", detail, retry, serviceMessage, cause)

    internal companion object {
        /** A code newer than these classes is treated like `internal`. */
        @Suppress("CyclomaticComplexMethod")
        fun of(
            code: String, detail: String, retry: Retry, serviceMessage: String?, cause: Throwable?,
        ): KeyfoldException = when (code) {
            "invalid_argument" -> InvalidArgument(detail, retry, serviceMessage, cause)
            "malformed_envelope" -> MalformedEnvelope(detail, retry, serviceMessage, cause)
            "unsupported_version" -> UnsupportedVersion(detail, retry, serviceMessage, cause)
            "unsupported_suite" -> UnsupportedSuite(detail, retry, serviceMessage, cause)
            "limit_exceeded" -> LimitExceeded(detail, retry, serviceMessage, cause)
            "truncated" -> Truncated(detail, retry, serviceMessage, cause)
            "context_mismatch" -> ContextMismatch(detail, retry, serviceMessage, cause)
            "no_usable_key" -> NoUsableKey(detail, retry, serviceMessage, cause)
            "authentication_failed" -> AuthenticationFailed(detail, retry, serviceMessage, cause)
            "signature_invalid" -> SignatureInvalid(detail, retry, serviceMessage, cause)
            "kms_denied" -> KmsDenied(detail, retry, serviceMessage, cause)
            "kms_key_unavailable" -> KmsKeyUnavailable(detail, retry, serviceMessage, cause)
            "kms_throttled" -> KmsThrottled(detail, retry, serviceMessage, cause)
            "kms_unavailable" -> KmsUnavailable(detail, retry, serviceMessage, cause)
            "kms_protocol" -> KmsProtocol(detail, retry, serviceMessage, cause)
            "secret_not_found" -> SecretNotFound(detail, retry, serviceMessage, cause)
            "version_conflict" -> VersionConflict(detail, retry, serviceMessage, cause)
            "cancelled" -> Cancelled(detail, retry, serviceMessage, cause)
            "io" -> Io(detail, retry, serviceMessage, cause)
            else -> Internal(detail, retry, serviceMessage, cause)
        }
    }
}
