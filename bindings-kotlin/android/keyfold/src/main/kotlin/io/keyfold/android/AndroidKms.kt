@file:JvmName("AndroidKms")

package io.keyfold.android

import android.content.Context
import io.keyfold.EmbeddedKms
import io.keyfold.RootSealer
import java.io.File

/**
 * Opens the embedded KMS of this app, or makes it: a folder in `noBackupFilesDir`, private to the app,
 * with a root key that the Android Keystore has sealed. A backup of the device must not have it: on
 * another device its root key could not be opened.
 *
 * @param name of the folder, where an app has several.
 * @param sealer what seals the root key.
 * @throws io.keyfold.KeyfoldException.KmsDenied where the keystore does not give its key: the user has
 * not shown who they are, or the key is gone.
 */
public suspend fun EmbeddedKms.Companion.openOrCreate(
    context: Context,
    name: String = "keyfold",
    sealer: RootSealer = AndroidKeystoreRootSealer(),
): EmbeddedKms {
    require(name.isNotEmpty() && '/' !in name && name != "." && name != "..") { "no name of a folder" }
    val folder = File(context.noBackupFilesDir, name)
    return EmbeddedKms.openOrCreate(folder.toPath(), sealer = sealer)
}
