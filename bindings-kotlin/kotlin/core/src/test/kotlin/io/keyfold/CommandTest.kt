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
        Files.write(folder.resolve("plain"), bytes(100_000))
        EmbeddedKms.open(keys).use { kms ->
            Client(kms, docs, mapOf("tenant" to "acme")).use { client ->
                keyfold(folder, "encrypt", "--key", "alias/docs", "--context", "tenant=acme", "plain", "-o", "theirs")
                assertArrayEquals(bytes(100_000), client.decrypt(Files.readAllBytes(folder.resolve("theirs"))))
                client.encryptFile(folder.resolve("plain"), folder.resolve("ours"))
                keyfold(folder, "decrypt", "--context", "tenant=acme", "ours", "-o", "back")
                assertArrayEquals(bytes(100_000), Files.readAllBytes(folder.resolve("back")))
            }
        }
    }
}
