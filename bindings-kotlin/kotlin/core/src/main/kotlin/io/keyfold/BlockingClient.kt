package io.keyfold

import kotlinx.coroutines.runBlocking
import java.io.InputStream
import java.io.OutputStream
import java.nio.ByteBuffer
import java.nio.channels.SeekableByteChannel
import java.nio.file.Path
import java.util.function.BiConsumer

/**
 * A [Client] for Java, and for threads that may wait: the same tasks, each done when it returns, by the
 * thread that calls. One that is interrupted while it waits for a KMS gives up with an
 * [InterruptedException].
 *
 * @property client what performs them; it is closed with this.
 */
public class BlockingClient(public val client: Client) : AutoCloseable {
    /** Over a KMS, with one key for all that names none. */
    @JvmOverloads
    public constructor(kms: io.keyfold.kms.Kms, key: String, context: Map<String, String> = emptyMap()) :
        this(Client(kms, key, context))

    /** @see Client.encrypt */
    @JvmOverloads
    @Throws(InterruptedException::class)
    public fun encrypt(data: ByteArray, options: Options = Options()): ByteArray =
        client.sealed(data, options.sealing(client)) {
            runBlocking { client.sealedLater(it, data, options.signer) }
        }

    /** @see Client.encrypt */
    @JvmOverloads
    @Throws(InterruptedException::class)
    public fun encrypt(data: ByteBuffer, out: ByteBuffer, options: Options = Options()): Int =
        client.sealed(data, out, options.sealing(client)) { wait, from, to ->
            runBlocking { client.sealedLater(wait, from, to, out, options.signer) }
        }

    /** @see Client.decrypt */
    @JvmOverloads
    @Throws(InterruptedException::class)
    public fun decrypt(envelope: ByteArray, options: Options = Options()): ByteArray =
        client.opened(envelope, options.opening(client)) {
            runBlocking { client.openedLater(it, envelope) }
        }

    /** @see Client.decrypt */
    @JvmOverloads
    @Throws(InterruptedException::class)
    public fun decrypt(envelope: ByteBuffer, out: ByteBuffer, options: Options = Options()): Int =
        client.opened(envelope, out, options.opening(client)) { wait, from, to ->
            runBlocking { client.openedLater(wait, from, to) }
        }

    /**
     * Encrypts a file; answers the length of the plaintext.
     *
     * @param onProgress told how many bytes are done, and how many there are.
     * @see Client.encryptFile
     */
    @JvmOverloads
    @Throws(InterruptedException::class)
    public fun encryptFile(
        source: Path, target: Path, options: Options = Options(), overwrite: Boolean = true,
        onProgress: BiConsumer<Long, Long>? = null,
    ): Long = runBlocking {
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
    @Throws(InterruptedException::class)
    public fun decryptFile(
        source: Path, target: Path, options: Options = Options(), overwrite: Boolean = true,
        onProgress: BiConsumer<Long, Long>? = null,
    ): Long = runBlocking {
        with(options) {
            client.decryptFile(source, target, keys, context, containing, signers, overwrite, told(onProgress))
        }.toLong()
    }

    /** @see Client.sealingStream */
    @JvmOverloads
    @Throws(InterruptedException::class)
    public fun sealingStream(out: OutputStream, options: Options = Options()): SealingOutputStream =
        runBlocking { with(options) { client.sealingStream(out, keys, context, suite, signer) } }

    /** @see Client.openStream */
    @JvmOverloads
    @Throws(InterruptedException::class)
    public fun openStream(source: InputStream, options: Options = Options()): InputStream =
        runBlocking { with(options) { client.openStream(source, keys, context, containing, signers) } }

    /**
     * Opens an envelope for reading parts of it. The channel is left open.
     *
     * @see Client.openReader
     */
    @JvmOverloads
    @Throws(InterruptedException::class)
    public fun openReader(
        source: SeekableByteChannel, options: Options = Options(), unprovenSignature: Boolean = false,
    ): BlockingReader = runBlocking {
        with(options) {
            BlockingReader(
                client.openReader(source.asRangedSource(), keys, context, containing, unprovenSignature),
            )
        }
    }

    /** @see Client.rewrap */
    @JvmOverloads
    @Throws(InterruptedException::class)
    public fun rewrap(envelope: ByteArray, to: Keyring, from: Keyring? = null): ByteArray =
        runBlocking { client.rewrap(envelope, to, from) }

    /** @see Client.addRecipients */
    @JvmOverloads
    @Throws(InterruptedException::class)
    public fun addRecipients(envelope: ByteArray, keys: Keyring, from: Keyring? = null): ByteArray =
        runBlocking { client.addRecipients(envelope, keys, from) }

    /** @see Client.removeRecipients */
    @Throws(InterruptedException::class)
    public fun removeRecipients(envelope: ByteArray, keys: List<String>): ByteArray =
        runBlocking { client.removeRecipients(envelope, keys) }

    /** @see Client.sign */
    @JvmOverloads
    @Throws(InterruptedException::class)
    public fun sign(message: ByteArray, key: String, algorithm: String? = null): ByteArray =
        runBlocking { client.sign(message, key, algorithm) }

    /** @see Client.verify */
    @JvmOverloads
    @Throws(InterruptedException::class)
    public fun verify(message: ByteArray, signature: ByteArray, key: String, algorithm: String? = null): Unit =
        runBlocking { client.verify(message, signature, key, algorithm) }

    /** @see Client.publicKey */
    @Throws(InterruptedException::class)
    public fun publicKey(key: String): PublicKey = runBlocking { client.publicKey(key) }

    /** @see Client.encryptSmall */
    @JvmOverloads
    @Throws(InterruptedException::class)
    public fun encryptSmall(
        data: ByteArray, key: String? = null, context: Map<String, String>? = null,
    ): ByteArray = runBlocking { client.encryptSmall(data, key, context) }

    /** @see Client.decryptSmall */
    @JvmOverloads
    @Throws(InterruptedException::class)
    public fun decryptSmall(
        data: ByteArray, key: String? = null, context: Map<String, String>? = null,
    ): ByteArray = runBlocking { client.decryptSmall(data, key, context) }

    /** @see Secrets.put */
    @JvmOverloads
    @Throws(InterruptedException::class)
    public fun putSecret(name: String, value: Secret, key: String? = null): String =
        runBlocking { client.secrets.put(name, value, key) }

    /** @see Secrets.get */
    @JvmOverloads
    @Throws(InterruptedException::class)
    public fun getSecret(name: String, version: String? = null, stage: String? = null): Secret =
        runBlocking { client.secrets.get(name, version, stage) }

    override fun close() {
        client.close()
    }

    public companion object {
        /** @see EmbeddedKms.openOrCreate */
        @JvmStatic
        @JvmOverloads
        @Throws(InterruptedException::class)
        public fun openOrCreateKms(
            folder: Path, passphrase: Secret? = null, sealer: RootSealer? = null,
        ): EmbeddedKms = runBlocking { EmbeddedKms.openOrCreate(folder, passphrase, null, sealer) }

        /** @see KeyAdmin.createKey */
        @JvmStatic
        @JvmOverloads
        @Throws(InterruptedException::class)
        public fun createKey(kms: KeyAdmin, alias: String, spec: String = "SYMMETRIC_DEFAULT"): String =
            runBlocking { kms.createKey(alias, spec) }
    }
}

/** Reads parts of the plaintext of an envelope, in any order, from any number of threads. */
public class BlockingReader internal constructor(private val reader: EnvelopeReader) : AutoCloseable {
    /** @see EnvelopeReader.plaintextLength */
    public val plaintextLength: Long get() = reader.plaintextLength.toLong()

    /** @see EnvelopeReader.read */
    @Throws(InterruptedException::class)
    public fun read(offset: Long, length: Int): ByteArray = runBlocking { reader.read(place(offset), length) }

    /** @see EnvelopeReader.verifyLength */
    @Throws(InterruptedException::class)
    public fun verifyLength(): Long = runBlocking { reader.verifyLength().toLong() }

    override fun close() {
        reader.close()
    }
}

/** An offset that Java tells, who has no unsigned numbers. */
internal fun place(offset: Long): ULong {
    if (offset < 0) throw KeyfoldException.InvalidArgument("an offset is not negative")
    return offset.toULong()
}

internal fun told(onProgress: BiConsumer<Long, Long>?): ((ULong, ULong) -> Unit)? =
    onProgress?.let { { done, all -> it.accept(done.toLong(), all.toLong()) } }
