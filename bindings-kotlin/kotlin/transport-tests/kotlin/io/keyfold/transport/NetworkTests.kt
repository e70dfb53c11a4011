package io.keyfold.transport

import io.keyfold.Client
import io.keyfold.Credentials
import io.keyfold.HttpRequest
import io.keyfold.HttpTransport
import io.keyfold.KeyfoldException
import io.keyfold.RemoteKms
import io.keyfold.Retry
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNotNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.io.IOException
import java.time.Duration
import java.util.concurrent.CompletableFuture
import java.util.concurrent.TimeUnit
import java.util.concurrent.atomic.AtomicLong

private const val KEY = "keyfold:alias/docs"
private const val TOKEN = "a.secret.token"

/** A transport between a client and servers as they should not be. */
abstract class NetworkTests {
    /** The one that is tested; with these bounds where they are given. */
    protected abstract fun transport(timeout: Duration? = null, maxAnswer: Int? = null): HttpTransport

    private fun remote(
        server: StandIn, transport: HttpTransport = transport(), retries: Int = 0,
        timeout: Duration = Duration.ofMinutes(1),
    ) = RemoteKms(server.url, transport, Credentials.token(TOKEN), timeout, retries)

    /** What encryption fails with where the KMS answers so. */
    private inline fun <reified T : KeyfoldException> refused(
        retries: Int = 0, requests: Int = retries + 1, noinline answer: StandIn.Request.() -> Unit,
    ): T = StandIn(answer).use { server ->
        remote(server, retries = retries).use { kms ->
            val failed = fails<T> { Client(kms, KEY).use { it.encrypt("plain".toByteArray()) } }
            assertEquals(requests, server.requests.get(), "requests")
            var shown: Throwable? = failed
            while (shown != null) {
                assertFalse("$shown".contains(TOKEN), "$shown")
                shown = shown.cause
            }
            failed
        }
    }

    @Test
    fun `a request says what it has to`() {
        val seen = CompletableFuture<StandIn.Request>()
        refused<KeyfoldException.KmsProtocol> { seen.complete(this); answer(200, "{}") }
        val request = seen.get(60, TimeUnit.SECONDS)
        assertTrue(request.line.startsWith("POST / HTTP/1.1"), request.line)
        assertEquals("Bearer $TOKEN", request.headers["authorization"])
        assertEquals("TrentService.GenerateDataKey", request.headers["x-amz-target"])
        assertEquals("application/x-amz-json-1.1", request.headers["content-type"])
        assertTrue(request.headers.getValue("host").startsWith("127.0.0.1:"))
    }

    @Test
    fun `answers that are none`() {
        refused<KeyfoldException.KmsProtocol> { answer(200, "<html>Sign in to the network</html>") }
        refused<KeyfoldException.KmsProtocol> { answer(200, "") }
        refused<KeyfoldException.KmsUnavailable> { answer(500, "<html>oops</html>") }
        refused<KeyfoldException.KmsUnavailable> { say("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"); hangUp() }
        refused<KeyfoldException.KmsUnavailable> { say("SSH-2.0-OpenSSH_9.2\r\n\r\n"); hangUp() }
        refused<KeyfoldException.KmsUnavailable> { hangUp() }
    }

    @Test
    fun `what may pass is repeated, and nothing else`() {
        val busy = """{"__type":"ThrottlingException","message":"slowly"}"""
        val slowly = refused<KeyfoldException.KmsThrottled>(retries = 2) { answer(400, busy) }
        assertTrue(slowly.retryable)
        assertEquals("slowly", slowly.serviceMessage)
        refused<KeyfoldException.KmsUnavailable>(retries = 2) { answer(503, "") }
        val denied = """{"__type":"AccessDeniedException","message":"no"}"""
        val no = refused<KeyfoldException.KmsDenied>(retries = 2, requests = 1) { answer(400, denied) }
        assertEquals(Retry.AfterChange, no.retry)
    }

    @Test
    fun `a redirect is not followed`() {
        StandIn { answer(200, "{}") }.use { elsewhere ->
            for (status in listOf(301, 302, 303, 307, 308)) {
                refused<KeyfoldException> { answer(status, "", "location: http://127.0.0.1:${elsewhere.port}/") }
                refused<KeyfoldException> { answer(status, "", "location: http://localhost:${elsewhere.port}/") }
            }
            assertEquals(0, elsewhere.requests.get())
        }
    }

    @Test
    fun `an answer without an end is not read to its end`() {
        val told = AtomicLong()
        val part = ByteArray(1 shl 16) { ' '.code.toByte() }
        val long = refused<KeyfoldException.KmsProtocol> {
            say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            while (told.get() < 100L shl 20) {
                say("10000\r\n".toByteArray() + part + "\r\n".toByteArray())
                told.addAndGet(part.size.toLong())
            }
        }
        assertTrue(long.detail.contains("longer"), long.detail)
        assertTrue(told.get() < 50L shl 20, "${told.get()} bytes were taken")
        refused<KeyfoldException.KmsProtocol> {
            say("HTTP/1.1 200 OK\r\ncontent-length: 4000000000\r\n\r\n")
            repeat(100) { say(part) }
            untilLeft()
        }
    }

    @Test
    fun `an answer of just the length that is allowed is read`(): Unit = runBlocking {
        StandIn { answer(200, "x".repeat(1000)) }.use { server ->
            val request = HttpRequest("POST", "http://127.0.0.1:${server.port}/", emptyList(), ByteArray(0))
            assertEquals(1000, transport(maxAnswer = 1000).send(request).body.size)
            fails<KeyfoldException.KmsProtocol> { transport(maxAnswer = 999).send(request) }
        }
    }

    @Test
    fun `cancelling ends the request, wherever it is`(): Unit = runBlocking {
        val begun = listOf("", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
        for (start in begun) {
            val came = CompletableFuture<Unit>()
            StandIn { say(start); came.complete(Unit); untilLeft() }.use { server ->
                remote(server, retries = 3).use { kms ->
                    Client(kms, KEY).use { client ->
                        val call = async(Dispatchers.Default) { client.encrypt(ByteArray(9)) }
                        came.get(60, TimeUnit.SECONDS)
                        // Time for what was said to arrive; nothing depends on it but what is tested.
                        Thread.sleep(100)
                        call.cancelAndJoin()
                        server.waitUntilLeft()
                        assertTrue(call.getCompletionExceptionOrNull() is CancellationException)
                        assertEquals(1, server.requests.get())
                    }
                }
            }
        }
    }

    @Test
    fun `a server that is silent, or never ends, is given up in time`() {
        val starts = listOf("", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
        for (start in starts) {
            StandIn { say(start); untilLeft() }.use { server ->
                remote(server, transport(timeout = Duration.ofMillis(300))).use { kms ->
                    val late = fails<KeyfoldException.KmsUnavailable> { Client(kms, KEY).use { it.encrypt(ByteArray(9)) } }
                    assertTrue(generateSequence<Throwable>(late) { it.cause }.any { it is IOException }, "$late")
                    server.waitUntilLeft()
                }
            }
            StandIn { say(start); untilLeft() }.use { server ->
                remote(server, retries = 3, timeout = Duration.ofMillis(300)).use { kms ->
                    val late = fails<KeyfoldException.KmsUnavailable> { Client(kms, KEY).use { it.encrypt(ByteArray(9)) } }
                    assertTrue(late.retryable)
                    server.waitUntilLeft()
                }
            }
        }
    }

    @Test
    fun `nobody at the other end`() {
        val port = StandIn { }.use { it.port }
        RemoteKms("keyfold+http://127.0.0.1:$port", transport(), Credentials.token(TOKEN), retries = 0).use { kms ->
            assertNotNull(fails<KeyfoldException.KmsUnavailable> { kms.listKeys() }.cause)
        }
        fails<KeyfoldException.InvalidArgument> {
            RemoteKms("keyfold+http://kms.example.com", transport(), Credentials.token(TOKEN))
        }
        fails<KeyfoldException.InvalidArgument> { RemoteKms("kms.example.com", transport(), Credentials.token(TOKEN)) }
    }
}
