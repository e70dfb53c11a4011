package io.keyfold

import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Tag
import org.junit.jupiter.api.Test
import java.nio.ByteBuffer

internal class World : AutoCloseable {
    val kms = EmbeddedKms.inMemory()
    val docs = runBlocking { kms.createKey("alias/docs") }
    val client = Client(kms, docs, mapOf("tenant" to "acme"))

    override fun close() {
        client.close()
        kms.close()
    }
}

/** What is thrown, whatever coroutine it comes through. */
internal inline fun <reified T : Throwable> fails(crossinline work: suspend () -> Unit): T =
    assertThrows(T::class.java) { runBlocking { work() } }

internal fun bytes(length: Int): ByteArray = ByteArray(length) { (it * 31 + it / 253).toByte() }

/** Around all the places where the way of the bytes changes. */
internal val LENGTHS = listOf(
    0, 1, 5, 16_383, 16_384, 16_385, 131_071, 131_072, 131_073, 131_200, 262_144, 300_000, 1_048_576, 2_500_000,
)

@Tag("native")
class ClientTest {
    @Test
    fun `whole values of every length come back, and wait for the KMS once`(): Unit = World().use { world ->
        runBlocking {
            for (length in LENGTHS) {
                val data = bytes(length)
                val sealed = world.client.encrypt(data)
                assertArrayEquals(data, world.client.decrypt(sealed), "$length bytes")
                assertTrue(sealed.size <= Client.maxEncryptedLength(length.toLong()))
            }
            val stats = world.client.cacheStats
            assertEquals(2, stats.misses, "one data key to seal with, the same to open")
            assertEquals(2L * LENGTHS.size - 2, stats.hits)
            world.client.clearCache()
            world.client.encrypt(bytes(1))
            assertEquals(3, world.client.cacheStats.misses)
        }
    }

    @Test
    fun `buffers of every kind are read and written where they are`(): Unit = World().use { world ->
        val kinds = listOf<(Int) -> ByteBuffer>(
            { ByteBuffer.allocateDirect(it) },
            { ByteBuffer.allocate(it) },
            { ByteBuffer.allocate(it + 7).position(3).slice() },
        )
        runBlocking {
            for (length in LENGTHS) for (input in kinds) for (output in kinds) {
                val data = bytes(length)
                val source = input(length + 2).apply { position(1); put(data); position(1); limit(length + 1) }
                val sealed = output(Client.maxEncryptedLength(length.toLong()).toInt() + 5).position(5)
                val written = world.client.encrypt(source, sealed)
                assertFalse(source.hasRemaining())
                assertEquals(written + 5, sealed.position())
                sealed.flip().position(5)
                val opened = output(written + 9).position(9)
                assertEquals(length, world.client.decrypt(sealed.asReadOnlyBuffer(), opened))
                opened.flip().position(9)
                assertEquals(ByteBuffer.wrap(data), opened)
            }
        }
    }

    @Test
    fun `buffers that are too short, overlap, or are read-only are refused`(): Unit = World().use { world ->
        runBlocking { world.client.encrypt(bytes(1)) }
        for (length in listOf(100, 500_000)) {
            for (room in listOf(0, 10, length, length + 100)) {
                fails<KeyfoldException.InvalidArgument> {
                    world.client.encrypt(ByteBuffer.wrap(bytes(length)), ByteBuffer.allocate(room))
                }
                fails<KeyfoldException.InvalidArgument> {
                    world.client.encrypt(ByteBuffer.wrap(bytes(length)), ByteBuffer.allocateDirect(room))
                }
            }
            val one = ByteArray(4 * length + 200_000)
            fails<KeyfoldException.InvalidArgument> {
                world.client.encrypt(ByteBuffer.wrap(one, 0, length), ByteBuffer.wrap(one, length / 2, length * 3))
            }
            val direct = ByteBuffer.allocateDirect(one.size)
            fails<KeyfoldException.InvalidArgument> {
                world.client.encrypt(direct.duplicate().limit(length), direct.duplicate())
            }
            fails<java.nio.ReadOnlyBufferException> {
                world.client.encrypt(ByteBuffer.wrap(bytes(length)), ByteBuffer.wrap(one).asReadOnlyBuffer())
            }
        }
    }

    @Test
    fun `nothing of a plaintext that is not proven comes out`(): Unit = World().use { world ->
        for (length in listOf(5, 16_384, 300_000)) {
            val sealed = runBlocking { world.client.encrypt(bytes(length)) }
            sealed[sealed.size - 1] = (sealed[sealed.size - 1] + 1).toByte()
            fails<KeyfoldException.AuthenticationFailed> { world.client.decrypt(sealed) }
            for (out in listOf(ByteBuffer.allocate(sealed.size), ByteBuffer.allocateDirect(sealed.size))) {
                fails<KeyfoldException.AuthenticationFailed> {
                    world.client.decrypt(ByteBuffer.wrap(sealed), out)
                }
                assertEquals(0, out.position())
                while (out.hasRemaining()) assertEquals(0, out.get())
            }
        }
    }

    @Test
    fun `the words of a call count before those of the client`(): Unit = World().use { world ->
        runBlocking {
            val backup = world.kms.createKey("alias/backup")
            val other = mapOf("tenant" to "globex", "row" to "7")
            val sealed = world.client.encrypt(
                bytes(9), Keyring(world.docs, alsoWrap = listOf(backup)), other, Suite.CHACHA20_POLY1305,
            )
            val about = EnvelopeInfo.of(sealed)
            assertEquals(listOf(world.docs, backup), about.recipients.map { it.key })
            assertEquals(other, about.context)
            assertEquals("ChaCha20-Poly1305", about.cipher)
            assertEquals(9uL, about.plaintextLength)
            assertFalse(about.isSigned)
            val client = world.client
            assertArrayEquals(bytes(9), client.decrypt(sealed, Keyring(backup), other))
            assertArrayEquals(bytes(9), client.decrypt(sealed, containing = mapOf("row" to "7")))
            assertArrayEquals(bytes(9), client.decrypt(sealed, Keyring.discover(), other))
            fails<KeyfoldException.ContextMismatch> { client.decrypt(sealed) }
            fails<KeyfoldException.ContextMismatch> { client.decrypt(sealed, containing = mapOf("row" to "8")) }
            fails<KeyfoldException.InvalidArgument> { client.decrypt(sealed, context = other, containing = other) }
            val third = Keyring.unwrapWith(listOf(world.kms.createKey()))
            fails<KeyfoldException.NoUsableKey> { client.decrypt(sealed, third, other) }
            fails<KeyfoldException.InvalidArgument> { client.encrypt(bytes(1), third) }
            fails<KeyfoldException.InvalidArgument> { client.encrypt(bytes(1), Keyring("no key")) }
            Client(world.kms, suites = setOf(Suite.AES_256_GCM)).use { strict ->
                fails<KeyfoldException.UnsupportedSuite> { strict.decrypt(sealed, Keyring(backup), other) }
                fails<KeyfoldException.InvalidArgument> { strict.encrypt(bytes(1)) }
            }
        }
    }

    @Test
    fun `contexts of any script, and nothing of them in what is shown`(): Unit = World().use { world ->
        runBlocking {
            val context = mapOf("größe" to "日本 🗝", "ключ" to "", "\u0000" to "\u0000", "e\u0301" to "\u00e9")
            val sealed = world.client.encrypt(bytes(9), context = context)
            assertEquals(context, EnvelopeInfo.of(sealed).context)
            assertArrayEquals(bytes(9), world.client.decrypt(sealed, context = context))
            // What looks the same is not the same.
            val composed = context - "e\u0301" + ("\u00e9" to "\u00e9")
            val refused = fails<KeyfoldException.ContextMismatch> { world.client.decrypt(sealed, context = composed) }
            for (shown in listOf("$refused", "${EnvelopeInfo.of(sealed)}")) assertFalse("日本" in shown, shown)
            // Half of a character is no text: it is not replaced by another one.
            for (half in listOf("\ud800", "a\udc00")) {
                fails<KeyfoldException.InvalidArgument> { world.client.encrypt(bytes(9), context = mapOf("a" to half)) }
                fails<KeyfoldException.InvalidArgument> { world.client.encrypt(bytes(9), Keyring(half)) }
                fails<KeyfoldException.InvalidArgument> { world.client.encryptSmall(bytes(9), context = mapOf(half to "")) }
                fails<KeyfoldException.InvalidArgument> { world.kms.setDescription(world.docs, half) }
                fails<KeyfoldException.InvalidArgument> { Secret(half) }
            }
            fails<KeyfoldException.LimitExceeded> {
                world.client.encrypt(bytes(9), context = (1..2000).associate { "name $it" to "value" })
            }
        }
    }

    @Test
    fun `lengths are unsigned, and have their limits`() {
        assertTrue(Client.maxEncryptedLength(0uL) > 0uL)
        assertTrue(Client.maxEncryptedLength(1uL shl 40) > 1uL shl 40)
        fails<KeyfoldException.LimitExceeded> { Client.maxEncryptedLength(ULong.MAX_VALUE) }
        fails<KeyfoldException.LimitExceeded> { Client.maxEncryptedLength(Long.MAX_VALUE) }
        fails<KeyfoldException.InvalidArgument> { Client.maxEncryptedLength(-1) }
    }

    @Test
    fun `nothing that is secret is shown`(): Unit = World().use { world ->
        val key = SigningKey.generate()
        for (shown in listOf<Any>(
            Secret("correct horse"), AccessKey("KF1", "correct horse", "correct horse"),
            Credentials.token("correct horse"), Credentials.accessKey(AccessKey("KF1", "correct horse")), key,
            key.toPem(), world.kms, world.client.cacheStats,
        )) {
            assertFalse("correct horse" in "$shown" || "PRIVATE" in "$shown", "$shown")
        }
    }

    @Test
    fun `recipients change without the body`(): Unit = World().use { world ->
        runBlocking {
            val client = world.client
            val backup = world.kms.createKey("alias/backup")
            val sealed = client.encrypt(bytes(100_000))
            val both = client.addRecipients(sealed, Keyring(backup))
            assertArrayEquals(bytes(100_000), client.decrypt(both, Keyring(backup)))
            val only = client.removeRecipients(both, listOf(world.docs))
            fails<KeyfoldException.NoUsableKey> { client.decrypt(only) }
            val back = client.rewrap(only, Keyring(world.docs), Keyring(backup))
            assertArrayEquals(bytes(100_000), client.decrypt(back))
            val (header, body) = client.encryptDetached(bytes(50_000))
            val moved = client.rewrap(header, Keyring(backup))
            assertArrayEquals(bytes(50_000), client.decrypt(body, Keyring(backup), header = moved))
            fails<KeyfoldException.Truncated> { client.rewrap(header.copyOf(20), Keyring(backup)) }
        }
    }

    @Test
    fun `signatures, in envelopes and alone`(): Unit = World().use { world ->
        runBlocking {
            val client = world.client
            val release = world.kms.createKey("alias/release", "ECC_NIST_P256")
            val public = client.publicKey(release)
            for (length in listOf(0, 5, 4096, 4097, 2_000_000)) {
                val signature = client.sign(bytes(length), release)
                public.verify(bytes(length), signature)
                client.verify(bytes(length), signature, release)
                fails<KeyfoldException.SignatureInvalid> { public.verify(bytes(length + 1), signature) }
            }
            val own = SigningKey.generate("ECC_NIST_P384")
            own.publicKey.verify(bytes(7), own.sign(bytes(7)))
            for (signer in listOf(Signer.Kms(release), Signer.Local(own))) for (length in listOf(3, 200_000)) {
                val key = if (signer is Signer.Local) own.publicKey else public
                val sealed = client.encrypt(bytes(length), signer = signer)
                assertTrue(EnvelopeInfo.of(sealed).isSigned)
                assertArrayEquals(bytes(length), client.decrypt(sealed, signers = Signers.OneOf(key)))
                assertArrayEquals(bytes(length), client.decrypt(sealed, signers = Signers.Anyone))
                fails<KeyfoldException.InvalidArgument> { client.decrypt(sealed) }
                val other = if (signer is Signer.Local) public else own.publicKey
                fails<KeyfoldException.SignatureInvalid> {
                    client.decrypt(sealed, signers = Signers.OneOf(other))
                }
                val out = ByteBuffer.allocate(Client.maxEncryptedLength(length.toLong()).toInt())
                val written = client.encrypt(ByteBuffer.wrap(bytes(length)), out, signer = signer)
                val again = out.array().copyOf(written)
                assertArrayEquals(bytes(length), client.decrypt(again, signers = Signers.OneOf(key)))
            }
            val copy = own.toPem().use { SigningKey.fromPem(it) }
            assertEquals(own.publicKey, copy.publicKey)
            assertEquals(public, PublicKey.fromJwk(public.toJwk()))
            assertEquals(public, PublicKey.fromPem(public.toPem()))
            fails<KeyfoldException.InvalidArgument> { PublicKey.fromDer(bytes(3)) }
            fails<KeyfoldException.InvalidArgument> { client.sign(bytes(1), release, "NO_SUCH") }
            own.close()
            fails<KeyfoldException.InvalidArgument> { client.encrypt(bytes(1), signer = Signer.Local(own)) }
        }
    }

    @Test
    fun `small data and secrets`(): Unit = World().use { world ->
        runBlocking {
            val client = world.client
            val small = client.encryptSmall("+49 30 1234567".toByteArray())
            assertEquals("+49 30 1234567", String(client.decryptSmall(small)))
            fails<KeyfoldException.AuthenticationFailed> { client.decryptSmall(small, context = emptyMap()) }
            fails<KeyfoldException.LimitExceeded> { client.encryptSmall(bytes(4097)) }
            val first = client.secrets.put("db/password", "correct horse")
            val second = client.secrets.put("db/password", "battery staple")
            client.secrets.get("db/password").use { password ->
                assertEquals("battery staple", password.exposeText())
                assertEquals(second, password.version)
                assertEquals("Secret(..)", "$password")
                assertEquals(Secret("battery staple"), password)
            }
            client.secrets.get("db/password", version = first).use { assertEquals(13, it.size) }
            fails<KeyfoldException.SecretNotFound> { client.secrets.get("nothing") }
            val wiped = Secret("gone").apply { close() }
            fails<KeyfoldException.InvalidArgument> { wiped.expose() }
            fails<KeyfoldException.InvalidArgument> { client.secrets.put("db/password", wiped) }
            wiped.close()
        }
    }

    @Test
    fun `keys are managed`(): Unit = World().use { world ->
        runBlocking {
            val kms = world.kms
            val key = kms.createKey("alias/more", description = "more", tags = mapOf("team" to "a"))
            fails<KeyfoldException.VersionConflict> { kms.createKey("alias/more") }
            fails<KeyfoldException.InvalidArgument> { kms.createKey("more") }
            assertEquals(listOf(world.docs, key), kms.listKeys())
            assertEquals(key, world.client.resolve("keyfold:alias/more"))
            val about = kms.describeKey("keyfold:alias/more")
            assertEquals("more" to true, about.description to about.isEnabled)
            assertEquals(mapOf("alias/more" to about.keyId), kms.listAliases(key))
            assertEquals(2, kms.listAliases().size)
            kms.tagKey(key, mapOf("cost" to "7"))
            kms.untagKey(key, listOf("team"))
            assertEquals(mapOf("cost" to "7"), kms.listTags(key))
            kms.rotateKey(key)
            kms.setRotation(key, 90)
            kms.setRotation(key, null)
            kms.setDescription("keyfold:alias/more", "less")
            assertEquals("less", kms.describeKey(key).description)
            kms.putKeyPolicy(key, kms.getKeyPolicy(key))
            kms.disableKey("keyfold:alias/more")
            fails<KeyfoldException.KmsKeyUnavailable> { world.client.encrypt(bytes(1), Keyring(key)) }
            kms.enableKey(key)
            kms.createAlias("alias/again", key)
            kms.updateAlias("alias/again", world.docs)
            kms.deleteAlias("alias/again")
            val end = kms.scheduleKeyDeletion(key, days = 7)
            assertEquals(end, kms.describeKey(key).deletion)
            kms.cancelKeyDeletion(key)
            fails<KeyfoldException.InvalidArgument> { kms.describeKey("aws:alias/more") }
            fails<KeyfoldException.KmsKeyUnavailable> { kms.describeKey("keyfold:alias/none") }
        }
    }
}
