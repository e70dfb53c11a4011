package io.keyfold.internal

import java.nio.ByteBuffer

/** What is left in a buffer, where the native library can reach it: in an array, or directly. */
internal class Bytes(buffer: ByteBuffer) {
    val array: ByteArray?
    val direct: ByteBuffer?
    val at: Int
    val length: Int = buffer.remaining()

    init {
        when {
            buffer.isDirect -> {
                array = null
                direct = buffer
                at = buffer.position()
            }
            buffer.hasArray() -> {
                array = buffer.array()
                direct = null
                at = buffer.arrayOffset() + buffer.position()
            }
            // One that may only be read.
            else -> {
                array = ByteArray(length).also { buffer.duplicate().get(it) }
                direct = null
                at = 0
            }
        }
    }
}
