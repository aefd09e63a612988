// SPDX-License-Identifier: MIT
// What stands in the profile file: one list from which the writer makes it and by which the reader knows it.
// docs/profile-format.md explains each table. For the room itself.
#ifndef OP_PROFILE_SCHEMA_H
#define OP_PROFILE_SCHEMA_H

#include <stddef.h>

enum {
    OP_SCHEMA_APPLICATION_ID = 0x4F757450,   // "OutP", PRAGMA application_id
    OP_SCHEMA_PAGE_BYTES = 4096,
    OP_SCHEMA_MAX_SQL_BYTES = 16 << 10,   // of one statement
    // Of a timeline's blob: zlib never adds more than this to a block of OP_TIMELINE_MAX_BLOCK_BYTES.
    OP_SCHEMA_MAX_PACKED_BYTES = 80 << 10,
};

typedef struct {
    const char *type, *name;
    const char *sql;   // as SQLite keeps it
} op_schema_object;

extern const op_schema_object op_schema_objects[];   // in the order of their making
extern const size_t op_schema_object_count;

#endif
