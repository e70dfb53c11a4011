package io.keyfold.okio

import io.keyfold.Client
import io.keyfold.EmbeddedKms
import kotlinx.coroutines.runBlocking
import okio.Buffer
import okio.buffer
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test

class OkioTest {
    @Test
    fun `there and back`(): Unit = runBlocking {
        EmbeddedKms.inMemory().use { kms ->
            Client(kms, kms.createKey("alias/docs")).use { client ->
                val text = "a;b\n".repeat(50_000)
                val sealed = Buffer()
                client.sealTo(sealed) { it.writeUtf8(text) }
                assertEquals(text, client.openSource(sealed).buffer().readUtf8())
            }
        }
    }
}
