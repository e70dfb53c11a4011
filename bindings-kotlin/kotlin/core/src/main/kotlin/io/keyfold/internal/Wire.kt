/** Requests and responses between the native library and a KMS of the caller's. */
package io.keyfold.internal

import io.keyfold.internal.ffi.KmsRequest
import io.keyfold.internal.ffi.KmsResponse
import io.keyfold.kms.Request
import io.keyfold.kms.Response
import io.keyfold.kms.WrappedKey
import io.keyfold.internal.ffi.Wrapped as FfiWrapped

private fun FfiWrapped.toPublic() = WrappedKey(key, ciphertext, parameters)

private fun WrappedKey.toFfi() = FfiWrapped(key, ciphertext, parameters)

internal fun KmsRequest.toPublic(): Request = when (this) {
    is KmsRequest.GenerateDataKey -> Request.GenerateDataKey(key, context)
    is KmsRequest.Wrap -> Request.Wrap(key, dataKey, context)
    is KmsRequest.Unwrap -> Request.Unwrap(wrapped.toPublic(), context, key)
    is KmsRequest.Rewrap -> Request.Rewrap(wrapped.toPublic(), context, key, to)
    is KmsRequest.Encrypt -> Request.Encrypt(key, plaintext, context)
    is KmsRequest.Decrypt -> Request.Decrypt(key, ciphertext, context)
    is KmsRequest.Sign -> Request.Sign(key, algorithm, message, isDigest)
    is KmsRequest.Verify -> Request.Verify(key, algorithm, message, isDigest, signature)
    is KmsRequest.GetPublicKey -> Request.GetPublicKey(key)
    is KmsRequest.ResolveKey -> Request.ResolveKey(key)
    is KmsRequest.PutSecret -> Request.PutSecret(name, value, key, token)
    is KmsRequest.GetSecret -> Request.GetSecret(name, version, stage)
}

internal fun Request.toFfi(): KmsRequest = when (this) {
    is Request.GenerateDataKey -> KmsRequest.GenerateDataKey(key, context)
    is Request.Wrap -> KmsRequest.Wrap(key, dataKey, context)
    is Request.Unwrap -> KmsRequest.Unwrap(wrapped.toFfi(), context, key)
    is Request.Rewrap -> KmsRequest.Rewrap(wrapped.toFfi(), context, key, to)
    is Request.Encrypt -> KmsRequest.Encrypt(key, plaintext, context)
    is Request.Decrypt -> KmsRequest.Decrypt(key, ciphertext, context)
    is Request.Sign -> KmsRequest.Sign(key, algorithm, message, isDigest)
    is Request.Verify -> KmsRequest.Verify(key, algorithm, message, isDigest, signature)
    is Request.GetPublicKey -> KmsRequest.GetPublicKey(key)
    is Request.ResolveKey -> KmsRequest.ResolveKey(key)
    is Request.PutSecret -> KmsRequest.PutSecret(name, value, key, token)
    is Request.GetSecret -> KmsRequest.GetSecret(name, version, stage)
}

internal fun KmsResponse.toPublic(): Response = when (this) {
    is KmsResponse.DataKey -> Response.DataKey(dataKey, wrapped.toPublic())
    is KmsResponse.Wrapped -> Response.Wrapped(wrapped.toPublic())
    is KmsResponse.Unwrapped -> Response.Unwrapped(dataKey)
    is KmsResponse.Ciphertext -> Response.Ciphertext(ciphertext, key)
    is KmsResponse.Plaintext -> Response.Plaintext(plaintext, key)
    is KmsResponse.Signature -> Response.Signature(signature)
    is KmsResponse.Verified -> Response.Verified
    is KmsResponse.PublicKey -> Response.PublicKey(spki, key)
    is KmsResponse.Key -> Response.Key(key)
    is KmsResponse.SecretVersion -> Response.SecretVersion(version)
    is KmsResponse.Secret -> Response.Secret(value, version)
}

internal fun Response.toFfi(): KmsResponse = when (this) {
    is Response.DataKey -> KmsResponse.DataKey(dataKey, wrapped.toFfi())
    is Response.Wrapped -> KmsResponse.Wrapped(wrapped.toFfi())
    is Response.Unwrapped -> KmsResponse.Unwrapped(dataKey)
    is Response.Ciphertext -> KmsResponse.Ciphertext(ciphertext, key)
    is Response.Plaintext -> KmsResponse.Plaintext(plaintext, key)
    is Response.Signature -> KmsResponse.Signature(signature)
    is Response.Verified -> KmsResponse.Verified
    is Response.PublicKey -> KmsResponse.PublicKey(spki, key)
    is Response.Key -> KmsResponse.Key(key)
    is Response.SecretVersion -> KmsResponse.SecretVersion(version)
    is Response.Secret -> KmsResponse.Secret(value, version)
}
