package bench.peers;

import com.amazon.corretto.crypto.provider.AmazonCorrettoCryptoProvider;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import javax.crypto.Cipher;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.SecretKeySpec;

/** The JVM's cipher with a random nonce: no peer, but what can be reached at most. */
final class Bare implements Peer {
    private static final int NONCE = 12;
    private static final int TAG = 16;
    private final SecureRandom random = new SecureRandom();
    private final SecretKeySpec key = new SecretKeySpec(new byte[32], "AES");
    private final boolean kept;

    /** With a new cipher for each message, or one that the thread keeps. */
    Bare(boolean kept) {
        this.kept = kept;
    }

    /** Makes Corretto's provider the first: all that asks for a cipher gets its. */
    static void installCorretto() {
        AmazonCorrettoCryptoProvider.install();
        AmazonCorrettoCryptoProvider.INSTANCE.assertHealthy();
    }

    @Override
    public Message message(int size) throws GeneralSecurityException {
        byte[] plain = Peer.plaintext(size);
        Cipher own = kept ? make() : null;
        byte[] sealed = encrypt(own, plain);
        return new Message() {
            @Override
            public Object encrypt() throws GeneralSecurityException {
                return Bare.this.encrypt(own, plain);
            }

            @Override
            public Object decrypt() throws GeneralSecurityException {
                return Bare.this.decrypt(own, sealed);
            }
        };
    }

    private static Cipher make() throws GeneralSecurityException {
        return Cipher.getInstance("AES/GCM/NoPadding");
    }

    private byte[] encrypt(Cipher own, byte[] plain) throws GeneralSecurityException {
        Cipher cipher = own == null ? make() : own;
        byte[] nonce = new byte[NONCE];
        random.nextBytes(nonce);
        cipher.init(Cipher.ENCRYPT_MODE, key, new GCMParameterSpec(TAG * 8, nonce));
        byte[] sealed = new byte[NONCE + plain.length + TAG];
        System.arraycopy(nonce, 0, sealed, 0, NONCE);
        cipher.doFinal(plain, 0, plain.length, sealed, NONCE);
        return sealed;
    }

    private byte[] decrypt(Cipher own, byte[] sealed) throws GeneralSecurityException {
        Cipher cipher = own == null ? make() : own;
        cipher.init(Cipher.DECRYPT_MODE, key, new GCMParameterSpec(TAG * 8, sealed, 0, NONCE));
        return cipher.doFinal(sealed, NONCE, sealed.length - NONCE);
    }
}
