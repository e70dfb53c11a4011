package io.keyfold.internal

import java.io.File
import java.nio.file.Files
import java.nio.file.Path
import java.nio.file.StandardCopyOption

/**
 * Loads the native library, once for JNA and for JNI: as the system property `keyfold.library` names
 * it; as Android has installed it with the app; or out of the artifact, into a folder of its own.
 */
internal object NativeLibrary {
    private const val NAME = "keyfold_uniffi"

    // Which library JNA opens for UniFFI's glue.
    private const val OVERRIDE = "uniffi.component.$NAME.libraryOverride"

    private val loaded: Boolean by lazy {
        val named = System.getProperty("keyfold.library")
        if (named == null && System.getProperty("java.vm.vendor").orEmpty().contains("Android")) {
            System.loadLibrary(NAME)
        } else {
            val file = named?.let { File(it).absoluteFile } ?: extract().toFile()
            System.load(file.path)
            System.setProperty(OVERRIDE, file.path)
        }
        true
    }

    fun load() {
        check(loaded)
    }

    private fun extract(): Path {
        val file = System.mapLibraryName(NAME)
        val resource = "/${com.sun.jna.Platform.RESOURCE_PREFIX}/$file"
        val source = NativeLibrary::class.java.getResourceAsStream(resource) ?: throw UnsatisfiedLinkError(
            "the artifact has no native library for this platform ($resource); " +
                "name one in the system property keyfold.library",
        )
        // Nobody else may write in it.
        val folder = Files.createTempDirectory("keyfold")
        val target = folder.resolve(file)
        source.use { Files.copy(it, target, StandardCopyOption.REPLACE_EXISTING) }
        folder.toFile().deleteOnExit()
        target.toFile().deleteOnExit()
        return target
    }
}
