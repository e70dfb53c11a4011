package bench.peers;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.google.crypto.tink.Aead;
import com.google.crypto.tink.KeysetHandle;
import com.google.crypto.tink.RegistryConfiguration;
import com.google.crypto.tink.aead.AeadConfig;
import com.google.crypto.tink.aead.KmsEnvelopeAead;
import com.google.crypto.tink.aead.PredefinedAeadParameters;
import java.security.GeneralSecurityException;

/** Tink: its envelope makes and wraps a data key for each message; bare, it only encrypts. */
final class Tink implements Peer {
    private static final byte[] ASSOCIATED = "tenant=acme".getBytes(UTF_8);
    private final Aead aead;

    private Tink(Aead aead) {
        this.aead = aead;
    }

    static Tink bare() throws GeneralSecurityException {
        AeadConfig.register();
        KeysetHandle key =
                KeysetHandle.generateNew(
                        PredefinedAeadParameters.AES256_GCM, RegistryConfiguration.get());
        return new Tink(key.getPrimitive(RegistryConfiguration.get(), Aead.class));
    }

    /** No request leaves the process: the key that wraps is in it. */
    static Tink envelope() throws GeneralSecurityException {
        return new Tink(KmsEnvelopeAead.create(PredefinedAeadParameters.AES256_GCM, bare().aead));
    }

    @Override
    public Message message(int size) throws GeneralSecurityException {
        byte[] plain = Peer.plaintext(size);
        byte[] sealed = aead.encrypt(plain, ASSOCIATED);
        return new Message() {
            @Override
            public Object encrypt() throws GeneralSecurityException {
                return aead.encrypt(plain, ASSOCIATED);
            }

            @Override
            public Object decrypt() throws GeneralSecurityException {
                return aead.decrypt(sealed, ASSOCIATED);
            }
        };
    }
}
