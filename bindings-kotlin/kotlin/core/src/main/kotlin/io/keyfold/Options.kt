package io.keyfold

/**
 * What a call says beside its data, for Java; each setter answers another object.
 *
 * @see Client.encrypt
 * @see Client.decrypt
 */
public class Options private constructor(
    internal val keys: Keyring?, internal val context: Map<String, String>?,
    internal val containing: Map<String, String>?, internal val suite: Suite?,
    internal val signer: Signer?, internal val signers: Signers?,
) {
    /** Those of the client. */
    public constructor() : this(null, null, null, null, null, null)

    /** The KMS keys. */
    public fun keys(keys: Keyring): Options = Options(keys, context, containing, suite, signer, signers)

    /** The encryption context, exactly. */
    public fun context(context: Map<String, String>): Options =
        Options(keys, context, null, suite, signer, signers)

    /** A part of the encryption context that is enough to open. */
    public fun containing(part: Map<String, String>): Options =
        Options(keys, null, part, suite, signer, signers)

    /** The suite that seals. */
    public fun suite(suite: Suite): Options = Options(keys, context, containing, suite, signer, signers)

    /** Who signs. */
    public fun signer(signer: Signer): Options = Options(keys, context, containing, suite, signer, signers)

    /** Whose signature is accepted. */
    public fun signers(signers: Signers): Options =
        Options(keys, context, containing, suite, signer, signers)

    internal fun sealing(client: Client): ByteArray? = client.spec(keys, context, suite, signer)

    internal fun opening(client: Client): ByteArray? = client.opening(keys, context, containing, signers)
}
