package io.keyfold

import io.keyfold.internal.ffi.liveHandles
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.asFlow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.flow.take
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import java.io.ByteArrayInputStream
import java.io.ByteArrayOutputStream
import java.io.IOException
import java.io.InputStream
import java.nio.ByteBuffer
import java.nio.channels.FileChannel
import java.nio.channels.NonWritableChannelException
import java.nio.channels.SeekableByteChannel
import java.nio.file.Files
import java.nio.file.Path

private fun List<ByteArray>.joined(): ByteArray = fold(ByteArrayOutputStream()) { out, part ->
    out.apply { write(part) }
}.toByteArray()

private fun ByteArray.parts(length: Int): List<ByteArray> =
    (indices step length).map { copyOfRange(it, minOf(size, it + length)) }

/** A channel over an array, as a library for archives might have one: it gives few bytes at a time. */
private class ArrayChannel(private val bytes: ByteArray) : SeekableByteChannel {
    private var at = 0L

    override fun read(target: ByteBuffer): Int {
        if (at >= bytes.size) return -1
        val count = minOf(target.remaining(), 1000, bytes.size - at.toInt())
        target.put(bytes, at.toInt(), count)
        at += count
        return count
    }

    override fun position(): Long = at

    override fun position(place: Long): SeekableByteChannel = apply { at = place }

    override fun size(): Long = bytes.size.toLong()

    override fun write(source: ByteBuffer): Int = throw NonWritableChannelException()

    override fun truncate(size: Long): SeekableByteChannel = throw NonWritableChannelException()

    override fun isOpen(): Boolean = true

    override fun close() = Unit
}

/** Gives few bytes at a time. */
private class Slow(bytes: ByteArray, private val most: Int) : InputStream() {
    private val inner = ByteArrayInputStream(bytes)

    override fun read(): Int = inner.read()

    override fun read(out: ByteArray, offset: Int, length: Int): Int =
        inner.read(out, offset, minOf(length, most))
}

class StreamTest {
    @Test
    fun `what is written in parts of any size is read in parts of any size`(): Unit = World().use { world ->
        runBlocking {
            for (length in LENGTHS) for (part in listOf(1, 1000, 16_384, 700_000)) {
                if (part == 1 && length > 20_000) continue
                val data = bytes(length)
                val out = ByteArrayOutputStream()
                world.client.sealTo(out) { stream -> data.parts(part).forEach { stream.write(it) } }
                assertArrayEquals(data, world.client.decrypt(out.toByteArray()), "$length by $part")
                val slow = Slow(out.toByteArray(), part + 3)
                assertArrayEquals(data, world.client.openStream(slow).use { it.readAllBytes() })
            }
        }
    }

    @Test
    fun `an exception leaves an envelope without an end`(): Unit = World().use { world ->
        runBlocking {
            val out = ByteArrayOutputStream()
            fails<IllegalArgumentException> {
                world.client.sealTo(out) { stream ->
                    stream.write(bytes(100_000))
                    stream.flush()
                    throw IllegalArgumentException("enough")
                }
            }
            assertTrue(out.size() > 90_000)
            fails<KeyfoldException> { world.client.decrypt(out.toByteArray()) }
            val stream = world.client.openStream(ByteArrayInputStream(out.toByteArray()))
            val failed = fails<KeyfoldException.Truncated> { stream.readAllBytes() }
            assertEquals(failed, fails<KeyfoldException.Truncated> { stream.read() })
            stream.close()
            fails<IOException> { stream.read() }
            fails<KeyfoldException.Truncated> { world.client.openStream(ByteArrayInputStream(bytes(0))) }
            fails<KeyfoldException.MalformedEnvelope> { world.client.openStream(ByteArrayInputStream(bytes(99))) }
        }
    }

    @Test
    fun `what could not be written is not followed by an end`(): Unit = World().use { world ->
        val full = object : ByteArrayOutputStream() {
            override fun write(bytes: ByteArray, offset: Int, length: Int) {
                if (size() > 600_000) throw IOException("the disk is full")
                super.write(bytes, offset, length)
            }
        }
        // As one that keeps errors to itself, like a `PrintStream`.
        val ended = fails<IOException> {
            world.client.sealTo(full) { stream ->
                repeat(40) { runCatching { stream.write(bytes(100_000)) } }
            }
        }
        assertEquals("the stream has ended", ended.message)
        fails<KeyfoldException> { world.client.decrypt(full.toByteArray()) }
    }

    @Test
    fun `a task that is cancelled leaves an envelope without an end`(): Unit = World().use { world ->
        runBlocking {
            val out = ByteArrayOutputStream()
            val begun = CompletableDeferred<Unit>()
            val job = launch(Dispatchers.Default) {
                world.client.sealTo(out) { stream ->
                    stream.write(bytes(100_000))
                    stream.flush()
                    begun.complete(Unit)
                    awaitCancellation()
                }
            }
            begun.await()
            job.cancelAndJoin()
            fails<KeyfoldException> { world.client.decrypt(out.toByteArray()) }
        }
    }

    @Test
    fun `a stream that has ended takes nothing more`(): Unit = World().use { world ->
        runBlocking {
            val stream = world.client.sealingStream(ByteArrayOutputStream())
            stream.write(7)
            stream.finish()
            stream.close()
            fails<IOException> { stream.write(7) }
            fails<IOException> { stream.write(bytes(7)) }
            fails<IOException> { stream.flush() }
            fails<IOException> { stream.finish() }
            fails<IndexOutOfBoundsException> { stream.write(bytes(7), 5, 3) }
        }
    }

    @Test
    fun `streams are signed, and what is not proven is told at the end`(): Unit = World().use { world ->
        runBlocking {
            val release = world.kms.createKey("alias/release", "ECC_NIST_P256")
            val out = ByteArrayOutputStream()
            world.client.sealTo(out, signer = Signer.Kms(release), length = 100_000uL) { it.write(bytes(100_000)) }
            val public = Signers.OneOf(world.client.publicKey(release))
            val read = world.client.openStream(ByteArrayInputStream(out.toByteArray()), signers = public)
            assertArrayEquals(bytes(100_000), read.use { it.readAllBytes() })
            val altered = out.toByteArray().also { it[it.size - 3] = (it[it.size - 3] + 1).toByte() }
            fails<KeyfoldException.SignatureInvalid> {
                world.client.openStream(ByteArrayInputStream(altered), signers = public).readAllBytes()
            }
            fails<KeyfoldException.InvalidArgument> { world.client.openStream(ByteArrayInputStream(altered)) }
        }
    }

    @Test
    fun `flows, both ways`(): Unit = World().use { world ->
        runBlocking {
            for (length in listOf(0, 5, 16_384, 300_000)) for (part in listOf(7, 40_000)) {
                if (part == 7 && length > 20_000) continue
                val sealed = world.client.seal(bytes(length).parts(part).asFlow()).toList().joined()
                assertArrayEquals(bytes(length), world.client.decrypt(sealed))
                val opened = world.client.open(sealed.parts(part).asFlow()).toList().joined()
                assertArrayEquals(bytes(length), opened)
                fails<KeyfoldException> { world.client.open(listOf(sealed.copyOf(100)).asFlow()).toList() }
            }
        }
    }

    @Test
    fun `a flow that is left gives its stream back`(): Unit = World().use { world ->
        runBlocking {
            val sealed = world.client.encrypt(bytes(300_000))
            val before = liveHandles()
            val parts = bytes(300_000).parts(20_000)
            assertEquals(2, world.client.seal(parts.asFlow()).take(2).toList().size)
            assertEquals(1, world.client.open(sealed.parts(20_000).asFlow()).take(1).toList().size)
            val enough = IllegalArgumentException("enough")
            for (flow in listOf(
                world.client.seal(flow { emit(bytes(100_000)); throw enough }),
                world.client.open(flow { emit(sealed.copyOf(100_000)); throw enough }),
            )) assertEquals("enough", fails<IllegalArgumentException> { flow.collect { } }.message)
            assertEquals(before, liveHandles())
        }
    }

    @Test
    fun `any channel is a source, and no source is believed`(): Unit = World().use { world ->
        runBlocking {
            val data = bytes(200_000)
            val sealed = world.client.encrypt(data)
            world.client.openReader(ArrayChannel(sealed).asRangedSource()).use { reader ->
                coroutineScope {
                    for (at in 0 until 190_000 step 10_000) launch(Dispatchers.Default) {
                        assertArrayEquals(data.copyOfRange(at, at + 9000), reader.read(at.toULong(), 9000))
                    }
                }
                assertEquals(200_000uL, reader.verifyLength())
            }
            val lies = listOf<(ULong, ByteArray) -> ByteArray>(
                { at, part -> if (at > 20_000uL) part.copyOf(part.size - 1) else part },
                { at, part -> if (at > 20_000uL) part + 7 else part },
                { at, part -> if (at > 20_000uL) ByteArray(0) else part },
                { at, part -> if (at > 20_000uL) part.also { it[5] = (it[5] + 1).toByte() } else part },
            )
            for (lie in lies) {
                val source = object : RangedSource {
                    val inner = ArrayChannel(sealed).asRangedSource()

                    override suspend fun size() = inner.size()

                    override suspend fun read(offset: ULong, length: Int) = lie(offset, inner.read(offset, length))
                }
                world.client.openReader(source).use { reader ->
                    fails<KeyfoldException> { reader.read(100_000uL, 1000) }
                }
            }
        }
    }

    @Test
    fun `a file that is being written is given up`(@TempDir folder: Path): Unit = World().use { world ->
        runBlocking {
            val large = Files.write(folder.resolve("large"), ByteArray(300_000_000))
            val begun = CompletableDeferred<Unit>()
            var told = 0uL
            val job = launch(Dispatchers.Default) {
                world.client.encryptFile(large, folder.resolve("never")) { done, _ -> told = done; begun.complete(Unit) }
            }
            begun.await()
            job.cancelAndJoin()
            assertTrue(job.isCancelled && told < 300_000_000uL)
            // Nor does a part of it stay.
            assertEquals(listOf(large), Files.list(folder).use { it.toList() })
        }
    }

    @Test
    fun `parts are read at any place`(@TempDir folder: Path): Unit = World().use { world ->
        runBlocking {
            val data = bytes(1_000_000)
            val path = folder.resolve("sealed")
            Files.write(path, world.client.encrypt(data))
            val small = Files.write(folder.resolve("small"), world.client.encrypt(bytes(3)))
            FileChannel.open(path).use { channel ->
                val whole: suspend () -> EnvelopeReader = { world.client.openReader(channel.asRangedSource()) }
                for (open in listOf(whole, { world.client.openReader(path) })) open().use { reader ->
                    assertEquals(1_000_000uL, reader.plaintextLength)
                    for ((start, length) in listOf(0 to 0, 0 to 1, 16_383 to 2, 500_000 to 40_000, 999_999 to 5)) {
                        val expected = data.copyOfRange(start, minOf(data.size, start + length))
                        assertArrayEquals(expected, reader.read(start.toULong(), length))
                    }
                    assertArrayEquals(data.copyOfRange(100, 200), reader.read(100uL..199uL))
                    assertEquals(0, reader.read(5_000_000uL, 10).size)
                    assertEquals(1_000_000uL, reader.verifyLength())
                    fails<KeyfoldException.InvalidArgument> { reader.read(0uL, -1) }
                    fails<KeyfoldException.InvalidArgument> { reader.read(ULong.MAX_VALUE, 1) }
                }
            }
            world.client.openReader(small).use { assertArrayEquals(bytes(3), it.read(0uL..99uL)) }
            val closed = world.client.openReader(path).apply { close(); close() }
            fails<KeyfoldException.InvalidArgument> { closed.read(0uL, 1) }
            fails<KeyfoldException.Io> { world.client.openReader(folder.resolve("none")) }
            Files.write(path, Files.readAllBytes(path).copyOf(900_000))
            world.client.openReader(path).use { cut ->
                assertArrayEquals(data.copyOf(10), cut.read(0uL, 10))
                fails<KeyfoldException.AuthenticationFailed> { cut.verifyLength() }
            }
        }
    }

    @Test
    fun `files go from path to path`(@TempDir folder: Path): Unit = World().use { world ->
        runBlocking {
            val (plain, sealed, back) = listOf("plain", "sealed", "back").map(folder::resolve)
            Files.write(plain, bytes(3_000_000))
            val seen = mutableListOf<Pair<ULong, ULong>>()
            val client = world.client
            assertEquals(3_000_000uL, client.encryptFile(plain, sealed) { done, all -> seen += done to all })
            assertEquals(3_000_000uL to 3_000_000uL, seen.last())
            assertEquals(3_000_000uL, EnvelopeInfo.of(sealed).plaintextLength)
            val backup = world.kms.createKey("alias/backup")
            client.rewrapFile(sealed, Keyring(backup))
            client.addRecipientsToFile(sealed, Keyring(world.docs), Keyring(backup))
            client.removeRecipientsOfFile(sealed, listOf(backup))
            assertEquals(3_000_000uL, client.decryptFile(sealed, back))
            assertArrayEquals(bytes(3_000_000), Files.readAllBytes(back))
            fails<KeyfoldException.Io> { client.encryptFile(plain, sealed, overwrite = false) }
            fails<KeyfoldException.Io> { client.encryptFile(folder.resolve("none"), sealed) }
            fails<KeyfoldException.InvalidArgument> { client.encryptFile(plain, plain) }
            val enough = IllegalStateException("enough")
            val large = Files.write(folder.resolve("large"), ByteArray(200_000_000))
            val thrown = fails<IllegalStateException> {
                client.encryptFile(large, folder.resolve("never")) { _, _ -> throw enough }
            }
            assertEquals("enough", thrown.message)
            assertTrue(Files.notExists(folder.resolve("never")))
            Files.delete(large)
        }
    }
}
