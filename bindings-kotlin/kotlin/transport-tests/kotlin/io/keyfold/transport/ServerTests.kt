package io.keyfold.transport

import io.keyfold.AccessKey
import io.keyfold.CacheLimits
import io.keyfold.Client
import io.keyfold.Credentials
import io.keyfold.EnvelopeInfo
import io.keyfold.HttpTransport
import io.keyfold.KeyfoldException
import io.keyfold.Keyring
import io.keyfold.RemoteKms
import io.keyfold.Secret
import io.keyfold.Signer
import io.keyfold.Signers
import io.keyfold.asRangedSource
import io.keyfold.decryptFile
import io.keyfold.encryptFile
import io.keyfold.openReader
import io.keyfold.openStream
import io.keyfold.rewrapFile
import io.keyfold.sealTo
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.AfterAll
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNotNull
import org.junit.jupiter.api.Assertions.assertSame
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.BeforeAll
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestInstance
import org.junit.jupiter.api.io.TempDir
import java.io.ByteArrayInputStream
import java.io.ByteArrayOutputStream
import java.io.IOException
import java.nio.channels.FileChannel
import java.nio.file.Files
import java.nio.file.Path
import java.util.concurrent.atomic.AtomicInteger

/** A transport between a client and keyfold's own server. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
abstract class ServerTests {
    /** The one that is tested, as it is where nothing is said. */
    protected abstract fun transport(): HttpTransport

    private lateinit var home: Home
    private lateinit var server: Server
    private lateinit var owner: AccessKey

    @BeforeAll
    fun start() {
        home = Home()
        owner = home.accessKey()
        server = home.serve()
    }

    @AfterAll
    fun stop() {
        server.close()
        home.close()
    }

    private fun remote(
        credentials: Credentials = Credentials.accessKey(owner), transport: HttpTransport = transport(),
    ) = RemoteKms(server.url, transport, credentials)

    @Test
    fun `the six tasks`(@TempDir folder: Path): Unit = remote().use { kms ->
        runBlocking {
            val docs = kms.createKey("alias/six")
            val backup = kms.createKey()
            val context = mapOf("tenant" to "acme", "größe" to "日本 🗝")
            Client(kms, "keyfold:alias/six", context).use { client ->
                val data = bytes(300_000)
                val sealed = client.encrypt(data)
                assertEquals(context, EnvelopeInfo.of(sealed).context)
                assertArrayEquals(data, client.decrypt(sealed))
                assertEquals(2, client.cacheStats.misses)

                val stream = ByteArrayOutputStream()
                client.sealTo(stream) { it.write(data) }
                val opened = client.openStream(ByteArrayInputStream(stream.toByteArray()))
                assertArrayEquals(data, opened.use { it.readAllBytes() })

                val (plain, file) = Files.write(folder.resolve("plain"), data) to folder.resolve("sealed")
                assertEquals(300_000uL, client.encryptFile(plain, file))
                client.rewrapFile(file, Keyring(backup, alsoWrap = listOf(docs)))
                FileChannel.open(file).use { channel ->
                    client.openReader(channel.asRangedSource(), Keyring(backup)).use { reader ->
                        assertArrayEquals(data.copyOfRange(100_000, 100_500), reader.read(100_000uL, 500))
                        assertEquals(300_000uL, reader.verifyLength())
                    }
                }
                client.decryptFile(file, folder.resolve("back"))
                assertArrayEquals(data, Files.readAllBytes(folder.resolve("back")))

                val moved = client.rewrap(sealed, Keyring(backup))
                assertArrayEquals(data, client.decrypt(moved, Keyring(backup)))
                fails<KeyfoldException.NoUsableKey> { client.decrypt(moved) }

                val release = kms.createKey(spec = "ECC_NIST_P256")
                val public = client.publicKey(release)
                for (message in listOf(bytes(100), data)) {
                    val signature = client.sign(message, release)
                    public.verify(message, signature)
                    client.verify(message, signature, release)
                    fails<KeyfoldException.SignatureInvalid> { client.verify(bytes(7), signature, release) }
                }
                val signed = client.encrypt(data, signer = Signer.Kms(release))
                assertArrayEquals(data, client.decrypt(signed, signers = Signers.OneOf(public)))

                val version = client.secrets.put("six/password", "correct horse")
                client.secrets.get("six/password").use { secret ->
                    assertEquals(Secret("correct horse"), secret)
                    assertEquals(version, secret.version)
                }
                fails<KeyfoldException.SecretNotFound> { client.secrets.get("six/missing") }

                val small = client.encryptSmall("+49 30 1234567".toByteArray())
                assertEquals("+49 30 1234567", String(client.decryptSmall(small)))
                fails<KeyfoldException.AuthenticationFailed> {
                    client.decryptSmall(small, context = mapOf("tenant" to "globex"))
                }
            }
        }
    }

    @Test
    fun `keys are managed`(): Unit = remote().use { kms ->
        runBlocking {
            val key = kms.createKey("alias/managed", description = "Maßstab", tags = mapOf("team" to "a"))
            fails<KeyfoldException.VersionConflict> { kms.createKey("alias/managed") }
            assertTrue(key in kms.listKeys())
            val about = kms.describeKey("keyfold:alias/managed")
            assertEquals(key to "Maßstab", about.key to about.description)
            assertEquals(mapOf("alias/managed" to about.keyId), kms.listAliases(key))
            kms.tagKey(key, mapOf("cost" to "7"))
            kms.untagKey(key, listOf("team"))
            assertEquals(mapOf("cost" to "7"), kms.listTags(key))
            kms.putKeyPolicy(key, kms.getKeyPolicy(key))
            kms.setDescription(key, "less")
            kms.rotateKey(key)
            kms.setRotation(key, 90)
            kms.setRotation(key, null)
            kms.createAlias("alias/again", key)
            kms.deleteAlias("alias/again")
            kms.disableKey(key)
            assertFalse(kms.describeKey(key).isEnabled)
            Client(kms, key).use { client ->
                fails<KeyfoldException.KmsKeyUnavailable> { client.encrypt(bytes(1)) }
                kms.enableKey(key)
                client.encrypt(bytes(1))
            }
            val end = kms.scheduleKeyDeletion(key, days = 7)
            assertEquals(end, kms.describeKey(key).deletion)
            kms.cancelKeyDeletion(key)
            fails<KeyfoldException.KmsKeyUnavailable> { kms.describeKey("keyfold:alias/none") }
        }
    }

    @Test
    fun `whoever proves who they are may call, and nobody else`(): Unit = runBlocking {
        val asked = AtomicInteger()
        val token = home.token()
        val away = IllegalStateException("the vault is away")
        for (good in listOf(
            Credentials.token(token), Credentials.token { asked.incrementAndGet(); token },
            Credentials.accessKey(owner), Credentials.accessKey { asked.incrementAndGet(); owner },
        )) remote(good).use { it.listKeys() }
        assertEquals(2, asked.get(), "each function once for each request")
        for (bad in listOf(
            Credentials.token("no.such.token"), Credentials.token(token.dropLast(4) + "AAAA"),
            Credentials.accessKey(AccessKey("KFAAAAAAAAAAAAAAAAAA", "wrong")),
            Credentials.accessKey(AccessKey(owner.id, "wrong")), Credentials.ofConnection(),
            Credentials.accessKey(home.accessKey("--user", "stranger", "--allow-nothing")),
        )) remote(bad).use { kms ->
            val refused = fails<KeyfoldException.KmsDenied> { kms.createKey() }
            assertFalse(refused.retryable)
        }
        remote(Credentials.token { throw away }).use { kms ->
            assertSame(away, fails<KeyfoldException.KmsDenied> { kms.listKeys() }.cause)
        }
    }

    @Test
    fun `a message asks only where no data key is kept`(): Unit = runBlocking {
        val counting = Counting(transport())
        remote(transport = counting).use { kms ->
            val key = kms.createKey()
            counting.requests.set(0)
            Client(kms, key).use { client ->
                val sealed = (1..500).map { client.encrypt(bytes(it)) }
                assertEquals(1, counting.requests.get())
                sealed.forEachIndexed { at, it -> assertArrayEquals(bytes(at + 1), client.decrypt(it)) }
                assertEquals(2, counting.requests.get())
            }
            Client(kms, Keyring(key), cache = CacheLimits(maxMessages = 10uL)).use { client ->
                repeat(30) { client.encrypt(bytes(it)) }
                assertEquals(5, counting.requests.get())
            }
            Client(kms, Keyring(key), cache = null).use { client -> repeat(7) { client.encrypt(bytes(it)) } }
            assertEquals(12, counting.requests.get())
        }
    }

    @Test
    fun `eight threads share a client`(): Unit = runBlocking {
        val counting = Counting(transport())
        remote(transport = counting).use { kms ->
            val key = kms.createKey()
            counting.requests.set(0)
            Client(kms, Keyring(key)).use { client ->
                coroutineScope {
                    (1..8).map { number ->
                        async(Dispatchers.IO) {
                            repeat(25) { round ->
                                // Each context has a data key of its own.
                                val context = mapOf("row" to "${round % 5}", "thread" to "$number")
                                val data = bytes(number * 100 + round)
                                val sealed = client.encrypt(data, context = context)
                                assertArrayEquals(data, client.decrypt(sealed, context = context))
                            }
                        }
                    }.awaitAll()
                }
            }
            assertEquals(80, counting.requests.get())
        }
    }

    @Test
    fun `a server that is gone may come again`(): Unit = Home().use { own ->
        val transport = transport()
        val key = own.accessKey()
        val before = own.serve()
        val kms = RemoteKms(before.url, transport, Credentials.accessKey(key), retries = 1)
        val sealed = runBlocking {
            val docs = kms.createKey("alias/docs")
            Client(kms, docs).use { it.encrypt(bytes(9)) }
        }
        before.close()
        val gone = fails<KeyfoldException.KmsUnavailable> { kms.listKeys() }
        assertTrue(gone.retryable)
        assertTrue(generateSequence<Throwable>(gone) { it.cause }.any { it is IOException }, "$gone")
        Client(kms, "keyfold:alias/docs").use { client ->
            assertTrue(fails<KeyfoldException.KmsUnavailable> { client.encrypt(bytes(9)) }.retryable)
            assertNotNull(fails<KeyfoldException> { client.decrypt(sealed) }.cause)
        }
        own.serve().use { after ->
            RemoteKms(after.url, transport, Credentials.accessKey(key)).use { again ->
                Client(again, "keyfold:alias/docs").use { client ->
                    assertArrayEquals(bytes(9), runBlocking { client.decrypt(sealed) })
                }
            }
        }
        kms.close()
    }
}
