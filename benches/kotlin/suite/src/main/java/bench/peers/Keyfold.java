package bench.peers;

import io.keyfold.BlockingClient;
import io.keyfold.Client;
import io.keyfold.EmbeddedKms;
import java.nio.ByteBuffer;

/** keyfold over its embedded KMS, with the cache of data keys that a client has by itself. */
final class Keyfold implements Peer {
    private final BlockingClient client;
    private final boolean direct;

    Keyfold(boolean direct) throws InterruptedException {
        EmbeddedKms kms = EmbeddedKms.inMemory();
        String key = BlockingClient.createKey(kms, "alias/bench");
        client = new BlockingClient(new Client(kms, key, CONTEXT));
        this.direct = direct;
    }

    @Override
    public Message message(int size) throws InterruptedException {
        byte[] plain = Peer.plaintext(size);
        byte[] sealed = client.encrypt(plain);
        return direct ? new Direct(plain, sealed) : new Arrays(plain, sealed);
    }

    private final class Arrays implements Message {
        private final byte[] plain;
        private final byte[] sealed;

        Arrays(byte[] plain, byte[] sealed) {
            this.plain = plain;
            this.sealed = sealed;
        }

        @Override
        public Object encrypt() throws InterruptedException {
            return client.encrypt(plain);
        }

        @Override
        public Object decrypt() throws InterruptedException {
            return client.decrypt(sealed);
        }
    }

    /** From one direct buffer into another, both the caller's. */
    private final class Direct implements Message {
        private final ByteBuffer plain;
        private final ByteBuffer sealed;
        private final ByteBuffer out;

        Direct(byte[] plain, byte[] sealed) {
            this.plain = ByteBuffer.allocateDirect(plain.length).put(plain);
            this.sealed = ByteBuffer.allocateDirect(sealed.length).put(sealed);
            this.out = ByteBuffer.allocateDirect(sealed.length + 1024);
        }

        @Override
        public Object encrypt() throws InterruptedException {
            return client.encrypt(plain.rewind(), out.clear());
        }

        @Override
        public Object decrypt() throws InterruptedException {
            return client.decrypt(sealed.rewind(), out.clear());
        }
    }
}
