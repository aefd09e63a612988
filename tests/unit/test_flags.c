// SPDX-License-Identifier: MIT
#include "cli/flag_table.h"
#include "cli/flags.h"
#include "cli/suggest.h"
#include "tap.h"

enum { MAX_WORDS = 32 };

static op_flags flags;
static op_error error;
static char *words[MAX_WORDS];

// Parses the words of `line`, parted by single spaces. "''" is the empty word.
static op_status parse(const char *line)
{
    static char copy[1024];
    int count = 0;
    snprintf(copy, sizeof copy, "outpace %s", line);
    for (char *at = strtok(copy, " "); at != NULL && count < MAX_WORDS; at = strtok(NULL, " ")) {
        words[count++] = strcmp(at, "''") == 0 ? at + 2 : at;
    }
    memset(&flags, 0, sizeof flags);
    memset(&error, 0, sizeof error);
    return op_flags_parse(count, words, &flags, &error);
}

// Whether it is refused with one message and one hint, in which these texts stand.
static bool refuses(const char *line, const char *message, const char *hint)
{
    bool good = parse(line) == OP_USAGE && error.status == OP_USAGE && strstr(error.message, message) != NULL &&
                strstr(error.hint, hint) != NULL;
    if (!good) {
        TAP_NOTE("'%s' gave '%s' / '%s'", line, error.message, error.hint);
    }
    return good;
}

TAP_TEST(record_defaults)
{
    TAP_EQ_INT(parse("record app"), OP_OK);
    TAP_EQ_INT(flags.verb, OP_VERB_RECORD);
    TAP_NEAR(flags.rate_hz, 1000, 0);
    TAP_EQ_INT(flags.duration_ns, 0);
    TAP_EQ_INT(flags.mode, OP_MODE_WALL);
    TAP_OK(!flags.idle && !flags.no_children && !flags.by_thread && !flags.by_function && !flags.no_lines);
    TAP_OK(flags.output == NULL && flags.format == NULL && flags.python == NULL && flags.module == NULL);
}

TAP_TEST(long_and_short_forms)
{
    static const char *const forms[] = {
        "record --output a.svg --format svg --rate 250 --duration 1.5 --pid 42 --threads --function --nolineno",
        "record --output=a.svg --format=svg --rate=250 --duration=1.5 --pid=42 --threads --function --nolineno",
        "record -o a.svg -f svg -r 250 -d 1.5 -p 42 -t -F --nolineno",
        "record -oa.svg -fsvg -r250 -d1.5 -p42 -tF --nolineno",
        "record -o=a.svg -f=svg -r=250 -d=1.5 -p=42 -Ft --nolineno",
        "record --nolineno -tFr250 -d 0.0000015e6 -oa.svg -fsvg -p42",
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        TAP_EQ_INT(parse(forms[i]), OP_OK);
        TAP_EQ_STR(flags.output, "a.svg");
        TAP_EQ_STR(flags.format, "svg");
        TAP_NEAR(flags.rate_hz, 250, 0);
        TAP_EQ_INT(flags.duration_ns, 1500000000);
        TAP_EQ_INT(flags.pid, 42);
        TAP_OK(flags.by_thread && flags.by_function && flags.no_lines);
    }
}

TAP_TEST(the_command_begins_at_the_first_operand)
{
    TAP_EQ_INT(parse("record -t python -o x -r 5 --help"), OP_OK);
    TAP_OK(flags.by_thread && flags.output == NULL && !flags.help);
    TAP_EQ_UINT(flags.rest_count, 6);
    TAP_EQ_STR(flags.rest[0], "python");
    TAP_EQ_STR(flags.rest[5], "--help");
    TAP_EQ_INT(parse("run -- -odd --name"), OP_OK);
    TAP_EQ_UINT(flags.rest_count, 2);
    TAP_EQ_STR(flags.rest[0], "-odd");
    TAP_EQ_INT(parse("record -- sh -- -c"), OP_OK);
    TAP_EQ_UINT(flags.rest_count, 3);
    TAP_EQ_STR(flags.rest[1], "--");
}

TAP_TEST(a_module_ends_the_options)
{
    TAP_EQ_INT(parse("run -r 10 -m http.server -d 5 -- x"), OP_OK);
    TAP_EQ_STR(flags.module, "http.server");
    TAP_EQ_INT(flags.duration_ns, 0);
    TAP_EQ_UINT(flags.rest_count, 4);
    TAP_EQ_STR(flags.rest[0], "-d");
    TAP_EQ_INT(parse("run --module=timeit -n 5"), OP_OK);
    TAP_EQ_STR(flags.module, "timeit");
    TAP_EQ_UINT(flags.rest_count, 2);
    TAP_EQ_INT(parse("run -mtimeit"), OP_OK);
    TAP_EQ_STR(flags.module, "timeit");
    TAP_EQ_UINT(flags.rest_count, 0);
}

TAP_TEST(report_takes_options_behind_its_file)
{
    TAP_EQ_INT(parse("report a.outpace -f svg -o b.svg --sort total --top 5 --thread Main --json"), OP_USAGE);
    TAP_EQ_INT(parse("report a.outpace -f svg -o b.svg --sort total --top 5 --thread Main"), OP_OK);
    TAP_EQ_UINT(flags.rest_count, 1);
    TAP_EQ_STR(flags.rest[0], "a.outpace");
    TAP_EQ_INT(flags.sort, OP_SORT_TOTAL);
    TAP_EQ_INT(flags.top, 5);
    TAP_EQ_STR(flags.thread, "Main");
    TAP_EQ_INT(parse("report --json -- -a.outpace"), OP_OK);
    TAP_EQ_STR(flags.rest[0], "-a.outpace");
}

TAP_TEST(json_is_a_file_for_run_and_a_switch_elsewhere)
{
    TAP_EQ_INT(parse("run --json a.json --report b.txt x.py"), OP_OK);
    TAP_EQ_STR(flags.json_path, "a.json");
    TAP_EQ_STR(flags.report_path, "b.txt");
    TAP_OK(!flags.json);
    TAP_EQ_INT(parse("dump --json -p 1"), OP_OK);
    TAP_OK(flags.json && flags.json_path == NULL);
}

TAP_TEST(help_and_version_need_nothing_else)
{
    TAP_EQ_INT(parse("--version"), OP_OK);
    TAP_OK(flags.version);
    TAP_EQ_INT(parse("-V"), OP_OK);
    TAP_OK(flags.version);
    TAP_EQ_INT(parse("record --help"), OP_OK);
    TAP_OK(flags.help && flags.verb == OP_VERB_RECORD);
    TAP_EQ_INT(parse("--help"), OP_OK);
    TAP_OK(flags.help && flags.verb == OP_VERB_NONE);
    TAP_EQ_INT(parse("help dump"), OP_OK);
    TAP_EQ_INT(flags.verb, OP_VERB_HELP);
    TAP_OK(refuses("help dmup", "dmup", "outpace dump"));
}

TAP_TEST(wrong_rates)
{
    static const char *const bad[] = {
        "0",       "-1",  "''",    "nan", "inf",   "0x10", "1e7",
        "1000001", "1,5", "ten",   "1 ",  "1e",    ".",    "-",
        "1e-",     "--",  "1.2.3", "+-1", "1e400", "0e5",  "99999999999999999999999999999999999999999999"};
    char line[128];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (strcmp(bad[i], "1 ") == 0) {
            continue;   // the splitter of this test drops spaces
        }
        snprintf(line, sizeof line, "record -r %s app", bad[i]);
        TAP_OK(refuses(line, "--rate must be a number above 0", "-r 1000"));
    }
    TAP_EQ_INT(parse("record -r 1e6 app"), OP_OK);
    TAP_NEAR(flags.rate_hz, 1e6, 0);
    TAP_EQ_INT(parse("record -r .5 app"), OP_OK);
    TAP_NEAR(flags.rate_hz, 0.5, 0);
}

TAP_TEST(wrong_durations)
{
    static const char *const bad[] = {"0", "-1", "-0.5", "''", "1e10", "1s", "inf", "NaN"};
    char line[128];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(line, sizeof line, "record -d %s app", bad[i]);
        TAP_OK(refuses(line, "--duration must be a number of seconds above 0", "-d 10"));
    }
    TAP_EQ_INT(parse("record -d 1e-12 app"), OP_OK);
    TAP_EQ_INT(flags.duration_ns, 1);   // 0 would mean for ever
    TAP_EQ_INT(parse("record -d 1e9 app"), OP_OK);
    TAP_EQ_INT(flags.duration_ns, 1000000000000000000);
}

TAP_TEST(wrong_process_ids)
{
    TAP_OK(refuses("record -p 0", "--pid must be a process id", "ps"));
    TAP_OK(refuses("record -p -5", "--pid must be a process id", "ps"));
    TAP_OK(refuses("record -p 12x", "--pid must be a process id", "ps"));
    TAP_OK(refuses("record -p 4194305", "--pid must be a process id", "ps"));
    TAP_OK(refuses("record -p 99999999999999999999", "--pid must be a process id", "ps"));
    TAP_OK(refuses("record -p", "--pid needs a value", "--pid PID"));
    TAP_OK(refuses("dump", "no process id", "outpace dump -p PID"));
    TAP_OK(refuses("dump 77", "unexpected argument '77'", "outpace dump -p 77"));
}

TAP_TEST(wrong_choices)
{
    TAP_OK(refuses("record --mode gpu app", "--mode must be wall or cpu", "processor"));
    TAP_OK(refuses("report --sort name a", "--sort must be own or total", "own:"));
    TAP_OK(refuses("report --top 0 a", "--top must be a whole number", "--top 20"));
    TAP_OK(refuses("record -o '' app", "the value of --output is empty", "--output FILE"));
    TAP_OK(refuses("record --idle=yes app", "--idle takes no value", "--idle alone"));
    TAP_OK(refuses("report --json -f svg a", "contradict", "-f json"));
}

TAP_TEST(wrong_wholes)
{
    TAP_OK(refuses("record", "nothing to record", "-p PID"));
    TAP_OK(refuses("record --", "nothing to record", "-p PID"));
    TAP_OK(refuses("record -p 1 app", "both a process id and a command", "either"));
    TAP_OK(refuses("record -p 1 -m app", "both a process id and a command", "either"));
    TAP_OK(refuses("run", "nothing to run", "outpace run app.py"));
    TAP_OK(refuses("report", "no profile file", "report profile.outpace"));
    TAP_OK(refuses("report a b", "more than one", "report profile.outpace"));
    TAP_OK(refuses("''", "unknown verb ''", "record, report, dump, run, trace and lines"));
    TAP_OK(refuses("", "no verb was given", "outpace run app.py"));
}

TAP_TEST(the_nearest_name_is_suggested)
{
    TAP_OK(refuses("record --ouput x app", "unknown option '--ouput' of record", "did you mean --output?"));
    TAP_OK(refuses("record --dur 1 app", "unknown option '--dur'", "outpace record --help"));
    TAP_OK(refuses("record --durat=1 app", "unknown option '--durat' of record", "did you mean --duration?"));
    TAP_OK(refuses("record --native app", "unknown option '--native'", "outpace record --help"));
    TAP_OK(refuses("record --sort own app", "unknown option '--sort' of record", "belongs to 'outpace report'"));
    TAP_OK(refuses("record -x app", "unknown option '-x'", "outpace record --help"));
    TAP_OK(refuses("record -tx app", "unknown option '-x'", "outpace record --help"));
    TAP_OK(refuses("reocrd app", "unknown verb 'reocrd'", "'outpace record'"));
    TAP_OK(refuses("app.py", "unknown verb 'app.py'", "outpace run app.py"));
    TAP_OK(refuses("--vresion", "unknown option '--vresion'", "--version"));
}

TAP_TEST(suggestions_are_bounded)
{
    static char huge[100000];
    memset(huge, 'x', sizeof huge - 1);
    op_suggestion near = op_suggestion_start(huge, sizeof huge - 1);
    op_suggestion_try(&near, "record", "record");
    op_suggestion_try(&near, huge, huge);
    TAP_OK(near.best == NULL);
    char *argv[] = {huge, huge, NULL};
    TAP_EQ_INT(op_flags_parse(2, argv, &flags, &error), OP_USAGE);
    TAP_OK(strlen(error.message) < OP_ERROR_TEXT_BYTES);
}

TAP_TEST(no_arguments_at_all)
{
    char *argv[] = {NULL};
    TAP_EQ_INT(op_flags_parse(0, argv, &flags, &error), OP_USAGE);
    TAP_EQ_INT(op_flags_parse(0, argv, &flags, NULL), OP_USAGE);
}

TAP_TEST(the_table_is_sound)
{
    for (const op_flag *a = op_flag_table; a->name != NULL; a++) {
        TAP_OK((a->value == NULL) == (a->kind == OP_FLAG_SWITCH));
        TAP_OK(a->verbs != 0 && a->help[0] != '\0');
        for (const op_flag *b = a + 1; b->name != NULL; b++) {
            bool meet = (a->verbs & b->verbs) != 0;
            TAP_OK(!meet || strcmp(a->name, b->name) != 0);
            TAP_OK(!meet || a->letter == '\0' || a->letter != b->letter);
        }
    }
}

TAP_TEST(help_names_every_flag_and_fits)
{
    for (op_verb verb = OP_VERB_NONE; verb < OP_VERB_COUNT; verb++) {
        op_buffer out;
        op_buffer_init(&out);
        op_flags_help(verb, &out);
        const char *text = op_buffer_text(&out);
        TAP_REQUIRE(text != NULL);
        for (const op_flag *flag = op_flag_table; flag->name != NULL; flag++) {
            char dashed[64];
            snprintf(dashed, sizeof dashed, "--%s", flag->name);
            TAP_OK((flag->verbs >> verb & 1U) == 0 || strstr(text, dashed) != NULL);
        }
        for (const char *line = text; *line != '\0';
             line += strcspn(line, "\n") + (line[strcspn(line, "\n")] != 0)) {
            TAP_OK(strcspn(line, "\n") <= 100);
        }
        op_buffer_fini(&out);
    }
}

TAP_TEST(the_man_page_is_roff)
{
    op_buffer out;
    op_buffer_init(&out);
    op_flags_man(&out);
    const char *text = op_buffer_text(&out);
    TAP_REQUIRE(text != NULL);
    TAP_OK(strncmp(text, ".TH OUTPACE 1", 13) == 0);
    TAP_OK(strstr(text, "\n.SH EXIT STATUS\n") != NULL);
    TAP_OK(strstr(text, "\\fB\\-r\\fR, \\fB\\-\\-rate\\fR \\fIHZ\\fR") != NULL);
    TAP_OK(strstr(text, "outpace man") == NULL);
    op_buffer_fini(&out);
}

TAP_TEST(trace_and_lines)
{
    TAP_EQ_INT(parse("trace -s ncalls --top 5 --no-builtins --counts -v -o a.prof app.py -o x"), OP_OK);
    TAP_OK(flags.verb == OP_VERB_TRACE && flags.no_builtins && flags.counts && flags.view && flags.top == 5);
    TAP_EQ_STR(flags.sort_key, "ncalls");
    TAP_EQ_UINT(flags.rest_count, 3);
    TAP_EQ_INT(parse("lines -lvz -u 1e-3 -p a,b -p=c.py --function m:f --hot -d 0.5 -m app -v"), OP_OK);
    TAP_OK(flags.verb == OP_VERB_LINES && flags.line_by_line && flags.view && flags.skip_zero && flags.hot);
    TAP_OK(flags.unit_seconds > 0.00099 && flags.unit_seconds < 0.00101);
    TAP_REQUIRE(flags.modules.count == 2 && flags.functions.count == 1);
    TAP_EQ_STR(flags.modules.items[0], "a,b");
    TAP_EQ_STR(flags.modules.items[1], "c.py");
    TAP_EQ_STR(flags.functions.items[0], "m:f");
    TAP_EQ_STR(flags.module, "app");
    TAP_OK(refuses("trace", "nothing to trace", "outpace trace app.py"));
    TAP_OK(refuses("lines -p '' app.py", "the value of --prof-mod is empty", "--prof-mod MODULE"));
    TAP_OK(refuses("lines --function f app.py", "--function must be MODULE:NAME, not 'f'", "__main__:main"));
    TAP_OK(refuses("lines -u -1 app.py", "--unit must be a number of seconds", "-u 1e-3"));
}

TAP_TEST(a_list_has_an_end)
{
    static char program[] = "outpace", verb[] = "lines", flag[] = "-pmodule";
    char *many[OP_FLAGS_MAX_LIST + 3] = {program, verb};
    int count = 2;
    for (int i = 0; i <= OP_FLAGS_MAX_LIST; i++) {
        many[count++] = flag;
    }
    TAP_EQ_INT(op_flags_parse(count, many, &flags, &error), OP_USAGE);
    TAP_OK(strstr(error.message, "--prof-mod was given more than 64 times") != NULL);
}

TAP_MAIN()
