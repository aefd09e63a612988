// SPDX-License-Identifier: MIT
// What stands in the profile file: one list from which the writer makes it and by which the reader knows it. A text
// that stood in files once stays in the list: they are read by it.
// docs/profile-format.md explains each table. For the room itself.
#ifndef OP_PROFILE_SCHEMA_H
#define OP_PROFILE_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    OP_SCHEMA_APPLICATION_ID = 0x4F757450,   // "OutP", PRAGMA application_id
    OP_SCHEMA_PAGE_BYTES = 4096,
    OP_SCHEMA_MAX_SQL_BYTES = 16 << 10,   // of one statement
    // Of a timeline's blob: zlib never adds more than this to a block of OP_TIMELINE_MAX_BLOCK_BYTES.
    OP_SCHEMA_MAX_PACKED_BYTES = 80 << 10,
};

typedef struct {
    const char *type, *name;
    const char *sql;         // as SQLite keeps it
    uint32_t since, until;   // versions of the format that have it, both included
} op_schema_object;

extern const op_schema_object op_schema_objects[];   // in the order of their making
extern const size_t op_schema_object_count;
bool op_schema_has(uint32_t version, const op_schema_object *object);
size_t op_schema_count(uint32_t version);   // of its objects

#endif
