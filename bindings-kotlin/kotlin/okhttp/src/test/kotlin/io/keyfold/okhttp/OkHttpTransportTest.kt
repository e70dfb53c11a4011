package io.keyfold.okhttp

import io.keyfold.HttpTransport
import io.keyfold.transport.CloudTests
import io.keyfold.transport.NetworkTests
import io.keyfold.transport.ServerTests
import io.keyfold.transport.Tls
import io.keyfold.transport.TlsTests
import okhttp3.OkHttpClient
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable
import java.time.Duration

private const val NO_SERVER = "KEYFOLD_COMMAND names no keyfold: cargo xtask test --only binding-kotlin sets it"

private const val NO_EMULATOR =
    "KEYFOLD_EMULATOR names no emulator: cargo xtask test --only binding-kotlin sets it"

@EnabledIfEnvironmentVariable(named = "KEYFOLD_EMULATOR", matches = ".+", disabledReason = NO_EMULATOR)
class OkHttpCloudTest : CloudTests() {
    override fun transport(): HttpTransport = OkHttpTransport()
}

@EnabledIfEnvironmentVariable(named = "KEYFOLD_COMMAND", matches = ".+", disabledReason = NO_SERVER)
class OkHttpServerTest : ServerTests() {
    override fun transport(): HttpTransport = OkHttpTransport()
}

@EnabledIfEnvironmentVariable(named = "KEYFOLD_COMMAND", matches = ".+", disabledReason = NO_SERVER)
class OkHttpTlsTest : TlsTests() {
    override fun transport(tls: Tls?): HttpTransport =
        if (tls == null) OkHttpTransport()
        else OkHttpTransport(OkHttpClient.Builder().sslSocketFactory(tls.context.socketFactory, tls.trust).build())
}

class OkHttpNetworkTest : NetworkTests() {
    // Redirects are turned off, whatever the client of the caller's does.
    override fun transport(timeout: Duration?, maxAnswer: Int?): HttpTransport = OkHttpTransport(
        OkHttpClient.Builder().followRedirects(true).callTimeout(timeout ?: Duration.ofSeconds(30)).build(),
        maxAnswer ?: HttpTransport.MAX_ANSWER,
    )
}
