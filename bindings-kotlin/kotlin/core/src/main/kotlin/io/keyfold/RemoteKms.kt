package io.keyfold

import io.keyfold.internal.HostAccessKey
import io.keyfold.internal.HostTimer
import io.keyfold.internal.HostToken
import io.keyfold.internal.HostTransport
import io.keyfold.internal.calling
import io.keyfold.internal.ffi.AzureProof
import io.keyfold.internal.ffi.Caller
import io.keyfold.internal.ffi.Credential
import io.keyfold.internal.ffi.ForeignCredentials
import io.keyfold.internal.ffi.KeyService
import io.keyfold.internal.ffi.RemoteSettings
import io.keyfold.internal.toFfi
import kotlinx.coroutines.runInterruptible
import java.nio.file.Path
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
 * An access key, as AWS and most clouds have them.
 *
 * @property id its id.
 * @property application what Ping An's password safe wants beside it.
 */
public class AccessKey @JvmOverloads constructor(
    public val id: String, internal val secret: String, internal val sessionToken: String? = null,
    public val application: Application? = null,
) {
    override fun toString(): String = "AccessKey($id, ..)"
}

/**
 * The credential of an application, which Ping An's password safe gives out for each password.
 *
 * @property id its id.
 */
public class Application(public val id: String, internal val key: String) {
    override fun toString(): String = "Application($id, ..)"
}

/** Who calls. */
public class Credentials private constructor(internal val caller: Caller) {
    private constructor(fixed: Credential) : this(Caller.Fixed(fixed))

    private constructor(source: ForeignCredentials) : this(Caller.Asked(source))

    override fun toString(): String = "Credentials(..)"

    public companion object {
        /** A bearer token, for keyfold's own server and for clouds that take one. */
        @JvmStatic
        public fun token(token: String): Credentials = Credentials(Credential.Token(token))

        /** A function that gets a bearer token for each request. */
        @JvmStatic
        public fun token(source: suspend () -> String): Credentials = Credentials(HostToken(source))

        /** As the function that gets a bearer token, for Java; it may block. */
        @JvmStatic
        public fun tokenFrom(source: Supplier<String>): Credentials = token { runInterruptible { source.get() } }

        /** An access key. */
        @JvmStatic
        public fun accessKey(key: AccessKey): Credentials = Credentials(key.toFfi())

        /** A function that gets an access key for each request. */
        @JvmStatic
        public fun accessKey(source: suspend () -> AccessKey): Credentials =
            Credentials(HostAccessKey(source))

        /** As the function that gets an access key, for Java; it may block. */
        @JvmStatic
        public fun accessKeyFrom(source: Supplier<AccessKey>): Credentials =
            accessKey { runInterruptible { source.get() } }

        /** Nothing in a request: the connection says who calls, by its TLS client certificate. */
        @JvmStatic
        public fun ofConnection(): Credentials = Credentials(Credential.Connection)

        /**
         * From where the service's own tools take them: variables first, then their files, then, at
         * Google, Azure and AWS, the machine. docs/providers.md names them all. What has to be exchanged
         * for a token goes over the transport of the KMS.
         *
         * @param file another file than the service's own; it passes over the variables.
         * @param profile the profile, or section, in the file; so does this.
         * @param variables these instead of those of the process.
         */
        @JvmStatic
        @JvmOverloads
        public fun fromEnvironment(
            file: Path? = null, profile: String? = null, variables: Map<String, String>? = null,
        ): Credentials = Credentials(Caller.Environment(variables?.toMap(), file?.toString(), profile))

        /** A service account at Google, by the text of its key file: it is exchanged for tokens. */
        @JvmStatic
        public fun googleServiceAccount(file: Secret): Credentials =
            Credentials(Caller.GoogleServiceAccount(file.ffi))

        /**
         * An application at Azure, by a secret of its: it gets tokens.
         *
         * @param tenant by its id or its domain.
         * @param client the application's id.
         * @param authority who gives out tokens, where that is another than the cloud's own.
         */
        @JvmStatic
        @JvmOverloads
        public fun azureClient(tenant: String, client: String, secret: Secret, authority: String? = null): Credentials =
            Credentials(Caller.AzureClient(tenant, client, AzureProof.Secret(secret.ffi), authority))

        /**
         * An application at Azure, by its certificate.
         *
         * @param pem the certificate and its RSA key in PKCS#8, both in PEM.
         */
        @JvmStatic
        @JvmOverloads
        public fun azureCertificate(tenant: String, client: String, pem: Secret, authority: String? = null): Credentials =
            Credentials(Caller.AzureClient(tenant, client, AzureProof.Certificate(pem.ffi), authority))
    }
}

/**
 * A KMS at the other end of a network: keyfold's own server, AWS, or any other cloud. Nothing is sent
 * until it is used.
 *
 * Clouds are for the JVM. An app would carry the cloud's secret key: on Android they are
 * [KeyfoldException.Unsupported], and `keyfold serve --upstream` stands between.
 *
 * @property url `keyfold://HOST[:PORT]` over TLS, `keyfold+http://127.0.0.1:PORT` on this machine only,
 * `aws://REGION`, or a cloud's `SCHEME://PLACE`, such as `tencent://ap-guangzhou`
 * (`google://projects/P/locations/L/keyRings/R`, `azure://VAULT`): [Capabilities.schemes] names them.
 * @param transport the network.
 * @param credentials who calls.
 * @param timeout for one call with all its repetitions.
 * @param retries how often a call that failed for a while is repeated.
 * @param region the region that requests are signed for, where it is not that of the URL; for AWS and
 * keyfold's own server.
 * @param places what is configured of a cloud's places, by their KMS's URI; a region of the vendor's
 * own needs none.
 */
public class RemoteKms @JvmOverloads constructor(
    public val url: String,
    transport: HttpTransport,
    credentials: Credentials = Credentials.fromEnvironment(),
    timeout: Duration = Duration.ofMinutes(1),
    retries: Int = 3,
    region: String? = null,
    places: Map<String, Place> = emptyMap(),
) : KeyAdmin(
    calling {
        KeyService.remote(
            url, HostTransport(transport), credentials.caller, HostTimer,
            RemoteSettings(
                timeout.toMillis().coerceAtLeast(0).toULong(), retries.coerceAtLeast(0).toUInt(), region,
                places.mapValues { it.value.toFfi() },
            ),
        )
    },
) {
    /** With the configuration of places, and all else as it is usual. */
    public constructor(url: String, transport: HttpTransport, credentials: Credentials, places: Map<String, Place>) :
        this(url, transport, credentials, Duration.ofMinutes(1), places = places)

    /** What it can, where it is a cloud's; null for AWS and keyfold's own server, which lack nothing. */
    public fun capabilities(): Capabilities? = calling { service.capabilities() }?.let { Capabilities(it) }

    override fun toString(): String = "RemoteKms($url)"
}
