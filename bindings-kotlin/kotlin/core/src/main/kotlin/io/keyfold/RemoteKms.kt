package io.keyfold

import io.keyfold.internal.HostAccessKey
import io.keyfold.internal.HostTimer
import io.keyfold.internal.HostToken
import io.keyfold.internal.HostTransport
import io.keyfold.internal.calling
import io.keyfold.internal.ffi.Credential
import io.keyfold.internal.ffi.ForeignCredentials
import io.keyfold.internal.ffi.KeyService
import io.keyfold.internal.ffi.RemoteSettings
import io.keyfold.internal.toFfi
import kotlinx.coroutines.runInterruptible
import java.time.Duration
import java.util.function.Supplier

/**
 * A request to send. Its headers and its body hold secrets.
 *
 * @property method such as `POST`.
 * @property url where to.
 * @property headers names and values, in their order.
 * @property body the body.
 */
public class HttpRequest(
    public val method: String, public val url: String, public val headers: List<Pair<String, String>>,
    public val body: ByteArray,
)

/**
 * What came back. Its body may hold secrets.
 *
 * @property status such as 200.
 * @property headers names and values.
 * @property body the body.
 */
public class HttpResponse(
    public val status: Int, public val headers: List<Pair<String, String>>, public val body: ByteArray,
)

/**
 * A network: `keyfold-okhttp` and `keyfold-java-http` have one each.
 *
 * It follows no redirect and repeats nothing. What it throws becomes
 * [KeyfoldException.KmsUnavailable] with that as its cause, unless it is a [KeyfoldException].
 */
public fun interface HttpTransport {
    /** Sends a request and gets the answer, whatever its status. Cancelled where nobody waits any more. */
    public suspend fun send(request: HttpRequest): HttpResponse

    public companion object {
        /** A body of more bytes is no answer of a KMS: a transport need not read it. */
        public const val MAX_ANSWER: Int = 4 shl 20
    }
}

/**
 * An access key, as AWS has them.
 *
 * @property id its id.
 */
public class AccessKey @JvmOverloads constructor(
    public val id: String, internal val secret: String, internal val sessionToken: String? = null,
) {
    override fun toString(): String = "AccessKey($id, ..)"
}

/** Who calls. */
public class Credentials private constructor(
    internal val fixed: Credential?, internal val source: ForeignCredentials?,
) {
    override fun toString(): String = "Credentials(..)"

    public companion object {
        /** A bearer token, for keyfold's own server. */
        @JvmStatic
        public fun token(token: String): Credentials = Credentials(Credential.Token(token), null)

        /** A function that gets a bearer token for each request. */
        @JvmStatic
        public fun token(source: suspend () -> String): Credentials = Credentials(null, HostToken(source))

        /** As the function that gets a bearer token, for Java; it may block. */
        @JvmStatic
        public fun tokenFrom(source: Supplier<String>): Credentials = token { runInterruptible { source.get() } }

        /** An access key. */
        @JvmStatic
        public fun accessKey(key: AccessKey): Credentials = Credentials(key.toFfi(), null)

        /** A function that gets an access key for each request. */
        @JvmStatic
        public fun accessKey(source: suspend () -> AccessKey): Credentials =
            Credentials(null, HostAccessKey(source))

        /** As the function that gets an access key, for Java; it may block. */
        @JvmStatic
        public fun accessKeyFrom(source: Supplier<AccessKey>): Credentials =
            accessKey { runInterruptible { source.get() } }

        /** Nothing in a request: the connection says who calls, by its TLS client certificate. */
        @JvmStatic
        public fun ofConnection(): Credentials = Credentials(Credential.Connection, null)
    }
}

/**
 * A KMS at the other end of a network: keyfold's own server, or AWS. Nothing is sent until it is used.
 *
 * @param url `keyfold://HOST[:PORT]` over TLS, `keyfold+http://127.0.0.1:PORT` on this machine only, or
 * `aws://REGION`.
 * @param transport the network.
 * @param credentials who calls.
 * @param timeout for one call with all its repetitions.
 * @param retries how often a call that failed for a while is repeated.
 * @param region the region that requests are signed for, where it is not that of the URL.
 */
public class RemoteKms @JvmOverloads constructor(
    public val url: String,
    transport: HttpTransport,
    credentials: Credentials,
    timeout: Duration = Duration.ofMinutes(1),
    retries: Int = 3,
    region: String? = null,
) : KeyAdmin(
    calling {
        KeyService.remote(
            url, HostTransport(transport), credentials.fixed, credentials.source, HostTimer,
            RemoteSettings(timeout.toMillis().coerceAtLeast(0).toULong(), retries.coerceAtLeast(0).toUInt(), region),
        )
    },
) {
    override fun toString(): String = "RemoteKms($url)"
}
