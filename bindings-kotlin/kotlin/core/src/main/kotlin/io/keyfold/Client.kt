package io.keyfold

import io.keyfold.internal.Bytes
import io.keyfold.internal.Native
import io.keyfold.internal.asService
import io.keyfold.internal.calling
import io.keyfold.internal.ffi.CacheBounds
import io.keyfold.internal.ffi.FfiConverterTypeSpec
import io.keyfold.internal.ffi.Spec
import io.keyfold.internal.ffi.defaultCacheBounds
import io.keyfold.internal.ffi.digestLength
import io.keyfold.internal.goOn
import io.keyfold.internal.trailer
import io.keyfold.internal.waiting
import io.keyfold.kms.Kms
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.withContext
import java.nio.ByteBuffer
import java.nio.ReadOnlyBufferException
import java.time.Duration
import io.keyfold.internal.ffi.Client as FfiClient

/**
 * When a cached data key ends: at the first of these.
 *
 * @property maxAge age.
 * @property maxMessages messages.
 * @property maxBytes bytes of plaintext.
 * @property maxEntries data keys that are kept at all.
 */
public class CacheLimits(
    public val maxAge: Duration = Duration.ofMillis(DEFAULT.maxAgeMillis.toLong()),
    public val maxMessages: ULong = DEFAULT.maxMessages,
    public val maxBytes: ULong = DEFAULT.maxBytes,
    public val maxEntries: Int = DEFAULT.maxEntries.toInt(),
) {
    /** As they are where none are given. */
    public constructor() : this(maxAge = Duration.ofMillis(DEFAULT.maxAgeMillis.toLong()))

    internal fun toFfi() =
        CacheBounds(maxAge.toMillis().toULong(), maxMessages, maxBytes, maxEntries.toULong())

    private companion object {
        val DEFAULT: CacheBounds by lazy { calling { defaultCacheBounds() } }
    }
}

/**
 * What a cache of data keys did.
 *
 * @property hits how often a data key was there.
 * @property misses how often the KMS was asked.
 */
public class CacheStats internal constructor(public val hits: Long, public val misses: Long) {
    override fun toString(): String = "CacheStats(hits=$hits, misses=$misses)"
}

/** How many bytes are worth another thread: below, a call is done sooner than that is there. */
internal const val WORTH_THREAD = 1 shl 20

/**
 * Encrypts, decrypts, signs and keeps secrets under the keys of one KMS.
 *
 * Data keys are made by the KMS and kept for a while, so that most messages ask nobody; then nothing
 * suspends. A client may be shared between threads and coroutines. It holds data keys: [close] it.
 *
 * Every function may throw any [KeyfoldException]; those of a KMS are the `Kms…` ones. A coroutine that
 * is cancelled gives up what it waits for, and so does the KMS.
 *
 * @param kms an [EmbeddedKms], a [RemoteKms], a [RouterKms] over several, or a KMS of the application's own.
 * @param keys the KMS keys where a call names none.
 * @param context the encryption context where a call names none: public, bound to what is encrypted,
 * and needed again to decrypt it.
 * @param cache the limits of the cache of data keys; with null every message asks the KMS.
 * @param threads how many threads work on what is large; with 1 none is started.
 * @param suites the suites that are accepted; all of them where absent.
 */
public class Client(
    public val kms: Kms,
    private val keys: Keyring? = null,
    context: Map<String, String> = emptyMap(),
    cache: CacheLimits? = CacheLimits(),
    threads: Int = 1,
    private val suites: Set<Suite>? = null,
) : AutoCloseable {
    /** One key for all that names none. */
    @JvmOverloads
    public constructor(kms: Kms, key: String, context: Map<String, String> = emptyMap()) :
        this(kms, Keyring(key), context)

    private val context = context.toMap()
    internal val ffi: FfiClient = calling {
        kms.asService { service ->
            FfiClient(service, words(null, null, null, null), cache?.toFfi(), threads.coerceAtLeast(0).toUInt())
        }
    }
    internal val handle: Long = ffi.handle().toLong()

    /** The password safe of the KMS. */
    public val secrets: Secrets = Secrets(ffi)

    /** What the cache did since the client was made. */
    public val cacheStats: CacheStats
        get() = calling { ffi.cacheCounts() }.let { CacheStats(it.hits.toLong(), it.misses.toLong()) }

    /** Forgets every data key. */
    public fun clearCache(): Unit = calling { ffi.clearCache() }

    /**
     * Encrypts a whole value.
     *
     * @param keys the KMS keys; those of the client where absent. The first makes the data key, the
     * others wrap it too: each of them opens the envelope.
     * @param context the encryption context; that of the client where absent.
     * @param suite AES-256-GCM where absent.
     * @param signer who signs the envelope; nobody where absent.
     * @return the envelope: some 300 bytes more than the data, and 16 for every 16 KiB.
     */
    public suspend fun encrypt(
        data: ByteArray, keys: Keyring? = null, context: Map<String, String>? = null,
        suite: Suite? = null, signer: Signer? = null,
    ): ByteArray = aside(data.size) {
        sealed(data, spec(keys, context, suite, signer)) { sealedLater(it, data, signer) }
    }

    /**
     * Encrypts what is left in a buffer into another one, both direct or both with an array for the
     * best speed; they must not overlap. Both positions move behind what was read and written.
     *
     * @param out [maxEncryptedLength] bytes are always enough.
     * @return how many bytes were written.
     * @throws KeyfoldException.InvalidArgument where `out` is too short, or shares memory with the data.
     */
    public suspend fun encrypt(
        data: ByteBuffer, out: ByteBuffer, keys: Keyring? = null, context: Map<String, String>? = null,
        suite: Suite? = null, signer: Signer? = null,
    ): Int = aside(data.remaining()) {
        sealed(data, out, spec(keys, context, suite, signer)) { wait, from, to ->
            sealedLater(wait, from, to, out, signer)
        }
    }

    /**
     * Encrypts a whole value, header and body apart: the header may live beside the body, say in a
     * column of a database, where [rewrap] changes it alone. Otherwise as [encrypt].
     */
    public suspend fun encryptDetached(
        data: ByteArray, keys: Keyring? = null, context: Map<String, String>? = null,
        suite: Suite? = null, signer: Signer? = null,
    ): Detached {
        val envelope = encrypt(data, keys, context, suite, signer)
        val header = headerLength(envelope)
        return Detached(envelope.copyOf(header), envelope.copyOfRange(header, envelope.size))
    }

    /**
     * Decrypts a whole value. Nothing is released before all of it is proven.
     *
     * @param keys the KMS keys that may open it, in their order; those of the client where absent.
     * @param context the exact encryption context; that of the client where absent.
     * @param containing a part of the context that is enough, instead of all of it.
     * @param signers whose signature is accepted. Needed for every signed envelope; an unsigned one is
     * then refused.
     * @param header the header, where it is kept apart and `envelope` is the body.
     * @throws KeyfoldException.ContextMismatch where it was made under another context.
     * @throws KeyfoldException.NoUsableKey where none of the keys opens it.
     * @throws KeyfoldException.AuthenticationFailed where the key is another, or the data was altered.
     */
    public suspend fun decrypt(
        envelope: ByteArray, keys: Keyring? = null, context: Map<String, String>? = null,
        containing: Map<String, String>? = null, signers: Signers? = null, header: ByteArray? = null,
    ): ByteArray = aside(envelope.size) {
        val spec = opening(keys, context, containing, signers)
        if (header != null) {
            val begun = Native.beginOpen(handle, spec, header, envelope.size.toLong(), false)
            return@aside ended(begun) { Native.openWhole(it, envelope, null, 0, envelope.size) }
        }
        opened(envelope, spec) { openedLater(it, envelope) }
    }

    /**
     * Decrypts what is left in a buffer into another one; they must not overlap. Both positions move
     * behind what was read and written. After an error nothing of the plaintext is in `out`.
     *
     * @param out as long as the envelope is always enough.
     * @return the length of the plaintext.
     */
    public suspend fun decrypt(
        envelope: ByteBuffer, out: ByteBuffer, keys: Keyring? = null,
        context: Map<String, String>? = null, containing: Map<String, String>? = null,
        signers: Signers? = null,
    ): Int = aside(envelope.remaining()) {
        opened(envelope, out, opening(keys, context, containing, signers)) { wait, from, to ->
            openedLater(wait, from, to)
        }
    }

    /**
     * Moves an envelope to other KMS keys, without touching its body: the KMS unwraps the data key and
     * wraps it again; nobody else sees it, and signatures stay valid.
     *
     * @param envelope it, or its header alone.
     * @param to the KMS keys that open it from now on, instead of those before.
     * @param from those that may open it now; those of the client where absent.
     */
    public suspend fun rewrap(envelope: ByteArray, to: Keyring, from: Keyring? = null): ByteArray =
        changed(envelope) { ffi.rewrap(it, words(from, null, null, null), words(to, null, null, null)) }

    /** Lets further KMS keys open an envelope, at most 16 in all; otherwise as [rewrap]. */
    public suspend fun addRecipients(envelope: ByteArray, keys: Keyring, from: Keyring? = null): ByteArray =
        changed(envelope) {
            ffi.addRecipients(it, words(from, null, null, null), words(keys, null, null, null))
        }

    /**
     * Takes KMS keys off an envelope; otherwise as [rewrap]. Whoever has opened it before may have kept
     * its data key.
     */
    public suspend fun removeRecipients(envelope: ByteArray, keys: List<String>): ByteArray =
        changed(envelope) { ffi.removeRecipients(it, keys) }

    /**
     * Signs a message with a key of the KMS. One above 4096 bytes is hashed here.
     *
     * @param key the KMS key.
     * @param algorithm such as `ECDSA_SHA_256`; that of the key where absent, which asks the KMS for its
     * public key. For RSA that is `RSASSA_PSS_SHA_256`.
     * @return the signature, in DER for ECDSA.
     */
    public suspend fun sign(message: ByteArray, key: String, algorithm: String? = null): ByteArray {
        val name = algorithm ?: publicKey(key).use { it.algorithms.first() }
        if (calling { digestLength(name, message.size.toULong()) } == null) {
            return waiting { ffi.sign(key, name, message) }
        }
        val digest = aside(message.size) {
            MessageHasher(name).use { it.update(message); it.finish() }
        }
        return signDigest(digest, key, name)
    }

    /** Signs the digest of a message, as [MessageHasher] makes it. */
    public suspend fun signDigest(digest: ByteArray, key: String, algorithm: String): ByteArray =
        waiting { ffi.signDigest(key, algorithm, digest) }

    /**
     * Verifies a signature with the public key of a KMS key; the message stays here.
     *
     * @throws KeyfoldException.SignatureInvalid where it is not of this message, by this key.
     */
    public suspend fun verify(
        message: ByteArray, signature: ByteArray, key: String, algorithm: String? = null,
    ): Unit = publicKey(key).use { it.verify(message, signature, algorithm ?: it.algorithms.first()) }

    /** The public key of an asymmetric KMS key: hand it to whoever verifies. */
    public suspend fun publicKey(key: String): PublicKey = PublicKey(waiting { ffi.publicKey(key) })

    /** The full name behind an alias or a short name. */
    public suspend fun resolve(key: String): String = waiting { ffi.resolve(key) }

    /**
     * Encrypts 1 to 4096 bytes by the KMS key itself: they go to the KMS.
     *
     * @param key the KMS key; the first of the client's where absent.
     * @param context the encryption context; that of the client where absent.
     * @return the ciphertext, in the KMS's own form.
     */
    public suspend fun encryptSmall(
        data: ByteArray, key: String? = null, context: Map<String, String>? = null,
    ): ByteArray = Secret(data).use { secret -> waiting { ffi.encryptSmall(key, secret.ffi, context) } }

    /**
     * Decrypts what [encryptSmall] made. With a key, it must be of that one.
     *
     * @throws KeyfoldException.AuthenticationFailed where key, context or ciphertext do not belong
     * together.
     */
    public suspend fun decryptSmall(
        data: ByteArray, key: String? = null, context: Map<String, String>? = null,
    ): ByteArray = Secret(waiting { ffi.decryptSmall(key, data, context) }).use { it.expose() }

    /** Forgets all data keys. What is in progress on other threads goes on to its end. */
    override fun close() {
        ffi.destroy()
    }

    // ---- whole values: at once where the data key is there, `later` where the KMS has to be asked ----

    internal inline fun sealed(
        data: ByteArray, spec: ByteArray?, later: (LongArray) -> ByteArray,
    ): ByteArray {
        val wait = LongArray(2)
        return Native.seal(handle, spec, data, null, 0, data.size, wait) ?: later(wait)
    }

    internal suspend fun sealedLater(wait: LongArray, data: ByteArray, signer: Signer?): ByteArray =
        goOn(wait[0]) { stream ->
            val envelope = Native.sealWhole(stream, data, null, 0, data.size)
            val end = end(stream, signer)
            envelope.also { end.copyInto(it, it.size - end.size) }
        }

    internal inline fun sealed(
        data: ByteBuffer, out: ByteBuffer, spec: ByteArray?, later: (LongArray, Bytes, Bytes) -> Int,
    ): Int {
        val (from, to) = ends(data, out)
        val wait = LongArray(2)
        val written = Native.sealInto(
            handle, spec, from.array, from.direct, from.at, from.length,
            to.array, to.direct, to.at, to.length, wait,
        )
        return moved(data, out, if (written >= 0) written else later(wait, from, to))
    }

    internal suspend fun sealedLater(
        wait: LongArray, from: Bytes, to: Bytes, out: ByteBuffer, signer: Signer?,
    ): Int = goOn(wait[0]) { stream ->
        val length = Native.sealWholeInto(
            stream, from.array, from.direct, from.at, from.length, to.array, to.direct, to.at, to.length,
        )
        val end = end(stream, signer)
        if (end.size > to.length - length) {
            throw KeyfoldException.InvalidArgument("the output buffer is too short")
        }
        out.duplicate().apply { position(out.position() + length) }.put(end)
        length + end.size
    }

    internal inline fun opened(
        envelope: ByteArray, spec: ByteArray?, later: (LongArray) -> ByteArray,
    ): ByteArray {
        val wait = LongArray(2)
        return Native.open(handle, spec, envelope, null, 0, envelope.size, wait) ?: later(wait)
    }

    internal suspend fun openedLater(wait: LongArray, envelope: ByteArray): ByteArray =
        goOn(wait[0]) { stream ->
            val body = wait[1].toInt()
            Native.openWhole(stream, envelope, null, body, envelope.size - body)
        }

    internal inline fun opened(
        envelope: ByteBuffer, out: ByteBuffer, spec: ByteArray?, later: (LongArray, Bytes, Bytes) -> Int,
    ): Int {
        val (from, to) = ends(envelope, out)
        val wait = LongArray(2)
        val written = Native.openInto(
            handle, spec, from.array, from.direct, from.at, from.length,
            to.array, to.direct, to.at, to.length, wait,
        )
        return moved(envelope, out, if (written >= 0) written else later(wait, from, to))
    }

    internal suspend fun openedLater(wait: LongArray, from: Bytes, to: Bytes): Int =
        goOn(wait[0]) { stream ->
            val body = wait[1].toInt()
            Native.openWholeInto(
                stream, from.array, from.direct, from.at + body, from.length - body,
                to.array, to.direct, to.at, to.length,
            )
        }

    // ---- what streams, files and readers share ----

    /** A stream that seals; of so many bytes, where that is known. Whoever gets its number frees it. */
    internal suspend fun beginSeal(
        keys: Keyring?, context: Map<String, String>?, suite: Suite?, signer: Signer?, length: ULong?,
    ): Long = begun(
        Native.beginSeal(handle, spec(keys, context, suite, signer), length?.toLong() ?: -1),
    )

    /** A stream that opens. Whoever gets its number frees it. */
    internal suspend fun beginOpen(
        header: ByteArray, keys: Keyring?, context: Map<String, String>?, containing: Map<String, String>?,
        signers: Signers?, length: Long, unproven: Boolean,
    ): Long = begun(
        Native.beginOpen(handle, opening(keys, context, containing, signers), header, length, unproven),
    )

    /** All that a call says beside its data, the client's own where it says nothing. */
    internal fun words(
        keys: Keyring?, context: Map<String, String>?, suite: Suite?, signer: Signer?,
        containing: Map<String, String>? = null, signers: Signers? = null,
    ): Spec {
        if (context != null && containing != null) {
            throw KeyfoldException.InvalidArgument("give the context, or a part that is enough, not both")
        }
        return Spec(
            (keys ?: this.keys)?.keys, containing ?: context ?: this.context, containing != null,
            suite?.id, suites?.map { it.id }, signer?.toFfi(), signers?.toFfi(),
        )
    }

    internal fun spec(
        keys: Keyring?, context: Map<String, String>?, suite: Suite?, signer: Signer?,
    ): ByteArray? {
        if (keys == null && context == null && suite == null && signer == null) return null
        return encode(words(keys, context, suite, signer))
    }

    internal fun opening(
        keys: Keyring?, context: Map<String, String>?, containing: Map<String, String>?, signers: Signers?,
    ): ByteArray? {
        if (keys == null && context == null && containing == null && signers == null) return null
        return encode(words(keys, context, null, null, containing, signers))
    }

    private fun encode(spec: Spec): ByteArray = calling {
        val buffer = ByteBuffer.allocate(FfiConverterTypeSpec.allocationSize(spec).toInt())
        FfiConverterTypeSpec.write(spec, buffer)
        buffer.array().copyOf(buffer.position())
    }

    private suspend fun end(stream: Long, signer: Signer?): ByteArray =
        if (signer == null) EMPTY else trailer(stream)

    private suspend fun changed(envelope: ByteArray, change: suspend (ByteArray) -> ByteArray): ByteArray {
        val header = headerLength(envelope)
        val changed = waiting { change(envelope.copyOf(header)) }
        return changed + envelope.copyOfRange(header, envelope.size)
    }

    public companion object {
        private val EMPTY = ByteArray(0)

        /** At most how long the envelope of so many bytes is. */
        public fun maxEncryptedLength(length: ULong): ULong =
            calling { io.keyfold.internal.ffi.maxEncryptedLength(length) }

        /** At most how long the envelope of so many bytes is. */
        @JvmStatic
        public fun maxEncryptedLength(length: Long): Long {
            if (length < 0) throw KeyfoldException.InvalidArgument("a length is not negative")
            return maxEncryptedLength(length.toULong()).toLong()
        }

        internal fun ends(data: ByteBuffer, out: ByteBuffer): Pair<Bytes, Bytes> {
            if (out.isReadOnly) throw ReadOnlyBufferException()
            return Bytes(data) to Bytes(out)
        }

        internal fun moved(data: ByteBuffer, out: ByteBuffer, written: Int): Int {
            data.position(data.limit())
            out.position(out.position() + written)
            return written
        }
    }
}

/** Works on so many bytes: on a thread that is made for it, where they are many. */
internal suspend inline fun <T> aside(bytes: Int, crossinline work: suspend () -> T): T =
    if (bytes < WORTH_THREAD) work() else withContext(Dispatchers.Default) { work() }

/** Waits for the data key of a stream, where it is not there. */
internal suspend fun begun(stream: Long): Long {
    if (stream >= 0) return stream
    var kept = false
    try {
        waiting { io.keyfold.internal.ffi.streamReady((-stream).toULong()) }
        kept = true
    } finally {
        if (!kept) Native.free(-stream)
    }
    return -stream
}

/** Works with a stream to its end. */
internal suspend inline fun <T> ended(stream: Long, work: (Long) -> T): T {
    val ready = begun(stream)
    try {
        return work(ready)
    } finally {
        Native.free(ready)
    }
}

/** The length of the header that an envelope starts with. */
internal fun headerLength(envelope: ByteArray): Int {
    val length = Native.headerLength(envelope, null, 0, envelope.size)
    if (length < 0) throw KeyfoldException.Truncated("the input ends inside the header")
    return length
}

/**
 * An envelope in its two parts: `header` followed by `body` is the attached form.
 *
 * @property header what [Client.rewrap] replaces.
 * @property body the body, with the signature if there is one.
 */
public class Detached(public val header: ByteArray, public val body: ByteArray) {
    /** Destructures. */
    public operator fun component1(): ByteArray = header

    /** Destructures. */
    public operator fun component2(): ByteArray = body
}
