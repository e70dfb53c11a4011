package bench.peers;

import com.amazonaws.encryptionsdk.AwsCrypto;
import com.amazonaws.encryptionsdk.CryptoAlgorithm;
import com.amazonaws.encryptionsdk.CryptoMaterialsManager;
import com.amazonaws.encryptionsdk.caching.CachingCryptoMaterialsManager;
import com.amazonaws.encryptionsdk.caching.LocalCryptoMaterialsCache;
import com.amazonaws.encryptionsdk.jce.JceMasterKey;
import java.nio.ByteBuffer;
import java.util.concurrent.TimeUnit;
import javax.crypto.spec.SecretKeySpec;
import software.amazon.cryptography.materialproviders.IKeyring;
import software.amazon.cryptography.materialproviders.MaterialProviders;
import software.amazon.cryptography.materialproviders.model.AesWrappingAlg;
import software.amazon.cryptography.materialproviders.model.CreateRawAesKeyringInput;
import software.amazon.cryptography.materialproviders.model.MaterialProvidersConfig;

/**
 * The AWS Encryption SDK under a raw AES key in the process, with commitment and without a
 * signature, as keyfold's envelopes. Its caching materials manager takes a master key, and not the
 * keyring that stands for the same key since version 3.
 */
public final class Aws {
    private Aws() {}

    private interface Way {
        byte[] encrypt(AwsCrypto sdk, byte[] plain);

        byte[] decrypt(AwsCrypto sdk, byte[] sealed);
    }

    /** The SDK, with frames of so many bytes; the default of 4 KiB makes it slower. */
    public static AwsCrypto sdk(int frame) {
        return AwsCrypto.builder()
                .withEncryptionAlgorithm(CryptoAlgorithm.ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY)
                .withEncryptionFrameSize(frame)
                .build();
    }

    /** A cache of data keys, of a key that is always the same. */
    public static CryptoMaterialsManager manager() {
        SecretKeySpec key = new SecretKeySpec(new byte[32], "AES");
        return CachingCryptoMaterialsManager.newBuilder()
                .withMasterKeyProvider(
                        JceMasterKey.getInstance(key, "bench", "key", "AES/GCM/NoPadding"))
                .withCache(new LocalCryptoMaterialsCache(10))
                .withMaxAge(1, TimeUnit.HOURS)
                .build();
    }

    static Peer caching() {
        CryptoMaterialsManager manager = manager();
        return peer(
                new Way() {
                    @Override
                    public byte[] encrypt(AwsCrypto sdk, byte[] plain) {
                        return sdk.encryptData(manager, plain, Peer.CONTEXT).getResult();
                    }

                    @Override
                    public byte[] decrypt(AwsCrypto sdk, byte[] sealed) {
                        return sdk.decryptData(manager, sealed).getResult();
                    }
                });
    }

    static Peer keyring() {
        MaterialProviders providers =
                MaterialProviders.builder()
                        .MaterialProvidersConfig(MaterialProvidersConfig.builder().build())
                        .build();
        IKeyring keyring =
                providers.CreateRawAesKeyring(
                        CreateRawAesKeyringInput.builder()
                                .keyNamespace("bench")
                                .keyName("key")
                                .wrappingKey(ByteBuffer.wrap(new byte[32]))
                                .wrappingAlg(AesWrappingAlg.ALG_AES256_GCM_IV12_TAG16)
                                .build());
        return peer(
                new Way() {
                    @Override
                    public byte[] encrypt(AwsCrypto sdk, byte[] plain) {
                        return sdk.encryptData(keyring, plain, Peer.CONTEXT).getResult();
                    }

                    @Override
                    public byte[] decrypt(AwsCrypto sdk, byte[] sealed) {
                        return sdk.decryptData(keyring, sealed).getResult();
                    }
                });
    }

    private static Peer peer(Way way) {
        return size -> {
            AwsCrypto sdk = sdk(Math.max(4096, Math.min(size, FRAME)));
            byte[] plain = Peer.plaintext(size);
            byte[] sealed = way.encrypt(sdk, plain);
            return new Peer.Message() {
                @Override
                public Object encrypt() {
                    return way.encrypt(sdk, plain);
                }

                @Override
                public Object decrypt() {
                    return way.decrypt(sdk, sealed);
                }
            };
        };
    }

    /** The fastest for what is large. */
    public static final int FRAME = Integer.getInteger("bench.frame", 64 << 10);
}
