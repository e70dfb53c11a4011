package io.keyfold

import io.keyfold.internal.ffi.KeyDescription
import io.keyfold.internal.ffi.KeyService
import io.keyfold.internal.ffi.NewKey
import io.keyfold.internal.calling
import io.keyfold.internal.toFfi
import io.keyfold.internal.toPublic
import io.keyfold.internal.waiting
import io.keyfold.kms.Kms
import io.keyfold.kms.Request
import io.keyfold.kms.Response
import java.time.Instant

/**
 * The properties of a KMS key.
 *
 * @property key its full name, as a key URI.
 * @property keyId the bare id.
 * @property spec what kind of key, such as `SYMMETRIC_DEFAULT`, or the service's own word. What a service
 * does not tell is empty.
 * @property usage `ENCRYPT_DECRYPT` or `SIGN_VERIFY`.
 * @property state such as `Enabled`, `Disabled`, `PendingDeletion`.
 * @property description what people should know about it.
 * @property created when it was made; 1970 where the service does not tell.
 * @property deletion when it ends, where that is decided.
 */
public data class KeyInfo(
    val key: String, val keyId: String, val spec: String, val usage: String, val state: String,
    val description: String, val created: Instant, val deletion: Instant?,
) {
    /** Whether it can be used. */
    val isEnabled: Boolean get() = state == "Enabled"
}

private fun KeyDescription.toInfo() = KeyInfo(
    key, keyId, spec, usage, state, description, Instant.ofEpochMilli(createdMillis.toLong()),
    deletionMillis?.let { Instant.ofEpochMilli(it.toLong()) },
)

/**
 * A KMS whose keys are managed here too: [EmbeddedKms], [RemoteKms]. A key is named by its key URI.
 * Every function may throw the `Kms…` exceptions, and at a cloud [KeyfoldException.Unsupported] for what
 * that does not have; then nothing is sent.
 */
public sealed class KeyAdmin(internal val service: KeyService) : Kms, AutoCloseable {
    override suspend fun call(request: Request): Response =
        waiting { service.call(request.toFfi()) }.toPublic()

    /**
     * Makes a KMS key, and a name for it; answers its full name.
     *
     * @param alias `alias/` and letters, digits, `/`, `_`, `-`; at a cloud what that takes for a name. Some
     * demand one.
     * @param spec `SYMMETRIC_DEFAULT`; `RSA_2048` to `RSA_4096`, `ECC_NIST_P256` to `P521`,
     * `ECC_SECG_P256K1`, `ECC_NIST_EDWARDS25519`.
     * @param usage `ENCRYPT_DECRYPT` or `SIGN_VERIFY`; needed for RSA only.
     * @param description what people should know about it.
     * @param tags names and values.
     * @param policy the key policy, in JSON.
     * @throws KeyfoldException.VersionConflict where the alias names another key already.
     */
    public suspend fun createKey(
        alias: String? = null, spec: String = "SYMMETRIC_DEFAULT", usage: String? = null,
        description: String? = null, tags: Map<String, String> = emptyMap(), policy: String? = null,
    ): String = waiting { service.createKey(NewKey(alias, spec, usage, description, tags, policy)) }

    /** The properties of a key, by any of its names. */
    public suspend fun describeKey(key: String): KeyInfo = waiting { service.describeKey(key) }.toInfo()

    /** The full names of all keys. */
    public suspend fun listKeys(): List<String> = waiting { service.listKeys() }

    /** Makes a disabled key usable again. */
    public suspend fun enableKey(key: String): Unit = waiting { service.enableKey(key) }

    /** Makes a key unusable until it is enabled again. */
    public suspend fun disableKey(key: String): Unit = waiting { service.disableKey(key) }

    /** Gives a symmetric key a new version; what older versions encrypted still opens. */
    public suspend fun rotateKey(key: String): Unit = waiting { service.rotateKey(key) }

    /** Has a symmetric key rotate by itself every 90 to 2560 [days]; with null no more. */
    public suspend fun setRotation(key: String, days: Int?): Unit =
        waiting { service.setRotation(key, days?.toUInt()) }

    /** Replaces what people should know about a key. */
    public suspend fun setDescription(key: String, description: String): Unit =
        waiting { service.setDescription(key, description) }

    /**
     * Ends a key after a waiting period of 7 to 30 [days], or as long as a cloud allows; answers when. When
     * it is gone, everything encrypted under it is lost for good.
     */
    public suspend fun scheduleKeyDeletion(key: String, days: Int = 30): Instant =
        Instant.ofEpochMilli(waiting { service.scheduleKeyDeletion(key, days.toUInt()) }.toLong())

    /** Keeps a key whose deletion is scheduled; it is disabled afterwards. */
    public suspend fun cancelKeyDeletion(key: String): Unit = waiting { service.cancelKeyDeletion(key) }

    /** Gives a key another name, `alias/NAME`. */
    public suspend fun createAlias(alias: String, key: String): Unit =
        waiting { service.createAlias(alias, key) }

    /** Moves a name to another key of the same kind. */
    public suspend fun updateAlias(alias: String, key: String): Unit =
        waiting { service.updateAlias(alias, key) }

    /** Takes a name away; its key stays. */
    public suspend fun deleteAlias(alias: String): Unit = waiting { service.deleteAlias(alias) }

    /** The names of one key, or all of them, each with the id of its key. */
    public suspend fun listAliases(key: String? = null): Map<String, String> =
        waiting { service.listAliases(key) }

    /** Sets tags of a key. */
    public suspend fun tagKey(key: String, tags: Map<String, String>): Unit =
        waiting { service.tagKey(key, tags) }

    /** Removes tags of a key. */
    public suspend fun untagKey(key: String, names: List<String>): Unit =
        waiting { service.untagKey(key, names) }

    /** The tags of a key. */
    public suspend fun listTags(key: String): Map<String, String> = waiting { service.listTags(key) }

    /** The policy of a key, in JSON. */
    public suspend fun getKeyPolicy(key: String): String = waiting { service.getKeyPolicy(key) }

    /** Replaces the policy of a key. */
    public suspend fun putKeyPolicy(key: String, policy: String): Unit =
        waiting { service.putKeyPolicy(key, policy) }

    /** Lets go of it; clients over it go on until they are closed themselves. */
    override fun close() {
        // Not `destroy`: it may be an argument yet, and one that is destroyed is a stray pointer.
        calling { service.release() }
    }
}
