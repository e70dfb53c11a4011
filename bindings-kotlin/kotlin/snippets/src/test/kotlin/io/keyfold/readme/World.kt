package io.keyfold.readme

import io.keyfold.AccessKey
import io.keyfold.Client
import io.keyfold.EmbeddedKms
import kotlinx.coroutines.runBlocking
import java.io.ByteArrayInputStream
import java.io.ByteArrayOutputStream
import java.io.InputStream

/** What the snippets take for granted, by the names that they have for it. */
abstract class World : AutoCloseable {
    @JvmField
    protected val kms: EmbeddedKms = EmbeddedKms.inMemory()

    @JvmField
    protected val docs: String = runBlocking { kms.createKey("alias/docs") }

    @JvmField
    protected val backup: String = runBlocking { kms.createKey() }

    @JvmField
    protected val client: Client = Client(kms, docs, mapOf("tenant" to "acme"))

    @JvmField
    protected val data: ByteArray = "hello".toByteArray()

    @JvmField
    protected val sealed: ByteArray = runBlocking { client.encrypt(data) }

    @JvmField
    protected val out: ByteArrayOutputStream = ByteArrayOutputStream()

    @JvmField
    protected val source: InputStream = ByteArrayInputStream(ByteArray(100_000))

    @JvmField
    protected val input: InputStream = ByteArrayInputStream(sealed)

    protected suspend fun newestToken(): String = "a.token.of.the.day"

    protected suspend fun newestAccessKey(): AccessKey = AccessKey("AKIDEXAMPLE", "secret")

    override fun close() {
        client.close()
        kms.close()
    }
}
