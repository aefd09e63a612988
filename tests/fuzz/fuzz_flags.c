// SPDX-License-Identifier: MIT
// The option parser on any words: parted by NUL bytes. It never crashes, says something where it refuses, and what it
// accepts keeps its promises.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "cli/flags.h"
#include "sample/record.h"

enum { MAX_WORDS = 64, MAX_BYTES = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[MAX_BYTES + 1];
    char *words[MAX_WORDS + 1];
    int count = 0;
    size = size > MAX_BYTES ? MAX_BYTES : size;
    if (size > 0) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    for (size_t at = 0; at < size && count < MAX_WORDS; at += strlen(text + at) + 1) {
        words[count++] = text + at;
    }
    words[count] = NULL;
    op_flags flags;
    op_error error = {.status = OP_OK};
    op_status status = op_flags_parse(count, words, &flags, &error);
    if (status != OP_OK) {
        require(status == OP_USAGE && error.status == OP_USAGE);
        require(error.message[0] != '\0' && error.hint[0] != '\0');
        return 0;
    }
    if (flags.help || flags.version) {
        return 0;
    }
    require(flags.rate_hz > 0 && flags.rate_hz <= OP_RECORD_MAX_RATE_HZ);
    require(flags.duration_ns >= 0 && flags.pid >= 0 && flags.pid <= OP_FLAGS_MAX_PID);
    require(flags.top >= 0 && flags.top <= OP_FLAGS_MAX_TOP);
    require(flags.rest_count <= (size_t)count);
    for (size_t i = 0; i < flags.rest_count; i++) {
        require(flags.rest[i] != NULL);
    }
    if (flags.verb == OP_VERB_RECORD || flags.verb == OP_VERB_RUN) {
        require((flags.pid != 0) != (flags.rest_count > 0 || flags.module != NULL));
    }
    return 0;
}
