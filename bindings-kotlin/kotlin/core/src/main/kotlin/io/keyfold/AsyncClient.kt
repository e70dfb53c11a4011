package io.keyfold

import io.keyfold.kms.Kms
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.future.future
import java.io.InputStream
import java.io.OutputStream
import java.nio.ByteBuffer
import java.nio.channels.SeekableByteChannel
import java.nio.file.Path
import java.util.concurrent.CompletableFuture
import java.util.function.BiConsumer

/**
 * A [Client] for Java, and for threads that may not wait: the same tasks, each a [CompletableFuture].
 *
 * What needs no KMS and is not large is done when the function returns, in a future that is complete.
 * Every failure is in the future: `join` throws a [java.util.concurrent.CompletionException] with the
 * [KeyfoldException] as its cause. `cancel` on the future itself, whatever its argument, gives up what
 * it waits for, and so does the KMS; one that is derived from it does not reach it.
 *
 * @property client what performs them; it is closed with this.
 */
public class AsyncClient(public val client: Client) : AutoCloseable {
    private val scope = CoroutineScope(SupervisorJob() + Dispatchers.Default)

    /** Over a KMS, with one key for all that names none. */
    @JvmOverloads
    public constructor(kms: Kms, key: String, context: Map<String, String> = emptyMap()) :
        this(Client(kms, key, context))

    /** @see Client.encrypt */
    @JvmOverloads
    public fun encrypt(data: ByteArray, options: Options = Options()): CompletableFuture<ByteArray> =
        scope.begin { with(options) { client.encrypt(data, keys, context, suite, signer) } }

    /**
     * Both buffers belong to the call until the future is complete.
     *
     * @see Client.encrypt
     */
    @JvmOverloads
    public fun encrypt(
        data: ByteBuffer, out: ByteBuffer, options: Options = Options(),
    ): CompletableFuture<Int> =
        scope.begin { with(options) { client.encrypt(data, out, keys, context, suite, signer) } }

    /** @see Client.decrypt */
    @JvmOverloads
    public fun decrypt(envelope: ByteArray, options: Options = Options()): CompletableFuture<ByteArray> =
        scope.begin { with(options) { client.decrypt(envelope, keys, context, containing, signers) } }

    /**
     * Both buffers belong to the call until the future is complete.
     *
     * @see Client.decrypt
     */
    @JvmOverloads
    public fun decrypt(
        envelope: ByteBuffer, out: ByteBuffer, options: Options = Options(),
    ): CompletableFuture<Int> =
        scope.begin { with(options) { client.decrypt(envelope, out, keys, context, containing, signers) } }

    /**
     * Encrypts a file; answers the length of the plaintext.
     *
     * @param onProgress told how many bytes are done, and how many there are.
     * @see Client.encryptFile
     */
    @JvmOverloads
    public fun encryptFile(
        source: Path, target: Path, options: Options = Options(), overwrite: Boolean = true,
        onProgress: BiConsumer<Long, Long>? = null,
    ): CompletableFuture<Long> = scope.begin {
        with(options) {
            client.encryptFile(source, target, keys, context, suite, signer, overwrite, told(onProgress))
        }.toLong()
    }

    /**
     * Decrypts a file; answers the length of the plaintext.
     *
     * @param onProgress told how many bytes are done, and how many there are.
     * @see Client.decryptFile
     */
    @JvmOverloads
    public fun decryptFile(
        source: Path, target: Path, options: Options = Options(), overwrite: Boolean = true,
        onProgress: BiConsumer<Long, Long>? = null,
    ): CompletableFuture<Long> = scope.begin {
        with(options) {
            client.decryptFile(source, target, keys, context, containing, signers, overwrite, told(onProgress))
        }.toLong()
    }

    /**
     * The stream itself works on the thread that writes to it.
     *
     * @see Client.sealingStream
     */
    @JvmOverloads
    public fun sealingStream(
        out: OutputStream, options: Options = Options(),
    ): CompletableFuture<SealingOutputStream> =
        scope.begin { with(options) { client.sealingStream(out, keys, context, suite, signer) } }

    /**
     * The stream itself works on the thread that reads from it.
     *
     * @see Client.openStream
     */
    @JvmOverloads
    public fun openStream(source: InputStream, options: Options = Options()): CompletableFuture<InputStream> =
        scope.begin { with(options) { client.openStream(source, keys, context, containing, signers) } }

    /**
     * Opens an envelope for reading parts of it. The channel is left open.
     *
     * @see Client.openReader
     */
    @JvmOverloads
    public fun openReader(
        source: SeekableByteChannel, options: Options = Options(), unprovenSignature: Boolean = false,
    ): CompletableFuture<AsyncReader> = scope.begin {
        with(options) {
            val reader = client.openReader(source.asRangedSource(), keys, context, containing, unprovenSignature)
            AsyncReader(reader, scope)
        }
    }

    /** @see Client.rewrap */
    @JvmOverloads
    public fun rewrap(envelope: ByteArray, to: Keyring, from: Keyring? = null): CompletableFuture<ByteArray> =
        scope.begin { client.rewrap(envelope, to, from) }

    /** @see Client.addRecipients */
    @JvmOverloads
    public fun addRecipients(
        envelope: ByteArray, keys: Keyring, from: Keyring? = null,
    ): CompletableFuture<ByteArray> = scope.begin { client.addRecipients(envelope, keys, from) }

    /** @see Client.sign */
    @JvmOverloads
    public fun sign(
        message: ByteArray, key: String, algorithm: String? = null,
    ): CompletableFuture<ByteArray> = scope.begin { client.sign(message, key, algorithm) }

    /** @see Client.verify */
    @JvmOverloads
    public fun verify(
        message: ByteArray, signature: ByteArray, key: String, algorithm: String? = null,
    ): CompletableFuture<Void?> = scope.begin {
        client.verify(message, signature, key, algorithm)
        null
    }

    /** @see Client.publicKey */
    public fun publicKey(key: String): CompletableFuture<PublicKey> = scope.begin { client.publicKey(key) }

    /** @see Client.encryptSmall */
    @JvmOverloads
    public fun encryptSmall(
        data: ByteArray, key: String? = null, context: Map<String, String>? = null,
    ): CompletableFuture<ByteArray> = scope.begin { client.encryptSmall(data, key, context) }

    /** @see Client.decryptSmall */
    @JvmOverloads
    public fun decryptSmall(
        data: ByteArray, key: String? = null, context: Map<String, String>? = null,
    ): CompletableFuture<ByteArray> = scope.begin { client.decryptSmall(data, key, context) }

    /** @see Secrets.put */
    @JvmOverloads
    public fun putSecret(name: String, value: Secret, key: String? = null): CompletableFuture<String> =
        scope.begin { client.secrets.put(name, value, key) }

    /** @see Secrets.get */
    @JvmOverloads
    public fun getSecret(
        name: String, version: String? = null, stage: String? = null,
    ): CompletableFuture<Secret> = scope.begin { client.secrets.get(name, version, stage) }

    /** Forgets all data keys. What is in progress goes on to its end. */
    override fun close() {
        client.close()
    }
}

/** Reads parts of the plaintext of an envelope, in any order, as many at a time as one likes. */
public class AsyncReader internal constructor(
    private val reader: EnvelopeReader, private val scope: CoroutineScope,
) : AutoCloseable {
    /** @see EnvelopeReader.plaintextLength */
    public val plaintextLength: Long get() = reader.plaintextLength.toLong()

    /** @see EnvelopeReader.read */
    public fun read(offset: Long, length: Int): CompletableFuture<ByteArray> =
        scope.begin { reader.read(place(offset), length) }

    /** @see EnvelopeReader.verifyLength */
    public fun verifyLength(): CompletableFuture<Long> = scope.begin { reader.verifyLength().toLong() }

    override fun close() {
        reader.close()
    }
}

/** Goes as far as it can on the thread that calls. */
private fun <T> CoroutineScope.begin(work: suspend () -> T): CompletableFuture<T> =
    future(start = CoroutineStart.UNDISPATCHED) { work() }
