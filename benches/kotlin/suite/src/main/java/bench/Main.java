package bench;

/**
 * keyfold's library for Kotlin and Java beside its peers: {@code cargo xtask bench kotlin}.
 *
 * <p>Everything that is compared is measured in turns in one run, as in the suites in Rust.
 */
final class Main {
    private Main() {}

    /**
     * Words: {@code --keyfold}, {@code --rust}, {@code --out}, each with a path; {@code --quick};
     * {@code --rounds} with a number.
     */
    public static void main(String[] words) throws Exception {
        Setup setup = Setup.of(words);
        System.out.printf(
                "Java %s, %s, %d processors, %s%n",
                System.getProperty("java.version"),
                System.getProperty("java.vm.name"),
                Runtime.getRuntime().availableProcessors(),
                System.getProperty("os.arch"));
        Report report = new Report();
        new Messages(setup, report).measure();
        Cold.measure(setup, report);
        Documents.measure(setup, report);
        report.note(
                "the JVM's own start is in no figure; the command line is measured as a whole"
                        + " process");
        if (setup.quick()) report.note("measured for a moment only: no figures to quote");
        report.publish(setup.out());
    }
}
