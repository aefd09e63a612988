// SPDX-License-Identifier: MIT
#include "profile/profile.h"

#include <string.h>
#include "base/memory.h"
#include "profile/remap.h"

static bool keeps_thread(const op_profile *profile, const op_profile_filter *filter, op_id id)
{
    const op_thread_row *thread = op_profile_thread(profile, id);
    if (filter->thread_name) {
        op_string name = op_profile_text(profile, thread->name);
        if (name.bytes != strlen(filter->thread_name) || memcmp(name.text, filter->thread_name, name.bytes) != 0)
            return false;
    }
    return filter->pid == 0 || op_profile_process(profile, thread->process)->pid == filter->pid;
}

static bool keeps_sample(const op_profile_filter *filter, const bool *threads, const op_sample *sample)
{
    return threads[sample->thread - 1] && !(filter->drop_waiting && sample->state == OP_STATE_WAITING);
}

static bool copy_counters(op_remap *remap)
{
    for (size_t i = 0; i < remap->from->counters.count; i++) {
        const op_counter *counter = &remap->from->counters.items[i];
        const char *name = op_profile_text(remap->from, counter->name).text;
        if (op_profile_set_counter(remap->into, name, counter->value) != OP_OK)
            return false;
    }
    return true;
}

static bool copy_kept(op_remap *remap, const op_profile_filter *filter, bool *threads, bool *stacks)
{
    const op_profile *from = remap->from;
    for (size_t i = 0; i < from->threads.count; i++)
        threads[i] = keeps_thread(from, filter, (op_id)(i + 1));
    for (size_t i = 0; i < from->samples.count; i++) {
        const op_sample *sample = &from->samples.items[i];
        if (keeps_sample(filter, threads, sample))
            stacks[sample->stack - 1] = true;
    }
    if (!op_remap_run(remap) || !op_remap_stacks(remap, stacks))
        return false;
    for (size_t i = 0; i < from->samples.count; i++) {
        const op_sample *sample = &from->samples.items[i];
        if (keeps_sample(filter, threads, sample) && !op_remap_sample(remap, sample))
            return false;
    }
    for (size_t i = 0; i < from->calls.count; i++) {
        const op_call *call = &from->calls.items[i];
        if (threads[call->thread - 1] && !op_remap_call(remap, call))
            return false;
    }
    for (size_t i = 0; i < from->lines.count; i++) {
        const op_line *line = &from->lines.items[i];
        if (threads[line->thread - 1] && !op_remap_line(remap, line))
            return false;
    }
    return op_remap_timelines(remap, filter->drop_waiting) && copy_counters(remap);
}

op_status op_profile_filter_copy(const op_profile *profile, const op_profile_filter *filter, op_profile **out,
                                 op_error *error)
{
    op_status status = OP_NO_MEMORY;
    op_remap remap = {0};
    op_profile *made = NULL;
    bool *threads = op_alloc_zero(profile->threads.count + 1, sizeof *threads);
    bool *stacks = op_alloc_zero(profile->stacks.count + 1, sizeof *stacks);
    if (!threads || !stacks || op_profile_new(&made) != OP_OK || !op_remap_init(&remap, profile, made) ||
        !copy_kept(&remap, filter, threads, stacks)) {
        op_error_set(error, status, "out of memory while filtering a profile");
        goto done;
    }
    *out = made;
    made = NULL;
    status = OP_OK;
done:
    op_profile_free(made);
    op_remap_fini(&remap);
    op_free(threads);
    op_free(stacks);
    return status;
}
