package io.keyfold.http

import io.keyfold.KeyfoldException
import java.io.ByteArrayOutputStream
import java.net.http.HttpResponse.BodySubscriber
import java.nio.ByteBuffer
import java.util.concurrent.CompletableFuture
import java.util.concurrent.CompletionStage
import java.util.concurrent.Flow

/** A body of at most so many bytes; more of a longer one is not read. */
internal class LimitedBody(private val most: Int) : BodySubscriber<ByteArray> {
    private val whole = CompletableFuture<ByteArray>()
    private val read = ByteArrayOutputStream()
    private var subscription: Flow.Subscription? = null

    override fun getBody(): CompletionStage<ByteArray> = whole

    override fun onSubscribe(subscription: Flow.Subscription) {
        this.subscription = subscription
        subscription.request(Long.MAX_VALUE)
    }

    override fun onNext(parts: List<ByteBuffer>) {
        for (part in parts) {
            if (part.remaining() > most - read.size()) {
                subscription?.cancel()
                whole.completeExceptionally(
                    KeyfoldException.KmsProtocol("the answer is longer than any that is expected"),
                )
                return
            }
            read.write(ByteArray(part.remaining()).also { part.get(it) })
        }
    }

    override fun onError(failed: Throwable) {
        whole.completeExceptionally(failed)
    }

    override fun onComplete() {
        whole.complete(read.toByteArray())
    }
}
