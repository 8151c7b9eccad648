import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs many of Kafka's command-line tools in one Java machine, since its start costs more than most
 * tools do. Each line on stdin is {"class": ..., "args": [...], "stdin": ...}; the answer is the line
 * {"exit": ..., "stdout": ..., "stderr": ...}.
 */
public final class ToolRunner {
    private static final PrintStream OUT = System.out;
    private static final PrintStream ERR = System.err;
    private static final List<Runnable> HOOKS = new ArrayList<>();
    private static Integer status; // of the first exit of the tool that runs

    /** What a tool sees instead of the end of the process. Some catch and report it; that is not shown. */
    private static final class Exited extends Error {
        private static final long serialVersionUID = 1;
    }

    private ToolRunner() {}

    public static void main(String[] arguments) throws Exception {
        Exit.setExitProcedure(ToolRunner::exit);
        Exit.setHaltProcedure(ToolRunner::exit);
        Exit.setShutdownHookAdder((name, hook) -> HOOKS.add(hook));
        ObjectMapper json = new ObjectMapper();
        BufferedReader lines =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            OUT.println(json.writeValueAsString(run(json, json.readTree(line))));
            OUT.flush();
        }
        System.exit(0);
    }

    private static synchronized void exit(int code, String message) {
        if (status == null) {
            status = code;
            end();
            System.out.flush();
            System.err.flush();
            System.setOut(new PrintStream(OutputStream.nullOutputStream()));
            System.setErr(new PrintStream(OutputStream.nullOutputStream()));
        }
        throw new Exited();
    }

    /** What happens at the end of a process; some tools send or print what is left only then. */
    private static void end() {
        List<Runnable> hooks = new ArrayList<>(HOOKS);
        HOOKS.clear();
        for (Runnable hook : hooks) {
            Thread thread = new Thread(hook);
            thread.setDaemon(true);
            thread.start();
            try {
                thread.join(10_000); // a hook may wait for the very thread that ends
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        }
    }

    private static ObjectNode run(ObjectMapper json, JsonNode command) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        InputStream in = new ByteArrayInputStream(
                command.path("stdin").asText("").getBytes(StandardCharsets.UTF_8));
        List<String> args = new ArrayList<>();
        command.get("args").forEach(arg -> args.add(arg.asText()));
        System.setIn(in);
        System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
        HOOKS.clear();
        status = null;
        call(command.get("class").asText(), args.toArray(new String[0]));
        end();
        System.out.flush();
        System.err.flush();
        System.setOut(OUT);
        System.setErr(ERR);
        ObjectNode answer = json.createObjectNode();
        answer.put("exit", status == null ? 0 : status);
        answer.put("stdout", out.toString(StandardCharsets.UTF_8));
        answer.put("stderr", err.toString(StandardCharsets.UTF_8));
        return answer;
    }

    private static void call(String className, String[] args) throws Exception {
        try {
            Class.forName(className).getMethod("main", String[].class).invoke(null, (Object) args);
        } catch (InvocationTargetException e) {
            if (status == null) { // nobody caught it: so says the Java machine
                System.err.print("Exception in thread \"main\" ");
                e.getCause().printStackTrace();
                status = 1;
            }
        }
    }
}
