// SPDX-License-Identifier: MIT
#include "collect/collector.h"

#include <sys/resource.h>
#include "base/clock.h"
#include "process/process.h"
#include "profile_fixture.h"
#include "segment_fixture.h"

enum { NOBODY = 65534, MS = 1000000 };

static const pid_t no_pid = 0x3ffffff0;   // above any pid_max

// A process that does nothing until it is killed.
static pid_t start_sleeper(void)
{
    pid_t child = fork();
    if (child == 0)
        while (true)
            pause();
    TAP_REQUIRE(child > 0);
    return child;
}

static void end_sleeper(pid_t child)
{
    kill(child, SIGKILL);
    TAP_EQ_INT(waitpid(child, NULL, 0), child);
}

// One thread, one function, `calls` calls.
static segment segment_of(pid_t pid, uint64_t process_start, int64_t started_ns, uint64_t calls)
{
    segment s = segment_new();
    segment_header(&s)->pid = (uint32_t)pid;
    segment_header(&s)->process_start = process_start;
    segment_header(&s)->started_monotonic_ns = started_ns;
    segment_header(&s)->started_unix_ns = 1000000 + started_ns;
    segment_header(&s)->started_ticks = (uint64_t)started_ns;
    segment_seal_header(&s);
    segment_thread(&s, (op_segment_thread){.tid = (uint64_t)pid, .is_main = 1});
    segment_function(&s, 1, OP_SEGMENT_PYTHON, "f", "/app/main.py", 1);
    uint64_t edges = segment_chunk(&s, OP_SEGMENT_EDGE, 0, 0, 0, 1000);
    segment_edge(&s, edges, (op_segment_edge){.callee = 1, .calls = calls});
    return s;
}

static const char *in_folder(const char *folder, const char *name)
{
    static char paths[4][FIXTURE_PATH_BYTES];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, FIXTURE_PATH_BYTES, "%.300s/%.100s", folder, name);
    return path;
}

static void put_segment(const char *folder, const char *name, pid_t pid, uint64_t process_start, int64_t started_ns,
                        uint64_t calls)
{
    segment s = segment_of(pid, process_start, started_ns, calls);
    segment_write(&s, in_folder(folder, name));
    segment_free(&s);
}

static bool is_there(const char *folder, const char *name)
{
    struct stat facts;
    return lstat(in_folder(folder, name), &facts) == 0;
}

static uint64_t calls_in(const op_profile *profile)
{
    uint64_t calls = 0;
    for (size_t i = 0; i < profile->calls.count; i++)
        calls += profile->calls.items[i].calls;
    return calls;
}

// A collector in a folder of the test, and an empty profile.
static op_collector *begin(op_profile **profile)
{
    op_collector *collector = NULL;
    op_error error = {0};
    unsetenv("XDG_RUNTIME_DIR");
    setenv("TMPDIR", fixture_path(""), 1);
    TAP_REQUIRE(op_profile_new(profile) == OP_OK);
    TAP_REQUIRE(op_collector_new(&collector, &error) == OP_OK);
    return collector;
}

static void end(op_collector *collector, op_profile *profile)
{
    op_collector_free(collector);
    op_profile_free(profile);
    fixture_clean();
}

static void check_new_below(const char *parent)
{
    op_collector *collector = NULL;
    op_error error = {0};
    struct stat facts;
    TAP_EQ_INT(op_collector_new(&collector, &error), OP_OK);
    TAP_REQUIRE(collector != NULL);
    const char *folder = op_collector_folder(collector);
    TAP_EQ_BYTES(folder, strlen(parent), parent, strlen(parent));
    TAP_OK(lstat(folder, &facts) == 0 && S_ISDIR(facts.st_mode));
    TAP_EQ_INT(facts.st_mode & 07777, 0700);
    TAP_EQ_INT(facts.st_uid, geteuid());
    char copy[FIXTURE_PATH_BYTES];
    snprintf(copy, sizeof copy, "%s", folder);
    op_collector_free(collector);   // nothing was traced
    TAP_OK(lstat(copy, &facts) != 0);
}

TAP_TEST(a_new_folder_is_ours_alone)
{
    char runtime[FIXTURE_PATH_BYTES], other[FIXTURE_PATH_BYTES], temporary[FIXTURE_PATH_BYTES];
    snprintf(temporary, sizeof temporary, "%s", fixture_path("tmp"));
    snprintf(runtime, sizeof runtime, "%s", fixture_path("run"));
    snprintf(other, sizeof other, "%s", fixture_path("other"));
    TAP_REQUIRE(mkdir(temporary, 0700) == 0 && mkdir(runtime, 0700) == 0 && mkdir(other, 0700) == 0);
    setenv("TMPDIR", temporary, 1);
    setenv("XDG_RUNTIME_DIR", runtime, 1);
    check_new_below(runtime);
    umask(0777);
    check_new_below(runtime);
    umask(022);

    // Not ours alone, not there, not absolute: the next.
    TAP_REQUIRE(chmod(other, 0777) == 0);
    const char *const bad[] = {other, "/nowhere", "run", "", "/dev/null"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        setenv("XDG_RUNTIME_DIR", bad[i], 1);
        check_new_below(temporary);
    }
    if (geteuid() == 0) {
        TAP_REQUIRE(chown(runtime, NOBODY, NOBODY) == 0);
        setenv("XDG_RUNTIME_DIR", runtime, 1);
        check_new_below(temporary);
    }
    unsetenv("XDG_RUNTIME_DIR");
    setenv("TMPDIR", "nowhere", 1);
    check_new_below("/tmp/outpace-");
    fixture_clean();
}

TAP_TEST(no_folder_is_told)
{
    const char *parent = fixture_path("");
    setenv("TMPDIR", parent, 1);
    unsetenv("XDG_RUNTIME_DIR");
    op_collector *collector = NULL;
    op_error error = {0};
    for (int64_t after = 0; after < 2; after++) {
        op_alloc_fail_after(after);
        TAP_EQ_INT(op_collector_new(&collector, &error), OP_NO_MEMORY);
        op_alloc_fail_after(-1);
        TAP_OK(collector == NULL && error.status == OP_NO_MEMORY);
    }
    TAP_EQ_INT(rmdir(parent), 0);   // nothing was left in it
    // With descriptors used up none can be opened.
    TAP_REQUIRE(mkdir(parent, 0700) == 0);
    struct rlimit old;
    TAP_REQUIRE(getrlimit(RLIMIT_NOFILE, &old) == 0);
    struct rlimit limit = {.rlim_cur = 3, .rlim_max = old.rlim_max};
    TAP_REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    TAP_EQ_INT(op_collector_new(&collector, &error), OP_NO_OUTPUT);
    TAP_REQUIRE(setrlimit(RLIMIT_NOFILE, &old) == 0);
    TAP_OK(collector == NULL && strstr(error.message, "cannot make a folder") && strstr(error.hint, "TMPDIR"));
    TAP_EQ_INT(rmdir(parent), 0);
}

TAP_TEST(ended_processes_are_folded_while_others_run)
{
    op_profile *profile;
    op_collector *collector = begin(&profile);
    const char *folder = op_collector_folder(collector);
    const op_collector_stats *stats = op_collector_get_stats(collector);
    pid_t alive = start_sleeper(), other = start_sleeper();
    uint64_t start = op_process_start_ticks(alive);
    TAP_OK(start > 0);
    put_segment(folder, "1-1.segment", no_pid, 5, 10, 1);
    put_segment(folder, "2-1.segment", alive, start, 20, 10);
    put_segment(folder, "3-1.segment", alive, start - 1, 30, 100);   // another, whose id this one has now
    put_segment(folder, "4-1.segment", other, 0, 40, 1000);          // when it began is not known
    put_segment(folder, "5-1.segment", -1, 0, 50, 10000);
    TAP_EQ_INT(op_collector_poll(collector, profile, NULL), OP_OK);
    TAP_EQ_UINT(calls_in(profile), 10101);
    TAP_EQ_UINT(stats->processes, 3);
    TAP_OK(!is_there(folder, "1-1.segment") && !is_there(folder, "3-1.segment"));
    TAP_OK(is_there(folder, "2-1.segment") && is_there(folder, "4-1.segment"));
    TAP_EQ_INT(op_collector_poll(collector, profile, NULL), OP_OK);
    TAP_EQ_UINT(calls_in(profile), 10101);

    // A zombie has ended.
    kill(other, SIGKILL);
    while (op_process_is_alive(other))
        usleep(1000);
    TAP_EQ_INT(op_collector_poll(collector, profile, NULL), OP_OK);
    TAP_EQ_UINT(calls_in(profile), 11101);
    TAP_EQ_UINT(stats->running, 0);
    TAP_EQ_INT(waitpid(other, NULL, 0), other);

    TAP_EQ_INT(op_collector_finish(collector, profile, NULL), OP_OK);
    TAP_EQ_UINT(calls_in(profile), 11111);
    TAP_EQ_UINT(stats->processes, 5);
    TAP_EQ_UINT(stats->running, 1);
    TAP_EQ_UINT(stats->torn + stats->refused, 0);
    TAP_EQ_INT(stats->why.status, OP_OK);
    TAP_EQ_INT(op_profile_counter(profile, "traced_processes"), 5);
    struct stat facts;
    TAP_OK(lstat(folder, &facts) != 0);
    end_sleeper(alive);
    end(collector, profile);
}

TAP_TEST(rows_stand_in_the_order_of_time)
{
    op_profile *profile;
    op_collector *collector = begin(&profile);
    const char *folder = op_collector_folder(collector);
    static const int64_t starts[] = {500, 100, 400, 100, 300, 600};
    for (int i = 0; i < 6; i++) {
        char name[32];
        snprintf(name, sizeof name, "%d-1.segment", i + 1);
        put_segment(folder, name, no_pid + i, 5, starts[i], 1);
    }
    op_collector_set_start(collector, 50, 7);
    TAP_EQ_INT(op_collector_start_unix_ns(collector), 7);
    TAP_EQ_INT(op_collector_finish(collector, profile, NULL), OP_OK);
    static const int expected[] = {1, 3, 4, 2, 0, 5};
    TAP_REQUIRE(profile->processes.count == 6);
    for (int i = 0; i < 6; i++) {
        TAP_EQ_INT(profile->processes.items[i].pid, no_pid + expected[i]);
        TAP_EQ_INT(profile->processes.items[i].started_ns, starts[expected[i]] - 50);
    }
    end(collector, profile);
}

TAP_TEST(what_is_no_segment_of_ours_is_refused_and_said)
{
    op_profile *profile;
    op_collector *collector = begin(&profile);
    const char *folder = op_collector_folder(collector);
    const op_collector_stats *stats = op_collector_get_stats(collector);
    char outside[FIXTURE_PATH_BYTES];
    snprintf(outside, sizeof outside, "%s", fixture_path("9-9.segment"));
    put_segment(fixture_path(""), "9-9.segment", no_pid, 5, 10, 1000);
    TAP_EQ_INT(symlink(outside, in_folder(folder, "1-1.segment")), 0);
    segment_write_bytes(in_folder(folder, "2-1.segment"), "hello", 5);   // too short: torn
    segment s = segment_of(no_pid, 5, 10, 100);
    segment_header(&s)->version++;
    segment_write(&s, in_folder(folder, "3-1.segment"));
    segment_free(&s);
    put_segment(folder, "4-1.segment", no_pid, 5, 10, 10);
    TAP_EQ_INT(chmod(in_folder(folder, "4-1.segment"), 0666), 0);
    TAP_EQ_INT(mkfifo(in_folder(folder, "5-1.segment"), 0600), 0);
    put_segment(folder, "6-1.segment", no_pid, 5, 10, 1);
    static const char *const names[] = {"6.segment",    "-1.segment", "6-1.segment~", "6-1segment",
                                        "a6-1.segment", "6-.segment", "notes"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        put_segment(folder, names[i], no_pid, 5, 10, 7);
    char longest[200];
    memset(longest, '1', sizeof longest);
    snprintf(longest + 90, sizeof longest - 90, "-1.segment");
    put_segment(folder, longest, no_pid, 5, 10, 7);

    TAP_EQ_INT(op_collector_poll(collector, profile, NULL), OP_OK);
    TAP_EQ_UINT(stats->processes, 1);
    TAP_EQ_UINT(stats->refused + stats->torn, 0);   // they may become whole
    TAP_OK(is_there(folder, "2-1.segment"));
    TAP_EQ_INT(op_collector_finish(collector, profile, NULL), OP_OK);
    TAP_EQ_UINT(calls_in(profile), 1);
    TAP_EQ_UINT(stats->processes, 1);
    TAP_EQ_UINT(stats->torn, 1);
    TAP_EQ_UINT(stats->refused, 4);
    TAP_OK(stats->why.status != OP_OK && stats->why.message[0] && stats->why.hint[0]);
    TAP_EQ_INT(op_profile_counter(profile, "refused_segments"), 4);
    TAP_EQ_INT(op_profile_counter(profile, "torn_segments"), 1);
    struct stat facts;
    TAP_OK(lstat(folder, &facts) != 0);
    TAP_OK(lstat(outside, &facts) == 0);   // what a link led to
    end(collector, profile);
}

TAP_TEST(a_folder_that_cannot_be_removed_counts_once)
{
    op_profile *profile;
    op_collector *collector = begin(&profile);
    const char *folder = op_collector_folder(collector);
    TAP_EQ_INT(mkdir(in_folder(folder, "1-1.segment"), 0700), 0);
    put_segment(folder, "2-1.segment", no_pid, 5, 10, 1);
    TAP_EQ_INT(op_collector_finish(collector, profile, NULL), OP_OK);
    TAP_EQ_UINT(op_collector_get_stats(collector)->refused, 1);
    TAP_EQ_UINT(calls_in(profile), 1);
    TAP_OK(is_there(folder, "1-1.segment"));
    end(collector, profile);
}

TAP_TEST(a_torn_segment_gives_what_is_whole)
{
    op_profile *profile;
    op_collector *collector = begin(&profile);
    const char *folder = op_collector_folder(collector);
    const op_collector_stats *stats = op_collector_get_stats(collector);
    put_segment(folder, "1-1.segment", no_pid, 5, 10, 3);
    TAP_EQ_INT(truncate(in_folder(folder, "1-1.segment"), 4 * OP_SEGMENT_PAGE_BYTES - 8), 0);
    TAP_EQ_INT(op_collector_poll(collector, profile, NULL), OP_OK);
    TAP_EQ_UINT(calls_in(profile), 3);
    TAP_EQ_UINT(stats->processes, 1);
    TAP_EQ_UINT(stats->torn, 1);
    TAP_EQ_INT(stats->why.status, OP_TORN_SEGMENT);
    TAP_OK(strstr(stats->why.message, "1-1.segment") != NULL);
    end(collector, profile);
}

TAP_TEST(a_folder_that_was_left_behind_is_folded)
{
    char folder[FIXTURE_PATH_BYTES];
    snprintf(folder, sizeof folder, "%s", fixture_path("left"));
    TAP_REQUIRE(mkdir(folder, 0700) == 0);
    put_segment(folder, "1-1.segment", no_pid, 5, 900, 1);
    put_segment(folder, "2-1.segment", no_pid, 5, 300, 10);
    put_segment(folder, "3-1.segment", no_pid, 5, 700, 100);
    op_collector *collector = NULL;
    op_profile *profile = NULL;
    TAP_REQUIRE(op_profile_new(&profile) == OP_OK);
    TAP_REQUIRE(op_collector_open(folder, &collector, NULL) == OP_OK);
    TAP_EQ_STR(op_collector_folder(collector), folder);
    TAP_EQ_INT(op_collector_start_unix_ns(collector), 1000300);
    TAP_EQ_INT(op_collector_finish(collector, profile, NULL), OP_OK);
    TAP_EQ_UINT(calls_in(profile), 111);
    TAP_EQ_INT(profile->processes.items[0].started_ns, 0);
    TAP_EQ_INT(profile->processes.items[2].started_ns, 600);
    struct stat facts;
    TAP_OK(lstat(folder, &facts) != 0);
    op_collector_free(collector);

    // What is not ours stays, whatever it is.
    TAP_REQUIRE(mkdir(folder, 0700) == 0);
    put_segment(folder, "1-1.segment", no_pid, 5, 900, 1);
    segment s = segment_of(no_pid, 5, 10, 100);
    segment_header(&s)->magic[0] = 'x';
    segment_write(&s, in_folder(folder, "2-1.segment"));
    segment_free(&s);
    segment_write_bytes(in_folder(folder, "letter.txt"), "dear", 4);
    TAP_REQUIRE(op_collector_open(folder, &collector, NULL) == OP_OK);
    TAP_EQ_INT(op_collector_finish(collector, profile, NULL), OP_OK);
    TAP_EQ_UINT(calls_in(profile), 112);
    TAP_EQ_UINT(op_collector_get_stats(collector)->refused, 1);
    TAP_OK(!is_there(folder, "1-1.segment") && is_there(folder, "2-1.segment") && is_there(folder, "letter.txt"));
    end(collector, profile);
}

TAP_TEST(a_folder_of_others_is_refused)
{
    char folder[FIXTURE_PATH_BYTES];
    op_collector *collector = NULL;
    op_error error = {0};
    snprintf(folder, sizeof folder, "%s", fixture_path("left"));
    TAP_EQ_INT(op_collector_open(folder, &collector, &error), OP_NO_FILE);
    segment_write_bytes(folder, "", 0);
    TAP_EQ_INT(op_collector_open(folder, &collector, &error), OP_NO_FILE);
    unlink(folder);
    TAP_REQUIRE(mkdir(folder, 0700) == 0);
    static const mode_t modes[] = {0710, 0701, 0770, 0707, 0755};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        TAP_REQUIRE(chmod(folder, modes[i]) == 0);
        TAP_EQ_INT(op_collector_open(folder, &collector, &error), OP_FOREIGN_FILE);
        TAP_OK(strstr(error.message, folder) && error.hint[0]);
    }
    TAP_REQUIRE(chmod(folder, 0700) == 0);
    for (int64_t after = 0; after < 2; after++) {
        op_alloc_fail_after(after);
        TAP_EQ_INT(op_collector_open(folder, &collector, &error), OP_NO_MEMORY);
        op_alloc_fail_after(-1);
    }
    if (geteuid() == 0) {
        TAP_REQUIRE(chown(folder, NOBODY, NOBODY) == 0);
        TAP_EQ_INT(op_collector_open(folder, &collector, &error), OP_FOREIGN_FILE);
    }
    TAP_OK(collector == NULL);
    fixture_clean();
}

TAP_TEST(what_cannot_be_read_now_stays)
{
    op_profile *profile;
    op_collector *collector = begin(&profile);
    const char *folder = op_collector_folder(collector);
    put_segment(folder, "1-1.segment", no_pid, 5, 10, 1);
    op_error error = {0};
    struct rlimit old, limit;
    TAP_REQUIRE(getrlimit(RLIMIT_NOFILE, &old) == 0);
    int next = dup(0);
    close(next);
    limit = (struct rlimit){.rlim_cur = (rlim_t)next + 1, .rlim_max = old.rlim_max};   // one for the listing
    TAP_REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    TAP_EQ_INT(op_collector_finish(collector, profile, &error), OP_SYSTEM);
    TAP_OK(strstr(error.message, "1-1.segment") && strstr(error.hint, folder));
    limit.rlim_cur = (rlim_t)next;   // none
    TAP_REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    TAP_EQ_INT(op_collector_poll(collector, profile, &error), OP_SYSTEM);
    TAP_REQUIRE(setrlimit(RLIMIT_NOFILE, &old) == 0);
    TAP_OK(is_there(folder, "1-1.segment"));
    TAP_EQ_INT(op_collector_finish(collector, profile, &error), OP_OK);
    TAP_EQ_UINT(calls_in(profile), 1);
    TAP_OK(!is_there(folder, "1-1.segment"));
    end(collector, profile);
}

TAP_TEST(out_of_memory_keeps_the_segments)
{
    for (int64_t after = 0;; after++) {
        op_profile *profile, *later = NULL;
        op_error error = {0};
        op_collector *collector = begin(&profile), *second = NULL;
        char folder[FIXTURE_PATH_BYTES];
        snprintf(folder, sizeof folder, "%s", op_collector_folder(collector));
        put_segment(folder, "1-1.segment", no_pid, 5, 10, 1);
        op_alloc_fail_after(after);
        op_status status = op_collector_finish(collector, profile, &error);
        op_alloc_fail_after(-1);
        bool folded = op_collector_get_stats(collector)->processes == 1;
        TAP_OK(status == OP_OK || (status == OP_NO_MEMORY && error.status == OP_NO_MEMORY));
        TAP_EQ_INT(is_there(folder, "1-1.segment"), !folded);
        bool begun = profile->processes.count > 0;
        if (status != OP_OK && !folded && begun) {
            TAP_EQ_INT(op_collector_finish(collector, profile, &error), OP_NO_MEMORY);   // never counted twice
            TAP_REQUIRE(op_profile_new(&later) == OP_OK && op_collector_open(folder, &second, NULL) == OP_OK);
            TAP_EQ_INT(op_collector_finish(second, later, NULL), OP_OK);
            TAP_EQ_UINT(calls_in(later), 1);
            op_collector_free(second);
            op_profile_free(later);
        }
        op_collector_free(collector);
        op_profile_free(profile);
        if (status == OP_OK) {
            TAP_OK(after > 10);
            break;
        }
    }
    fixture_clean();
}

// The processor's counter: what took 60 ms by the clock took it by the ticks.
TAP_TEST(ticks_are_told_by_both_clocks)
{
    op_profile *profile;
    op_collector *collector = begin(&profile);
    uint64_t begin_ticks, end_ticks;
    int64_t begin_ns, end_ns;
    op_clock_read_both(&begin_ticks, &begin_ns);
    op_clock_sleep_until_ns(begin_ns + 60 * MS);
    op_clock_read_both(&end_ticks, &end_ns);
    segment s = segment_new();
    segment_header(&s)->pid = (uint32_t)no_pid;
    segment_header(&s)->ticks_are_ns = 0;
    segment_header(&s)->started_monotonic_ns = begin_ns;
    segment_header(&s)->started_ticks = begin_ticks;
    segment_seal_header(&s);
    segment_thread(&s, (op_segment_thread){.tid = 1, .started_ticks = begin_ticks, .last_ticks = end_ticks});
    segment_function(&s, 1, OP_SEGMENT_PYTHON, "f", "/app/main.py", 1);
    uint64_t edges = segment_chunk(&s, OP_SEGMENT_EDGE, 0, 0, 0, 1000);
    segment_edge(&s, edges, (op_segment_edge){.callee = 1, .calls = 1, .own = end_ticks - begin_ticks});
    op_collector_set_start(collector, begin_ns - 5, 0);
    segment_write(&s, in_folder(op_collector_folder(collector), "1-1.segment"));
    TAP_EQ_INT(op_collector_finish(collector, profile, NULL), OP_OK);
    TAP_REQUIRE(profile->calls.count == 1);
    double expected = (double)(end_ns - begin_ns), tolerance = expected / 1000;
    TAP_NEAR((double)profile->calls.items[0].own_ns, expected, tolerance);
    TAP_EQ_INT(profile->threads.items[0].started_ns, 5);
    TAP_NEAR((double)profile->threads.items[0].ended_ns, expected + 5, tolerance);
    segment_free(&s);
    end(collector, profile);
}

TAP_MAIN()
