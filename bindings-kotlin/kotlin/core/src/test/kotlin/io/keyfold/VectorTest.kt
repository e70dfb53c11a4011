package io.keyfold

import com.fasterxml.jackson.databind.JsonNode
import com.fasterxml.jackson.databind.json.JsonMapper
import io.keyfold.kms.Kms
import io.keyfold.kms.Request
import io.keyfold.kms.Response
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Assertions.assertArrayEquals
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.io.TempDir
import java.io.ByteArrayInputStream
import java.nio.ByteBuffer
import java.nio.file.Files
import java.nio.file.Path
import java.security.MessageDigest

private fun String.unhex() = chunked(2).map { it.toInt(16).toByte() }.toByteArray()

private fun load(name: String): List<JsonNode> =
    JsonMapper.builder().build().readTree(Path.of("../../../tests/vectors/$name.json").toFile()).toList()

private fun JsonNode.bytes(name: String): ByteArray = path(name).asText("").unhex()

/** Unwraps every wrapped key to the data key of a vector. */
private class Knowing(private val dataKey: ByteArray) : Kms {
    override suspend fun call(request: Request): Response {
        check(request is Request.Unwrap)
        return Response.Unwrapped(dataKey)
    }
}

private class Vector(private val json: JsonNode) {
    val name: String = json["name"].asText()
    val expected: String = json.path("expect").asText()
    val suite: Int = json.path("suite").asInt()
    val isDetached: Boolean = json.path("detached").asBoolean()
    val header: ByteArray = json.bytes("header")
    val body: ByteArray = json.bytes("body") + json.bytes("trailer")

    fun plaintext(): ByteArray {
        if (json.has("plaintext")) return json.bytes("plaintext")
        val seed = json.bytes("plaintext_seed")
        val length = json["plaintext_len"].asInt()
        val made = ByteBuffer.allocate(length + 32)
        for (number in 0L..length / 32) {
            val block = seed + ByteBuffer.allocate(8).putLong(number).array()
            made.put(MessageDigest.getInstance("SHA-256").digest(block))
        }
        val all = made.array().copyOf(length)
        val sum = MessageDigest.getInstance("SHA-256").digest(all)
        assertArrayEquals(json.bytes("plaintext_sha256"), sum)
        return all
    }

    fun client(): Client {
        val context = json[if (json.has("expected_context")) "expected_context" else "context"]
        val suites = json.get("accepted_suites")?.map { it.asInt() }
        return Client(
            Knowing(json.bytes("data_key")), cache = null,
            context = context.properties().associate { it.key to it.value.asText() },
            suites = suites?.let { ids -> Suite.entries.filter { it.id.toInt() in ids }.toSet() },
        )
    }

    fun signers(): Signers? {
        if (json.path("any_signer").asBoolean()) return Signers.Anyone
        val keys = json.get("signers") ?: return null
        try {
            return Signers.OneOf(keys.map { PublicKey.fromDer(it.asText().unhex()) })
        } catch (wrong: KeyfoldException) {
            // keyfold takes keys for signers: such bytes cannot even be named.
            throw KeyfoldException.SignatureInvalid("not a signer", cause = wrong)
        }
    }

    /** All the recipients there are, whatever their KMS; any other where that cannot be read. */
    fun ring(): Keyring = try {
        Keyring.unwrapWith(EnvelopeInfo.of(header).recipients.map { it.key })
    } catch (unreadable: KeyfoldException) {
        Keyring("keyfold:any")
    }

    suspend fun whole(): ByteArray = client().use { client ->
        if (isDetached) client.decrypt(body, ring(), signers = signers(), header = header)
        else client.decrypt(header + body, ring(), signers = signers())
    }

    suspend fun into(direct: Boolean): ByteArray = client().use { client ->
        val sealed = header + body
        val out = if (direct) ByteBuffer.allocateDirect(sealed.size) else ByteBuffer.allocate(sealed.size)
        try {
            client.decrypt(ByteBuffer.wrap(sealed), out, ring(), signers = signers())
        } catch (refused: KeyfoldException) {
            while (out.hasRemaining()) assertEquals(0, out.get())
            throw refused
        }
        out.flip()
        ByteArray(out.remaining()).also { out.get(it) }
    }

    suspend fun stream(): ByteArray = client().use { client ->
        val source = object : ByteArrayInputStream(header + body) {
            override fun read(out: ByteArray, offset: Int, length: Int) =
                super.read(out, offset, minOf(length, 1234))
        }
        client.openStream(source, ring(), signers = signers()).use { it.readAllBytes() }
    }

    suspend fun file(folder: Path): ByteArray = client().use { client ->
        val sealed = Files.write(folder.resolve("sealed"), header + body)
        val target = folder.resolve("opened")
        try {
            client.decryptFile(sealed, target, ring(), signers = signers())
        } catch (refused: KeyfoldException) {
            assertTrue(Files.notExists(target))
            throw refused
        }
        Files.readAllBytes(target).also { Files.delete(target) }
    }

    /** A file is on disk when it is there, which takes its time: one of eight. */
    fun ways(number: Int, folder: Path): List<suspend () -> ByteArray> = when {
        isDetached -> listOf({ whole() })
        number % 8 == 0 -> listOf({ file(folder) })
        else -> listOf({ whole() }, { into(true) }, { into(false) }, { stream() })
    }
}

class VectorTest {
    @Test
    fun `valid vectors open in every way`(@TempDir folder: Path): Unit = runBlocking {
        val vectors = load("valid").map { Vector(it) }
        assertTrue(vectors.size >= 80)
        for ((number, vector) in vectors.withIndex()) {
            for (way in vector.ways(number, folder)) assertArrayEquals(vector.plaintext(), way(), vector.name)
            assertEquals(vector.suite, EnvelopeInfo.of(vector.header).suite)
        }
    }

    @Test
    fun `hostile vectors are refused with their code in every way`(@TempDir folder: Path): Unit = runBlocking {
        val vectors = load("hostile").map { Vector(it) }
        assertTrue(vectors.size >= 100)
        for ((number, vector) in vectors.withIndex()) for (way in vector.ways(number, folder)) {
            val code = try {
                way()
                "opened"
            } catch (refused: KeyfoldException) {
                refused.code
            }
            assertEquals(vector.expected, code, vector.name)
        }
    }

    @Test
    fun `parts of valid vectors`(): Unit = runBlocking {
        var read = 0
        for (vector in load("valid").map { Vector(it) }.filter { !it.isDetached }) {
            val sealed = vector.header + vector.body
            val source = object : RangedSource {
                override suspend fun size() = sealed.size.toULong()

                override suspend fun read(offset: ULong, length: Int) =
                    sealed.copyOfRange(offset.toInt(), minOf(sealed.size, offset.toInt() + length))
            }
            val plain = vector.plaintext()
            vector.client().use { client ->
                client.openReader(source, vector.ring(), unprovenSignature = true).use { reader ->
                    for (start in listOf(0, 1, plain.size / 2, maxOf(0, plain.size - 1), plain.size)) {
                        val expected = plain.copyOfRange(minOf(start, plain.size), minOf(plain.size, start + 5000))
                        assertArrayEquals(expected, reader.read(start.toULong(), 5000), vector.name)
                    }
                    assertEquals(plain.size.toULong(), reader.verifyLength())
                }
            }
            read++
        }
        assertTrue(read >= 70)
    }
}
