package io.keyfold

import io.keyfold.internal.Native
import io.keyfold.internal.calling
import io.keyfold.internal.ffi.KeyForm
import io.keyfold.internal.ffi.PublicKey as FfiPublicKey
import io.keyfold.internal.ffi.SigningKey as FfiSigningKey

/** A public key: verifies without any KMS. */
public class PublicKey internal constructor(internal val ffi: FfiPublicKey) : AutoCloseable {
    private val handle: Long = ffi.handle().toLong()
    private val der: ByteArray = ffi.write(KeyForm.DER)

    /** What kind of key, such as `ECC_NIST_P256`. */
    public val spec: String = ffi.spec()

    /** The algorithms that such keys sign with, first the one that counts where none is named. */
    public val algorithms: List<String> = ffi.algorithms()

    /**
     * Verifies the signature of a message, in DER for ECDSA.
     *
     * @throws KeyfoldException.SignatureInvalid where it is not of this message, by this key.
     */
    @JvmOverloads
    public fun verify(message: ByteArray, signature: ByteArray, algorithm: String = algorithms.first()) {
        Native.verify(handle, algorithm.toByteArray(), message, null, 0, message.size, signature)
    }

    /** SubjectPublicKeyInfo in DER. */
    public fun toDer(): ByteArray = der.copyOf()

    /** SubjectPublicKeyInfo in PEM. */
    public fun toPem(): String = calling { String(ffi.write(KeyForm.PEM)) }

    /** A JSON Web Key, as text. */
    public fun toJwk(): String = calling { String(ffi.write(KeyForm.JWK)) }

    override fun close() {
        ffi.destroy()
    }

    override fun equals(other: Any?): Boolean = other is PublicKey && der.contentEquals(other.der)

    override fun hashCode(): Int = der.contentHashCode()

    override fun toString(): String = "PublicKey($spec)"

    public companion object {
        /** SubjectPublicKeyInfo in DER. */
        @JvmStatic
        public fun fromDer(der: ByteArray): PublicKey = read(KeyForm.DER, der)

        /** SubjectPublicKeyInfo in PEM. */
        @JvmStatic
        public fun fromPem(pem: String): PublicKey = read(KeyForm.PEM, pem.toByteArray())

        /** A JSON Web Key, as text. */
        @JvmStatic
        public fun fromJwk(jwk: String): PublicKey = read(KeyForm.JWK, jwk.toByteArray())

        private fun read(form: KeyForm, bytes: ByteArray) =
            PublicKey(calling { FfiPublicKey.read(form, bytes) })
    }
}

/** A private key of the caller's own, for signing without a KMS. */
public class SigningKey private constructor(private val ffi: FfiSigningKey) : AutoCloseable {
    internal val handle: Long = ffi.handle().toLong()

    /** Its public half. */
    public val publicKey: PublicKey = PublicKey(calling { ffi.publicKey() })

    /** Signs a message; with the algorithm that counts for its kind where none is named. */
    @JvmOverloads
    public fun sign(message: ByteArray, algorithm: String? = null): ByteArray =
        calling { ffi.sign(algorithm, message) }

    /** PKCS#8 in DER. */
    public fun toDer(): Secret = Secret(calling { ffi.write(KeyForm.DER) })

    /** PKCS#8 in PEM. */
    public fun toPem(): Secret = Secret(calling { ffi.write(KeyForm.PEM) })

    /** A JSON Web Key. */
    public fun toJwk(): Secret = Secret(calling { ffi.write(KeyForm.JWK) })

    override fun close() {
        ffi.destroy()
    }

    override fun toString(): String = "SigningKey(..)"

    public companion object {
        /** A new key of a spec such as `ECC_NIST_P256`. */
        @JvmStatic
        @JvmOverloads
        public fun generate(spec: String = "ECC_NIST_EDWARDS25519"): SigningKey =
            SigningKey(calling { FfiSigningKey.generate(spec) })

        /** PKCS#8 in DER. */
        @JvmStatic
        public fun fromDer(der: Secret): SigningKey = read(KeyForm.DER, der)

        /** PKCS#8 in PEM. */
        @JvmStatic
        public fun fromPem(pem: Secret): SigningKey = read(KeyForm.PEM, pem)

        /** A JSON Web Key. */
        @JvmStatic
        public fun fromJwk(jwk: Secret): SigningKey = read(KeyForm.JWK, jwk)

        private fun read(form: KeyForm, bytes: Secret) =
            SigningKey(calling { FfiSigningKey.read(form, bytes.ffi) })
    }
}

/** Hashes a message part by part, for [Client.signDigest]. */
public class MessageHasher(algorithm: String) : AutoCloseable {
    private val handle = Native.beginHash(algorithm.toByteArray())

    /** Adds a part of the message. */
    @JvmOverloads
    public fun update(part: ByteArray, offset: Int = 0, length: Int = part.size - offset) {
        Native.hashUpdate(handle, part, null, offset, length)
    }

    /** The digest, once. */
    public fun finish(): ByteArray = Native.hashFinish(handle)

    override fun close() {
        Native.free(handle)
    }
}
