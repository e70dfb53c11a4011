package io.keyfold

import java.security.GeneralSecurityException
import java.security.KeyStore
import java.security.SecureRandom
import javax.crypto.AEADBadTagException
import javax.crypto.Cipher
import javax.crypto.KeyGenerator
import javax.crypto.SecretKey
import javax.crypto.spec.GCMParameterSpec

/**
 * Keeps the root key of an embedded KMS sealed, by a key that stays in a key store of the platform's.
 * Its functions may block.
 */
public interface RootSealer {
    /** What kind it is, such as `pkcs12`: a KMS is opened by a sealer of the kind that sealed it. */
    public val kind: String

    /** Seals 32 bytes. [binding] must be authenticated, and is given again to open them. */
    public fun seal(root: ByteArray, binding: ByteArray): ByteArray

    /**
     * Opens what [seal] made.
     *
     * @throws KeyfoldException.AuthenticationFailed where it was sealed by another key.
     */
    public fun open(sealed: ByteArray, binding: ByteArray): ByteArray
}

/**
 * Seals by an AES key in a [KeyStore], such as one of PKCS#12; the JVM's own cipher does it, with
 * AES-GCM.
 *
 * @param store the key store, loaded.
 * @param alias the name of the AES key of 256 bits in it.
 * @param password what protects the key; it is copied.
 */
public class KeyStoreSealer @JvmOverloads constructor(
    private val store: KeyStore,
    private val alias: String,
    password: CharArray? = null,
    override val kind: String = store.type.lowercase(java.util.Locale.ROOT),
) : RootSealer {
    private val password = password?.copyOf()

    override fun seal(root: ByteArray, binding: ByteArray): ByteArray = run {
        val nonce = ByteArray(NONCE).also { SecureRandom().nextBytes(it) }
        cipher(Cipher.ENCRYPT_MODE, nonce, binding).let { nonce + it.doFinal(root) }
    }

    override fun open(sealed: ByteArray, binding: ByteArray): ByteArray = run {
        if (sealed.size < NONCE) throw KeyfoldException.AuthenticationFailed(OTHER)
        val nonce = sealed.copyOf(NONCE)
        cipher(Cipher.DECRYPT_MODE, nonce, binding).doFinal(sealed, NONCE, sealed.size - NONCE)
    }

    private fun cipher(mode: Int, nonce: ByteArray, binding: ByteArray): Cipher {
        val key = store.getKey(alias, password)
            ?: throw KeyfoldException.KmsDenied("the key store has no key of this name")
        return Cipher.getInstance("AES/GCM/NoPadding").apply {
            init(mode, key, GCMParameterSpec(TAG_BITS, nonce))
            updateAAD(binding)
        }
    }

    private inline fun run(work: () -> ByteArray): ByteArray = try {
        work()
    } catch (wrong: AEADBadTagException) {
        throw KeyfoldException.AuthenticationFailed(OTHER, cause = wrong)
    } catch (failed: GeneralSecurityException) {
        throw KeyfoldException.KmsDenied("the key store does not give its key", cause = failed)
    }

    public companion object {
        private const val NONCE = 12
        private const val TAG_BITS = 128
        private const val OTHER = "it was sealed by another key"

        /**
         * Makes a key of this name in a key store, unless there is one. The store is the caller's to
         * keep: `store.store(file, password)`.
         */
        @JvmStatic
        public fun makeKey(store: KeyStore, alias: String, password: CharArray) {
            if (store.containsAlias(alias)) return
            val key: SecretKey = KeyGenerator.getInstance("AES").apply { init(256) }.generateKey()
            store.setEntry(alias, KeyStore.SecretKeyEntry(key), KeyStore.PasswordProtection(password))
        }
    }
}
