// SPDX-License-Identifier: MIT
#include "cache/order.h"

#include <stdlib.h>
#include <string.h>

#define RECENT 0   // head of the one list of LRU
#define SMALL 0    // heads of the queues of S3-FIFO
#define MAIN 1
#define HEADS 2
#define HITS 3u   // bits of a mark
#define IN_MAIN 4u
#define SMALL_SHARE 10   // one part in so many

// ---- ghosts: hashes of what was evicted early, first in, first out ---------------------------------------------------

struct op_ghosts {
    uint64_t *hashes;    // a ring; 0 is a ghost that came back to life
    uint32_t *index;     // places in the ring plus 1, by hash; 0 is empty
    uint32_t capacity;   // of the ring, a power of two; the index has twice as many
    uint32_t first;      // of the ring
    uint32_t length;     // of the ring, those that came back included
    uint32_t count;      // without them
    uint32_t limit;      // of count
};

static uint32_t ghost_place(const op_ghosts *ghosts, uint64_t hash)
{
    return (uint32_t)((hash * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (2 * ghosts->capacity - 1);
}

static uint32_t ghost_find(const op_ghosts *ghosts, uint64_t hash)
{
    uint32_t mask = 2 * ghosts->capacity - 1;
    for (uint32_t place = ghost_place(ghosts, hash); ghosts->index[place] != 0; place = (place + 1) & mask) {
        if (ghosts->hashes[ghosts->index[place] - 1] == hash) {
            return place;
        }
    }
    return UINT32_MAX;
}

// Takes what stands at `place` out of the index, and moves up those behind it that would not be found any more.
static void ghost_unindex(op_ghosts *ghosts, uint32_t place)
{
    uint32_t mask = 2 * ghosts->capacity - 1;
    uint32_t hole = place;
    for (uint32_t next = (place + 1) & mask; ghosts->index[next] != 0; next = (next + 1) & mask) {
        uint32_t home = ghost_place(ghosts, ghosts->hashes[ghosts->index[next] - 1]);
        if (((next - home) & mask) >= ((next - hole) & mask)) {
            ghosts->index[hole] = ghosts->index[next];
            hole = next;
        }
    }
    ghosts->index[hole] = 0;
}

static bool ghost_forget(op_ghosts *ghosts, uint64_t hash)
{
    if (ghosts->count == 0) {
        return false;
    }
    uint32_t place = ghost_find(ghosts, hash);
    if (place == UINT32_MAX) {
        return false;
    }
    uint32_t at = ghosts->index[place] - 1;
    ghost_unindex(ghosts, place);
    ghosts->hashes[at] = 0;
    ghosts->count--;
    return true;
}

static void ghost_index(op_ghosts *ghosts, uint32_t at)
{
    uint32_t mask = 2 * ghosts->capacity - 1;
    uint32_t place = ghost_place(ghosts, ghosts->hashes[at]);
    while (ghosts->index[place] != 0) {
        place = (place + 1) & mask;
    }
    ghosts->index[place] = at + 1;
}

// Gives a full ring room: without those that came back, or else at twice the size. False: no memory.
static bool ghost_room(op_ghosts *ghosts)
{
    uint32_t capacity = ghosts->capacity == 0 ? 16 : ghosts->capacity;
    capacity = ghosts->count * 2 > capacity ? capacity * 2 : capacity;
    uint64_t *hashes = malloc(capacity * sizeof *hashes);
    uint32_t *index = calloc((size_t)capacity * 2, sizeof *index);
    if (hashes == NULL || index == NULL) {
        free(hashes);
        free(index);
        return false;
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < ghosts->length; i++) {
        uint64_t hash = ghosts->hashes[(ghosts->first + i) & (ghosts->capacity - 1)];
        if (hash != 0) {
            hashes[count++] = hash;
        }
    }
    free(ghosts->hashes);
    free(ghosts->index);
    ghosts->hashes = hashes;
    ghosts->index = index;
    ghosts->capacity = capacity;
    ghosts->first = 0;
    ghosts->length = ghosts->count = count;
    for (uint32_t i = 0; i < count; i++) {
        ghost_index(ghosts, i);
    }
    return true;
}

static void ghost_drop_first(op_ghosts *ghosts)
{
    uint64_t hash = ghosts->hashes[ghosts->first];
    if (hash != 0) {
        ghost_forget(ghosts, hash);
    }
    ghosts->first = (ghosts->first + 1) & (ghosts->capacity - 1);
    ghosts->length--;
}

static void ghost_remember(op_ghosts *ghosts, uint64_t hash)
{
    ghost_forget(ghosts, hash);
    while (ghosts->count >= ghosts->limit && ghosts->length > 0) {
        ghost_drop_first(ghosts);
    }
    if (ghosts->length == ghosts->capacity && !ghost_room(ghosts)) {
        return;   // one ghost less is no error
    }
    uint32_t at = (ghosts->first + ghosts->length) & (ghosts->capacity - 1);
    ghosts->hashes[at] = hash;
    ghosts->length++;
    ghosts->count++;
    ghost_index(ghosts, at);
}

static uint64_t ghost_hash(uint64_t hash)
{
    return hash == 0 ? 1 : hash;
}

// ---- the order --------------------------------------------------------------------------------------------------------

void op_order_init(op_order *order, op_policy policy, uint64_t bound, uint64_t entries)
{
    *order = (op_order){.policy = policy};
    if (policy == OP_POLICY_S3FIFO) {
        order->small_share = bound / SMALL_SHARE > 0 ? bound / SMALL_SHARE : 1;
        order->ghosts = calloc(1, sizeof *order->ghosts);
        if (order->ghosts != NULL && entries > 0) {
            uint64_t small = entries / SMALL_SHARE > 0 ? entries / SMALL_SHARE : 1;
            uint64_t limit = entries > small ? entries - small : 1;
            order->ghosts->limit = limit < UINT32_MAX / 4 ? (uint32_t)limit : UINT32_MAX / 4;
            order->ghosts_fixed = true;
        }
    }
}

static void empty_lists(op_link *links)
{
    links[RECENT] = (op_link){RECENT, RECENT};
    links[MAIN] = (op_link){MAIN, MAIN};
}

void op_order_clear(op_order *order)
{
    if (order->links != NULL) {
        empty_lists(order->links);
    }
    order->small_weight = order->main_weight = 0;
    if (order->ghosts != NULL) {
        free(order->ghosts->hashes);
        free(order->ghosts->index);
        *order->ghosts = (op_ghosts){.limit = order->ghosts->limit};
    }
}

void op_order_shrink(op_order *order)
{
    free(order->links);
    free(order->marks);
    order->links = NULL;
    order->marks = NULL;
    order->capacity = 0;
}

void op_order_fini(op_order *order)
{
    op_order_clear(order);
    op_order_shrink(order);
    free(order->ghosts);
    order->ghosts = NULL;
}

bool op_order_reserve(op_order *order, uint32_t capacity)
{
    if (order->links != NULL && capacity <= order->capacity) {
        return true;
    }
    if (order->policy == OP_POLICY_S3FIFO) {
        uint8_t *marks = realloc(order->marks, capacity);
        if (marks == NULL) {
            return false;
        }
        order->marks = marks;
    }
    op_link *links = realloc(order->links, ((size_t)capacity + HEADS) * sizeof *links);
    if (links == NULL) {
        return false;
    }
    if (order->links == NULL) {
        empty_lists(links);
    }
    order->links = links;
    order->capacity = capacity;
    if (order->ghosts != NULL && !order->ghosts_fixed) {
        order->ghosts->limit = capacity;
    }
    return true;
}

// The queue of an entry, for S3-FIFO.
static uint64_t *queue_weight(op_order *order, uint32_t slot)
{
    return (order->marks[slot] & IN_MAIN) != 0 ? &order->main_weight : &order->small_weight;
}

void op_order_add(op_order *order, uint32_t slot, uint64_t hash, uint64_t weight)
{
    uint32_t head = RECENT;
    if (order->policy == OP_POLICY_S3FIFO) {
        bool ghost = order->ghosts != NULL && ghost_forget(order->ghosts, ghost_hash(hash));
        order->marks[slot] = ghost ? IN_MAIN : 0;
        head = ghost ? MAIN : SMALL;
        *queue_weight(order, slot) += weight;
    }
    op_order_link_newest(order->links, head, slot + HEADS);
}

void op_order_remove(op_order *order, uint32_t slot, uint64_t weight)
{
    op_order_unlink(order->links, slot + HEADS);
    if (order->policy == OP_POLICY_S3FIFO) {
        *queue_weight(order, slot) -= weight;
    }
}

void op_order_reweigh(op_order *order, uint32_t slot, uint64_t before, uint64_t after)
{
    if (order->policy == OP_POLICY_S3FIFO) {
        uint64_t *weight = queue_weight(order, slot);
        *weight = *weight - before + after;
    }
}

static uint32_t oldest(const op_order *order, uint32_t head)
{
    return order->links[head].newer;
}

uint32_t op_order_victim(op_order *order, const uint64_t *weights)
{
    if (order->links == NULL) {
        return OP_NO_SLOT;
    }
    op_link *links = order->links;
    if (order->policy == OP_POLICY_LRU) {
        uint32_t node = oldest(order, RECENT);
        return node == RECENT ? OP_NO_SLOT : node - HEADS;
    }
    // Each round takes a hit off an entry or moves one to main: it ends.
    for (;;) {
        uint32_t small = oldest(order, SMALL), main = oldest(order, MAIN);
        if (small != SMALL && (order->small_weight >= order->small_share || main == MAIN)) {
            uint32_t slot = small - HEADS;
            if ((order->marks[slot] & HITS) <= 1) {
                return slot;
            }
            uint64_t weight = weights == NULL ? 1 : weights[slot];
            order->marks[slot] = IN_MAIN;
            order->small_weight -= weight;
            order->main_weight += weight;
            op_order_unlink(links, small);
            op_order_link_newest(links, MAIN, small);
        } else if (main != MAIN) {
            uint32_t slot = main - HEADS;
            if ((order->marks[slot] & HITS) == 0) {
                return slot;
            }
            order->marks[slot]--;
            op_order_unlink(links, main);
            op_order_link_newest(links, MAIN, main);
        } else {
            return OP_NO_SLOT;
        }
    }
}

void op_order_evict(op_order *order, uint32_t slot, uint64_t hash, uint64_t weight)
{
    if (order->ghosts != NULL && (order->marks[slot] & IN_MAIN) == 0) {
        ghost_remember(order->ghosts, ghost_hash(hash));
    }
    op_order_remove(order, slot, weight);
}

static uint32_t slot_of(const op_order *order, uint32_t node)
{
    if (node == SMALL && order->policy == OP_POLICY_S3FIFO) {
        node = oldest(order, MAIN);
    }
    return node < HEADS ? OP_NO_SLOT : node - HEADS;
}

uint32_t op_order_first(const op_order *order)
{
    return order->links == NULL ? OP_NO_SLOT : slot_of(order, oldest(order, RECENT));
}

uint32_t op_order_next(const op_order *order, uint32_t slot)
{
    return slot_of(order, order->links[slot + HEADS].newer);
}
