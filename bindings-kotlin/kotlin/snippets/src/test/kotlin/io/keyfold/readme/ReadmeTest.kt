package io.keyfold.readme

import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.BeforeEach
import org.junit.jupiter.api.Test
import java.lang.reflect.InvocationTargetException
import java.nio.file.Files
import java.nio.file.Path
import kotlin.coroutines.Continuation
import kotlin.coroutines.intrinsics.suspendCoroutineUninterceptedOrReturn

/** Every snippet of the README, one after the other. */
class ReadmeTest {
    private val here = Path.of("").toAbsolutePath()

    @BeforeEach
    fun clean() {
        assertEquals(Path.of("target", "here"), here.subpath(here.nameCount - 2, here.nameCount))
        here.toFile().listFiles().orEmpty().forEach { it.deleteRecursively() }
        Files.write(here.resolve("report.csv"), ByteArray(1_500_000) { it.toByte() })
    }

    private fun numbered(type: Class<*>) = type.declaredMethods.filter { it.name.matches(Regex("snippet\\d+")) }
        .onEach { it.isAccessible = true }.sortedBy { it.name.removePrefix("snippet").toInt() }

    @Test
    fun `those in Kotlin run`(): Unit = runBlocking {
        val snippets = numbered(KotlinSnippets::class.java)
        assertTrue(snippets.size >= 8)
        KotlinSnippets().use { world ->
            for (snippet in snippets) suspendCoroutineUninterceptedOrReturn { rest: Continuation<Unit> ->
                try {
                    snippet.invoke(world, rest)
                } catch (failed: InvocationTargetException) {
                    throw failed.targetException
                }
            }
        }
        assertTrue(Files.exists(here.resolve("report.csv.kf")))
    }

    @Test
    fun `those in Java run`() {
        val snippets = numbered(JavaSnippets::class.java)
        assertTrue(snippets.isNotEmpty())
        JavaSnippets().use { world ->
            for (snippet in snippets) try {
                snippet.invoke(world)
            } catch (failed: InvocationTargetException) {
                throw failed.targetException
            }
        }
    }
}
