package io.keyfold

import io.keyfold.internal.ffi.Keys
import io.keyfold.internal.ffi.SignedBy
import io.keyfold.internal.ffi.SignedWith

/**
 * Which KMS keys wrap data keys, and which may unwrap them. Keys are named by their key URIs, such as
 * `keyfold:alias/docs`.
 */
public class Keyring private constructor(internal val keys: Keys) {
    /**
     * @param generate makes data keys and wraps them.
     * @param alsoWrap wrap them too: each of them opens the envelope.
     * @param alsoUnwrap may open, and never wrap.
     * @param bindOnly the names of the context that the KMS is told; all of them where absent.
     */
    @JvmOverloads
    public constructor(
        generate: String,
        alsoWrap: List<String> = emptyList(),
        alsoUnwrap: List<String> = emptyList(),
        bindOnly: Set<String>? = null,
    ) : this(Keys(generate, alsoWrap.toList(), alsoUnwrap.toList(), bindOnly?.toList(), null))

    override fun equals(other: Any?): Boolean = other is Keyring && other.keys == keys

    override fun hashCode(): Int = keys.hashCode()

    override fun toString(): String = "Keyring(generate=${keys.generate}, alsoWrap=${keys.alsoWrap}, " +
        "alsoUnwrap=${keys.alsoUnwrap}, bindOnly=${keys.bindOnly}, discover=${keys.discover})"

    public companion object {
        /** A keyring that opens and never seals: any of these keys may unwrap, in their order. */
        @JvmStatic
        public fun unwrapWith(keys: List<String>): Keyring =
            Keyring(Keys(null, emptyList(), keys.toList(), null, null))

        /**
         * A keyring that opens whatever is wrapped by any key of the KMS with this scheme: the KMS alone
         * decides who may.
         */
        @JvmStatic
        @JvmOverloads
        public fun discover(scheme: String = "keyfold"): Keyring =
            Keyring(Keys(null, emptyList(), emptyList(), null, scheme))
    }
}

/** A suite of algorithms that envelopes are sealed with. */
public enum class Suite(internal val id: UShort) {
    /** Where none is named. */
    AES_256_GCM(1u),

    /** For machines without AES in their processor. */
    CHACHA20_POLY1305(2u),
}

/** Who signs envelopes. */
public sealed interface Signer {
    /**
     * A key of the KMS.
     *
     * @property key its key URI.
     */
    public class Kms(public val key: String) : Signer

    /**
     * A key of the caller's own.
     *
     * @property key the key; it must not be closed meanwhile.
     */
    public class Local(public val key: SigningKey) : Signer
}

internal fun Signer.toFfi(): SignedWith = when (this) {
    is Signer.Kms -> SignedWith.Kms(key)
    is Signer.Local -> SignedWith.Local(key.handle.toULong())
}

/** Whose signature is accepted, and demanded. */
public sealed interface Signers {
    /**
     * That of one of these keys.
     *
     * @property keys the public keys.
     */
    public class OneOf(public val keys: List<PublicKey>) : Signers {
        public constructor(vararg keys: PublicKey) : this(keys.toList())
    }

    /**
     * That of whatever key the envelope names itself: proves that it is as its signer made it, not who
     * that was.
     */
    public object Anyone : Signers
}

internal fun Signers.toFfi(): SignedBy = when (this) {
    is Signers.Anyone -> SignedBy.Anyone
    is Signers.OneOf -> SignedBy.OneOf(keys.map { it.toDer() })
}
