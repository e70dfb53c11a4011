package io.keyfold.http

import io.keyfold.HttpTransport
import io.keyfold.transport.CloudTests
import io.keyfold.transport.NetworkTests
import io.keyfold.transport.ServerTests
import io.keyfold.transport.Tls
import io.keyfold.transport.TlsTests
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.condition.EnabledForJreRange
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable
import org.junit.jupiter.api.condition.JRE
import java.net.http.HttpClient
import java.time.Duration

private const val NO_SERVER = "KEYFOLD_COMMAND names no keyfold: cargo xtask test --only binding-kotlin sets it"

private const val NO_EMULATOR =
    "KEYFOLD_EMULATOR names no emulator: cargo xtask test --only binding-kotlin sets it"

@EnabledIfEnvironmentVariable(named = "KEYFOLD_EMULATOR", matches = ".+", disabledReason = NO_EMULATOR)
class JavaHttpCloudTest : CloudTests() {
    override fun transport(): HttpTransport = JavaHttpTransport()
}

@EnabledIfEnvironmentVariable(named = "KEYFOLD_COMMAND", matches = ".+", disabledReason = NO_SERVER)
class JavaHttpServerTest : ServerTests() {
    override fun transport(): HttpTransport = JavaHttpTransport()
}

@EnabledIfEnvironmentVariable(named = "KEYFOLD_COMMAND", matches = ".+", disabledReason = NO_SERVER)
class JavaHttpTlsTest : TlsTests() {
    override fun transport(tls: Tls?): HttpTransport =
        if (tls == null) JavaHttpTransport()
        else JavaHttpTransport(HttpClient.newBuilder().sslContext(tls.context).build())
}

@EnabledForJreRange(min = JRE.JAVA_16, disabledReason = "before, no request could be cancelled")
class JavaHttpNetworkTest : NetworkTests() {
    override fun transport(timeout: Duration?, maxAnswer: Int?): HttpTransport = JavaHttpTransport(
        timeout = timeout ?: Duration.ofSeconds(30), maxAnswer = maxAnswer ?: HttpTransport.MAX_ANSWER,
    )

    @Test
    fun `a client that follows redirects is refused`() {
        val client = HttpClient.newBuilder().followRedirects(HttpClient.Redirect.NORMAL).build()
        assertThrows(IllegalArgumentException::class.java) { JavaHttpTransport(client) }
    }
}
