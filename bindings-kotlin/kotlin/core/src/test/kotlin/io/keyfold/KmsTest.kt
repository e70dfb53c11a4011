package io.keyfold

import io.keyfold.kms.Kms
import io.keyfold.kms.Request
import io.keyfold.kms.Response
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitAll
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.launch
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertInstanceOf
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertSame
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import java.nio.file.Files
import java.nio.file.Path
import java.security.KeyStore
import java.time.Duration
import java.util.concurrent.atomic.AtomicInteger

/** A KMS of the application's own around another one. */
internal class Counting(private val inner: Kms, private val before: suspend (Int) -> Unit = {}) : Kms {
    val calls = AtomicInteger()

    override suspend fun call(request: Request): Response {
        before(calls.incrementAndGet())
        return inner.call(request)
    }
}

private class Answering(private val answer: (Request) -> Response) : Kms {
    override suspend fun call(request: Request): Response = answer(request)
}

class KmsTest {
    @Test
    fun `a KMS of the application's own is asked as often as it has to be`(): Unit = World().use { world ->
        runBlocking {
            val counting = Counting(world.kms)
            Client(counting, world.docs).use { client ->
                repeat(1000) { client.encrypt(bytes(it)) }
                assertEquals(1, counting.calls.get())
                val release = world.kms.createKey("alias/release", "ECC_NIST_P256")
                client.verify(bytes(3), client.sign(bytes(3), release), release)
                client.encryptSmall(bytes(3)).let { assertArrayEquals(bytes(3), client.decryptSmall(it)) }
                client.secrets.put("a", "b")
                assertEquals("b", client.secrets.get("a").use { it.exposeText() })
                client.rewrap(client.encrypt(bytes(3)), Keyring(world.kms.createKey()))
                assertEquals(world.docs, client.resolve("keyfold:alias/docs"))
            }
            val without = Counting(world.kms)
            Client(without, Keyring(world.docs), cache = null).use { client ->
                repeat(5) { client.encrypt(bytes(it)) }
            }
            assertEquals(5, without.calls.get())
        }
    }

    @Test
    fun `what it throws arrives, typed and with its cause`(): Unit = World().use { world ->
        val unexpected = IllegalStateException("the database is away")
        val typed = KeyfoldException.KmsThrottled("slowly", Retry.Later(Duration.ofSeconds(7)))
        Client(Counting(world.kms) { throw unexpected }, world.docs).use { client ->
            val failed = fails<KeyfoldException.KmsUnavailable> { client.encrypt(bytes(1)) }
            assertSame(unexpected, failed.cause)
            assertEquals(true, failed.retryable)
            assertEquals(false, failed.message.orEmpty().contains("database"))
        }
        Client(Counting(world.kms) { throw typed }, world.docs).use { client ->
            val failed = fails<KeyfoldException.KmsThrottled> { client.encrypt(bytes(1)) }
            assertSame(typed, failed.cause)
            assertEquals(Retry.Later(Duration.ofSeconds(7)), failed.retry)
            assertEquals("slowly", failed.detail)
        }
        // Behind the failure of all recipients stands the first of them.
        val sealed = runBlocking { world.client.encrypt(bytes(1)) }
        Client(Counting(world.kms) { throw unexpected }, world.docs, mapOf("tenant" to "acme")).use { client ->
            assertSame(unexpected, fails<KeyfoldException.NoUsableKey> { client.decrypt(sealed) }.cause)
        }
        // An error of the machine's is none of a KMS; yet nothing breaks.
        Client(Counting(world.kms) { throw StackOverflowError() }, world.docs).use { client ->
            fails<KeyfoldException> { client.encrypt(bytes(1)) }
            fails<KeyfoldException> { client.encrypt(bytes(1)) }
        }
    }

    @Test
    fun `what it answers is checked`(): Unit = World().use { world ->
        val answers = listOf<(Request) -> Response>(
            { Response.Verified },
            { Response.DataKey(bytes(31), io.keyfold.kms.WrappedKey(world.docs, bytes(9))) },
            { Response.DataKey(bytes(32), io.keyfold.kms.WrappedKey("no uri", bytes(9))) },
        )
        for (answer in answers) Client(Answering(answer), world.docs).use { client ->
            fails<KeyfoldException.KmsProtocol> { client.encrypt(bytes(1)) }
        }
    }

    @Test
    fun `every code arrives as its exception`(): Unit = World().use { world ->
        val table = Files.readAllLines(Path.of("../../../docs/spec/errors.md")).filter { it.startsWith("| `") }
        assertEquals(20, table.size)
        val classes = KeyfoldException::class.java.permitted()
        assertEquals(20, classes.size)
        for (line in table) {
            val (code, retry) = line.split("|").drop(1).map { it.trim().trim('`') }
            val thrown = KeyfoldException.of(code, "text", Retry.Never, null, null)
            assertEquals(code, thrown.code)
            val name = code.split("_").joinToString("") { it.replaceFirstChar(Char::uppercase) }
            assertEquals(name, thrown.javaClass.simpleName)
            Client(Counting(world.kms) { throw thrown }, world.docs).use { client ->
                val failed = fails<KeyfoldException> { client.encrypt(bytes(1)) }
                assertEquals(thrown.javaClass, failed.javaClass)
                assertEquals("text", failed.detail)
            }
            val made = thrown.javaClass.getConstructor(String::class.java).newInstance("text")
            val expected = when (retry) {
                "never" -> Retry.Never
                "later" -> Retry.Later(null)
                else -> Retry.AfterChange
            }
            assertEquals(expected, made.retry)
        }
        assertInstanceOf(
            KeyfoldException.Internal::class.java,
            KeyfoldException.of("newer_than_this", "text", Retry.Never, null, null),
        )
        // `when` needs no `else`.
        val retryable: (KeyfoldException) -> Boolean = {
            when (it) {
                is KeyfoldException.KmsThrottled, is KeyfoldException.KmsUnavailable -> true
                is KeyfoldException.InvalidArgument, is KeyfoldException.MalformedEnvelope,
                is KeyfoldException.UnsupportedVersion, is KeyfoldException.UnsupportedSuite,
                is KeyfoldException.LimitExceeded, is KeyfoldException.Truncated,
                is KeyfoldException.ContextMismatch, is KeyfoldException.NoUsableKey,
                is KeyfoldException.AuthenticationFailed, is KeyfoldException.SignatureInvalid,
                is KeyfoldException.KmsDenied, is KeyfoldException.KmsKeyUnavailable,
                is KeyfoldException.KmsProtocol, is KeyfoldException.SecretNotFound,
                is KeyfoldException.VersionConflict, is KeyfoldException.Cancelled,
                is KeyfoldException.Io, is KeyfoldException.Internal,
                -> false
            }
        }
        assertEquals(true, retryable(KeyfoldException.KmsThrottled("text")))
    }

    private fun Class<*>.permitted() = declaredClasses.filter { it.superclass == this }

    @Test
    fun `a coroutine that is cancelled gives up, and so does the KMS`(): Unit = World().use { world ->
        runBlocking {
            val begun = CompletableDeferred<Unit>()
            val ended = CompletableDeferred<Throwable>()
            val kms = Counting(world.kms) { call ->
                if (call > 1) return@Counting
                begun.complete(Unit)
                try {
                    awaitCancellation()
                } catch (end: CancellationException) {
                    ended.complete(end)
                    throw end
                }
            }
            Client(kms, world.docs).use { client ->
                val job = launch(Dispatchers.Default) { client.encrypt(bytes(1)) }
                withTimeout(60_000) { begun.await() }
                job.cancelAndJoin()
                assertInstanceOf(CancellationException::class.java, withTimeout(60_000) { ended.await() })
                // The place in the cache is free again.
                assertEquals(1, client.encrypt(bytes(1)).size.coerceAtMost(1))
                assertEquals(2, kms.calls.get())
            }
        }
    }

    @Test
    fun `a KMS that ends by itself is a failure, not the end of the caller`(): Unit = World().use { world ->
        Client(Counting(world.kms) { throw CancellationException("mine") }, world.docs).use { client ->
            fails<KeyfoldException> { client.encrypt(bytes(1)) }
        }
    }

    @Test
    fun `concurrent misses ask once, and eight threads share a client`(): Unit = World().use { world ->
        runBlocking {
            val counting = Counting(world.kms)
            Client(counting, Keyring(world.docs), threads = 2).use { client ->
                coroutineScope {
                    (1..8).map { number ->
                        async(Dispatchers.IO) {
                            repeat(200) { round ->
                                val data = bytes(number * 1000 + round)
                                assertArrayEquals(data, client.decrypt(client.encrypt(data)))
                            }
                            val large = bytes(3_000_000 + number)
                            assertArrayEquals(large, client.decrypt(client.encrypt(large)))
                        }
                    }.awaitAll()
                }
            }
            assertEquals(2, counting.calls.get())
        }
    }

    @Test
    fun `a KMS in a folder is opened by what made it`(@TempDir folder: Path): Unit = runBlocking {
        val keys = folder.resolve("keys")
        fails<KeyfoldException.KmsUnavailable> { EmbeddedKms.open(keys) }
        val docs = EmbeddedKms.openOrCreate(keys).use { it.createKey("alias/docs") }
        EmbeddedKms.open(keys).use { assertEquals(listOf(docs), it.listKeys()) }
        val moved = Files.move(keys.resolve("root.key"), folder.resolve("root.key"))
        fails<KeyfoldException.KmsDenied> { EmbeddedKms.open(keys) }
        EmbeddedKms.open(keys, rootKey = moved).close()

        val locked = folder.resolve("locked")
        val passphrase = Secret("correct horse battery staple")
        EmbeddedKms.openOrCreate(locked, passphrase).close()
        EmbeddedKms.open(locked, passphrase).close()
        fails<KeyfoldException.KmsDenied> { EmbeddedKms.open(locked, Secret("another")) }
        passphrase.close()
        fails<KeyfoldException.InvalidArgument> { EmbeddedKms.open(locked, passphrase) }
        assertNull(null)
    }

    @Test
    fun `a key store seals the root key`(@TempDir folder: Path): Unit = runBlocking {
        val password = "change it".toCharArray()
        val file = folder.resolve("store.p12")
        val store = KeyStore.getInstance("PKCS12").apply { load(null, null) }
        KeyStoreSealer.makeKey(store, "keyfold", password)
        Files.newOutputStream(file).use { store.store(it, password) }

        val again = KeyStore.getInstance("PKCS12")
        Files.newInputStream(file).use { again.load(it, password) }
        val keys = folder.resolve("keys")
        EmbeddedKms.openOrCreate(keys, sealer = KeyStoreSealer(store, "keyfold", password)).close()
        assertEquals(false, Files.exists(keys.resolve("root.key")))
        EmbeddedKms.open(keys, sealer = KeyStoreSealer(again, "keyfold", password)).close()
        fails<KeyfoldException.KmsDenied> { EmbeddedKms.open(keys) }
        val other = KeyStore.getInstance("PKCS12").apply { load(null, null) }
        KeyStoreSealer.makeKey(other, "keyfold", password)
        fails<KeyfoldException.KmsDenied> {
            EmbeddedKms.open(keys, sealer = KeyStoreSealer(other, "keyfold", password))
        }
        fails<KeyfoldException.KmsDenied> {
            EmbeddedKms.open(keys, sealer = KeyStoreSealer(again, "none", password))
        }
        fails<KeyfoldException.KmsDenied> {
            EmbeddedKms.open(keys, sealer = KeyStoreSealer(again, "keyfold", "wrong".toCharArray()))
        }
    }

    @Test
    fun `what is closed is an error, never a stray pointer`(): Unit = World().use { world ->
        val client = Client(world.kms, world.docs)
        val sealed = runBlocking { client.encrypt(bytes(1)) }
        client.close()
        client.close()
        fails<KeyfoldException.InvalidArgument> { client.encrypt(bytes(1)) }
        fails<KeyfoldException.InvalidArgument> { client.decrypt(sealed) }
        fails<KeyfoldException.InvalidArgument> { client.resolve(world.docs) }
        fails<KeyfoldException.InvalidArgument> { client.cacheStats }
        fails<KeyfoldException.InvalidArgument> { client.secrets.get("a") }
        val kms = EmbeddedKms.inMemory().apply { close() }
        kms.close()
        fails<KeyfoldException.InvalidArgument> { Client(kms, world.docs) }
        fails<KeyfoldException.InvalidArgument> { kms.listKeys() }
        fails<KeyfoldException.InvalidArgument> { kms.call(Request.ResolveKey(world.docs)) }
        val key = SigningKey.generate().apply { close() }
        fails<KeyfoldException.InvalidArgument> { key.sign(bytes(1)) }
        val public = key.publicKey.apply { close() }
        fails<KeyfoldException.InvalidArgument> { public.verify(bytes(1), bytes(64)) }
        assertEquals("ECC_NIST_EDWARDS25519", public.spec)
        val hasher = MessageHasher("ECDSA_SHA_256")
        hasher.update(bytes(9), 3, 2)
        assertEquals(32, hasher.finish().size)
        fails<KeyfoldException.InvalidArgument> { hasher.finish() }
        fails<KeyfoldException.InvalidArgument> { hasher.update(bytes(1)) }
        hasher.close()
        fails<KeyfoldException.InvalidArgument> { hasher.finish() }
        fails<KeyfoldException.InvalidArgument> { Client(world.kms, Keyring(world.docs), threads = 0) }
    }
}
