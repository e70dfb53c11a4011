package bench;

import java.io.File;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * What the suite was told.
 *
 * @param keyfold the command line, release build.
 * @param rust the suites in Rust: one figure of theirs is the limit of what can be reached.
 * @param out where kotlin.json goes.
 * @param quick whether to measure for a moment only.
 * @param rounds how often each subject is measured.
 */
record Setup(Path keyfold, Path rust, Path out, boolean quick, int rounds) {
    static Setup of(String[] words) {
        Map<String, Path> paths = new java.util.HashMap<>();
        boolean quick = false;
        int rounds = 0;
        for (int i = 0; i < words.length; i++) {
            if (words[i].equals("--quick")) quick = true;
            else if (words[i].equals("--rounds")) rounds = Integer.parseInt(words[++i]);
            else paths.put(words[i], Path.of(words[++i]));
        }
        return new Setup(
                paths.get("--keyfold"),
                paths.get("--rust"),
                paths.get("--out"),
                quick,
                rounds > 0 ? rounds : quick ? 1 : 3);
    }

    /** A command that runs a class of the suite in a JVM of its own. */
    static List<String> java(Class<?> main, List<String> options, String... words) {
        String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        List<String> command = new ArrayList<>(List.of(java));
        command.addAll(options);
        String path = System.getProperty("java.class.path");
        command.addAll(List.of("-cp", path, main.getName()));
        command.addAll(Arrays.asList(words));
        return command;
    }

    /** Runs a command and answers the last line that it prints. */
    static String run(List<String> command, Map<String, String> environment)
            throws IOException, InterruptedException {
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.environment().putAll(environment);
        builder.redirectInput(ProcessBuilder.Redirect.from(new File(NOTHING)));
        builder.redirectError(ProcessBuilder.Redirect.INHERIT);
        Process process = builder.start();
        String said = new String(process.getInputStream().readAllBytes()).strip();
        int status = process.waitFor();
        if (status != 0) throw new IOException(status + " from " + command);
        return said.substring(said.lastIndexOf('\n') + 1);
    }

    private static final String NOTHING = File.separatorChar == '/' ? "/dev/null" : "NUL";

    /** The middle of some values. */
    static double median(List<Double> values) {
        return values.stream().sorted().skip(values.size() / 2).findFirst().orElseThrow();
    }
}
