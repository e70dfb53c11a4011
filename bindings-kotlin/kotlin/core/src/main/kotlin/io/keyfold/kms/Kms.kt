/** The seam behind which every KMS stands: one function, typed requests and answers. */
package io.keyfold.kms

/**
 * A KMS. [io.keyfold.EmbeddedKms], [io.keyfold.RemoteKms] and [io.keyfold.RouterKms] are three; an
 * application may bring its own.
 *
 * An implementation may throw any [io.keyfold.KeyfoldException], whose code arrives; anything else it
 * throws becomes [io.keyfold.KeyfoldException.KmsUnavailable] with that as its cause.
 */
public interface Kms {
    /** Performs a request. Cancelled where nobody waits for the answer any more. */
    public suspend fun call(request: Request): Response
}

/**
 * A data key under a KMS key. All of it is public.
 *
 * @property key the KMS key, by its full name.
 * @property ciphertext the data key under it.
 * @property parameters what the KMS noted, to unwrap it again.
 */
public class WrappedKey @JvmOverloads constructor(
    public val key: String,
    public val ciphertext: ByteArray,
    public val parameters: Map<String, ByteArray> = emptyMap(),
)

/** What is asked of a KMS. Where it names a context, that must be authenticated. */
public sealed interface Request {
    /** Make a data key of 32 bytes: answer [Response.DataKey]. */
    public class GenerateDataKey(public val key: String, public val context: Map<String, String>) : Request

    /** Put a data key under another KMS key: answer [Response.Wrapped]. */
    public class Wrap(
        public val key: String, public val dataKey: ByteArray, public val context: Map<String, String>,
    ) : Request

    /** Recover a data key: answer [Response.Unwrapped]. [key] is an alias that must name its key. */
    public class Unwrap(
        public val wrapped: WrappedKey, public val context: Map<String, String>, public val key: String?,
    ) : Request

    /** Put a data key under the KMS key [to], without anybody seeing it: answer [Response.Wrapped]. */
    public class Rewrap(
        public val wrapped: WrappedKey, public val context: Map<String, String>, public val key: String?,
        public val to: String,
    ) : Request

    /** Encrypt small data by the KMS key itself: answer [Response.Ciphertext]. */
    public class Encrypt(
        public val key: String, public val plaintext: ByteArray, public val context: Map<String, String>,
    ) : Request

    /** Decrypt it, by [key] where that is named: answer [Response.Plaintext]. */
    public class Decrypt(
        public val key: String?, public val ciphertext: ByteArray, public val context: Map<String, String>,
    ) : Request

    /** Sign a message of at most 4096 bytes, or a digest: answer [Response.Signature]. */
    public class Sign(
        public val key: String, public val algorithm: String, public val message: ByteArray,
        public val isDigest: Boolean,
    ) : Request

    /** Verify such a signature: answer [Response.Verified], or fail. */
    public class Verify(
        public val key: String, public val algorithm: String, public val message: ByteArray,
        public val isDigest: Boolean, public val signature: ByteArray,
    ) : Request

    /** The public half of a key: answer [Response.PublicKey]. */
    public class GetPublicKey(public val key: String) : Request

    /** The full name behind an alias: answer [Response.Key]. */
    public class ResolveKey(public val key: String) : Request

    /** Keep a secret: answer [Response.SecretVersion]. The same [token] again is the same change. */
    public class PutSecret(
        public val name: String, public val value: ByteArray, public val key: String?,
        public val token: String,
    ) : Request

    /** Get a secret: answer [Response.Secret]. */
    public class GetSecret(
        public val name: String, public val version: String?, public val stage: String?,
    ) : Request
}

/** What a KMS answers. */
public sealed interface Response {
    /** A data key of 32 bytes, and the same under the KMS key. */
    public class DataKey(public val dataKey: ByteArray, public val wrapped: WrappedKey) : Response

    /** A data key under a KMS key. */
    public class Wrapped(public val wrapped: WrappedKey) : Response

    /** A data key of 32 bytes. */
    public class Unwrapped(public val dataKey: ByteArray) : Response

    /** What was encrypted, and the full name of the key that did it. */
    public class Ciphertext(public val ciphertext: ByteArray, public val key: String) : Response

    /** What was decrypted, and the full name of the key that did it. */
    public class Plaintext(public val plaintext: ByteArray, public val key: String) : Response

    /** A signature, in DER for ECDSA. */
    public class Signature(public val signature: ByteArray) : Response

    /** The signature is right. */
    public object Verified : Response

    /** A public key as SubjectPublicKeyInfo in DER, and the full name of the key. */
    public class PublicKey(public val spki: ByteArray, public val key: String) : Response

    /** The full name of a key. */
    public class Key(public val key: String) : Response

    /** The id of the version of a secret. */
    public class SecretVersion(public val version: String) : Response

    /** A secret, and the id of its version. */
    public class Secret(public val value: ByteArray, public val version: String) : Response
}
