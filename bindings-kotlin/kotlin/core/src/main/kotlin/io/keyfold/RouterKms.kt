package io.keyfold

import io.keyfold.internal.asService
import io.keyfold.internal.calling
import io.keyfold.internal.ffi.KeyService
import io.keyfold.internal.ffi.Route
import io.keyfold.internal.toFfi
import io.keyfold.internal.toPublic
import io.keyfold.internal.waiting
import io.keyfold.kms.Kms
import io.keyfold.kms.Request
import io.keyfold.kms.Response

/**
 * Several KMSs behind one, so that one keyring names keys of several clouds: each request goes to the KMS
 * whose keys it names, by how the key's URI begins, such as `tencent://ap-guangzhou/` or `keyfold:`. The
 * longest beginning that fits counts. An envelope chooses among these, and brings in no other.
 *
 * The KMSs stay the caller's: their keys are managed there, and they are closed there.
 *
 * @param routes the KMSs, by how the URIs of their keys begin.
 * @param otherwise for all other keys, and for what names none: secrets, small data without a key.
 */
public class RouterKms @JvmOverloads constructor(
    routes: Map<String, Kms>, otherwise: Kms? = null,
) : Kms, AutoCloseable {
    private val beginnings = routes.keys.toList()
    internal val service: KeyService = calling { join(routes.toList(), otherwise, emptyList()) }

    override suspend fun call(request: Request): Response =
        waiting { service.call(request.toFfi()) }.toPublic()

    /** Lets go of the KMSs; clients over it go on until they are closed themselves. */
    override fun close() {
        calling { service.release() }
    }

    override fun toString(): String = "RouterKms($beginnings)"

    private companion object {
        /** One after the other, for each lives for so long at least. */
        fun join(rest: List<Pair<String, Kms>>, otherwise: Kms?, routes: List<Route>): KeyService {
            val (prefix, kms) = rest.firstOrNull() ?: return when (otherwise) {
                null -> KeyService.router(routes, null)
                else -> otherwise.asService { KeyService.router(routes, it) }
            }
            return kms.asService { join(rest.drop(1), otherwise, routes + Route(prefix, it)) }
        }
    }
}
