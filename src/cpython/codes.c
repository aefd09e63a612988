// SPDX-License-Identifier: MIT
#include "cpython/codes.h"

#include <string.h>

enum {
    BAD_ADDRESSES_MAX = 4096,
    SITE_MAX_BYTES = 1 << 20,   // of bytecode before a site that are decoded to find its instruction
    SITE_TAIL_BYTES = 32,       // behind the site's offset: an instruction and its inline cache
};

void op_codes_init(op_codes *codes, op_runtime *runtime)
{
    memset(codes, 0, sizeof *codes);
    codes->runtime = runtime;
    op_strings_init(&codes->strings);
    op_map_init(&codes->by_address);
    op_map_init(&codes->bad_addresses);
    op_map_init(&codes->recycled);
    op_map_init(&codes->site_ids);
}

void op_codes_fini(op_codes *codes)
{
    for (size_t i = 0; i < codes->entries.count; i++)
        op_free(codes->entries.items[i].lines);
    OP_VECTOR_FINI(&codes->entries);
    OP_VECTOR_FINI(&codes->sites);
    op_strings_fini(&codes->strings);
    op_map_fini(&codes->by_address);
    op_map_fini(&codes->bad_addresses);
    op_map_fini(&codes->recycled);
    op_map_fini(&codes->site_ids);
    op_free(codes->scratch);
    codes->scratch = NULL;
}

const op_code_entry *op_codes_entry(const op_codes *codes, uint32_t id)
{
    return id >= 1 && id <= codes->entries.count ? &codes->entries.items[id - 1] : NULL;
}

static op_map_key address_key(op_addr address)
{
    return (op_map_key){0, address.value};
}

static void mark_seen(op_codes *codes, op_code_entry *entry, uint32_t id)
{
    if (entry->seen)
        return;
    entry->seen = true;
    entry->next_seen = codes->seen_first;
    codes->seen_first = id;
}

static void bury(op_codes *codes, op_code_entry *entry)
{
    entry->dead = true;
    codes->deaths++;
    (void)op_map_remove(&codes->by_address, address_key(entry->address));
    if (codes->recycled.count < OP_CODES_RECYCLED_MAX)
        (void)op_map_add(&codes->recycled, address_key(entry->address), NULL);
}

static void remember_bad(op_codes *codes, op_addr address)
{
    if (codes->bad_addresses.count >= BAD_ADDRESSES_MAX)
        op_map_reset(&codes->bad_addresses);
    (void)op_map_add(&codes->bad_addresses, address_key(address), NULL);
}

static uint32_t enter(op_codes *codes, op_addr address, int64_t now_ns)
{
    op_code code;
    memset(&code, 0, sizeof code);
    if (codes->entries.count >= OP_CODES_MAX)
        return 0;
    if (op_code_read(codes->runtime, address, &code) != OP_OK) {
        remember_bad(codes, address);
        return 0;
    }
    uint32_t id = 0;
    if (!op_addr_is_null(codes->code_type) && code.identity.type.value != codes->code_type.value)
        goto done;
    uint32_t name = op_strings_add(&codes->strings, code.name, code.name_bytes);
    uint32_t file = op_strings_add(&codes->strings, code.file, code.file_bytes);
    uint32_t *slot = op_map_add(&codes->by_address, address_key(address), NULL);
    if (name == 0 || file == 0 || slot == NULL)
        goto done;
    op_code_entry *entry = OP_VECTOR_PUSH(&codes->entries);
    if (entry == NULL) {
        (void)op_map_remove(&codes->by_address, address_key(address));
        goto done;
    }
    codes->code_type = code.identity.type;
    *entry = (op_code_entry){
        .address = address,
        .identity = code.identity,
        .name = name,
        .file = file,
        .lines = code.lines,
        .line_bytes = (uint32_t)code.line_bytes,
        .first_ns = now_ns,
        .checked_ns = now_ns,
        .is_shim = strcmp(code.name, "__init__") == 0 && strcmp(code.file, "__init__") == 0,
        .recycled = op_map_find(&codes->recycled, address_key(address)) != NULL,
    };
    code.lines = NULL;   // the entry owns it now
    id = (uint32_t)codes->entries.count;
    *slot = id;
    mark_seen(codes, entry, id);
done:
    op_code_fini(&code);
    return id;
}

uint32_t op_codes_see(op_codes *codes, op_addr address, uint32_t guess, int64_t now_ns)
{
    if (guess >= 1 && guess <= codes->entries.count) {
        op_code_entry *entry = &codes->entries.items[guess - 1];
        if (entry->address.value == address.value && !entry->dead && !entry->recycled &&
            now_ns - entry->first_ns >= OP_CODE_YOUNG_NS) {
            mark_seen(codes, entry, guess);
            return guess;
        }
    }
    uint32_t *slot = op_map_find(&codes->by_address, address_key(address));
    if (slot == NULL) {
        if (op_map_find(&codes->bad_addresses, address_key(address)) != NULL)
            return 0;
        return enter(codes, address, now_ns);
    }
    op_code_entry *entry = &codes->entries.items[*slot - 1];
    if (entry->checked_ns != now_ns && (entry->recycled || (now_ns - entry->first_ns < OP_CODE_YOUNG_NS &&
                                                            now_ns - entry->checked_ns > OP_CODE_YOUNG_CHECK_NS))) {
        op_code_identity identity;
        if (op_code_identity_read(codes->runtime, address, &identity) != OP_OK ||
            !op_code_identity_equal(&identity, &entry->identity)) {
            bury(codes, entry);
            return enter(codes, address, now_ns);
        }
        entry->checked_ns = now_ns;
    }
    mark_seen(codes, entry, *slot);
    return *slot;
}

// Reads a batch of entries again; returns how many of them died.
static uint32_t check_batch(op_codes *codes, const uint32_t *ids, size_t count, int64_t now_ns)
{
    op_addr addresses[OP_CODE_CHECK_MAX];
    const op_code_identity *known[OP_CODE_CHECK_MAX];
    bool equal[OP_CODE_CHECK_MAX];
    uint32_t died = 0;
    for (size_t i = 0; i < count; i++) {
        addresses[i] = codes->entries.items[ids[i] - 1].address;
        known[i] = &codes->entries.items[ids[i] - 1].identity;
    }
    op_code_identities_check(codes->runtime, addresses, known, count, equal);
    for (size_t i = 0; i < count; i++) {
        op_code_entry *entry = &codes->entries.items[ids[i] - 1];
        if (equal[i]) {
            entry->checked_ns = now_ns;
        } else {
            bury(codes, entry);
            died++;
        }
    }
    return died;
}

void op_codes_check(op_codes *codes, int64_t now_ns, uint32_t *changed)
{
    uint32_t batch[OP_CODE_CHECK_MAX];
    size_t count = 0;
    *changed = 0;
    uint32_t id = codes->seen_first;
    codes->seen_first = 0;
    op_map_reset(&codes->bad_addresses);   // what was no code then may be now
    while (id != 0) {
        op_code_entry *entry = &codes->entries.items[id - 1];
        uint32_t next = entry->next_seen;
        entry->seen = false;
        entry->next_seen = 0;
        if (entry->dead)
            (*changed)++;
        else
            batch[count++] = id;
        if (count == OP_CODE_CHECK_MAX || (next == 0 && count > 0)) {
            *changed += check_batch(codes, batch, count, now_ns);
            count = 0;
        }
        id = next;
    }
}

uint32_t op_codes_line(const op_codes *codes, uint32_t id, int32_t offset)
{
    const op_code_entry *entry = op_codes_entry(codes, id);
    if (entry == NULL)
        return 0;
    // A frame that was pushed and has not begun stands before its first instruction.
    if (offset < 0)
        return entry->identity.first_line;
    return op_line_table_find(codes->runtime->minor, entry->lines, entry->line_bytes, entry->identity.first_line,
                              offset);
}

static bool reserve_scratch(op_codes *codes, size_t bytes)
{
    if (bytes <= codes->scratch_bytes)
        return true;
    unsigned char *grown = op_resize(codes->scratch, bytes + 4096, 1);
    if (grown == NULL)
        return false;
    codes->scratch = grown;
    codes->scratch_bytes = bytes + 4096;
    return true;
}

// `bytes` bytes of the bytecode, from the byte `start` on, into the scratch.
static bool read_bytecode(op_codes *codes, const op_code_entry *entry, int64_t start, size_t bytes)
{
    op_addr from = op_addr_add(entry->address, (uint64_t)(codes->runtime->layout.code_bytecode + start));
    return reserve_scratch(codes, bytes) &&
           op_memory_read(codes->runtime->memory, from, codes->scratch, bytes) == OP_OK;
}

static bool names(const op_opcodes *table, uint8_t opcode, const char *name)
{
    return table->names[opcode] != NULL && strcmp(table->names[opcode], name) == 0;
}

// How many arguments the CALL at `at` passes by position. `before`: the two instructions before it; up to 3.12 KW_NAMES
// there tells that some have names.
static uint8_t arguments_passed(const op_codes *codes, size_t at, const uint8_t before[2])
{
    const op_opcodes *table = codes->runtime->opcodes;
    if (!names(table, table->deopt[codes->scratch[at]], "CALL"))
        return OP_PASSES_UNKNOWN;
    if (codes->runtime->minor <= 12 && (names(table, before[0], "KW_NAMES") || names(table, before[1], "KW_NAMES")))
        return OP_PASSES_UNKNOWN;
    return codes->scratch[at + 1];
}

// Finds the instruction that `offset` lies in: on 3.11 and 3.12 the saved pointer is inside the call's inline cache.
static bool decode_site(op_codes *codes, const op_code_entry *entry, int32_t offset, op_site *site)
{
    const op_opcodes *table = codes->runtime->opcodes;
    int64_t total = entry->identity.bytecode_bytes;
    if (table == NULL || offset < 0 || offset >= total || offset > SITE_MAX_BYTES)
        return false;
    // From 3.13 on the pointer names the instruction itself.
    int64_t start = codes->runtime->minor >= 13 ? offset : 0;
    int64_t end = (int64_t)offset + SITE_TAIL_BYTES;
    if (end > total)
        end = total;
    size_t bytes = (size_t)(end - start);
    if (!read_bytecode(codes, entry, start, bytes))
        return false;
    size_t want = (size_t)(offset - start);
    size_t at = 0;
    uint8_t before[2] = {0, 0};
    for (;;) {
        if (at + 2 > bytes)
            return false;
        size_t next = at + 2 + 2 * (size_t)table->caches[codes->scratch[at]];
        if (want < next)
            break;
        before[1] = before[0];
        before[0] = codes->scratch[at];
        at = next;
    }
    uint8_t opcode = codes->scratch[at];
    site->opcode = opcode;
    site->flags = table->flags[opcode];
    site->passes = arguments_passed(codes, at, before);
    uint8_t generic = table->deopt[opcode];
    site->iterates = names(table, generic, "FOR_ITER") || names(table, generic, "SEND");
    // Its argument tells since 3.13.
    site->delegates = names(table, generic, "YIELD_VALUE") &&
                      (codes->runtime->minor >= 13 ? codes->scratch[at + 1] == 1
                                                   : names(table, table->deopt[before[0]], "SEND"));
    site->version = 0;
    if (site->flags & OP_OPCODE_VERSIONED) {
        size_t cache = at + 2 + 2 * (size_t)table->version_cache[opcode];
        if (cache + 4 > bytes)
            return false;
        memcpy(&site->version, codes->scratch + cache, sizeof site->version);
    }
    return true;
}

const op_site *op_codes_site(op_codes *codes, uint32_t id, int32_t offset, int64_t now_ns, int64_t max_age_ns)
{
    const op_code_entry *entry = op_codes_entry(codes, id);
    if (entry == NULL)
        return NULL;
    bool added = false;
    uint32_t *slot = op_map_add(&codes->site_ids, (op_map_key){id, (uint32_t)offset}, &added);
    if (slot == NULL)
        return NULL;
    if (!added) {
        op_site *site = &codes->sites.items[*slot];
        if (now_ns - site->read_ns <= max_age_ns)
            return site;
        op_site fresh;
        if (!decode_site(codes, entry, offset, &fresh))
            return NULL;
        fresh.read_ns = now_ns;
        fresh.leaves_function = site->leaves_function;
        fresh.polymorphic = site->polymorphic ||
                            (site->version != 0 && fresh.version != 0 && site->version != fresh.version);
        *site = fresh;
        return site;
    }
    op_site fresh;
    op_site *site = NULL;
    if (decode_site(codes, entry, offset, &fresh))
        site = OP_VECTOR_PUSH(&codes->sites);
    if (site == NULL) {
        (void)op_map_remove(&codes->site_ids, (op_map_key){id, (uint32_t)offset});
        return NULL;
    }
    *slot = (uint32_t)(codes->sites.count - 1);
    fresh.read_ns = now_ns;
    fresh.leaves_function = false;
    fresh.polymorphic = false;
    *site = fresh;
    return site;
}

void op_codes_learn_function(op_codes *codes, uint32_t id, int32_t offset)
{
    const uint32_t *index = op_map_find(&codes->site_ids, (op_map_key){id, (uint32_t)offset});
    if (index != NULL)
        codes->sites.items[*index].leaves_function = true;
}

// Which of the first arguments the instruction binds anew, makes a cell, or deletes.
static uint8_t binds(const op_codes *codes, uint8_t opcode, uint8_t argument)
{
    const char *name = codes->runtime->opcodes->names[opcode];
    const uint8_t all = (1u << OP_CODE_ARGUMENTS) - 1u;
    if (name == NULL)
        return 0;
    if (strcmp(name, "INSTRUMENTED_LINE") == 0 || strcmp(name, "INSTRUMENTED_INSTRUCTION") == 0)
        return all;   // what they hide is kept elsewhere
    if (strncmp(name, "STORE_FAST", 10) != 0 && strcmp(name, "DELETE_FAST") != 0 &&
        strcmp(name, "MAKE_CELL") != 0 && strcmp(name, "LOAD_FAST_AND_CLEAR") != 0)
        return 0;
    // From 3.13 on STORE_FAST_LOAD_FAST and STORE_FAST_STORE_FAST have two: the first, and where it stores too the second.
    bool pair = codes->runtime->minor >= 13 &&
                (strcmp(name, "STORE_FAST_LOAD_FAST") == 0 || strcmp(name, "STORE_FAST_STORE_FAST") == 0);
    unsigned first = pair ? argument >> 4 : argument, bound = 0;
    if (first < OP_CODE_ARGUMENTS)
        bound |= 1u << first;
    if (pair && strcmp(name, "STORE_FAST_STORE_FAST") == 0 && (argument & 15u) < OP_CODE_ARGUMENTS)
        bound |= 1u << (argument & 15u);
    return (uint8_t)bound;
}

int op_codes_last_argument(op_codes *codes, uint32_t id, int32_t offset)
{
    const op_code_entry *entry = op_codes_entry(codes, id);
    const op_opcodes *table = codes->runtime->opcodes;
    if (entry == NULL || table == NULL || offset < 0 || offset >= entry->identity.bytecode_bytes ||
        offset > SITE_MAX_BYTES || !read_bytecode(codes, entry, 0, (size_t)offset + 2))
        return OP_ARGUMENT_UNKNOWN;
    int last = OP_ARGUMENT_UNKNOWN;   // what the instruction before leaves
    bool extended = false;            // its argument has more bytes
    for (size_t at = 0, next; at <= (size_t)offset; at = next) {
        uint8_t generic = table->deopt[codes->scratch[at]], argument = codes->scratch[at + 1];
        bool precall = names(table, generic, "PRECALL");   // 3.11: where it is specialised, it calls
        next = at + 2 + 2 * (size_t)table->caches[codes->scratch[at]];
        if ((size_t)offset < next)
            return (precall || names(table, generic, "CALL")) && argument > 0 ? last : OP_ARGUMENT_UNKNOWN;
        if (precall)
            continue;
        last = OP_ARGUMENT_UNKNOWN;
        if (names(table, generic, "CALL") && argument == 0 && !extended)
            last = OP_ARGUMENT_RESULT;
        else if (names(table, generic, "LOAD_FAST") || names(table, generic, "LOAD_FAST_BORROW"))
            last = extended ? OP_ARGUMENT_UNKNOWN : argument;
        extended = names(table, generic, "EXTENDED_ARG");
    }
    return OP_ARGUMENT_UNKNOWN;
}

uint8_t op_codes_rebound(op_codes *codes, uint32_t id)
{
    if (id < 1 || id > codes->entries.count)
        return UINT8_MAX;
    op_code_entry *entry = &codes->entries.items[id - 1];
    const op_opcodes *table = codes->runtime->opcodes;
    if (entry->scanned)
        return entry->rebound;
    entry->scanned = true;
    entry->rebound = UINT8_MAX;
    size_t bytes = (size_t)entry->identity.bytecode_bytes;
    if (table == NULL || bytes > SITE_MAX_BYTES || !read_bytecode(codes, entry, 0, bytes))
        return entry->rebound;
    entry->rebound = 0;
    for (size_t at = 0; at + 2 <= bytes; at += 2 + 2 * (size_t)table->caches[codes->scratch[at]])
        entry->rebound |= binds(codes, codes->scratch[at], codes->scratch[at + 1]);
    return entry->rebound;
}
