package io.keyfold.sample

import android.content.Context
import io.keyfold.Client
import io.keyfold.EmbeddedKms
import io.keyfold.Keyring
import io.keyfold.Secret
import io.keyfold.android.openOrCreate
import io.keyfold.decryptFile
import io.keyfold.openReader
import io.keyfold.sealTo
import java.io.File

/**
 * What an app does with keyfold: one value, one file, a part of a file, another key, a signature, a
 * secret. The keys are in the app's own folder, under a key that stays in the Android Keystore.
 */
class SixTasks private constructor(private val kms: EmbeddedKms, private val folder: File) : AutoCloseable {
    private val client = Client(kms, Keyring(DOCUMENTS), mapOf("app" to "sample"))

    /** Encrypts a value, and decrypts it again. */
    suspend fun value(text: String): String {
        val sealed = client.encrypt(text.toByteArray())
        return String(client.decrypt(sealed))
    }

    /** Writes a file that is encrypted while it is written, and decrypts it into another. */
    suspend fun file(lines: Sequence<String>): File {
        document.outputStream().use { out ->
            client.sealTo(out) { sealed ->
                lines.forEach { sealed.write("$it\n".toByteArray()) }
            }
        }
        val plain = File(folder, "plain.txt")
        client.decryptFile(document.toPath(), plain.toPath())
        return plain
    }

    /** Reads a part of that file: only the segments around it are read and decrypted. */
    suspend fun part(range: ULongRange): String =
        client.openReader(document.toPath()).use { String(it.read(range)) }

    /** Moves a value to another key, without decrypting it. */
    suspend fun rewrap(text: String): String {
        val sealed = client.encrypt(text.toByteArray())
        val moved = client.rewrap(sealed, to = Keyring(ARCHIVE))
        return String(client.decrypt(moved, keys = Keyring(ARCHIVE)))
    }

    /** Signs, and verifies; a wrong signature is an exception. */
    suspend fun signature(text: String): Int {
        val signature = client.sign(text.toByteArray(), SIGNING)
        client.verify(text.toByteArray(), signature, SIGNING)
        return signature.size
    }

    /** Keeps a secret, and gets it back. */
    suspend fun secret(value: String): String {
        Secret(value).use { client.secrets.put("service/password", it) }
        return client.secrets.get("service/password").use { it.exposeText() }
    }

    override fun close() {
        client.close()
        kms.close()
    }

    private val document get() = File(folder, "document.kf")

    companion object {
        private const val DOCUMENTS = "keyfold:alias/documents"
        private const val ARCHIVE = "keyfold:alias/archive"
        private const val SIGNING = "keyfold:alias/signing"

        /** Opens the app's KMS; makes it, and its keys, the first time. */
        suspend fun open(context: Context): SixTasks {
            val kms = EmbeddedKms.openOrCreate(context)
            return of(kms, context.noBackupFilesDir)
        }

        /** With a KMS and a folder of the caller's. */
        suspend fun of(kms: EmbeddedKms, folder: File): SixTasks {
            if (kms.listKeys().isEmpty()) {
                kms.createKey("alias/documents")
                kms.createKey("alias/archive")
                kms.createKey("alias/signing", spec = "ECC_NIST_P256", usage = "SIGN_VERIFY")
            }
            return SixTasks(kms, folder)
        }
    }
}
