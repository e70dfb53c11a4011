package io.keyfold.okhttp

import io.keyfold.HttpRequest
import io.keyfold.HttpResponse
import io.keyfold.HttpTransport
import io.keyfold.KeyfoldException
import kotlinx.coroutines.suspendCancellableCoroutine
import okhttp3.Call
import okhttp3.Callback
import okhttp3.OkHttpClient
import okhttp3.Request
import okhttp3.RequestBody.Companion.toRequestBody
import okhttp3.Response
import java.io.IOException
import java.time.Duration
import kotlin.coroutines.resumeWithException

/**
 * A network over OkHttp, on Android and on the JVM.
 *
 * @param client the client whose connections are used; redirects and repetitions are turned off.
 * @param maxAnswer the longest body of an answer, in bytes.
 */
public class OkHttpTransport @JvmOverloads constructor(
    client: OkHttpClient = OkHttpClient.Builder().connectTimeout(Duration.ofSeconds(5))
        .callTimeout(Duration.ofSeconds(30)).build(),
    private val maxAnswer: Int = HttpTransport.MAX_ANSWER,
) : HttpTransport {
    private val client = client.newBuilder()
        .followRedirects(false).followSslRedirects(false).retryOnConnectionFailure(false).build()

    override suspend fun send(request: HttpRequest): HttpResponse {
        val body = if (request.method == "GET") null else request.body.toRequestBody()
        val built = Request.Builder().url(request.url).method(request.method, body)
        for ((name, value) in request.headers) {
            // What the client sets itself, out of the URL and the body.
            if (name.lowercase() !in OWN) built.addHeader(name, value)
        }
        return client.newCall(built.build()).answer()
    }

    private suspend fun Call.answer(): HttpResponse = suspendCancellableCoroutine { waiting ->
        waiting.invokeOnCancellation { cancel() }
        enqueue(object : Callback {
            override fun onFailure(call: Call, e: IOException) = waiting.resumeWithException(e)

            // The body too is read here, where cancelling the call ends it.
            override fun onResponse(call: Call, response: Response) =
                waiting.resumeWith(runCatching { response.use { call.read(it) } })
        })
    }

    private fun Call.read(answer: Response): HttpResponse {
        val source = answer.body.source()
        if (source.request(maxAnswer + 1L)) {
            // Else closing it reads on for a while.
            cancel()
            throw KeyfoldException.KmsProtocol("the answer is longer than any that is expected")
        }
        return HttpResponse(answer.code, answer.headers.map { it.first to it.second }, source.readByteArray())
    }

    private companion object {
        val OWN = setOf("host", "content-length")
    }
}
