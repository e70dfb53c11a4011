package io.keyfold.internal

import io.keyfold.internal.ffi.streamSizes

/** How long the parts of a body are, in bytes: what the format says, as the native library tells it. */
internal object Sizes {
    private val told = calling { streamSizes() }

    /** The plaintext of a whole segment. */
    val segment: Int = told.segment.toInt()

    /** The same, sealed. */
    val sealedSegment: Int = told.sealedSegment.toInt()

    /** What a body begins with, before its first segment. */
    val prefix: Int = told.prefix.toInt()
}
