package io.keyfold

import io.keyfold.internal.waiting
import io.keyfold.internal.ffi.Client as FfiClient

/** The password safe of a KMS. */
public class Secrets internal constructor(private val ffi: FfiClient) {
    /**
     * Keeps a secret under a name, as a new version where there is one; answers the id of the version.
     *
     * @param key the KMS key that encrypts it; the safe's own where absent.
     */
    public suspend fun put(name: String, value: Secret, key: String? = null): String =
        waiting { ffi.putSecret(name, value.ffi, key) }

    /** Keeps text as a secret. */
    public suspend fun put(name: String, value: String, key: String? = null): String =
        Secret(value).use { put(name, it, key) }

    /**
     * A secret; of this version or stage, or the current one. Close it.
     *
     * @throws KeyfoldException.SecretNotFound where there is none.
     */
    public suspend fun get(name: String, version: String? = null, stage: String? = null): Secret =
        Secret(waiting { ffi.getSecret(name, version, stage) })
}
