// SPDX-License-Identifier: MIT
#include "export/origin.h"
#include "tap.h"

TAP_TEST(paths)
{
    static const struct {
        const char *file;
        op_origin origin;
        const char *module;
    } rows[] = {
        {"/home/me/app.py", OP_ORIGIN_OWN, "/home/me/app.py"},
        {"app.py", OP_ORIGIN_OWN, "app.py"},
        {"", OP_ORIGIN_OWN, ""},
        {"<string>", OP_ORIGIN_OWN, "<string>"},
        {"<frozen importlib._bootstrap>", OP_ORIGIN_STDLIB, "importlib"},
        {"<frozen runpy>", OP_ORIGIN_STDLIB, "runpy"},
        {"/usr/lib/python3.11/json/decoder.py", OP_ORIGIN_STDLIB, "json"},
        {"/usr/lib/python3.11/threading.py", OP_ORIGIN_STDLIB, "threading"},
        {"/usr/lib64/python3.9/os.py", OP_ORIGIN_STDLIB, "os"},
        {"/opt/lib/python3.13t/os.py", OP_ORIGIN_STDLIB, "os"},
        {"/usr/lib/python3/dist-packages/yaml/nodes.py", OP_ORIGIN_PACKAGE, "yaml"},
        {"/v/lib/python3.12/site-packages/six.py", OP_ORIGIN_PACKAGE, "six"},
        {"/v/lib/python3.12/site-packages/a/site-packages/b/c.py", OP_ORIGIN_PACKAGE, "b"},
        {"/home/me/lib/python3d-tools/x.py", OP_ORIGIN_OWN, "/home/me/lib/python3d-tools/x.py"},
        {"/lib/python3", OP_ORIGIN_OWN, "/lib/python3"},
        {"/v/site-packages/", OP_ORIGIN_PACKAGE, ""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        op_string module;
        op_string file = {rows[i].file, strlen(rows[i].file)};
        TAP_EQ_INT(op_origin_of(OP_FRAME_PYTHON, file, &module), rows[i].origin);
        TAP_EQ_BYTES(module.text, module.bytes, rows[i].module, strlen(rows[i].module));
    }
    op_string module;
    TAP_EQ_INT(op_origin_of(OP_FRAME_GC, (op_string){"x.py", 4}, &module), OP_ORIGIN_RUNTIME);
}

TAP_TEST(short_paths)
{
    static const char *const pairs[][2] = {
        {"/home/me/app.py", "/home/me/app.py"},
        {"", ""},
        {"<frozen runpy>", "<frozen runpy>"},
        {"/usr/lib/python3.11/json/decoder.py", "json/decoder.py"},
        {"/v/lib/python3.12/site-packages/a/b.py", "a/b.py"},
        {"/v/site-packages/", "/v/site-packages/"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        op_string path = op_origin_short_path((op_string){pairs[i][0], strlen(pairs[i][0])});
        TAP_EQ_BYTES(path.text, path.bytes, pairs[i][1], strlen(pairs[i][1]));
    }
}

TAP_MAIN()
