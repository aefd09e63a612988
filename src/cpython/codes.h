// SPDX-License-Identifier: MIT
// The code objects of one target that were seen, by address. A code object can die and another take its address, so an
// entry holds only while its identity is the same: the recorder has all entries that it saw checked again
// (op_codes_check) before it counts what it saw. A wrong name is worse than <gone>.
//
// Besides, the cache keeps for each call site (code, instruction) what its instruction can do to the frame chain.
#ifndef OP_CPYTHON_CODES_H
#define OP_CPYTHON_CODES_H

#include "base/map.h"
#include "base/strings.h"
#include "base/vector.h"
#include "cpython/code.h"

enum {
    OP_CODES_MAX = 4 << 20,                  // entries of one process
    OP_CODES_RECYCLED_MAX = 1 << 16,         // addresses known to be used again and again
    OP_SITE_FRESH_NS = 10 * 1000 * 1000,     // a site that is older is read again before a frame is cut by it
    OP_SITE_STALE_NS = 1000 * 1000 * 1000,   // a site that is older is read again in any case
    OP_CODE_YOUNG_NS = 100 * 1000 *
                       1000,   // a code object seen for the first time so lately may be a short-lived one
    OP_CODE_YOUNG_CHECK_NS = 200 * 1000,   // and is checked at its next sight where the last check is so old
};

typedef struct {
    op_addr address;
    op_code_identity identity;
    uint32_t name, file;    // strings of the cache
    unsigned char *lines;   // owned: raw line table
    uint32_t line_bytes;
    uint32_t next_seen;   // list of entries seen since the last check; 0 ends, id
    int64_t first_ns;     // first sight
    int64_t checked_ns;   // when the identity was last read and equal: what was seen until then is proven
    bool seen;            // on that list
    bool dead;            // found replaced: no longer reached by its address
    bool is_shim;         // _Py_InitCleanup (3.13+): stands below an inlined __init__, is no code of the program
    bool recycled;        // the address is known for reuse: check at every sight
    bool scanned;         // the next field is known
    uint8_t
        rebound;   // bit i: its code may bind argument i anew, so that a running frame does not show what was passed
} op_code_entry;

enum { OP_CODE_ARGUMENTS = 4, OP_PASSES_UNKNOWN = 255 };   // the first arguments are looked at
enum { OP_ARGUMENT_UNKNOWN = -1, OP_ARGUMENT_RESULT = -2 };

typedef struct {
    int64_t read_ns;
    uint32_t version;   // of the function that the instruction is specialised on; 0: none
    uint8_t opcode;     // as it stands in memory
    uint8_t flags;      // OP_OPCODE_*
    uint8_t
        passes;   // a call's arguments, by position on the evaluation stack; OP_PASSES_UNKNOWN: other ways too, or no call
    bool iterates;          // FOR_ITER or SEND: a generator may run for it, which lies on the evaluation stack
    bool delegates;         // the yield of a `yield from` or `await`: what is awaited lies on the evaluation stack
    bool leaves_function;   // was once seen to leave the function that it called at the end of the stack
    bool polymorphic;       // was seen specialised on more than one function: its version proves nothing
} op_site;

typedef struct {
    op_runtime *runtime;                // borrowed
    op_strings strings;                 // names and files
    OP_VECTOR(op_code_entry) entries;   // id - 1
    op_map by_address;                  // -> id; dead ones are removed
    op_map bad_addresses;               // known not to be code; emptied from time to time
    op_map recycled;                    // addresses
    OP_VECTOR(op_site) sites;
    op_map site_ids;
    uint32_t seen_first;
    uint64_t deaths;          // entries found dead so far
    op_addr code_type;        // PyCode_Type, learnt from the first code object
    unsigned char *scratch;   // owned; for bytecode
    size_t scratch_bytes;
} op_codes;

void op_codes_init(op_codes *codes, op_runtime *runtime);
void op_codes_fini(op_codes *codes);

// The id of the code object at `address`, read now where it is new; 0: no code object lies there (or out of memory).
// Marks it seen. `guess`: an id that it may have, which saves the search; 0: none.
uint32_t op_codes_see(op_codes *codes, op_addr address, uint32_t guess, int64_t now_ns);
const op_code_entry *op_codes_entry(const op_codes *codes, uint32_t id);
// Reads again the identity of every entry seen since the last check; those that changed become dead. `changed` counts them.
void op_codes_check(op_codes *codes, int64_t now_ns, uint32_t *changed);
// The site at byte offset `offset` of the code; read again where older than `max_age_ns`. NULL: unreadable.
const op_site *op_codes_site(op_codes *codes, uint32_t id, int32_t offset, int64_t now_ns, int64_t max_age_ns);
// Notes that calls from there leave their function.
void op_codes_learn_function(op_codes *codes, uint32_t id, int32_t offset);
// The `rebound` of the entry, scanned now where that is new.
uint8_t op_codes_rebound(op_codes *codes, uint32_t id);
// The last argument of the call at `offset`: the number of a local variable, or RESULT: what the call right before it
// returned, which had none: a generator expression, as in sum(x for x in y). UNKNOWN: else, or no call. Reads the bytecode.
int op_codes_last_argument(op_codes *codes, uint32_t id, int32_t offset);
uint32_t op_codes_line(const op_codes *codes, uint32_t id, int32_t offset);

#endif
