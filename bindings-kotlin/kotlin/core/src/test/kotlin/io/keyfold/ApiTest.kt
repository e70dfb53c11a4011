package io.keyfold

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Assumptions.assumeTrue
import org.junit.jupiter.api.Test
import java.io.PrintWriter
import java.io.StringWriter
import java.nio.file.Files
import java.nio.file.Path
import java.util.spi.ToolProvider
import kotlin.io.path.extension
import kotlin.io.path.invariantSeparatorsPathString

/** All that programs are compiled against, as it was when somebody last looked at it. */
class ApiTest {
    private val kept = Path.of("api", "keyfold.api")
    private val nameless = Regex("\\$\\d|\\$\\w+\\$\\d|\\\$sam\\$")
    private val classes = Path.of(Client::class.java.protectionDomain.codeSource.location.toURI())

    /** What is public to Java and to Kotlin, class by class. */
    private fun present(): String {
        val javap = ToolProvider.findFirst("javap")
        assumeTrue(javap.isPresent, "no JDK but a JRE: it has no javap")
        val files = Files.walk(classes).use { all ->
            all.filter { it.extension == "class" }.map { classes.relativize(it).invariantSeparatorsPathString }
                // Classes without a name are inside of functions.
                .filter { !it.startsWith("io/keyfold/internal/") && !nameless.containsMatchIn(it) }
                .sorted().toList()
        }
        val out = StringWriter()
        val paths = files.map { classes.resolve(it).toString() }.toTypedArray()
        assertEquals(0, javap.get().run(PrintWriter(out), PrintWriter(System.err), "-public", *paths))
        // Kotlin's own `internal` is public to the JVM, by another name or with a type that nobody has.
        val hidden = listOf("Compiled from", "\$keyfold", "io.keyfold.internal.", "access$")
        val lines = out.toString().lines().filter { line -> hidden.none { it in line } }
        // Nothing is public of a class that is not.
        val unseen = Regex("(?m)^(?!public ).*\\{\n(  .*\n)*}\n|^.*\\{\n}\n")
        return lines.joinToString("\n").replace(unseen, "").trim() + "\n"
    }

    @Test
    fun `the public face is the one that is known`() {
        val present = present()
        assertTrue("public final class io.keyfold.Client " in present)
        if (System.getenv("KEYFOLD_API") == "write") {
            Files.createDirectories(kept.parent)
            Files.writeString(kept, present)
        }
        assertEquals(
            Files.readString(kept), present,
            "the public face has changed: KEYFOLD_API=write mvn test -Dtest=ApiTest writes $kept anew",
        )
    }
}
