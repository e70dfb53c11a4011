package io.keyfold.transport

import io.keyfold.AccessKey
import io.keyfold.Capabilities
import io.keyfold.Client
import io.keyfold.Credentials
import io.keyfold.EmbeddedKms
import io.keyfold.EnvelopeInfo
import io.keyfold.HttpTransport
import io.keyfold.KeyfoldException
import io.keyfold.Keyring
import io.keyfold.MessageHasher
import io.keyfold.Place
import io.keyfold.RemoteKms
import io.keyfold.RouterKms
import io.keyfold.Secret
import io.keyfold.Support
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.AfterAll
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertFalse
import org.junit.jupiter.api.Assertions.assertNull
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.DynamicTest.dynamicTest
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestFactory
import org.junit.jupiter.api.TestInstance
import org.junit.jupiter.api.io.TempDir
import java.nio.file.Files
import java.nio.file.Path
import java.time.Duration
import java.time.Instant

private val CONTEXT = mapOf("tenant" to "acme", "größe" to "日本")

/** A cloud, as these tests need to know it. */
private class Cloud(
    val name: String, val url: String, val place: String, val settings: Map<String, String> = emptyMap(),
    /** The kind of key that wraps. */
    val spec: String = "SYMMETRIC_DEFAULT", val usage: String? = null,
    /** What stands behind the name of a key that signs. */
    val version: String = "",
    /** Whether small data has a context there. */
    val smallContext: Boolean = true,
    /** How long a key may wait for its end. */
    val deletionDays: Int = 30,
    val credentials: (Emulator) -> Credentials, val wrong: (Emulator) -> Credentials,
)

private val CLOUDS = listOf(
    Cloud(
        "tencent", "tencent://ap-guangzhou", "tencent://ap-guangzhou",
        credentials = { Credentials.accessKey(AccessKey(it["TENCENTCLOUD_SECRET_ID"], it["TENCENTCLOUD_SECRET_KEY"])) },
        wrong = { Credentials.accessKey(AccessKey(it["TENCENTCLOUD_SECRET_ID"], "another")) },
    ),
    Cloud(
        "huawei", "huawei://cn-north-4", "huawei://cn-north-4",
        credentials = { Credentials.accessKey { AccessKey(it["HUAWEICLOUD_SDK_AK"], it["HUAWEICLOUD_SDK_SK"]) } },
        wrong = { Credentials.accessKey(AccessKey(it["HUAWEICLOUD_SDK_AK"], "another")) },
    ),
    Cloud(
        "google", "google://projects/example-project/locations/europe-west3/keyRings/ring", "google://projects",
        mapOf("project" to "example-project"), version = "/cryptoKeyVersions/1",
        credentials = { Credentials.googleServiceAccount(Secret(it["EMULATOR_SERVICE_ACCOUNT"])) },
        wrong = { Credentials.token("another") },
    ),
    Cloud(
        "azure", "azure://my-vault", "azure://my-vault", spec = "RSA_2048", usage = "ENCRYPT_DECRYPT",
        smallContext = false, deletionDays = 90,
        credentials = { azure(it, it["AZURE_CLIENT_SECRET"]) }, wrong = { azure(it, "another") },
    ),
)

private fun azure(emulator: Emulator, secret: String) = Credentials.azureClient(
    emulator["AZURE_TENANT_ID"], emulator["AZURE_CLIENT_ID"], Secret(secret), emulator["AZURE_AUTHORITY_HOST"],
)

/** A transport between a client and the clouds, as the project's own emulators speak for them. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
abstract class CloudTests {
    /** The one that is tested, as it is where nothing is said. */
    protected abstract fun transport(): HttpTransport

    private val emulators = mutableMapOf<String, Emulator>()

    private fun emulator(cloud: Cloud) = emulators.getOrPut(cloud.name) { Emulator(cloud.name) }

    @AfterAll
    fun stop() {
        emulators.values.forEach { it.close() }
    }

    private fun Cloud.places(emulator: Emulator): Map<String, Place> {
        val project = emulator.variables["HUAWEICLOUD_SDK_PROJECT_ID"]?.let { mapOf("project" to it) }
        return mapOf(place to emulator.place(settings + project.orEmpty()))
    }

    private fun Cloud.connect(
        emulator: Emulator = emulator(this), credentials: Credentials = credentials(emulator),
        transport: HttpTransport = transport(), retries: Int = 3,
    ) = RemoteKms(url, transport, credentials, retries = retries, places = places(emulator))

    private suspend fun Cloud.key(kms: RemoteKms, name: String) = kms.createKey(name, spec, usage)

    private fun cloud(name: String) = CLOUDS.single { it.name == name }

    private fun each(test: suspend (Cloud) -> Unit): List<DynamicTest> =
        CLOUDS.map { dynamicTest(it.name) { runBlocking { test(it) } } }

    @TestFactory
    fun `the tasks`() = each { cloud ->
        cloud.connect().use { kms ->
            val able = kms.capabilities()!!
            assertEquals(cloud.name, able.scheme)
            val docs = cloud.key(kms, "docs")
            assertTrue(docs.startsWith("${cloud.place}/"), docs)
            Client(kms, Keyring(docs), CONTEXT).use { client ->
                val sealed = client.encrypt(bytes(50_000))
                // Some clouds name the version too.
                assertTrue(EnvelopeInfo.of(sealed).recipients.single().key.startsWith(docs))
                assertArrayEquals(bytes(50_000), client.decrypt(sealed))
                fails<KeyfoldException.ContextMismatch> { client.decrypt(sealed, context = mapOf("tenant" to "globex")) }

                val moved = client.rewrap(sealed, Keyring(cloud.key(kms, "moved")))
                fails<KeyfoldException.NoUsableKey> { client.decrypt(moved) }

                val context = if (cloud.smallContext) CONTEXT else emptyMap()
                val small = client.encryptSmall("+49 30 1234567".toByteArray(), context = context)
                assertEquals("+49 30 1234567", String(client.decryptSmall(small, docs, context = context)))
                fails<KeyfoldException.LimitExceeded> { client.encryptSmall(bytes(able.maxPlaintext + 1)) }

                val release = kms.createKey("release", "ECC_NIST_P256", "SIGN_VERIFY") + cloud.version
                val message = bytes(100)
                val signature = if (able.has("sign a message")) {
                    client.sign(message, release)
                } else {
                    fails<KeyfoldException.Unsupported> { client.sign(message, release) }
                    val hash = MessageHasher("ECDSA_SHA_256").use { it.update(message); it.finish() }
                    client.signDigest(hash, release, "ECDSA_SHA_256")
                }
                client.publicKey(release).use { it.verify(message, signature) }
                fails<KeyfoldException.SignatureInvalid> { client.verify(bytes(7), signature, release) }

                client.secrets.put("db-password", "first")
                val version = client.secrets.put("db-password", "correct horse")
                client.secrets.get("db-password").use { secret ->
                    assertEquals("correct horse", secret.exposeText())
                    assertEquals(version, secret.version)
                }
                fails<KeyfoldException.SecretNotFound> { client.secrets.get("missing") }
            }
        }
    }

    @TestFactory
    fun `credentials from where the vendor's tools take them`(@TempDir folder: Path) = each { cloud ->
        val emulator = emulator(cloud)
        val variables = emulator.variables.toMutableMap()
        emulator.variables["EMULATOR_SERVICE_ACCOUNT"]?.let {
            val file = Files.writeString(folder.resolve("account.json"), it)
            variables["GOOGLE_APPLICATION_CREDENTIALS"] = "$file"
        }
        // The project at Huawei is in the environment too.
        val places = mapOf(cloud.place to emulator.place(cloud.settings))
        val credentials = Credentials.fromEnvironment(variables = variables)
        RemoteKms(cloud.url, transport(), credentials, places).use { kms ->
            Client(kms, cloud.key(kms, "environment")).use { assertArrayEquals(bytes(9), it.decrypt(it.encrypt(bytes(9)))) }
        }
    }

    @Test
    fun `credentials that are nowhere, or in a file`(@TempDir folder: Path): Unit = runBlocking {
        val cloud = cloud("tencent")
        val emulator = emulator(cloud)
        val file = Files.writeString(
            folder.resolve("credentials"),
            "[work]\nsecret_id = ${emulator["TENCENTCLOUD_SECRET_ID"]}\nsecret_key = ${emulator["TENCENTCLOUD_SECRET_KEY"]}\n",
        )
        cloud.connect(credentials = Credentials.fromEnvironment(file, "work")).use { it.listKeys() }
        val none = Files.writeString(folder.resolve("none"), "")
        val missing = fails<KeyfoldException.KmsDenied> { cloud.connect(credentials = Credentials.fromEnvironment(none)) }
        assertTrue("TENCENTCLOUD_SECRET_ID" in missing.detail, missing.detail)
        fails<KeyfoldException.Io> { cloud.connect(credentials = Credentials.fromEnvironment(folder.resolve("no"))) }
        fails<KeyfoldException.KmsDenied> {
            RemoteKms("keyfold://kms.example.com", transport(), Credentials.fromEnvironment(variables = emptyMap()))
        }
    }

    @TestFactory
    fun `whoever does not prove who they are is denied`() = each { cloud ->
        val emulator = emulator(cloud)
        cloud.connect(credentials = cloud.wrong(emulator)).use { kms ->
            val denied = fails<KeyfoldException.KmsDenied> { kms.listKeys() }
            assertFalse("another" in "$denied", "$denied")
        }
        cloud.connect(credentials = Credentials.ofConnection()).use { kms ->
            fails<KeyfoldException> { kms.listKeys() }
        }
    }

    @TestFactory
    fun `keys are managed as far as the cloud goes`() = each { cloud ->
        val network = Counting(transport())
        cloud.connect(transport = network).use { kms ->
            val able = kms.capabilities()!!
            val key = cloud.key(kms, "managed")
            assertTrue(key in kms.listKeys(), key)
            val about = kms.describeKey(key)
            assertEquals(key, about.key)
            assertTrue(about.isEnabled && key.endsWith(about.keyId), "$about")
            kms.disableKey(key)
            assertFalse(kms.describeKey(key).isEnabled)
            Client(kms, key).use { fails<KeyfoldException.KmsKeyUnavailable> { it.encrypt(bytes(1)) } }
            kms.enableKey(key)
            kms.rotateKey(key)
            val sent = network.requests.get()
            fails<KeyfoldException.Unsupported> { kms.tagKey(key, mapOf("team" to "a")) }
            fails<KeyfoldException.Unsupported> { kms.getKeyPolicy(key) }
            fails<KeyfoldException.Unsupported> { kms.setDescription(key, "less") }
            fails<KeyfoldException.Unsupported> { kms.createKey("tagged", cloud.spec, tags = mapOf("team" to "a")) }
            if (!able.has("delete alias")) fails<KeyfoldException.Unsupported> { kms.deleteAlias("alias/managed") }
            if (!able.has("set alias")) fails<KeyfoldException.Unsupported> { kms.createAlias("alias/again", key) }
            val beyond = able.keyDeletionDays.last + 1
            fails<KeyfoldException.InvalidArgument> { kms.scheduleKeyDeletion(key, beyond) }
            assertEquals(sent, network.requests.get(), "what there is not was asked for")
            val end = kms.scheduleKeyDeletion(key, cloud.deletionDays)
            assertTrue(end > Instant.now().plus(Duration.ofDays(cloud.deletionDays - 1L)), "$end")
            kms.cancelKeyDeletion(key)
        }
    }

    @Test
    fun `names of keys`(): Unit = runBlocking {
        cloud("tencent").connect().use { kms ->
            val key = kms.createKey("named")
            val id = kms.describeKey(key).keyId
            assertEquals(mapOf("named" to id), kms.listAliases(key))
            kms.updateAlias("renamed", key)
            assertEquals(mapOf("renamed" to id), kms.listAliases(key))
            assertEquals(id, kms.listAliases()["renamed"])
        }
        cloud("huawei").connect().use { kms ->
            val key = kms.createKey("named")
            kms.createAlias("alias/again", key)
            assertEquals(key, kms.describeKey("huawei://cn-north-4/alias/again").key)
            kms.deleteAlias("alias/again")
            fails<KeyfoldException.KmsKeyUnavailable> { kms.describeKey("huawei://cn-north-4/alias/again") }
        }
    }

    @Test
    fun `one envelope under several clouds, opened with any of them`(): Unit = runBlocking {
        val (tencent, huawei) = cloud("tencent") to cloud("huawei")
        val down = listOf(Emulator("tencent"), Emulator("huawei"))
        val first = tencent.connect(down[0], retries = 0)
        val second = huawei.connect(down[1], retries = 0)
        val embedded = EmbeddedKms.inMemory()
        val keys = listOf(first.createKey("docs"), second.createKey("docs"), embedded.createKey("alias/docs"))
        val routes = mapOf("tencent://ap-guangzhou/" to first, "huawei://cn-north-4/" to second)
        RouterKms(routes, otherwise = embedded).use { router ->
            val all = Keyring(keys[0], alsoWrap = keys.drop(1))
            val sealed = Client(router, all, CONTEXT).use { client ->
                client.secrets.put("db/password", "of the embedded one")
                client.encrypt(bytes(1000))
            }
            assertEquals(keys, EnvelopeInfo.of(sealed).recipients.map { it.key })
            for (key in keys) Client(router, Keyring.unwrapWith(listOf(key)), CONTEXT, cache = null).use { client ->
                assertArrayEquals(bytes(1000), client.decrypt(sealed))
            }
            // From one cloud to another: the body stays.
            val moved = Client(router, all, CONTEXT).use { it.rewrap(sealed, Keyring(keys[1])) }
            assertArrayEquals(sealed.takeLast(1016).toByteArray(), moved.takeLast(1016).toByteArray())
            down.forEach { it.close() }
            Client(router, all, CONTEXT, cache = null).use { assertArrayEquals(bytes(1000), it.decrypt(sealed)) }
            Client(router, Keyring(keys[1]), CONTEXT).use { client ->
                fails<KeyfoldException> { client.decrypt(moved) }
                fails<KeyfoldException.InvalidArgument> { client.encrypt(bytes(1), Keyring("google://projects/a")) }
            }
        }
        listOf(first, second, embedded).forEach { it.close() }
    }

    @Test
    fun `a KMS of one's own among several`(): Unit = runBlocking {
        val embedded = EmbeddedKms.inMemory()
        val key = embedded.createKey()
        val own = object : io.keyfold.kms.Kms {
            override suspend fun call(request: io.keyfold.kms.Request) = embedded.call(request)
        }
        RouterKms(mapOf("keyfold:" to own)).use { router ->
            Client(router, key).use { assertArrayEquals(bytes(9), it.decrypt(it.encrypt(bytes(9)))) }
        }
        // What is unsupported there is so here.
        val lacks = object : io.keyfold.kms.Kms {
            override suspend fun call(request: io.keyfold.kms.Request) = throw KeyfoldException.Unsupported("not here")
        }
        Client(lacks, key).use { client -> fails<KeyfoldException.Unsupported> { client.encrypt(bytes(9)) } }
        embedded.close()
    }

    @Test
    fun `what a cloud can is known beforehand`() {
        assertTrue(Capabilities.schemes.containsAll(listOf("alibaba", "azure", "google", "huawei", "pingan", "tencent")))
        for (scheme in Capabilities.schemes) {
            val able = Capabilities.of(scheme)!!
            assertEquals(scheme, able.scheme)
            assertTrue(able.has("unwrap") && able.maxPlaintext > 0, scheme)
        }
        assertNull(Capabilities.of("ftp"))
        assertEquals(Support.ABSENT, Capabilities.of("tencent")!!.operations["delete alias"])
        RemoteKms("keyfold://kms.example.com", transport(), Credentials.token("a")).use { assertNull(it.capabilities()) }
    }

    @Test
    fun `what cannot be is refused at once`() {
        val key = Credentials.accessKey(AccessKey("AKID", "secret"))
        for (url in listOf("tencent://", "ftp://somewhere", "huawei://cn-north-4", "tencent://a b")) {
            fails<KeyfoldException.InvalidArgument> { RemoteKms(url, transport(), key) }
        }
        val misspelt = mapOf("tencent://office" to Place(settings = mapOf("sight" to "mainland")))
        fails<KeyfoldException.InvalidArgument> { RemoteKms("tencent://office", transport(), key, misspelt) }
        fails<KeyfoldException.InvalidArgument> { RemoteKms("aws://eu-west-1", transport(), key, misspelt) }
        val azure = Credentials.azureClient("contoso.com", "id", Secret("s"))
        fails<KeyfoldException.InvalidArgument> { RemoteKms("tencent://ap-guangzhou", transport(), azure) }
        assertFalse("$key ${AccessKey("AKID", "hidden")}".contains("hidden"))
    }
}
