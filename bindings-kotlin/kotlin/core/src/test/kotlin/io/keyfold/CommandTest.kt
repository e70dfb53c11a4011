package io.keyfold

import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable
import org.junit.jupiter.api.io.TempDir
import java.nio.file.Files
import java.nio.file.Path
import java.util.concurrent.TimeUnit

/** Files of the command line's, and files for it. */
@EnabledIfEnvironmentVariable(
    named = "KEYFOLD_COMMAND", matches = ".+",
    disabledReason = "KEYFOLD_COMMAND names no keyfold: cargo xtask test --only binding-kotlin sets it",
)
class CommandTest {
    private fun keyfold(folder: Path, vararg words: String) {
        val process = ProcessBuilder(System.getenv("KEYFOLD_COMMAND"), *words)
            .directory(folder.toFile()).redirectErrorStream(true)
            .apply { environment()["KEYFOLD_HOME"] = folder.resolve("keys").toString() }.start()
        val said = process.inputStream.readAllBytes().decodeToString()
        check(process.waitFor(60, TimeUnit.SECONDS))
        assertEquals(0, process.exitValue(), said)
    }

    @Test
    fun `both ways`(@TempDir folder: Path): Unit = runBlocking {
        val keys = folder.resolve("keys")
        val docs = EmbeddedKms.openOrCreate(keys).use { it.createKey("alias/docs") }
        EmbeddedKms.open(keys).use { kms ->
            Client(kms, docs, mapOf("tenant" to "größe")).use { client ->
                for (length in listOf(0, 1, 16_384, 1_000_000)) {
                    val data = bytes(length)
                    val plain = Files.write(folder.resolve("plain"), data)
                    val theirs = folder.resolve("theirs")
                    keyfold(
                        folder, "encrypt", "--force", "--key", "alias/docs", "--context", "tenant=größe",
                        "plain", "-o", "theirs",
                    )
                    assertArrayEquals(data, client.decrypt(Files.readAllBytes(theirs)))
                    assertEquals(length.toULong(), client.decryptFile(theirs, folder.resolve("opened")))
                    assertArrayEquals(data, Files.readAllBytes(folder.resolve("opened")))
                    client.openReader(theirs).use { reader ->
                        val half = length / 2
                        assertArrayEquals(data.copyOfRange(half, length), reader.read(half.toULong(), length))
                    }

                    client.encryptFile(plain, folder.resolve("ours"))
                    keyfold(folder, "decrypt", "--force", "--context", "tenant=größe", "ours", "-o", "back")
                    assertArrayEquals(data, Files.readAllBytes(folder.resolve("back")))
                    Files.newOutputStream(folder.resolve("ours")).use { out -> client.sealTo(out) { it.write(data) } }
                    keyfold(folder, "decrypt", "--force", "--context", "tenant=größe", "ours", "-o", "back")
                    assertArrayEquals(data, Files.readAllBytes(folder.resolve("back")))
                }
            }
        }
    }
}
