package io.keyfold.okio

import io.keyfold.Client
import io.keyfold.EmbeddedKms
import io.keyfold.KeyfoldException
import kotlinx.coroutines.runBlocking
import okio.Buffer
import okio.buffer
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Test

class OkioTest {
    private fun withClient(work: suspend (Client) -> Unit): Unit = runBlocking {
        EmbeddedKms.inMemory().use { kms -> Client(kms, kms.createKey("alias/docs")).use { work(it) } }
    }

    @Test
    fun `there and back`(): Unit = withClient { client ->
        for (lines in listOf(0, 1, 5000, 500_000)) {
            val text = "a;b\n".repeat(lines)
            val sealed = Buffer()
            client.sealTo(sealed) { it.writeUtf8(text) }
            assertEquals(text, String(client.decrypt(sealed.copy().readByteArray())))
            assertEquals(text, client.openSource(sealed).buffer().readUtf8())
        }
    }

    @Test
    fun `what has no end does not open`(): Unit = withClient { client ->
        val sealed = Buffer()
        assertThrows(IllegalStateException::class.java) {
            runBlocking {
                client.sealTo(sealed) { sink ->
                    sink.writeUtf8("a;b\n".repeat(200_000))
                    sink.flush()
                    error("enough")
                }
            }
        }
        val opened = client.openSource(sealed).buffer()
        assertEquals("a;b\n".repeat(1000), opened.readUtf8(4000))
        assertThrows(KeyfoldException.Truncated::class.java) { opened.readUtf8() }
        opened.close()
    }
}
