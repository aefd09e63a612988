// SPDX-License-Identifier: MIT
// order: who is evicted next. Numbers of slots only, nothing of Python; the caller holds the store's lock.
//
// LRU: one list; a hit moves to its front, the last one is evicted.
// S3-FIFO (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023): two first-in-first-out queues.
// New entries go to the small one (a tenth of the bound, at least 1). A hit counts up to 3 and moves nothing. Eviction,
// while the cache is over its bound: from the small queue where it has reached its share (or main is empty), else from
// main. Off the small one's end an entry that was hit more than once goes to the front of main, its count 0; another is
// evicted and its hash remembered as a ghost. Off main's end an entry with a count goes back to the front with one
// less; another is evicted. An entry that is added while its hash is a ghost goes to main at once. There are as many ghosts as
// main may hold entries (bound less the small share; where only weight is bounded, as many as the table has room for
// entries), first in, first out.
#ifndef OP_CACHE_ORDER_H
#define OP_CACHE_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OP_NO_SLOT UINT32_MAX

typedef enum { OP_POLICY_LRU, OP_POLICY_S3FIFO } op_policy;

// Nodes 0 and 1 are the heads of the two lists (recent or small; main); slot n is node n + 2.
typedef struct {
    uint32_t older, newer;
} op_link;

typedef struct op_ghosts op_ghosts;

typedef struct {
    op_link *links;      // owned
    uint8_t *marks;      // owned; S3-FIFO: hits so far (2 bits), whether in main (bit 2)
    op_ghosts *ghosts;   // owned; S3-FIFO; NULL where there was no memory for any
    uint32_t capacity;   // slots that there is room for
    op_policy policy;
    bool ghosts_fixed;   // as many ghosts as the bound of entries says, else as there is room for entries
    uint64_t small_weight, main_weight;   // S3-FIFO: what both queues weigh
    uint64_t small_share;                 // what the small queue may weigh
} op_order;

// `bound`: the most that all may weigh. `entries`: the most entries, or 0 where only weight is bounded.
void op_order_init(op_order *order, op_policy policy, uint64_t bound, uint64_t entries);
void op_order_fini(op_order *order);
// Forgets all entries; ghosts too. There is still room for as many.
void op_order_clear(op_order *order);
// Where there is no entry: gives the memory for slots back. Ghosts stay.
void op_order_shrink(op_order *order);
// Makes room for `capacity` slots. False: no memory, nothing changed.
bool op_order_reserve(op_order *order, uint32_t capacity);

// An entry comes, goes (not evicted), or weighs otherwise. Where it comes, there is room (op_order_reserve).
void op_order_add(op_order *order, uint32_t slot, uint64_t hash, uint64_t weight);
void op_order_remove(op_order *order, uint32_t slot, uint64_t weight);
void op_order_reweigh(op_order *order, uint32_t slot, uint64_t before, uint64_t after);

// Which entry has to go now, or OP_NO_SLOT where there is none. Moves entries between the queues; the caller then calls
// op_order_evict with what it was given. `weights` by slot, NULL where each weighs 1.
uint32_t op_order_victim(op_order *order, const uint64_t *weights);
void op_order_evict(op_order *order, uint32_t slot, uint64_t hash, uint64_t weight);

// The entries from oldest to newest (LRU), or small then main: the first, and the one after `slot`.
uint32_t op_order_first(const op_order *order);
uint32_t op_order_next(const op_order *order, uint32_t slot);

static inline void op_order_unlink(op_link *links, uint32_t node)
{
    op_link link = links[node];
    links[link.older].newer = link.newer;
    links[link.newer].older = link.older;
}

static inline void op_order_link_newest(op_link *links, uint32_t head, uint32_t node)
{
    uint32_t newest = links[head].older;   // a list is a ring: older of the head is its newest
    links[node] = (op_link){.older = newest, .newer = head};
    links[newest].newer = node;
    links[head].older = node;
}

// A hit.
static inline void op_order_touch(op_order *order, uint32_t slot)
{
    if (order->policy == OP_POLICY_LRU) {
        uint32_t node = slot + 2;
        if (order->links[0].older != node) {
            op_order_unlink(order->links, node);
            op_order_link_newest(order->links, 0, node);
        }
    } else if ((order->marks[slot] & 3) < 3) {
        order->marks[slot]++;
    }
}

#endif
