package io.keyfold

import io.keyfold.internal.Native
import io.keyfold.internal.ffi.liveHandles
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Tag
import org.junit.jupiter.api.Test
import java.io.ByteArrayOutputStream

class LeakTest {
    /** What is reachable only from where nobody looks is given back some time after a collection. */
    private fun settles(at: ULong) {
        repeat(600) {
            if (liveHandles() <= at) return
            System.gc()
            Thread.sleep(50)
        }
        assertEquals(at, liveHandles())
    }

    @Test
    fun `a hundred thousand objects leave nothing behind`(): Unit = World().use { world ->
        val before = liveHandles()
        runBlocking {
            val sealed = world.client.encrypt(bytes(100))
            repeat(40_000) {
                // Streams that end, and streams that are given up.
                world.client.sealingStream(ByteArrayOutputStream(600), length = 1uL).use { if (it.hashCode() % 2 == 0) {} }
                world.client.decrypt(world.client.encrypt(sealed))
            }
            repeat(20_000) { MessageHasher("ECDSA_SHA_256").use { hash -> hash.update(sealed) } }
        }
        assertTrue(liveHandles() <= before)
        // Forgotten without being closed: finalizers get them.
        repeat(20_000) { Secret("forgotten $it") }
        repeat(20_000) { Secret("closed $it").close() }
        settles(before)
    }

    @Test
    @Tag("native")
    fun `numbers that were made up name nothing`(): Unit = World().use { world ->
        val sealed = runBlocking { world.client.encrypt(bytes(100)) }
        val out = ByteArray(100_000)
        val wait = LongArray(2)
        for (number in listOf(0L, -1L, 1L shl 40, Long.MAX_VALUE, Long.MIN_VALUE)) {
            for (work in listOf<() -> Any?>(
                { Native.seal(number, null, sealed, null, 0, 1, wait) },
                { Native.sealInto(number, null, sealed, null, 0, 1, out, null, 0, 9, wait) },
                { Native.sealWhole(number, sealed, null, 0, 1) },
                { Native.open(number, null, sealed, null, 0, sealed.size, wait) },
                { Native.openWhole(number, sealed, null, 0, 1) },
                { Native.beginSeal(number, null, 1) },
                { Native.sealHeader(number) },
                { Native.sealRoom(number, 1) },
                { Native.sealUpdate(number, sealed, null, 0, 1, out, null, 0, 9) },
                { Native.sealFinish(number, out, null, 0, 9) },
                { Native.beginOpen(number, null, sealed, 1, false) },
                { Native.openUpdate(number, sealed, null, 0, 1, out, null, 0, 9) },
                { Native.openFinish(number, out, null, 0, 9) },
                { Native.beginRanges(number, sealed, 1) },
                { Native.rangesLength(number) },
                { Native.fetch(number, 0, 1, wait) },
                { Native.secretExpose(number) },
                { Native.verify(number, bytes(3), sealed, null, 0, 1, sealed) },
                { Native.hashFinish(number) },
            )) fails<KeyfoldException.InvalidArgument> { work() }
            if (number >= 0) Native.free(number)
        }
        // Of another kind, wrong ranges, nothing at all.
        val stream = Native.beginSeal(clientNumber(world.client), null, 1)
        assertTrue(stream > 0)
        for (work in listOf<() -> Any?>(
            { Native.secretExpose(stream) },
            { Native.seal(stream, null, sealed, null, 0, 1, wait) },
            { Native.openUpdate(stream, sealed, null, 0, 1, out, null, 0, 9) },
            { Native.sealRoom(stream, -1) },
            { Native.sealUpdate(stream, sealed, null, -1, 1, out, null, 0, 9) },
            { Native.sealUpdate(stream, sealed, null, 0, -1, out, null, 0, 9) },
            { Native.sealUpdate(stream, sealed, null, 0, sealed.size + 1, out, null, 0, 9) },
            { Native.sealUpdate(stream, sealed, null, Int.MAX_VALUE, Int.MAX_VALUE, out, null, 0, 9) },
            { Native.sealUpdate(stream, null, null, 0, 1, out, null, 0, 9) },
            { Native.sealUpdate(stream, null, java.nio.ByteBuffer.allocate(9), 0, 1, out, null, 0, 9) },
            { Native.sealUpdate(stream, sealed, null, 0, 1, out, null, 0, 0) },
            { Native.beginHash(byteArrayOf(-1, -2)) },
            { Native.beginHash("NO_SUCH".toByteArray()) },
        )) fails<KeyfoldException.InvalidArgument> { work() }
        Native.free(stream)
    }

    private fun clientNumber(client: Client) = client.ffi.handle().toLong()
}
