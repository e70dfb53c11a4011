package io.keyfold.transport

import io.keyfold.AccessKey
import java.nio.file.Files
import java.nio.file.Path
import java.util.concurrent.TimeUnit

/** A KMS in a folder, as the command line makes it. */
internal class Home : AutoCloseable {
    val folder: Path = Files.createTempDirectory("keyfold-kotlin")

    init {
        keyfold("init")
    }

    private fun process(vararg words: String): Process =
        ProcessBuilder(COMMAND, *words).redirectError(folder.resolve("log").toFile())
            .apply { environment()["KEYFOLD_HOME"] = folder.toString() }.start()

    /** What the command says, in JSON. */
    fun keyfold(vararg words: String): String {
        val process = process(*words, "--json")
        val said = process.inputStream.readAllBytes().decodeToString()
        check(process.waitFor(60, TimeUnit.SECONDS) && process.exitValue() == 0) {
            Files.readString(folder.resolve("log"))
        }
        return said
    }

    private fun text(json: String, name: String) =
        Regex("\"$name\":\"([^\"]+)\"").find(json)?.groupValues?.get(1) ?: error("no $name")

    fun accessKey(vararg options: String): AccessKey {
        val made = keyfold("access-key", "create", *options)
        return AccessKey(text(made, "access_key_id"), text(made, "secret_access_key"))
    }

    fun token(vararg options: String): String = text(keyfold("token", *options), "token")

    /** A server over it, on a free port of this machine. */
    fun serve(vararg options: String): Server {
        val process = process("serve", "--listen", "127.0.0.1:0", *options)
        val output = process.inputReader()
        val line = output.readLine()
        check(line != null && line.startsWith("listening on http")) { Files.readString(folder.resolve("log")) }
        // Nothing more is expected; a full pipe must not stop the server.
        Thread { output.forEachLine { } }.apply { isDaemon = true }.start()
        return Server(process, line.substringAfterLast(':').toInt())
    }

    override fun close() {
        folder.toFile().deleteRecursively()
    }

    companion object {
        /** `cargo xtask test --only binding-kotlin` builds it. */
        val COMMAND: String? = System.getenv("KEYFOLD_COMMAND")
    }
}

internal class Server(private val process: Process, val port: Int) : AutoCloseable {
    /** Over HTTP. */
    val url: String get() = "keyfold+http://127.0.0.1:$port"

    /** Ends it, and waits until it has ended well. */
    override fun close() {
        process.destroy()
        check(process.waitFor(60, TimeUnit.SECONDS)) { "the server does not end" }
        check(process.exitValue() == 0) { "the server ended with ${process.exitValue()}" }
    }
}
