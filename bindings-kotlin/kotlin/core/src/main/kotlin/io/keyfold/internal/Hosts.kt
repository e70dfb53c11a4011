/** What the caller brings along, as the native library calls it. */
package io.keyfold.internal

import io.keyfold.AccessKey
import io.keyfold.HttpTransport
import io.keyfold.KeyAdmin
import io.keyfold.RootSealer
import io.keyfold.RouterKms
import io.keyfold.internal.ffi.Application
import io.keyfold.internal.ffi.Credential
import io.keyfold.internal.ffi.ForeignCredentials
import io.keyfold.internal.ffi.ForeignKms
import io.keyfold.internal.ffi.ForeignSealer
import io.keyfold.internal.ffi.ForeignTransport
import io.keyfold.internal.ffi.HttpHeader
import io.keyfold.internal.ffi.HttpRequest
import io.keyfold.internal.ffi.HttpResponse
import io.keyfold.internal.ffi.KmsRequest
import io.keyfold.internal.ffi.KeyService
import io.keyfold.internal.ffi.KmsResponse
import io.keyfold.internal.ffi.Observer
import io.keyfold.internal.ffi.Timer
import io.keyfold.kms.Kms
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.delay
import kotlinx.coroutines.withContext
import io.keyfold.HttpRequest as PublicRequest

internal class HostKms(private val kms: Kms) : ForeignKms {
    override suspend fun call(request: KmsRequest): KmsResponse =
        withContext(Dispatchers.IO) { called { kms.call(request.toPublic()).toFfi() } }
}

/** Uses a KMS as the library knows it: one of the caller's own only for so long. */
internal inline fun <T> Kms.asService(use: (KeyService) -> T): T = when (this) {
    is KeyAdmin -> use(service)
    is RouterKms -> use(service)
    else -> KeyService.foreign(HostKms(this)).let { own ->
        try {
            use(own)
        } finally {
            own.destroy()
        }
    }
}

internal class HostTransport(private val transport: HttpTransport) : ForeignTransport {
    override suspend fun send(request: HttpRequest): HttpResponse = withContext(Dispatchers.IO) {
        called { exchange(request) }
    }

    private suspend fun exchange(request: HttpRequest): HttpResponse {
        val given = request.headers.map { it.name to it.value }
        val answer =
            transport.send(PublicRequest(request.method, request.url, given, request.body))
        val headers = answer.headers.map { (name, value) -> HttpHeader(name, value) }
        return HttpResponse(answer.status.toUShort(), headers, answer.body)
    }
}

internal class HostToken(private val token: suspend () -> String) : ForeignCredentials {
    override suspend fun credentials(): Credential =
        withContext(Dispatchers.IO) { called { Credential.Token(token()) } }
}

internal class HostAccessKey(private val key: suspend () -> AccessKey) : ForeignCredentials {
    override suspend fun credentials(): Credential =
        withContext(Dispatchers.IO) { called { key().toFfi() } }
}

internal fun AccessKey.toFfi() =
    Credential.AccessKey(id, secret, sessionToken, application?.let { Application(it.id, it.key) })

internal object HostTimer : Timer {
    override suspend fun sleep(millis: ULong) {
        delay(millis.toLong())
    }
}

internal class HostSealer(private val sealer: RootSealer) : ForeignSealer {
    override fun kind(): String = sealer.kind

    override fun seal(root: ByteArray, binding: ByteArray): ByteArray = called {
        try {
            sealer.seal(root, binding)
        } finally {
            root.fill(0)
        }
    }

    override fun open(sealed: ByteArray, binding: ByteArray): ByteArray =
        called { sealer.open(sealed, binding) }
}

internal class HostObserver(
    private val isActive: () -> Boolean, private val onProgress: ((ULong, ULong) -> Unit)?,
) : Observer {
    /** What the caller's function threw. */
    @Volatile var thrown: Throwable? = null

    override fun observe(done: ULong, all: ULong): Boolean {
        if (!isActive()) return false
        return try {
            onProgress?.invoke(done, all)
            true
        } catch (exception: Throwable) {
            thrown = exception
            false
        }
    }
}
