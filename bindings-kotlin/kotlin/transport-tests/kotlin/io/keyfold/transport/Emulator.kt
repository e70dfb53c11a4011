package io.keyfold.transport

import io.keyfold.Place
import java.util.concurrent.TimeUnit

/** A cloud's services on a free port of this machine. */
internal class Emulator(name: String) : AutoCloseable {
    private val process = ProcessBuilder(PROGRAM, name).redirectError(ProcessBuilder.Redirect.INHERIT).start()
    val url: String

    /** Credentials and places, under the vendor's own names. */
    val variables: Map<String, String>

    init {
        val output = process.inputReader()
        val line = output.readLine()
        check(line != null && line.startsWith("listening on http")) { "the emulator said $line" }
        url = line.substringAfterLast(' ')
        // All of it is written at once.
        variables = generateSequence { if (output.ready()) output.readLine() else null }
            .associate { it.substringBefore('=') to it.substringAfter('=') }
    }

    operator fun get(name: String): String = variables.getValue(name)

    /** Where it is. */
    fun place(settings: Map<String, String> = emptyMap()): Place = Place(keys = url, secrets = url, settings = settings)

    /** It ends with its input. */
    override fun close() {
        process.outputStream.close()
        check(process.waitFor(60, TimeUnit.SECONDS)) { "the emulator does not end" }
    }

    companion object {
        /** `cargo xtask test --only binding-kotlin` builds it. */
        val PROGRAM: String? = System.getenv("KEYFOLD_EMULATOR")
    }
}
