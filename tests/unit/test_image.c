// SPDX-License-Identifier: MIT
// Recorded images of every version (tests/images, made by tools/images.py): threads, names, stacks and lines must
// be what the interpreter itself said when they were recorded.
#include "cpython/image.h"

#include "base/memory.h"
#include "frames.h"
#include "tap.h"

enum { MAX_TEXT_BYTES = 1 << 16, MAX_THREADS = 16, MAX_FRAMES = 64, NAME_BYTES = 128 };

static char *image_path(int minor, const char *ending)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/tests/images/3.%d.%s", OP_TEST_SOURCE_ROOT, minor, ending);
    return path;
}

static op_image *open_image(int minor, op_runtime *runtime)
{
    op_image *image = NULL;
    op_error error = {0};
    TAP_EQ_INT(op_image_read(image_path(minor, "image"), &image, &error), OP_OK);
    TAP_EQ_STR(error.message, "");
    TAP_REQUIRE(image);
    TAP_EQ_INT(op_image_attach(image, runtime, &error), OP_OK);
    TAP_EQ_STR(error.message, "");
    return image;
}

// The functions of the image have qualified names since 3.11; the interpreter's dump has plain ones.
static const char *plain_name(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot ? dot + 1 : name;
}

// Appends "thread NAME" and its frames to text, as N.expect has them.
static void describe_thread(op_runtime *runtime, const op_python_thread *thread, char *text, size_t size)
{
    test_frame frames[MAX_FRAMES];
    char name[NAME_BYTES];
    bool complete;
    TAP_EQ_INT(op_runtime_thread_name(runtime, thread, name, sizeof name), OP_OK);
    TAP_EQ_INT(thread->is_main, strcmp(name, "MainThread") == 0);
    TAP_OK(thread->tid > 0);
    TAP_OK(!thread->holds_gil);
    snprintf(text + strlen(text), size - strlen(text), "thread %s\n", name);
    size_t count = frames_follow(runtime, thread->state, frames, MAX_FRAMES, &complete);
    TAP_OK(complete);
    for (size_t i = 0; i < count; i++) {
        op_code code;
        if (frames[i].is_shim)
            continue;
        TAP_REQUIRE(op_code_read(runtime, frames[i].code, &code) == OP_OK);
        TAP_OK(frames[i].lasti < code.identity.bytecode_bytes);
        snprintf(text + strlen(text), size - strlen(text), "frame %s %u %s\n", plain_name(code.name),
                 op_code_line(&code, frames[i].lasti), code.file);
        op_code_fini(&code);
    }
}

static void read_expected(int minor, char *text, size_t size)
{
    FILE *file = fopen(image_path(minor, "expect"), "rb");
    TAP_REQUIRE(file);
    size_t count = fread(text, 1, size - 1, file);
    text[count] = '\0';
    fclose(file);
}

static void note_version(int minor)
{
    const char *path = getenv("OUTPACE_TEST_VERSIONS");
    FILE *file = path ? fopen(path, "a") : NULL;
    if (!file)
        return;
    fprintf(file, "image 3.%d\n", minor);
    fclose(file);
}

static void check_version(int minor)
{
    static char expected[MAX_TEXT_BYTES], got[MAX_TEXT_BYTES];
    op_python_thread threads[MAX_THREADS];
    op_runtime runtime;
    size_t count = 0;
    op_addr holder = {1};
    bool collecting = true;
    op_image *image = open_image(minor, &runtime);
    TAP_EQ_INT(runtime.minor, minor);
    TAP_OK(!runtime.layout_assumed);
    snprintf(got, sizeof got, "python 3.%d.%d\n", runtime.minor, runtime.patch);
    TAP_EQ_INT(op_runtime_threads(&runtime, threads, MAX_THREADS, &count), OP_OK);
    TAP_EQ_UINT(count, 2);
    for (size_t i = 0; i < count; i++)
        describe_thread(&runtime, &threads[i], got, sizeof got);
    TAP_OK(!runtime.is_finalizing);
    TAP_EQ_INT(op_runtime_gil_holder(&runtime, runtime.interpreter, &holder), OP_OK);
    TAP_EQ_UINT(holder.value, 0);
    TAP_EQ_INT(op_runtime_is_collecting(&runtime, runtime.interpreter, &collecting), OP_OK);
    TAP_OK(!collecting);
    read_expected(minor, expected, sizeof expected);
    TAP_EQ_STR(got, expected);
    op_image_free(image);
    note_version(minor);
}

TAP_TEST(image_3_8)
{
    check_version(8);
}
TAP_TEST(image_3_9)
{
    check_version(9);
}
TAP_TEST(image_3_10)
{
    check_version(10);
}
TAP_TEST(image_3_11)
{
    check_version(11);
}
TAP_TEST(image_3_12)
{
    check_version(12);
}
TAP_TEST(image_3_13)
{
    check_version(13);
}
TAP_TEST(image_3_14)
{
    check_version(14);
}
TAP_TEST(image_3_15)
{
    check_version(15);
}

TAP_TEST(qualified_names)
{
    for (int minor = 8; minor <= 15; minor++) {
        op_runtime runtime;
        op_python_thread threads[MAX_THREADS];
        test_frame frames[MAX_FRAMES];
        size_t count = 0;
        bool complete, found = false;
        op_image *image = open_image(minor, &runtime);
        TAP_REQUIRE(op_runtime_threads(&runtime, threads, MAX_THREADS, &count) == OP_OK && count == 2);
        size_t depth = frames_follow(&runtime, threads[1].state, frames, MAX_FRAMES, &complete);
        for (size_t i = 0; i < depth; i++) {
            op_code code;
            if (frames[i].is_shim || op_code_read(&runtime, frames[i].code, &code) != OP_OK)
                continue;
            found |= strcmp(code.name, minor >= 11 ? "Größe.a" : "a") == 0;
            op_code_fini(&code);
        }
        TAP_OK(found);
        op_image_free(image);
    }
}

// No more threads are written than there is room for; names are cut to the room, between code points.
TAP_TEST(little_room)
{
    op_runtime runtime;
    op_python_thread threads[MAX_THREADS];
    size_t count = 0;
    char name[16];
    op_image *image = open_image(13, &runtime);
    TAP_EQ_INT(op_runtime_threads(&runtime, threads, 1, &count), OP_OK);
    TAP_EQ_UINT(count, 1);
    TAP_EQ_INT(op_runtime_threads(&runtime, threads, 0, &count), OP_OK);
    TAP_EQ_UINT(count, 0);
    TAP_EQ_INT(op_runtime_thread_name(&runtime, &threads[0], name, 9), OP_OK);
    TAP_EQ_STR(name, "worker-");   // the last letter takes two bytes
    TAP_EQ_INT(op_runtime_thread_name(&runtime, &threads[0], name, 1), OP_OK);
    TAP_EQ_STR(name, "");
    op_python_thread nobody = {.interpreter = runtime.interpreter, .thread_id = 12345};
    TAP_EQ_INT(op_runtime_thread_name(&runtime, &nobody, name, sizeof name), OP_NO_FILE);
    op_image_free(image);
}

static void poke(op_image *image, op_addr address, int32_t offset, uint64_t value)
{
    unsigned char *at = op_image_at(image, op_field_at(address, offset), sizeof value);
    TAP_REQUIRE(at);
    memcpy(at, &value, sizeof value);
}

// Lists that run in circles, or whose elements do not point back, are torn.
TAP_TEST(torn_threads)
{
    for (int minor = 8; minor <= 15; minor++) {
        op_runtime runtime;
        op_python_thread threads[MAX_THREADS];
        size_t count = 0;
        op_image *image = open_image(minor, &runtime);
        const op_layout *layout = &runtime.layout;
        TAP_REQUIRE(op_runtime_threads(&runtime, threads, MAX_THREADS, &count) == OP_OK && count == 2);
        op_addr first = threads[0].state, last = threads[1].state;
        poke(image, last, layout->thread_next, first.value);
        TAP_EQ_INT(op_runtime_threads(&runtime, threads, MAX_THREADS, &count), OP_BAD_DATA);
        poke(image, first, layout->thread_prev, last.value);
        TAP_EQ_INT(op_runtime_threads(&runtime, threads, MAX_THREADS, &count), OP_BAD_DATA);
        poke(image, last, layout->thread_next, last.value);
        TAP_EQ_INT(op_runtime_threads(&runtime, threads, MAX_THREADS, &count), OP_BAD_DATA);
        poke(image, last, layout->thread_next, 0x12345);   // odd
        TAP_EQ_INT(op_runtime_threads(&runtime, threads, MAX_THREADS, &count), OP_BAD_DATA);
        poke(image, last, layout->thread_next, 0x12340);   // a hole
        TAP_EQ_INT(op_runtime_threads(&runtime, threads, MAX_THREADS, &count), OP_BAD_DATA);
        poke(image, last, layout->thread_next, 0);
        poke(image, first, layout->thread_prev, 0);
        TAP_EQ_INT(op_runtime_threads(&runtime, threads, MAX_THREADS, &count), OP_OK);
        poke(image, runtime.interpreter, layout->interp_next, runtime.interpreter.value);   // for ever
        TAP_EQ_INT(op_runtime_threads(&runtime, threads, MAX_THREADS, &count), OP_BAD_DATA);
        poke(image, last, layout->thread_interp, first.value);
        TAP_EQ_INT(op_runtime_threads(&runtime, threads, MAX_THREADS, &count), OP_BAD_DATA);
        op_image_free(image);
    }
}

// The global lock: who holds it, in the words of each version.
TAP_TEST(gil_holder)
{
    for (int minor = 8; minor <= 14; minor++) {
        op_runtime runtime;
        op_python_thread threads[MAX_THREADS];
        op_addr holder, gil;
        size_t count = 0;
        int32_t one = 1;
        op_image *image = open_image(minor, &runtime);
        const op_layout *layout = &runtime.layout;
        TAP_REQUIRE(op_runtime_threads(&runtime, threads, MAX_THREADS, &count) == OP_OK && count == 2);
        gil = runtime.address;
        if (minor >= 12)
            TAP_REQUIRE(op_field_read_addr(runtime.memory, runtime.interpreter, layout->interp_gil, &gil) == OP_OK);
        unsigned char *locked =
            op_image_at(image, op_field_at(gil, minor >= 12 ? layout->gil_locked : layout->runtime_gil_locked), 4);
        TAP_REQUIRE(locked);
        memcpy(locked, &one, sizeof one);
        poke(image, gil, minor >= 12 ? layout->gil_last_holder : layout->runtime_gil_last_holder,
             threads[1].state.value);
        TAP_EQ_INT(op_runtime_gil_holder(&runtime, runtime.interpreter, &holder), OP_OK);
        TAP_EQ_UINT(holder.value, threads[1].state.value);
        TAP_EQ_INT(op_runtime_threads(&runtime, threads, MAX_THREADS, &count), OP_OK);
        TAP_OK(!threads[0].holds_gil && threads[1].holds_gil);
        op_image_free(image);
    }
}

// The target's own offsets are used only where they make sense.
TAP_TEST(debug_offsets)
{
    for (int minor = 13; minor <= 15; minor++) {
        op_runtime runtime, again;
        op_error error = {0};
        op_image *image = open_image(minor, &runtime);
        enum { VERSION_WORD = 8, FREE_THREADED_WORD = 16, INTERP_SIZE_WORD = 48, INTERP_NEXT_WORD = 64 };
        unsigned char *next = op_image_at(image, op_addr_add(runtime.address, INTERP_NEXT_WORD), 8);
        TAP_REQUIRE(next);
        int32_t good = (int32_t)op_field_u64(next, 0);
        TAP_EQ_INT(good, runtime.layout.interp_next);
        // Plausible, but not what the table has.
        poke(image, runtime.address, INTERP_NEXT_WORD, (uint64_t)good + 8);
        TAP_EQ_INT(op_runtime_at(runtime.memory, runtime.address, minor, runtime.patch, &again, &error), OP_OK);
        TAP_EQ_INT(again.layout.interp_next, good + 8);
        // Nonsense: the table is used, and that is said.
        const uint64_t nonsense[] = {(uint64_t)good + 1, UINT64_MAX, (uint64_t)1 << 40};
        for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
            poke(image, runtime.address, INTERP_NEXT_WORD, nonsense[i]);
            TAP_EQ_INT(op_runtime_at(runtime.memory, runtime.address, minor, runtime.patch, &again, &error), OP_OK);
            TAP_EQ_INT(again.layout.interp_next, good);
            TAP_OK(again.layout_assumed);
        }
        poke(image, runtime.address, INTERP_NEXT_WORD, (uint64_t)good);
        poke(image, runtime.address, INTERP_SIZE_WORD, 0);
        TAP_EQ_INT(op_runtime_at(runtime.memory, runtime.address, minor, runtime.patch, &again, &error), OP_OK);
        TAP_OK(again.layout_assumed);
        poke(image, runtime.address, FREE_THREADED_WORD, 1);
        TAP_EQ_INT(op_runtime_at(runtime.memory, runtime.address, minor, runtime.patch, &again, &error),
                   OP_FREE_THREADED);
        op_image_free(image);
    }
}

TAP_TEST(unknown_versions)
{
    op_runtime runtime, other;
    op_error error = {0};
    op_image *image = open_image(13, &runtime);
    TAP_EQ_INT(op_runtime_at(runtime.memory, runtime.address, 7, 3, &other, &error), OP_UNKNOWN_VERSION);
    TAP_EQ_INT(op_runtime_at(runtime.memory, runtime.address, 16, 0, &other, &error), OP_UNKNOWN_VERSION);
    TAP_OK(strstr(error.message, "3.16") != NULL);
    TAP_OK(strstr(error.hint, op_layout_known) != NULL);
    // Not where a runtime lies.
    TAP_OK(op_runtime_at(runtime.memory, runtime.interpreter, 12, 0, &other, &error) != OP_OK);
    op_image_free(image);
}

static op_image *parse(const void *bytes, size_t count, op_status expected)
{
    op_image *image = NULL;
    TAP_EQ_INT(op_image_parse(bytes, count, &image, NULL), expected);
    return image;
}

TAP_TEST(no_images)
{
    static unsigned char file[OP_IMAGE_MAX_FILE_BYTES / 64];
    op_image *image = NULL;
    op_error error = {0};
    TAP_EQ_INT(op_image_read("/nowhere/3.13.image", &image, &error), OP_NO_FILE);
    TAP_EQ_INT(op_image_read(image_path(13, "expect"), &image, &error), OP_BAD_DATA);
    parse("", 0, OP_BAD_DATA);
    FILE *opened = fopen(image_path(13, "image"), "rb");
    TAP_REQUIRE(opened);
    size_t count = fread(file, 1, sizeof file, opened);
    fclose(opened);
    TAP_REQUIRE(count > 1000 && count < sizeof file);
    for (size_t cut = 0; cut < count; cut += 997)
        parse(file, cut, OP_BAD_DATA);
    file[24]++;   // one byte less or more than is there
    parse(file, count, OP_BAD_DATA);
    file[24] -= 2;
    parse(file, count, OP_BAD_DATA);
    file[24]++;
    file[31] = 0x7f;   // a huge size
    parse(file, count, OP_BAD_DATA);
    file[31] = 0;
    file[8] = 99;   // another format
    parse(file, count, OP_BAD_DATA);
    file[8] = OP_IMAGE_FORMAT;
    op_image_free(parse(file, count, OP_OK));
}

TAP_TEST(holes)
{
    op_runtime runtime;
    op_image *image = open_image(13, &runtime);
    op_memory_reader *reader = op_image_reader(image);
    unsigned char bytes[64];
    size_t done = 99;
    op_span spans[2] = {{runtime.address, bytes, 16}, {{8}, bytes, 16}};
    TAP_EQ_INT(reader->readv(reader, spans, 2, &done), OP_UNREADABLE);
    TAP_EQ_UINT(done, 16);
    spans[1].from.value = UINT64_MAX - 3;   // runs over the end of all addresses
    TAP_EQ_INT(reader->readv(reader, spans, 2, &done), OP_UNREADABLE);
    TAP_EQ_INT(reader->pid, 0);
    op_image_free(image);
}

// Every allocation fails once: nothing leaks, nothing crashes, and in the end it works.
TAP_TEST(out_of_memory)
{
    op_runtime runtime;
    op_status status = OP_NO_MEMORY;
    for (int64_t after = 0; after < 200 && status == OP_NO_MEMORY; after++) {
        op_image *image = NULL;
        op_python_thread threads[MAX_THREADS];
        test_frame frames[MAX_FRAMES];
        op_code code;
        size_t count;
        bool complete;
        char name[NAME_BYTES];
        op_alloc_fail_after(after);
        status = op_image_read(image_path(12, "image"), &image, NULL);
        if (status == OP_OK)
            status = op_image_attach(image, &runtime, NULL);
        if (status == OP_OK)
            status = op_runtime_threads(&runtime, threads, MAX_THREADS, &count);
        if (status == OP_OK)
            status = op_runtime_thread_name(&runtime, &threads[0], name, sizeof name);
        if (status == OP_OK && frames_follow(&runtime, threads[0].state, frames, MAX_FRAMES, &complete) > 0)
            status = op_code_read(&runtime, frames[0].code, &code);
        op_alloc_fail_after(-1);
        if (status == OP_OK)
            op_code_fini(&code);
        op_image_free(image);
    }
    TAP_EQ_INT(status, OP_OK);
}

TAP_MAIN()
