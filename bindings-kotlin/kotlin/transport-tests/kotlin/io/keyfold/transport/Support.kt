package io.keyfold.transport

import io.keyfold.HttpRequest
import io.keyfold.HttpResponse
import io.keyfold.HttpTransport
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertThrows
import java.util.concurrent.atomic.AtomicInteger

/** What is thrown, whatever coroutine it comes through. */
internal inline fun <reified T : Throwable> fails(crossinline work: suspend () -> Unit): T =
    assertThrows(T::class.java) { runBlocking { work() } }

internal fun bytes(length: Int): ByteArray = ByteArray(length) { (it * 31 + it / 253).toByte() }

/** Counts what goes over a network. */
internal class Counting(private val inner: HttpTransport) : HttpTransport {
    val requests = AtomicInteger()

    override suspend fun send(request: HttpRequest): HttpResponse {
        requests.incrementAndGet()
        return inner.send(request)
    }
}
