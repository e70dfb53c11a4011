package io.keyfold.android

import android.security.keystore.KeyGenParameterSpec
import android.security.keystore.StrongBoxUnavailableException
import java.io.InputStream
import java.io.OutputStream
import java.security.Key
import java.security.KeyStoreSpi
import java.security.Provider
import java.security.SecureRandom
import java.security.Security
import java.security.cert.Certificate
import java.security.spec.AlgorithmParameterSpec
import java.util.Collections
import java.util.Date
import java.util.Enumeration
import javax.crypto.KeyGenerator
import javax.crypto.KeyGeneratorSpi
import javax.crypto.SecretKey

/**
 * Stands for the Android Keystore, which Robolectric has not: keys by name, made by a generator that
 * notes what it was asked for. Its keys are plain ones, so that the JVM's own cipher takes them.
 */
internal object FakeKeystore {
    val keys = HashMap<String, SecretKey>()
    val asked = ArrayList<KeyGenParameterSpec>()
    var hasStrongBox = false

    /** What every look at the store throws. */
    var refuses: Exception? = null

    fun install() {
        Security.removeProvider(NAME)
        Security.addProvider(object : Provider(NAME, "1", "for tests") {
            init {
                put("KeyStore.$NAME", Store::class.java.name)
                put("KeyGenerator.AES", Generator::class.java.name)
            }
        })
        keys.clear()
        asked.clear()
        hasStrongBox = false
        refuses = null
    }

    private const val NAME = "AndroidKeyStore"

    class Generator : KeyGeneratorSpi() {
        private lateinit var spec: KeyGenParameterSpec

        override fun engineInit(random: SecureRandom?) = throw UnsupportedOperationException()

        override fun engineInit(keySize: Int, random: SecureRandom?) = throw UnsupportedOperationException()

        override fun engineInit(params: AlgorithmParameterSpec, random: SecureRandom?) {
            spec = params as KeyGenParameterSpec
        }

        override fun engineGenerateKey(): SecretKey {
            asked += spec
            if (spec.isStrongBoxBacked && !hasStrongBox) throw StrongBoxUnavailableException()
            // Not this one: it has the name of the algorithm, too.
            val generator = KeyGenerator.getInstance("AES", "SunJCE")
            generator.init(spec.keySize)
            return generator.generateKey().also { keys[spec.keystoreAlias] = it }
        }
    }

    class Store : KeyStoreSpi() {
        override fun engineLoad(stream: InputStream?, password: CharArray?) {
            refuses?.let { throw it }
        }

        override fun engineGetKey(alias: String, password: CharArray?): Key? = keys[alias]

        override fun engineContainsAlias(alias: String) = alias in keys

        override fun engineIsKeyEntry(alias: String) = alias in keys

        override fun engineDeleteEntry(alias: String) {
            keys.remove(alias)
        }

        override fun engineAliases(): Enumeration<String> = Collections.enumeration(keys.keys)

        override fun engineSize() = keys.size

        override fun engineIsCertificateEntry(alias: String) = false

        override fun engineGetCertificate(alias: String): Certificate? = null

        override fun engineGetCertificateChain(alias: String): Array<Certificate>? = null

        override fun engineGetCertificateAlias(certificate: Certificate): String? = null

        override fun engineGetCreationDate(alias: String): Date? = null

        override fun engineSetKeyEntry(
            alias: String, key: Key, password: CharArray?, chain: Array<out Certificate>?,
        ) = throw UnsupportedOperationException()

        override fun engineSetKeyEntry(alias: String, key: ByteArray, chain: Array<out Certificate>?) =
            throw UnsupportedOperationException()

        override fun engineSetCertificateEntry(alias: String, certificate: Certificate) =
            throw UnsupportedOperationException()

        override fun engineStore(stream: OutputStream?, password: CharArray?) =
            throw UnsupportedOperationException()
    }
}
