package io.keyfold

import io.keyfold.internal.calling
import io.keyfold.internal.ffi.CloudCapabilities
import io.keyfold.internal.ffi.Offer
import io.keyfold.internal.ffi.cloudCapabilities
import io.keyfold.internal.ffi.cloudSchemes
import io.keyfold.internal.ffi.ContextBinding as FfiBinding
import io.keyfold.internal.ffi.Place as FfiPlace

/**
 * What is configured of a cloud's place: a private cloud, another site of the vendor, a test server.
 * Everything has a default. Nothing of it is ever read from an envelope.
 *
 * @property region the region that requests name, where it is not the place's own name.
 * @property keys the address of the KMS: `https://HOST[:PORT]`, or `http` for this machine.
 * @property secrets the address of the password safe.
 * @property settings what else the provider's configuration has, by name: docs/providers.md lists it.
 */
public class Place @JvmOverloads constructor(
    public val region: String? = null, public val keys: String? = null, public val secrets: String? = null,
    public val settings: Map<String, String> = emptyMap(),
) {
    internal fun toFfi() = FfiPlace(region, keys, secrets, settings.toMap())

    override fun toString(): String = "Place(region=$region, keys=$keys, secrets=$secrets, settings=$settings)"
}

/** How a service offers something. */
public enum class Support {
    /** The service has it. */
    NATIVE,

    /** keyfold makes it of what the service has. */
    COMPOSED,

    /** Not at all: it is [KeyfoldException.Unsupported], and nothing is sent. */
    ABSENT,
}

/** How a service binds the encryption context, beside the envelope, which binds it in any case. */
public sealed class ContextBinding {
    /** As pairs of text. */
    public object Pairs : ContextBinding() {
        override fun toString(): String = "Pairs"
    }

    /**
     * As one text.
     *
     * @property max the most bytes; what is longer goes as its digest.
     */
    public data class Text(val max: Int) : ContextBinding()

    /** As bytes, whole. */
    public object Bytes : ContextBinding() {
        override fun toString(): String = "Bytes"
    }

    /** Not at all. */
    public object Never : ContextBinding() {
        override fun toString(): String = "Never"
    }
}

/**
 * What a cloud's KMS and password safe can, and within which limits.
 *
 * @property scheme the scheme of its URIs.
 * @property title the service's name, for people.
 * @property operations every operation there is at any cloud, such as `generate data key`, `rewrap` or
 * `set rotation`, and how this one offers it.
 * @property context how the context is bound.
 * @property maxPlaintext the longest small plaintext, in bytes.
 * @property maxSecret the longest value of a secret, in bytes; 0 where there is no safe.
 * @property keyDeletionDays the bounds of the waiting period before a key is gone.
 * @property aliasIsName whether a key can be asked for by its alias.
 * @property callsToSeal calls for one new envelope without a data-key cache.
 * @property callsToOpen calls for opening one.
 */
public class Capabilities internal constructor(ffi: CloudCapabilities) {
    public val scheme: String = ffi.scheme
    public val title: String = ffi.title
    public val operations: Map<String, Support> = ffi.operations.mapValues {
        when (it.value) {
            Offer.NATIVE -> Support.NATIVE
            Offer.COMPOSED -> Support.COMPOSED
            Offer.ABSENT -> Support.ABSENT
        }
    }
    public val context: ContextBinding = when (val context = ffi.context) {
        is FfiBinding.Pairs -> ContextBinding.Pairs
        is FfiBinding.Text -> ContextBinding.Text(context.max.toInt())
        is FfiBinding.Bytes -> ContextBinding.Bytes
        is FfiBinding.Never -> ContextBinding.Never
    }
    public val maxPlaintext: Int = ffi.maxPlaintext.toInt()
    public val maxSecret: Int = ffi.maxSecret.toInt()
    public val keyDeletionDays: IntRange = ffi.minDeletionDays.toInt()..ffi.maxDeletionDays.toInt()
    public val aliasIsName: Boolean = ffi.aliasIsName
    public val callsToSeal: Int = ffi.sealCalls.toInt()
    public val callsToOpen: Int = ffi.openCalls.toInt()

    /** Whether there is this operation, by its name in [operations]. */
    public fun has(operation: String): Boolean = operations.getOrDefault(operation, Support.ABSENT) != Support.ABSENT

    override fun toString(): String = "Capabilities($title)"

    public companion object {
        /** The schemes of all clouds, such as `tencent`. */
        @JvmStatic
        public val schemes: List<String> get() = calling { cloudSchemes() }

        /**
         * What the cloud of a scheme can, before anything of it is configured; null for a scheme that is no
         * cloud's. Where a place's settings change what there is, [RemoteKms.capabilities] tells it.
         */
        @JvmStatic
        public fun of(scheme: String): Capabilities? = calling { cloudCapabilities(scheme) }?.let { Capabilities(it) }
    }
}
