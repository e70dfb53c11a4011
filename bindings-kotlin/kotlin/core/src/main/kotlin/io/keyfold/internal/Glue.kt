package io.keyfold.internal

import io.keyfold.KeyfoldException
import io.keyfold.Retry
import io.keyfold.internal.ffi.Failure
import io.keyfold.internal.ffi.InternalException
import io.keyfold.internal.ffi.streamReady
import io.keyfold.internal.ffi.streamTrailer
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.withContext
import java.nio.charset.CharacterCodingException
import java.time.Duration
import java.util.concurrent.atomic.AtomicLong
import io.keyfold.internal.ffi.Retry as FfiRetry

/** Exceptions on their way through the native library, by number: the last ones. */
internal object Origins {
    private const val KEPT = 256
    private val next = AtomicLong(1)
    private val kept = object : LinkedHashMap<Long, Throwable>() {
        override fun removeEldestEntry(eldest: MutableMap.MutableEntry<Long, Throwable>) = size > KEPT
    }

    fun keep(exception: Throwable): ULong {
        val number = next.getAndIncrement()
        synchronized(kept) { kept[number] = exception }
        return number.toULong()
    }

    fun get(number: ULong): Throwable? = synchronized(kept) { kept[number.toLong()] }
}

internal fun exception(
    code: String, detail: String, retry: Retry, origin: ULong, said: String?, unsupported: Boolean = false,
): KeyfoldException {
    val cause = if (origin == 0uL) null else Origins.get(origin)
    if (unsupported) return KeyfoldException.Unsupported(detail, retry, said, cause)
    return KeyfoldException.of(code, detail, retry, said, cause)
}

internal fun Failure.toException(): KeyfoldException = when (this) {
    is Failure.Failed -> exception(code, detail, retry.toRetry(), origin, said, unsupported)
}

private fun FfiRetry.toRetry(): Retry = when (this) {
    is FfiRetry.Never -> Retry.Never
    is FfiRetry.AfterChange -> Retry.AfterChange
    is FfiRetry.Later -> Retry.Later(afterMillis?.let { Duration.ofMillis(it.toLong()) })
}

/** What code of the caller's threw, for the library. */
internal fun Throwable.toFailure(): Failure {
    val origin = Origins.keep(this)
    if (this !is KeyfoldException) {
        return Failure.Failed("", "", FfiRetry.Never, origin, null, false)
    }
    val retry = when (val retry = retry) {
        Retry.Never -> FfiRetry.Never
        Retry.AfterChange -> FfiRetry.AfterChange
        is Retry.Later -> FfiRetry.Later(retry.after?.toMillis()?.toULong())
    }
    return Failure.Failed(code, detail, retry, origin, null, this is KeyfoldException.Unsupported)
}

/**
 * Runs code of the caller's for the library: all that it throws arrives there. Errors too, which the glue
 * does not catch: the library would wait for ever.
 */
internal inline fun <T> called(block: () -> T): T = try {
    block()
} catch (thrown: Throwable) {
    throw thrown.toFailure()
}

/** Calls the library: its errors as exceptions of keyfold's. */
internal inline fun <T> calling(block: () -> T): T {
    NativeLibrary.load()
    try {
        return block()
    } catch (failure: Failure) {
        throw failure.toException()
    } catch (defect: InternalException) {
        throw KeyfoldException.Internal("a defect of keyfold: the native library panicked", Retry.Never, null, null)
    } catch (end: CancellationException) {
        throw end
    } catch (wrong: CharacterCodingException) {
        throw KeyfoldException.InvalidArgument("a text has half a character in it", Retry.Never, null, wrong)
    } catch (closed: IllegalStateException) {
        throw KeyfoldException.InvalidArgument("the object is closed", Retry.Never, null, closed)
    }
}

/** The text in UTF-8, and never another one. */
internal fun utf8(text: String): ByteArray = calling { text.encodeToByteArray(throwOnInvalidSequence = true) }

/** Calls the library where it may block: an embedded KMS reads and writes its database. */
internal suspend inline fun <T> waiting(crossinline block: suspend () -> T): T =
    withContext(Dispatchers.IO) { calling { block() } }

/** Goes on with a stream that waits for its data key. Whatever becomes of it, its number ends. */
internal suspend inline fun <T> goOn(handle: Long, work: (Long) -> T): T = try {
    waiting { streamReady(handle.toULong()) }
    work(handle)
} finally {
    Native.free(handle)
}

/** The end of a signed envelope; nothing of another. */
internal suspend fun trailer(handle: Long): ByteArray = waiting { streamTrailer(handle.toULong()) }

/** Reads from something of the caller's: what it throws is of the code `io`. */
internal inline fun <T> sourced(block: () -> T): T = try {
    block()
} catch (failed: java.io.IOException) {
    throw KeyfoldException.Io("the source could not be read", cause = failed)
}
