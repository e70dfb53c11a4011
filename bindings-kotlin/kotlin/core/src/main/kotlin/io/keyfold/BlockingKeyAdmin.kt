package io.keyfold

import kotlinx.coroutines.runBlocking
import java.time.Instant

/**
 * The management of keys for Java, and for threads that may wait: the functions of [KeyAdmin], each done
 * when it returns.
 *
 * @property kms whose keys they are; it stays the caller's to close.
 */
public class BlockingKeyAdmin(public val kms: KeyAdmin) {
    /** @see KeyAdmin.createKey */
    @JvmOverloads
    @Throws(InterruptedException::class)
    public fun createKey(
        alias: String? = null, spec: String = "SYMMETRIC_DEFAULT", usage: String? = null,
        description: String? = null, tags: Map<String, String> = emptyMap(), policy: String? = null,
    ): String = runBlocking { kms.createKey(alias, spec, usage, description, tags, policy) }

    /** @see KeyAdmin.describeKey */
    @Throws(InterruptedException::class)
    public fun describeKey(key: String): KeyInfo = runBlocking { kms.describeKey(key) }

    /** @see KeyAdmin.listKeys */
    @Throws(InterruptedException::class)
    public fun listKeys(): List<String> = runBlocking { kms.listKeys() }

    /** @see KeyAdmin.enableKey */
    @Throws(InterruptedException::class)
    public fun enableKey(key: String): Unit = runBlocking { kms.enableKey(key) }

    /** @see KeyAdmin.disableKey */
    @Throws(InterruptedException::class)
    public fun disableKey(key: String): Unit = runBlocking { kms.disableKey(key) }

    /** @see KeyAdmin.rotateKey */
    @Throws(InterruptedException::class)
    public fun rotateKey(key: String): Unit = runBlocking { kms.rotateKey(key) }

    /** @see KeyAdmin.setRotation */
    @Throws(InterruptedException::class)
    public fun setRotation(key: String, days: Int?): Unit = runBlocking { kms.setRotation(key, days) }

    /** @see KeyAdmin.setDescription */
    @Throws(InterruptedException::class)
    public fun setDescription(key: String, description: String): Unit =
        runBlocking { kms.setDescription(key, description) }

    /** @see KeyAdmin.scheduleKeyDeletion */
    @JvmOverloads
    @Throws(InterruptedException::class)
    public fun scheduleKeyDeletion(key: String, days: Int = 30): Instant =
        runBlocking { kms.scheduleKeyDeletion(key, days) }

    /** @see KeyAdmin.cancelKeyDeletion */
    @Throws(InterruptedException::class)
    public fun cancelKeyDeletion(key: String): Unit = runBlocking { kms.cancelKeyDeletion(key) }

    /** @see KeyAdmin.createAlias */
    @Throws(InterruptedException::class)
    public fun createAlias(alias: String, key: String): Unit = runBlocking { kms.createAlias(alias, key) }

    /** @see KeyAdmin.updateAlias */
    @Throws(InterruptedException::class)
    public fun updateAlias(alias: String, key: String): Unit = runBlocking { kms.updateAlias(alias, key) }

    /** @see KeyAdmin.deleteAlias */
    @Throws(InterruptedException::class)
    public fun deleteAlias(alias: String): Unit = runBlocking { kms.deleteAlias(alias) }

    /** @see KeyAdmin.listAliases */
    @JvmOverloads
    @Throws(InterruptedException::class)
    public fun listAliases(key: String? = null): Map<String, String> = runBlocking { kms.listAliases(key) }

    /** @see KeyAdmin.tagKey */
    @Throws(InterruptedException::class)
    public fun tagKey(key: String, tags: Map<String, String>): Unit = runBlocking { kms.tagKey(key, tags) }

    /** @see KeyAdmin.untagKey */
    @Throws(InterruptedException::class)
    public fun untagKey(key: String, names: List<String>): Unit = runBlocking { kms.untagKey(key, names) }

    /** @see KeyAdmin.listTags */
    @Throws(InterruptedException::class)
    public fun listTags(key: String): Map<String, String> = runBlocking { kms.listTags(key) }

    /** @see KeyAdmin.getKeyPolicy */
    @Throws(InterruptedException::class)
    public fun getKeyPolicy(key: String): String = runBlocking { kms.getKeyPolicy(key) }

    /** @see KeyAdmin.putKeyPolicy */
    @Throws(InterruptedException::class)
    public fun putKeyPolicy(key: String, policy: String): Unit = runBlocking { kms.putKeyPolicy(key, policy) }
}
