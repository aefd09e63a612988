// SPDX-License-Identifier: MIT
#include "tap.h"

#include <stdint.h>
#include "base/memory.h"
#include "process/child.h"
#include "process/process.h"

// argv is never written to, but its type predates const.
static char *const *arguments_of(const char *const *words)
{
    return (char *const *)(uintptr_t)words;
}

#define MASKED(expected, ...)                                                                                      \
    do {                                                                                                           \
        const char *words[] = {__VA_ARGS__, NULL};                                                                 \
        op_buffer out;                                                                                             \
        op_buffer_init(&out);                                                                                      \
        op_command_add_masked(&out, arguments_of(words), sizeof words / sizeof *words - 1);                        \
        TAP_EQ_STR(op_buffer_text(&out), expected);                                                                \
        op_buffer_fini(&out);                                                                                      \
    } while (0)

TAP_TEST(words_are_quoted_as_for_a_shell)
{
    MASKED("python app.py", "python", "app.py");
    MASKED("python -c 'print(1)' '' 'it'\\''s' a=b", "python", "-c", "print(1)", "", "it's", "a=b");
    MASKED("x '*' '$HOME' 'a\nb' '~' \xc3\xa9", "x", "*", "$HOME", "a\nb", "~", "\xc3\xa9");
}

TAP_TEST(values_of_secret_options)
{
    MASKED("p --api-key=***", "p", "--api-key=abc");
    MASKED("p --token *** run", "p", "--token", "abc def", "run");
    MASKED("p --token --verbose x", "p", "--token", "--verbose", "x");
    MASKED("p --token *** x", "p", "--token", "-dash", "x");
    MASKED("PASSWORD=*** p", "PASSWORD=hunter2", "p");
    MASKED("p --db.Password=*** --authToken=*** --apikey ***", "p", "--db.Password=a;b&c", "--authToken=1",
           "--apikey", "z");
    MASKED("env PGPASSWORD=*** AWS_SECRET_ACCESS_KEY=*** p", "env", "PGPASSWORD=x", "AWS_SECRET_ACCESS_KEY=y", "p");
    MASKED("p --bearer=*** --credential=*** --MYSQL_PWD=*** --passwd=*** --client-secret=***", "p", "--bearer=1",
           "--credential=2", "--MYSQL_PWD=3", "--passwd=4", "--client-secret=5");
    MASKED("p --password=***", "p", "--password=a b");
    MASKED("p --token", "p", "--token");
    MASKED("p --token=", "p", "--token=");
}

TAP_TEST(other_words_stay)
{
    MASKED("p --author=me --monkey=1 --keyboard us --max-tokens=5 --tokenizer t", "p", "--author=me", "--monkey=1",
           "--keyboard", "us", "--max-tokens=5", "--tokenizer", "t");
    MASKED("p --no-auth app.py", "p", "--no-auth", "app.py");
    MASKED("key token x", "key", "token", "x");
    MASKED("p a:b http://host:80/a@b http://me@host/", "p", "a:b", "http://host:80/a@b", "http://me@host/");
}

TAP_TEST(secrets_inside_an_argument)
{
    MASKED("p postgres://me:***@db/x", "p", "postgres://me:hunter2@db/x");
    MASKED("p --dsn=postgres://me:***@db:5432/x", "p", "--dsn=postgres://me:p/w@rd@db:5432/x");
    MASKED("p redis://:***@db", "p", "redis://:hunter2@db");
    MASKED("p https://***@host/", "p", "https://ghp_0123456789abcdef0123@host/");
    MASKED("p 'http://h/?token=***&x=1'", "p", "http://h/?token=abc&x=1");
    MASKED("sh -c 'app --token=*** run'", "sh", "-c", "app --token=abc run");
    MASKED("sh -c 'app --token *** run'", "sh", "-c", "app --token abc run");
    MASKED("sh -c 'app --token \"***\" run'", "sh", "-c", "app --token \"a b\" run");
    MASKED("sh -c PASSWORD=***", "sh", "-c", "PASSWORD=abc app");
    MASKED("curl -H 'Authorization: ***'", "curl", "-H", "Authorization: Bearer abc def");
    MASKED("p '{\"password\":***'", "p", "{\"password\": \"x\"}");
    MASKED("p 'host=h password=*** user=u'", "p", "host=h password=x user=u");
    MASKED("p 'Server=s;Password=***;User=u'", "p", "Server=s;Password=x;User=u");
}

TAP_TEST(a_long_argument_is_bounded)
{
    static char text[100000];
    memset(text, 'a', sizeof text - 1);
    char *arguments[] = {text, NULL};
    op_buffer out;
    op_buffer_init(&out);
    op_command_add_masked(&out, arguments, 1);
    TAP_EQ_UINT(out.size, sizeof text - 1);
    op_buffer_fini(&out);
}

TAP_TEST(of_a_process)
{
    const char *words[] = {"sleep", "60", NULL};
    pid_t pid = 0;
    TAP_REQUIRE(op_child_start(arguments_of(words), &pid, NULL) == OP_OK);
    op_buffer out;
    op_buffer_init(&out);
    op_buffer_add_text(&out, "> ");
    TAP_EQ_INT(op_process_command(pid, &out), OP_OK);
    TAP_EQ_STR(op_buffer_text(&out), "> sleep 60");
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    op_buffer_reset(&out);
    TAP_EQ_INT(op_process_command(pid, &out), OP_PROCESS_GONE);
    op_buffer_fini(&out);
}

TAP_TEST(out_of_memory)
{
    for (int64_t after = 0; after < 3; after++) {
        op_buffer out;
        op_buffer_init(&out);
        op_alloc_fail_after(after);
        op_status status = op_process_command(getpid(), &out);
        op_alloc_fail_after(-1);
        TAP_EQ_INT(status, OP_NO_MEMORY);
        op_buffer_fini(&out);
    }
}

TAP_MAIN()
