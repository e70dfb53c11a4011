/** Streams: everything that is read or written from its start to its end. */
package io.keyfold

import io.keyfold.internal.Native
import io.keyfold.internal.Sizes
import io.keyfold.internal.trailer
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withContext
import java.io.IOException
import java.io.InputStream
import java.io.OutputStream

private val SEGMENT get() = Sizes.segment
private val SEALED_SEGMENT get() = Sizes.sealedSegment

/** How many segments go through the native library at a time. */
private const val BATCH = 32

/**
 * Seals what `block` writes into `out`, and finishes when it returns. Where it throws, or is cancelled,
 * the envelope stays without an end and does not open. `out` is flushed, and left open.
 *
 * @param length how many bytes of plaintext will be written, where that is known: then the cache of data
 * keys serves them.
 */
public suspend fun <T> Client.sealTo(
    out: OutputStream, keys: Keyring? = null, context: Map<String, String>? = null, suite: Suite? = null,
    signer: Signer? = null, length: ULong? = null, block: suspend (OutputStream) -> T,
): T = sealingStream(out, keys, context, suite, signer, length).use { stream ->
    block(stream).also { withContext(Dispatchers.IO) { stream.finish() } }
}

/**
 * A stream that seals what is written to it into `out`, which is left open. Call
 * [finish][SealingOutputStream.finish] at its end; [sealTo] does that by itself.
 */
public suspend fun Client.sealingStream(
    out: OutputStream, keys: Keyring? = null, context: Map<String, String>? = null, suite: Suite? = null,
    signer: Signer? = null, length: ULong? = null,
): SealingOutputStream {
    val stream = beginSeal(keys, context, suite, signer, length)
    return SealingOutputStream(stream, signer != null, out).apply { withContext(Dispatchers.IO) { start() } }
}

/**
 * Seals what is written to it. Only [finish] writes the end: a stream that is closed before leaves an
 * envelope that does not open.
 */
public class SealingOutputStream internal constructor(
    private var stream: Long, private val signed: Boolean, private val out: OutputStream,
) : OutputStream() {
    private val held = ByteArray(BATCH * SEGMENT)
    private var count = 0
    private val sealed = ByteArray((BATCH + 1) * SEALED_SEGMENT + Sizes.prefix)

    internal fun start() {
        try {
            out.write(Native.sealHeader(stream))
        } catch (failed: Throwable) {
            close()
            throw failed
        }
    }

    override fun write(byte: Int) {
        if (count == held.size) drain()
        check()
        held[count++] = byte.toByte()
    }

    override fun write(bytes: ByteArray, offset: Int, length: Int) {
        java.util.Objects.checkFromIndexSize(offset, length, bytes.size)
        check()
        var at = offset
        val end = offset + length
        while (at < end) {
            // What fills the buffer by itself needs no copy.
            if (count == 0 && end - at >= held.size) {
                seal(bytes, at, held.size)
                at += held.size
                continue
            }
            val part = minOf(end - at, held.size - count)
            bytes.copyInto(held, count, at, at + part)
            count += part
            at += part
            if (count == held.size) drain()
        }
    }

    /** Passes on what is sealed; whole segments only. */
    override fun flush() {
        check()
        drain()
        out.flush()
    }

    /** Writes the end: now the envelope is whole. Once. */
    public fun finish() {
        check()
        try {
            drain()
            val written = Native.sealFinish(stream, sealed, null, 0, sealed.size)
            out.write(sealed, 0, written)
            if (signed) out.write(runBlocking { trailer(stream) })
            out.flush()
        } finally {
            close()
        }
    }

    /** Ends it, without the end unless [finish] has written that. */
    override fun close() {
        if (stream != 0L) {
            Native.free(stream)
            stream = 0
            held.fill(0)
        }
    }

    private fun drain() {
        val length = count
        count = 0
        if (length > 0) seal(held, 0, length)
    }

    private fun seal(bytes: ByteArray, offset: Int, length: Int) {
        try {
            val written = Native.sealUpdate(stream, bytes, null, offset, length, sealed, null, 0, sealed.size)
            out.write(sealed, 0, written)
        } catch (failed: Throwable) {
            // What is sealed and not written is lost: nothing may follow it, least of all an end.
            close()
            throw failed
        }
    }

    private fun check() {
        if (stream == 0L) throw IOException("the stream has ended")
    }
}

/**
 * A stream of the plaintext of an envelope. What it gives is authentic as far as it goes; only at its
 * end, when a read answers -1, the message is proven to be whole, and its signature where one is
 * demanded. `source` is left open.
 *
 * @throws KeyfoldException.ContextMismatch where it was made under another context.
 * @throws KeyfoldException.NoUsableKey where none of the keys opens it.
 */
public suspend fun Client.openStream(
    source: InputStream, keys: Keyring? = null, context: Map<String, String>? = null,
    containing: Map<String, String>? = null, signers: Signers? = null,
): InputStream {
    val (header, ahead) = withContext(Dispatchers.IO) { readHeader { source.read(it) } }
    val stream = beginOpen(header, keys, context, containing, signers, -1, false)
    return OpeningInputStream(stream, ahead, source)
}

/** The header at the start of a source, and what was read behind it. */
internal inline fun readHeader(read: (ByteArray) -> Int): Pair<ByteArray, ByteArray> {
    var bytes = ByteArray(0)
    val buffer = ByteArray(4096)
    while (true) {
        val length = if (bytes.isEmpty()) -1 else Native.headerLength(bytes, null, 0, bytes.size)
        if (length >= 0) return bytes.copyOf(length) to bytes.copyOfRange(length, bytes.size)
        val count = read(buffer)
        if (count < 0) throw KeyfoldException.Truncated("the input ends inside the header")
        bytes += buffer.copyOf(count)
    }
}

private class OpeningInputStream(
    private var stream: Long, private var ahead: ByteArray, private val source: InputStream,
) : InputStream() {
    private val sealed = ByteArray(BATCH * SEALED_SEGMENT)
    private val plaintext = ByteArray((BATCH + 2) * SEGMENT)
    private var at = 0
    private var count = 0
    private var ended = false
    private var failed: KeyfoldException? = null

    override fun read(): Int {
        val one = ByteArray(1)
        return if (read(one, 0, 1) < 0) -1 else one[0].toInt() and 0xff
    }

    override fun read(bytes: ByteArray, offset: Int, length: Int): Int {
        java.util.Objects.checkFromIndexSize(offset, length, bytes.size)
        if (stream == 0L) throw IOException("the stream is closed")
        failed?.let { throw it }
        if (length == 0) return 0
        if (at == count) fill()
        if (at == count) return -1
        val part = minOf(length, count - at)
        plaintext.copyInto(bytes, offset, at, at + part)
        at += part
        return part
    }

    override fun available(): Int = count - at

    private fun fill() {
        at = 0
        count = 0
        try {
            while (count == 0 && !ended) {
                if (ahead.isNotEmpty()) {
                    count = open(ahead, ahead.size)
                    ahead = ByteArray(0)
                    continue
                }
                val read = source.read(sealed)
                if (read >= 0) {
                    count = open(sealed, read)
                } else {
                    ended = true
                    count = Native.openFinish(stream, plaintext, null, 0, plaintext.size)
                }
            }
        } catch (exception: KeyfoldException) {
            // The same again, however often it is read.
            failed = exception
            throw exception
        }
    }

    private fun open(bytes: ByteArray, length: Int): Int =
        Native.openUpdate(stream, bytes, null, 0, length, plaintext, null, 0, plaintext.size)

    override fun close() {
        if (stream != 0L) {
            Native.free(stream)
            stream = 0
            plaintext.fill(0)
        }
    }
}

/** Seals a flow of parts of the plaintext: a flow of parts of the envelope, cold like all flows. */
public fun Client.seal(
    source: Flow<ByteArray>, keys: Keyring? = null, context: Map<String, String>? = null,
    suite: Suite? = null, signer: Signer? = null, length: ULong? = null,
): Flow<ByteArray> = flow {
    val stream = beginSeal(keys, context, suite, signer, length)
    try {
        emit(Native.sealHeader(stream))
        source.collect { part ->
            val sealed = ByteArray(Native.sealRoom(stream, part.size))
            val written =
                Native.sealUpdate(stream, part, null, 0, part.size, sealed, null, 0, sealed.size)
            if (written > 0) emit(sealed)
        }
        val last = ByteArray(SEALED_SEGMENT + Sizes.prefix)
        emit(last.copyOf(Native.sealFinish(stream, last, null, 0, last.size)))
        if (signer != null) emit(trailer(stream))
    } finally {
        Native.free(stream)
    }
}

/**
 * Opens a flow of parts of an envelope: a flow of parts of the plaintext. Only when it completes the
 * message is proven to be whole, and its signature where one is demanded.
 */
public fun Client.open(
    source: Flow<ByteArray>, keys: Keyring? = null, context: Map<String, String>? = null,
    containing: Map<String, String>? = null, signers: Signers? = null,
): Flow<ByteArray> = flow {
    var header = ByteArray(0)
    var stream = 0L
    suspend fun open(part: ByteArray) {
        val plaintext = ByteArray(Native.openRoom(stream, part.size))
        val written =
            Native.openUpdate(stream, part, null, 0, part.size, plaintext, null, 0, plaintext.size)
        if (written > 0) emit(plaintext.copyOf(written))
    }
    try {
        source.collect { part ->
            if (stream != 0L) {
                open(part)
            } else if (part.isNotEmpty()) {
                header += part
                val length = Native.headerLength(header, null, 0, header.size)
                if (length >= 0) {
                    stream = beginOpen(header.copyOf(length), keys, context, containing, signers, -1, false)
                    open(header.copyOfRange(length, header.size))
                }
            }
        }
        if (stream == 0L) throw KeyfoldException.Truncated("the input ends inside the header")
        val last = ByteArray(Native.openFinishRoom(stream))
        val written = Native.openFinish(stream, last, null, 0, last.size)
        if (written > 0) emit(last.copyOf(written))
    } finally {
        if (stream != 0L) Native.free(stream)
    }
}
