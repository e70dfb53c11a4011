package io.keyfold

import io.keyfold.kms.Kms
import io.keyfold.kms.Request
import io.keyfold.kms.Response
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.awaitCancellation
import java.util.concurrent.LinkedBlockingQueue

/** A KMS that never answers, for Java's tests: it says when it is asked, and when nobody waits any more. */
class Hanging(private val inner: Kms) : Kms {
    val begun: LinkedBlockingQueue<Boolean> = LinkedBlockingQueue()
    val cancelled: LinkedBlockingQueue<Boolean> = LinkedBlockingQueue()

    override suspend fun call(request: Request): Response {
        if (request !is Request.GenerateDataKey) return inner.call(request)
        begun.add(true)
        try {
            awaitCancellation()
        } catch (end: CancellationException) {
            cancelled.add(true)
            throw end
        }
    }
}
