package io.keyfold.android

import android.app.Application
import android.security.keystore.KeyProperties
import io.keyfold.EmbeddedKms
import io.keyfold.KeyfoldException
import io.keyfold.sample.SixTasks
import kotlinx.coroutines.runBlocking
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.annotation.Config
import java.io.IOException
import java.time.Duration

/** What needs no device. The keystore is a stand-in: a device's own is not tested here. */
@RunWith(RobolectricTestRunner::class)
@Config(sdk = [35])
class AndroidTest {
    private val app: Application get() = RuntimeEnvironment.getApplication()
    private val root = ByteArray(32) { it.toByte() }
    private val binding = "what it belongs to".toByteArray()

    @Before
    fun install() {
        FakeKeystore.install()
    }

    @Test
    fun `seals under one key that it makes once`() {
        val sealer = AndroidKeystoreRootSealer("a")
        val first = sealer.seal(root, binding)
        val second = AndroidKeystoreRootSealer("a").seal(root, binding)
        assertArrayEquals(root, sealer.open(first, binding))
        assertArrayEquals(root, sealer.open(second, binding))
        assertFalse(first.contentEquals(second))
        assertEquals(setOf("a"), FakeKeystore.keys.keys)
        assertEquals("android-keystore", sealer.kind)
    }

    @Test
    fun `refuses what another key, or another binding, has sealed`() {
        val sealer = AndroidKeystoreRootSealer("a")
        val sealed = sealer.seal(root, binding)
        AndroidKeystoreRootSealer("b").seal(root, binding)
        val denied = KeyfoldException.AuthenticationFailed::class.java
        assertThrows(denied) { AndroidKeystoreRootSealer("b").open(sealed, binding) }
        assertThrows(denied) { sealer.open(sealed, "another".toByteArray()) }
        assertThrows(denied) { sealer.open(ByteArray(3), binding) }
        for (at in sealed.indices) {
            val altered = sealed.copyOf().also { it[at] = (it[at] + 1).toByte() }
            assertThrows(denied) { sealer.open(altered, binding) }
        }
    }

    @Test
    fun `says that the keystore does not give its key`() {
        val sealer = AndroidKeystoreRootSealer("a")
        val sealed = sealer.seal(root, binding)
        val denied = KeyfoldException.KmsDenied::class.java
        FakeKeystore.refuses = IOException("it is locked")
        assertThrows(denied) { sealer.open(sealed, binding) }
        FakeKeystore.refuses = null
        FakeKeystore.keys.clear()
        assertThrows(denied) { sealer.open(sealed, binding) }
        // Above all it makes no other key to open with.
        assertTrue(FakeKeystore.keys.isEmpty())
    }

    @Test
    fun `asks for StrongBox, and goes without where there is none`() {
        AndroidKeystoreRootSealer("a").seal(root, binding)
        assertEquals(listOf(true, false), FakeKeystore.asked.map { it.isStrongBoxBacked })
        FakeKeystore.hasStrongBox = true
        AndroidKeystoreRootSealer("b").seal(root, binding)
        AndroidKeystoreRootSealer("c", strongBox = false).seal(root, binding)
        assertEquals(
            listOf(true, false, true, false),
            FakeKeystore.asked.map { it.isStrongBoxBacked },
        )
    }

    @Test
    fun `asks for AES-256 in GCM, and for the user where that is wanted`() {
        AndroidKeystoreRootSealer("a", strongBox = false).seal(root, binding)
        AndroidKeystoreRootSealer("b", strongBox = false, authentication = Duration.ofMinutes(5))
            .seal(root, binding)
        val (free, asking) = FakeKeystore.asked
        for (spec in FakeKeystore.asked) {
            assertEquals(256, spec.keySize)
            assertEquals(listOf(KeyProperties.BLOCK_MODE_GCM), spec.blockModes.toList())
            assertTrue(spec.isRandomizedEncryptionRequired)
        }
        assertFalse(free.isUserAuthenticationRequired)
        assertTrue(asking.isUserAuthenticationRequired)
        assertEquals(300, asking.userAuthenticationValidityDurationSeconds)
    }

    @Test
    fun `opens the KMS in the folder that no backup has`() = runBlocking {
        val key = EmbeddedKms.openOrCreate(app).use { it.createKey("alias/a") }
        assertTrue(app.noBackupFilesDir.resolve("keyfold").isDirectory)
        EmbeddedKms.openOrCreate(app).use { assertEquals(listOf(key), it.listKeys()) }
        EmbeddedKms.openOrCreate(app, "other").use { assertTrue(it.listKeys().isEmpty()) }
        FakeKeystore.keys.clear()
        assertThrows(KeyfoldException.KmsDenied::class.java) {
            runBlocking { EmbeddedKms.openOrCreate(app) }
        }
        for (name in listOf("", "..", "a/b")) {
            assertThrows(IllegalArgumentException::class.java) {
                runBlocking { EmbeddedKms.openOrCreate(app, name) }
            }
        }
    }

    @Test
    fun `does the six tasks of the sample`() = runBlocking {
        SixTasks.open(app).use { tasks ->
            assertEquals("hello", tasks.value("hello"))
            val lines = generateSequence(0) { it + 1 }.take(10_000).map { "line $it" }
            assertEquals(lines.joinToString("") { "$it\n" }, tasks.file(lines).readText())
            assertEquals("line 0", tasks.part(0uL until 6uL))
            assertEquals("moved", tasks.rewrap("moved"))
            assertTrue(tasks.signature("signed") > 0)
            assertEquals("kept", tasks.secret("kept"))
        }
    }

    @Test
    fun `what the README shows runs`(): Unit = runBlocking {
        AndroidSnippets(app).snippet0()
        assertTrue(app.noBackupFilesDir.resolve("keyfold/store.db").exists())
    }
}
