package io.keyfold

import io.keyfold.internal.calling
import io.keyfold.internal.ffi.Info
import io.keyfold.internal.ffi.inspect
import io.keyfold.internal.ffi.inspectFile
import java.nio.file.Path

/**
 * One of the KMS keys that can open an envelope.
 *
 * @property key the KMS key.
 * @property wrappedKeyLength length of the wrapped data key in bytes.
 * @property parameters names of what its KMS noted to unwrap it again.
 */
public data class Recipient(val key: String, val wrappedKeyLength: Int, val parameters: List<String>)

/**
 * What an envelope says of its signature: a hint, never a reason to trust it.
 *
 * @property algorithm such as `ECDSA_SHA_256`.
 * @property spec what kind of key signed.
 * @property key the key URI of the signer, where it is named so.
 * @property publicKey its public key, where it is named so.
 */
public class SignatureInfo internal constructor(
    public val algorithm: String, public val spec: String, public val key: String?, publicKey: ByteArray?,
) {
    private val der = publicKey

    /** Its public key in DER, where it is named so. */
    public val publicKey: ByteArray? get() = der?.copyOf()
}

/**
 * What is public in an envelope. Nothing of it is proven: only decryption does that.
 *
 * @property version the version of the format.
 * @property suite the number of the suite.
 * @property cipher the cipher of the suite, such as `AES-256-GCM`.
 * @property context the encryption context.
 * @property recipients who can open it.
 * @property signature who signed it, as it says.
 * @property headerLength length of the header in bytes.
 * @property bodyLength length of the body in bytes.
 * @property plaintextLength length of the plaintext in bytes, where the body is there.
 */
public class EnvelopeInfo internal constructor(
    public val version: Int,
    public val suite: Int,
    public val cipher: String,
    public val context: Map<String, String>,
    public val recipients: List<Recipient>,
    public val signature: SignatureInfo?,
    public val headerLength: ULong,
    public val bodyLength: ULong,
    public val plaintextLength: ULong?,
) {
    /** Whether the envelope says that it is signed. */
    public val isSigned: Boolean get() = signature != null

    override fun toString(): String = "EnvelopeInfo(cipher=$cipher, context=${context.keys}, " +
        "recipients=${recipients.map { it.key }}, signed=$isSigned)"

    public companion object {
        /**
         * Looks into an envelope without any key.
         *
         * @param envelope it, or its header and more.
         */
        @JvmStatic
        public fun of(envelope: ByteArray): EnvelopeInfo {
            val header = headerLength(envelope)
            return info(calling { inspect(envelope.copyOf(header), envelope.size.toULong()) })
        }

        /** Looks into the envelope in a file. */
        @JvmStatic
        public fun of(path: Path): EnvelopeInfo = info(calling { inspectFile(path.toString()) })

        private fun info(info: Info) = EnvelopeInfo(
            info.version.toInt(), info.suite.toInt(), info.cipher, info.context,
            info.recipients.map { Recipient(it.key, it.wrappedKeyLength.toInt(), it.parameters) },
            info.signature?.let { SignatureInfo(it.algorithm, it.spec, it.key, it.publicKey) },
            info.headerLength, info.bodyLength, info.plaintextLength,
        )
    }
}
