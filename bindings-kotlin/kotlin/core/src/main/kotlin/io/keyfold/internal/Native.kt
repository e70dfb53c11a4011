package io.keyfold.internal

import io.keyfold.KeyfoldException
import java.nio.ByteBuffer

/**
 * The way of the bytes: functions of the native library beside UniFFI's. Objects are named by
 * numbers, which the library checks. Every function throws [KeyfoldException].
 *
 * A source and a target are each an array or a direct buffer, the other being null, and a range.
 */
internal object Native {
    init {
        NativeLibrary.load()
    }

    @JvmStatic external fun free(handle: Long)

    @JvmStatic external fun seal(
        client: Long, spec: ByteArray?,
        source: ByteArray?, sourceBuffer: ByteBuffer?, sourceAt: Int, sourceLength: Int,
        wait: LongArray,
    ): ByteArray?

    @JvmStatic external fun sealInto(
        client: Long, spec: ByteArray?,
        source: ByteArray?, sourceBuffer: ByteBuffer?, sourceAt: Int, sourceLength: Int,
        target: ByteArray?, targetBuffer: ByteBuffer?, targetAt: Int, targetLength: Int,
        wait: LongArray,
    ): Int

    @JvmStatic external fun sealWhole(
        stream: Long, source: ByteArray?, sourceBuffer: ByteBuffer?, sourceAt: Int, sourceLength: Int,
    ): ByteArray

    @JvmStatic external fun sealWholeInto(
        stream: Long,
        source: ByteArray?, sourceBuffer: ByteBuffer?, sourceAt: Int, sourceLength: Int,
        target: ByteArray?, targetBuffer: ByteBuffer?, targetAt: Int, targetLength: Int,
    ): Int

    @JvmStatic external fun open(
        client: Long, spec: ByteArray?,
        source: ByteArray?, sourceBuffer: ByteBuffer?, sourceAt: Int, sourceLength: Int,
        wait: LongArray,
    ): ByteArray?

    @JvmStatic external fun openInto(
        client: Long, spec: ByteArray?,
        source: ByteArray?, sourceBuffer: ByteBuffer?, sourceAt: Int, sourceLength: Int,
        target: ByteArray?, targetBuffer: ByteBuffer?, targetAt: Int, targetLength: Int,
        wait: LongArray,
    ): Int

    @JvmStatic external fun openWhole(
        stream: Long, source: ByteArray?, sourceBuffer: ByteBuffer?, sourceAt: Int, sourceLength: Int,
    ): ByteArray

    @JvmStatic external fun openWholeInto(
        stream: Long,
        source: ByteArray?, sourceBuffer: ByteBuffer?, sourceAt: Int, sourceLength: Int,
        target: ByteArray?, targetBuffer: ByteBuffer?, targetAt: Int, targetLength: Int,
    ): Int

    /** A stream; its number is negative while it waits for its data key. */
    @JvmStatic external fun beginSeal(client: Long, spec: ByteArray?, length: Long): Long

    @JvmStatic external fun sealHeader(stream: Long): ByteArray

    @JvmStatic external fun sealRoom(stream: Long, length: Int): Int

    @JvmStatic external fun sealUpdate(
        stream: Long,
        source: ByteArray?, sourceBuffer: ByteBuffer?, sourceAt: Int, sourceLength: Int,
        target: ByteArray?, targetBuffer: ByteBuffer?, targetAt: Int, targetLength: Int,
    ): Int

    @JvmStatic external fun sealFinish(
        stream: Long, target: ByteArray?, targetBuffer: ByteBuffer?, targetAt: Int, targetLength: Int,
    ): Int

    /** The length of the header that the bytes start with; negative, how many more are wanted. */
    @JvmStatic external fun headerLength(
        source: ByteArray?, sourceBuffer: ByteBuffer?, sourceAt: Int, sourceLength: Int,
    ): Int

    @JvmStatic external fun beginOpen(
        client: Long, spec: ByteArray?, header: ByteArray, length: Long, unproven: Boolean,
    ): Long

    @JvmStatic external fun openRoom(stream: Long, length: Int): Int

    @JvmStatic external fun openUpdate(
        stream: Long,
        source: ByteArray?, sourceBuffer: ByteBuffer?, sourceAt: Int, sourceLength: Int,
        target: ByteArray?, targetBuffer: ByteBuffer?, targetAt: Int, targetLength: Int,
    ): Int

    @JvmStatic external fun openFinishRoom(stream: Long): Int

    @JvmStatic external fun openFinish(
        stream: Long, target: ByteArray?, targetBuffer: ByteBuffer?, targetAt: Int, targetLength: Int,
    ): Int

    @JvmStatic external fun beginRanges(stream: Long, prefix: ByteArray, length: Long): Long

    @JvmStatic external fun rangesLength(ranges: Long): Long

    @JvmStatic external fun fetch(ranges: Long, start: Long, end: Long, out: LongArray)

    @JvmStatic external fun openRange(
        ranges: Long, start: Long, end: Long,
        source: ByteArray?, sourceBuffer: ByteBuffer?, sourceAt: Int, sourceLength: Int,
        target: ByteArray?, targetBuffer: ByteBuffer?, targetAt: Int, targetLength: Int,
    ): Int

    @JvmStatic external fun secretFill(secret: Long, value: ByteArray)

    @JvmStatic external fun secretExpose(secret: Long): ByteArray

    @JvmStatic external fun verify(
        key: Long, algorithm: ByteArray,
        source: ByteArray?, sourceBuffer: ByteBuffer?, sourceAt: Int, sourceLength: Int,
        signature: ByteArray,
    )

    @JvmStatic external fun beginHash(algorithm: ByteArray): Long

    @JvmStatic external fun hashUpdate(
        hash: Long, source: ByteArray?, sourceBuffer: ByteBuffer?, sourceAt: Int, sourceLength: Int,
    )

    @JvmStatic external fun hashFinish(hash: Long): ByteArray

    /** What the library throws. */
    @JvmStatic
    @Suppress("unused")
    fun failure(
        code: String, detail: String, retry: Int, after: Long, origin: Long, said: String?,
    ): Throwable = exception(
        code, detail,
        when (retry) {
            1 -> io.keyfold.Retry.Later(after.takeIf { it >= 0 }?.let { java.time.Duration.ofMillis(it) })
            2 -> io.keyfold.Retry.AfterChange
            else -> io.keyfold.Retry.Never
        },
        origin.toULong(), said,
    )
}
