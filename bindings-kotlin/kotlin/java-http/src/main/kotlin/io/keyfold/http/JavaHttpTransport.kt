package io.keyfold.http

import io.keyfold.HttpRequest
import io.keyfold.HttpResponse
import io.keyfold.HttpTransport
import kotlinx.coroutines.future.await
import java.net.URI
import java.net.http.HttpClient
import java.net.http.HttpRequest.BodyPublishers
import java.net.http.HttpResponse.BodyHandlers
import java.time.Duration

/**
 * A network over the JDK's own HTTP client, which Android has not: `keyfold-okhttp` is for both.
 *
 * @param client the client; it must follow no redirect.
 * @param timeout for one request with its whole answer.
 */
public class JavaHttpTransport @JvmOverloads constructor(
    private val client: HttpClient = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(5)).build(),
    private val timeout: Duration = Duration.ofSeconds(30),
) : HttpTransport {
    init {
        require(client.followRedirects() == HttpClient.Redirect.NEVER) { "the client follows redirects" }
    }

    override suspend fun send(request: HttpRequest): HttpResponse {
        val built = java.net.http.HttpRequest.newBuilder(URI.create(request.url)).timeout(timeout)
            .method(request.method, BodyPublishers.ofByteArray(request.body))
        for ((name, value) in request.headers) {
            // What the client sets itself, out of the URL and the body.
            if (name.lowercase() !in OWN) built.header(name, value)
        }
        val answer = client.sendAsync(built.build(), BodyHandlers.ofByteArray()).await()
        val headers = answer.headers().map().flatMap { (name, values) -> values.map { name to it } }
        return HttpResponse(answer.statusCode(), headers, answer.body())
    }

    private companion object {
        val OWN = setOf("host", "content-length", "connection", "expect", "upgrade")
    }
}
