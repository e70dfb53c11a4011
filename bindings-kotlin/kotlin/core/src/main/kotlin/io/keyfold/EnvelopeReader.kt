package io.keyfold

import io.keyfold.internal.Native
import io.keyfold.internal.Sizes
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.sync.Mutex
import kotlinx.coroutines.sync.withLock
import kotlinx.coroutines.withContext
import java.nio.ByteBuffer
import java.nio.channels.FileChannel
import java.nio.channels.SeekableByteChannel
import java.nio.file.Path
import java.nio.file.StandardOpenOption

/** Something that can be read at any place: a file, an object in an object store. */
public interface RangedSource {
    /** How many bytes there are. */
    public suspend fun size(): ULong

    /** These bytes; fewer only at the end. */
    public suspend fun read(offset: ULong, length: Int): ByteArray
}

/** A channel as a source; its position is moved, one read after another. It is left open. */
public fun SeekableByteChannel.asRangedSource(): RangedSource = ChannelSource(this)

private class ChannelSource(private val channel: SeekableByteChannel) : RangedSource {
    private val lock = Mutex()

    override suspend fun size(): ULong = withContext(Dispatchers.IO) { channel.size().toULong() }

    override suspend fun read(offset: ULong, length: Int): ByteArray = withContext(Dispatchers.IO) {
        val buffer = ByteBuffer.allocate(length)
        if (channel is FileChannel) {
            fill(buffer) { channel.read(it, offset.toLong() + it.position()) }
        } else {
            lock.withLock {
                channel.position(offset.toLong())
                fill(buffer) { channel.read(it) }
            }
        }
        buffer.array().copyOf(buffer.position())
    }

    private inline fun fill(buffer: ByteBuffer, read: (ByteBuffer) -> Int) {
        while (buffer.hasRemaining() && read(buffer) >= 0) Unit
    }
}

/** Reads parts of the plaintext of an envelope, in any order, from any number of coroutines. */
public class EnvelopeReader internal constructor(
    private val ranges: Long, private val source: RangedSource, private val bodyStart: ULong,
    private val opened: AutoCloseable?,
) : AutoCloseable {
    @Volatile private var closed = false

    /**
     * Bytes of plaintext, as the length of the source tells it: proven by nothing, unless by
     * [verifyLength].
     */
    public val plaintextLength: ULong = Native.rangesLength(ranges).toULong()

    /**
     * Reads a part: `reader.read(1_000_000uL, 4096)`. It is fewer bytes only at the end, which is then
     * proven.
     *
     * @throws KeyfoldException.AuthenticationFailed where a segment of it was altered.
     */
    public suspend fun read(offset: ULong, length: Int): ByteArray {
        if (length < 0) throw KeyfoldException.InvalidArgument("a length is not negative")
        if (offset > Long.MAX_VALUE.toULong() - length.toULong()) {
            throw KeyfoldException.InvalidArgument("the range is beyond what a source can hold")
        }
        return fetch(offset.toLong(), offset.toLong() + length)
    }

    /** Reads the bytes of a range: `reader.read(1_000_000uL..1_004_095uL)`. */
    public suspend fun read(range: ULongRange): ByteArray {
        if (range.isEmpty()) return ByteArray(0)
        val length = range.last - range.first
        if (length >= Int.MAX_VALUE.toULong()) {
            throw KeyfoldException.LimitExceeded("the range does not fit in an array")
        }
        return read(range.first, length.toInt() + 1)
    }

    /** Proves the end, and answers the length of the plaintext. */
    public suspend fun verifyLength(): ULong {
        fetch(-1, -1)
        return plaintextLength
    }

    private suspend fun fetch(start: Long, end: Long): ByteArray {
        val place = LongArray(2)
        Native.fetch(ranges, start, end, place)
        val length = place[1] - place[0]
        if (length > Int.MAX_VALUE) {
            throw KeyfoldException.LimitExceeded("the range does not fit in an array")
        }
        val sealed = if (length == 0L) ByteArray(0)
        else io.keyfold.internal.sourced { source.read(bodyStart + place[0].toULong(), length.toInt()) }
        return aside(sealed.size) {
            val plaintext = ByteArray(sealed.size)
            val written = Native.openRange(
                ranges, start, end, sealed, null, 0, sealed.size, plaintext, null, 0, plaintext.size,
            )
            plaintext.copyOf(written).also { plaintext.fill(0) }
        }
    }

    override fun close() {
        if (!closed) {
            closed = true
            Native.free(ranges)
            opened?.close()
        }
    }
}

/**
 * Opens an envelope for reading parts of it: one segment of 16 KiB is the least that is fetched. A
 * range read does not prove where the plaintext ends: [EnvelopeReader.verifyLength] does.
 *
 * @param source the whole envelope; it is left open.
 * @param unprovenSignature whether a signed envelope is read too, though no part proves the signature.
 */
public suspend fun Client.openReader(
    source: RangedSource, keys: Keyring? = null, context: Map<String, String>? = null,
    containing: Map<String, String>? = null, unprovenSignature: Boolean = false,
): EnvelopeReader = reader(source, null, keys, context, containing, unprovenSignature)

/** Opens the envelope in a file for reading parts of it. */
public suspend fun Client.openReader(
    path: Path, keys: Keyring? = null, context: Map<String, String>? = null,
    containing: Map<String, String>? = null, unprovenSignature: Boolean = false,
): EnvelopeReader {
    val channel = io.keyfold.internal.sourced {
        withContext(Dispatchers.IO) { FileChannel.open(path, StandardOpenOption.READ) }
    }
    try {
        return reader(channel.asRangedSource(), channel, keys, context, containing, unprovenSignature)
    } catch (failed: Throwable) {
        channel.close()
        throw failed
    }
}

@Suppress("LongParameterList")
private suspend fun Client.reader(
    source: RangedSource, opened: AutoCloseable?, keys: Keyring?, context: Map<String, String>?,
    containing: Map<String, String>?, unproven: Boolean,
): EnvelopeReader {
    val size = io.keyfold.internal.sourced { source.size() }
    var at = 0uL
    val (header, ahead) = readHeader { buffer ->
        val part = io.keyfold.internal.sourced { source.read(at, buffer.size) }
        at += part.size.toULong()
        part.copyInto(buffer)
        if (part.isEmpty()) -1 else part.size
    }
    val bodyStart = header.size.toULong()
    if (size < bodyStart) throw KeyfoldException.Truncated("the source is shorter than it said")
    val prefix = ahead + if (ahead.size >= Sizes.prefix) ByteArray(0)
    else io.keyfold.internal.sourced { source.read(at, Sizes.prefix - ahead.size) }
    val body = (size - bodyStart).toLong()
    val stream = beginOpen(header, keys, context, containing, null, body, unproven)
    try {
        return EnvelopeReader(Native.beginRanges(stream, prefix, body), source, bodyStart, opened)
    } finally {
        Native.free(stream)
    }
}
