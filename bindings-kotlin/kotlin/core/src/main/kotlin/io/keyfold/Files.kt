/** Files, from path to path: wholly in the native library. */
package io.keyfold

import io.keyfold.internal.HostObserver
import io.keyfold.internal.ffi.Observer
import io.keyfold.internal.waiting
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.isActive
import java.nio.file.Path
import kotlin.coroutines.coroutineContext

/**
 * Encrypts a file; answers the length of the plaintext. A coroutine that is cancelled ends it within a
 * tenth of a second.
 *
 * @param target gets the envelope only when it is complete and on disk, with the permissions of the
 * source.
 * @param overwrite whether a file that is there is replaced.
 * @param onProgress told now and then, and at the end, how many bytes are done and how many there are.
 * What it throws ends the work and is thrown here.
 * @throws KeyfoldException.Io where the system does not let a file be read or written.
 */
public suspend fun Client.encryptFile(
    source: Path, target: Path, keys: Keyring? = null, context: Map<String, String>? = null,
    suite: Suite? = null, signer: Signer? = null, overwrite: Boolean = true,
    onProgress: ((done: ULong, all: ULong) -> Unit)? = null,
): ULong = observed(onProgress) {
    ffi.encryptFile(source.toString(), target.toString(), words(keys, context, suite, signer), overwrite, it)
}

/**
 * Decrypts a file; answers the length of the plaintext. Otherwise as [encryptFile].
 *
 * @param target gets the plaintext only when all of it is proven and on disk.
 */
public suspend fun Client.decryptFile(
    source: Path, target: Path, keys: Keyring? = null, context: Map<String, String>? = null,
    containing: Map<String, String>? = null, signers: Signers? = null, overwrite: Boolean = true,
    onProgress: ((done: ULong, all: ULong) -> Unit)? = null,
): ULong = observed(onProgress) {
    val words = words(keys, context, null, null, containing, signers)
    ffi.decryptFile(source.toString(), target.toString(), words, overwrite, it)
}

/** As [Client.rewrap], for the envelope in a file, which is replaced at once and whole. */
public suspend fun Client.rewrapFile(path: Path, to: Keyring, from: Keyring? = null): Unit = waiting {
    ffi.rewrapFile("$path", words(from, null, null, null), words(to, null, null, null))
}

/** As [Client.addRecipients], for the envelope in a file. */
public suspend fun Client.addRecipientsToFile(path: Path, keys: Keyring, from: Keyring? = null): Unit = waiting {
    ffi.addRecipientsToFile("$path", words(from, null, null, null), words(keys, null, null, null))
}

/** As [Client.removeRecipients], for the envelope in a file. */
public suspend fun Client.removeRecipientsOfFile(path: Path, keys: List<String>): Unit =
    waiting { ffi.removeRecipientsOfFile("$path", keys) }

private suspend fun observed(
    onProgress: ((ULong, ULong) -> Unit)?, work: suspend (Observer) -> ULong,
): ULong {
    val context = coroutineContext
    val observer = HostObserver({ context.isActive }, onProgress)
    try {
        return waiting { work(observer) }
    } catch (ended: KeyfoldException.Cancelled) {
        observer.thrown?.let { throw it }
        context.ensureActive()
        throw ended
    }
}
