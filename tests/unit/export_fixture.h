// SPDX-License-Identifier: MIT
// Profiles made by hand, for the tests of the room `export`.
#ifndef OP_TESTS_EXPORT_FIXTURE_H
#define OP_TESTS_EXPORT_FIXTURE_H

#include <string.h>
#include "base/memory.h"
#include "profile/profile.h"
#include "tap.h"

// Control characters, bidi, quotes, separators, what ends CDATA, and bytes that are no UTF-8.
#define FIXTURE_HOSTILE "a;b\"<c>&'\n\x1b[31m\xe2\x80\xae]]>\xff\\"

enum { FIXTURE_MS = 1000000 };

static inline op_profile *fixture_new(void)
{
    op_profile *profile = NULL;
    TAP_REQUIRE(op_profile_new(&profile) == OP_OK);
    return profile;
}

static inline void fixture_set_run(op_profile *profile)
{
    profile->run = (op_run){
        .command = op_profile_string(profile, "python app.py --size 10"),
        .host = op_profile_string(profile, "desk"),
        .tool_version = op_profile_string(profile, "0.1.0"),
        .started_unix_ns = INT64_C(1735689600000000000),   // 2025-01-01 00:00:00 UTC
        .duration_ns = INT64_C(10000000000),
        .asked_rate_hz = 1000,
        .mode = OP_MODE_WALL,
        .complete = true,
    };
}

static inline op_id fixture_process(op_profile *profile, int64_t pid, const char *command)
{
    op_process_row row = {
        .pid = pid,
        .command = op_profile_string(profile, command),
        .executable = op_profile_string(profile, "/usr/bin/python3.13"),
        .python = op_profile_string(profile, "3.13.0"),
    };
    return op_profile_add_process(profile, &row);
}

static inline op_id fixture_thread(op_profile *profile, op_id process, int64_t tid, const char *name)
{
    op_thread_row row = {.process = process, .tid = tid, .name = op_profile_string(profile, name)};
    row.is_main = strcmp(name, "MainThread") == 0;
    return op_profile_add_thread(profile, &row);
}

static inline op_id fixture_frame(op_profile *profile, const char *name, const char *file, uint32_t first_line,
                                  uint32_t line)
{
    op_function function = {
        .kind = OP_FRAME_PYTHON,
        .name = op_profile_string(profile, name),
        .file = op_profile_string(profile, file),
        .first_line = first_line,
    };
    return op_profile_add_frame(profile, (op_frame){op_profile_add_function(profile, &function), line});
}

static inline op_id fixture_label(op_profile *profile, op_frame_kind kind)
{
    op_function function = {.kind = kind};
    return op_profile_add_frame(profile, (op_frame){op_profile_add_function(profile, &function), 0});
}

// Root first.
static inline op_id fixture_stack(op_profile *profile, const op_id *frames, size_t count)
{
    op_id stack = 0;
    for (size_t i = 0; i < count; i++) {
        stack = op_profile_add_stack(profile, (op_stack){stack, frames[i]});
    }
    return stack;
}

// A sample of weight count * 1 ms. Past op_profile_add_sample, since an exporter must take any ids.
static inline void fixture_sample(op_profile *profile, op_id thread, op_id stack, uint64_t count)
{
    op_sample *sample = OP_VECTOR_PUSH(&profile->samples);
    TAP_REQUIRE(sample != NULL);
    *sample = (op_sample){
        .thread = thread,
        .stack = stack,
        .state = OP_STATE_RUNNING,
        .count = count,
        .weight_ns = count * FIXTURE_MS,
    };
}
#define FIXTURE_SAMPLE(profile, thread, count, ...)                                                                \
    fixture_sample((profile), (thread),                                                                            \
                   fixture_stack((profile), (const op_id[]){__VA_ARGS__},                                          \
                                 sizeof((const op_id[]){__VA_ARGS__}) / sizeof(op_id)),                            \
                   (count))

// 100 samples, 100 ms, two threads. main calls fib at line 12 and json at line 13; fib recurs; a worker collects.
//   <module>;main;fib;fib 40   <module>;main;fib 10   <module>;main 5   <module>;main;loads;decode;scan 25
//   run;work;<GC> 15   run;work;<native> 5
static inline op_profile *fixture_small(void)
{
    op_profile *profile = fixture_new();
    fixture_set_run(profile);
    op_id process = fixture_process(profile, 42, "python app.py --size 10");
    op_id main_thread = fixture_thread(profile, process, 42, "MainThread");
    op_id worker = fixture_thread(profile, process, 43, "worker");
    op_id module = fixture_frame(profile, "<module>", "/home/me/app.py", 1, 20);
    op_id main_fib = fixture_frame(profile, "main", "/home/me/app.py", 10, 12);
    op_id main_json = fixture_frame(profile, "main", "/home/me/app.py", 10, 13);
    op_id fib_call = fixture_frame(profile, "fib", "/home/me/app.py", 2, 5);
    op_id fib_leaf = fixture_frame(profile, "fib", "/home/me/app.py", 2, 4);
    op_id loads = fixture_frame(profile, "loads", "/usr/lib/python3.13/json/__init__.py", 299, 346);
    op_id decode = fixture_frame(profile, "JSONDecoder.decode", "/usr/lib/python3.13/json/decoder.py", 340, 345);
    op_id scan = fixture_frame(profile, "scan_once", "/usr/lib/python3.13/json/scanner.py", 30, 31);
    op_id run = fixture_frame(profile, "Thread.run", "/usr/lib/python3.13/threading.py", 980, 1000);
    op_id work = fixture_frame(profile, "work", "/home/me/venv/lib/python3.13/site-packages/hard/work.py", 7, 8);
    FIXTURE_SAMPLE(profile, main_thread, 40, module, main_fib, fib_call, fib_leaf);
    FIXTURE_SAMPLE(profile, main_thread, 10, module, main_fib, fib_leaf);
    FIXTURE_SAMPLE(profile, main_thread, 5, module, main_json);
    FIXTURE_SAMPLE(profile, main_thread, 25, module, main_json, loads, decode, scan);
    FIXTURE_SAMPLE(profile, worker, 15, run, work, fixture_label(profile, OP_FRAME_GC));
    FIXTURE_SAMPLE(profile, worker, 5, run, work, fixture_label(profile, OP_FRAME_NATIVE));
    TAP_REQUIRE(op_profile_set_counter(profile, "samples", 100) == OP_OK);
    return profile;
}

static inline op_id fixture_function(op_profile *profile, op_frame_kind kind, const char *name, const char *file,
                                     uint32_t first_line)
{
    op_function function = {
        .kind = kind,
        .name = op_profile_string(profile, name),
        .file = op_profile_string(profile, file),
        .first_line = first_line,
    };
    return op_profile_add_function(profile, &function);
}

static inline void fixture_line(op_profile *profile, op_id thread, op_id function, uint32_t line, uint64_t hits,
                                uint64_t ns)
{
    op_line row = {.thread = thread, .function = function, .line = line, .hits = hits, .ns = ns};
    TAP_REQUIRE(op_profile_add_line(profile, &row) != 0);
}

// Exact calls of two threads, no samples. <module> had not returned. main calls fib(4) (9 calls, 8 of them by fib),
// two lambdas of one line, a method, and len; a worker reads a generator 10 times and fails once.
static inline op_profile *fixture_calls(void)
{
    const uint64_t ms = 1000001;   // so that no figure is a tie to be rounded
    op_profile *profile = fixture_new();
    fixture_set_run(profile);
    op_id process = fixture_process(profile, 42, "python app.py --size 10");
    op_id first = fixture_thread(profile, process, 42, "MainThread");
    op_id second = fixture_thread(profile, process, 43, "worker");
    static const char app[] = "/home/me/app.py";
    op_id module = fixture_function(profile, OP_FRAME_PYTHON, "<module>", app, 1);
    op_id outer = fixture_function(profile, OP_FRAME_PYTHON, "main", app, 10);
    op_id fib = fixture_function(profile, OP_FRAME_PYTHON, "fib", app, 2);
    op_id left = fixture_function(profile, OP_FRAME_PYTHON, "main.<locals>.<lambda>", app, 12);
    op_id right = fixture_function(profile, OP_FRAME_PYTHON, "<lambda>", app, 12);
    op_id method = fixture_function(profile, OP_FRAME_PYTHON, "Pair.swap", "/home/me/lib/pair.py", 5);
    op_id same = fixture_function(profile, OP_FRAME_PYTHON, "Other.swap", "/home/me/old/pair.py", 5);
    op_id length = fixture_function(profile, OP_FRAME_BUILTIN, "<built-in method builtins.len>", "", 0);
    op_id numbers = fixture_function(profile, OP_FRAME_PYTHON, "numbers", app, 30);
    const op_call calls[] = {
        {.thread = first,
         .caller = module,
         .function = outer,
         .calls = 1,
         .own_ns = 5 * ms,
         .total_ns = 2000 * ms,
         .outer_ns = 2000 * ms},
        {.thread = first,
         .caller = outer,
         .function = fib,
         .calls = 1,
         .own_ns = 100 * ms,
         .total_ns = 900 * ms,
         .outer_ns = 900 * ms},
        {.thread = first,
         .caller = fib,
         .function = fib,
         .calls = 8,
         .recursive_calls = 6,
         .nested_calls = 8,
         .own_ns = 800 * ms,
         .total_ns = 800 * ms},
        {.thread = first,
         .caller = outer,
         .function = left,
         .calls = 3,
         .own_ns = 30 * ms,
         .total_ns = 30 * ms,
         .outer_ns = 30 * ms},
        {.thread = first,
         .caller = outer,
         .function = right,
         .calls = 4,
         .own_ns = 41 * ms,
         .total_ns = 41 * ms,
         .outer_ns = 41 * ms},
        {.thread = first,
         .caller = outer,
         .function = method,
         .calls = 2,
         .own_ns = 1002 * ms,
         .total_ns = 1004 * ms,
         .outer_ns = 1004 * ms},
        {.thread = first,
         .caller = method,
         .function = length,
         .calls = 2,
         .own_ns = 2 * ms,
         .total_ns = 2 * ms,
         .outer_ns = 2 * ms},
        {.thread = first,
         .caller = outer,
         .function = same,
         .calls = 1,
         .own_ns = 20 * ms,
         .total_ns = 20 * ms,
         .outer_ns = 20 * ms},
        {.thread = second,
         .caller = 0,
         .function = numbers,
         .calls = 11,
         .resumes = 10,
         .exceptions = 1,
         .own_ns = 300 * ms,
         .total_ns = 340 * ms,
         .outer_ns = 340 * ms,
         .suspended_ns = 7000 * ms},
        {.thread = second,
         .caller = numbers,
         .function = length,
         .calls = 11,
         .own_ns = 40 * ms,
         .total_ns = 40 * ms,
         .outer_ns = 40 * ms},
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        TAP_REQUIRE(op_profile_add_call(profile, &calls[i]) != 0);
    }
    return profile;
}

// What fixture_lines counts lines of.
#define FIXTURE_SOURCE                                                                                             \
    "import os\n"                                                                                                  \
    "\n"                                                                                                           \
    "@profile\n"                                                                                                   \
    "def fib(n):\n"                                                                                                \
    "    # small ones\n"                                                                                           \
    "    if n < 2:\n"                                                                                              \
    "        return n\t# \xc2\xb5\n"                                                                               \
    "\n"                                                                                                           \
    "    return (fib(n - 1) +\n"                                                                                   \
    "            fib(n - 2))\n"                                                                                    \
    "    # still of it\n"                                                                                          \
    "\n"                                                                                                           \
    "# not of it\n"                                                                                                \
    "class Pair:\n"                                                                                                \
    "    def swap(self): return 1\r\n"                                                                             \
    "    def never(self): return 2\n"                                                                              \
    "small = lambda: (\n"                                                                                          \
    "    1)\n"

// Lines of functions in `path`, and of one in a file that is not there; of two threads, no samples.
static inline op_profile *fixture_lines(const char *path)
{
    op_profile *profile = fixture_new();
    fixture_set_run(profile);
    profile->run.started_unix_ns = INT64_C(1) << 60;   // in 2006, for so long that `path` is older than its end
    profile->run.duration_ns = INT64_C(1) << 60;
    op_id process = fixture_process(profile, 42, "python app.py --size 10");
    op_id first = fixture_thread(profile, process, 42, "MainThread");
    op_id second = fixture_thread(profile, process, 43, "worker");
    op_id fib = fixture_function(profile, OP_FRAME_PYTHON, "fib", path, 3);
    op_id swap = fixture_function(profile, OP_FRAME_PYTHON, "Pair.swap", path, 15);
    op_id never = fixture_function(profile, OP_FRAME_PYTHON, "Pair.never", path, 16);
    op_id small = fixture_function(profile, OP_FRAME_PYTHON, "<lambda>", path, 17);
    op_id gone = fixture_function(profile, OP_FRAME_PYTHON, "gone", "/not/there.py", 7);
    fixture_line(profile, first, fib, 6, 177, 52345678);
    fixture_line(profile, second, fib, 6, 20, 4000001);
    fixture_line(profile, first, fib, 7, 99, 9999999);
    fixture_line(profile, first, fib, 9, 98, 1234567890);
    fixture_line(profile, first, fib, 10, 98, 0);
    fixture_line(profile, first, swap, 15, 12345678901, 9876543210987654);
    fixture_line(profile, first, never, 16, 0, 0);
    fixture_line(profile, first, small, 17, 1, 999);
    fixture_line(profile, first, small, 18, 1, 51);
    fixture_line(profile, second, gone, 8, 3, 4500);
    fixture_line(profile, second, gone, 10, 4, 123456);
    return profile;
}

// Every text hostile; three samples.
static inline op_profile *fixture_hostile(void)
{
    op_profile *profile = fixture_new();
    fixture_set_run(profile);
    profile->run.command = op_profile_string(profile, FIXTURE_HOSTILE);
    profile->run.host = profile->run.tool_version = profile->run.command;
    op_id process = fixture_process(profile, 1, FIXTURE_HOSTILE);
    op_id thread = fixture_thread(profile, process, 1, FIXTURE_HOSTILE);
    profile->processes.items[0].python = profile->run.command;
    op_id outer = fixture_frame(profile, FIXTURE_HOSTILE, FIXTURE_HOSTILE, 1, 2);
    op_id inner = fixture_frame(profile, FIXTURE_HOSTILE "2", "/x/" FIXTURE_HOSTILE, 1, 2);
    FIXTURE_SAMPLE(profile, thread, 3, outer, inner);
    TAP_REQUIRE(op_profile_set_counter(profile, FIXTURE_HOSTILE, -1) == OP_OK);
    return profile;
}

// A recursion of `depth` frames and samples at `samples` depths, evenly apart.
static inline op_profile *fixture_deep(size_t depth, size_t samples)
{
    op_profile *profile = fixture_new();
    fixture_set_run(profile);
    op_id thread = fixture_thread(profile, fixture_process(profile, 1, "deep"), 1, "MainThread");
    op_id frame = fixture_frame(profile, "down", "/home/me/deep.py", 1, 3);
    op_id stack = 0;
    for (size_t i = 1; i <= depth; i++) {
        stack = op_profile_add_stack(profile, (op_stack){stack, frame});
        if (i % (depth / samples) == 0) {
            fixture_sample(profile, thread, stack, 1);
        }
    }
    return profile;
}

// The nth allocation fails, for all n until `write` (an exporter or a table) gets through: before, it must fail and
// take back what it wrote.
#define FIXTURE_FAIL_ALL(profile, write, options)                                                                  \
    do {                                                                                                           \
        op_status fixture_status = OP_NO_MEMORY;                                                                   \
        int64_t fixture_n = 0;                                                                                     \
        for (; fixture_status == OP_NO_MEMORY && fixture_n < 5000; fixture_n++) {                                  \
            op_buffer fixture_out;                                                                                 \
            op_buffer_init(&fixture_out);                                                                          \
            op_buffer_add_text(&fixture_out, "x");                                                                 \
            op_alloc_fail_after(fixture_n);                                                                        \
            fixture_status = write((profile), &(options), &fixture_out, NULL);                                     \
            op_alloc_fail_after(-1);                                                                               \
            TAP_OK((fixture_status == OP_OK) == (fixture_out.size > 1));                                           \
            op_buffer_fini(&fixture_out);                                                                          \
        }                                                                                                          \
        TAP_EQ_INT(fixture_status, OP_OK);                                                                         \
        TAP_OK(fixture_n > 1);                                                                                     \
    } while (0)

#endif
