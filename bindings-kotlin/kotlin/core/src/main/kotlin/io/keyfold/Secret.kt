package io.keyfold

import io.keyfold.internal.Native
import io.keyfold.internal.calling
import io.keyfold.internal.utf8
import io.keyfold.internal.ffi.Secret as FfiSecret

/** Bytes that do not show themselves, kept outside the heap of Java's and wiped by [close]. */
public class Secret internal constructor(internal val ffi: FfiSecret) : AutoCloseable {
    private val handle: Long = ffi.handle().toLong()

    /** A copy of these bytes; theirs stay the caller's to wipe. */
    public constructor(value: ByteArray) : this(value, false)

    /**
     * The text in UTF-8.
     *
     * @throws KeyfoldException.InvalidArgument where it has half a character in it.
     */
    public constructor(text: String) : this(utf8(text), true)

    private constructor(value: ByteArray, ours: Boolean) : this(calling { FfiSecret.empty() }) {
        try {
            Native.secretFill(handle, value)
        } finally {
            if (ours) value.fill(0)
        }
    }

    /** The id of the version, where it came from a safe. */
    public val version: String? = ffi.version()

    /** Length in bytes. */
    public val size: Int get() = calling { ffi.size().toInt() }

    /** The value itself. The copy is the caller's: it is not wiped. */
    public fun expose(): ByteArray = Native.secretExpose(handle)

    /**
     * The value itself, as text in UTF-8. Text of Java's cannot be wiped.
     *
     * @throws KeyfoldException.InvalidArgument where it is no such text.
     */
    public fun exposeText(): String {
        val bytes = expose()
        try {
            return Charsets.UTF_8.newDecoder().decode(java.nio.ByteBuffer.wrap(bytes)).toString()
        } catch (wrong: java.nio.charset.CharacterCodingException) {
            throw KeyfoldException.InvalidArgument("the secret is not text in UTF-8")
        } finally {
            bytes.fill(0)
        }
    }

    /** Overwrites the value in memory. A second time does nothing. */
    override fun close() {
        // Not `destroy`: it may be an argument yet, and one that is destroyed is a stray pointer.
        calling { ffi.wipe() }
    }

    /** In constant time. */
    override fun equals(other: Any?): Boolean = this === other ||
        other is Secret && calling { ffi.isSame(other.ffi) }

    override fun hashCode(): Int = System.identityHashCode(FfiSecret::class)

    override fun toString(): String = "Secret(..)"
}
