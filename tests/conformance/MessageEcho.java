import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.reflect.Constructor;
import java.nio.ByteBuffer;
import java.util.HexFormat;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.Readable;

/**
 * Reads the lines of message_samples on its input, decodes each message with Kafka's class of that
 * name and encodes it again. Prints what differs, then counts; exits with 1 if anything did.
 */
public class MessageEcho {
    private static final String[] PLACES = {
        "org.apache.kafka.common.message.%sData",
        "org.apache.kafka.common.message.%s",
        "org.apache.kafka.common.metadata.%s",
        "org.apache.kafka.coordinator.group.generated.%s",
        "org.apache.kafka.coordinator.share.generated.%s",
        "org.apache.kafka.coordinator.transaction.generated.%s",
        "org.apache.kafka.raft.generated.%s",
    };

    private static Class<?> find(String name) {
        for (String place : PLACES) {
            try {
                return Class.forName(String.format(place, name));
            } catch (ClassNotFoundException e) {
                // The next place may have it.
            }
        }
        return null;
    }

    private static byte[] encode(Message message, short version) {
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer out = ByteBuffer.allocate(message.size(cache, version));
        message.write(new ByteBufferAccessor(out), cache, version);
        return out.array();
    }

    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        int same = 0;
        int different = 0;
        int older = 0;
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split(" ", -1);
            short version = Short.parseShort(words[1]);
            byte[] bytes = HexFormat.of().parseHex(words[2]);
            Class<?> kind = find(words[0]);
            if (kind == null) {
                System.out.println(words[0] + ": Kafka has no such class");
                different++;
                continue;
            }
            Message blank = (Message) kind.getDeclaredConstructor().newInstance();
            if (version < blank.lowestSupportedVersion()) {
                older++;
                continue;
            }
            try {
                Constructor<?> decode = kind.getConstructor(Readable.class, short.class);
                ByteBufferAccessor readable = new ByteBufferAccessor(ByteBuffer.wrap(bytes));
                Message message = (Message) decode.newInstance(readable, version);
                byte[] again = encode(message, version);
                if (readable.remaining() == 0 && java.util.Arrays.equals(bytes, again)) {
                    same++;
                    continue;
                }
                System.out.printf("%s %d: %s%n  ours   %s%n  Kafka  %s%n", words[0], version,
                    message, words[2], HexFormat.of().formatHex(again));
            } catch (Exception e) {
                Throwable cause = e.getCause() != null ? e.getCause() : e;
                System.out.printf("%s %d: %s%n  ours   %s%n", words[0], version, cause, words[2]);
            }
            different++;
        }
        System.out.printf("%d the same, %d different, %d of versions that Kafka dropped%n", same,
            different, older);
        System.exit(different == 0 && same > 1000 ? 0 : 1);
    }
}
