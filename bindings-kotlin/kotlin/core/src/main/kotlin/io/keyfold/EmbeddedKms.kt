package io.keyfold

import io.keyfold.internal.HostSealer
import io.keyfold.internal.ffi.EmbeddedOptions
import io.keyfold.internal.ffi.KeyService
import io.keyfold.internal.waiting
import io.keyfold.internal.calling
import java.nio.file.Path

/**
 * A KMS in this process: no server, no account, no network.
 *
 * It lives in a folder, with a database and its sealed root key, as the command `keyfold` makes them;
 * both may use it at the same time, and so may several processes.
 */
public class EmbeddedKms private constructor(service: KeyService, private val place: String) : KeyAdmin(service) {
    override fun toString(): String = "EmbeddedKms($place)"

    public companion object {
        /**
         * Opens the KMS in a folder.
         *
         * @param passphrase what opens the root key.
         * @param rootKey the file of the root key; `root.key` in the folder where absent. Keep a copy of
         * it elsewhere: without it the database opens nothing.
         * @param sealer a key store that opens the root key.
         * @throws KeyfoldException.KmsUnavailable where there is none.
         * @throws KeyfoldException.KmsDenied where nothing that was given opens the root key.
         */
        public suspend fun open(
            folder: Path, passphrase: Secret? = null, rootKey: Path? = null, sealer: RootSealer? = null,
        ): EmbeddedKms = at(folder, false, passphrase, rootKey, sealer)

        /**
         * Opens the KMS in a folder, or makes one there: its root key is sealed by the passphrase, or by
         * the key store, or by a new file.
         */
        public suspend fun openOrCreate(
            folder: Path, passphrase: Secret? = null, rootKey: Path? = null, sealer: RootSealer? = null,
        ): EmbeddedKms = at(folder, true, passphrase, rootKey, sealer)

        /** A KMS that ends with the process, for tests and trials. */
        @JvmStatic
        public fun inMemory(): EmbeddedKms = EmbeddedKms(calling { KeyService.inMemory() }, "in memory")

        private suspend fun at(
            folder: Path, create: Boolean, passphrase: Secret?, rootKey: Path?, sealer: RootSealer?,
        ): EmbeddedKms {
            val options =
                EmbeddedOptions(create, passphrase?.ffi, rootKey?.toString(), sealer?.let { HostSealer(it) })
            return EmbeddedKms(waiting { KeyService.embedded(folder.toString(), options) }, "$folder")
        }
    }
}
