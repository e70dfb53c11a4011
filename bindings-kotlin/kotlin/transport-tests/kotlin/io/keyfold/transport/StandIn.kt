package io.keyfold.transport

import java.io.IOException
import java.io.InputStream
import java.io.OutputStream
import java.net.InetAddress
import java.net.ServerSocket
import java.net.Socket
import java.util.concurrent.CompletableFuture
import java.util.concurrent.ConcurrentLinkedQueue
import java.util.concurrent.TimeUnit
import java.util.concurrent.atomic.AtomicInteger
import kotlin.concurrent.thread

/** A server that answers what it is told to, right or wrong, and sees when its client leaves. */
internal class StandIn(private val answer: Request.() -> Unit) : AutoCloseable {
    private val listener = ServerSocket(0, 50, InetAddress.getLoopbackAddress())
    private val open = ConcurrentLinkedQueue<Socket>()

    /** How many requests came. */
    val requests = AtomicInteger()

    /** Done when a client has left before it was answered in full. */
    val left = CompletableFuture<Unit>()
    val port: Int get() = listener.localPort
    val url: String get() = "keyfold+http://127.0.0.1:$port"

    init {
        thread(isDaemon = true) {
            try {
                while (true) {
                    val socket = listener.accept().also { open += it }
                    thread(isDaemon = true) { socket.use { serve(it) } }
                }
            } catch (closed: IOException) {
                // It is over.
            }
        }
    }

    private fun serve(socket: Socket) {
        try {
            val input = socket.getInputStream().buffered()
            while (true) {
                val first = line(input) ?: return
                val headers = generateSequence { line(input)?.takeIf { it.isNotEmpty() } }
                    .associate { it.substringBefore(':').lowercase() to it.substringAfter(':').trim() }
                input.readNBytes(headers["content-length"]?.toInt() ?: 0)
                requests.incrementAndGet()
                Request(first, headers, input, socket.getOutputStream().buffered(), left).answer()
            }
        } catch (gone: IOException) {
            left.complete(Unit)
        }
    }

    private fun line(input: InputStream): String? {
        val bytes = generateSequence { input.read().takeIf { it >= 0 && it != '\n'.code } }.toList()
        if (bytes.isEmpty()) return null
        return String(bytes.map { it.toByte() }.toByteArray()).trim()
    }

    override fun close() {
        listener.close()
        open.forEach { it.close() }
    }

    internal class Request(
        val line: String, val headers: Map<String, String>, private val input: InputStream,
        private val output: OutputStream, private val left: CompletableFuture<Unit>,
    ) {
        fun say(text: String) = say(text.toByteArray())

        fun say(bytes: ByteArray) {
            output.write(bytes)
            output.flush()
        }

        /** A whole answer. */
        fun answer(status: Int, body: String, vararg headers: String) = say(
            "HTTP/1.1 $status Whatever\r\n" + headers.joinToString("") { "$it\r\n" } +
                "content-length: ${body.toByteArray().size}\r\n\r\n$body",
        )

        /** Waits until the client leaves. */
        fun untilLeft() {
            while (input.read() >= 0) Unit
            left.complete(Unit)
        }

        /** Ends the connection. */
        fun hangUp(): Nothing = throw IOException("enough")
    }

    fun waitUntilLeft(): Unit = left.get(60, TimeUnit.SECONDS)
}
