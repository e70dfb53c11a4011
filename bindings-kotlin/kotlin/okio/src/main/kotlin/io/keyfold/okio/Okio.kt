/** Sinks and sources of okio's. */
package io.keyfold.okio

import io.keyfold.Client
import io.keyfold.Keyring
import io.keyfold.Signer
import io.keyfold.Signers
import io.keyfold.Suite
import io.keyfold.openStream
import io.keyfold.sealTo
import okio.BufferedSink
import okio.BufferedSource
import okio.Source
import okio.buffer
import okio.sink
import okio.source

/** As the `sealTo` of an `OutputStream`: seals what `block` writes into `out`, which is left open. */
public suspend fun <T> Client.sealTo(
    out: BufferedSink, keys: Keyring? = null, context: Map<String, String>? = null, suite: Suite? = null,
    signer: Signer? = null, length: ULong? = null, block: suspend (BufferedSink) -> T,
): T = sealTo(out.outputStream(), keys, context, suite, signer, length) { stream ->
    val sink = stream.sink().buffer()
    block(sink).also { sink.emit() }
}

/**
 * As `openStream` of an `InputStream`: what it gives is authentic as far as it goes; only at its end the
 * message is proven to be whole. `source` is left open.
 */
public suspend fun Client.openSource(
    source: BufferedSource, keys: Keyring? = null, context: Map<String, String>? = null,
    containing: Map<String, String>? = null, signers: Signers? = null,
): Source = openStream(source.inputStream(), keys, context, containing, signers).source()
