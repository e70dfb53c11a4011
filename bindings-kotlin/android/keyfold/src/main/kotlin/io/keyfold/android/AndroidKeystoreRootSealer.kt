package io.keyfold.android

import android.os.Build
import android.security.keystore.KeyGenParameterSpec
import android.security.keystore.KeyPermanentlyInvalidatedException
import android.security.keystore.KeyProperties
import android.security.keystore.StrongBoxUnavailableException
import android.security.keystore.UserNotAuthenticatedException
import io.keyfold.KeyfoldException
import io.keyfold.RootSealer
import java.io.IOException
import java.security.GeneralSecurityException
import java.security.KeyStore
import java.security.ProviderException
import java.time.Duration
import javax.crypto.AEADBadTagException
import javax.crypto.Cipher
import javax.crypto.KeyGenerator
import javax.crypto.SecretKey
import javax.crypto.spec.GCMParameterSpec

/**
 * Keeps the root key of an embedded KMS sealed by an AES key in the Android Keystore: that key is made
 * there, by secure hardware where the device has it, and never leaves it. It is gone when the app is
 * uninstalled, and no backup has it: what the KMS holds is then lost, unless its root key was also kept
 * elsewhere.
 *
 * @param alias the name of the key among those of the app; it is made where there is none.
 * @param strongBox whether a new key is put into a StrongBox, a separate chip, where the device has one.
 * @param authentication for how long after the user has unlocked the device or shown who they are a
 * new key may be used; at any time where absent. A key that is there stays as it was made. The app
 * asks the user, with `BiometricPrompt` or `KeyguardManager`; until then [KeyfoldException.KmsDenied].
 */
public class AndroidKeystoreRootSealer @JvmOverloads constructor(
    private val alias: String = "io.keyfold.root",
    private val strongBox: Boolean = true,
    private val authentication: Duration? = null,
) : RootSealer {
    override val kind: String get() = KIND

    override fun seal(root: ByteArray, binding: ByteArray): ByteArray = run {
        // The keystore makes the nonce: it takes none of the caller's.
        val cipher = cipher().apply { init(Cipher.ENCRYPT_MODE, key() ?: makeKey()) }
        cipher.updateAAD(binding)
        check(cipher.iv.size == NONCE) { "a nonce of another length" }
        cipher.iv + cipher.doFinal(root)
    }

    override fun open(sealed: ByteArray, binding: ByteArray): ByteArray = run {
        if (sealed.size < NONCE) throw KeyfoldException.AuthenticationFailed(OTHER)
        val key = key() ?: throw KeyfoldException.KmsDenied("the Android Keystore has no key of this name")
        val cipher = cipher()
        cipher.init(Cipher.DECRYPT_MODE, key, GCMParameterSpec(TAG_BITS, sealed, 0, NONCE))
        cipher.updateAAD(binding)
        cipher.doFinal(sealed, NONCE, sealed.size - NONCE)
    }

    private fun key(): SecretKey? =
        KeyStore.getInstance(KEYSTORE).apply { load(null) }.getKey(alias, null) as SecretKey?

    private fun makeKey(): SecretKey {
        if (strongBox && Build.VERSION.SDK_INT >= Build.VERSION_CODES.P) {
            try {
                return generate(spec().setIsStrongBoxBacked(true))
            } catch (absent: StrongBoxUnavailableException) {
                // Most devices have none.
            }
        }
        return generate(spec())
    }

    private fun generate(spec: KeyGenParameterSpec.Builder): SecretKey =
        KeyGenerator.getInstance(KeyProperties.KEY_ALGORITHM_AES, KEYSTORE)
            .apply { init(spec.build()) }
            .generateKey()

    private fun spec(): KeyGenParameterSpec.Builder {
        val purposes = KeyProperties.PURPOSE_ENCRYPT or KeyProperties.PURPOSE_DECRYPT
        val spec = KeyGenParameterSpec.Builder(alias, purposes)
            .setKeySize(KEY_BITS)
            .setBlockModes(KeyProperties.BLOCK_MODE_GCM)
            .setEncryptionPaddings(KeyProperties.ENCRYPTION_PADDING_NONE)
        val seconds = authentication?.seconds?.coerceIn(1, Int.MAX_VALUE.toLong())?.toInt() ?: return spec
        spec.setUserAuthenticationRequired(true)
        if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.R) {
            val ways = KeyProperties.AUTH_BIOMETRIC_STRONG or KeyProperties.AUTH_DEVICE_CREDENTIAL
            spec.setUserAuthenticationParameters(seconds, ways)
        } else {
            @Suppress("DEPRECATION")
            spec.setUserAuthenticationValidityDurationSeconds(seconds)
        }
        return spec
    }

    private fun cipher() = Cipher.getInstance("AES/GCM/NoPadding")

    private inline fun run(work: () -> ByteArray): ByteArray = try {
        work()
    } catch (wrong: AEADBadTagException) {
        throw KeyfoldException.AuthenticationFailed(OTHER, cause = wrong)
    } catch (absent: UserNotAuthenticatedException) {
        throw KeyfoldException.KmsDenied("the user has not shown who they are", cause = absent)
    } catch (gone: KeyPermanentlyInvalidatedException) {
        throw KeyfoldException.KmsDenied("the screen lock was changed: the key is gone", cause = gone)
    } catch (failed: GeneralSecurityException) {
        throw KeyfoldException.KmsDenied(REFUSED, cause = failed)
    } catch (failed: ProviderException) {
        throw KeyfoldException.KmsDenied(REFUSED, cause = failed)
    } catch (failed: IOException) {
        throw KeyfoldException.KmsDenied(REFUSED, cause = failed)
    }

    override fun toString(): String = "AndroidKeystoreRootSealer($alias)"

    public companion object {
        /** The kind of what it seals. */
        public const val KIND: String = "android-keystore"

        private const val KEYSTORE = "AndroidKeyStore"
        private const val KEY_BITS = 256
        private const val TAG_BITS = 128
        private const val NONCE = 12
        private const val OTHER = "it was sealed by another key"
        private const val REFUSED = "the Android Keystore does not give its key"
    }
}
