package io.keyfold.transport

import io.keyfold.Client
import io.keyfold.Credentials
import io.keyfold.HttpTransport
import io.keyfold.KeyfoldException
import io.keyfold.RemoteKms
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.AfterAll
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.BeforeAll
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestInstance
import java.nio.file.Files
import java.nio.file.Path
import java.security.KeyStore
import java.util.Base64
import java.util.concurrent.TimeUnit
import javax.net.ssl.KeyManagerFactory
import javax.net.ssl.SSLContext
import javax.net.ssl.SSLException
import javax.net.ssl.TrustManagerFactory
import javax.net.ssl.X509TrustManager

private val PASSWORD = "change it".toCharArray()

/** Who is trusted, and by what key a client shows who it is. */
class Tls internal constructor(authority: KeyStore, own: KeyStore?) {
    /** Trusts the authority alone. */
    val trust: X509TrustManager = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm())
        .apply { init(authority) }.trustManagers.filterIsInstance<X509TrustManager>().single()

    /** With that trust, and with that key. */
    val context: SSLContext = SSLContext.getInstance("TLS").apply {
        val keys = own?.let {
            KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm()).apply { init(it, PASSWORD) }
        }
        init(keys?.keyManagers, arrayOf(trust), null)
    }
}

/** An authority, and whom it vouches for: the JDK's own tool makes keys and certificates. */
internal class Authority(private val folder: Path) {
    private val all: KeyStore

    init {
        make("ca", "bc:c")
        make("server", "san=dns:localhost", "-signer", "ca")
        make("backup", "san=uri:spiffe://example.com/backup/1", "-signer", "ca")
        all = KeyStore.getInstance("PKCS12")
        Files.newInputStream(folder.resolve("all.p12")).use { all.load(it, PASSWORD) }
    }

    private fun make(name: String, extension: String, vararg words: String) {
        val log = folder.resolve("keytool.log")
        val tool = Path.of(System.getProperty("java.home"), "bin", "keytool").toString()
        val process = ProcessBuilder(
            tool, "-genkeypair", "-alias", name, "-dname", "CN=keyfold $name", "-keyalg", "EC", "-ext", extension,
            "-keystore", "all.p12", "-storetype", "PKCS12", "-storepass", String(PASSWORD), *words,
        ).directory(folder.toFile()).redirectErrorStream(true).redirectOutput(log.toFile()).start()
        check(process.waitFor(60, TimeUnit.SECONDS) && process.exitValue() == 0) { Files.readString(log) }
    }

    /** Trusts the authority, and has a key of this name where one is wanted. */
    fun tls(name: String? = null): Tls {
        val trusted = empty().apply { setCertificateEntry("ca", all.getCertificate("ca")) }
        val own = name?.let {
            empty().apply { setKeyEntry(it, all.getKey(it, PASSWORD), PASSWORD, all.getCertificateChain(it)) }
        }
        return Tls(trusted, own)
    }

    private fun empty() = KeyStore.getInstance("PKCS12").apply { load(null, null) }

    /** A file with a certificate. */
    fun certificate(name: String): String = pem("$name.pem", "CERTIFICATE", all.getCertificate(name).encoded)

    /** A file with a private key. */
    fun key(name: String): String = pem("$name.key", "PRIVATE KEY", all.getKey(name, PASSWORD).encoded)

    private fun pem(file: String, what: String, der: ByteArray): String {
        val text = Base64.getMimeEncoder(64, "\n".toByteArray()).encodeToString(der)
        val path = folder.resolve(file)
        return Files.writeString(path, "-----BEGIN $what-----\n$text\n-----END $what-----\n").toString()
    }
}

/** A transport between a client and keyfold's own server over TLS. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
abstract class TlsTests {
    /** The one that is tested; with this trust and key where they are given. */
    protected abstract fun transport(tls: Tls? = null): HttpTransport

    private lateinit var home: Home
    private lateinit var server: Server
    private lateinit var trusting: Tls
    private lateinit var known: Tls

    @BeforeAll
    fun start() {
        home = Home()
        val authority = Authority(Files.createDirectory(home.folder.resolve("tls")))
        trusting = authority.tls()
        known = authority.tls("backup")
        val config = home.folder.resolve("keyfold.toml")
        Files.writeString(
            config, "[[auth.mtls.rules]]\nsan = \"spiffe://example.com/backup/*\"\nallow = [\"kms:*\"]\n",
        )
        server = home.serve(
            "--config", "$config", "--tls-certificate", authority.certificate("server"),
            "--tls-key", authority.key("server"), "--tls-client-ca", authority.certificate("ca"),
        )
    }

    @AfterAll
    fun stop() {
        server.close()
        home.close()
    }

    private fun remote(transport: HttpTransport, credentials: Credentials, host: String = "localhost") =
        RemoteKms("keyfold://$host:${server.port}", transport, credentials, retries = 0)

    private fun untrusted(kms: RemoteKms) {
        val failed = fails<KeyfoldException.KmsUnavailable> { kms.use { it.listKeys() } }
        assertTrue(generateSequence<Throwable>(failed) { it.cause }.any { it is SSLException }, "$failed")
    }

    @Test
    fun `a server that is trusted`(): Unit = runBlocking {
        remote(transport(trusting), Credentials.token(home.token())).use { kms ->
            Client(kms, kms.createKey()).use { client ->
                assertArrayEquals(bytes(100), client.decrypt(client.encrypt(bytes(100))))
            }
        }
    }

    @Test
    fun `a server that is not, or has another name, gets nothing`() {
        val token = Credentials.token(home.token())
        untrusted(remote(transport(), token))
        untrusted(remote(transport(trusting), token, "127.0.0.1"))
    }

    @Test
    fun `a client is known by its certificate`(): Unit = runBlocking {
        remote(transport(known), Credentials.ofConnection()).use { kms ->
            Client(kms, kms.createKey()).use { it.decrypt(it.encrypt(bytes(9))) }
        }
        remote(transport(trusting), Credentials.ofConnection()).use { kms ->
            fails<KeyfoldException.KmsDenied> { kms.listKeys() }
        }
    }
}
