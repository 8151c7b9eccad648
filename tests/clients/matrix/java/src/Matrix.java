import java.util.Map;
import java.util.TreeMap;

/** One scenario of the client matrix with the Java client: Matrix SCENARIO BOOTSTRAP TOPIC GROUP. */
public final class Matrix {
    interface Scenario {
        void run(Clients clients, String topic, String group) throws Exception;
    }

    private static final Map<String, Scenario> SCENARIOS = new TreeMap<>();

    static {
        SCENARIOS.put("codecs", RecordScenarios::codecs);
        SCENARIOS.put("headers_and_nulls", RecordScenarios::headersAndNulls);
        SCENARIOS.put("sizes", RecordScenarios::sizes);
        SCENARIOS.put("idempotent", RecordScenarios::idempotent);
        SCENARIOS.put("slow_consumer", RecordScenarios::slowConsumer);
        SCENARIOS.put("eager", GroupScenarios::eager);
        SCENARIOS.put("cooperative", GroupScenarios::cooperative);
        SCENARIOS.put("static", GroupScenarios::staticMembers);
        SCENARIOS.put("many_groups", GroupScenarios::manyGroups);
        SCENARIOS.put("seek_by_time", OffsetScenarios::seekByTime);
        SCENARIOS.put("replay", OffsetScenarios::replay);
        SCENARIOS.put("lag", OffsetScenarios::lag);
        SCENARIOS.put("offset_reset", OffsetScenarios::offsetReset);
        SCENARIOS.put("admin", AdminScenarios::admin);
        SCENARIOS.put("many_topics", AdminScenarios::manyTopics);
    }

    private Matrix() {}

    public static void main(String[] args) {
        if (args.length != 4 || !SCENARIOS.containsKey(args[0])) {
            System.err.println("usage: Matrix SCENARIO BOOTSTRAP TOPIC GROUP; " + SCENARIOS.keySet());
            System.exit(2);
        }
        try {
            SCENARIOS.get(args[0]).run(new Clients(args[1]), args[2], args[3]);
        } catch (Throwable e) { // a failed check is an Error
            e.printStackTrace();
            System.exit(1);
        }
        System.exit(0);
    }
}
