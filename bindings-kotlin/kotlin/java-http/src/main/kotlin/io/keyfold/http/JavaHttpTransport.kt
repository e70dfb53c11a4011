package io.keyfold.http

import io.keyfold.HttpRequest
import io.keyfold.HttpResponse
import io.keyfold.HttpTransport
import kotlinx.coroutines.suspendCancellableCoroutine
import kotlinx.coroutines.withTimeoutOrNull
import java.net.URI
import java.net.http.HttpClient
import java.net.http.HttpRequest.BodyPublishers
import java.net.http.HttpTimeoutException
import java.time.Duration
import java.util.concurrent.CompletionException
import kotlin.coroutines.resume
import kotlin.coroutines.resumeWithException
import java.net.http.HttpRequest as Request
import java.net.http.HttpResponse as Response

/**
 * A network over the JDK's own HTTP client, which Android has not: `keyfold-okhttp` is for both.
 *
 * A request that is cancelled is ended, since Java 16; before, it goes on to its end unheard.
 *
 * @param client the client; it must follow no redirect.
 * @param timeout for one request with its whole answer.
 * @param maxAnswer the longest body of an answer, in bytes.
 */
public class JavaHttpTransport @JvmOverloads constructor(
    private val client: HttpClient = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(5)).build(),
    private val timeout: Duration = Duration.ofSeconds(30),
    private val maxAnswer: Int = HttpTransport.MAX_ANSWER,
) : HttpTransport {
    init {
        require(client.followRedirects() == HttpClient.Redirect.NEVER) { "the client follows redirects" }
    }

    override suspend fun send(request: HttpRequest): HttpResponse {
        val built = Request.newBuilder(URI.create(request.url)).timeout(timeout)
            .method(request.method, BodyPublishers.ofByteArray(request.body))
        for ((name, value) in request.headers) {
            // What the client sets itself, out of the URL and the body.
            if (name.lowercase() !in OWN) built.header(name, value)
        }
        // That of the request itself ends when the headers of its answer are there.
        val answer = withTimeoutOrNull(timeout.toMillis()) { exchange(built.build()) }
            ?: throw HttpTimeoutException("the server did not answer in time")
        val headers = answer.headers().map().flatMap { (name, values) -> values.map { name to it } }
        return HttpResponse(answer.statusCode(), headers, answer.body())
    }

    private suspend fun exchange(request: Request): Response<ByteArray> =
        suspendCancellableCoroutine { waiting ->
            val answer = client.sendAsync(request) { LimitedBody(maxAnswer) }
            // `true` ends the exchange. The library's own `await` says `false`, which only ends the waiting.
            waiting.invokeOnCancellation { answer.cancel(true) }
            answer.whenComplete { received, failed ->
                when (failed) {
                    null -> waiting.resume(received)
                    is CompletionException -> waiting.resumeWithException(failed.cause ?: failed)
                    else -> waiting.resumeWithException(failed)
                }
            }
        }

    private companion object {
        val OWN = setOf("host", "content-length", "connection", "expect", "upgrade")
    }
}
