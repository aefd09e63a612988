// SPDX-License-Identifier: MIT
// block_lines FILE: for each line number on stdin, how many lines the definition has that starts there
// (tests/python/test_code_block.py asks Python the same).
#include <stdio.h>
#include <string.h>
#include "export/code_block.h"

int main(int argc, char **argv)
{
    op_source_file file;
    if (argc != 2 || !op_source_file_init(&file, (op_string){argv[1], strlen(argv[1])})) {
        (void)fprintf(stderr, "usage: block_lines FILE\n");
        return 2;
    }
    unsigned first;
    while (scanf("%u", &first) == 1) {
        printf("%u\n", op_code_block_lines(&file, first));
    }
    op_source_file_fini(&file);
    return 0;
}
